/* The process ends between any two steps of the append order: never a false alarm, never a lost record. */

#include "audit_world.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CRASHED = 42, BROKEN_SIZE = 60 };

struct crash {
        enum audit_step at;
        unsigned times; /* how often that step is still passed */
};

static void maybe_crash(void *userdata, enum audit_step step)
{
        struct crash *crash = userdata;

        if (step == crash->at && crash->times-- == 0)
                _exit(CRASHED);
}

/* A life of the daemon in a child; true when it crashed where it should. */
static bool live(struct audit_world *world, enum audit_step at, unsigned times)
{
        struct crash crash = { at, times };
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0) {
                world->step = maybe_crash;
                world->step_userdata = &crash;
                audit_world_open(world);
                audit_world_fill(world, 5, 2, AUDIT_SEAL);
                audit_world_fill(world, 2, 1, 0);
                _exit(0); /* even this is a crash: no close, the WAL stays */
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == CRASHED || WEXITSTATUS(status) == 0));
        return WEXITSTATUS(status) == CRASHED;
}

static bool has_set_aside(const struct audit_world *world)
{
        return access(audit_world_path(world, "set-aside"), F_OK) == 0;
}

static void expect_recovery(struct audit_world *world)
{
        const bool any = access(audit_world_path(world, "audit.db"), F_OK) == 0 ||
                         access(audit_world_path(world, "audit.db.new"), F_OK) == 0;

        audit_world_verify(world);
        audit_world_expect(world, any ? 0 : 5, any ? "" : "NOT_FOUND");
        audit_world_open(world);
        assert_true(world->how.start == AUDIT_CREATED || world->how.start == AUDIT_CONTINUED);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
        assert_int_equal(world->report.size, world->report.sealed_size);
        audit_world_close(world);
        assert_false(has_set_aside(world));
}

static void a_crash_at_any_step_is_no_alarm(void **state)
{
        unsigned crashes = 0;

        (void)state;
        for (enum audit_step at = 0; at < AUDIT_STEP_N; at++) {
                for (unsigned times = 0;; times++) {
                        struct audit_world *world;
                        bool crashed;

                        assert_int_equal(audit_world_setup((void **)&world), 0);
                        crashed = live(world, at, times);
                        expect_recovery(world);
                        audit_world_teardown((void **)&world);
                        crashes += crashed;
                        if (!crashed)
                                break;
                }
        }
        assert_true(crashes >= 20);
}

static void crash_upon_crash_is_no_alarm(void **state)
{
        struct audit_world *world = *state;

        for (unsigned i = 0; i < 40; i++) {
                world->realtime += 1000;
                live(world, i % AUDIT_STEP_N, i % 3);
                audit_world_verify(world);
                assert_true(world->report.exit_code == 0 || world->report.exit_code == 5);
        }
        expect_recovery(world);
        assert_true(world->report.size > 100);
}

/* ---- kills at any moment -------------------------------------------------------------------------------------- */

enum { KILLS = 60, KILLS_OF_A_LOG = 50 };

/* Appends and seals as fast as it can and reports each state that a call acknowledged, until it is killed. */
_Noreturn static void live_until_killed(struct audit_world *world, int report, unsigned random)
{
        audit_world_open(world);
        if (world->how.start == AUDIT_SET_ASIDE)
                _exit(1);
        for (unsigned i = 0;; i++) {
                struct audit_head head;

                random = random * 1103515245 + 12345;
                if (i > 0)
                        audit_world_fill(world, 1 + random / 65536 % 9, 9, random >> 30 ? AUDIT_SEAL : 0);
                audit_head(world->audit, &head);
                if (write(report, &head, sizeof(head)) != sizeof(head))
                        _exit(2);
        }
}

/* Kills it somewhere in its first 30 ms of writing or before. `last` becomes the last state that it acknowledged. */
static void kill_at_random(struct audit_world *world, unsigned random, struct audit_head *last)
{
        const struct timespec wait = { .tv_nsec = (random >> 8) % 30000000 };
        int pipes[2], status;
        pid_t child;

        assert_int_equal(pipe(pipes), 0);
        child = fork();
        if (child == 0) {
                close(pipes[0]);
                live_until_killed(world, pipes[1], random);
        }
        close(pipes[1]);
        if (random % 8 > 0) /* else even its start may be cut short */
                assert_int_equal(read(pipes[0], last, sizeof(*last)), sizeof(*last));
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        while (read(pipes[0], last, sizeof(*last)) == sizeof(*last))
                ;
        close(pipes[0]);
}

