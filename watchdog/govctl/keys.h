#pragma once
/* Verifier keys that a person trusts: of a log, and of the witnesses that must have cosigned it. */
#include "audit/audit.h"
#include "govctl/call.h"

struct keys_trusted {
        struct audit_vkey *witnesses; /* NULL: none */
        size_t witnesses_n;
        unsigned quorum; /* all of them unless --quorum says otherwise */
};

/* The keys of --witness and the --quorum. Complains. */
enum code keys_read(struct call *call, struct keys_trusted *ret);
void keys_done(struct keys_trusted *keys);

/* The key of --log, else of the log that is read here, which is said. Complains. */
enum code keys_of_log(struct call *call, struct audit_vkey *ret);
