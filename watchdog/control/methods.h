#pragma once
/* What can be asked of the daemon, and by whom: one row a method. */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum role {
        ROLE_NONE,
        ROLE_AGENT,    /* anybody, on the socket for agents: asks for itself */
        ROLE_READER,   /* group `governor` */
        ROLE_COURIER,  /* the user of governor-courier: carries what is to leave the machine, and what comes back */
        ROLE_OPERATOR, /* root */
};

enum method {
        METHOD_STATUS,
        METHOD_AGENTS,
        METHOD_INCIDENTS,
        METHOD_WHY,
        METHOD_RESTART,
        METHOD_RELEASE,
        METHOD_ACKNOWLEDGE,
        METHOD_RELOAD,
        METHOD_SAFE_MODE,
        METHOD_DISARM,
        METHOD_POLICY,
        METHOD_DISCOVER,
        METHOD_SUBSCRIBE,
        METHOD_VERSION,
        METHOD_AUDIT_HEAD,
        METHOD_AUDIT_SEAL,
        METHOD_AUDIT_ARCHIVE,
        METHOD_AUDIT_ROTATE,
        METHOD_AUDIT_RESTORED,
        METHOD_WITNESSES,
        METHOD_HISTORY,
        METHOD_WITNESS_ADD,
        METHOD_WITNESS_REMOVE,
        METHOD_ADD_CHECKPOINT,
        METHOD_COSIGN,
        METHOD_WITNESS_REFUSED,
        METHOD_CHANGE_OPEN,
        METHOD_CHANGE_CLOSE,
        METHOD_CHANGES,
        METHOD_PLANNED,
        METHOD_LIMITS,
        METHOD_LIMIT,
        METHOD_TRIALS,
        METHOD_KEEP,
        METHOD_UNDO,
        METHOD_ROLLBACK,
        METHOD_VERSIONS,
        METHOD_VERSION_DIFF,
        METHOD_ASK,
        METHOD_REQUEST,
        METHOD_WITHDRAW,
        METHOD_REQUESTS,
        METHOD_REQUEST_SHOW,
        METHOD_APPROVE,
        METHOD_MODIFY,
        METHOD_REJECT,
        METHOD_APPROVERS,
        METHOD_APPROVER_ADD,
        METHOD_APPROVER_REMOVE,
        METHOD_APPROVER_RECOVER,
        METHOD_N,
};

#define METHOD_PARAMS_MAX 4

/* Who may ask: a set of roles. */
enum {
        MAY_ASK = 1 << ROLE_AGENT, /* and nobody else: on the other sockets nobody is an agent */
        MAY_ORDER = 1 << ROLE_OPERATOR,
        MAY_READ = MAY_ORDER | 1 << ROLE_READER,
        MAY_CARRY = MAY_ORDER | 1 << ROLE_COURIER,
        MAY_READ_OR_CARRY = MAY_READ | MAY_CARRY,
};

struct method_row {
        const char *name;
        unsigned may; /* a set of roles */
        struct {
                const char *name;
                json_type type;
                bool required;
        } params[METHOD_PARAMS_MAX];
};

const struct method_row *method_row(enum method method);

/* Whether somebody in this role may ask for it. */
bool method_is_for(const struct method_row *row, enum role role);

/* The method of that name, METHOD_N for none; `ret_near` then gets the nearest name or NULL. */
enum method method_find(const char *name, const char **ret_near);

/* Checks `params` (NULL: none given) against the row; 0, or -EINVAL with a text for people. */
int method_check(const struct method_row *row, const json_t *params, char *text, size_t size);
