/* The writer: what it puts into the file, in what order, and what it refuses. */

#include "audit_world.h"

#include "audit/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define USEC_PER_SEC UINT64_C(1000000)

static int append(struct audit_world *world, const char *action, enum audit_outcome outcome, json_t *details,
                  uint64_t *ret_seq)
{
        const int r = audit_append(
                world->audit,
                &(struct audit_entry){
                        .action = action, .subject = "unit:nginx.service", .outcome = outcome, .details = details },
                ret_seq);

        json_decref(details);
        return r;
}

static void the_first_start_creates_a_sealed_genesis(void **state)
{
        struct audit_world *world = *state;
        struct audit_head head;
        struct stat st;

        audit_world_open(world);
        assert_int_equal(world->how.start, AUDIT_CREATED);
        assert_null(world->how.finding);
        assert_false(world->how.adopted);
        assert_memory_equal(world->how.genesis_anchor, "govaudit1 vps1.example/governor/", 32);

        audit_head(world->audit, &head);
        assert_int_equal(head.size, 2); /* genesis, start */
        assert_int_equal(head.sealed_size, 2);

        assert_int_equal(stat(world->dir, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
        assert_int_equal(stat(audit_world_path(world, "audit.db"), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(stat(audit_world_path(world, "audit.db-wal"), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(stat(audit_world_path(world, "keys/log.key"), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(stat(audit_world_path(world, "keys/seal.key"), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(st.st_size, 1024);

        audit_world_verify(world);
        audit_world_expect(world, 0, "");
        assert_string_equal(audit_verdict_name(world->report.verdict), "OK");
        assert_int_equal(world->report.size, 2);
        assert_memory_equal(world->report.root, head.root, 32);
}

static void a_second_start_adopts_what_was_not_sealed(void **state)
{
        struct audit_world *world = *state;
        char anchor[AUDIT_ANCHOR_MAX], *body;

        audit_world_open(world);
        strcpy(anchor, world->how.genesis_anchor);
        audit_world_fill(world, 3, 1, 0);
        audit_world_close(world);

        audit_world_open(world);
        assert_int_equal(world->how.start, AUDIT_CONTINUED);
        assert_true(world->how.adopted);
        assert_int_equal(world->how.adopted_from, 2);
        assert_int_equal(world->how.adopted_to, 4);
        assert_string_equal(world->how.genesis_anchor, anchor);
        body = audit_world_text(world, "SELECT body FROM record WHERE seq=5");
        assert_non_null(strstr(body, "\"action\":\"audit.start\""));
        assert_non_null(strstr(body, "\"details\":{\"adopted_from\":2,\"adopted_to\":4,\"reason\":\"start\"}"));
        free(body);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
        assert_int_equal(world->report.sealed_size, 6);
}

static void a_group_is_durable_together_and_in_order(void **state)
{
        struct audit_world *world = *state;
        struct audit_head head;
        uint64_t seq;

        audit_world_open(world);
        for (unsigned i = 0; i < 5; i++) {
                assert_int_equal(append(world, "agent.restart", AUDIT_PENDING, NULL, &seq), 0);
                assert_int_equal(seq, 2 + i);
        }
        assert_int_equal(audit_pending_count(world->audit), 5);
        audit_head(world->audit, &head);
        assert_int_equal(head.size, 2); /* nothing is published before it is durable */
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), 0);
        assert_int_equal(audit_pending_count(world->audit), 0);
        audit_head(world->audit, &head);
        assert_int_equal(head.size, 7);
        assert_int_equal(head.sealed_size, 7);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
}

static void many_records_and_seals_verify_across_subtrees(void **state)
{
        struct audit_world *world = *state;

        audit_world_open(world);
        audit_world_fill(world, 300, 7, AUDIT_SEAL);
        audit_world_fill(world, 600, 100, 0);
        audit_world_close(world);
        audit_world_open(world); /* the edge of the tree comes back from subtrees and bodies */
        assert_int_equal(world->how.start, AUDIT_CONTINUED);
        audit_world_fill(world, 400, 50, AUDIT_SEAL);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
        assert_int_equal(world->report.size, 1303);
        assert_int_equal(world->report.sealed_size, 1303);
}

static void what_has_no_canonical_form_is_refused_and_takes_no_place(void **state)
{
        struct audit_world *world = *state;
        char *large = malloc(70000);
        uint64_t seq = 0;

        audit_world_open(world);
        memset(large, 'x', 69999);
        large[69999] = '\0';
        assert_int_equal(append(world, "a", AUDIT_OK, json_pack("{s:f}", "x", 1.5), &seq), -EINVAL);
        assert_int_equal(append(world, "a", AUDIT_OK, json_pack("{s:i}", "X", 1), &seq), -EINVAL);
        assert_int_equal(append(world, "a", AUDIT_OK, json_array(), &seq), -EINVAL);
        assert_int_equal(append(world, "a", AUDIT_OK, json_pack("{s:s}", "x", large), &seq), -EMSGSIZE);
        assert_int_equal(append(world, "\xff", AUDIT_OK, NULL, &seq), -EINVAL);
        assert_int_equal(append(world, "", AUDIT_OK, NULL, &seq), -EINVAL);
        assert_int_equal(append(world, NULL, AUDIT_OK, NULL, &seq), -EINVAL);
        assert_int_equal(append(world, "audit.start", AUDIT_OK, NULL, &seq), -EINVAL); /* the chain's own word */
        assert_int_equal(audit_pending_count(world->audit), 0);
        assert_int_equal(append(world, "a", AUDIT_OK, NULL, &seq), 0);
        assert_int_equal(seq, 2);
        free(large);
}

static void a_full_disk_keeps_the_group_waiting(void **state)
{
        struct audit_world *world = *state;
        json_t *details;
        uint64_t seq;
        int r = 0;

        audit_world_open(world);
        sqlite3_exec(world->audit->db, "PRAGMA max_page_count=20", NULL, NULL, NULL);
        for (unsigned i = 0; i < 1000 && r == 0; i++) {
                assert_int_equal(append(world, "agent.restart", AUDIT_OK, json_pack("{s:i}", "n", (int)i), &seq), 0);
                r = audit_commit(world->audit, i % 3 == 0 ? AUDIT_SEAL : 0);
        }
        assert_int_equal(r, -ENOSPC);
        assert_int_equal(audit_pending_count(world->audit), 2); /* the record and audit.degraded */
        audit_world_verify(world);
        audit_world_expect(world, 0, "");

        details = json_pack("{s:b}", "late", 1);
        assert_int_equal(append(world, "agent.stop", AUDIT_OK, details, &seq), 0);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), -ENOSPC);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), -ENOSPC);
        assert_int_equal(audit_pending_count(world->audit), 3);

        sqlite3_exec(world->audit->db, "PRAGMA max_page_count=100000", NULL, NULL, NULL);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), AUDIT_DISK_FULL);
        assert_int_equal(audit_pending_count(world->audit), 0);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
        assert_int_equal(world->report.size, seq + 1);
        assert_int_equal(world->report.sealed_size, seq + 1);
}

static void a_key_file_that_cannot_be_written_costs_the_seal_only(void **state)
{
        struct audit_world *world = *state;
        struct audit_head head;
        int fd, good;
        uint64_t seq;

        audit_world_open(world);
        good = world->audit->lock_fd;
        fd = open(audit_world_path(world, "keys/seal.key"), O_RDONLY | O_CLOEXEC);
        world->audit->lock_fd = fd; /* writes fail */
        assert_int_equal(append(world, "agent.restart", AUDIT_OK, NULL, &seq), 0);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), AUDIT_KEY_FAULT);
        audit_head(world->audit, &head);
        assert_int_equal(head.size, 3);
        assert_int_equal(head.sealed_size, 2);
        assert_false(audit_seal_due(world->audit, world->boottime)); /* no busy loop around a broken file */
        assert_true(audit_seal_due(world->audit, world->boottime + 10 * USEC_PER_SEC));

        world->audit->lock_fd = good;
        close(fd);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), 0);
        audit_head(world->audit, &head);
        assert_int_equal(head.sealed_size, 3);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
}

