#pragma once

/* A log on a disk that loses power: what was acknowledged is kept in mind, and must be there after any cut. */

#include "disk/disk.h"
#include "unit/audit_world.h"

enum { POWER_PROMISES_MAX = 512, POWER_SEEDS_MAX = 512 };

/* What was acknowledged, and after which step of the disk. */
struct promise {
        size_t step;
        uint64_t epoch; /* all keys below it are erased */
        char anchor[AUDIT_ANCHOR_MAX];
};

struct power {
        struct audit_world *world;
        struct disk *disk;
        size_t from; /* cuts come after this step */
        struct promise promises[POWER_PROMISES_MAX];
        unsigned promises_n;
        uint8_t seeds[POWER_SEEDS_MAX][32]; /* of the key of each epoch */
        struct audit_world after;           /* the machine that comes up again */
        unsigned cuts;
        char old_anchor[AUDIT_ANCHOR_MAX]; /* of a log that is set aside */
        struct disk_cut cut;               /* the last */
        bool checking;                     /* and what it left is being looked at */
};

int power_setup(void **state);
int power_teardown(void **state);
#define POWER_TEST(test) cmocka_unit_test_setup_teardown(test, power_setup, power_teardown)

/* What is in the world's directory now is safe; nothing is promised yet. */
void power_begin_disk(struct power *power);

/* Called when a call of the chain has returned well: from here on it may not be forgotten. */
void power_promised(struct power *power);
const struct promise *power_last_promise(const struct power *power, size_t at);

/* Adds n records in one group, which is then promised. */
void power_go(struct power *power, unsigned n, unsigned flags);

/* Makes in `after` what a cut leaves; variants 0 to 7 are the ways it can go. */
void power_cut(struct power *power, size_t at, unsigned variant);

/* A cut after every step, in so many variants. `check` may fail: the cut is then explained. */
void power_each_cut(struct power *power, unsigned variants,
                    void (*check)(struct power *, const struct promise *promise));

/* GOVERNOR_CUTS=10 for ten times the cuts of `make check`. */
unsigned power_more(void);

/* What a cut left is the machine that goes on. */
void power_change_places(struct power *power);

/* Of what a cut left: the keys of all epochs below this one are gone. */
void power_expect_erased(struct power *power, uint64_t below);

/* It verifies and holds what the anchor says; NULL: it may also be that there is no log yet. */
void power_expect_whole(struct power *power, const char *anchor);
void power_verify_after(struct audit_world *world, const char *database, const char *anchor);

/* The daemon starts on it, continues it, writes. */
void power_expect_it_goes_on(struct power *power, const struct promise *promise);
