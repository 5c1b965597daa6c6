/* What others may ask of the writer: a nonce under a seal, a witness's word kept, a log ended on purpose. */

#include "audit_world.h"

#include "audit/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NONCE "00112233445566778899aabbccddeeff"

enum { CRASHED = 42 };

static char *last(struct audit_world *world, const char *what)
{
        char sql[128];

        snprintf(sql, sizeof(sql), "SELECT body ->> '%s' FROM record ORDER BY seq DESC LIMIT 1", what);
        return audit_world_text(world, sql);
}

static void expect_last(struct audit_world *world, const char *what, const char *value)
{
        char *text = last(world, what);

        assert_string_equal(text, value);
        free(text);
}

static void expect(struct audit_world *world, int exit_code, const char *codes)
{
        audit_world_verify(world);
        audit_world_expect(world, exit_code, codes);
}

/* ---- nonces --------------------------------------------------------------------------------------------------- */

static void a_nonce_is_sealed_at_once(void **state)
{
        struct audit_world *world = *state;
        struct audit_head head;

        audit_world_open(world);
        audit_world_fill(world, 3, 1, 0);
        assert_int_equal(audit_seal_nonce(world->audit, NONCE, "user:auditor"), 0);
        audit_head(world->audit, &head);
        assert_int_equal(head.size, 6);
        assert_int_equal(head.sealed_size, 6);
        expect_last(world, "$.action", "audit.nonce");
        expect_last(world, "$.actor", "user:auditor");
        expect_last(world, "$.details", "{\"nonce\":\"" NONCE "\"}");
        expect(world, 0, "");
}

static void what_is_no_nonce_is_refused(void **state)
{
        struct audit_world *world = *state;
        char digits[130];

        memset(digits, 'a', 129);
        digits[129] = '\0';
        audit_world_open(world);
        assert_int_equal(audit_seal_nonce(world->audit, digits, NULL), -EINVAL);
        assert_int_equal(audit_seal_nonce(world->audit, digits + 1, NULL), 0);
        assert_int_equal(audit_seal_nonce(world->audit, digits + 129 - 16, NULL), 0);
        assert_int_equal(audit_seal_nonce(world->audit, digits + 129 - 15, NULL), -EINVAL);
        assert_int_equal(audit_seal_nonce(world->audit, "", NULL), -EINVAL);
        assert_int_equal(audit_seal_nonce(world->audit, "0123456789abcdeg", NULL), -EINVAL);
        assert_int_equal(audit_seal_nonce(world->audit, "0123456789\"abcdef", NULL), -EINVAL);
        assert_int_equal(audit_append(world->audit, &(struct audit_entry){ .action = "audit.nonce" }, NULL), -EINVAL);
        expect(world, 0, "");
        assert_int_equal(world->report.size, 4);
}

static void a_nonce_without_its_seal_is_no_answer(void **state)
{
        struct audit_world *world = *state;
        int fd, good;

        audit_world_open(world);
        good = world->audit->lock_fd;
        fd = open(audit_world_path(world, "keys/seal.key"), O_RDONLY | O_CLOEXEC);
        world->audit->lock_fd = fd; /* writes fail */
        assert_int_equal(audit_seal_nonce(world->audit, NONCE, NULL), -EIO);
        world->audit->lock_fd = good;
        close(fd);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), 0);
        expect(world, 0, "");
}

/* ---- cosignatures --------------------------------------------------------------------------------------------- */

struct witness {
        uint8_t secret[64], id[4];
        char vkey[128];
};

static void witness_init(struct witness *witness, const char *name)
{
        uint8_t typed[33] = { 0x04 }, hash[32], text[128];
        char base64[64], id[9];
        const size_t length = strlen(name);

        assert_int_equal(sodium_init() < 0, 0);
        crypto_sign_keypair(typed + 1, witness->secret);
        memcpy(text, name, length);
        text[length] = '\n';
        memcpy(text + length + 1, typed, sizeof(typed));
        crypto_hash_sha256(hash, text, length + 1 + sizeof(typed));
        memcpy(witness->id, hash, 4);
        sodium_bin2hex(id, sizeof(id), hash, 4);
        sodium_bin2base64(base64, sizeof(base64), typed, sizeof(typed), sodium_base64_VARIANT_ORIGINAL);
        snprintf(witness->vkey, sizeof(witness->vkey), "%s+%s+%s", name, id, base64);
}

static struct audit_slice cosign(const struct witness *witness, const char *note, char line[256])
{
        const char *end = strstr(note, "\n\n") + 1;
        char message[512], base64[128];
        uint8_t payload[4 + 8 + 64] = { 0 };
        int length;