static void seals_fall_due_by_age_number_and_hour(void **state)
{
        struct audit_world *world = *state;
        uint64_t begin, size;
        struct audit_head head;
        char *action;

        audit_world_open(world);
        begin = world->boottime;
        assert_int_equal(audit_seal_deadline(world->audit), begin + 3600 * USEC_PER_SEC);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), 0); /* nothing new: nothing done */
        audit_head(world->audit, &head);
        assert_int_equal(head.size, 2);

        audit_world_fill(world, 1, 1, 0);
        assert_int_equal(audit_seal_deadline(world->audit), begin + 1000 + 10 * USEC_PER_SEC);
        audit_world_fill(world, 254, 254, 0);
        assert_false(audit_seal_due(world->audit, world->boottime));
        audit_world_fill(world, 1, 1, 0);
        assert_true(audit_seal_due(world->audit, world->boottime));
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), 0);

        audit_head(world->audit, &head);
        size = head.size;
        world->boottime += 3600 * USEC_PER_SEC;
        assert_true(audit_seal_due(world->audit, world->boottime));
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), 0);
        audit_head(world->audit, &head);
        assert_int_equal(head.size, size + 1);
        assert_int_equal(head.sealed_size, size + 1);
        action = audit_world_text(world, "SELECT body ->> 'action' FROM record ORDER BY seq DESC LIMIT 1");
        assert_string_equal(action, "audit.heartbeat");
        free(action);
}

