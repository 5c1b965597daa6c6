/* The power goes at any moment: what is left verifies, holds every record that was acknowledged, and no key that was
 * acknowledged to be erased. A run is written down once; from that come all the disks that a cut could leave. */

#include "disk/power.h"

#include "audit/chain.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- appending and sealing ------------------------------------------------------------------------------------ */

static void check_life(struct power *power, const struct promise *promise)
{
        power_expect_erased(power, promise ? promise->epoch : 0);
        power_expect_whole(power, promise ? promise->anchor : NULL);
        power_expect_it_goes_on(power, promise);
}

/* From the first start on, over a completed subtree, and over the WAL's way back into the database. */
static void live(struct power *power, unsigned large)
{
        disk_watch(power->disk);
        audit_world_open(power->world);
        power_promised(power);
        sqlite3_wal_autocheckpoint(power->world->audit->db, 40);
        for (unsigned i = 0; i < 8; i++)
                power_go(power, 1 + i % 3, i % 3 == 1 ? 0 : AUDIT_SEAL);
        if (large > 0)
                power_go(power, large, AUDIT_SEAL);
        for (unsigned i = 0; i < 6; i++)
                power_go(power, 1, i % 2 ? 0 : AUDIT_SEAL);
        disk_unwatch();
}

static void a_power_cut_at_any_step_is_no_alarm_and_loses_nothing(void **state)
{
        struct power *power = *state;

        live(power, 245);
        power_each_cut(power, 4 * power_more(), check_life);
        assert_true(power->cuts > 900 / AUDIT_WORLD_SHARE);
}

/* Each life begins with what a cut left of the one before it, the cut of a start included. */
static void cut_upon_cut_is_no_alarm_and_loses_nothing(void **state)
{
        struct power *power = *state;
        struct promise kept = { 0 };

        for (unsigned i = 0; i < 150 / AUDIT_WORLD_SHARE * power_more(); i++) {
                const struct promise *promise;
                size_t at;

                disk_watch(power->disk);
                audit_world_open(power->world);
                power->checking = power->world->how.start == AUDIT_SET_ASIDE;
                assert_int_not_equal(power->world->how.start, AUDIT_SET_ASIDE);
                power_promised(power);
                for (unsigned j = 0; j < i % 7; j++)
                        power_go(power, 1 + j % 3, (i + j) % 3 ? AUDIT_SEAL : 0);
                disk_unwatch();

                at = power->from +
                     (size_t)(i * UINT64_C(2654435761) >> 7) % (disk_steps(power->disk) - power->from + 1);
                promise = power_last_promise(power, at);
                kept = promise ? *promise : kept;
                power_cut(power, at, i);
                power->checking = true;
                power_expect_erased(power, kept.epoch);
                power_expect_whole(power, kept.anchor[0] ? kept.anchor : NULL);
                power->checking = false;

                audit_world_close(power->world);
                power_change_places(power);
        }
        assert_true(power->after.report.size > 200 / AUDIT_WORLD_SHARE);
}

/* ---- setting aside -------------------------------------------------------------------------------------------- */

/* The old log, wherever it is by now, still says what was acknowledged. */
static bool evidence_is_kept(struct power *power, const char *anchor)
{
        struct audit_world *after = &power->after;
        DIR *dir = opendir(audit_world_path(after, "set-aside"));
        bool found;

        power_verify_after(after, audit_world_path(after, "audit.db"), anchor);
        found = after->report.exit_code == 0 && after->report.anchored;
        for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
                char name[512];

                snprintf(name, sizeof(name), "set-aside/%s/audit.db", entry->d_name);
                if (entry->d_name[0] == '.' || access(audit_world_path(after, name), F_OK) < 0)
                        continue;
                power_verify_after(after, audit_world_path(after, name), anchor);
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
                power_expect_whole(power, promise->anchor);
        audit_world_open(&power->after);
        assert_true(!promise || power->after.how.start == AUDIT_CONTINUED);
        assert_int_not_equal(power->after.how.start, AUDIT_CREATED);
        power_expect_whole(power, promise ? promise->anchor : NULL);
        audit_world_close(&power->after);
        assert_true(evidence_is_kept(power, power->old_anchor));
}

/* A log whose daemon was killed, so that its WAL is there, and whose key somebody destroyed. */
static void a_broken_log(struct power *power)
{
        static const char zeros[1024];

        live(power, 0);
        strcpy(power->old_anchor, power->promises[power->promises_n - 1].anchor);
        power_cut(power, disk_steps(power->disk), DISK_EVERYTHING);
        audit_world_close(power->world);
        power_change_places(power);
        audit_world_write(power->world, "keys/seal.key", zeros, sizeof(zeros));
        power_begin_disk(power);
        memset(power->seeds, 0, sizeof(power->seeds)); /* its key is not ours to erase */
}

