/* Archives put back: the log is whole again, or it is told what does not fit. Each log has 1,003 old records; 0 to 511 are
 * in one archive and 512 to 767 in a second. */

#include "audit_world.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USEC_PER_DAY (UINT64_C(24) * 60 * 60 * 1000000)

static void sha256_of(struct audit_world *world, const char *name, char ret[65])
{
        static char bytes[4 << 20];
        const size_t n = audit_world_read(world, name, bytes, sizeof(bytes));
        uint8_t hash[32];

        crypto_hash_sha256(hash, (const uint8_t *)bytes, n);
        sodium_bin2hex(ret, 65, hash, sizeof(hash));
}

static void archive(struct audit_world *world, const char *file, uint64_t from, uint64_t to)
{
        char name[64], sha256[65];

        audit_world_archive(world, file, from, to);
        snprintf(name, sizeof(name), "%s.jsonl", file);
        sha256_of(world, name, sha256);
        audit_world_record_archiving(world, from, to, sha256, AUDIT_SEAL);
        audit_world_drop(world, from > 0 ? from : 1, to);
}

static struct audit_world *an_archived_log(void **state)
{
        struct audit_world *world = *state;

        audit_world_open(world);
        audit_world_fill(world, 1000, 20, AUDIT_SEAL);
        world->realtime += 401 * USEC_PER_DAY;
        audit_world_fill(world, 100, 20, AUDIT_SEAL);
        archive(world, "a", 0, 512);
        audit_world_open(world);
        archive(world, "b", 512, 768);
        return world;
}

static void verify(struct audit_world *world, const char *first, const char *second,
                   struct audit_verify_options options)
{
        const char *const archives[] = { first ? audit_world_path(world, first) : NULL,
                                         second ? audit_world_path(world, second) : NULL };

        if (!options.jsonl)
                options.state_dir = world->dir;
        options.now_usec = world->realtime;
        options.archives = archives;
        options.archives_n = second ? 2 : first ? 1 : 0;
        audit_verify(&options, &world->report);
}

static void expect(struct audit_world *world, const char *first, const char *second, int exit_code, const char *codes)
{
        verify(world, first, second, (struct audit_verify_options){ 0 });
        audit_world_expect(world, exit_code, codes);
}

static void edit(struct audit_world *world, const char *name, const char *what, const char *with)
{
        static char bytes[4 << 20];
        const size_t n = audit_world_read(world, name, bytes, sizeof(bytes) - 1);
        char *at;

        bytes[n] = '\0';
        at = strstr(bytes, what);
        assert_non_null(at);
        memcpy(at, with, strlen(with));
        audit_world_write(world, name, bytes, n);
}

static void a_log_with_its_archives_verifies_from_its_beginning(void **state)
{
        struct audit_world *world = an_archived_log(state);

        expect(world, "a.jsonl", "b.jsonl", 0, "");
        assert_int_equal(world->report.size, 1000 + 100 + 5);
        expect(world, "b.jsonl", "a.jsonl", 0, "");
        expect(world, "a.jsonl", NULL, 0, ""); /* what is in the other is pruned, as it is without any */
        expect(world, "b.jsonl", NULL, 0, "");
        expect(world, NULL, NULL, 0, "");
}

static void with_archives_an_old_anchor_can_be_compared(void **state)
{
        struct audit_world *world = *state;
        struct audit_anchors *anchors;
        struct audit_head head;
        unsigned line;

        audit_world_open(world);
        audit_world_fill(world, 300, 20, AUDIT_SEAL);
        audit_head(world->audit, &head);
        audit_world_fill(world, 700, 20, AUDIT_SEAL);
        world->realtime += 401 * USEC_PER_DAY;
        audit_world_fill(world, 100, 20, AUDIT_SEAL);
        archive(world, "a", 0, 512);
        assert_int_equal(audit_anchors_new(&anchors), 0);
        assert_int_equal(audit_anchors_add(anchors, head.anchor, strlen(head.anchor), &line), 0);
        verify(world, NULL, NULL, (struct audit_verify_options){ .anchors = anchors });
        audit_world_expect(world, 7, "ANCHOR_PRUNED");
        verify(world, "a.jsonl", NULL, (struct audit_verify_options){ .anchors = anchors });
        audit_world_expect(world, 0, "");
        assert_true(world->report.anchored);
        audit_anchors_free(anchors);
}

/* Each may hold all seals from the first on, so that it verifies alone. */
static void archives_may_tell_of_the_same_seals(void **state)
{
        struct audit_world *world = an_archived_log(state);
        static char seals[1 << 20];
        size_t n = audit_world_read(world, "a.ckpt", seals, sizeof(seals));

        seals[n++] = '\n';
        n += audit_world_read(world, "b.ckpt", seals + n, sizeof(seals) - n);
        audit_world_write(world, "b.ckpt", seals, n);
        expect(world, "a.jsonl", "b.jsonl", 0, "");
}

