/* The power goes at any moment: what is left verifies, holds every record that was acknowledged, and no key that was
 * acknowledged to be erased. A run is written down once; from that come all the disks that a cut could leave. */

#include "audit_world.h"

#include "audit/chain.h"
#include "disk/disk.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROMISES_MAX = 512, SEEDS_MAX = 512 };

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
        struct promise promises[PROMISES_MAX];
        unsigned promises_n;
        uint8_t seeds[SEEDS_MAX][32]; /* of the key of each epoch */
        struct audit_world after;     /* the machine that comes up again */
        unsigned cuts;
        char old_anchor[AUDIT_ANCHOR_MAX]; /* of a log that is set aside */
        struct disk_cut cut;               /* the last */
        bool checking;                     /* and what it left is being looked at */
};

static void make_after(struct power *power)
{
        power->after = *power->world;
        power->after.audit = NULL;
        snprintf(power->after.dir, sizeof(power->after.dir), "%s/audit-after-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        assert_non_null(mkdtemp(power->after.dir));
}

/* What is in the world's directory now is safe; nothing is promised yet. */
static void begin_disk(struct power *power)
{
        power->disk = disk_free(power->disk);
        power->disk = disk_new(power->world->dir);
        power->from = disk_steps(power->disk);
        power->promises_n = 0;
}

static int power_setup(void **state)
{
        struct power *power = calloc(1, sizeof(*power));

        if (!power || audit_world_setup((void **)&power->world) < 0)
                return -1;
        make_after(power);
        begin_disk(power);
        *state = power;
        return 0;
}

static void explain(const struct power *power)
{
        const struct disk_cut *cut = &power->cut;

        print_error("cut %u: at step %zu (%s), after %s; kept %d, %s, seed %llu\n", power->cuts, cut->at,
                    cut->at < disk_steps(power->disk) ? disk_step_name(power->disk, cut->at) : "the end",
                    cut->at > 0 ? disk_step_name(power->disk, cut->at - 1) : "nothing", (int)cut->kept,
                    cut->journaled ? "journaled" : "names in any order", (unsigned long long)cut->seed);
}

static int power_teardown(void **state)
{
        struct power *power = *state;
        struct disk *empty;

        disk_unwatch();
        if (power->checking)
                explain(power);
        audit_world_close(&power->after);
        empty = disk_new(power->after.dir);
        disk_cut(empty, &(struct disk_cut){ .at = 0 }, power->after.dir);
        disk_free(empty);
        rmdir(power->after.dir);
        disk_free(power->disk);
        audit_world_teardown((void **)&power->world);
        free(power);
        return 0;
}

#define POWER_TEST(test) cmocka_unit_test_setup_teardown(test, power_setup, power_teardown)

static void note_seed(struct power *power)
{
        const struct audit *audit = power->world->audit;

        if (audit && audit->epoch < SEEDS_MAX)
                memcpy(power->seeds[audit->epoch], audit->keys->seal, 32);
}

/* Called when a call of the chain has returned well: from here on it may not be forgotten. */
static void promised(struct power *power)
{
        struct promise *promise = &power->promises[power->promises_n++];
        struct audit_head head;

        assert_true(power->promises_n <= PROMISES_MAX);
        audit_head(power->world->audit, &head);
        promise->step = disk_steps(power->disk);
        promise->epoch = power->world->audit->epoch;
        strcpy(promise->anchor, head.anchor);
        note_seed(power);
}

static const struct promise *last_promise(const struct power *power, size_t at)
{
        const struct promise *last = NULL;

        for (unsigned i = 0; i < power->promises_n && power->promises[i].step <= at; i++)
                last = &power->promises[i];
        return last;
}

static void go(struct power *power, unsigned n, unsigned flags)
{
        audit_world_fill(power->world, n, n, flags);
        promised(power);
}

/* GOVERNOR_CUTS=10 for ten times the cuts of `make check`. */
static unsigned more(void)
{
        const char *times = getenv("GOVERNOR_CUTS");

        return times ? (unsigned)atoi(times) : 1;
}

/* ---- what must hold after a cut ------------------------------------------------------------------------------- */

static void expect_erased_from(struct power *power, const char *name, uint64_t below)
{
        static const uint8_t none[32];
        static char bytes[4 << 20];
        const size_t n = audit_world_read(&power->after, name, bytes, sizeof(bytes));

        for (uint64_t epoch = 0; epoch < below && epoch < SEEDS_MAX; epoch++)
                if (memcmp(power->seeds[epoch], none, 32) != 0 && memmem(bytes, n, power->seeds[epoch], 32))
                        fail_msg("the key of epoch %llu is in %s", (unsigned long long)epoch, name);
}

/* The keys of all epochs below this one are gone. */
static void expect_erased(struct power *power, uint64_t below)
{
        expect_erased_from(power, "keys/seal.key", below);
        expect_erased_from(power, "keys/seal.key.new", below);
        if (power->cuts % 64 > 0)
                return;
        expect_erased_from(power, "audit.db", below);
        expect_erased_from(power, "audit.db-wal", below);
}

static void verify_after(struct audit_world *world, const char *database, const char *anchor)
{
        struct audit_verify_options options = { .state_dir = world->dir, .database = database };
        struct audit_anchors *anchors = NULL;

        if (anchor) {
                assert_int_equal(audit_anchors_new(&anchors), 0);
                assert_int_equal(audit_anchors_add(anchors, anchor, strlen(anchor), NULL), 0);
        }
        options.anchors = anchors;
        audit_verify(&options, &world->report);
        audit_anchors_free(anchors);
}

static void expect_whole(struct power *power, const char *anchor)
{
        struct audit_world *after = &power->after;

        verify_after(after, NULL, anchor);
        if (!anchor && access(audit_world_path(after, "audit.db"), F_OK) < 0)
                audit_world_expect(after, 5, "NOT_FOUND"); /* the first start had not come so far */
        else
                audit_world_expect(after, 0, "");
        if (anchor && !after->report.anchored)
                fail_msg("%s is not met", anchor);
}

static void expect_it_goes_on(struct power *power, const struct promise *promise)
{
        struct audit_world *after = &power->after;

        audit_world_open(after);
        if (after->how.start == AUDIT_SET_ASIDE)
                fail_msg("set aside: %s, %s", after->how.finding, after->how.detail);
        assert_true(!promise || after->how.start == AUDIT_CONTINUED);
        expect_erased(power, promise ? after->audit->epoch : 0);
        audit_world_fill(after, 2, 2, AUDIT_SEAL);
        expect_whole(power, promise ? promise->anchor : NULL);
        audit_world_close(after);
}

static void cut(struct power *power, size_t at, unsigned variant)
{
        power->cut = (struct disk_cut){ .at = at,
                                        .kept = variant % DISK_KEPT_N,
                                        .journaled = variant / DISK_KEPT_N % 2 == 0,
                                        .seed = ++power->cuts };
        disk_cut(power->disk, &power->cut, power->after.dir);
}

static void each_cut(struct power *power, unsigned variants, void (*check)(struct power *, const struct promise *))
{
        for (size_t at = power->from; at <= disk_steps(power->disk); at++)
                for (unsigned variant = 0; variant < variants; variant++) {
                        cut(power, at, variant);
                        power->checking = true;
                        check(power, last_promise(power, at));
                        power->checking = false;
                }
        print_message("# %u cuts in %zu steps\n", power->cuts, disk_steps(power->disk) - power->from);
}

/* What a cut left is the machine that goes on. */
static void change_places(struct power *power)
{
        char dir[sizeof(power->after.dir)];

        strcpy(dir, power->world->dir);
        strcpy(power->world->dir, power->after.dir);
        strcpy(power->after.dir, dir);
        begin_disk(power);
}

/* ---- appending and sealing ------------------------------------------------------------------------------------ */

static void check_life(struct power *power, const struct promise *promise)
{
        expect_erased(power, promise ? promise->epoch : 0);
        expect_whole(power, promise ? promise->anchor : NULL);
        expect_it_goes_on(power, promise);
}

/* From the first start on, over a completed subtree, and over the WAL's way back into the database. */
static void live(struct power *power, unsigned large)
{
        disk_watch(power->disk);
        audit_world_open(power->world);
        promised(power);
        sqlite3_wal_autocheckpoint(power->world->audit->db, 40);
        for (unsigned i = 0; i < 8; i++)
                go(power, 1 + i % 3, i % 3 == 1 ? 0 : AUDIT_SEAL);
        if (large > 0)
                go(power, large, AUDIT_SEAL);
        for (unsigned i = 0; i < 6; i++)
                go(power, 1, i % 2 ? 0 : AUDIT_SEAL);
        disk_unwatch();
}

static void a_power_cut_at_any_step_is_no_alarm_and_loses_nothing(void **state)
{
        struct power *power = *state;

        live(power, 245);
        each_cut(power, 4 * more(), check_life);
        assert_true(power->cuts > 900);
}

/* Each life begins with what a cut left of the one before it, the cut of a start included. */
static void cut_upon_cut_is_no_alarm_and_loses_nothing(void **state)
{
        struct power *power = *state;
        struct promise kept = { 0 };

        for (unsigned i = 0; i < 150 * more(); i++) {
                const struct promise *promise;
                size_t at;

                disk_watch(power->disk);
                audit_world_open(power->world);
                power->checking = power->world->how.start == AUDIT_SET_ASIDE;
                assert_int_not_equal(power->world->how.start, AUDIT_SET_ASIDE);
                promised(power);
                for (unsigned j = 0; j < i % 7; j++)
                        go(power, 1 + j % 3, (i + j) % 3 ? AUDIT_SEAL : 0);
                disk_unwatch();

                at = power->from +
                     (size_t)(i * UINT64_C(2654435761) >> 7) % (disk_steps(power->disk) - power->from + 1);
                promise = last_promise(power, at);
                kept = promise ? *promise : kept;
                cut(power, at, i);
                power->checking = true;
                expect_erased(power, kept.epoch);
                expect_whole(power, kept.anchor[0] ? kept.anchor : NULL);
                power->checking = false;

                audit_world_close(power->world);
                change_places(power);
        }
        assert_true(power->after.report.size > 200);
}

/* ---- setting aside -------------------------------------------------------------------------------------------- */

/* The old log, wherever it is by now, still says what was acknowledged. */
static bool evidence_is_kept(struct power *power, const char *anchor)
{
        struct audit_world *after = &power->after;
        DIR *dir = opendir(audit_world_path(after, "set-aside"));
        bool found;

        verify_after(after, audit_world_path(after, "audit.db"), anchor);
        found = after->report.exit_code == 0 && after->report.anchored;
        for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
                char name[512];

                snprintf(name, sizeof(name), "set-aside/%s/audit.db", entry->d_name);
                if (entry->d_name[0] == '.' || access(audit_world_path(after, name), F_OK) < 0)
                        continue;
                verify_after(after, audit_world_path(after, name), anchor);
                found = after->report.exit_code == 0 && after->report.anchored;
        }
        if (dir)
                closedir(dir);
        return found;
}

