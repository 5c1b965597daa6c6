/* The manifest: what is guarded is found by path and by inode, and written down so that the same is always the same text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guard/manifest.h"
#include "io/file.h"

static const char *numbered(unsigned n)
{
        static char path[64];

        snprintf(path, sizeof(path), "/opt/agents/lily/core/folder-%02u/file-%05u.json", n % 40, n);
        return path;
}

/* Each its own in every field. */
static struct manifest_entry entry_of(unsigned n, const char *path)
{
        struct manifest_entry entry = {
                .path = path,
                .class = n % GUARD_CLASS_N,
                .rule = n % 7,
                .immutable = n % 3 == 0,
                .state = { .there = true, .size = 1000 + n, .mode = S_IFREG | 0644, .uid = n % 5, .gid = n % 6 },
                .flags = n % 2 ? 0x10 : 0,
                .device = 0x10300000002 + n % 2,
                .inode = 5000 + n / 2,
                .changed_ns = INT64_C(1796000000000000000) + n,
                .modified_ns = n % 11 ? INT64_C(1700000000000000000) + n : -(int64_t)n,
        };

        digest_whole(&n, sizeof(n), entry.state.digest);
        if (n % 4 == 0)
                digest_whole(&entry.rule, 1, entry.attributes);
        return entry;
}

static void set(struct manifest *manifest, unsigned n)
{
        struct manifest_entry entry = entry_of(n, numbered(n));

        assert_int_equal(manifest_set(manifest, &entry), 0);
}

static bool is_same(const struct manifest_entry *a, const struct manifest_entry *b)
{
        return strcmp(a->path, b->path) == 0 && a->class == b->class && a->rule == b->rule &&
               a->immutable == b->immutable && file_state_same(&a->state, &b->state) &&
               memcmp(a->attributes, b->attributes, DIGEST_SIZE) == 0 && a->flags == b->flags &&
               a->device == b->device && a->inode == b->inode && a->changed_ns == b->changed_ns &&
               a->modified_ns == b->modified_ns;
}

/* Whether what is in it is exactly what `has` says, by every way of asking. */
static void check_all(const struct manifest *manifest, const bool *has, unsigned n)
{
        unsigned count = 0;

        for (unsigned i = 0; i < n; i++) {
                struct manifest_entry wanted = entry_of(i, numbered(i));
                const struct manifest_entry *found = manifest_find(manifest, wanted.path);

                count += has[i];
                assert_int_equal(found != NULL, has[i]);
                if (has[i])
                        assert_true(is_same(found, &wanted));
                assert_ptr_equal(manifest_find_inode(manifest, wanted.device, wanted.inode), found);
                assert_int_equal(manifest_names(manifest, wanted.state.digest), has[i]);
        }
        assert_int_equal(manifest_count(manifest), count);
}

static void each_is_found_by_path_inode_and_content_whatever_comes_and_goes(void **state)
{
        enum { N = 500 };
        struct manifest *manifest;
        bool has[N] = { false };
        uint32_t seed = 7;

        (void)state;
        assert_int_equal(manifest_new(&manifest), 0);
        for (unsigned step = 0; step < 6000; step++) {
                unsigned n = (seed = seed * 1664525 + 1013904223) >> 16 & 511;

                if (n >= N)
                        continue;
                if (has[n] && step % 2)
                        assert_int_equal(manifest_drop(manifest, numbered(n)), 0);
                else
                        set(manifest, n);
                has[n] = !(has[n] && step % 2);
                if (step % 500 == 0)
                        check_all(manifest, has, N);
        }
        check_all(manifest, has, N);
        for (unsigned n = 0; n < N; n++)
                assert_int_equal(manifest_drop(manifest, numbered(n)), has[n] ? 0 : -ENOENT);
        assert_int_equal(manifest_count(manifest), 0);
        manifest_free(manifest);
}

static void an_entry_that_is_set_again_takes_the_place_of_the_old_one(void **state)
{
        struct manifest *manifest;
        struct manifest_entry old = entry_of(1, "/opt/a"), new = entry_of(2, "/opt/a");

        (void)state;
        assert_int_equal(manifest_new(&manifest), 0);
        assert_int_equal(manifest_set(manifest, &old), 0);
        assert_int_equal(manifest_set(manifest, &new), 0);
        assert_int_equal(manifest_count(manifest), 1);
        assert_true(is_same(manifest_find(manifest, "/opt/a"), &new));
        assert_null(manifest_find_inode(manifest, old.device, old.inode));
        assert_false(manifest_names(manifest, old.state.digest));
        /* also from what the manifest itself has */
        assert_int_equal(manifest_set(manifest, manifest_at(manifest, 0)), 0);
        assert_true(is_same(manifest_at(manifest, 0), &new));
        assert_null(manifest_at(manifest, 1));
        manifest_free(manifest);
}

