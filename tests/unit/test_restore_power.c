/* Files put back on a disk that loses power or fails: each of them is the old or the new one, whole, and nothing is lost. */
#include "disk/disk.h"

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
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "heal/restore.h"
#include "io/file.h"

enum { CUTS_EACH = 8 };

/* NULL: it is not there. */
static const struct {
        const char *name, *bad, *good;
} files[] = {
        { "config.json", "{ bad: 1 }", "{ good: 1 }" },
        { "prompts/a.md", NULL, "good words" },
        { "prompts/b.md", "bad words, and many of them", "good ones" },
        { "extra", "was not there", NULL },
};
#define FILES_N (sizeof(files) / sizeof(files[0]))

struct bed {
        char directory[64], before[96], after[96];
        struct disk *disk;
        struct vault *vault;
        struct version from, to;
        char text[RESTORE_TEXT_MAX];
        size_t done_at; /* step of the disk at which it was said to be done */
};

static void path_of(const char *in, const char *name, char path[PATH_MAX])
{
        snprintf(path, PATH_MAX, "%s/app/%s", in, name);
}

static void write_file(struct bed *bed, const char *name, const char *text)
{
        char path[PATH_MAX];

        path_of(bed->before, name, path);
        if (text)
                assert_int_equal(file_write_atomic(path, text, strlen(text), 0644), 0);
        else
                assert_true(unlink(path) == 0 || errno == ENOENT);
}

static void digest_of(const char *text, size_t size, uint8_t ret[DIGEST_SIZE])
{
        struct digest *digest;

        assert_int_equal(digest_new(&digest), 0);
        digest_add(digest, text, size);
        digest_end(digest, ret);
        digest_free(digest);
}

static struct version look(struct bed *bed, bool keep)
{
        struct version_file list[FILES_N];
        char paths[FILES_N][PATH_MAX], *text;
        struct version version;
        uint32_t n = 0;
        size_t size;

        for (size_t i = 0; i < FILES_N; i++) {
                struct stat st;

                path_of(bed->before, files[i].name, paths[i]);
                if (stat(paths[i], &st) < 0)
                        continue;
                list[n].path = paths[i];
                file_state_take(&list[n].state, &st);
                assert_int_equal(file_read(paths[i], 1000, &text, &size), 0);
                digest_of(text, size, list[n].state.digest);
                if (keep)
                        assert_int_equal(vault_put(bed->vault, text, size, list[n].state.digest), 0);
                n++;
                free(text);
        }
        assert_int_equal(version_write(list, n, &text, &size), 0);
        assert_int_equal(version_read(text, size, &version), 0);
        free(text);
        return version;
}

static void open_vault(struct bed *bed, const char *in)
{
        char path[PATH_MAX];

        snprintf(path, sizeof(path), "%s/vault", in);
        assert_int_equal(vault_open(path, &VAULT_LIMITS_DEFAULT, &bed->vault), 0);
}

/* The bad version is in place; what it replaced is in the vault. */
static void prepare(struct bed *bed)
{
        char command[256];

        snprintf(command, sizeof(command), "rm -rf '%s'/*; mkdir -p '%s/app/prompts'", bed->before, bed->before);
        assert_int_equal(system(command), 0);
        open_vault(bed, bed->before);
        for (size_t i = 0; i < FILES_N; i++)
                write_file(bed, files[i].name, files[i].good);
        bed->to = look(bed, true);
        for (size_t i = 0; i < FILES_N; i++)
                write_file(bed, files[i].name, files[i].bad);
        bed->from = look(bed, false); /* it is the restore's to keep it */
        assert_int_equal(vault_sync(bed->vault), 0);
        bed->disk = disk_new(bed->before);
}

static void clear(struct bed *bed)
{
        bed->disk = disk_free(bed->disk);
        bed->vault = vault_free(bed->vault);
        version_done(&bed->from);
        version_done(&bed->to);
}

static int setup(void **state)
{
        struct bed *bed = calloc(1, sizeof(*bed));

        strcpy(bed->directory, "/tmp/restore-XXXXXX");
        assert_non_null(mkdtemp(bed->directory));
        snprintf(bed->before, sizeof(bed->before), "%s/before", bed->directory);
        snprintf(bed->after, sizeof(bed->after), "%s/after", bed->directory);
        assert_int_equal(mkdir(bed->before, 0700), 0);
        assert_int_equal(mkdir(bed->after, 0700), 0);
        prepare(bed);
        *state = bed;
        return 0;
}

static int teardown(void **state)
{
        struct bed *bed = *state;
        char command[256];

        clear(bed);
        snprintf(command, sizeof(command), "rm -rf '%s'", bed->directory);
        assert_int_equal(system(command), 0);
        free(bed);
        return 0;
}

static int restore(struct bed *bed)
{
        struct restore *restore;
        int r = 1;

        disk_watch(bed->disk);
        assert_int_equal(restore_new(bed->vault, &bed->from, &bed->to, &restore), 0);
        while (r > 0)
                r = restore_prepare(restore);
        if (r == 0)
                r = restore_commit(restore);
        bed->done_at = r == 0 ? disk_steps(bed->disk) : SIZE_MAX;
        strcpy(bed->text, restore_text(restore));
        restore_free(restore);
        disk_unwatch();
        return r;
}