static void each_seal_leaves_one_key(void **state)
{
        struct audit_world *world = *state;
        struct audit_slot slots[AUDIT_SLOTS];

        audit_world_open(world);
        for (unsigned i = 0; i < 5; i++) {
                audit_world_fill(world, 1, 1, AUDIT_SEAL);
                assert_int_equal(audit_sealkey_look(audit_world_path(world, "keys/seal.key"), slots), 0);
                assert_int_equal(slots[0].valid + slots[1].valid, 1);
                assert_int_equal(slots[0].valid ? slots[0].epoch : slots[1].epoch, i + 3);
        }
}

/* Else the next seal would overwrite it before it is used. */
static void a_key_in_the_place_of_the_other_is_none(void **state)
{
        struct audit_world *world = *state;
        uint8_t slots[AUDIT_SLOTS][AUDIT_SLOT_SIZE], swapped[AUDIT_SLOTS][AUDIT_SLOT_SIZE];

        audit_world_open(world);
        audit_world_close(world);
        assert_int_equal(audit_world_read(world, "keys/seal.key", slots, sizeof(slots)), sizeof(slots));
        memcpy(swapped[0], slots[1], AUDIT_SLOT_SIZE);
        memcpy(swapped[1], slots[0], AUDIT_SLOT_SIZE);
        audit_world_write(world, "keys/seal.key", swapped, sizeof(swapped));
        audit_world_open(world);
        assert_int_equal(world->how.start, AUDIT_SET_ASIDE);
        assert_string_equal(world->how.finding, "KEY_MISSING");
}

static void a_second_writer_is_told_that_the_log_is_busy(void **state)
{
        struct audit_world *world = *state;
        int fd;

        audit_world_open(world);
        fd = open(audit_world_path(world, "keys/seal.key"), O_RDWR | O_CLOEXEC);
        assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
        close(fd);
        {
                struct audit *first = world->audit;

                assert_int_equal(audit_world_try_open(world), -EBUSY);
                assert_ptr_equal(world->audit, first); /* untouched on failure */
        }
}

static void sql_that_would_change_history_is_refused(void **state)
{
        static const char *const attempts[] = {
                "UPDATE record SET body='x' WHERE seq=1",
                "DELETE FROM record WHERE seq=2",
                "INSERT OR REPLACE INTO record(seq, body) VALUES(1, 'x')",
                "INSERT INTO record(seq, body) VALUES(77, 'x')",
                "REPLACE INTO record(seq, body) VALUES(0, 'x')",
                "UPDATE OR REPLACE record SET seq=1 WHERE seq=2",
                "INSERT INTO record(seq, body) VALUES(1, 'x') ON CONFLICT DO UPDATE SET body='x'",
                "UPDATE checkpoint SET note='x'",
                "DELETE FROM checkpoint",
                "INSERT OR REPLACE INTO checkpoint VALUES(1, 2, 'x')",
                "INSERT OR REPLACE INTO subtree VALUES(8, 0, x'00')",
                "UPDATE subtree SET hash=x'00'",
                "DELETE FROM subtree",
        };
        struct audit_world *world = *state;

        audit_world_open(world);
        audit_world_fill(world, 300, 100, AUDIT_SEAL);
        audit_world_close(world);
        for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
                if (audit_world_sql(world, attempts[i]) == SQLITE_OK)
                        fail_msg("accepted: %s", attempts[i]);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
}

static void a_stranger_who_wrote_is_put_on_record(void **state)
{
        struct audit_world *world = *state;
        char *action;

        audit_world_open(world);
        audit_world_fill(world, 2, 1, 0);
        assert_int_equal(audit_world_sql(world, "INSERT INTO cosig VALUES(1, 'x')"), SQLITE_OK);
        assert_int_equal(append(world, "agent.restart", AUDIT_OK, NULL, NULL), 0);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), AUDIT_FOREIGN_WRITE);
        action = audit_world_text(world, "SELECT body ->> 'action' FROM record WHERE seq=5");
        assert_string_equal(action, "audit.foreign_write");
        free(action);
        assert_int_equal(append(world, "agent.restart", AUDIT_OK, NULL, NULL), 0);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), 0); /* told once */
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
}

