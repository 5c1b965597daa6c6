#pragma once
/*
 * The guard: joins what is guarded, how it was sealed, what is heard of it and the hand that puts it back. It tells of breaches, and
 * decides nothing: whoever hears of one may ask for a restore. A restore lasts: the file is put back and sealed again at once, and so
 * it is at every further breach, until nobody touched it for GUARD_QUIET; then what came of it is told, once.
 *
 * It waits for nothing but the disk, and never long: what takes long is done in slices, one each time guard_tick() is called.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/usec.h"
#include "guard/look.h"
#include "guard/manifest.h"
#include "guard/who.h"
#include "io/cleanup.h"
#include "io/vault.h"

#define GUARD_QUIET (USEC_PER_SEC)
#define GUARD_HOLD_MOST (60 * USEC_PER_SEC)   /* longest one restore lasts: then the next breach is told anew */
#define GUARD_SWEEP_EVERY (45 * USEC_PER_SEC) /* all by stat(2), and what is new */
#define GUARD_SWEEP_LEAST (USEC_PER_SEC)      /* between two, whatever is heard: anybody can make us hear something */
#define GUARD_READ_EVERY (4 * USEC_PER_HOUR)  /* all contents, as the disk has them */
#define GUARD_RULES_MAX 256
#define GUARD_BREACHES_MAX 256 /* open at a time; what has no room is told when it has, by a sweep */

/* What is to be guarded. All of it is a loan for as long as the guard has these rules. */
struct guard_rule {
        const char *name;
        enum guard_class class;
        const char *const *patterns; /* as path_glob() reads them */
        uint32_t patterns_n;
        const char *const *excepts; /* as path_excepted() reads them */
        uint32_t excepts_n;
        bool folders; /* the folders are made immutable too */
        bool armed; /* sink.armed told so, or guard_arm() follows: else what is in it and not sealed would be new, a breach */
};

enum guard_event {
        GUARD_CHANGED,
        GUARD_REMOVED,
        GUARD_ADDED, /* new where a rule guards; `sealed` is NULL */
        GUARD_BOUND, /* something was mounted over it */
        GUARD_BACK,  /* it is as it was sealed again, and not by us; `found` is how it is sealed */
        GUARD_EVENT_N,
};

struct guard_breach {
        enum guard_event event;
        const char *path;
        uint32_t rule;
        unsigned differences;                /* enum look_difference */
        const struct manifest_entry *sealed; /* NULL: it was not */
        const struct manifest_entry
                *found;     /* its digest is right if LOOK_CONTENT is told by it: else nobody read it yet */
        bool content_read;  /* whether it was */
        bool away;          /* found by the look at the start: it happened while nobody watched */
        uint32_t differing; /* breaches of this rule that are open, this one counted */
        struct who who;
};

struct guard_restored {
        const char *path;
        uint32_t rule;
        int r;                   /* of the last try: 0, or why it is not as it was sealed */
        uint32_t times;          /* it was put back */
        usec_t took;             /* from the first time to the last */
        bool cut;                /* it was still being changed when GUARD_HOLD_MOST was over */
        bool kept;               /* what was found is in the vault */
        struct file_state found; /* the last that was, with its digest if it is kept */
        unsigned notes;          /* enum seal_note */
        const char *text;        /* of a failure */
};

struct guard_sink {
        void (*breach)(void *self, const struct guard_breach *breach);
        void (*restored)(void *self, const struct guard_restored *restored);
        void (*gap)(void *self, usec_t from,
                    usec_t to); /* what happened between these is found by a sweep, if it lasted */
        /* Something was not sealed, or is not watched, and why: for people. */
        void (*left_out)(void *self, const char *path, const char *why);
        /* All of a rule was tried to be sealed. As long as something is left out of it nothing in it is told as new: it is not armed. */
        void (*armed)(void *self, uint32_t rule, uint32_t left_out);
        /* The manifest was written, and this is its digest. */
        void (*sealed)(void *self, uint32_t entries, const uint8_t digest[DIGEST_SIZE]);
        void *self;
};

/* All of these outlive the guard. */
struct guard_options {
        const struct proc *proc;
        struct vault *vault;
        const char *manifest; /* the file it is kept in */
        const char *mounts;   /* /proc/self/mountinfo */
        /* As struct sealer's: before something is made immutable, for the footprint. NULL: nobody asks. */
        int (*mark)(void *self, const char *path);
        void *mark_self;
        struct guard_sink sink;
};

/* How it is, for status and doctor. */
struct guard_state {
        uint32_t entries, places, by_inotify;
        uint32_t open;    /* breaches that were told and not put back */
        uint32_t holding; /* restores that last */
        uint32_t untold;  /* breaches that found no room since the beginning, each time they were found */
        bool fanotify, names_pids, knows_the_dead, sees_mounts;
        int watch_error; /* what refused the best way to watch; 0: nothing did */
};

struct guard;

/* -EBADMSG: what the manifest was kept in is none; without the file nothing is sealed yet. */
int guard_new(const struct guard_options *options, struct guard **ret);
struct guard *guard_free(struct guard *guard); /* all that is immutable stays so */
DEFINE_CLEANUP_FUNC(struct guard *, guard_free);

/* These rules from now on. Numbers in the manifest are indexes of this list: entries of a rule that is no more are to be disarmed before.
 * Watches what is sealed, and begins to look at all of it. -E2BIG: too many. */
int guard_set_rules(struct guard *guard, const struct guard_rule *rules, uint32_t n, usec_t now);

/* Begins to seal what the rule matches and the manifest does not have: in slices, told by sink.armed at the end. */
int guard_arm(struct guard *guard, uint32_t rule, usec_t now);

/* Takes back all that was done to the files of a rule: no flag, no watch, no entry is left. The first failure; the others were done. */
int guard_disarm(struct guard *guard, uint32_t rule);

/* One descriptor for the loop: readable when guard_take() has something to do. */
int guard_fd(const struct guard *guard);
void guard_take(struct guard *guard, usec_t now);

/* When guard_tick() is to be called next. */
usec_t guard_deadline(const struct guard *guard);
void guard_tick(struct guard *guard, usec_t now);

/* Puts one file back, and holds it. -ENOENT: it is not guarded. What comes of it is told by sink.restored, also of a failure. */
int guard_restore(struct guard *guard, const char *path, usec_t now);

/* All open breaches of a rule; how many. */
uint32_t guard_restore_rule(struct guard *guard, uint32_t rule, usec_t now);

/* Looks at everything, from now on. */
void guard_sweep(struct guard *guard, enum look_depth depth, usec_t now);

const struct manifest *guard_manifest(const struct guard *guard);
void guard_get_state(const struct guard *guard, struct guard_state *ret);