/* What a file is now: 'g'ood, 'b'ad, 'n'ot there, or something that never was. */
static char look_at(const char *in, size_t i)
{
        char path[PATH_MAX], *text = NULL, what = '?';
        int r;

        path_of(in, files[i].name, path);
        r = file_read(path, 1000, &text, NULL);
        if (r == -ENOENT)
                what = 'n';
        else if (r >= 0 && files[i].good && strcmp(text, files[i].good) == 0)
                what = 'g';
        else if (r >= 0 && files[i].bad && strcmp(text, files[i].bad) == 0)
                what = 'b';
        free(text);
        return what;
}

/* The bad content of a file is in its place, or in the vault. */
static bool is_kept(struct bed *bed, const char *in, size_t i)
{
        const struct version_file *file;
        struct vault *vault = bed->vault;
        char path[PATH_MAX], *text = NULL;
        size_t size;
        int r;

        if (!files[i].bad || look_at(in, i) == 'b')
                return true;
        path_of(bed->before, files[i].name, path);
        file = version_find(&bed->from, path);
        open_vault(bed, in);
        r = vault_get(bed->vault, file->state.digest, 1000, &text, &size);
        vault_free(bed->vault);
        bed->vault = vault;
        free(text);
        return r >= 0;
}

static void check_whole(struct bed *bed, const char *in, const char *when)
{
        for (size_t i = 0; i < FILES_N; i++) {
                char what = look_at(in, i);

                if (what == '?' || (what == 'n' && files[i].good && files[i].bad))
                        fail_msg("%s is neither the old nor the new one after %s", files[i].name, when);
                if (!is_kept(bed, in, i))
                        fail_msg("the content of %s is lost after %s", files[i].name, when);
        }
}

static void check_all(struct bed *bed, bool good, const char *when)
{
        for (size_t i = 0; i < FILES_N; i++) {
                char what = look_at(bed->before, i), wanted = good ? 'g' : 'b';

                if (!(good ? files[i].good : files[i].bad))
                        wanted = 'n';
                if (what != wanted)
                        fail_msg("%s is '%c' after %s", files[i].name, what, when);
        }
}

static void a_power_cut_leaves_each_file_whole(void **state)
{
        struct bed *bed = *state;
        size_t begun = disk_steps(bed->disk);

        assert_int_equal(restore(bed), 0);
        check_all(bed, true, "nothing");
        for (size_t at = begun; at <= disk_steps(bed->disk); at++)
                for (unsigned way = 0; way < CUTS_EACH; way++) {
                        struct disk_cut cut = { .at = at,
                                                .kept = (enum disk_kept)(way % DISK_KEPT_N),
                                                .journaled = way % 2,
                                                .seed = at * 7 + way };
                        char when[512];

                        disk_cut(bed->disk, &cut, bed->after);
                        snprintf(when, sizeof(when), "a cut at step %zu (%s), way %u", at,
                                 disk_step_name(bed->disk, at - 1), way);
                        check_whole(bed, bed->after, when);
                        for (size_t i = 0; at >= bed->done_at && i < FILES_N; i++)
                                if (look_at(bed->after, i) != (files[i].good ? 'g' : 'n'))
                                        fail_msg("%s is not put back any more after %s", files[i].name, when);
                }
}

static void whatever_fails_all_of_it_is_done_or_nothing(void **state)
{
        static const int errors[] = { ENOSPC, EIO, EPERM };
        struct bed *bed = *state;
        size_t calls;
        unsigned failed = 0;

        assert_int_equal(restore(bed), 0);
        calls = disk_calls(bed->disk);
        for (size_t from = 0; from < calls; from++)
                for (unsigned n = 0; n < 3; n++) {
                        char when[512];
                        int r;

                        clear(bed);
                        prepare(bed);
                        disk_fail(bed->disk, from, 1, errors[n]);
                        r = restore(bed);
                        snprintf(when, sizeof(when), "call %zu failed with %s (%s)", from, strerror(errors[n]),
                                 bed->text);
                        failed += r < 0;
                        check_all(bed, r >= 0, when);
                        check_whole(bed, bed->before, when);
                        if (r < 0 && bed->text[0] == '\0')
                                fail_msg("nothing is said of it: %s", when);
                }
        assert_true(failed > calls); /* most calls cannot be done without */
}

/* A disk that fails on and on cannot be undone either: then it is said what stayed, and each file is whole. */
static void what_cannot_be_undone_is_whole_too(void **state)
{
        struct bed *bed = *state;
        size_t calls;

        assert_int_equal(restore(bed), 0);
        calls = disk_calls(bed->disk);
        for (size_t from = 0; from < calls; from++) {
                char when[512];
                int r;

                clear(bed);
                prepare(bed);
                disk_fail(bed->disk, from, 1000, EIO);
                r = restore(bed);
                disk_fail(bed->disk, 0, 0, 0);
                snprintf(when, sizeof(when), "all calls from %zu on failed (%s)", from, bed->text);
                if (r >= 0)
                        check_all(bed, true, when);
                check_whole(bed, bed->before, when);
        }
}

#define IN_BED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                IN_BED(a_power_cut_leaves_each_file_whole),
                IN_BED(whatever_fails_all_of_it_is_done_or_nothing),
                IN_BED(what_cannot_be_undone_is_whole_too),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
