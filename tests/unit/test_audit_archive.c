/* Archives and pruned logs as the writer makes them. Each log has 1,000 records that are older than the retention of 400
 * days, in groups of 100, and 200 that are not. */

#include "audit_world.h"

#include "audit/chain.h"
#include "audit/staged.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define USEC_PER_DAY (UINT64_C(24) * 60 * 60 * 1000000)

enum { OLD = 1000, YOUNG = 200, GROUP = 100, FIRST_TO = 768, CRASHED = 42 };

static struct audit_world *an_old_log(void **state)
{
        struct audit_world *world = *state;

        audit_world_open(world);
        audit_world_fill(world, OLD, GROUP, AUDIT_SEAL);
        world->realtime += 401 * USEC_PER_DAY;
        audit_world_fill(world, YOUNG, GROUP, AUDIT_SEAL);
        return world;
}

static int prepare(struct audit_world *world, struct audit_archiving *ret)
{
        return audit_archive_prepare(&(struct audit_archive_options){ .state_dir = world->dir,
                                                                      .before_usec = UINT64_MAX,
                                                                      .now_usec = world->realtime,
                                                                      .step = world->step,
                                                                      .step_userdata = world->step_userdata },
                                     ret);
}

static void expect(struct audit_world *world, int exit_code, const char *codes)
{
        audit_verify(&(struct audit_verify_options){ .state_dir = world->dir, .now_usec = world->realtime },
                     &world->report);
        audit_world_expect(world, exit_code, codes);
}

static void archive(struct audit_world *world, struct audit_archiving *ret)
{
        const int r = prepare(world, ret);

        if (r < 0)
                fail_msg("prepare: %s, %s %s", strerror(-r), ret->why.code, ret->why.detail);
        assert_int_equal(audit_archive_commit(world->audit, ret, "user:alice"), 0);
}

static long long number(struct audit_world *world, const char *sql)
{
        char *text = audit_world_text(world, sql);
        const long long value = text ? atoll(text) : -1;

        free(text);
        return value;
}

static bool exists(struct audit_world *world, const char *name)
{
        return access(audit_world_path(world, name), F_OK) == 0;
}

static char *contents(const char *path, size_t *ret_length)
{
        FILE *file = fopen(path, "re");
        char *bytes = NULL;
        size_t room = 0;

        if (!file)
                fail_msg("%s: %s", path, strerror(errno));
        *ret_length = (size_t)getdelim(&bytes, &room, EOF, file);
        fclose(file);
        return bytes;
}

static char *archived(const struct audit_archiving *archiving, const char *suffix, size_t *ret_length)
{
        char path[1100];

        snprintf(path, sizeof(path), "%s%s", archiving->file, suffix);
        return contents(path, ret_length);
}

static unsigned count_lines(const char *bytes, size_t length)
{
        unsigned n = 0;

        for (size_t i = 0; i < length; i++)
                n += bytes[i] == '\n';
        return n;
}

/* All bodies that the database holds, each with LF. */
static char *bodies(struct audit_world *world, size_t *ret_length)
{
        struct audit_reader *reader;
        struct audit_item item;
        char *text = NULL;
        FILE *out = open_memstream(&text, ret_length);

        assert_int_equal(audit_reader_open(audit_world_path(world, "audit.db"), &reader), 0);
        while (audit_reader_next(reader, &item) > 0)
                fprintf(out, "%.*s\n", (int)item.length, item.body);
        audit_reader_close(reader);
        fclose(out);
        return text;
}

/* ---- the straight path ---------------------------------------------------------------------------------------- */