        payload[11] = 77;
        length = snprintf(message, sizeof(message), "cosignature/v1\ntime 77\n%.*s", (int)(end - note), note);
        memcpy(payload, witness->id, 4);
        crypto_sign_detached(payload + 12, NULL, (const uint8_t *)message, (unsigned long long)length, witness->secret);
        sodium_bin2base64(base64, sizeof(base64), payload, sizeof(payload), sodium_base64_VARIANT_ORIGINAL);
        length = snprintf(line, 256, "\xe2\x80\x94 %.*s %s", (int)strcspn(witness->vkey, "+"), witness->vkey, base64);
        return (struct audit_slice){ line, (size_t)length };
}

static void a_cosignature_is_kept_beside_its_checkpoint(void **state)
{
        struct audit_world *world = *state;
        struct audit_reader *reader;
        struct witness witness;
        char line[256], *note;
        struct audit_slice slice;
        uint64_t size;

        audit_world_open(world);
        audit_world_fill(world, 8, 8, AUDIT_SEAL);
        witness_init(&witness, "witness.example/w1");
        slice = cosign(&witness, audit_last_note(world->audit), line);
        audit_world_fill(world, 5, 1, AUDIT_SEAL);

        assert_int_equal(audit_append(world->audit, &(struct audit_entry){ .action = "agent.stop" }, NULL), 0);
        assert_int_equal(audit_cosign(world->audit, 10, witness.vkey, slice), 0);
        assert_int_equal(audit_pending_count(world->audit), 1); /* a group that waits goes on waiting */
        assert_int_equal(audit_cosign(world->audit, 10, witness.vkey, slice), 0);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), 0); /* and we are no strangers to ourselves */

        assert_int_equal(audit_reader_open(audit_world_path(world, "audit.db"), &reader), 0);
        assert_int_equal(audit_reader_note_of(reader, 10, &note, &size), 0);
        assert_int_equal(size, 10);
        assert_non_null(strstr(note, line));
        assert_int_equal(note[strlen(note) - 1], '\n');
        free(note);
        audit_reader_close(reader);
        note = audit_world_text(world, "SELECT count(*) FROM cosig");
        assert_string_equal(note, "1");
        free(note);
        expect(world, 0, "");
}

static void what_no_witness_signed_is_not_kept(void **state)
{
        struct audit_world *world = *state;
        struct witness witness, other;
        char line[256], note[AUDIT_NOTE_MAX];
        struct audit_slice slice;

        audit_world_open(world);
        witness_init(&witness, "witness.example/w1");
        witness_init(&other, "witness.example/w1");
        strcpy(note, audit_last_note(world->audit));
        slice = cosign(&witness, note, line);
        audit_world_fill(world, 1, 1, AUDIT_SEAL);
        assert_int_equal(audit_cosign(world->audit, 3, witness.vkey, slice), -EKEYREJECTED); /* of another checkpoint */
        assert_int_equal(audit_cosign(world->audit, 2, other.vkey, slice), -EKEYREJECTED);
        assert_int_equal(audit_cosign(world->audit, 2, "nonsense", slice), -EINVAL);
        assert_int_equal(audit_cosign(world->audit, 2, witness.vkey, (struct audit_slice){ "x", 1 }), -EKEYREJECTED);
        assert_int_equal(audit_cosign(world->audit, 4, witness.vkey, slice), -ENOENT);
        assert_int_equal(audit_cosign(world->audit, 0, witness.vkey, slice), -ENOENT);
        line[40] ^= 1;
        assert_int_equal(audit_cosign(world->audit, 2, witness.vkey, slice), -EKEYREJECTED);
        line[40] ^= 1;
        assert_int_equal(audit_cosign(world->audit, 2, witness.vkey, slice), 0);
        expect(world, 0, "");
}

static void a_stranger_is_seen_by_a_cosignature_too(void **state)
{
        struct audit_world *world = *state;
        struct witness witness;
        char line[256];

        audit_world_open(world);
        witness_init(&witness, "witness.example/w1");
        assert_int_equal(audit_world_sql(world, "INSERT INTO cosig VALUES(1, 'x')"), SQLITE_OK);
        assert_int_equal(
                audit_cosign(world->audit, 2, witness.vkey, cosign(&witness, audit_last_note(world->audit), line)), 0);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), AUDIT_FOREIGN_WRITE);
        expect_last(world, "$.action", "audit.foreign_write");

        assert_int_equal(audit_world_sql(world, "INSERT INTO record SELECT max(seq)+1, 'x' FROM record"), SQLITE_OK);
        assert_int_equal(
                audit_cosign(world->audit, 3, witness.vkey, cosign(&witness, audit_last_note(world->audit), line)),
                -EUCLEAN);
}

