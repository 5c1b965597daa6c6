/* Files sealed and restored on a disk that loses power or fails: what was there and what was meant are both to be had afterwards. */
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

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guard/seal.h"
#include "io/file.h"

enum { CUTS_EACH = 20 };

#define FOUND "what was found in the place\n"
#define MEANT "what is meant to be there\n"

struct bed {
        char directory[64], before[96], after[96], path[128];
        struct disk *disk;
        struct vault *vault;
        struct sealer sealer;
        struct manifest_entry entry;
        struct seal_outcome outcome;
        bool there;     /* something was found */
        size_t done_at; /* step of the disk at which it was said to be done and safe */
};

static void open_vault(const char *in, struct vault **ret)
{
        char path[PATH_MAX];

        snprintf(path, sizeof(path), "%s/vault", in);
        assert_int_equal(vault_open(path, &VAULT_LIMITS_DEFAULT, ret), 0);
}

static void prepare(struct bed *bed)
{
        char command[256];

        snprintf(command, sizeof(command), "rm -rf '%s'/*; mkdir -p '%s/app'", bed->before, bed->before);
        assert_int_equal(system(command), 0);
        snprintf(bed->path, sizeof(bed->path), "%s/app/code", bed->before);
        open_vault(bed->before, &bed->vault);
        bed->sealer = (struct sealer){ .vault = bed->vault };
        bed->entry = (struct manifest_entry){
                .path = bed->path,
                .state = { .there = true,
                           .size = strlen(MEANT),
                           .mode = S_IFREG | 0640,
                           .uid = geteuid(),
                           .gid = getegid() },
        };
        assert_int_equal(vault_put(bed->vault, MEANT, strlen(MEANT), bed->entry.state.digest), 0);
        assert_int_equal(vault_sync(bed->vault), 0);
        if (bed->there)
                assert_int_equal(file_write_atomic(bed->path, FOUND, strlen(FOUND), 0644), 0);
        bed->disk = disk_new(bed->before);
}

static void clear(struct bed *bed)
{
        bed->disk = disk_free(bed->disk);
        bed->vault = vault_free(bed->vault);
}

static int set_up(void **state, bool there)
{
        struct bed *bed = calloc(1, sizeof(*bed));

        strcpy(bed->directory, "/tmp/seal-XXXXXX");
        assert_non_null(mkdtemp(bed->directory));
        snprintf(bed->before, sizeof(bed->before), "%s/before", bed->directory);
        snprintf(bed->after, sizeof(bed->after), "%s/after", bed->directory);
        assert_int_equal(mkdir(bed->before, 0700), 0);
        assert_int_equal(mkdir(bed->after, 0700), 0);
        bed->there = there;
        prepare(bed);
        *state = bed;
        return 0;
}

static int with_something_found(void **state)
{
        return set_up(state, true);
}

static int with_nothing_found(void **state)
{
        return set_up(state, false);
}

static int tear_down(void **state)
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
        int r = seal_restore(&bed->sealer, &bed->entry, &bed->outcome);

        if (r >= 0)
                seal_settle(&bed->sealer, &bed->entry, &bed->outcome);
        return r;
}

static int put(struct bed *bed)
{
        return seal_put(&bed->sealer, &bed->entry, &bed->outcome);
}

static int act(struct bed *bed, int (*way)(struct bed *bed))
{
        int r;

        disk_watch(bed->disk);
        r = way(bed);
        disk_unwatch();
        bed->done_at = r >= 0 && !(bed->outcome.notes & SEAL_NOT_SAFE) ? disk_steps(bed->disk) : SIZE_MAX;
        return r;
}

static char is_text(const char *path)
{
        char *text = NULL, what = '?';
        const int r = file_read(path, 1000, &text, NULL);

        if (r == -ENOENT)
                what = 'n';
        else if (r >= 0)
                what = strcmp(text, MEANT) == 0 ? 'm' : strcmp(text, FOUND) == 0 ? 'f' : '?';
        free(text);
        return what;
}

/* 'm'eant, 'f'ound, 'n'ot there, or '?': torn. */
static char look_at(const char *in)
{
        char path[PATH_MAX];

        snprintf(path, sizeof(path), "%s/app/code", in);
        return is_text(path);
}

static bool vault_keeps(const char *in, const char *text)
{
        uint8_t digest[DIGEST_SIZE];
        struct vault *vault;
        char *got = NULL;
        size_t size;
        int r;

        digest_whole(text, strlen(text), digest);
        open_vault(in, &vault);
        r = vault_get(vault, digest, 1000, &got, &size);
        vault_free(vault);
        free(got);
        return r >= 0;
}