static void a_stranger_who_took_our_place_ends_the_log(void **state)
{
        struct audit_world *world = *state;
        char *action;

        audit_world_open(world);
        audit_world_fill(world, 2, 1, 0);
        assert_int_equal(audit_world_sql(world, "INSERT INTO record VALUES(4, 'x')"), SQLITE_OK);
        assert_int_equal(append(world, "agent.restart", AUDIT_OK, NULL, NULL), 0);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), -EUCLEAN);
        audit_world_verify(world);
        audit_world_expect(world, 3, "NOT_CANONICAL");

        assert_int_equal(audit_reopen(world->audit, "a stranger", &world->how), 0);
        assert_int_equal(world->how.start, AUDIT_SET_ASIDE);
        assert_string_equal(world->how.finding, "NOT_CANONICAL");
        assert_int_equal(audit_pending_count(world->audit), 1); /* what was refused is not lost */
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), 0);
        action = audit_world_text(world, "SELECT body ->> 'action' FROM record WHERE seq=2");
        assert_string_equal(action, "agent.restart");
        free(action);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
        assert_int_equal(world->report.size, 3);
}

static void a_reopen_that_failed_may_be_tried_again(void **state)
{
        struct audit_world *world = *state;
        int fd;

        audit_world_open(world);
        assert_int_equal(append(world, "agent.restart", AUDIT_OK, NULL, NULL), 0);
        assert_int_equal(rename(audit_world_path(world, "keys"), audit_world_path(world, "hidden")), 0);
        assert_int_equal(audit_reopen(world->audit, "again", &world->how), -ENOENT);
        assert_int_equal(audit_commit(world->audit, 0), -EUCLEAN);
        assert_int_equal(rename(audit_world_path(world, "hidden"), audit_world_path(world, "keys")), 0);

        fd = open(audit_world_path(world, "keys/seal.key"), O_RDWR | O_CLOEXEC);
        assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0); /* someone else was quicker */
        assert_int_equal(audit_reopen(world->audit, "again", &world->how), -EBUSY);
        close(fd);
        assert_int_equal(audit_reopen(world->audit, "again", &world->how), 0);
        assert_int_equal(world->how.start, AUDIT_CONTINUED);
        assert_int_equal(audit_pending_count(world->audit), 1);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), 0);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
        assert_int_equal(world->report.size, 4);
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

static void readers_see_ranges_in_both_directions(void **state)
{
        struct audit_world *world = *state;
        struct audit_reader *reader;
        struct audit_item item;
        struct audit_view view;
        uint64_t size, sealed;
        char *note;

        audit_world_open(world);
        audit_world_fill(world, 8, 4, 0);
        assert_int_equal(audit_reader_open(audit_world_path(world, "audit.db"), &reader), 0);
        for (uint64_t seq = 0; seq < 10; seq++) {
                assert_int_equal(audit_reader_next(reader, &item), 1);
                assert_int_equal(item.seq, seq);
                assert_int_equal(item.length, strlen(item.body));
                assert_int_equal(audit_view(item.body, item.length, &view), 0);
                assert_int_equal(view.seq, seq);
        }
        assert_int_equal(audit_reader_next(reader, &item), 0);

        assert_int_equal(audit_reader_seek(reader, &(struct audit_range){ .from = 3, .to = 5, .newest_first = true }),
                         0);
        for (uint64_t seq = 5; seq >= 3; seq--) {
                assert_int_equal(audit_reader_next(reader, &item), 1);
                assert_int_equal(item.seq, seq);
        }
        assert_int_equal(audit_reader_next(reader, &item), 0);

        audit_world_fill(world, 1, 1, AUDIT_SEAL); /* the writer goes on beside the reader */
        assert_int_equal(audit_reader_seek(reader, &(struct audit_range){ .from = 10, .to = UINT64_MAX }), 0);
        assert_int_equal(audit_reader_next(reader, &item), 1);
        assert_int_equal(item.seq, 10);
        assert_int_equal(audit_reader_head(reader, &size, &sealed), 0);
        assert_int_equal(size, 11);
        assert_int_equal(sealed, 11);
        assert_int_equal(audit_reader_last_note(reader, &note), 0);
        assert_string_equal(note, audit_last_note(world->audit));
        free(note);
        {
                char anchor[AUDIT_ANCHOR_MAX];

                assert_int_equal(audit_reader_genesis_anchor(reader, anchor), 0);
                assert_string_equal(anchor, world->how.genesis_anchor);
        }
        assert_null(audit_reader_close(reader));
}