/* As a machine does that was killed; the log holds what was acknowledged. */
static void expect_kept(struct audit_world *world, const char *anchor)
{
        struct audit_anchors *anchors;

        assert_int_equal(audit_anchors_new(&anchors), 0);
        assert_int_equal(audit_anchors_add(anchors, anchor, strlen(anchor), NULL), 0);
        audit_verify(&(struct audit_verify_options){ .state_dir = world->dir, .anchors = anchors }, &world->report);
        audit_anchors_free(anchors);
        audit_world_expect(world, 0, "");
        assert_true(world->report.anchored);
}

static unsigned kills_wanted(void)
{
        const char *wanted = getenv("GOVERNOR_KILLS");

        return wanted ? (unsigned)atoi(wanted) : KILLS;
}

static void what_was_acknowledged_is_there_after_a_kill_at_any_moment(void **state)
{
        unsigned kills = 0, random = 20261121;
        uint64_t records = 0;

        (void)state;
        while (kills < kills_wanted()) {
                struct audit_head last = { 0 };
                struct audit_world *world;

                assert_int_equal(audit_world_setup((void **)&world), 0);
                for (unsigned i = 0; i < KILLS_OF_A_LOG && kills < kills_wanted(); i++, kills++) {
                        random = random * 1664525 + 1013904223;
                        kill_at_random(world, random >> 4, &last);
                        if (last.size > 0)
                                expect_kept(world, last.anchor);
                        world->realtime += 1000000;
                        world->boottime += 1000000;
                }
                records += last.size;
                expect_recovery(world);
                audit_world_teardown((void **)&world);
        }
        print_message("# %u kills, %llu records\n", kills, (unsigned long long)records);
}

/* ---- while a log is being set aside --------------------------------------------------------------------------- */

/* A log whose tail was cut, so that its key is ahead of it. */
static size_t break_log(struct audit_world *world, char *ret_bytes, size_t room)
{
        audit_world_open(world);
        audit_world_fill(world, BROKEN_SIZE, 5, AUDIT_SEAL);
        audit_world_close(world);
        audit_world_forge(world, "DELETE FROM record WHERE seq>=52; DELETE FROM checkpoint WHERE size>52");
        return audit_world_read(world, "audit.db", ret_bytes, room);
}

static unsigned count_kept(struct audit_world *world, const char *wanted, size_t length)
{
        static char bytes[1 << 20];
        unsigned n = 0;
        DIR *dir = opendir(audit_world_path(world, "set-aside"));

        for (struct dirent *entry; dir && (entry = readdir(dir));) {
                char name[512];

                snprintf(name, sizeof(name), "set-aside/%s/audit.db", entry->d_name);
                n += entry->d_name[0] != '.' && audit_world_read(world, name, bytes, sizeof(bytes)) == length &&
                     memcmp(bytes, wanted, length) == 0;
        }
        if (dir)
                closedir(dir);
        return n;
}

static void a_crash_while_setting_aside_loses_no_evidence(void **state)
{
        static char broken[1 << 20];
        unsigned crashes = 0;

        (void)state;
        for (enum audit_step at = 0; at <= AUDIT_STEP_SWAPPED; at++) {
                struct audit_world *world;
                bool crashed;
                size_t length;
                char *body;

                assert_int_equal(audit_world_setup((void **)&world), 0);
                length = break_log(world, broken, sizeof(broken));
                crashed = live(world, at, 0);
                crashes += crashed;

                audit_world_open(world);
                assert_true(world->how.start == AUDIT_SET_ASIDE ||
                            (world->how.start == AUDIT_CONTINUED &&
                             (at == AUDIT_STEP_COMMITTED || at == AUDIT_STEP_ERASED || !crashed)));
                assert_true(count_kept(world, broken, length) >= 1);
                body = audit_world_text(world, "SELECT body ->> '$.details.prev_log' FROM record WHERE seq=0");
                assert_non_null(strstr(body, "\n52\n"));
                free(body);
                audit_world_verify(world);
                audit_world_expect(world, 0, "");
                audit_world_teardown((void **)&world);
        }
        assert_int_equal(crashes, AUDIT_STEP_SWAPPED + 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_crash_at_any_step_is_no_alarm),
                AUDIT_WORLD_TEST(crash_upon_crash_is_no_alarm),
                cmocka_unit_test(what_was_acknowledged_is_there_after_a_kill_at_any_moment),
                cmocka_unit_test(a_crash_while_setting_aside_loses_no_evidence),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
