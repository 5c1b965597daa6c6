/* Logs whose old records are archived, honestly or not. Each has 1,200 records in groups of 20, the first 1,000 of them older
 * than the retention of 400 days. */

#include "audit_world.h"

#include "audit/anchor.h"
#include "audit/chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USEC_PER_DAY (UINT64_C(24) * 60 * 60 * 1000000)

enum { OLD = 1000, YOUNG = 200, GROUP = 20 };

static struct audit_world *an_old_log(void **state)
{
        struct audit_world *world = *state;

        audit_world_open(world);
        audit_world_fill(world, OLD, GROUP, AUDIT_SEAL);
        world->realtime += 401 * USEC_PER_DAY;
        audit_world_fill(world, YOUNG, GROUP, AUDIT_SEAL);
        return world;
}

static void verify(struct audit_world *world, struct audit_verify_options options)
{
        options.state_dir = world->dir;
        if (!options.now_usec)
                options.now_usec = world->realtime;
        audit_verify(&options, &world->report);
}

static void expect(struct audit_world *world, int exit_code, const char *codes)
{
        verify(world, (struct audit_verify_options){ 0 });
        audit_world_expect(world, exit_code, codes);
}

/* What an archiving of all before `to` leaves. */
static struct audit_world *a_pruned_log(void **state, uint64_t to)
{
        struct audit_world *world = an_old_log(state);

        audit_world_record_archiving(world, 0, to, "00", AUDIT_SEAL);
        audit_world_drop(world, 1, to);
        return world;
}

static void expect_at(const struct audit_world *world, const char *code, int64_t seq)
{
        const struct audit_finding *finding = audit_world_finding(world, code);

        assert_non_null(finding);
        assert_int_equal(finding->seq, seq);
}

/* ---- honest --------------------------------------------------------------------------------------------------- */

static void a_pruned_log_is_ok_and_goes_on(void **state)
{
        struct audit_world *world = a_pruned_log(state, 768);

        expect(world, 0, "");
        assert_int_equal(world->report.size, OLD + YOUNG + 3);
        assert_int_equal(world->report.sealed_size, OLD + YOUNG + 3);
        audit_world_open(world);
        assert_int_equal(world->how.start, AUDIT_CONTINUED);
        audit_world_fill(world, 100, GROUP, AUDIT_SEAL);
        expect(world, 0, "");
}

static void archivings_that_follow_each_other_are_ok(void **state)
{
        struct audit_world *world = a_pruned_log(state, 256);

        audit_world_open(world);
        audit_world_record_archiving(world, 256, 768, "00", AUDIT_SEAL);
        expect(world, 0, ""); /* cut short before anything was dropped */
        audit_world_record_archiving(world, 256, 768, "00", AUDIT_SEAL);
        audit_world_drop(world, 1, 768);
        expect(world, 0, "");
}

static void a_record_of_an_archiving_that_is_pruned_itself_is_not_missed(void **state)
{
        struct audit_world *world = *state;

        audit_world_open(world);
        audit_world_fill(world, 300, GROUP, AUDIT_SEAL);
        world->realtime += 401 * USEC_PER_DAY;
        audit_world_fill(world, 20, GROUP, AUDIT_SEAL);
        audit_world_record_archiving(world, 0, 256, "00", AUDIT_SEAL);
        audit_world_fill(world, 400, GROUP, AUDIT_SEAL);
        world->realtime += 401 * USEC_PER_DAY;
        audit_world_fill(world, 20, GROUP, AUDIT_SEAL);
        audit_world_record_archiving(world, 256, 512, "00", AUDIT_SEAL);
        audit_world_drop(world, 1, 512);
        expect(world, 0, "");
}

