#include "disk/power.h"

#include "audit/chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void make_after(struct power *power)
{
        power->after = *power->world;
        power->after.audit = NULL;
        snprintf(power->after.dir, sizeof(power->after.dir), "%s/audit-after-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        assert_non_null(mkdtemp(power->after.dir));
}

void power_begin_disk(struct power *power)
{
        power->disk = disk_free(power->disk);
        power->disk = disk_new(power->world->dir);
        power->from = disk_steps(power->disk);
        power->promises_n = 0;
}

int power_setup(void **state)
{
        struct power *power = calloc(1, sizeof(*power));

        if (!power || audit_world_setup((void **)&power->world) < 0)
                return -1;
        make_after(power);
        power_begin_disk(power);
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
        if (getenv("GOVERNOR_STEPS"))
                for (size_t i = power->from; i < disk_steps(power->disk); i++)
                        print_message("# %zu %s\n", i, disk_step_name(power->disk, i));
}

int power_teardown(void **state)
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

static void note_seed(struct power *power)
{
        const struct audit *audit = power->world->audit;

        if (audit && audit->epoch < POWER_SEEDS_MAX)
                memcpy(power->seeds[audit->epoch], audit->keys->seal, 32);
}

void power_promised(struct power *power)
{
        struct promise *promise = &power->promises[power->promises_n++];
        struct audit_head head;

        assert_true(power->promises_n <= POWER_PROMISES_MAX);
        audit_head(power->world->audit, &head);
        promise->step = disk_steps(power->disk);
        promise->epoch = power->world->audit->epoch;
        strcpy(promise->anchor, head.anchor);
        note_seed(power);
}

const struct promise *power_last_promise(const struct power *power, size_t at)
{
        const struct promise *last = NULL;

        for (unsigned i = 0; i < power->promises_n && power->promises[i].step <= at; i++)
                last = &power->promises[i];
        return last;
}

void power_go(struct power *power, unsigned n, unsigned flags)
{
        audit_world_fill(power->world, n, n, flags);
        power_promised(power);
}

unsigned power_more(void)
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

        for (uint64_t epoch = 0; epoch < below && epoch < POWER_SEEDS_MAX; epoch++)
                if (memcmp(power->seeds[epoch], none, 32) != 0 && memmem(bytes, n, power->seeds[epoch], 32))
                        fail_msg("the key of epoch %llu is in %s", (unsigned long long)epoch, name);
}

void power_expect_erased(struct power *power, uint64_t below)
{
        expect_erased_from(power, "keys/seal.key", below);
        expect_erased_from(power, "keys/seal.key.new", below);
        if (power->cuts % 64 > 0)
                return;
        expect_erased_from(power, "audit.db", below);
        expect_erased_from(power, "audit.db-wal", below);
}

void power_verify_after(struct audit_world *world, const char *database, const char *anchor)
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

void power_expect_whole(struct power *power, const char *anchor)
{
        struct audit_world *after = &power->after;

        power_verify_after(after, NULL, anchor);
        if (!anchor && access(audit_world_path(after, "audit.db"), F_OK) < 0 &&
            access(audit_world_path(after, "audit.db.new"), F_OK) < 0)
                audit_world_expect(after, 5, "NOT_FOUND"); /* the first start had not come so far */
        else
                audit_world_expect(after, 0, "");
        if (anchor && !after->report.anchored)
                fail_msg("%s is not met", anchor);
}

void power_expect_it_goes_on(struct power *power, const struct promise *promise)
{
        struct audit_world *after = &power->after;

        audit_world_open(after);
        if (after->how.start == AUDIT_SET_ASIDE)
                fail_msg("set aside: %s, %s", after->how.finding, after->how.detail);
        assert_true(!promise || after->how.start == AUDIT_CONTINUED);
        power_expect_erased(power, promise ? after->audit->epoch : 0);
        audit_world_fill(after, 2, 2, AUDIT_SEAL);
        power_expect_whole(power, promise ? promise->anchor : NULL);
        audit_world_close(after);
}

void power_cut(struct power *power, size_t at, unsigned variant)
{
        power->cut = (struct disk_cut){ .at = at,
                                        .kept = variant % DISK_KEPT_N,
                                        .journaled = variant / DISK_KEPT_N % 2 == 0,
                                        .seed = ++power->cuts };
        disk_cut(power->disk, &power->cut, power->after.dir);
}

void power_each_cut(struct power *power, unsigned variants, void (*check)(struct power *, const struct promise *))
{
        for (size_t at = power->from; at <= disk_steps(power->disk); at++)
                for (unsigned variant = at % AUDIT_WORLD_SHARE; variant < variants; variant += AUDIT_WORLD_SHARE) {
                        power_cut(power, at, variant);
                        power->checking = true;
                        check(power, power_last_promise(power, at));
                        power->checking = false;
                }
        print_message("# %u cuts in %zu steps\n", power->cuts, disk_steps(power->disk) - power->from);
}

void power_change_places(struct power *power)
{
        char dir[sizeof(power->after.dir)];

        strcpy(dir, power->world->dir);
        strcpy(power->world->dir, power->after.dir);
        strcpy(power->after.dir, dir);
        power_begin_disk(power);
}
