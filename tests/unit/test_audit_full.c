/* A full disk: the ballast is given up, what was made meanwhile is written later, and what was lost is counted. */

#include "audit_world.h"

#include "audit/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SKIPPED = 77 };

static int append(struct audit_world *world, unsigned n)
{
        json_t *details = json_pack("{s:i, s:s}", "n", (int)n, "text",
                                    "a record of some length, so that a small disk is soon full of such records");
        const int r = audit_append(world->audit,
                                   &(struct audit_entry){ .action = "agent.restart",
                                                          .subject = "systemd:a.service",
                                                          .outcome = AUDIT_OK,
                                                          .details = details },
                                   NULL);

        json_decref(details);
        return r;
}

static void set_pages(struct audit_world *world, unsigned n)
{
        char sql[64];

        snprintf(sql, sizeof(sql), "PRAGMA max_page_count=%u", n);
        assert_int_equal(sqlite3_exec(world->audit->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void the_ballast_is_given_up_once_and_recorded(void **state)
{
        struct audit_world *world = *state;
        char *action;
        unsigned n = 0;

        audit_world_open(world);
        audit_world_write(world, "audit.ballast", "ballast", 7);
        set_pages(world, 16);
        while (append(world, n++) == 0 && audit_commit(world->audit, 0) == 0)
                ;
        assert_int_equal(audit_pending_count(world->audit), 2); /* the record and audit.degraded */
        assert_int_not_equal(access(audit_world_path(world, "audit.ballast"), F_OK), 0);
        assert_true(audit_degraded(world->audit));

        set_pages(world, 100000);
        assert_int_equal(audit_commit(world->audit, 0), AUDIT_DISK_FULL);
        assert_true(audit_degraded(world->audit)); /* until the ballast is back */
        action = audit_world_text(world, "SELECT body ->> 'action' FROM record ORDER BY seq DESC LIMIT 1");
        assert_string_equal(action, "audit.degraded");
        free(action);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
}

static void records_made_meanwhile_are_late_and_lost_ones_counted(void **state)
{
        struct audit_world *world = *state;
        char *text;
        unsigned made = 0;

        audit_world_open(world);
        set_pages(world, 16);
        while (append(world, 0) == 0 && audit_commit(world->audit, 0) == 0)
                ;
        while (append(world, made) == 0)
                made++;
        assert_int_equal(append(world, made), -ENOBUFS);
        assert_int_equal(audit_pending_count(world->audit), 1024);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), -ENOSPC);

        set_pages(world, 100000);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), AUDIT_DISK_FULL);
        assert_false(audit_degraded(world->audit));
        text = audit_world_text(world, "SELECT count(*) FROM record WHERE body ->> '$.details.late'=1");
        assert_int_equal(atoi(text), 1022); /* but the first, and audit.degraded */
        free(text);
        text = audit_world_text(world, "SELECT body ->> '$.details.lost' FROM record ORDER BY seq DESC LIMIT 1");
        assert_string_equal(text, "2");
        free(text);
        assert_int_equal(append(world, 0), 0);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), 0);
        text = audit_world_text(world, "SELECT body ->> '$.details.late' FROM record ORDER BY seq DESC LIMIT 1");
        assert_null(text); /* that is over */
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
}

/* A hundred tries with records lost between them: one gap, and one word about the disk. */
static void what_was_lost_is_counted_once(void **state)
{
        struct audit_world *world = *state;
        char *text;

        audit_world_open(world);
        set_pages(world, 16);
        while (append(world, 0) == 0 && audit_commit(world->audit, 0) == 0)
                ;
        while (append(world, 0) == 0)
                ;
        for (unsigned i = 0; i < 100; i++) {
                assert_int_equal(append(world, i), -ENOBUFS);
                assert_int_equal(audit_commit(world->audit, i % 10 == 0 ? AUDIT_SEAL : 0), -ENOSPC);
        }
        assert_int_equal(audit_pending_count(world->audit), 1024);
        set_pages(world, 100000);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), AUDIT_DISK_FULL);
        text = audit_world_text(world, "SELECT group_concat(body ->> '$.details.lost') FROM record");
        assert_string_equal(text, "101");
        free(text);
        text = audit_world_text(world, "SELECT count(*) FROM record WHERE body ->> 'action'='audit.degraded'");
        assert_string_equal(text, "1");
        free(text);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
}