static void a_power_cut_while_setting_aside_loses_no_evidence(void **state)
{
        struct power *power = *state;

        a_broken_log(power);
        disk_watch(power->disk);
        audit_world_open(power->world);
        assert_int_equal(power->world->how.start, AUDIT_SET_ASIDE);
        power_promised(power);
        power_go(power, 3, AUDIT_SEAL);
        disk_unwatch();
        power_each_cut(power, 8 * power_more(), check_aside);
}

/* ---- rotation ------------------------------------------------------------------------------------------------- */

static void check_rotation(struct power *power, const struct promise *promise)
{
        power_verify_after(&power->after, NULL, NULL);
        audit_world_expect(&power->after, 0, ""); /* before anybody starts */
        assert_true(evidence_is_kept(power, power->old_anchor));
        if (promise)
                power_expect_whole(power, promise->anchor);
        audit_world_open(&power->after);
        assert_int_equal(power->after.how.finding != NULL, 0);
        power_expect_whole(power, promise ? promise->anchor : NULL);
        audit_world_fill(&power->after, 2, 1, AUDIT_SEAL);
        power_expect_whole(power, promise ? promise->anchor : NULL);
        audit_world_close(&power->after);
        assert_true(evidence_is_kept(power, power->old_anchor));
}

static void a_power_cut_while_rotating_loses_neither_log(void **state)
{
        struct power *power = *state;

        live(power, 0);
        strcpy(power->old_anchor, power->promises[power->promises_n - 1].anchor);
        power_begin_disk(power);
        disk_watch(power->disk);
        assert_true(audit_rotate(power->world->audit, "spring", "user:alice", &power->world->how) >= 0);
        memset(power->seeds, 0, sizeof(power->seeds)); /* those of the log that is set aside are not erased */
        power_promised(power);
        power_go(power, 3, AUDIT_SEAL);
        disk_unwatch();
        power_each_cut(power, 8 * power_more(), check_rotation);
}

/* ---- archiving ------------------------------------------------------------------------------------------------ */

enum { OLD = 300, DAY_SEC = 24 * 3600 };

/* 300 records of two winters ago, some of today. */
static void an_old_log(struct power *power)
{
        power->world->realtime -= 500 * DAY_SEC * UINT64_C(1000000);
        audit_world_open(power->world);
        audit_world_fill(power->world, OLD, 50, AUDIT_SEAL);
        power->world->realtime += 500 * DAY_SEC * UINT64_C(1000000);
        power->world->boottime += 500 * DAY_SEC * UINT64_C(1000000);
        power_begin_disk(power);
        power_go(power, 5, AUDIT_SEAL);
        strcpy(power->old_anchor, power->promises[0].anchor);
        power_begin_disk(power);
}

static unsigned count_lines(struct audit_world *world, const char *name)
{
        static char bytes[4 << 20];
        const size_t length = audit_world_read(world, name, bytes, sizeof(bytes));
        unsigned n = 0;

        for (size_t i = 0; i < length; i++)
                n += bytes[i] == '\n';
        return n;
}

/* Each record is in the log or in an archive that is whole. */
static void expect_all_records(struct power *power)
{
        char *first = audit_world_text(&power->after, "SELECT min(seq) FROM record WHERE seq>0");

        if (strcmp(first, "1") != 0) {
                assert_string_equal(first, "256");
                assert_int_equal(count_lines(&power->after, "old.jsonl"), 256);
        }
        free(first);
}

static void check_archive(struct power *power, const struct promise *promise)
{
        const char *anchor = promise ? promise->anchor : power->old_anchor;

        power_expect_whole(power, anchor);
        power_expect_it_goes_on(power, promise);
        assert_int_equal(power->after.how.start, AUDIT_CONTINUED);
        power_expect_whole(power, anchor);
        expect_all_records(power);
}

static void a_power_cut_while_archiving_loses_no_record(void **state)
{
        struct power *power = *state;
        struct audit_archiving archiving;
        char file[128];

        an_old_log(power);
        snprintf(file, sizeof(file), "%s/old", power->world->dir);
        disk_watch(power->disk);
        assert_int_equal(
                audit_archive_prepare(&(struct audit_archive_options){ .state_dir = power->world->dir,
                                                                       .file = file,
                                                                       .before_usec = power->world->realtime -
                                                                                      450 * DAY_SEC * UINT64_C(1000000),
                                                                       .now_usec = power->world->realtime },
                                      &archiving),
                0);
        assert_int_equal(archiving.to, 256);
        assert_int_equal(audit_archive_commit(power->world->audit, &archiving, "user:alice"), 0);
        power_promised(power);
        power_go(power, 3, AUDIT_SEAL);
        disk_unwatch();
        power_each_cut(power, 8 * power_more(), check_archive);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                POWER_TEST(a_power_cut_at_any_step_is_no_alarm_and_loses_nothing),
                POWER_TEST(cut_upon_cut_is_no_alarm_and_loses_nothing),
                POWER_TEST(a_power_cut_while_setting_aside_loses_no_evidence),
                POWER_TEST(a_power_cut_while_rotating_loses_neither_log),
                POWER_TEST(a_power_cut_while_archiving_loses_no_record),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