static void check_aside(struct power *power, const struct promise *promise)
{
        assert_true(evidence_is_kept(power, power->old_anchor));
        if (promise)
                expect_whole(power, promise->anchor);
        audit_world_open(&power->after);
        assert_true(!promise || power->after.how.start == AUDIT_CONTINUED);
        assert_int_not_equal(power->after.how.start, AUDIT_CREATED);
        expect_whole(power, promise ? promise->anchor : NULL);
        audit_world_close(&power->after);
        assert_true(evidence_is_kept(power, power->old_anchor));
}

/* A log whose daemon was killed, so that its WAL is there, and whose key somebody destroyed. */
static void a_broken_log(struct power *power)
{
        static const char zeros[1024];

        live(power, 0);
        strcpy(power->old_anchor, power->promises[power->promises_n - 1].anchor);
        cut(power, disk_steps(power->disk), DISK_EVERYTHING);
        audit_world_close(power->world);
        change_places(power);
        audit_world_write(power->world, "keys/seal.key", zeros, sizeof(zeros));
        begin_disk(power);
        memset(power->seeds, 0, sizeof(power->seeds)); /* its key is not ours to erase */
}

static void a_power_cut_while_setting_aside_loses_no_evidence(void **state)
{
        struct power *power = *state;

        a_broken_log(power);
        disk_watch(power->disk);
        audit_world_open(power->world);
        assert_int_equal(power->world->how.start, AUDIT_SET_ASIDE);
        promised(power);
        go(power, 3, AUDIT_SEAL);
        disk_unwatch();
        each_cut(power, 8 * more(), check_aside);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                POWER_TEST(a_power_cut_at_any_step_is_no_alarm_and_loses_nothing),
                POWER_TEST(cut_upon_cut_is_no_alarm_and_loses_nothing),
                POWER_TEST(a_power_cut_while_setting_aside_loses_no_evidence),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
