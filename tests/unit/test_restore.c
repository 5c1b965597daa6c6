/* Files put back as they were in another version: all of them or none, nothing lost, no link followed. */
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
#include <limits.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/text.h"
#include "heal/restore.h"
#include "io/file.h"

enum { FILES = 8 };

struct bed {
        char directory[64];
        struct vault *vault;
        struct version from, to;
        char text[RESTORE_TEXT_MAX];
        char told[1024];
};

static const char *at(const struct bed *bed, const char *name)
{
        static char paths[4][PATH_MAX];
        static unsigned n;

        snprintf(paths[++n % 4], PATH_MAX, "%s/app/%s", bed->directory, name);
        return paths[n % 4];
}

static void write_to(const struct bed *bed, const char *name, const char *text, mode_t mode)
{
        assert_int_equal(file_write_atomic(at(bed, name), text, strlen(text), mode), 0);
}

static void expect(const struct bed *bed, const char *name, const char *text)
{
        char *found = NULL;
        int r = file_read(at(bed, name), 1 << 20, &found, NULL);

        if (text ? r < 0 : r != -ENOENT)
                fail_msg("%s: %s", name, strerror(-r));
        if (text)
                assert_string_equal(found, text);
        free(found);
}

/* The names in the folder that are hidden: what a restore may have left behind. */
static unsigned count_hidden(const struct bed *bed)
{
        char command[128];
        FILE *pipe;
        unsigned n = 0;

        snprintf(command, sizeof(command), "find '%s/app' -name '.governor*' | wc -l", bed->directory);
        pipe = popen(command, "r");
        assert_int_equal(fscanf(pipe, "%u", &n), 1);
        pclose(pipe);
        return n;
}

/* As the observer does: the state of the named files that are there, and their contents in the vault. */
static struct version look(struct bed *bed, const char *const *names)
{
        struct version_file list[FILES];
        struct version version;
        uint32_t n = 0;
        char *text;
        size_t size;

        for (; *names; names++) {
                struct stat st;
                char target[PATH_MAX], *content = NULL;
                ssize_t length = 0;

                if (lstat(at(bed, *names), &st) < 0)
                        continue;
                list[n] = (struct version_file){ .path = strdup(at(bed, *names)) };
                file_state_take(&list[n].state, &st);
                if (S_ISLNK(st.st_mode)) {
                        length = readlink(at(bed, *names), target, sizeof(target));
                        assert_int_equal(vault_put(bed->vault, target, (size_t)length, list[n].state.digest), 0);
                } else if (S_ISREG(st.st_mode)) {
                        assert_int_equal(file_read(at(bed, *names), 1 << 24, &content, &size), 0);
                        assert_int_equal(vault_put(bed->vault, content, size, list[n].state.digest), 0);
                        free(content);
                }
                n++;
        }
        assert_int_equal(version_write(list, n, &text, &size), 0);
        assert_int_equal(version_read(text, size, &version), 0);
        free(text);
        while (n-- > 0)
                free((char *)(uintptr_t)list[n].path);
        return version;
}

static const char *const names[] = { "config.json", "prompts/a.md", "prompts/b.md", "prompts/now", "extra", NULL };

static int setup(void **state)
{
        struct bed *bed = calloc(1, sizeof(*bed));
        char path[128];

        strcpy(bed->directory, "/tmp/restore-XXXXXX");
        assert_non_null(mkdtemp(bed->directory));
        snprintf(path, sizeof(path), "%s/vault", bed->directory);
        assert_int_equal(vault_open(path, &VAULT_LIMITS_DEFAULT, &bed->vault), 0);
        assert_int_equal(file_make_directory(at(bed, "prompts"), 0755), 0);
        write_to(bed, "config.json", "{ \"good\": 1 }", 0640);
        write_to(bed, "prompts/a.md", "good words", 0644);
        write_to(bed, "prompts/b.md", "the same", 0644);
        assert_int_equal(symlink("a.md", at(bed, "prompts/now")), 0);
        bed->to = look(bed, names);
        *state = bed;
        return 0;
}

static int teardown(void **state)
{
        struct bed *bed = *state;
        char command[128];

        version_done(&bed->from);
        version_done(&bed->to);
        vault_free(bed->vault);
        snprintf(command, sizeof(command), "rm -rf '%s'", bed->directory);
        assert_int_equal(system(command), 0);
        free(bed);
        return 0;
}

/* What a bad release did. */
static void spoil(struct bed *bed)
{
        write_to(bed, "config.json", "{ bad }", 0600);
        assert_int_equal(unlink(at(bed, "prompts/a.md")), 0);
        assert_int_equal(unlink(at(bed, "prompts/now")), 0);
        assert_int_equal(symlink("b.md", at(bed, "prompts/now")), 0);
        write_to(bed, "extra", "was not there", 0644);
        version_done(&bed->from);
        bed->from = look(bed, names);
}

