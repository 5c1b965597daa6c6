/* Checkpoints kept elsewhere: how they are read out of a text, and what verify says when they do not fit. */

#include "audit_world.h"

#include "audit/anchor.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct audit_anchors *anchors_of(const char *text)
{
        struct audit_anchors *anchors;
        unsigned line;

        assert_int_equal(audit_anchors_new(&anchors), 0);
        assert_int_equal(audit_anchors_add(anchors, text, strlen(text), &line), 0);
        return anchors;
}

static void verify_against(struct audit_world *world, const char *text)
{
        struct audit_anchors *anchors = anchors_of(text);

        audit_verify(&(struct audit_verify_options){ .state_dir = world->dir, .anchors = anchors }, &world->report);
        audit_anchors_free(anchors);
}

#define ROOT "eVjmD5fLcl6N7PMDOOFM64H7vD/oGCruSWh9Y3zXLjo="

static void lines_and_notes_are_found_in_any_text(void **state)
{
        json_t *vectors = json_load_file("tests/data/audit/vectors.json", JSON_ALLOW_NUL, NULL);
        const char *note = json_string_value(json_object_get(json_object_get(vectors, "witness"), "cosigned_note"));
        struct audit_anchors *anchors;
        char text[4096];

        (void)state;
        assert_non_null(note);
        snprintf(
                text, sizeof(text),
                "From: governor\n\nThe newest:\n%s\nand before that\n\ngovaudit1 vps1.example/governor/1f2e3d4c 7 " ROOT
                "\nThat is all.\ngovaudit1 b 3 " ROOT,
                note);
        anchors = anchors_of(text);
        assert_int_equal(audit_anchors_count(anchors), 3);
        assert_int_equal(anchors->list[0].size, 3);
        assert_int_equal(anchors->list[1].size, 7);
        assert_int_equal(anchors->list[2].size, 10);
        assert_int_equal(anchors->list[2].note.length, strlen(note));
        audit_anchors_free(anchors);
        json_decref(vectors);
}

static void many_anchors_in_any_order_are_one_list(void **state)
{
        const size_t n = 20000;
        struct audit_anchors *anchors;
        char *text = NULL;
        size_t length;
        FILE *file = open_memstream(&text, &length);

        (void)state;
        assert_non_null(file);
        for (size_t i = n; i > 0; i--)
                fprintf(file, "govaudit1 log %zu " ROOT "\n", i);
        for (size_t i = 1; i <= n; i++)
                fprintf(file, "govaudit1 log %zu " ROOT "\n", i);
        assert_int_equal(fclose(file), 0);
        anchors = anchors_of(text);
        assert_int_equal(audit_anchors_count(anchors), n);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(anchors->list[i].size, i + 1);
        audit_anchors_free(anchors);
        free(text);
}

static void a_malformed_anchor_is_named_by_its_line(void **state)
{
        static const char *const bad[] = {
                "\n\ngovaudit1\n",
                "x\n\ngovaudit1 o 1\n",
                "x\n\ngovaudit1 o 01 " ROOT,
                "x\n\ngovaudit1 o 0 " ROOT,
                "x\n\ngovaudit1 o 1 " ROOT " x",
                "x\n\ngovaudit1 o 1 eVjmD5fLcl6N7PMDOOFM64H7vD/oGCruSWh9Y3zXLjp=",
                "x\n\ngovaudit1 o+o 1 " ROOT,
                "x\n\ngovaudit1 o\n",
                "x\n\n> govaudit1 o 1\n> Regards,\n",
                "{\"text\": [\n\"\",\n\"govaudit1 o 01\"]}",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct audit_anchors *anchors;
                unsigned line = 0;

                assert_int_equal(audit_anchors_new(&anchors), 0);
                if (audit_anchors_add(anchors, bad[i], strlen(bad[i]), &line) != -EBADMSG)
                        fail_msg("accepted: %s", bad[i]);
                assert_int_equal(line, 3);
                audit_anchors_free(anchors);
        }
}