static void old_anchors_fit_or_cannot_be_told(void **state)
{
        struct audit_world *world = *state;
        char genesis[AUDIT_ANCHOR_MAX], at_256[AUDIT_ANCHOR_MAX] = "", *at_300, text[AUDIT_NOTE_MAX];
        struct audit_anchors *anchors;
        struct audit_head head;
        unsigned line;

        audit_world_open(world);
        strcpy(genesis, world->how.genesis_anchor);
        audit_world_fill(world, 254, 254, AUDIT_SEAL);
        audit_head(world->audit, &head);
        assert_int_equal(head.size, 256);
        strcpy(at_256, head.anchor);
        audit_world_fill(world, 44, 44, AUDIT_SEAL);
        at_300 = strdup(audit_last_note(world->audit));
        audit_world_fill(world, OLD - 298, GROUP, AUDIT_SEAL);
        world->realtime += 401 * USEC_PER_DAY;
        audit_world_fill(world, YOUNG, GROUP, AUDIT_SEAL);
        audit_world_record_archiving(world, 0, 768, "00", AUDIT_SEAL);
        audit_head(world->audit, &head);
        audit_world_drop(world, 1, 768);

        snprintf(text, sizeof(text), "%s\n%s\n%s\n", genesis, at_256, head.anchor);
        assert_int_equal(audit_anchors_new(&anchors), 0);
        assert_int_equal(audit_anchors_add(anchors, text, strlen(text), &line), 0);
        verify(world, (struct audit_verify_options){ .anchors = anchors });
        audit_world_expect(world, 0, "");
        assert_true(world->report.anchored);
        assert_int_equal(audit_anchors_add(anchors, at_300, strlen(at_300), &line), 0);
        verify(world, (struct audit_verify_options){ .anchors = anchors });
        audit_world_expect(world, 7, "ANCHOR_PRUNED");
        assert_true(world->report.anchored);
        audit_anchors_free(anchors);
        free(at_300);
}

static void an_old_anchor_that_contradicts_the_seal_of_its_size_does_not_fit(void **state)
{
        struct audit_world *world = a_pruned_log(state, 768);
        struct audit_anchors *anchors;
        char text[AUDIT_ANCHOR_MAX];
        unsigned line;

        snprintf(text, sizeof(text), "%s", world->how.genesis_anchor);
        strcpy(strrchr(text, ' ') - 1, "522 eVjmD5fLcl6N7PMDOOFM64H7vD/oGCruSWh9Y3zXLjo=");
        assert_int_equal(audit_anchors_new(&anchors), 0);
        assert_int_equal(audit_anchors_add(anchors, text, strlen(text), &line), 0);
        verify(world, (struct audit_verify_options){ .anchors = anchors });
        audit_world_expect(world, 3, "ANCHOR_MISMATCH");
        strcpy(strrchr(text, ' ') - 3, "512 eVjmD5fLcl6N7PMDOOFM64H7vD/oGCruSWh9Y3zXLjo=");
        assert_int_equal(audit_anchors_add(anchors, text, strlen(text), &line), 0);
        verify(world, (struct audit_verify_options){ .anchors = anchors });
        audit_world_expect(world, 3, "ANCHOR_MISMATCH");
        assert_int_equal(world->report.n_all, 2);
        audit_anchors_free(anchors);
}

/* ---- dishonest: what is missing ------------------------------------------------------------------------------- */

static void a_gap_that_nothing_explains_is_a_gap(void **state)
{
        struct audit_world *world = an_old_log(state);

        audit_world_drop(world, 1, 512);
        expect(world, 3, "SEQ_GAP");
        expect_at(world, "SEQ_GAP", 1);
}

static void a_gap_longer_than_what_was_archived_is_a_gap(void **state)
{
        struct audit_world *world = a_pruned_log(state, 512);

        audit_world_drop(world, 512, 768);
        expect(world, 3, "SEQ_GAP");
        expect_at(world, "SEQ_GAP", 1);
}

static void a_gap_that_ends_before_what_was_archived_is_a_gap(void **state)
{
        struct audit_world *world = an_old_log(state);

        audit_world_record_archiving(world, 0, 768, "00", AUDIT_SEAL);
        audit_world_drop(world, 1, 512);
        expect(world, 3, "SEQ_GAP");
}

static void a_gap_inside_a_subtree_is_a_gap(void **state)
{
        struct audit_world *world = a_pruned_log(state, 512);

        audit_world_drop(world, 512, 515);
        expect(world, 3, "SEQ_GAP");
        expect_at(world, "SEQ_GAP", 1);
}