static void each(void *self, const char *path, const struct file_state *now)
{
        struct bed *bed = self;

        text_append(bed->told, sizeof(bed->told), "%s %s\n", path + strlen(bed->directory) + strlen("/app/"),
                    now->there ? "is" : "is not");
}

static int restore(struct bed *bed)
{
        struct restore *restore;
        int r = restore_new(bed->vault, &bed->from, &bed->to, &restore);

        assert_int_equal(r, 0);
        while ((r = restore_prepare(restore)) > 0)
                ;
        if (r == 0)
                r = restore_commit(restore);
        strcpy(bed->text, restore_text(restore));
        bed->told[0] = '\0';
        restore_each(restore, each, bed);
        restore_free(restore);
        assert_int_equal(count_hidden(bed), 0);
        return r;
}

static void expect_good(struct bed *bed)
{
        struct version now = look(bed, names);
        const struct version_file *a, *b;
        struct version_walk walk = { 0 };

        while (version_next(&now, &bed->to, &walk, &a, &b))
                if (!a || !b || !file_state_same(&a->state, &b->state))
                        fail_msg("%s is not as it was", a ? a->path : b->path);
        version_done(&now);
}

static void expect_bad(struct bed *bed)
{
        struct version now = look(bed, names);
        const struct version_file *a, *b;
        struct version_walk walk = { 0 };

        while (version_next(&now, &bed->from, &walk, &a, &b))
                if (!a || !b || !file_state_same(&a->state, &b->state))
                        fail_msg("%s was changed", a ? a->path : b->path);
        version_done(&now);
}

static void everything_is_put_back_and_what_was_bad_is_kept(void **state)
{
        struct bed *bed = *state;
        char *text;
        size_t size;

        spoil(bed);
        assert_int_equal(restore(bed), 0);
        assert_string_equal(bed->text, "3 files put back, 1 moved away");
        assert_string_equal(bed->told, "config.json is\nextra is not\nprompts/a.md is\nprompts/now is\n");
        expect_good(bed);
        expect(bed, "extra", NULL);
        assert_int_equal(
                vault_get(bed->vault, version_find(&bed->from, at(bed, "extra"))->state.digest, 100, &text, &size), 0);
        assert_string_equal(text, "was not there");
        free(text);
}

static void what_is_so_already_is_left_alone(void **state)
{
        struct bed *bed = *state;
        struct stat before, after;

        bed->from = look(bed, names);
        assert_int_equal(stat(at(bed, "config.json"), &before), 0);
        assert_int_equal(restore(bed), 0);
        assert_string_equal(bed->text, "every file was so already");
        assert_int_equal(stat(at(bed, "config.json"), &after), 0);
        assert_int_equal(before.st_ino, after.st_ino);
}