static void the_attributes_of_a_file_are_named_too(void **state)
{
        struct manifest *manifest;
        struct manifest_entry entry = entry_of(4, "/opt/a");

        (void)state;
        assert_int_equal(manifest_new(&manifest), 0);
        assert_false(manifest_names(manifest, entry.attributes));
        assert_int_equal(manifest_set(manifest, &entry), 0);
        assert_true(manifest_names(manifest, entry.attributes));
        manifest_free(manifest);
}

static void what_cannot_be_written_down_is_refused(void **state)
{
        static const char *const paths[] = { "",  "opt/a",     "/opt//a", "/opt/./a",  "/opt/../a", "/opt/a/",
                                             "/", "/opt/a\nb", "/opt/\t", "/opt/\xff", "/opt/..",   "/." };
        struct manifest_entry entry = entry_of(1, NULL);
        struct manifest *manifest;
        char path[2000];

        (void)state;
        assert_int_equal(manifest_new(&manifest), 0);
        assert_int_equal(manifest_set(manifest, &entry), -EINVAL);
        for (size_t n = 0; n < sizeof(paths) / sizeof(paths[0]); n++) {
                entry.path = paths[n];
                assert_int_equal(manifest_set(manifest, &entry), -EINVAL);
        }
        memset(path, 'a', sizeof(path));
        path[0] = '/';
        path[sizeof(path) - 1] = '\0';
        entry.path = path;
        assert_int_equal(manifest_set(manifest, &entry), -EINVAL);
        entry = entry_of(1, "/opt/..a/...");
        assert_int_equal(manifest_set(manifest, &entry), 0);
        entry.state.mode = S_IFIFO | 0600;
        assert_int_equal(manifest_set(manifest, &entry), -EINVAL);
        entry = entry_of(1, "/opt/a");
        entry.flags = 1;
        assert_int_equal(manifest_set(manifest, &entry), -EINVAL);
        entry = entry_of(1, "/opt/a");
        entry.state.there = false;
        assert_int_equal(manifest_set(manifest, &entry), -EINVAL);
        assert_int_equal(manifest_count(manifest), 1);
        manifest_free(manifest);
}

static void the_text_is_the_same_whatever_the_order_and_comes_back_whole(void **state)
{
        enum { N = 300 };
        struct manifest *one, *other, *again;
        char *text, *other_text;
        size_t size, other_size;
        bool has[N];

        (void)state;
        assert_int_equal(manifest_new(&one), 0);
        assert_int_equal(manifest_new(&other), 0);
        for (unsigned n = 0; n < N; n++) {
                set(one, n);
                set(other, (n * 7 + 3) % N);
                has[n] = true;
        }
        assert_int_equal(manifest_write(one, &text, &size), 0);
        assert_int_equal(manifest_write(other, &other_text, &other_size), 0);
        assert_int_equal(size, other_size);
        assert_string_equal(text, other_text);
        assert_int_equal(manifest_read(text, size, &again), 0);
        check_all(again, has, N);
        free(text);
        free(other_text);
        manifest_free(one);
        manifest_free(other);
        manifest_free(again);
}

static const char good[] = "governor-files 1\n"
                           "untouchable 0 i 64768 12 1796000000000000001 1700000000000000001 10 - "
                           "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8:0:100644:0:0 /opt/a\n"
                           "protected 1 - 64768 13 1796000000000000002 -5 0 "
                           "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8 "
                           "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8:7:40755:1:2 /opt/b c\n";

