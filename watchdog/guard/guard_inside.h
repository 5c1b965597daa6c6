#pragma once
/* What guard.c, guard_hold.c and guard_work.c share: the one guard and its open breaches. */
#include "guard/guard.h"
#include "guard/mounts.h"
#include "guard/scan.h"
#include "guard/seal.h"
#include "guard/watch.h"

#define OVERS_MAX 8 /* mounts over guarded places that are remembered; older ones are found, and not detached */

/* A breach that was told. It is open until the file is as it was sealed, or somebody put it back. */
struct trouble {
        bool used, holding;
        bool added; /* it is a new file, and has no entry */
        uint32_t rule, hash;
        char path[FILE_PATH_MAX];

        /* the restore that lasts */
        usec_t since, last, quiet_at;
        uint32_t times;
        int r;
        bool cut;
        struct seal_outcome outcome;
};

struct guard {
        struct guard_options options;
        struct sealer sealer;
        struct manifest *manifest;
        bool dirty; /* the manifest is not as it was saved */
        struct watch *watch;
        struct mounts *mounts;
        struct who_book *book; /* NULL: the kernel does not tell us */
        int epoll;
        const struct guard_rule *rules;
        uint32_t rules_n;
        struct trouble *troubles; /* GUARD_BREACHES_MAX */
        uint32_t untold;

        struct mount overs[OVERS_MAX]; /* the newest last */
        unsigned overs_n;
        bool saw_mounts; /* the first look is done */

        /* what is done in slices */
        struct look_sweep sweep;
        bool sweeping, away, sweep_again;
        struct scan scan;
        bool scanning, sealing;
        bool arming[GUARD_RULES_MAX];       /* what is found in it is sealed, not told */
        uint32_t unsealed[GUARD_RULES_MAX]; /* files that could not be */
        uint32_t scan_rule;
        usec_t sweep_at, read_at;
        usec_t swept_at; /* when the last one was begun */
        usec_t now;      /* of the call that is being answered */
};

/* The breach that is open on a path, or NULL. */
struct trouble *guard_trouble(struct guard *guard, const char *path);
void guard_forget(struct trouble *trouble);

/* Whether an exception of the rule takes the path out. */
bool guard_rule_excepts(const struct guard_rule *rule, const char *path);

/* The first armed rule that a path is of; rules_n: none is. */
uint32_t guard_rule_of(const struct guard *guard, const char *path);

/* Whether some rule waits to be sealed. */
bool guard_is_arming(const struct guard *guard);

/* Watches an entry as it is now, and tells if that cannot be. */
void guard_watch_entry(struct guard *guard, const struct manifest_entry *entry);

/* Puts the entry into the manifest. */
void guard_note(struct guard *guard, const struct manifest_entry *entry);

/* Looks at a guarded file and tells, holds or forgets accordingly. `who` may be NULL. */
void guard_check(struct guard *guard, const struct manifest_entry *entry, const struct who *who);
void guard_weigh(struct guard *guard, const struct manifest_entry *entry, const struct look_found *found, bool read,
                 const struct who *who);
void guard_added(struct guard *guard, const char *path, uint32_t rule, const struct who *who);

/* guard_hold.c: once more, as it is being held; and what became quiet. */
void guard_hold_again(struct guard *guard, struct trouble *trouble);
void guard_hold_tick(struct guard *guard);
usec_t guard_hold_deadline(const struct guard *guard);

/* guard_work.c: one slice of what is under way; and when the next sweep is to begin, if none is. */
void guard_work(struct guard *guard);
usec_t guard_sweep_due(const struct guard *guard);
void guard_work_stop(struct guard *guard);
