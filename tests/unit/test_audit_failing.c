/* Every call that changes a file or syncs it fails once, and from there on for a while: the chain says so, keeps what it
 * could not write, and goes on when the disk is well again. What a failed sync forgot must not be missed after a cut. */

#include "disk/power.h"

#include "audit/chain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { WHILE = 12 }; /* calls that fail in a row: over a whole sealed commit */

struct trouble {
        size_t from, count;
        int error;
};

static bool is_trouble(const struct trouble *trouble, int r)
{
        /* an unlink or a sync on a full disk may say either */
        return r == -EIO || r == -ENOSPC || r == -trouble->error;
}

/* A start may be repeated until the disk is well. */
static unsigned open_in_the_end(struct power *power, const struct trouble *trouble)
{
        unsigned failed = 0;
        int r;

        while ((r = audit_world_try_open(power->world)) < 0) {
                if (!is_trouble(trouble, r) || ++failed > WHILE)
                        fail_msg("audit_open: %s; calls from %zu on fail, %zu of them", strerror(-r), trouble->from,
                                 trouble->count);
        }
        assert_int_not_equal(power->world->how.start, AUDIT_SET_ASIDE);
        return failed;
}

static void append(struct power *power)
{
        power->world->realtime += 1000;
        power->world->boottime += 1000;
        assert_int_equal(audit_append(power->world->audit,
                                      &(struct audit_entry){ .action = "agent.restart", .outcome = AUDIT_OK }, NULL),
                         0);
}

static unsigned commit_in_the_end(struct power *power, const struct trouble *trouble, unsigned flags)
{
        const size_t waiting = audit_pending_count(power->world->audit);
        unsigned failed = 0;
        int r;

        while ((r = audit_commit(power->world->audit, flags)) < 0) {
                if (!is_trouble(trouble, r) || ++failed > WHILE)
                        fail_msg("audit_commit: %s; calls from %zu on fail, %zu of them", strerror(-r), trouble->from,
                                 trouble->count);
                assert_true(audit_pending_count(power->world->audit) >= waiting);
                assert_true(audit_degraded(power->world->audit));
        }
        assert_int_equal(r & ~(AUDIT_KEY_FAULT | (failed > 0 ? AUDIT_DISK_FULL : 0)), 0);
        power_promised(power);
        if (r & AUDIT_KEY_FAULT && power->promises_n > 1) /* the key that sealed may linger */
                power->promises[power->promises_n - 1].epoch = power->promises[power->promises_n - 2].epoch;
        return failed + (r != 0);
}

/* A life in which something fails, and how often the chain said so. False: the trouble was to come later than its end. */
static bool live(struct power *power, const struct trouble *trouble, unsigned *ret_told)
{
        unsigned told;
        bool met;

        disk_watch(power->disk);
        disk_fail(power->disk, trouble->from, trouble->count, trouble->error);
        told = open_in_the_end(power, trouble);
        power_promised(power);
        sqlite3_wal_autocheckpoint(power->world->audit->db, 12);
        for (unsigned i = 0; i < 6; i++) {
                append(power);
                told += commit_in_the_end(power, trouble, i % 2 ? AUDIT_SEAL : 0);
        }
        met = disk_calls(power->disk) > trouble->from;
        disk_fail(power->disk, 0, 0, 0);
        power->world->boottime += 3600 * UINT64_C(1000000);
        append(power);
        assert_int_equal(audit_commit(power->world->audit, AUDIT_SEAL), 0); /* all is well again */
        power_promised(power);
        disk_unwatch();
        *ret_told = told;
        return met;
}

static void expect_whole_where_it_is(struct power *power)
{
        audit_world_verify(power->world);
        audit_world_expect(power->world, 0, "");
        assert_int_equal(power->world->report.size, power->world->report.sealed_size);
        assert_true(power->world->report.size >= 2 + 7);
}