static void old_records_leave_and_the_log_still_verifies(void **state)
{
        struct audit_world *world = an_old_log(state);
        const long long checkpoints = number(world, "SELECT count(*) FROM checkpoint");
        struct audit_archiving archiving;
        struct audit_head head;
        struct stat st;
        size_t length;
        char *text;

        archive(world, &archiving);
        assert_int_equal(archiving.from, 0);
        assert_int_equal(archiving.to, FIRST_TO);
        assert_false(exists(world, AUDIT_STAGED));
        assert_int_equal(number(world, "SELECT count(*) FROM record WHERE seq=0"), 1);
        assert_int_equal(number(world, "SELECT min(seq) FROM record WHERE seq>0"), FIRST_TO);
        assert_int_equal(number(world, "SELECT count(*) FROM checkpoint"), checkpoints + 1);
        assert_int_equal(number(world, "SELECT count(*) FROM subtree"), 4);
        expect(world, 0, "");
        audit_head(world->audit, &head);
        assert_int_equal(world->report.size, head.size);
        assert_memory_equal(world->report.root, head.root, sizeof(head.root));

        text = archived(&archiving, ".jsonl", &length);
        assert_int_equal(count_lines(text, length), FIRST_TO);
        free(text);
        text = archived(&archiving, ".ckpt", &length);
        assert_memory_equal(text, "vps1.example/governor/", 22);
        free(text);
        assert_int_equal(stat(audit_world_path(world, "archive"), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
        assert_int_equal(stat(audit_world_path(world, "audit.db"), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);

        audit_world_fill(world, 300, GROUP, AUDIT_SEAL);
        expect(world, 0, "");
        audit_world_close(world);
        audit_world_open(world);
        assert_int_equal(world->how.start, AUDIT_CONTINUED);
        expect(world, 0, "");
}

static void the_record_says_what_left_and_where_to(void **state)
{
        struct audit_world *world = an_old_log(state);
        struct audit_archiving archiving;
        char *body, wanted[1400];
        const char *name;
        size_t length;

        archive(world, &archiving);
        name = strrchr(archiving.file, '/') + 1;
        snprintf(wanted, sizeof(wanted), "{\"file\":\"%s.jsonl\",\"from\":0,\"sha256\":\"%s\",\"to\":768}", name,
                 archiving.sha256);
        body = audit_world_text(world, "SELECT body ->> 'details' FROM record ORDER BY seq DESC LIMIT 1");
        assert_string_equal(body, wanted);
        free(body);
        body = audit_world_text(world, "SELECT body ->> 'actor' FROM record ORDER BY seq DESC LIMIT 1");
        assert_string_equal(body, "user:alice");
        free(body);
        {
                uint8_t digest[32];
                char hex[65];

                body = archived(&archiving, ".jsonl", &length);
                crypto_hash_sha256(digest, (const uint8_t *)body, length);
                sodium_bin2hex(hex, sizeof(hex), digest, sizeof(digest));
                assert_string_equal(hex, archiving.sha256);
                free(body);
        }
}

static void the_writer_goes_on_between_both_halves(void **state)
{
        struct audit_world *world = an_old_log(state);
        struct audit_archiving archiving;

        assert_int_equal(prepare(world, &archiving), 0);
        audit_world_fill(world, 300, 7, AUDIT_SEAL);
        audit_world_fill(world, 50, 1, 0);
        assert_int_equal(audit_append(world->audit, &(struct audit_entry){ .action = "agent.stop" }, NULL), 0);
        assert_int_equal(audit_archive_commit(world->audit, &archiving, NULL), 0);
        assert_int_equal(audit_pending_count(world->audit), 0);
        assert_int_equal(number(world, "SELECT count(*) FROM subtree"), 6);
        expect(world, 0, "");
        assert_int_equal(world->report.size, 2 + OLD + YOUNG + 350 + 2);
        assert_int_equal(world->report.sealed_size, world->report.size);
        audit_world_fill(world, 20, 1, AUDIT_SEAL);
        expect(world, 0, "");
}

static void archives_and_what_is_left_lie_end_to_end(void **state)
{
        struct audit_world *world = an_old_log(state);
        struct audit_archiving archivings[3];
        char *before, *after, *at;
        size_t before_length, after_length;

        archive(world, &archivings[0]);
        for (unsigned i = 1; i < 3; i++) {
                audit_world_fill(world, 300, GROUP, AUDIT_SEAL);
                world->realtime += 401 * USEC_PER_DAY;
                audit_world_fill(world, 20, GROUP, AUDIT_SEAL);
                before = bodies(world, &before_length);

                archive(world, &archivings[i]);
                assert_int_equal(archivings[i].from, archivings[i - 1].to);
                assert_true(archivings[i].to > archivings[i].from);
                expect(world, 0, "");

                /* record 0, the archive, the rest: but for the record of it nothing is new, and nothing is gone */
                at = strchr(before, '\n') + 1;
                after = archived(&archivings[i], ".jsonl", &after_length);
                assert_memory_equal(at, after, after_length);
                at += after_length;
                free(after);
                after = bodies(world, &after_length);
                assert_memory_equal(at, strchr(after, '\n') + 1, (size_t)(before + before_length - at));
                free(after);
                free(before);
        }
        audit_world_close(world);
        audit_world_open(world);
        assert_int_equal(world->how.start, AUDIT_CONTINUED);
        expect(world, 0, "");
}

/* ---- what may not leave --------------------------------------------------------------------------------------- */

static void what_is_young_stays(void **state)
{
        struct audit_world *world = *state;
        struct audit_archiving archiving;

        audit_world_open(world);
        assert_int_equal(prepare(world, &archiving), -ENODATA);
        audit_world_fill(world, OLD, GROUP, AUDIT_SEAL);
        assert_int_equal(prepare(world, &archiving), -ENODATA);
        world->realtime += 400 * USEC_PER_DAY - 1000000; /* the last of them a second too young, the first ones too */
        assert_int_equal(prepare(world, &archiving), -ENODATA);
        assert_false(exists(world, "archive"));
        world->realtime += 1000000;
        assert_int_equal(prepare(world, &archiving), 0);
        assert_int_equal(archiving.to, FIRST_TO);
}

static void the_date_that_is_given_keeps_more(void **state)
{
        struct audit_world *world = *state;
        struct audit_archiving archiving;
        uint64_t then;

        audit_world_open(world);
        audit_world_fill(world, 500, GROUP, AUDIT_SEAL);
        then = world->realtime;
        audit_world_fill(world, 500, GROUP, AUDIT_SEAL);
        world->realtime += 401 * USEC_PER_DAY;
        assert_int_equal(audit_archive_prepare(&(struct audit_archive_options){ .state_dir = world->dir,
                                                                                .before_usec = then,
                                                                                .now_usec = world->realtime },
                                               &archiving),
                         0);
        assert_int_equal(archiving.to, 256);
}

static void the_clock_that_dates_the_record_decides(void **state)
{
        struct audit_world *world = an_old_log(state);
        struct audit_archiving archiving;

        assert_int_equal(prepare(world, &archiving), 0);
        world->realtime -= 2 * USEC_PER_DAY;
        assert_int_equal(audit_archive_commit(world->audit, &archiving, NULL), -ENODATA);
        world->realtime += 2 * USEC_PER_DAY;
        assert_int_equal(audit_archive_commit(world->audit, &archiving, NULL), 0);
        expect(world, 0, "");
}

static void a_log_that_does_not_verify_is_not_archived(void **state)
{
        struct audit_world *world = an_old_log(state);
        struct audit_archiving archiving;

        audit_world_forge(world, "UPDATE record SET body=replace(body,'nginx','apache') WHERE seq=300");
        assert_int_equal(prepare(world, &archiving), -EUCLEAN);
        assert_non_null(archiving.why.code);
        assert_memory_equal(archiving.why.detail, "the log: ", 9);
        assert_false(exists(world, "archive"));
        assert_false(exists(world, AUDIT_STAGED));
}

/* ---- names ---------------------------------------------------------------------------------------------------- */

static void a_file_that_has_the_name_is_left_alone(void **state)
{
        struct audit_world *world = an_old_log(state);
        char name[256], path[300], text[16] = "";
        struct audit_archiving archiving;
        struct audit_archive_options options = {
                .state_dir = world->dir, .before_usec = UINT64_MAX, .now_usec = world->realtime, .file = name
        };

        snprintf(name, sizeof(name), "%s/kept", world->dir);
        snprintf(path, sizeof(path), "%s.jsonl", name);
        audit_world_write(world, "kept.jsonl", "not yours", 9);
        assert_int_equal(audit_archive_prepare(&options, &archiving), -EEXIST);
        assert_int_equal(audit_world_read(world, "kept.jsonl", text, sizeof(text)), 9);
        assert_string_equal(text, "not yours");
        assert_false(exists(world, "kept.jsonl.new"));

        assert_int_equal(unlink(path), 0);
        assert_int_equal(audit_archive_prepare(&options, &archiving), 0);
        assert_string_equal(archiving.file, name);
        assert_int_equal(audit_archive_prepare(&options, &archiving), 0); /* the same again is no other file */
        options.file = "/no/such/directory/a";
        assert_int_equal(audit_archive_prepare(&options, &archiving), -ENOENT);
        snprintf(name, sizeof(name), "%s/\xff", world->dir);
        options.file = name;
        assert_int_equal(audit_archive_prepare(&options, &archiving), -EINVAL); /* no record could name it */
}

/* ---- what the writer refuses ----------------------------------------------------------------------------------- */

static void a_reader_puts_it_off(void **state)
{
        struct audit_world *world = an_old_log(state);
        struct audit_archiving archiving;
        struct audit_reader *reader;
        struct audit_head before, after;

        assert_int_equal(prepare(world, &archiving), 0);
        assert_int_equal(audit_reader_open(audit_world_path(world, "audit.db"), &reader), 0);
        audit_head(world->audit, &before);
        assert_int_equal(audit_archive_commit(world->audit, &archiving, NULL), -EBUSY);
        audit_head(world->audit, &after);
        assert_int_equal(before.size, after.size); /* nothing was written yet */
        audit_world_fill(world, 10, 1, AUDIT_SEAL);
        audit_reader_close(reader);
        assert_int_equal(audit_archive_commit(world->audit, &archiving, NULL), 0);
        expect(world, 0, "");
}

static void a_stranger_who_wrote_meanwhile_is_recorded_first(void **state)
{
        struct audit_world *world = an_old_log(state);
        struct audit_archiving archiving;

        assert_int_equal(prepare(world, &archiving), 0);
        assert_int_equal(audit_world_sql(world, "INSERT INTO cosig VALUES(1, 'x')"), SQLITE_OK);
        assert_int_equal(audit_archive_commit(world->audit, &archiving, NULL), -ESTALE);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), AUDIT_FOREIGN_WRITE);
        assert_int_equal(number(world, "SELECT min(seq) FROM record WHERE seq>0"), 1);
}

static void a_stranger_who_took_our_place_ends_it(void **state)
{
        struct audit_world *world = an_old_log(state);
        struct audit_archiving archiving;

        assert_int_equal(prepare(world, &archiving), 0);
        assert_int_equal(audit_world_sql(world, "INSERT INTO record SELECT max(seq)+1, 'x' FROM record"), SQLITE_OK);
        assert_int_equal(audit_archive_commit(world->audit, &archiving, NULL), -EUCLEAN);
        assert_int_equal(number(world, "SELECT min(seq) FROM record WHERE seq>0"), 1);
}

static void what_was_prepared_for_something_else_is_refused(void **state)
{
        struct audit_world *world = an_old_log(state);
        struct audit_archiving archiving, other;
        char path[1100];

        assert_int_equal(prepare(world, &archiving), 0);
        other = archiving;
        other.to = 512;
        assert_int_equal(audit_archive_commit(world->audit, &other, NULL), -ESTALE);
        other.to = 700;
        assert_int_equal(audit_archive_commit(world->audit, &other, NULL), -ESTALE);
        other = archiving;
        other.from = 256;
        assert_int_equal(audit_archive_commit(world->audit, &other, NULL), -ESTALE);
        other = archiving;
        strcat(other.file, "x");
        assert_int_equal(audit_archive_commit(world->audit, &other, NULL), -ESTALE);

        snprintf(path, sizeof(path), "%s.jsonl", archiving.file);
        assert_int_equal(unlink(path), 0); /* what left for nowhere would be lost */
        assert_int_equal(audit_archive_commit(world->audit, &archiving, NULL), -ESTALE);
        expect(world, 0, "");

        assert_int_equal(prepare(world, &archiving), 0);
        assert_int_equal(unlink(archiving.staged), 0);
        assert_int_equal(audit_archive_commit(world->audit, &archiving, NULL), -ESTALE);
        expect(world, 0, "");

        assert_int_equal(prepare(world, &archiving), 0);
        assert_int_equal(audit_rotate(world->audit, "enough", "user:alice", NULL), 0);
        assert_int_equal(audit_archive_commit(world->audit, &archiving, NULL), -ESTALE);
        expect(world, 0, "");
}

/* One byte of a record that nobody looked at since it was staged. */
static void what_was_staged_and_altered_is_refused(void **state)
{
        struct audit_world *world = an_old_log(state);
        struct audit_archiving archiving;

        assert_int_equal(prepare(world, &archiving), 0);
        audit_world_copy(world, "audit.db", "audit.db.kept");
        {
                char bytes[64] = { 0 };
                const int fd = open(archiving.staged, O_RDWR | O_CLOEXEC);

                assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
                close(fd);
        }
        assert_int_equal(audit_archive_commit(world->audit, &archiving, NULL), -ESTALE);
        audit_world_fill(world, 10, 1, AUDIT_SEAL);
        expect(world, 0, "");
        archive(world, &archiving);
        expect(world, 0, "");
}

static void without_a_seal_nothing_leaves(void **state)
{
        struct audit_world *world = an_old_log(state);
        struct audit_archiving archiving;
        int fd, good;

        assert_int_equal(prepare(world, &archiving), 0);
        good = world->audit->lock_fd;
        fd = open(audit_world_path(world, "keys/seal.key"), O_RDONLY | O_CLOEXEC);
        world->audit->lock_fd = fd; /* writes fail */
        assert_int_equal(audit_archive_commit(world->audit, &archiving, NULL), -EIO);
        world->audit->lock_fd = good;
        close(fd);
        assert_int_equal(number(world, "SELECT min(seq) FROM record WHERE seq>0"), 1);
        assert_int_equal(audit_archive_commit(world->audit, &archiving, NULL), 0); /* said twice, done once */
        expect(world, 0, "");
}

/* ---- crashes -------------------------------------------------------------------------------------------------- */

struct crash {
        enum audit_step at;
        unsigned times;
};

static void maybe_crash(void *userdata, enum audit_step step)
{
        struct crash *crash = userdata;

        if (step == crash->at && crash->times-- == 0)
                _exit(CRASHED);
}

/* An archiving in a child that owns the log; true when it crashed where it should. */
static bool archive_and_crash(struct audit_world *world, enum audit_step at, unsigned times)
{
        struct crash crash = { at, times };
        const pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0) {
                struct audit_archiving archiving;

                if (audit_world_try_open(world) < 0)
                        _exit(2);
                world->step = world->audit->step = maybe_crash;
                world->step_userdata = world->audit->step_userdata = &crash;
                if (prepare(world, &archiving) < 0)
                        _exit(3);
                if (audit_archive_commit(world->audit, &archiving, NULL) < 0)
                        _exit(4);
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == CRASHED || WEXITSTATUS(status) == 0));
        return WEXITSTATUS(status) == CRASHED;
}