static void an_archive_without_records_is_told(void **state)
{
        struct audit_world *world = an_archived_log(state);

        audit_world_write(world, "b.jsonl", "", 0);
        expect(world, "a.jsonl", "b.jsonl", 1, "EMPTY");
}

static void an_archive_that_is_not_there_is_not_found(void **state)
{
        struct audit_world *world = an_archived_log(state);

        expect(world, "a.jsonl", "c.jsonl", 5, "NOT_FOUND");
        unlink(audit_world_path(world, "a.ckpt"));
        expect(world, "a.jsonl", "b.jsonl", 0, "");
}

static void an_edited_archive_does_not_fit(void **state)
{
        struct audit_world *world = an_archived_log(state);

        edit(world, "b.jsonl", "nginx", "mginx");
        expect(world, "a.jsonl", "b.jsonl", 3, "PREV_MISMATCH ROOT_MISMATCH");
        assert_int_equal(audit_world_finding(world, "PREV_MISMATCH")->seq, 513);
        edit(world, "b.jsonl", "mginx", "nginx");
        edit(world, "a.jsonl", "\"retention_days\":400", "\"retention_days\":401");
        expect(world, "a.jsonl", "b.jsonl", 3, "GENESIS ROOT_MISMATCH");
        edit(world, "a.jsonl", "\"retention_days\":401", "\"retention_days\":400");
        edit(world, "b.ckpt", "governor/", "governoR/");
        expect(world, "a.jsonl", "b.jsonl", 3, "BAD_NOTE");
}

static void a_shortened_archive_leaves_a_gap(void **state)
{
        struct audit_world *world = an_archived_log(state);
        static char bytes[4 << 20];
        const size_t n = audit_world_read(world, "a.jsonl", bytes, sizeof(bytes) - 1);
        char *at;

        bytes[n] = '\0';
        at = strstr(bytes, "\"seq\":300,");
        audit_world_write(world, "a.jsonl", bytes,
                          (size_t)((char *)memrchr(bytes, '\n', (size_t)(at - bytes)) + 1 - bytes));
        expect(world, "a.jsonl", "b.jsonl", 3, "SEQ_GAP");
        assert_int_equal(audit_world_finding(world, "SEQ_GAP")->seq, 300);
        at = strstr(bytes, "\"seq\":256,"); /* at the end of a subtree, which is no excuse */
        audit_world_write(world, "a.jsonl", bytes,
                          (size_t)((char *)memrchr(bytes, '\n', (size_t)(at - bytes)) + 1 - bytes));
        expect(world, "a.jsonl", "b.jsonl", 3, "SEQ_GAP");
        assert_int_equal(audit_world_finding(world, "SEQ_GAP")->seq, 256);
}

static void the_archive_of_another_log_does_not_fit(void **state)
{
        struct audit_world *world = an_archived_log(state), *other;
        void *second;

        assert_int_equal(audit_world_setup(&second), 0);
        other = an_archived_log(&second);
        {
                const char *const archives[] = { audit_world_path(other, "a.jsonl"),
                                                 audit_world_path(world, "b.jsonl") };

                audit_verify(&(struct audit_verify_options){ .state_dir = world->dir,
                                                             .now_usec = world->realtime,
                                                             .archives = archives,
                                                             .archives_n = 2 },
                             &world->report);
        }
        assert_int_equal(world->report.exit_code, 3);
        assert_true(audit_world_found(world, "GENESIS"));
        assert_true(audit_world_found(world, "PREV_MISMATCH"));
        assert_true(audit_world_found(world, "BAD_NOTE"));
        audit_world_teardown(&second);
}

static void a_record_that_names_another_sha256_is_found(void **state)
{
        struct audit_world *world = *state;

        audit_world_open(world);
        audit_world_fill(world, 1000, 20, AUDIT_SEAL);
        world->realtime += 401 * USEC_PER_DAY;
        audit_world_fill(world, 100, 20, AUDIT_SEAL);
        audit_world_archive(world, "a", 0, 512);
        audit_world_record_archiving(world, 0, 512, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                     AUDIT_SEAL);
        audit_world_drop(world, 1, 512);
        expect(world, NULL, NULL, 0, "");
        expect(world, "a.jsonl", NULL, 3, "ROOT_MISMATCH");
        assert_int_equal(audit_world_finding(world, "ROOT_MISMATCH")->seq, 1102);
}

static void what_is_in_the_log_too_is_judged_there(void **state)
{
        struct audit_world *world = *state;

        audit_world_open(world);
        audit_world_fill(world, 1000, 20, AUDIT_SEAL);
        audit_world_archive(world, "a", 0, 512);
        expect(world, "a.jsonl", NULL, 0, "");
        audit_world_close(world);
        audit_world_forge(world, "UPDATE record SET body=replace(body, 'nginx', 'mginx') WHERE seq=100");
        expect(world, "a.jsonl", NULL, 3, "PREV_MISMATCH ROOT_MISMATCH");
}

/* ---- exports -------------------------------------------------------------------------------------------------- */

