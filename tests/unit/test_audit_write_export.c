/* What is exported is what is stored, fits together, and verifies. */

#include "audit_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int (*export_call)(struct audit_reader *reader, FILE *out);

static int export_all_records(struct audit_reader *reader, FILE *out)
{
        return audit_export_jsonl(reader, NULL, out);
}

static void export_to(struct audit_world *world, struct audit_reader *reader, export_call call, const char *name)
{
        FILE *out = fopen(audit_world_path(world, name), "we");

        assert_non_null(out);
        assert_int_equal(call(reader, out), 0);
        assert_int_equal(fclose(out), 0);
}

static struct audit_reader *read_log(struct audit_world *world)
{
        struct audit_reader *reader;

        assert_int_equal(audit_reader_open(audit_world_path(world, "audit.db"), &reader), 0);
        return reader;
}

static void export_text(struct audit_reader *reader, const struct audit_range *range, char **ret_text)
{
        size_t length;
        FILE *out = open_memstream(ret_text, &length);

        assert_int_equal(audit_export_jsonl(reader, range, out), 0);
        fclose(out);
}

static void what_one_reader_exports_verifies(void **state)
{
        struct audit_world *world = *state;
        struct audit_reader *reader;

        audit_world_open(world);
        audit_world_fill(world, 600, 50, AUDIT_SEAL);
        reader = read_log(world);
        export_to(world, reader, export_all_records, "a.jsonl");

        /* What is written meanwhile is in none of the files. */
        audit_world_fill(world, 100, 10, AUDIT_SEAL);
        export_to(world, reader, audit_export_checkpoints, "a.ckpt");
        export_to(world, reader, audit_export_subtree, "a.subtree");
        audit_reader_close(reader);

        audit_verify(&(struct audit_verify_options){ .jsonl = audit_world_path(world, "a.jsonl"),
                                                     .checkpoints = audit_world_path(world, "a.ckpt") },
                     &world->report);
        audit_world_expect(world, 0, "");
        assert_int_equal(world->report.size, 602);
        assert_int_equal(world->report.sealed_size, 602);
}

static unsigned count_lines(const char *text)
{
        unsigned n = 0;

        for (; *text; text++)
                n += *text == '\n';
        return n;
}

static void a_range_is_inclusive_and_can_run_backwards(void **state)
{
        struct audit_world *world = *state;
        struct audit_reader *reader;
        char *text;

        audit_world_open(world);
        audit_world_fill(world, 10, 5, AUDIT_SEAL);
        reader = read_log(world);

        export_text(reader, &(struct audit_range){ .from = 3, .to = 5 }, &text);
        assert_int_equal(count_lines(text), 3);
        assert_non_null(strstr(strchr(text, '\n'), "\"seq\":4"));
        free(text);
        export_text(reader, &(struct audit_range){ .from = 3, .to = 5, .newest_first = true }, &text);
        assert_int_equal(count_lines(text), 3);
        assert_null(strstr(strchr(text, '\n'), "\"seq\":5"));
        free(text);
        export_text(reader, &(struct audit_range){ .from = 11, .to = UINT64_MAX }, &text);
        assert_int_equal(count_lines(text), 1);
        free(text);
        export_text(reader, &(struct audit_range){ .from = UINT64_MAX, .to = UINT64_MAX }, &text);
        assert_int_equal(count_lines(text), 0);
        free(text);
        audit_reader_close(reader);
}

static void subtrees_are_written_as_level_index_and_hash(void **state)
{
        struct audit_world *world = *state;
        struct audit_reader *reader;
        char *wanted, *text, line[128];
        size_t length;
        FILE *out;

        audit_world_open(world);
        audit_world_fill(world, 600, 300, AUDIT_SEAL);
        reader = read_log(world);
        out = open_memstream(&text, &length);
        assert_int_equal(audit_export_subtree(reader, out), 0);
        fclose(out);
        assert_int_equal(count_lines(text), 2);
        wanted = audit_world_text(world, "SELECT lower(hex(hash)) FROM subtree WHERE level=8 AND idx=1");
        snprintf(line, sizeof(line), "\n8 1 %s\n", wanted);
        assert_non_null(strstr(text, line));
        free(wanted);
        free(text);
        audit_reader_close(reader);
}

static void cosignatures_stand_below_their_note(void **state)
{
        struct audit_world *world = *state;
        struct audit_reader *reader;
        size_t length;
        char *text;
        FILE *out;

        audit_world_open(world);
        audit_world_fill(world, 4, 2, AUDIT_SEAL);
        audit_world_close(world);
        assert_int_equal(audit_world_sql(world, "INSERT INTO cosig VALUES(4,'\xe2\x80\x94 w.example AAAAAAAA')"), 0);
        reader = read_log(world);
        out = open_memstream(&text, &length);
        assert_int_equal(audit_export_checkpoints(reader, out), 0);
        fclose(out);
        assert_non_null(strstr(text, "\n\xe2\x80\x94 w.example AAAAAAAA\n\nvps1.example/governor/"));
        assert_int_not_equal(text[length - 2], '\n');
        free(text);
        audit_reader_close(reader);

        /* A line that would break the note is damage, and is not written. */
        assert_int_equal(audit_world_sql(world, "INSERT INTO cosig VALUES(6,'nonsense')"), 0);
        reader = read_log(world);
        out = open_memstream(&text, &length);
        assert_int_equal(audit_export_checkpoints(reader, out), -EUCLEAN);
        fclose(out);
        free(text);
        audit_reader_close(reader);
}

static void a_full_disk_is_reported(void **state)
{
        struct audit_world *world = *state;
        struct audit_reader *reader;
        FILE *full = fopen("/dev/full", "we");

        assert_non_null(full);
        audit_world_open(world);
        audit_world_fill(world, 300, 10, AUDIT_SEAL);
        reader = read_log(world);
        assert_int_equal(audit_export_jsonl(reader, NULL, full), -ENOSPC);
        clearerr(full);
        assert_int_equal(audit_export_checkpoints(reader, full), -ENOSPC);
        clearerr(full);
        assert_int_equal(audit_export_subtree(reader, full), -ENOSPC);
        audit_reader_close(reader);
        fclose(full);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                AUDIT_WORLD_TEST(what_one_reader_exports_verifies),
                AUDIT_WORLD_TEST(a_range_is_inclusive_and_can_run_backwards),
                AUDIT_WORLD_TEST(subtrees_are_written_as_level_index_and_hash),
                AUDIT_WORLD_TEST(cosignatures_stand_below_their_note),
                AUDIT_WORLD_TEST(a_full_disk_is_reported),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