/* ---- rotation ------------------------------------------------------------------------------------------------- */

static void verify_aside(struct audit_world *world)
{
        char database[1100], key[1100];

        snprintf(database, sizeof(database), "%s/audit.db", world->how.aside);
        snprintf(key, sizeof(key), "%s/seal.key", world->how.aside);
        audit_verify(&(struct audit_verify_options){ .database = database, .seal_key = key }, &world->report);
        audit_world_expect(world, 0, "");
}

static void a_rotated_log_is_whole_and_the_new_one_names_it(void **state)
{
        struct audit_world *world = *state;
        char first[AUDIT_ANCHOR_MAX], *text;

        audit_world_open(world);
        strcpy(first, world->how.genesis_anchor);
        audit_world_fill(world, 5, 1, 0);
        assert_int_equal(audit_append(world->audit, &(struct audit_entry){ .action = "agent.stop" }, NULL), 0);
        assert_int_equal(audit_rotate(world->audit, "a new year", "user:alice", &world->how), 0);
        assert_int_equal(world->how.start, AUDIT_ROTATED);
        assert_null(world->how.finding);
        assert_string_not_equal(world->how.genesis_anchor, first);
        assert_int_equal(audit_pending_count(world->audit), 0);

        text = audit_world_text(world, "SELECT body ->> '$.details.prev_log' FROM record WHERE seq=0");
        assert_non_null(strstr(text, "\n9\n")); /* all of the old log, its last record included */
        assert_memory_equal(text, strchr(first, ' ') + 1, strlen("vps1.example/governor/01234567"));
        free(text);
        expect_last(world, "$.details.reason", "a new year");
        text = last(world, "$.details.rotated.path");
        assert_memory_equal(text, "set-aside/", 10);
        free(text);
        expect(world, 0, "");
        verify_aside(world);
        assert_int_equal(world->report.size, 9);

        audit_world_fill(world, 5, 1, AUDIT_SEAL);
        audit_world_close(world);
        audit_world_open(world);
        assert_int_equal(world->how.start, AUDIT_CONTINUED);
        expect(world, 0, "");
}

static void a_broken_key_file_is_rotated_away(void **state)
{
        struct audit_world *world = *state;
        int fd, good;

        audit_world_open(world);
        good = world->audit->lock_fd;
        fd = open(audit_world_path(world, "keys/seal.key"), O_RDONLY | O_CLOEXEC);
        world->audit->lock_fd = fd; /* writes fail */
        assert_int_equal(audit_rotate(world->audit, "bad sector", NULL, &world->how), AUDIT_KEY_FAULT);
        close(good);
        audit_world_fill(world, 5, 1, AUDIT_SEAL);
        expect(world, 0, "");
}

static void a_rotation_that_cannot_be_recorded_changes_nothing(void **state)
{
        struct audit_world *world = *state;

        audit_world_open(world);
        assert_int_equal(audit_rotate(world->audit, "\xff", NULL, NULL), -EINVAL);
        assert_int_equal(sqlite3_exec(world->audit->db, "PRAGMA max_page_count=1", NULL, NULL, NULL), SQLITE_OK);
        for (int r = 0; r == 0;) {
                assert_int_equal(audit_append(world->audit, &(struct audit_entry){ .action = "agent.stop" }, NULL), 0);
                r = audit_commit(world->audit, 0);
        }
        assert_int_equal(audit_rotate(world->audit, "full", NULL, NULL), -ENOSPC);
        assert_int_not_equal(access(audit_world_path(world, "set-aside"), F_OK), 0);
        assert_int_equal(audit_append(world->audit, &(struct audit_entry){ .action = "audit.rotate" }, NULL), -EINVAL);
        expect(world, 0, "");
}

