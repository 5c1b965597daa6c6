#pragma once
/* Approvers: the humans whose signature weakens Governor, their keys, and the file that lists them (STATE/keys/approvers). */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/usec.h"
#include "io/digest.h"
#include "io/locked_key.h"
#include "io/ssh_key.h"

#define APPROVERS_MAX 16
#define APPROVER_NAME_MAX 33 /* with NUL */
#define APPROVER_WHY_MAX 192
#define RECOVERY_CODE_MAX 50 /* ten groups of four, with NUL */

struct approver_key {
        char name[APPROVER_NAME_MAX];
        struct ssh_key key;
        char locked[LOCKED_KEY_MAX]; /* its secret half, where that is here under a passphrase; else "" */
        uint64_t since;              /* enrolled then; seconds since 1970 */
        char by[64];                 /* by whom: "uid:0 pid:4711" */
};

struct approvers {
        struct approver_key list[APPROVERS_MAX];
        size_t n;
        char recovery[DIGEST_HEX_MAX]; /* SHA-256 of the recovery code; "": it is used up */
};

/* The one of that name, or of that key; NULL. */
struct approver_key *approvers_find(struct approvers *approvers, const char *name);
const struct approver_key *approvers_of_key(const struct approvers *approvers, const struct ssh_key *key);

/* -EINVAL: no name; -EEXIST: the name is taken; -ENOTUNIQ: the key is; -ENOSPC: there are APPROVERS_MAX. */
int approvers_add(struct approvers *approvers, const struct approver_key *approver);
void approvers_remove(struct approvers *approvers, struct approver_key *approver);

/* Whether both list the same keys under the same names, and have the same recovery code. */
bool approvers_same(const struct approvers *a, const struct approvers *b);

/*
 * The file: "approver NAME SINCE BY TYPE BASE64 [LOCKED]" and "recovery SHA256", a line each; '#' begins a comment. It is read
 * strictly: all or nothing, -EINVAL with the number of the line and what is wrong with it for people.
 */
int approvers_parse(const char *text, size_t size, struct approvers *ret, char why[APPROVER_WHY_MAX]);
int approvers_write(const struct approvers *approvers, char **ret_text);

/* -ENOENT: there is none. Other errors come with why. */
int approvers_load(const char *path, struct approvers *ret, char why[APPROVER_WHY_MAX]);
int approvers_save(const char *path, const struct approvers *approvers);

/* What the chain keeps of them: all but what a passphrase locks. */
json_t *approvers_to_json(const struct approvers *approvers);
int approvers_from_json(const json_t *json, struct approvers *ret);

/* Takes over from `found` what a passphrase locks, for the keys that are the same: nobody but its maker can have changed it. */
void approvers_take_locked(struct approvers *approvers, const struct approvers *found);

/* A new recovery code, to be shown once; its hash goes into the list. */
int recovery_code_make(struct approvers *approvers, char ret[RECOVERY_CODE_MAX]);
bool recovery_code_is(const struct approvers *approvers, const char *code);

/*
 * Who lost key and code waits: RECOVERY_HOURS announcements, an hour apart, counted while the daemon runs. A clock that is set
 * forward shortens nothing, and a restart begins the hour anew.
 */
#define RECOVERY_HOURS 72

struct recovery {
        bool on;
        unsigned hours; /* that have passed */
        usec_t next;    /* the hour is over then; judge time */
};

enum recovery_step {
        RECOVERY_WAITS,
        RECOVERY_ANNOUNCE, /* one more hour has passed */
        RECOVERY_OVER,     /* the last one has */
};

void recovery_begin(struct recovery *recovery, unsigned hours, usec_t now);
enum recovery_step recovery_look(struct recovery *recovery, usec_t now);