/* True while the trouble came within this life. */
static bool try(void **state, const struct trouble *trouble, unsigned *told)
{
        struct power *power;
        unsigned times;
        bool met;

        power_teardown(state);
        assert_int_equal(power_setup(state), 0);
        power = *state;
        power->checking = true;
        met = live(power, trouble, &times);
        *told += times > 0;
        expect_whole_where_it_is(power);
        for (unsigned i = 0; i < 3 * power_more(); i++) {
                const size_t steps = disk_steps(power->disk);
                const size_t at =
                        i < 2 ? steps
                              : power->from + (trouble->from * 31 + (size_t)i * 977) % (steps - power->from + 1);
                const struct promise *promise = power_last_promise(power, at);

                power_cut(power, at, i + (unsigned)trouble->from);
                power_expect_whole(power, promise ? promise->anchor : NULL);
                power_expect_it_goes_on(power, promise);
        }
        power->checking = false;
        return met;
}

static void fail_each(void **state, size_t count, int error)
{
        struct trouble trouble = { .count = count, .error = error };
        unsigned told = 0;

        while (try(state, &trouble, &told))
                trouble.from += AUDIT_WORLD_SHARE;
        print_message("# each of %zu calls failed: %s, %zu in a row; %u lives were told\n",
                      trouble.from / AUDIT_WORLD_SHARE, strerror(error), count, told);
        assert_true(trouble.from > 80);
        assert_true(told > trouble.from / AUDIT_WORLD_SHARE / 2);
}

static void an_error_at_any_call_costs_no_record(void **state)
{
        fail_each(state, 1, EIO);
}

static void errors_from_any_call_on_cost_no_record(void **state)
{
        fail_each(state, WHILE, EIO);
}

static void a_disk_that_is_full_at_any_call_costs_no_record(void **state)
{
        fail_each(state, 1, ENOSPC);
}

static void a_disk_that_stays_full_from_any_call_on_costs_no_record(void **state)
{
        fail_each(state, WHILE, ENOSPC);
}

/* ---- rotation ------------------------------------------------------------------------------------------------- */

/* False: the trouble was to come after it. */
static bool try_rotation(void **state, size_t from, int error)
{
        struct power *power;
        struct audit *audit;
        bool met;
        int r;

        power_teardown(state);
        assert_int_equal(power_setup(state), 0);
        power = *state;
        power->checking = true;
        audit_world_open(power->world);
        audit = power->world->audit;
        audit_world_fill(power->world, 3, 1, AUDIT_SEAL);
        disk_watch(power->disk);
        disk_fail(power->disk, from, 1, error);
        append(power); /* waits, and is not lost */
        r = audit_rotate(audit, "spring", "user:alice", &power->world->how);
        met = disk_calls(power->disk) > from;
        disk_fail(power->disk, 0, 0, 0);
        if (r < 0 && !is_trouble(&(struct trouble){ .error = error }, r))
                fail_msg("audit_rotate: %s; call %zu fails", strerror(-r), from);
        if (r < 0)
                assert_int_equal(audit_reopen(audit, "again", &power->world->how), 0);
        assert_null(power->world->how.finding);
        append(power);
        assert_int_equal(audit_commit(audit, AUDIT_SEAL) & ~AUDIT_KEY_FAULT, 0);
        disk_unwatch();
        audit_world_verify(power->world);
        audit_world_expect(power->world, 0, "");
        power->checking = false;
        return met;
}

static void an_error_at_any_call_of_a_rotation_is_no_alarm(void **state)
{
        static const int errors[] = { EIO, ENOSPC };

        for (size_t i = 0; i < 2; i++) {
                size_t from = 0;

                while (try_rotation(state, from, errors[i]))
                        from += AUDIT_WORLD_SHARE;
                print_message("# each of %zu calls of a rotation failed: %s\n", from / AUDIT_WORLD_SHARE,
                              strerror(errors[i]));
                assert_true(from > 50);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                POWER_TEST(an_error_at_any_call_costs_no_record),
                POWER_TEST(errors_from_any_call_on_cost_no_record),
                POWER_TEST(a_disk_that_is_full_at_any_call_costs_no_record),
                POWER_TEST(a_disk_that_stays_full_from_any_call_on_costs_no_record),
                POWER_TEST(an_error_at_any_call_of_a_rotation_is_no_alarm),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