static void a_log_is_rotated_without_a_daemon(void **state)
{
        struct audit_world *world = *state;
        const struct audit_options options = { .host = "vps1.example", .no_ballast = true };

        assert_int_equal(audit_rotate_offline(world->dir, &options, "why", NULL, &world->how), -ENOENT);
        audit_world_open(world);
        assert_int_equal(audit_rotate_offline(world->dir, &options, "why", NULL, &world->how), -EBUSY);
        audit_world_close(world);
        assert_int_equal(audit_rotate_offline(world->dir, &options, "why", "user:alice", &world->how), 0);
        assert_int_equal(world->how.start, AUDIT_ROTATED);
        audit_verify(&(struct audit_verify_options){ .state_dir = world->dir }, &world->report);
        audit_world_expect(world, 0, "");
        verify_aside(world);

        audit_world_forge(world, "DELETE FROM record WHERE seq=1; DELETE FROM checkpoint WHERE epoch=1");
        assert_int_equal(audit_rotate_offline(world->dir, &options, "why", "user:alice", &world->how), 0);
        assert_int_equal(world->how.start, AUDIT_SET_ASIDE); /* once is enough */
        assert_string_equal(world->how.finding, "KEY_AHEAD");
}

static void crash_at(void *userdata, enum audit_step step)
{
        if (step == *(enum audit_step *)userdata)
                _exit(CRASHED);
}

static void a_crash_while_rotating_is_no_alarm(void **state)
{
        unsigned crashes = 0;

        (void)state;
        for (enum audit_step at = 0; at <= AUDIT_STEP_SWAPPED; at++) {
                struct audit_world *world;
                pid_t child;
                int status;

                assert_int_equal(audit_world_setup((void **)&world), 0);
                audit_world_open(world);
                audit_world_fill(world, 5, 1, AUDIT_SEAL);
                audit_world_close(world);
                child = fork();
                if (child == 0) {
                        audit_world_open(world);
                        world->audit->step = crash_at;
                        world->audit->step_userdata = &at;
                        _exit(audit_rotate(world->audit, "why", NULL, NULL) < 0 ? 1 : 0);
                }
                assert_int_equal(waitpid(child, &status, 0), child);
                assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == CRASHED));
                crashes++;

                audit_world_verify(world);
                audit_world_expect(world, 0, "");
                audit_world_open(world);
                assert_int_equal(world->how.start, at < AUDIT_STEP_STAGED ? AUDIT_CONTINUED : AUDIT_ROTATED);
                assert_int_equal(access(audit_world_path(world, "set-aside"), F_OK), at < AUDIT_STEP_STAGED ? -1 : 0);
                assert_null(world->how.finding);
                expect(world, 0, "");
                audit_world_teardown((void **)&world);
        }
        assert_int_equal(crashes, AUDIT_STEP_SWAPPED + 1);
}

/* ---- one writer ----------------------------------------------------------------------------------------------- */

static void a_second_process_is_told_that_the_log_is_busy(void **state)
{
        struct audit_world *world = *state;
        int pipes[2], back[2], status;
        char byte;
        pid_t child;

        assert_int_equal(pipe(pipes), 0);
        assert_int_equal(pipe(back), 0);
        child = fork();
        if (child == 0) {
                int r;

                if (read(pipes[0], &byte, 1) != 1)
                        _exit(1);
                r = audit_world_try_open(world);
                if (write(back[1], "", 1) != 1 || read(pipes[0], &byte, 1) != 1)
                        _exit(1);
                _exit(r == -EBUSY && audit_world_try_open(world) == 0 ? 0 : 2);
        }
        audit_world_open(world);
        assert_int_equal(write(pipes[1], "", 1), 1);
        assert_int_equal(read(back[0], &byte, 1), 1);
        audit_world_fill(world, 3, 1, AUDIT_SEAL);
        audit_world_close(world);
        assert_int_equal(write(pipes[1], "", 1), 1); /* now it may */
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        expect(world, 0, "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                AUDIT_WORLD_TEST(a_nonce_is_sealed_at_once),
                AUDIT_WORLD_TEST(what_is_no_nonce_is_refused),
                AUDIT_WORLD_TEST(a_nonce_without_its_seal_is_no_answer),
                AUDIT_WORLD_TEST(a_cosignature_is_kept_beside_its_checkpoint),
                AUDIT_WORLD_TEST(what_no_witness_signed_is_not_kept),
                AUDIT_WORLD_TEST(a_stranger_is_seen_by_a_cosignature_too),
                AUDIT_WORLD_TEST(a_rotated_log_is_whole_and_the_new_one_names_it),
                AUDIT_WORLD_TEST(a_broken_key_file_is_rotated_away),
                AUDIT_WORLD_TEST(a_rotation_that_cannot_be_recorded_changes_nothing),
                AUDIT_WORLD_TEST(a_log_is_rotated_without_a_daemon),
                cmocka_unit_test(a_crash_while_rotating_is_no_alarm),
                AUDIT_WORLD_TEST(a_second_process_is_told_that_the_log_is_busy),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