static void a_folder_that_is_gone_comes_back(void **state)
{
        struct bed *bed = *state;
        char command[128];
        struct stat st;

        snprintf(command, sizeof(command), "rm -r '%s/app/prompts'", bed->directory);
        assert_int_equal(system(command), 0);
        bed->from = look(bed, names);
        assert_int_equal(restore(bed), 0);
        expect_good(bed);
        assert_int_equal(stat(at(bed, "prompts"), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0755);
}

static void a_file_that_changed_meanwhile_stops_it(void **state)
{
        struct bed *bed = *state;

        spoil(bed);
        write_to(bed, "config.json", "{ edited }", 0600);
        assert_int_equal(restore(bed), -ESTALE);
        assert_non_null(strstr(bed->text, "/app/config.json was changed meanwhile"));
        expect(bed, "config.json", "{ edited }");
        expect(bed, "extra", "was not there");
        assert_string_equal(bed->told, "");

        write_to(bed, "config.json", "{ bad }", 0600);
        write_to(bed, "prompts/a.md", "mine", 0644);
        assert_int_equal(restore(bed), -ESTALE);
        assert_non_null(strstr(bed->text, "/prompts/a.md is there by now"));
        assert_int_equal(unlink(at(bed, "prompts/a.md")), 0);
        assert_int_equal(unlink(at(bed, "extra")), 0);
        assert_int_equal(restore(bed), -ESTALE);
        assert_non_null(strstr(bed->text, "/extra is gone by now"));
}

/* Between looking at it and putting the other one in its place. */
static void what_is_written_at_the_last_moment_is_not_lost(void **state)
{
        struct bed *bed = *state;
        struct restore *restore;
        int r;

        spoil(bed);
        assert_int_equal(restore_new(bed->vault, &bed->from, &bed->to, &restore), 0);
        while ((r = restore_prepare(restore)) > 0)
                ;
        assert_int_equal(r, 0);
        write_to(bed, "prompts/now.tmp", "late", 0644);
        assert_int_equal(rename(at(bed, "prompts/now.tmp"), at(bed, "prompts/now")), 0); /* the last of them */
        assert_int_equal(restore_commit(restore), -ESTALE);
        assert_non_null(strstr(restore_text(restore), "/prompts/now was changed meanwhile"));
        restore_free(restore);
        expect(bed, "prompts/now", "late");
        expect(bed, "config.json", "{ bad }");
        expect(bed, "extra", "was not there");
        expect(bed, "prompts/a.md", NULL);
        assert_int_equal(count_hidden(bed), 0);
}

static void no_link_is_followed(void **state)
{
        struct bed *bed = *state;
        char elsewhere[128];

        spoil(bed);
        snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", bed->directory);
        assert_int_equal(mkdir(elsewhere, 0755), 0);
        assert_int_equal(rename(at(bed, "prompts"), at(bed, "moved")), 0);
        assert_int_equal(symlink(elsewhere, at(bed, "prompts")), 0);
        assert_int_equal(restore(bed), -ELOOP);
        assert_non_null(strstr(bed->text, "is reached through a symbolic link, which is not followed"));
        expect(bed, "config.json", "{ bad }");
        assert_int_equal(rmdir(elsewhere), 0); /* nothing was written there */
}

static void a_link_in_the_place_of_a_file_is_not_written_through(void **state)
{
        struct bed *bed = *state;
        char elsewhere[128];

        spoil(bed);
        snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", bed->directory);
        close(open(elsewhere, O_WRONLY | O_CREAT, 0644));
        assert_int_equal(unlink(at(bed, "config.json")), 0);
        assert_int_equal(symlink(elsewhere, at(bed, "config.json")), 0);
        assert_int_equal(restore(bed), -ESTALE);
        version_done(&bed->from);
        bed->from = look(bed, names); /* it was seen as what it is */
        assert_int_equal(restore(bed), 0);
        expect_good(bed);
        assert_int_equal(truncate(elsewhere, 0), 0);
}

static void a_folder_in_the_place_of_a_file_is_said(void **state)
{
        struct bed *bed = *state;

        spoil(bed);
        assert_int_equal(unlink(at(bed, "config.json")), 0);
        assert_int_equal(mkdir(at(bed, "config.json"), 0755), 0);
        assert_int_equal(restore(bed), -EBADF);
        assert_non_null(strstr(bed->text, "/config.json is a folder now"));
        assert_int_equal(rmdir(at(bed, "config.json")), 0);
        version_done(&bed->from);
        bed->from = look(bed, names);
        assert_int_equal(mkdir(at(bed, "config.json"), 0755), 0);
        assert_int_equal(restore(bed), -EISDIR);
        expect(bed, "extra", "was not there");
}

static void what_is_too_large_to_be_kept_is_not_replaced(void **state)
{
        struct bed *bed = *state;
        char path[128];

        spoil(bed);
        vault_free(bed->vault);
        snprintf(path, sizeof(path), "%s/vault", bed->directory);
        assert_int_equal(
                vault_open(path,
                           &(struct vault_limits){ .bytes_most = 1 << 20, .content_most = 12, .contents_most = 100 },
                           &bed->vault),
                0);
        assert_int_equal(restore(bed), -EFBIG);
        assert_non_null(strstr(bed->text, "/extra is too large to be kept, and would be lost"));
        expect(bed, "config.json", "{ bad }");
        expect(bed, "extra", "was not there");
}

static void a_damaged_content_is_not_put_back(void **state)
{
        struct bed *bed = *state;
        char hex[DIGEST_HEX_MAX], path[256];

        spoil(bed);
        digest_to_hex(version_find(&bed->to, at(bed, "config.json"))->state.digest, hex);
        snprintf(path, sizeof(path), "%s/vault/%.2s/%s", bed->directory, hex, hex + 2);
        assert_int_equal(truncate(path, 3), 0);
        assert_int_equal(restore(bed), -EBADMSG);
        assert_non_null(strstr(bed->text, "what is stored of it is damaged"));
        assert_int_equal(restore(bed), -ENOENT);
        assert_non_null(strstr(bed->text, "nothing is stored of it"));
        expect(bed, "config.json", "{ bad }");
}

static void a_file_system_that_may_not_be_written_is_said(void **state)
{
        struct bed *bed = *state;
        char app[128];

        if (geteuid() != 0)
                skip();
        spoil(bed);
        snprintf(app, sizeof(app), "%s/app", bed->directory);
        if (mount(app, app, NULL, MS_BIND, NULL) < 0)
                skip();
        if (mount(app, app, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0) {
                umount(app);
                skip();
        }
        assert_int_equal(restore(bed), -EROFS);
        umount(app);
        assert_non_null(strstr(bed->text, "cannot be written: Read-only file system"));
        expect(bed, "config.json", "{ bad }");
}

/* One file that is a mount of its own, as containers have it: it can be read and not replaced. */
static void what_cannot_be_replaced_leaves_everything_as_it_was(void **state)
{
        struct bed *bed = *state;
        char prompts[PATH_MAX];

        if (geteuid() != 0)
                skip();
        write_to(bed, "prompts/b.md", "changed", 0644);
        spoil(bed);
        text_copy(prompts, sizeof(prompts), at(bed, "prompts/b.md"));
        if (mount(prompts, prompts, NULL, MS_BIND, NULL) < 0)
                skip();
        assert_int_equal(restore(bed), -EBUSY);
        umount(prompts);
        assert_non_null(strstr(bed->text, "/prompts/b.md cannot be replaced: Device or resource busy"));
        assert_string_equal(bed->told, "");
        expect_bad(bed);
}

static void what_a_crash_left_is_cleared_and_what_is_a_strangers_stays(void **state)
{
        struct bed *bed = *state;
        struct restore *restored;
        char left[PATH_MAX] = "";
        struct stat st;

        spoil(bed);
        /* a crash between the two names: found by looking which one is taken for config.json */
        assert_int_equal(restore_new(bed->vault, &bed->from, &bed->to, &restored), 0);
        restore_free(restored);
        for (unsigned hash = 0; left[0] == '\0' && hash == 0; hash++) {
                uint32_t h = 2166136261U;

                for (const char *p = at(bed, "config.json"); *p; p++)
                        h = (h ^ (unsigned char)*p) * 16777619U;
                snprintf(left, sizeof(left), "%s/app/.governor-%08x", bed->directory, h);
        }
        close(open(left, O_WRONLY | O_CREAT, 0600));
        assert_int_equal(restore(bed), 0);
        expect_good(bed);
        spoil(bed);
        assert_int_equal(mkdir(left, 0700), 0);
        {
                struct restore *again;
                int r;

                assert_int_equal(restore_new(bed->vault, &bed->from, &bed->to, &again), 0);
                while ((r = restore_prepare(again)) > 0)
                        ;
                assert_int_equal(r, -EEXIST);
                assert_non_null(strstr(restore_text(again), "something of its folder is in the way"));
                restore_free(again);
        }
        assert_int_equal(stat(left, &st), 0);
        assert_int_equal(rmdir(left), 0);
        expect(bed, "config.json", "{ bad }");
}

static void attributes_of_the_same_owner_stay(void **state)
{
        struct bed *bed = *state;
        char value[16] = "";

        spoil(bed);
        if (setxattr(at(bed, "config.json"), "user.note", "mine", 4, 0) < 0)
                skip();
        assert_int_equal(restore(bed), 0);
        assert_int_equal(getxattr(at(bed, "config.json"), "user.note", value, sizeof(value)), 4);
        assert_memory_equal(value, "mine", 4);
}

static void the_owner_comes_back(void **state)
{
        struct bed *bed = *state;
        struct stat st;

        if (geteuid() != 0)
                skip();
        version_done(&bed->to);
        assert_int_equal(chown(at(bed, "config.json"), 1234, 4321), 0);
        bed->to = look(bed, names);
        spoil(bed);
        assert_int_equal(restore(bed), 0);
        assert_int_equal(stat(at(bed, "config.json"), &st), 0);
        assert_int_equal(st.st_uid, 1234);
        assert_int_equal(st.st_gid, 4321);
        assert_int_equal(st.st_mode & 07777, 0640);
}

#define IN_BED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                IN_BED(everything_is_put_back_and_what_was_bad_is_kept),
                IN_BED(what_is_so_already_is_left_alone),
                IN_BED(a_folder_that_is_gone_comes_back),
                IN_BED(a_file_that_changed_meanwhile_stops_it),
                IN_BED(what_is_written_at_the_last_moment_is_not_lost),
                IN_BED(no_link_is_followed),
                IN_BED(a_link_in_the_place_of_a_file_is_not_written_through),
                IN_BED(a_folder_in_the_place_of_a_file_is_said),
                IN_BED(what_is_too_large_to_be_kept_is_not_replaced),
                IN_BED(a_damaged_content_is_not_put_back),
                IN_BED(a_file_system_that_may_not_be_written_is_said),
                IN_BED(what_cannot_be_replaced_leaves_everything_as_it_was),
                IN_BED(what_a_crash_left_is_cleared_and_what_is_a_strangers_stays),
                IN_BED(attributes_of_the_same_owner_stay),
                IN_BED(the_owner_comes_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
