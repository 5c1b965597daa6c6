#pragma once
/* The witnesses of the audit log: who they are, from the file `witnesses` beside the policy, and what each of them cosigned last. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/audit.h"
#include "base/usec.h"

#define WITNESSES_MAX 16
#define WITNESS_VKEY_MAX (AUDIT_ORIGIN_MAX + 64)
#define WITNESS_URL_MAX 512

struct witness {
        struct audit_vkey key; /* key.name is what it is called */
        char vkey[WITNESS_VKEY_MAX];
        char url[WITNESS_URL_MAX];
        uint64_t last_size; /* of the log, cosigned; 0: never */
        uint64_t last_time; /* ... and when, by the witness's own clock: seconds since 1970 */
        usec_t last_at;     /* judge time */
        usec_t refused_at;  /* it refused the log, and has not cosigned it since; judge time, 0: not */
};

struct witnesses {
        struct witness list[WITNESSES_MAX];
        size_t n;
};

/*
 * Reads lines of `VKEY URL`; empty ones and those that begin with '#' are skipped. All or nothing: -EINVAL with the line's
 * number and what is wrong with it for people, who may see it, whatever bytes the line holds.
 */
#define WITNESS_WHY_MAX 160
int witnesses_parse(const char *text, size_t size, struct witnesses *ret, char why[WITNESS_WHY_MAX]);

/* One witness from its two words; -EINVAL with why. */
int witness_read(const char *vkey, const char *url, struct witness *ret, char why[WITNESS_WHY_MAX]);

/* Reads the file; one that is not there is an empty list. Other errors come with why, "FILE:LINE: ..." where a line is wrong. */
int witnesses_load(const char *path, struct witnesses *ret, char why[WITNESS_WHY_MAX]);

/* Writes the file in one step. */
int witnesses_save(const char *path, const struct witnesses *witnesses);

/* The one of that name, or NULL. */
struct witness *witnesses_find(struct witnesses *witnesses, const char *name);

/* -EEXIST: there is one of that name; -ENOSPC: there are WITNESSES_MAX. */
int witnesses_add(struct witnesses *witnesses, const struct witness *witness);
void witnesses_remove(struct witnesses *witnesses, struct witness *witness);

/* The name in a cosignature line ("— NAME BASE64"), as text of its own; false when it is no such line. */
bool witness_name_in(const char *line, char ret[AUDIT_ORIGIN_MAX]);