static void a_reader_of_nothing_says_so(void **state)
{
        struct audit_world *world = *state;
        struct audit_reader *reader;

        assert_int_equal(audit_reader_open(audit_world_path(world, "audit.db"), &reader), -ENOENT);
        audit_world_write(world, "audit.db", "this is a text, long enough to be read as a header of a database ....",
                          64);
        assert_int_equal(audit_reader_open(audit_world_path(world, "audit.db"), &reader), -EUCLEAN);
}

static int take_open_intent(void *userdata, const struct audit_item *intent)
{
        uint64_t *list = userdata;

        list[++list[0]] = intent->seq;
        return 0;
}

static void intents_without_an_outcome_are_found(void **state)
{
        struct audit_world *world = *state;
        struct audit_reader *reader;
        uint64_t first, second, third, seqs[8] = { 0 };

        audit_world_open(world);
        append(world, "agent.restart", AUDIT_PENDING, NULL, &first);
        append(world, "agent.stop", AUDIT_PENDING, NULL, &second);
        append(world, "agent.restart", AUDIT_OK, json_pack("{s:I}", "intent", (json_int_t)first), NULL);
        append(world, "agent.start", AUDIT_PENDING, NULL, &third);
        assert_int_equal(audit_commit(world->audit, 0), 0);

        assert_int_equal(audit_reader_open(audit_world_path(world, "audit.db"), &reader), 0);
        assert_int_equal(audit_open_intents(reader, 0, take_open_intent, seqs), 0);
        assert_int_equal(seqs[0], 2);
        assert_int_equal(seqs[1], second);
        assert_int_equal(seqs[2], third);

        append(world, "agent.stop", AUDIT_UNKNOWN, json_pack("{s:I}", "intent", (json_int_t)second), NULL);
        append(world, "agent.start", AUDIT_UNKNOWN, json_pack("{s:I}", "intent", (json_int_t)third), NULL);
        assert_int_equal(audit_commit(world->audit, 0), 0);
        seqs[0] = 0;
        assert_int_equal(audit_open_intents(reader, 0, take_open_intent, seqs), 0);
        assert_int_equal(seqs[0], 0);
        audit_reader_close(reader);
}

static void the_ballast_is_there(void **state)
{
        struct audit_world *world = *state;
        struct stat st;

        assert_int_equal(audit_open(world->dir, NULL, &world->audit, NULL), 0);
        assert_int_equal(stat(audit_world_path(world, "audit.ballast"), &st), 0);
        assert_int_equal(st.st_size, 16 << 20);
        assert_true(st.st_blocks >= (16 << 20) / 512);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                AUDIT_WORLD_TEST(the_first_start_creates_a_sealed_genesis),
                AUDIT_WORLD_TEST(a_second_start_adopts_what_was_not_sealed),
                AUDIT_WORLD_TEST(a_group_is_durable_together_and_in_order),
                AUDIT_WORLD_TEST(many_records_and_seals_verify_across_subtrees),
                AUDIT_WORLD_TEST(what_has_no_canonical_form_is_refused_and_takes_no_place),
                AUDIT_WORLD_TEST(a_full_disk_keeps_the_group_waiting),
                AUDIT_WORLD_TEST(a_key_file_that_cannot_be_written_costs_the_seal_only),
                AUDIT_WORLD_TEST(seals_fall_due_by_age_number_and_hour),
                AUDIT_WORLD_TEST(each_seal_leaves_one_key),
                AUDIT_WORLD_TEST(a_key_in_the_place_of_the_other_is_none),
                AUDIT_WORLD_TEST(a_second_writer_is_told_that_the_log_is_busy),
                AUDIT_WORLD_TEST(sql_that_would_change_history_is_refused),
                AUDIT_WORLD_TEST(a_stranger_who_wrote_is_put_on_record),
                AUDIT_WORLD_TEST(a_stranger_who_took_our_place_ends_the_log),
                AUDIT_WORLD_TEST(a_reopen_that_failed_may_be_tried_again),
                AUDIT_WORLD_TEST(readers_see_ranges_in_both_directions),
                AUDIT_WORLD_TEST(a_reader_of_nothing_says_so),
                AUDIT_WORLD_TEST(intents_without_an_outcome_are_found),
                AUDIT_WORLD_TEST(the_ballast_is_there),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