static void any_other_spelling_is_refused(void **state)
{
        static const struct {
                const char *from, *to;
        } wrong[] = {
                { "files 1\n", "files 2\n" },
                { "untouchable 0", "unmovable 0" },
                { "untouchable 0", "untouchable 00" },
                { " i 64", " x 64" },
                { " i 64", "  i 64" },
                { "64768 12", "+64768 12" },
                { "64768 12", "0x10 12" },
                { " 10 - ", " 010 - " },
                { " 10 - ", " 1 - " },
                { " 10 - ", " 10 -- " },
                { ":100644:", ":10644:" },
                { " /opt/a", " opt/a" },
                { " /opt/a", " /opt/c" },
                { " /opt/b c", " /opt/a" },
                { " /opt/b c\n", " /opt/b c" },
                { " -5 0", " -5 0x0" },
                { "8:7:4", "8:07:4" },
                { " 13 ", " 99999999999999999999 " },
                { "a8 ", "a9x " },
                { "\n", "\n\n" },
                { "0e5751c", "0E5751C" },
        };
        struct manifest *manifest;
        char *text;
        size_t size;

        (void)state;
        assert_int_equal(manifest_read(good, strlen(good), &manifest), 0);
        assert_int_equal(manifest_count(manifest), 2);
        assert_int_equal(manifest_find(manifest, "/opt/b c")->modified_ns, -5);
        assert_true(manifest_is_folder(manifest_find(manifest, "/opt/b c")));
        assert_int_equal(manifest_write(manifest, &text, &size), 0);
        assert_string_equal(text, good);
        free(text);
        manifest_free(manifest);
        for (size_t n = 0; n < sizeof(wrong) / sizeof(wrong[0]); n++) {
                const char *at = strstr(good, wrong[n].from);
                char bad[1000];

                assert_non_null(at);
                snprintf(bad, sizeof(bad), "%.*s%s%s", (int)(at - good), good, wrong[n].to, at + strlen(wrong[n].from));
                if (manifest_read(bad, strlen(bad), &manifest) != -EBADMSG)
                        fail_msg("'%s' for '%s' is taken", wrong[n].to, wrong[n].from);
        }
        for (size_t length = 0; length < strlen(good); length++) {
                int r = manifest_read(good, length, &manifest);

                if (r >= 0) { /* cut at the end of a line it is whole, and another one */
                        assert_int_equal(good[length - 1], '\n');
                        manifest_free(manifest);
                } else {
                        assert_int_equal(r, -EBADMSG);
                }
        }
}

static void it_is_saved_for_us_alone_and_its_digest_is_that_of_what_was_saved(void **state)
{
        uint8_t saved[DIGEST_SIZE], loaded[DIGEST_SIZE], changed[DIGEST_SIZE];
        char folder[] = "/tmp/manifest-XXXXXX", path[64];
        struct manifest *manifest, *again;
        struct stat st;

        (void)state;
        assert_non_null(mkdtemp(folder));
        snprintf(path, sizeof(path), "%s/manifest", folder);
        assert_int_equal(manifest_new(&manifest), 0);
        assert_int_equal(manifest_load(path, &again, loaded), -ENOENT);
        for (unsigned n = 0; n < 20; n++)
                set(manifest, n);
        assert_int_equal(manifest_save(manifest, path, saved), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(manifest_load(path, &again, loaded), 0);
        assert_memory_equal(saved, loaded, DIGEST_SIZE);
        assert_int_equal(manifest_drop(again, numbered(3)), 0);
        assert_int_equal(manifest_save(again, path, changed), 0);
        assert_memory_not_equal(saved, changed, DIGEST_SIZE);
        manifest_free(manifest);
        manifest_free(again);
        assert_int_equal(file_write_atomic(path, "nonsense", 8, 0600), 0);
        assert_int_equal(manifest_load(path, &again, loaded), -EBADMSG);
        unlink(path);
        rmdir(folder);
}

static void ten_thousand_files_take_less_than_four_megabytes(void **state)
{
#if defined(GOVERNOR_SANITIZED)
        (void)state; /* which counts otherwise */
#else
        size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
        struct manifest *manifest;

        (void)state;
        assert_int_equal(manifest_new(&manifest), 0);
        for (unsigned n = 0; n < 10000; n++)
                set(manifest, n);
        assert_in_range(mallinfo2().uordblks + mallinfo2().hblkhd - before, 1 << 20, 4 << 20);
        manifest_free(manifest);
#endif
}

static void there_is_an_end_to_what_it_takes(void **state)
{
        struct manifest *manifest;
        struct manifest_entry entry;

        (void)state;
        assert_int_equal(manifest_new(&manifest), 0);
        for (unsigned n = 0; n < MANIFEST_ENTRIES_MAX; n++)
                set(manifest, n);
        entry = entry_of(1, "/one/more");
        assert_int_equal(manifest_set(manifest, &entry), -ENOSPC);
        set(manifest, 17);
        assert_int_equal(manifest_drop(manifest, numbered(17)), 0);
        assert_int_equal(manifest_set(manifest, &entry), 0);
        manifest_free(manifest);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_is_found_by_path_inode_and_content_whatever_comes_and_goes),
                cmocka_unit_test(an_entry_that_is_set_again_takes_the_place_of_the_old_one),
                cmocka_unit_test(the_attributes_of_a_file_are_named_too),
                cmocka_unit_test(what_cannot_be_written_down_is_refused),
                cmocka_unit_test(the_text_is_the_same_whatever_the_order_and_comes_back_whole),
                cmocka_unit_test(any_other_spelling_is_refused),
                cmocka_unit_test(it_is_saved_for_us_alone_and_its_digest_is_that_of_what_was_saved),
                cmocka_unit_test(ten_thousand_files_take_less_than_four_megabytes),
                cmocka_unit_test(there_is_an_end_to_what_it_takes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