static void a_second_gap_is_a_gap(void **state)
{
        struct audit_world *world = an_old_log(state);

        audit_world_record_archiving(world, 0, 256, "00", AUDIT_SEAL);
        audit_world_record_archiving(world, 512, 768, "00", AUDIT_SEAL);
        audit_world_drop(world, 1, 256);
        audit_world_drop(world, 512, 768);
        expect(world, 3, "SEQ_GAP");
        expect_at(world, "SEQ_GAP", 512);
}

static void a_hole_between_two_archivings_is_a_gap(void **state)
{
        struct audit_world *world = an_old_log(state);

        audit_world_record_archiving(world, 0, 256, "00", AUDIT_SEAL);
        audit_world_record_archiving(world, 512, 768, "00", AUDIT_SEAL);
        audit_world_drop(world, 1, 768);
        expect(world, 3, "SEQ_GAP");
}

static void a_record_that_is_not_sealed_explains_nothing(void **state)
{
        struct audit_world *world = an_old_log(state);

        audit_world_record_archiving(world, 0, 768, "00", 0);
        audit_world_drop(world, 1, 768);
        expect(world, 3, "SEQ_GAP");
}

static void an_archiving_that_failed_explains_nothing(void **state)
{
        struct audit_world *world = an_old_log(state);
        json_t *details = json_pack("{s:i, s:i}", "from", 0, "to", 768);

        assert_int_equal(
                audit_append_own(
                        world->audit,
                        &(struct audit_entry){ .action = "audit.archive", .outcome = AUDIT_FAIL, .details = details },
                        NULL),
                0);
        json_decref(details);
        assert_int_equal(audit_commit(world->audit, AUDIT_SEAL), 0);
        audit_world_drop(world, 1, 768);
        expect(world, 3, "SEQ_GAP");
}

static void a_pruned_log_without_record_0_is_no_log(void **state)
{
        struct audit_world *world = a_pruned_log(state, 768);

        audit_world_forge(world, "DELETE FROM record WHERE seq=0");
        expect(world, 3, "GENESIS SEQ_GAP");
}

static void an_edit_behind_the_gap_is_still_found(void **state)
{
        struct audit_world *world = a_pruned_log(state, 768);

        audit_world_forge(world, "UPDATE record SET body=replace(body, 'nginx', 'mginx') WHERE seq=1100");
        expect(world, 3, "PREV_MISMATCH ROOT_MISMATCH");
        audit_world_forge(world, "UPDATE record SET body=replace(body, 'mginx', 'nginx') WHERE seq=1100;"
                                 "UPDATE record SET body=replace(body, 'nginx', 'mginx') WHERE seq=768");
        expect(world, 3, "PREV_MISMATCH ROOT_MISMATCH");
}

/* ---- dishonest: too early ------------------------------------------------------------------------------------- */

static void fresh_evidence_may_not_be_pruned(void **state)
{
        struct audit_world *world = a_pruned_log(state, 1024);

        expect(world, 3, "PRUNE_EARLY");
        expect_at(world, "PRUNE_EARLY", OLD + YOUNG + 2);
}

static void a_clock_set_forward_for_the_archiving_is_noticed(void **state)
{
        struct audit_world *world = an_old_log(state);
        const uint64_t now = world->realtime;

        world->realtime += 402 * USEC_PER_DAY;
        audit_world_record_archiving(world, 0, 1024, "00", AUDIT_SEAL);
        audit_world_drop(world, 1, 1024);
        expect(world, 0, "");
        verify(world, (struct audit_verify_options){ .now_usec = now });
        audit_world_expect(world, 3, "PRUNE_EARLY");
        verify(world, (struct audit_verify_options){ .now_usec = world->realtime - USEC_PER_DAY });
        audit_world_expect(world, 0, "");
        verify(world, (struct audit_verify_options){ .now_usec = world->realtime - USEC_PER_DAY - 1 });
        audit_world_expect(world, 3, "PRUNE_EARLY");
}

