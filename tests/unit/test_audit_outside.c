/* What an implementation that shares nothing with ours tried, and what ours took for something else. */

#include "audit/note.h"
#include "audit/sealkey.h"
#include "audit_world.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY "keys/seal.key"

enum { FILE_SIZE = AUDIT_SLOTS * AUDIT_SLOT_SIZE };

static struct audit_world *a_log(void **state)
{
        struct audit_world *world = *state;

        audit_world_open(world);
        audit_world_fill(world, 600, 100, AUDIT_SEAL);
        audit_world_close(world);
        return world;
}

static void expect(struct audit_world *world, int exit_code, const char *codes)
{
        audit_world_verify(world);
        audit_world_expect(world, exit_code, codes);
}

static void a_key_in_the_slot_of_another_epoch_is_none(void **state)
{
        struct audit_world *world = a_log(state);
        uint8_t key[FILE_SIZE], swapped[FILE_SIZE];

        assert_int_equal(audit_world_read(world, KEY, key, sizeof(key)), sizeof(key));
        memcpy(swapped, key + AUDIT_SLOT_SIZE, AUDIT_SLOT_SIZE);
        memcpy(swapped + AUDIT_SLOT_SIZE, key, AUDIT_SLOT_SIZE);
        audit_world_write(world, KEY, swapped, sizeof(swapped));
        expect(world, 3, "KEY_MISSING");
        audit_world_open(world);
        assert_string_equal(world->how.finding, "KEY_MISSING");
}

static void a_key_that_its_seed_does_not_make_is_another_one(void **state)
{
        struct audit_world *world = a_log(state);
        uint8_t key[FILE_SIZE];

        assert_int_equal(audit_world_read(world, KEY, key, sizeof(key)), sizeof(key));
        for (unsigned i = 0; i < FILE_SIZE; i += AUDIT_SLOT_SIZE)
                if (key[i]) {
                        key[i + 16] ^= 1;
                        crypto_hash_sha256(key + i + 80, key + i, 80);
                }
        audit_world_write(world, KEY, key, sizeof(key));
        expect(world, 3, "KEY_MISMATCH");
}

/* One row, and the subtrees of 2^60 records would be looked for. */
static void a_record_that_says_it_is_the_last_of_all_costs_no_time(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world, "DELETE FROM record WHERE seq>0; INSERT INTO record VALUES(1152921504606846976,'x')");
        audit_world_verify(world);
        assert_int_equal(world->report.exit_code, 3);
        assert_true(audit_world_found(world, "SEQ_GAP"));
}

static void a_day_that_is_in_no_calendar_is_no_time(void **state)
{
        static const char *const wrong[] = { "-13-01T", "-00-01T", "-02-30T", "-04-31T", "-01-00T" };
        struct audit_world *world = a_log(state);
        char sql[256];

        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                snprintf(sql, sizeof(sql),
                         "UPDATE record SET body=substr(body,1,instr(body,'\"ts\":\"')+9)||'%s'||"
                         "substr(body,instr(body,'\"ts\":\"')+17) WHERE seq=600",
                         wrong[i]);
                audit_world_forge(world, sql);
                audit_world_verify(world);
                assert_true(audit_world_found(world, "NOT_CANONICAL"));
        }
}

static void a_signature_of_a_name_that_is_no_text_spoils_the_note(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world,
                          "UPDATE checkpoint SET note=CAST(note||x'e2809420' ||'w1 QUJDREVGR0g='||x'0a' AS TEXT) "
                          "WHERE epoch=3");
        expect(world, 0, "");
        audit_world_forge(world, "UPDATE checkpoint SET note=CAST(note||x'e2809420ff'||' QUJDREVGR0g='||x'0a' AS TEXT) "
                                 "WHERE epoch=3");
        audit_world_verify(world);
        assert_int_equal(world->report.exit_code, 3);
        assert_true(audit_world_found(world, "BAD_NOTE"));
}

static void what_is_sealed_beyond_the_end_is_no_tail(void **state)
{
        struct audit_world *world = a_log(state);

        world->realtime += UINT64_C(3600) * 1000000;
        audit_world_open(world);
        audit_world_fill(world, 2, 2, AUDIT_SEAL);
        audit_world_close(world);
        audit_world_forge(world, "DELETE FROM record WHERE seq=(SELECT max(seq) FROM record)");
        expect(world, 3, "CKPT_BEYOND_END");
}

/* A pipe that nobody writes, a device that never ends. */
static void nothing_that_is_named_keeps_verify_waiting(void **state)
{
        struct audit_world *world = a_log(state);
        const char *const pipe = audit_world_path(world, "pipe");
        const struct audit_verify_options calls[] = {
                { .database = pipe },
                { .jsonl = pipe, .checkpoints = pipe, .subtree = pipe },
                { .jsonl = "/dev/zero", .checkpoints = "/dev/zero" },
                { .database = audit_world_path(world, "audit.db"), .seal_key = pipe },
                { .database = audit_world_path(world, "audit.db"), .archives = &pipe, .archives_n = 1 },
        };

        assert_int_equal(mkfifo(pipe, 0600), 0);
        for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
                audit_verify(&calls[i], &world->report);
                assert_int_equal(world->report.exit_code, 1);
        }
}

/* It stands before all others, and would keep their turn from coming. */
static void a_cosignature_of_less_than_nothing_is_nobodys(void **state)
{
        struct audit_world *world = a_log(state);
        struct audit_vkey witness = { .name = "w" };
        struct audit_verify_options options = { .state_dir = world->dir, .witnesses = &witness, .witnesses_n = 1 };

        audit_world_forge(world, "INSERT INTO cosig VALUES(-5, 'w')");
        options.now_usec = world->realtime;
        audit_verify(&options, &world->report);
        audit_world_expect(world, 0, "");
}

/* What was archived before ended at whole subtrees, or at the beginning. */
static void an_archiving_from_the_middle_of_a_subtree_explains_nothing(void **state)
{
        struct audit_world *world = *state;

        audit_world_open(world);
        audit_world_fill(world, 1000, 100, AUDIT_SEAL);
        world->realtime += UINT64_C(401) * 24 * 60 * 60 * 1000000;
        audit_world_fill(world, 10, 10, AUDIT_SEAL);
        audit_world_record_archiving(world, 2, 512, "", AUDIT_SEAL);
        audit_world_drop(world, 1, 512);
        expect(world, 3, "SEQ_GAP");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                AUDIT_WORLD_TEST(a_key_in_the_slot_of_another_epoch_is_none),
                AUDIT_WORLD_TEST(a_key_that_its_seed_does_not_make_is_another_one),
                AUDIT_WORLD_TEST(a_record_that_says_it_is_the_last_of_all_costs_no_time),
                AUDIT_WORLD_TEST(a_day_that_is_in_no_calendar_is_no_time),
                AUDIT_WORLD_TEST(a_signature_of_a_name_that_is_no_text_spoils_the_note),
                AUDIT_WORLD_TEST(what_is_sealed_beyond_the_end_is_no_tail),
                AUDIT_WORLD_TEST(nothing_that_is_named_keeps_verify_waiting),
                AUDIT_WORLD_TEST(a_cosignature_of_less_than_nothing_is_nobodys),
                AUDIT_WORLD_TEST(an_archiving_from_the_middle_of_a_subtree_explains_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