static void export(struct audit_world *world, const char *order)
{
        char query[256], *text = audit_world_text(
                                 world, "SELECT group_concat(body, char(10)) || char(10) FROM (SELECT body FROM "
                                        "record ORDER BY seq)");

        audit_world_write(world, "x.jsonl", text, strlen(text));
        free(text);
        text = audit_world_text(world, "SELECT group_concat(note, char(10)) FROM (SELECT note FROM checkpoint ORDER BY "
                                       "epoch)");
        audit_world_write(world, "x.ckpt", text, strlen(text));
        free(text);
        snprintf(
                query, sizeof(query),
                "SELECT group_concat(level || ' ' || idx || ' ' || lower(hex(hash)), char(10)) || char(10) FROM (SELECT * "
                "FROM subtree ORDER BY %s)",
                order);
        text = audit_world_text(world, query);
        audit_world_write(world, "x.subtree", text, strlen(text));
        free(text);
}

static void verify_export(struct audit_world *world, bool subtree, int exit_code, const char *codes)
{
        verify(world, NULL, NULL,
               (struct audit_verify_options){ .jsonl = audit_world_path(world, "x.jsonl"),
                                              .checkpoints = audit_world_path(world, "x.ckpt"),
                                              .subtree = subtree ? audit_world_path(world, "x.subtree") : NULL });
        audit_world_expect(world, exit_code, codes);
}

static void an_export_of_a_pruned_log_verifies_with_its_subtrees(void **state)
{
        struct audit_world *world = an_archived_log(state);

        export(world, "level, idx");
        verify_export(world, true, 0, "");
        assert_int_equal(world->report.size, 1000 + 100 + 5);
        export(world, "idx DESC, level");
        verify_export(world, true, 0, "");
        verify_export(world, false, 3, "SEQ_GAP");
        verify(world, "a.jsonl", "b.jsonl",
               (struct audit_verify_options){ .jsonl = audit_world_path(world, "x.jsonl"),
                                              .checkpoints = audit_world_path(world, "x.ckpt") });
        audit_world_expect(world, 0, "");
}

static void any_flipped_bit_in_the_subtrees_is_found(void **state)
{
        struct audit_world *world = an_archived_log(state);
        static char bytes[4096];
        size_t n;

        export(world, "level, idx");
        n = audit_world_read(world, "x.subtree", bytes, sizeof(bytes));
        for (size_t i = 0; i < n; i++) {
                bytes[i] ^= (char)(1 << i % 7);
                audit_world_write(world, "x.subtree", bytes, n);
                verify(world, NULL, NULL,
                       (struct audit_verify_options){ .jsonl = audit_world_path(world, "x.jsonl"),
                                                      .checkpoints = audit_world_path(world, "x.ckpt"),
                                                      .subtree = audit_world_path(world, "x.subtree") });
                if (world->report.exit_code != 3 || !audit_world_found(world, "SUBTREE_MISMATCH"))
                        fail_msg("byte %zu, bit %zu: exit %d", i, i % 7, world->report.exit_code);
                bytes[i] ^= (char)(1 << i % 7);
        }
}

static void a_row_too_many_or_too_few_is_found(void **state)
{
        struct audit_world *world = an_archived_log(state);
        static char bytes[4096];
        size_t n;

        export(world, "level, idx");
        n = audit_world_read(world, "x.subtree", bytes, sizeof(bytes));
        memcpy(bytes + n, bytes, 69);
        audit_world_write(world, "x.subtree", bytes, n + 69);
        verify_export(world, true, 3, "SUBTREE_MISMATCH");
        audit_world_write(world, "x.subtree", bytes + 69, n - 69);
        verify_export(world, true, 3, "SUBTREE_MISMATCH");
        audit_world_write(world, "x.subtree", bytes, n - 1);
        verify_export(world, true, 3, "SUBTREE_MISMATCH");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                AUDIT_WORLD_TEST(a_log_with_its_archives_verifies_from_its_beginning),
                AUDIT_WORLD_TEST(with_archives_an_old_anchor_can_be_compared),
                AUDIT_WORLD_TEST(archives_may_tell_of_the_same_seals),
                AUDIT_WORLD_TEST(an_archive_without_records_is_told),
                AUDIT_WORLD_TEST(an_archive_that_is_not_there_is_not_found),
                AUDIT_WORLD_TEST(an_edited_archive_does_not_fit),
                AUDIT_WORLD_TEST(a_shortened_archive_leaves_a_gap),
                AUDIT_WORLD_TEST(the_archive_of_another_log_does_not_fit),
                AUDIT_WORLD_TEST(a_record_that_names_another_sha256_is_found),
                AUDIT_WORLD_TEST(what_is_in_the_log_too_is_judged_there),
                AUDIT_WORLD_TEST(an_export_of_a_pruned_log_verifies_with_its_subtrees),
                AUDIT_WORLD_TEST(any_flipped_bit_in_the_subtrees_is_found),
                AUDIT_WORLD_TEST(a_row_too_many_or_too_few_is_found),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