/* ---- dishonest: what stands for the records -------------------------------------------------------------------- */

static void an_altered_row_of_the_pruned_records_makes_no_root(void **state)
{
        struct audit_world *world = a_pruned_log(state, 768);

        audit_world_forge(world, "UPDATE subtree SET hash=zeroblob(32) WHERE level=8 AND idx=1");
        expect(world, 3, "ROOT_MISMATCH SUBTREE_MISMATCH");
        expect_at(world, "SUBTREE_MISMATCH", 1);
        assert_int_equal(world->report.n_all, 2);
}

static void a_missing_row_of_the_pruned_records_is_found(void **state)
{
        struct audit_world *world = a_pruned_log(state, 768);

        audit_world_forge(world, "DELETE FROM subtree WHERE level=8 AND idx=1");
        expect(world, 3, "SUBTREE_MISMATCH");
        expect_at(world, "SUBTREE_MISMATCH", 256);
}

static void an_altered_row_of_what_is_there_is_found(void **state)
{
        struct audit_world *world = a_pruned_log(state, 512);

        audit_world_forge(world, "UPDATE subtree SET hash=zeroblob(32) WHERE level=8 AND idx=3");
        expect(world, 3, "SUBTREE_MISMATCH");
        expect_at(world, "SUBTREE_MISMATCH", 768);
        assert_int_equal(world->report.n_all, 1);
}

/* 70,000 records, so that there is a row of level 16 too. */
static struct audit_world *a_long_pruned_log(void **state)
{
        struct audit_world *world = *state;

        audit_world_open(world);
        audit_world_fill(world, 70000, 1000, AUDIT_SEAL);
        world->realtime += 401 * USEC_PER_DAY;
        audit_world_fill(world, 20, 20, AUDIT_SEAL);
        audit_world_record_archiving(world, 0, 256 * 270, "00", AUDIT_SEAL);
        audit_world_drop(world, 1, 256 * 270);
        assert_int_equal(audit_world_sql(world, "VACUUM"), 0);
        return world;
}

static void of_two_levels_that_contradict_the_seals_know_the_right_one(void **state)
{
        static const char *const changes[] = {
                "UPDATE subtree SET hash=zeroblob(32) WHERE level=8 AND idx=7",
                "UPDATE subtree SET hash=zeroblob(32) WHERE level=16",
        };
        struct audit_world *world = a_long_pruned_log(state);

        audit_world_copy(world, "audit.db", "kept.db");
        expect(world, 0, "");
        for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
                audit_world_forge(world, changes[i]);
                expect(world, 3, "SUBTREE_MISMATCH");
                expect_at(world, "SUBTREE_MISMATCH", 0);
                assert_int_equal(world->report.n_all, 1);
                audit_world_copy(world, "kept.db", "audit.db");
        }
        audit_world_forge(world, "UPDATE subtree SET hash=zeroblob(32) WHERE idx IN (0, 260)");
        expect(world, 3, "SUBTREE_MISMATCH ROOT_MISMATCH");
        assert_int_equal(world->report.n_all, 3);
}

static void a_surplus_row_is_found(void **state)
{
        struct audit_world *world = a_pruned_log(state, 512);

        assert_int_equal(audit_world_sql(world, "INSERT INTO subtree VALUES(16, 0, zeroblob(32))"), 0);
        expect(world, 3, "SUBTREE_MISMATCH");
}

/* ---- dishonest: seals ----------------------------------------------------------------------------------------- */

static void a_seal_of_the_pruned_records_may_not_be_missing(void **state)
{
        struct audit_world *world = a_pruned_log(state, 768);

        audit_world_forge(world, "DELETE FROM checkpoint WHERE epoch=5");
        expect(world, 3, "EPOCH_GAP");
        audit_world_forge(world, "DELETE FROM checkpoint WHERE epoch<30");
        expect(world, 3, "EPOCH_GAP");
}