static void a_crash_at_any_step_is_no_alarm_and_loses_nothing(void **state)
{
        static const enum audit_step steps[] = {
                AUDIT_STEP_ARCHIVED,  AUDIT_STEP_PRUNED, AUDIT_STEP_NEXT_KEY,  AUDIT_STEP_BEGUN,
                AUDIT_STEP_COMMITTED, AUDIT_STEP_ERASED, AUDIT_STEP_CAUGHT_UP, AUDIT_STEP_REPLACED,
        };
        struct audit_world *world = an_old_log(state);

        audit_world_close(world);
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
                const long long begin = number(world, "SELECT min(seq) FROM record WHERE seq>0");
                struct audit_archiving archiving;

                if (exists(world, "archive")) /* and this is of one that was cut short while it wrote */
                        audit_world_write(world, "archive/01234567.0-256.jsonl.new", "{", 1);
                assert_true(archive_and_crash(world, steps[i], 0));
                assert_false(exists(world, "archive/01234567.0-256.jsonl.new"));
                expect(world, 0, "");
                audit_world_open(world);
                assert_int_equal(world->how.start, AUDIT_CONTINUED);
                assert_false(exists(world, AUDIT_STAGED));
                expect(world, 0, "");

                if (steps[i] != AUDIT_STEP_REPLACED)
                        archive(world, &archiving); /* what was begun is no obstacle */
                assert_true(number(world, "SELECT min(seq) FROM record WHERE seq>0") > begin);
                audit_world_fill(world, 300, GROUP, AUDIT_SEAL);
                world->realtime += 401 * USEC_PER_DAY;
                audit_world_fill(world, 10, GROUP, AUDIT_SEAL);
                expect(world, 0, "");
                audit_world_close(world);
        }
}