/* In its place, beside it, or in the vault. */
static bool is_found_kept(const struct bed *bed, const char *in)
{
        char folder[PATH_MAX], path[PATH_MAX * 2];
        const struct dirent *entry;
        bool kept = !bed->there || vault_keeps(in, FOUND);
        DIR *dir;

        snprintf(folder, sizeof(folder), "%s/app", in);
        dir = opendir(folder);
        while (dir && !kept && (entry = readdir(dir))) {
                snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
                kept = is_text(path) == 'f';
        }
        if (dir)
                closedir(dir);
        return kept;
}

static void check_nothing_lost(const struct bed *bed, const char *in, const char *when)
{
        if (!vault_keeps(in, MEANT))
                fail_msg("what is meant is lost after %s", when);
        if (!is_found_kept(bed, in))
                fail_msg("what was found is lost after %s", when);
}

/* `whole`: it is never torn, at no moment. */
static void cut_everywhere(struct bed *bed, int (*way)(struct bed *bed), bool whole)
{
        const size_t begun = disk_steps(bed->disk);

        assert_int_equal(act(bed, way), 0);
        assert_int_equal(look_at(bed->before), 'm');
        assert_int_not_equal(bed->done_at, SIZE_MAX);
        for (size_t at = begun; at <= disk_steps(bed->disk); at++)
                for (unsigned n = 0; n < CUTS_EACH; n++) {
                        struct disk_cut cut = { .at = at,
                                                .kept = (enum disk_kept)(n % DISK_KEPT_N),
                                                .journaled = n % 2,
                                                .seed = at * 7 + n };
                        char when[512], what;

                        disk_cut(bed->disk, &cut, bed->after);
                        snprintf(when, sizeof(when), "a cut at step %zu (%s), way %u", at,
                                 disk_step_name(bed->disk, at - 1), n);
                        what = look_at(bed->after);
                        check_nothing_lost(bed, bed->after, when);
                        if (at >= bed->done_at && what != 'm')
                                fail_msg("it is '%c' after %s", what, when);
                        if (whole && (what == '?' || (what == 'n' && bed->there)))
                                fail_msg("it is '%c' after %s", what, when);
                }
}

static void a_power_cut_while_new_content_is_sealed_leaves_the_old_or_the_new(void **state)
{
        cut_everywhere(*state, put, true);
}

static void a_power_cut_while_it_is_restored_loses_nothing_and_not_the_end(void **state)
{
        cut_everywhere(*state, restore, false);
}

static void fail_everywhere(struct bed *bed, int (*way)(struct bed *bed))
{
        static const int errors[] = { ENOSPC, EIO, EPERM };
        size_t calls;
        unsigned failed = 0;

        assert_int_equal(act(bed, way), 0);
        calls = disk_calls(bed->disk);
        for (size_t from = 0; from < calls; from++)
                for (unsigned n = 0; n < 3; n++) {
                        char when[512], what;
                        int r;

                        clear(bed);
                        prepare(bed);
                        disk_fail(bed->disk, from, 1, errors[n]);
                        r = act(bed, way);
                        disk_fail(bed->disk, 0, 0, 0);
                        snprintf(when, sizeof(when), "call %zu failed with %s (%s)", from, strerror(errors[n]),
                                 bed->outcome.text);
                        failed += r < 0;
                        what = look_at(bed->before);
                        if (r >= 0 ? what != 'm' : what != (bed->there ? 'f' : 'n') && what != 'm')
                                fail_msg("it is '%c' after %s", what, when);
                        if (r < 0 && bed->outcome.text[0] == '\0')
                                fail_msg("nothing is said of it: %s", when);
                        if (!vault_keeps(bed->before, MEANT) ||
                            (!is_found_kept(bed, bed->before) && !(bed->outcome.notes & SEAL_NOT_KEPT)))
                                fail_msg("something is lost, and nobody says so, after %s", when);
                }
        assert_true(failed > 2 * calls / 3); /* some calls of each way cannot be done without */
}

static void whatever_fails_is_told_while_it_is_restored(void **state)
{
        fail_everywhere(*state, restore);
}

static void whatever_fails_is_told_while_new_content_is_sealed(void **state)
{
        fail_everywhere(*state, put);
}

#define IN_BOTH(test)                                                                   \
        { #test, test, with_something_found, tear_down, NULL },                         \
        {                                                                               \
#test " (nothing was there)", test, with_nothing_found, tear_down, NULL \
        }

int main(void)
{
        const struct CMUnitTest tests[] = {
                IN_BOTH(a_power_cut_while_new_content_is_sealed_leaves_the_old_or_the_new),
                IN_BOTH(a_power_cut_while_it_is_restored_loses_nothing_and_not_the_end),
                IN_BOTH(whatever_fails_is_told_while_it_is_restored),
                IN_BOTH(whatever_fails_is_told_while_new_content_is_sealed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