static void anchors_that_fit_make_the_log_anchored(void **state)
{
        struct audit_world *world = *state;
        struct audit_head head;
        char text[8192];

        audit_world_open(world);
        audit_world_fill(world, 30, 10, AUDIT_SEAL);
        audit_head(world->audit, &head);
        audit_world_fill(world, 300, 100, 0);
        snprintf(text, sizeof(text), "%s\n%s\n%s", world->how.genesis_anchor, head.anchor,
                 audit_last_note(world->audit));
        verify_against(world, text);
        audit_world_expect(world, 0, "");
        assert_true(world->report.anchored);
}

static void anchors_of_other_logs_prove_nothing(void **state)
{
        struct audit_world *world = *state;

        audit_world_open(world);
        verify_against(world, "govaudit1 other.example/governor/12345678 1 " ROOT);
        audit_world_expect(world, 7, "NO_ANCHOR");
        verify_against(world, "");
        audit_world_expect(world, 7, "NO_ANCHOR");
        assert_false(world->report.anchored);
}

/* Database and key are taken back together, as a VM snapshot does, and the log goes on: only an anchor can tell. */
static void a_fork_past_an_anchor_does_not_match_it(void **state)
{
        struct audit_world *world = *state;
        struct audit_head head;

        audit_world_open(world);
        audit_world_fill(world, 30, 10, AUDIT_SEAL);
        audit_world_close(world);
        audit_world_copy(world, "audit.db", "snapshot.db");
        audit_world_copy(world, "keys/seal.key", "snapshot.key");
        audit_world_open(world);
        audit_world_fill(world, 10, 10, AUDIT_SEAL);
        audit_head(world->audit, &head);
        audit_world_close(world);

        audit_world_copy(world, "snapshot.db", "audit.db");
        audit_world_copy(world, "snapshot.key", "keys/seal.key");
        verify_against(world, head.anchor);
        audit_world_expect(world, 3, "ANCHOR_AHEAD");

        world->realtime += 1;
        audit_world_open(world);
        audit_world_fill(world, 20, 10, AUDIT_SEAL);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
        verify_against(world, head.anchor);
        audit_world_expect(world, 3, "ANCHOR_MISMATCH");
        assert_string_equal(world->report.findings[0].code, "ANCHOR_MISMATCH");
}

/* The same with whole notes: the key of one epoch sealed twice. */
static void a_fork_is_proven_by_a_sealed_note(void **state)
{
        struct audit_world *world = *state;
        char note[AUDIT_NOTE_MAX];

        audit_world_open(world);
        audit_world_fill(world, 30, 10, AUDIT_SEAL);
        audit_world_close(world);
        audit_world_copy(world, "audit.db", "snapshot.db");
        audit_world_copy(world, "keys/seal.key", "snapshot.key");
        audit_world_open(world);
        strcpy(note, audit_last_note(world->audit));
        audit_world_close(world);

        audit_world_copy(world, "snapshot.db", "audit.db");
        audit_world_copy(world, "snapshot.key", "keys/seal.key");
        world->realtime += 1;
        audit_world_open(world);
        audit_world_fill(world, 20, 10, AUDIT_SEAL);
        verify_against(world, note);
        audit_world_expect(world, 3, "ANCHOR_MISMATCH FORK");
}

static void a_note_with_another_seal_is_no_anchor(void **state)
{
        struct audit_world *world = *state;
        char note[AUDIT_NOTE_MAX], *seal;

        audit_world_open(world);
        strcpy(note, audit_last_note(world->audit));
        verify_against(world, note);
        audit_world_expect(world, 0, "");
        seal = note + strlen(note) - 10;
        *seal = *seal == 'A' ? 'B' : 'A';
        verify_against(world, note);
        audit_world_expect(world, 3, "ANCHOR_SIG");
}