/* Two events a second, a seal when one is due, as the daemon does; then there is space again. */
static void an_hour_on_a_full_disk_is_late_or_counted(void **state)
{
        struct audit_world *world = *state;
        uint64_t made = 0, refused = 0;
        int64_t stored, lost;
        char *text;

        audit_world_open(world);
        set_pages(world, 16);
        for (unsigned half = 0; half < 2 * 3600; half++) {
                const unsigned flags = audit_seal_due(world->audit, world->boottime) ? AUDIT_SEAL : 0;
                int r;

                world->realtime += 500000;
                world->boottime += 500000;
                made++;
                r = append(world, half);
                assert_true(r == 0 || r == -ENOBUFS);
                refused += r < 0;
                r = audit_commit(world->audit, flags);
                assert_true(r == 0 || r == -ENOSPC);
                if (half % 600 == 599) {
                        audit_world_verify(world);
                        audit_world_expect(world, 0, ""); /* all the time */
                }
        }
        assert_true(refused > 5000);
        assert_true(audit_degraded(world->audit));

        set_pages(world, 100000);
        assert_true(audit_commit(world->audit, AUDIT_SEAL) >= 0);
        assert_false(audit_degraded(world->audit));
        text = audit_world_text(world, "SELECT count(*) FROM record WHERE body ->> 'action'='agent.restart'");
        stored = atoll(text);
        free(text);
        text = audit_world_text(
                world, "SELECT sum(body ->> '$.details.lost') FROM record WHERE body ->> 'action'='audit.gap'");
        lost = atoll(text);
        free(text);
        assert_int_equal(stored + lost, made);
        assert_int_equal(lost, refused);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
        assert_int_equal(world->report.size, world->report.sealed_size);
        audit_world_close(world);
        audit_world_open(world);
        assert_int_equal(world->how.start, AUDIT_CONTINUED);
}

/* ---- a disk that is really full ------------------------------------------------------------------------------- */

static int mount_small_disk(const char *dir)
{
        if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                return -errno;
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return -errno;
        return mount("tmpfs", dir, "tmpfs", 0, "size=96m,mode=0700") < 0 ? -errno : 0;
}

/* Leaves some room, in which the log fills up. */
static void fill_disk(struct audit_world *world, size_t room)
{
        static char block[64 << 10];
        const int fd = open(audit_world_path(world, "filler"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        struct stat st;

        while (write(fd, block, sizeof(block)) > 0)
                ;
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(ftruncate(fd, st.st_size - (off_t)room), 0);
        close(fd);
}

static void live_on_a_full_disk(struct audit_world *world)
{
        unsigned before = 0, after = 0;
        int r;

        assert_int_equal(audit_open(world->dir, NULL, &world->audit, NULL), 0);
        fill_disk(world, 512 << 10);
        do
                r = append(world, before++) ?: audit_commit(world->audit, before % 10 == 0 ? AUDIT_SEAL : 0);
        while (r == 0);
        assert_int_equal(r, AUDIT_DISK_FULL);
        assert_true(audit_degraded(world->audit));
        do
                r = append(world, after++) ?: audit_commit(world->audit, after % 10 == 0 ? AUDIT_SEAL : 0);
        while (r == 0);
        assert_true(r == -ENOSPC || r == -EIO);
        assert_true(after > 1000); /* what 16 MiB buy */
        audit_world_verify(world);
        audit_world_expect(world, 0, "");

        assert_int_equal(unlink(audit_world_path(world, "filler")), 0);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), 0);
        assert_int_equal(audit_pending_count(world->audit), 0);
        assert_false(audit_degraded(world->audit));
        assert_int_equal(access(audit_world_path(world, "audit.ballast"), F_OK), 0);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
        audit_world_close(world);
        audit_world_open(world);
        assert_int_equal(world->how.start, AUDIT_CONTINUED);
        audit_world_close(world);
}

static void a_log_lives_through_a_disk_that_is_really_full(void **state)
{
        struct audit_world *world = *state;
        int status;
        pid_t child = fork();

        if (child == 0) {
                if (mount_small_disk(world->dir) < 0)
                        _exit(SKIPPED);
                live_on_a_full_disk(world);
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
                print_message("no small disk can be mounted here\n");
                skip();
        }
        assert_int_equal(status, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                AUDIT_WORLD_TEST(the_ballast_is_given_up_once_and_recorded),
                AUDIT_WORLD_TEST(records_made_meanwhile_are_late_and_lost_ones_counted),
                AUDIT_WORLD_TEST(what_was_lost_is_counted_once),
                AUDIT_WORLD_TEST(an_hour_on_a_full_disk_is_late_or_counted),
                AUDIT_WORLD_TEST(a_log_lives_through_a_disk_that_is_really_full),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