/* ---- readers beside it ----------------------------------------------------------------------------------------- */

/* Verifies once for each byte, until the other end closes. */
static void watch(struct audit_world *world, int in)
{
        char byte;

        while (read(in, &byte, 1) == 1) {
                audit_verify(&(struct audit_verify_options){ .state_dir = world->dir,
                                                             .now_usec = world->realtime + 4000 * USEC_PER_DAY },
                             &world->report);
                if (world->report.exit_code != 0)
                        print_error("%s %s\n", world->report.findings[0].code, world->report.findings[0].detail);
                if (world->report.exit_code != 0)
                        _exit(2);
        }
        _exit(0);
}

/* The child comes first: SQLite's knowledge of locks does not survive a fork. */
static void who_verifies_meanwhile_sees_an_honest_log(void **state)
{
        struct audit_world *world = *state;
        int pipes[2], status, r;
        pid_t child;

        assert_int_equal(pipe(pipes), 0);
        child = fork();
        if (child == 0) {
                close(pipes[1]);
                watch(world, pipes[0]);
        }
        close(pipes[0]);
        an_old_log(state);
        for (unsigned i = 0; i < 5; i++) {
                struct audit_archiving archiving;

                assert_int_equal(prepare(world, &archiving), 0);
                assert_int_equal(write(pipes[1], "12345678", 8), 8);
                while ((r = audit_archive_commit(world->audit, &archiving, NULL)) == -EBUSY)
                        audit_world_fill(world, 1, 1, AUDIT_SEAL);
                assert_int_equal(r, 0);
                audit_world_fill(world, 280, GROUP, AUDIT_SEAL);
                world->realtime += 401 * USEC_PER_DAY;
                audit_world_fill(world, 20, GROUP, AUDIT_SEAL);
        }
        close(pipes[1]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        expect(world, 0, "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                AUDIT_WORLD_TEST(old_records_leave_and_the_log_still_verifies),
                AUDIT_WORLD_TEST(the_record_says_what_left_and_where_to),
                AUDIT_WORLD_TEST(the_writer_goes_on_between_both_halves),
                AUDIT_WORLD_TEST(archives_and_what_is_left_lie_end_to_end),
                AUDIT_WORLD_TEST(what_is_young_stays),
                AUDIT_WORLD_TEST(the_date_that_is_given_keeps_more),
                AUDIT_WORLD_TEST(the_clock_that_dates_the_record_decides),
                AUDIT_WORLD_TEST(a_log_that_does_not_verify_is_not_archived),
                AUDIT_WORLD_TEST(a_file_that_has_the_name_is_left_alone),
                AUDIT_WORLD_TEST(a_reader_puts_it_off),
                AUDIT_WORLD_TEST(a_stranger_who_wrote_meanwhile_is_recorded_first),
                AUDIT_WORLD_TEST(a_stranger_who_took_our_place_ends_it),
                AUDIT_WORLD_TEST(what_was_prepared_for_something_else_is_refused),
                AUDIT_WORLD_TEST(what_was_staged_and_altered_is_refused),
                AUDIT_WORLD_TEST(without_a_seal_nothing_leaves),
                AUDIT_WORLD_TEST(a_crash_at_any_step_is_no_alarm_and_loses_nothing),
                AUDIT_WORLD_TEST(who_verifies_meanwhile_sees_an_honest_log),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