static void an_edit_under_an_anchor_does_not_match_it(void **state)
{
        struct audit_world *world = *state;
        char anchor[AUDIT_ANCHOR_MAX];
        struct audit_head head;

        audit_world_open(world);
        audit_world_fill(world, 30, 10, AUDIT_SEAL);
        audit_head(world->audit, &head);
        strcpy(anchor, head.anchor);
        audit_world_fill(world, 30, 10, AUDIT_SEAL);
        audit_world_close(world);
        audit_world_forge(world, "UPDATE record SET body=replace(body, 'nginx', 'mginx') WHERE seq=25");
        verify_against(world, anchor);
        audit_world_expect(world, 3, "PREV_MISMATCH ROOT_MISMATCH ANCHOR_MISMATCH");
}

static void a_log_rebuilt_with_all_its_keys_does_not_match_its_genesis_anchor(void **state)
{
        struct audit_world *world = *state;
        char anchor[AUDIT_ANCHOR_MAX], forged[AUDIT_ANCHOR_MAX + AUDIT_ORIGIN_MAX];

        audit_world_open(world);
        strcpy(anchor, world->how.genesis_anchor);
        snprintf(forged, sizeof(forged), "%.*s1 " ROOT "\n%s\n", (int)(strrchr(anchor, ' ') - anchor - 1), anchor,
                 anchor);
        verify_against(world, forged);
        audit_world_expect(world, 3, "ANCHOR_MISMATCH FORK");
}

static void the_daemons_memory_is_compared_with_the_file(void **state)
{
        struct audit_world *world = *state;
        struct audit_head head;
        struct audit_verify_options options = { .state_dir = world->dir, .head = &head };

        audit_world_open(world);
        audit_world_fill(world, 30, 10, AUDIT_SEAL);
        audit_head(world->audit, &head);
        audit_world_fill(world, 5, 5, 0); /* between the question and the snapshot */
        audit_verify(&options, &world->report);
        audit_world_expect(world, 0, "");

        head.root[0] ^= 1;
        audit_verify(&options, &world->report);
        audit_world_expect(world, 3, "HEAD_MISMATCH");
        head.size = 100;
        audit_verify(&options, &world->report);
        audit_world_expect(world, 3, "HEAD_MISMATCH");
}

static void a_note_that_is_not_signed_is_no_anchor(void **state)
{
        struct audit_world *world = *state;
        char note[AUDIT_NOTE_MAX], *seal, *at;

        audit_world_open(world);
        strcpy(note, audit_last_note(world->audit));
        at = strstr(note, "\n\n") + strlen("\n\n\xe2\x80\x94 ");
        at = strchr(at, ' ') + 10;
        *at = *at == 'A' ? 'B' : 'A';
        verify_against(world, note);
        audit_world_expect(world, 3, "ANCHOR_SIG");

        strcpy(note, audit_last_note(world->audit));
        seal = strrchr(note, '\xe2');
        *seal = '\0';
        verify_against(world, note);
        audit_world_expect(world, 7, "NO_SEAL");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lines_and_notes_are_found_in_any_text),
                cmocka_unit_test(many_anchors_in_any_order_are_one_list),
                cmocka_unit_test(a_malformed_anchor_is_named_by_its_line),
                AUDIT_WORLD_TEST(anchors_that_fit_make_the_log_anchored),
                AUDIT_WORLD_TEST(anchors_of_other_logs_prove_nothing),
                AUDIT_WORLD_TEST(a_fork_past_an_anchor_does_not_match_it),
                AUDIT_WORLD_TEST(a_fork_is_proven_by_a_sealed_note),
                AUDIT_WORLD_TEST(a_note_with_another_seal_is_no_anchor),
                AUDIT_WORLD_TEST(an_edit_under_an_anchor_does_not_match_it),
                AUDIT_WORLD_TEST(a_log_rebuilt_with_all_its_keys_does_not_match_its_genesis_anchor),
                AUDIT_WORLD_TEST(the_daemons_memory_is_compared_with_the_file),
                AUDIT_WORLD_TEST(a_note_that_is_not_signed_is_no_anchor),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