static void a_cut_behind_the_gap_takes_its_explanation_with_it(void **state)
{
        struct audit_world *world = a_pruned_log(state, 768);

        audit_world_forge(world, "DELETE FROM record WHERE seq>=1182; DELETE FROM checkpoint WHERE size>1182");
        expect(world, 3, "SEQ_GAP KEY_AHEAD");
}

static void expect_tampered(struct audit_world *world, const char *sql)
{
        audit_world_copy(world, "audit.db", "kept.db");
        audit_world_forge(world, sql);
        verify(world, (struct audit_verify_options){ 0 });
        if (world->report.exit_code != 3)
                fail_msg("%s: exit %d", sql, world->report.exit_code);
        audit_world_copy(world, "kept.db", "audit.db");
}

/* Whatever row is changed or taken away. */
static void no_row_can_be_changed_or_dropped(void **state)
{
        static const struct {
                const char *table, *key, *change;
                unsigned from, step, to;
        } rows[] = {
                { "record", "seq", "body=replace(body, 'unit:', 'Unit:')", 768, 61, 1200 },
                { "checkpoint", "epoch", "note=replace(note, 'gov', 'goV')", 0, 5, 61 },
                { "subtree", "idx", "hash=zeroblob(32)", 0, 1, 3 },
        };
        struct audit_world *world = a_pruned_log(state, 768);

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                for (unsigned at = rows[i].from; at <= rows[i].to; at += rows[i].step) {
                        char sql[160];

                        snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE %s=%u", rows[i].table, rows[i].key, at);
                        expect_tampered(world, sql);
                        snprintf(sql, sizeof(sql), "UPDATE %s SET %s WHERE %s=%u", rows[i].table, rows[i].change,
                                 rows[i].key, at);
                        expect_tampered(world, sql);
                }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                AUDIT_WORLD_TEST(a_pruned_log_is_ok_and_goes_on),
                AUDIT_WORLD_TEST(archivings_that_follow_each_other_are_ok),
                AUDIT_WORLD_TEST(a_record_of_an_archiving_that_is_pruned_itself_is_not_missed),
                AUDIT_WORLD_TEST(old_anchors_fit_or_cannot_be_told),
                AUDIT_WORLD_TEST(an_old_anchor_that_contradicts_the_seal_of_its_size_does_not_fit),
                AUDIT_WORLD_TEST(a_gap_that_nothing_explains_is_a_gap),
                AUDIT_WORLD_TEST(a_gap_longer_than_what_was_archived_is_a_gap),
                AUDIT_WORLD_TEST(a_gap_that_ends_before_what_was_archived_is_a_gap),
                AUDIT_WORLD_TEST(a_gap_inside_a_subtree_is_a_gap),
                AUDIT_WORLD_TEST(a_second_gap_is_a_gap),
                AUDIT_WORLD_TEST(a_hole_between_two_archivings_is_a_gap),
                AUDIT_WORLD_TEST(a_record_that_is_not_sealed_explains_nothing),
                AUDIT_WORLD_TEST(an_archiving_that_failed_explains_nothing),
                AUDIT_WORLD_TEST(a_pruned_log_without_record_0_is_no_log),
                AUDIT_WORLD_TEST(an_edit_behind_the_gap_is_still_found),
                AUDIT_WORLD_TEST(fresh_evidence_may_not_be_pruned),
                AUDIT_WORLD_TEST(a_clock_set_forward_for_the_archiving_is_noticed),
                AUDIT_WORLD_TEST(an_altered_row_of_the_pruned_records_makes_no_root),
                AUDIT_WORLD_TEST(a_missing_row_of_the_pruned_records_is_found),
                AUDIT_WORLD_TEST(an_altered_row_of_what_is_there_is_found),
                AUDIT_WORLD_TEST(of_two_levels_that_contradict_the_seals_know_the_right_one),
                AUDIT_WORLD_TEST(a_surplus_row_is_found),
                AUDIT_WORLD_TEST(a_seal_of_the_pruned_records_may_not_be_missing),
                AUDIT_WORLD_TEST(a_cut_behind_the_gap_takes_its_explanation_with_it),
                AUDIT_WORLD_TEST(no_row_can_be_changed_or_dropped),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
