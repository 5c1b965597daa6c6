/* An export verified without any database: two text files that anyone can hold. */

#include "audit_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORDS = 40, GROUP = 8 };

struct files {
        char records[64 << 10], notes[64 << 10];
        size_t records_length, notes_length;
};

/* What `govctl audit export` does. */
static struct files *export(struct audit_world *world)
{
        struct files *files = calloc(1, sizeof(*files));
        struct audit_reader *reader;
        struct audit_slice note;
        struct audit_item item;

        audit_world_open(world);
        audit_world_fill(world, RECORDS, GROUP, AUDIT_SEAL);
        assert_int_equal(audit_reader_open(audit_world_path(world, "audit.db"), &reader), 0);
        while (audit_reader_next(reader, &item) > 0)
                files->records_length += (size_t)sprintf(files->records + files->records_length, "%s\n", item.body);
        while (audit_reader_next_note(reader, &note) > 0)
                files->notes_length += (size_t)sprintf(files->notes + files->notes_length, "%s%s",
                                                       files->notes_length > 0 ? "\n" : "", note.text);
        audit_reader_close(reader);
        return files;
}

static void verify_with(struct audit_world *world, const struct files *files, bool notes)
{
        const char *jsonl = audit_world_path(world, "x.jsonl"), *checkpoints = audit_world_path(world, "x.ckpt");

        audit_world_write(world, "x.jsonl", files->records, files->records_length);
        audit_world_write(world, "x.ckpt", files->notes, files->notes_length);
        audit_verify(&(struct audit_verify_options){ .jsonl = jsonl, .checkpoints = notes ? checkpoints : NULL },
                     &world->report);
}

static void an_export_says_the_same_as_the_database(void **state)
{
        struct audit_world *world = *state;
        struct files *files = export(world);
        struct audit_head head;

        audit_head(world->audit, &head);
        verify_with(world, files, true);
        audit_world_expect(world, 0, "");
        assert_int_equal(world->report.size, RECORDS + 2);
        assert_int_equal(world->report.sealed_size, RECORDS + 2);
        assert_memory_equal(world->report.root, head.root, 32);
        verify_with(world, files, false);
        audit_world_expect(world, 7, "NO_SEAL");
        free(files);
}

static void any_flipped_bit_in_an_export_is_found(void **state)
{
        struct audit_world *world = *state;
        struct files *files = export(world);

        for (size_t i = 0; i < files->records_length; i += 37) {
                files->records[i] ^= (char)(1 << i % 7);
                verify_with(world, files, true);
                if (world->report.exit_code != 3)
                        fail_msg("record byte %zu, bit %zu: exit %d", i, i % 7, world->report.exit_code);
                files->records[i] ^= (char)(1 << i % 7);
        }
        for (size_t i = 0; i < files->notes_length; i += 23) {
                files->notes[i] ^= (char)(1 << i % 7);
                verify_with(world, files, true);
                if (world->report.exit_code != 3)
                        fail_msg("note byte %zu, bit %zu: exit %d", i, i % 7, world->report.exit_code);
                files->notes[i] ^= (char)(1 << i % 7);
        }
        free(files);
}

static void a_line_that_is_missing_is_a_gap(void **state)
{
        struct audit_world *world = *state;
        struct files *files = export(world);
        char *at = strstr(files->records, "\"seq\":20,"), *from, *to;

        from = (char *)memrchr(files->records, '\n', (size_t)(at - files->records)) + 1;
        to = strchr(from, '\n') + 1;
        memmove(from, to, files->records_length - (size_t)(to - files->records));
        files->records_length -= (size_t)(to - from);
        verify_with(world, files, true);
        audit_world_expect(world, 3, "SEQ_GAP");
        assert_int_equal(audit_world_finding(world, "SEQ_GAP")->seq, 20);
        free(files);
}

static void a_cut_export_ends_before_its_checkpoints(void **state)
{
        struct audit_world *world = *state;
        struct files *files = export(world);

        files->records_length--; /* the last LF */
        verify_with(world, files, true);
        audit_world_expect(world, 3, "NOT_CANONICAL ROOT_MISMATCH");
        files->records_length =
                (size_t)((char *)memrchr(files->records, '\n', files->records_length) - files->records) + 1;
        verify_with(world, files, true);
        audit_world_expect(world, 3, "CKPT_BEYOND_END");
        files->records_length = 0;
        verify_with(world, files, true);
        audit_world_expect(world, 3, "EMPTY CKPT_BEYOND_END");
        free(files);
}

static void a_line_without_end_is_refused_in_constant_memory(void **state)
{
        struct audit_world *world = *state;
        struct files *files = export(world);
        FILE *file;

        verify_with(world, files, true);
        file = fopen(audit_world_path(world, "x.jsonl"), "ae");
        for (unsigned i = 0; i < 1 << 20; i++)
                fputc('x', file);
        fclose(file);
        audit_verify(&(struct audit_verify_options){ .jsonl = audit_world_path(world, "x.jsonl"),
                                                     .checkpoints = audit_world_path(world, "x.ckpt") },
                     &world->report);
        audit_world_expect(world, 3, "NOT_CANONICAL");
        audit_verify(&(struct audit_verify_options){ .jsonl = audit_world_path(world, "none") }, &world->report);
        audit_world_expect(world, 5, "NOT_FOUND");
        free(files);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                AUDIT_WORLD_TEST(an_export_says_the_same_as_the_database),
                AUDIT_WORLD_TEST(any_flipped_bit_in_an_export_is_found),
                AUDIT_WORLD_TEST(a_line_that_is_missing_is_a_gap),
                AUDIT_WORLD_TEST(a_cut_export_ends_before_its_checkpoints),
                AUDIT_WORLD_TEST(a_line_without_end_is_refused_in_constant_memory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
