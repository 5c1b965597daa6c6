#pragma once
/* The state directory as govctl reads it: the audit log in it, by default or as the options say. */
#include <limits.h>

#include "audit/audit.h"
#include "govctl/call.h"

/* --state, $GOVERNOR_STATE or /var/lib/governor. */
const char *state_directory(const struct call *call);

/* Whether that is the one that nobody has chosen. */
bool state_is_default(const struct call *call);

/* Whether the daemon that would be asked is the one of this directory, as far as the call says: both by default, or both
 * chosen. With one of them chosen its answers may be about another log. */
bool state_is_daemons(const struct call *call);

/* Opens the log of --db or of the state directory for reading; complains when it cannot. */
enum code state_open_log(struct call *call, struct audit_reader **ret);

/* The same without a complaint: 0 or a negative errno, and the path in any case. */
int state_try_log(struct call *call, char path[static PATH_MAX], struct audit_reader **ret);

/* What could not be opened, and what may help. */
enum code state_complain(struct call *call, int error, const char *path);

/* Why the log could not be `done` ("rotated"), and what may help. */
enum code state_complain_writing(struct call *call, int error, const char *done);

/* The daemon that writes this log is asked; when none runs, or it is another's, `*ret_here` says that govctl may do it
 * itself, holding the daemon's lock. `parameters` is taken over. */
enum code state_ask_or_here(struct call *call, const char *method, json_t *parameters, json_t **ret_answer,
                            bool *ret_here);
