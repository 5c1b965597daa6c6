/* Guarded files are found, and what became of them is seen: by one sweep over all of them, and past the cache where that hides it. */
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
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/path.h"
#include "guard/look.h"
#include "guard/scan.h"
#include "guard/seal.h"
#include "guard/traits.h"
#include "guard_place.h"
#include "io/file.h"

#define GOOD "the good words\n"
#define EVIL "EVIL words now\n" /* of the same length */

struct bed {
        struct place place;
        char store[64];
        struct vault *vault;
        struct manifest *manifest;
        struct sealer sealer;
        struct look_found last; /* that the sweep told */
        unsigned told;
        char last_path[PATH_MAX];
        char seen[4096]; /* what a scan told, a line each */
};

static const char *at(const struct bed *bed, const char *name)
{
        static char paths[6][PATH_MAX];
        static unsigned n;

        snprintf(paths[++n % 6], PATH_MAX, "%s/%s", bed->place.path, name);
        return paths[n % 6];
}

static void put(const struct bed *bed, const char *name, const char *text)
{
        const int fd = open(at(bed, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static int set_up(void **state, enum place_kind kind)
{
        struct bed *bed = calloc(1, sizeof(*bed));
        char path[96];

        *state = bed;
        if (!place_may())
                return 0;
        place_make(&bed->place, kind);
        strcpy(bed->store, "/tmp/guard-store-XXXXXX");
        assert_non_null(mkdtemp(bed->store));
        snprintf(path, sizeof(path), "%s/vault", bed->store);
        assert_int_equal(vault_open(path, &VAULT_LIMITS_DEFAULT, &bed->vault), 0);
        assert_int_equal(manifest_new(&bed->manifest), 0);
        bed->sealer = (struct sealer){ .vault = bed->vault, .manifest = bed->manifest };
        assert_int_equal(mkdir(at(bed, "app"), 0755), 0);
        return 0;
}

static int on_ext4(void **state)
{
        return set_up(state, PLACE_EXT4);
}

static int on_tmpfs(void **state)
{
        return set_up(state, PLACE_TMPFS);
}

static int tear_down(void **state)
{
        struct bed *bed = *state;
        char command[128];

        if (bed->store[0]) {
                place_done(&bed->place);
                vault_free(bed->vault);
                manifest_free(bed->manifest);
                snprintf(command, sizeof(command), "rm -rf '%s'", bed->store);
                assert_int_equal(system(command), 0);
        }
        free(bed);
        return 0;
}

static void note(struct bed *bed, int r, const struct seal_outcome *outcome)
{
        if (r < 0)
                fail_msg("%s (%s)", strerror(-r), outcome->text);
        assert_int_equal(manifest_set(bed->manifest, &outcome->entry), 0);
}

static const struct manifest_entry *seal(struct bed *bed, const char *name, bool immutable)
{
        const struct manifest_entry wanted = { .path = at(bed, name), .immutable = immutable };
        struct seal_outcome outcome;
        struct stat st;

        assert_int_equal(lstat(wanted.path, &st), 0);
        note(bed,
             S_ISDIR(st.st_mode) ? seal_folder(&bed->sealer, &wanted, &outcome)
                                 : seal_take(&bed->sealer, &wanted, &outcome),
             &outcome);
        return manifest_find(bed->manifest, wanted.path);
}

static void on_difference(void *self, const struct manifest_entry *entry, int r, const struct look_found *found)
{
        struct bed *bed = self;

        assert_int_equal(r, 0);
        bed->told++;
        bed->last = *found;
        snprintf(bed->last_path, sizeof(bed->last_path), "%s", entry->path);
}

/* How many differ; the steps that it took. */
static unsigned sweep(struct bed *bed, enum look_depth depth, unsigned *ret_steps)
{
        struct look_sweep all = { .manifest = bed->manifest, .depth = depth, .differs = on_difference, .self = bed };
        unsigned steps = 1;

        bed->told = 0;
        assert_int_equal(look_sweep_begin(&all), 0);
        while (look_sweep_on(&all, 1))
                steps++;
        look_sweep_end(&all);
        if (ret_steps)
                *ret_steps = steps;
        return bed->told;
}

static void what_was_sealed_is_as_it_was_sealed(void **state)
{
        struct bed *bed = *state;
        struct look_found found;

        NEEDS_ROOT;
        put(bed, "app/code", GOOD);
        put(bed, "app/empty", "");
        assert_int_equal(setxattr(at(bed, "app/code"), "trusted.note", "x", 1, 0), 0);
        assert_int_equal(symlink("code", at(bed, "app/now")), 0);
        seal(bed, "app/code", true);
        seal(bed, "app/empty", false);
        seal(bed, "app/now", true);
        seal(bed, "app", true);
        assert_int_equal(sweep(bed, LOOK_AT_STAT, NULL), 0);
        assert_int_equal(sweep(bed, LOOK_AT_ALL, NULL), 0);
        for (uint32_t n = 0; n < manifest_count(bed->manifest); n++) {
                assert_int_equal(look_at(manifest_at(bed->manifest, n), LOOK_AT_ALL, &found), 0);
                assert_int_equal(found.differences, 0);
                assert_true(file_state_same(&found.now.state, &manifest_at(bed->manifest, n)->state));
        }
}

/* ---- what may become of one --------------------------------------------------------------------------------------------- */

static void write_it(struct bed *bed)
{
        put(bed, "app/code", EVIL);
}
static void write_it_and_hide_that(struct bed *bed)
{
        struct stat st;
        struct timespec times[2];

        assert_int_equal(stat(at(bed, "app/code"), &st), 0);
        times[0] = st.st_atim;
        times[1] = st.st_mtim;
        put(bed, "app/code", EVIL);
        assert_int_equal(utimensat(AT_FDCWD, at(bed, "app/code"), times, 0), 0);
}
static void lengthen_it(struct bed *bed)
{
        put(bed, "app/code", GOOD EVIL);
}
static void remove_it(struct bed *bed)
{
        assert_int_equal(unlink(at(bed, "app/code")), 0);
}
static void replace_it(struct bed *bed)
{
        put(bed, "other", EVIL);
        assert_int_equal(rename(at(bed, "other"), at(bed, "app/code")), 0);
}
static void change_mode(struct bed *bed)
{
        assert_int_equal(chmod(at(bed, "app/code"), 0666), 0);
}
static void change_owner(struct bed *bed)
{
        assert_int_equal(chown(at(bed, "app/code"), 5, -1), 0);
}
static void change_time(struct bed *bed)
{
        const struct timespec times[] = { { .tv_sec = 5 }, { .tv_sec = 5 } };

        assert_int_equal(utimensat(AT_FDCWD, at(bed, "app/code"), times, 0), 0);
}
static void give_attribute(struct bed *bed)
{
        assert_int_equal(setxattr(at(bed, "app/code"), "trusted.evil", "x", 1, 0), 0);
}
static void set_flag(struct bed *bed)
{
        const int fd = open(at(bed, "app/code"), O_RDONLY | O_CLOEXEC);

        assert_int_equal(traits_set_flags(fd, FS_NODUMP_FL, FS_NODUMP_FL), 0);
        close(fd);
}
static void link_it(struct bed *bed)
{
        assert_int_equal(link(at(bed, "app/code"), at(bed, "mine")), 0);
}
static void put_folder(struct bed *bed)
{
        remove_it(bed);
        assert_int_equal(mkdir(at(bed, "app/code"), 0755), 0);
}
static void put_fifo(struct bed *bed)
{
        remove_it(bed);
        assert_int_equal(mkfifo(at(bed, "app/code"), 0644), 0);
}
static void mount_over(struct bed *bed)
{
        put(bed, "other", EVIL);
        assert_int_equal(mount(at(bed, "other"), at(bed, "app/code"), NULL, MS_BIND, NULL), 0);
}
static void put_link_in_the_way(struct bed *bed)
{
        assert_int_equal(rename(at(bed, "app"), at(bed, "away")), 0);
        assert_int_equal(symlink("away", at(bed, "app")), 0);
}
static void touch_it(struct bed *bed)
{
        assert_int_equal(chmod(at(bed, "app/code"), 0600), 0);
        assert_int_equal(chmod(at(bed, "app/code"), 0644), 0);
}

static void each_thing_that_is_done_to_it_is_seen(void **state)
{
        static const struct {
                const char *name;
                void (*act)(struct bed *bed);
                unsigned by_stat, by_all; /* at least */
                bool is_breach;
        } all[] = {
                { "write", write_it, LOOK_TIME | LOOK_CHANGED, LOOK_CONTENT, true },
                { "write, hidden", write_it_and_hide_that, LOOK_CHANGED, LOOK_CONTENT, true },
                { "lengthen", lengthen_it, LOOK_SIZE, LOOK_CONTENT | LOOK_SIZE, true },
                { "remove", remove_it, LOOK_GONE, LOOK_GONE, true },
                { "replace", replace_it, LOOK_INODE, LOOK_INODE | LOOK_CONTENT, true },
                { "chmod", change_mode, LOOK_MODE, LOOK_MODE, true },
                { "chown", change_owner, LOOK_OWNER, LOOK_OWNER, true },
                { "utimes", change_time, LOOK_TIME, LOOK_TIME, true },
                { "setxattr", give_attribute, LOOK_ATTRIBUTES, LOOK_ATTRIBUTES, true },
                { "another flag", set_flag, LOOK_FLAGS, LOOK_FLAGS, true },
                { "link", link_it, LOOK_NAMES, LOOK_NAMES, true },
                { "folder", put_folder, LOOK_KIND, LOOK_KIND, true },
                { "fifo", put_fifo, LOOK_KIND, LOOK_KIND, true },
                { "mount", mount_over, LOOK_MOUNTED, LOOK_MOUNTED, true },
                { "touch", touch_it, LOOK_CHANGED, LOOK_CHANGED, false },
                { "link in the way", put_link_in_the_way, LOOK_UNREACHED, LOOK_UNREACHED, true },
        };
        struct bed *bed = *state;
        char text[LOOK_TEXT_MAX];

        NEEDS_ROOT;
        for (size_t n = 0; n < sizeof(all) / sizeof(all[0]); n++) {
                const struct manifest_entry *entry;
                uint32_t flags;
                int fd;

                (void)umount(at(bed, "app/code"));
                (void)rmdir(at(bed, "app/code"));
                (void)unlink(at(bed, "app/code"));
                put(bed, "app/code", GOOD);
                fd = open(at(bed, "app/code"), O_RDONLY | O_CLOEXEC);
                if (all[n].act == set_flag && traits_flags(fd, &flags) < 0) {
                        close(fd);
                        continue;
                }
                close(fd);
                entry = seal(bed, "app/code", false);
                all[n].act(bed);
                assert_int_equal(sweep(bed, LOOK_AT_STAT, NULL), 1);
                assert_string_equal(bed->last_path, entry->path);
                if ((bed->last.differences & all[n].by_stat) != all[n].by_stat)
                        fail_msg("%s: %s", all[n].name, look_words(bed->last.differences, text));
                assert_int_equal(sweep(bed, LOOK_AT_ALL, NULL), 1);
                if ((bed->last.differences & all[n].by_all) != all[n].by_all ||
                    look_is_breach(bed->last.differences) != all[n].is_breach || bed->last.differences & LOOK_BENEATH)
                        fail_msg("%s: %s", all[n].name, look_words(bed->last.differences, text));
        }
}

static void a_flag_that_was_taken_off_is_seen(void **state)
{
        struct bed *bed = *state;
        const struct manifest_entry *entry;

        NEEDS_ROOT;
        put(bed, "app/code", GOOD);
        entry = seal(bed, "app/code", true);
        if (!(entry->flags & TRAITS_IMMUTABLE))
                return; /* this file system has none */
        assert_int_equal(seal_lift(entry->path), 0);
        assert_int_equal(sweep(bed, LOOK_AT_STAT, NULL), 1);
        assert_true(bed->last.differences & LOOK_FLAGS);
        assert_true(look_is_breach(bed->last.differences));
}

static void a_folder_counts_by_what_it_is_and_not_by_what_is_in_it(void **state)
{
        struct bed *bed = *state;

        NEEDS_ROOT;
        seal(bed, "app", false);
        put(bed, "app/new", GOOD);
        assert_int_equal(sweep(bed, LOOK_AT_ALL, NULL), 0);
        assert_int_equal(chmod(at(bed, "app"), 0777), 0);
        assert_int_equal(sweep(bed, LOOK_AT_STAT, NULL), 1);
        assert_int_equal(bed->last.differences, LOOK_MODE);
        assert_int_equal(rename(at(bed, "app"), at(bed, "away")), 0);
        assert_int_equal(mkdir(at(bed, "app"), 0755), 0);
        assert_int_equal(sweep(bed, LOOK_AT_STAT, NULL), 1);
        assert_int_equal(bed->last.differences, LOOK_INODE);
        assert_int_equal(mount(at(bed, "away"), at(bed, "app"), NULL, MS_BIND, NULL), 0);
        assert_int_equal(chmod(at(bed, "away"), 0755), 0);
        assert_int_equal(sweep(bed, LOOK_AT_STAT, NULL), 0); /* it is the very one again */
        assert_int_equal(umount(at(bed, "app")), 0);
        put(bed, "away/x", GOOD);
        assert_int_equal(mount(at(bed, ""), at(bed, "app"), NULL, MS_BIND, NULL), 0);
        assert_int_equal(sweep(bed, LOOK_AT_STAT, NULL), 1);
        assert_int_equal(bed->last.differences, LOOK_MOUNTED);
        assert_int_equal(umount(at(bed, "app")), 0);
}

/* ---- past the cache ----------------------------------------------------------------------------------------------------- */

/* Writes over the first block of the file where the disk has it. */
static void write_past_the_file_system(const struct bed *bed, const char *name, const char *text)
{
        int file = open(at(bed, name), O_RDONLY | O_CLOEXEC), block = 0, size = 0;
        const int disk = open(bed->place.device, O_RDWR | O_CLOEXEC);

        assert_true(file >= 0);
        if (disk < 0)
                fail_msg("%s: %s", bed->place.device, strerror(errno));
        assert_int_equal(fsync(file), 0);
        assert_int_equal(ioctl(file, FIGETBSZ, &size), 0);
        assert_int_equal(ioctl(file, FIBMAP, &block), 0);
        assert_int_not_equal(block, 0);
        assert_int_equal(pwrite(disk, text, strlen(text), (off_t)block * size), strlen(text));
        assert_int_equal(fsync(disk), 0);
        close(disk);
        close(file);
}

static void what_was_written_past_the_file_system_is_seen_though_the_cache_hides_it(void **state)
{
        struct bed *bed = *state;
        const struct manifest_entry *entry;
        struct seal_outcome outcome;
        char *text, *map;
        int fd;

        NEEDS_ROOT;
        put(bed, "app/code", GOOD);
        entry = seal(bed, "app/code", true);
        fd = open(entry->path, O_RDONLY | O_CLOEXEC);
        map = mmap(NULL, strlen(GOOD), PROT_READ, MAP_SHARED, fd,
                   0); /* it stays in the cache, whoever advises otherwise */
        assert_ptr_not_equal(map, MAP_FAILED);
        assert_memory_equal(map, GOOD, strlen(GOOD));
        write_past_the_file_system(bed, "app/code", EVIL);
        assert_int_equal(file_read(entry->path, 1000, &text, NULL), 0);
        assert_string_equal(text, GOOD); /* as everybody sees it, until the cache forgets */
        free(text);
        assert_int_equal(sweep(bed, LOOK_AT_STAT, NULL), 0);
        assert_int_equal(sweep(bed, LOOK_AT_ALL, NULL), 1);
        assert_int_equal(bed->last.differences, LOOK_CONTENT | LOOK_BENEATH);
        munmap(map, strlen(GOOD));
        close(fd);
        note(bed, seal_restore(&bed->sealer, entry, &outcome), &outcome);
        seal_settle(&bed->sealer, entry, &outcome);
        assert_int_equal(sweep(bed, LOOK_AT_ALL, NULL), 0);
}

/* ---- in steps ----------------------------------------------------------------------------------------------------------- */

static void a_large_file_is_read_in_steps(void **state)
{
        enum { SIZE = 3 << 20 };
        struct bed *bed = *state;
        char *large = malloc(SIZE + 1);
        unsigned steps;

        memset(large, 'x', SIZE);
        large[SIZE] = '\0';
        NEEDS_ROOT;
        put(bed, "app/large", large + 1); /* no whole number of anything */
        seal(bed, "app/large", false);
        assert_int_equal(sweep(bed, LOOK_AT_ALL, &steps), 0);
        assert_in_range(steps, SIZE / (256 << 10), SIZE / (256 << 10) + 2);
        large[SIZE / 2] = 'y';
        put(bed, "app/large", large + 1);
        assert_int_equal(sweep(bed, LOOK_AT_ALL, NULL), 1);
        assert_true(bed->last.differences & LOOK_CONTENT);
        free(large);
}

struct dropping {
        struct bed *bed;
        bool seen[64];
};

static void on_changed(void *self, const struct manifest_entry *entry, int r, const struct look_found *found)
{
        struct dropping *dropping = self;

        assert_int_equal(r, 0);
        assert_true(found->differences & LOOK_MODE);
        dropping->seen[atoi(strrchr(entry->path, '-') + 1)] = true;
}

static void nothing_is_left_out_while_others_come_and_go(void **state)
{
        struct bed *bed = *state;
        struct dropping dropping = { .bed = bed };
        struct look_sweep all = { .depth = LOOK_AT_STAT, .differs = on_changed, .self = &dropping };
        char name[32];

        NEEDS_ROOT;
        all.manifest = bed->manifest;
        for (unsigned n = 0; n < 64; n++) {
                snprintf(name, sizeof(name), "app/file-%02u", n);
                put(bed, name, GOOD);
                seal(bed, name, false);
                assert_int_equal(chmod(at(bed, name), 0600), 0);
        }
        assert_int_equal(look_sweep_begin(&all), 0);
        for (unsigned n = 0; look_sweep_on(&all, 3); n++) {
                snprintf(name, sizeof(name), "app/file-%02u", n * 7 % 64);
                if (n < 16)
                        assert_int_equal(manifest_drop(bed->manifest, at(bed, name)), 0);
                dropping.seen[n < 16 ? n * 7 % 64 : 0] |= n < 16;
                snprintf(name, sizeof(name), "app/new-%02u", n);
                put(bed, name, GOOD);
                seal(bed, name, false);
        }
        look_sweep_end(&all);
        for (unsigned n = 0; n < 64; n++)
                assert_true(dropping.seen[n]);
}

/* ---- what the rules match ----------------------------------------------------------------------------------------------- */

static bool owns(void *self, struct manifest_entry *wanted)
{
        (void)self;
        wanted->class = GUARD_PROTECTED;
        wanted->rule = 3;
        return !path_excepted("*.tmp", wanted->path);
}

static bool enters(void *self, const char *folder)
{
        (void)self;
        return !path_excepted("__pycache__", folder);
}

static void tell(struct bed *bed, const char *kind, const char *path, const char *why)
{
        const size_t length = strlen(bed->place.path), used = strlen(bed->seen);

        snprintf(bed->seen + used, sizeof(bed->seen) - used, "%s%s%s%s\n", kind,
                 strncmp(path, bed->place.path, length) == 0 ? path + length : path, why ? ": " : "", why ? why : "");
}

static void on_file(void *self, const struct manifest_entry *wanted, const struct stat *st)
{
        assert_int_equal(wanted->class, GUARD_PROTECTED);
        assert_int_equal(wanted->rule, 3);
        tell(self, S_ISLNK(st->st_mode) ? "link " : S_ISREG(st->st_mode) ? "file " : "other ", wanted->path, NULL);
}

static void on_folder(void *self, const char *path)
{
        tell(self, "folder ", path, NULL);
}

static void on_left_out(void *self, const char *pattern, const char *why)
{
        tell(self, "left ", pattern, why);
}

/* What a scan tells, in the order of its lines. */
static const char *scan(struct bed *bed, const char *const *names, unsigned n)
{
        static char sorted[4096];
        char patterns[8][PATH_MAX], command[128];
        const char *list[8];
        struct scan scan = { .patterns = list,
                             .patterns_n = n,
                             .manifest = bed->manifest,
                             .owns = owns,
                             .enters = enters,
                             .found = on_file,
                             .folder = on_folder,
                             .left_out = on_left_out,
                             .self = bed };
        char path[96];
        FILE *pipe;

        for (unsigned i = 0; i < n; i++) {
                snprintf(patterns[i], PATH_MAX, "%s/%s", bed->place.path, names[i]);
                list[i] = patterns[i];
        }
        bed->seen[0] = '\0';
        scan_begin(&scan);
        while (scan_on(&scan, 2))
                ;
        scan_end(&scan);
        snprintf(path, sizeof(path), "%s/seen", bed->store);
        assert_int_equal(file_write_atomic(path, bed->seen, strlen(bed->seen), 0600), 0);
        snprintf(command, sizeof(command), "LC_ALL=C sort '%s'", path);
        pipe = popen(command, "r");
        sorted[fread(sorted, 1, sizeof(sorted) - 1, pipe)] = '\0';
        pclose(pipe);
        return sorted;
}

static void what_the_rules_match_is_found_and_no_link_is_followed(void **state)
{
        static const char *const patterns[] = { "app/**", "one", "lane/**", "dir", "missing", "lane/x" };
        struct bed *bed = *state;

        NEEDS_ROOT;
        assert_int_equal(mkdir(at(bed, "app/in"), 0755), 0);
        assert_int_equal(mkdir(at(bed, "app/__pycache__"), 0755), 0);
        assert_int_equal(mkdir(at(bed, "dir"), 0755), 0);
        put(bed, "app/a", GOOD);
        put(bed, "app/in/b", GOOD);
        put(bed, "app/in/c.tmp", GOOD);
        put(bed, "app/__pycache__/d", GOOD);
        put(bed, "app/.governor-00000000", GOOD);
        put(bed, "dir/outside", GOOD);
        put(bed, "one", GOOD);
        put(bed, "two", GOOD);
        assert_int_equal(symlink("../dir", at(bed, "app/elsewhere")), 0);
        assert_int_equal(symlink("app", at(bed, "lane")), 0);
        assert_int_equal(mkfifo(at(bed, "app/pipe"), 0600), 0);
        assert_string_equal(scan(bed, patterns, 6),
                            "file /app/a\n"
                            "file /app/in/b\n"
                            "file /one\n"
                            "folder \n"
                            "folder \n"
                            "folder /app\n"
                            "folder /app/in\n"
                            "left /dir: it is a folder: what is in it is meant by a '/' at the end\n"
                            "left /lane/**: the folder it begins with is not there, or a link is on the way\n"
                            "left /lane/x: a symbolic link is on the way, which is not followed\n"
                            "left /missing: it is not there\n"
                            "link /app/elsewhere\n"
                            "other /app/pipe\n");
        seal(bed, "app/a", false);
        seal(bed, "app", false);
        assert_string_equal(scan(bed, patterns, 1), "file /app/in/b\n"
                                                    "folder /app/in\n"
                                                    "link /app/elsewhere\n"
                                                    "other /app/pipe\n");
}

#define ON_BOTH(test)                                             \
        { #test " (ext4)", test, on_ext4, tear_down, NULL },      \
        {                                                         \
#test " (tmpfs)", test, on_tmpfs, tear_down, NULL \
        }

int main(void)
{
        const struct CMUnitTest tests[] = {
                ON_BOTH(what_was_sealed_is_as_it_was_sealed),
                ON_BOTH(each_thing_that_is_done_to_it_is_seen),
                ON_BOTH(a_flag_that_was_taken_off_is_seen),
                ON_BOTH(a_folder_counts_by_what_it_is_and_not_by_what_is_in_it),
                cmocka_unit_test_setup_teardown(what_was_written_past_the_file_system_is_seen_though_the_cache_hides_it,
                                                on_ext4, tear_down),
                ON_BOTH(a_large_file_is_read_in_steps),
                ON_BOTH(nothing_is_left_out_while_others_come_and_go),
                ON_BOTH(what_the_rules_match_is_found_and_no_link_is_followed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
