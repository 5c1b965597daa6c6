/* Files that are sealed and put back on real file systems: whatever somebody made of the place, and with nothing lost. */
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
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/text.h"
#include "guard/seal.h"
#include "guard/traits.h"
#include "guard_place.h"
#include "io/file.h"

#define GOOD "the good words\n"
#define EVIL "EVIL: other words, and more of them\n"

struct bed {
        struct place place;
        enum place_kind kind;
        char store[64];
        struct vault *vault;
        struct manifest *manifest;
        struct sealer sealer;
        struct seal_outcome outcome;
        uint8_t evil[DIGEST_SIZE];
        char marked[PATH_MAX];
        int mark_says;
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

        if (fd < 0)
                fail_msg("%s: %s", name, strerror(errno));
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static void expect(const struct bed *bed, const char *name, const char *text)
{
        char *found = NULL;
        const int r = file_read(at(bed, name), 1 << 24, &found, NULL);

        if (text ? r < 0 : r != -ENOENT)
                fail_msg("%s: %s", name, strerror(-r));
        if (text)
                assert_string_equal(found, text);
        free(found);
}

static int mark(void *self, const char *path)
{
        struct bed *bed = self;
        uint32_t flags = 0;
        const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

        assert_true(fd >= 0);
        (void)traits_flags(fd, &flags);
        assert_int_equal(flags & TRAITS_IMMUTABLE, 0); /* it is asked before */
        close(fd);
        snprintf(bed->marked, sizeof(bed->marked), "%s", path);
        return bed->mark_says;
}

static void open_vault(struct bed *bed, const struct vault_limits *limits)
{
        char path[96];

        vault_free(bed->vault);
        snprintf(path, sizeof(path), "%s/vault", bed->store);
        assert_int_equal(vault_open(path, limits, &bed->vault), 0);
        bed->sealer.vault = bed->vault;
}

static int set_up(void **state, enum place_kind kind)
{
        struct bed *bed = calloc(1, sizeof(*bed));

        *state = bed;
        if (!place_may())
                return 0;
        bed->kind = kind;
        place_make(&bed->place, kind);
        strcpy(bed->store, "/tmp/guard-store-XXXXXX");
        assert_non_null(mkdtemp(bed->store));
        assert_int_equal(manifest_new(&bed->manifest), 0);
        bed->sealer = (struct sealer){ .manifest = bed->manifest, .mark = mark, .self = bed };
        open_vault(bed, &VAULT_LIMITS_DEFAULT);
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

/* Seals it and writes it down; a copy of the entry. */
static struct manifest_entry seal(struct bed *bed, const char *name)
{
        const struct manifest_entry wanted = { .path = at(bed, name), .class = GUARD_UNTOUCHABLE, .immutable = true };
        const int r = seal_take(&bed->sealer, &wanted, &bed->outcome);

        if (r < 0)
                fail_msg("%s: %s (%s)", name, strerror(-r), bed->outcome.text);
        assert_int_equal(manifest_set(bed->manifest, &bed->outcome.entry), 0);
        return *manifest_find(bed->manifest, wanted.path);
}

static void seal_a_folder(struct bed *bed, const char *name, bool immutable)
{
        const struct manifest_entry wanted = { .path = at(bed, name), .immutable = immutable };

        assert_int_equal(seal_folder(&bed->sealer, &wanted, &bed->outcome), 0);
        assert_int_equal(manifest_set(bed->manifest, &bed->outcome.entry), 0);
}

static void restore(struct bed *bed, const struct manifest_entry *entry)
{
        const int r = seal_restore(&bed->sealer, entry, &bed->outcome);

        if (r < 0)
                fail_msg("%s (%s)", strerror(-r), bed->outcome.text);
        seal_settle(&bed->sealer, entry, &bed->outcome);
        assert_int_equal(bed->outcome.notes & SEAL_NOT_SAFE, 0);
}

/* All that the entry says is so now, but for which inode it is and when that was made. */
static void expect_sealed(struct bed *bed, const struct manifest_entry *entry, const char *text)
{
        struct manifest_entry now = *entry;
        char *found = NULL;
        size_t size;
        const int fd = open(entry->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;

        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_nlink, 1);
        assert_int_equal(traits_take(fd, &now), 0);
        assert_int_equal(file_read(entry->path, 1 << 24, &found, &size), 0);
        digest_whole(found, size, now.state.digest);
        assert_string_equal(found, text);
        free(found);
        assert_true(file_state_same(&now.state, &entry->state));
        assert_memory_equal(now.attributes, entry->attributes, DIGEST_SIZE);
        assert_int_equal(now.flags, entry->flags);
        assert_int_equal(now.modified_ns, entry->modified_ns);
        assert_true(now.inode == bed->outcome.entry.inode && now.changed_ns == bed->outcome.entry.changed_ns);
        close(fd);
}

/* Nothing of ours stands in the folder. */
static unsigned count_hidden(const struct bed *bed, const char *name)
{
        DIR *dir = opendir(at(bed, name));
        const struct dirent *entry;
        unsigned n = 0;

        assert_non_null(dir);
        while ((entry = readdir(dir)))
                n += strncmp(entry->d_name, ".governor", strlen(".governor")) == 0;
        closedir(dir);
        return n;
}

static void expect_kept(struct bed *bed, const char *text)
{
        uint8_t digest[DIGEST_SIZE];
        char *found;
        size_t size;

        digest_whole(text, strlen(text), digest);
        assert_int_equal(vault_get(bed->vault, digest, 1 << 20, &found, &size), 0);
        assert_string_equal(found, text);
        free(found);
}

static bool has_flags(const struct bed *bed)
{
        uint32_t flags;
        const int fd = open(bed->place.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const bool has = traits_flags(fd, &flags) >= 0;

        close(fd);
        return has;
}

/* An ACL that lets user 4321 read: version 2; user, that user, group, mask, others. */
static const uint8_t acl[] = { 2, 0,    0,    0,    1,    0,    6,    0, 0xff, 0xff, 0xff, 0xff, 2,    0,    4,
                               0, 0xe1, 0x10, 0,    0,    4,    0,    4, 0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,
                               4, 0,    0xff, 0xff, 0xff, 0xff, 0x20, 0, 0,    0,    0xff, 0xff, 0xff, 0xff };

static void give_traits(const struct bed *bed, const char *name)
{
        const struct timespec times[] = { { .tv_sec = 1000 }, { .tv_sec = 1700000000, .tv_nsec = 123000000 } };

        assert_int_equal(setxattr(at(bed, name), "trusted.note", "a note", 6, 0), 0);
        assert_int_equal(setxattr(at(bed, name), "trusted.empty", "", 0, 0), 0);
        assert_int_equal(chown(at(bed, name), 1234, 5678), 0);
        assert_int_equal(setxattr(at(bed, name), "system.posix_acl_access", acl, sizeof(acl), 0), 0);
        assert_int_equal(chmod(at(bed, name), 04745), 0);
        assert_int_equal(utimensat(AT_FDCWD, at(bed, name), times, 0), 0);
}

static void a_sealed_file_is_a_fresh_inode_with_all_that_the_old_one_had(void **state)
{
        struct bed *bed = *state;
        struct manifest_entry entry;
        struct stat before, after;
        char value[64], had[64], *list;
        size_t size;
        int fd;

        NEEDS_ROOT;
        put(bed, "app/code.js", GOOD);
        give_traits(bed, "app/code.js");
        assert_int_equal(stat(at(bed, "app/code.js"), &before), 0);
        assert_int_equal(getxattr(at(bed, "app/code.js"), "system.posix_acl_access", had, sizeof(had)), sizeof(acl));
        entry = seal(bed, "app/code.js");
        assert_int_equal(stat(at(bed, "app/code.js"), &after), 0);
        assert_int_not_equal(before.st_ino, after.st_ino);
        assert_int_equal(entry.inode, after.st_ino);
        assert_int_equal(after.st_mode, before.st_mode);
        assert_int_equal(after.st_uid, 1234);
        assert_int_equal(after.st_gid, 5678);
        assert_int_equal(after.st_mtim.tv_sec, 1700000000);
        assert_int_equal(after.st_mtim.tv_nsec, 123000000);
        assert_int_equal(getxattr(entry.path, "trusted.note", value, sizeof(value)), 6);
        assert_int_equal(getxattr(entry.path, "trusted.empty", value, sizeof(value)), 0);
        assert_int_equal(getxattr(entry.path, "system.posix_acl_access", value, sizeof(value)), sizeof(acl));
        assert_memory_equal(value, had, sizeof(acl));
        assert_int_equal(vault_get(bed->vault, entry.attributes, 10000, &list, &size), 0);
        free(list);
        expect_sealed(bed, &entry, GOOD);
        expect_kept(bed, GOOD);
        assert_int_equal(count_hidden(bed, "app"), 0);
        assert_string_equal(bed->marked, entry.path);
        assert_int_equal(bed->outcome.notes, has_flags(bed) ? 0 : SEAL_NO_FLAGS);
        if (has_flags(bed)) {
                fd = open(entry.path, O_WRONLY | O_CLOEXEC);
                assert_true(fd < 0 && errno == EPERM);
                assert_int_equal(unlink(entry.path), -1);
        }
        assert_int_equal(seal_lift(entry.path), 0);
        put(bed, "app/code.js", EVIL);
}

/* ---- what somebody may make of the place -------------------------------------------------------------------------------- */

static void make_nothing(struct bed *bed)
{
        (void)bed;
}
static void write_it(struct bed *bed)
{
        put(bed, "app/code.js", EVIL);
}
static void cut_it(struct bed *bed)
{
        assert_int_equal(truncate(at(bed, "app/code.js"), 3), 0);
}
static void remove_it(struct bed *bed)
{
        assert_int_equal(unlink(at(bed, "app/code.js")), 0);
}
static void put_another(struct bed *bed)
{
        put(bed, "app/another", EVIL);
        assert_int_equal(rename(at(bed, "app/another"), at(bed, "app/code.js")), 0);
}
static void change_mode(struct bed *bed)
{
        assert_int_equal(chmod(at(bed, "app/code.js"), 0777), 0);
}
static void change_owner(struct bed *bed)
{
        assert_int_equal(chown(at(bed, "app/code.js"), 99, 99), 0);
}
static void change_times(struct bed *bed)
{
        assert_int_equal(utimensat(AT_FDCWD, at(bed, "app/code.js"), NULL, 0), 0);
}
static void change_xattrs(struct bed *bed)
{
        assert_int_equal(removexattr(at(bed, "app/code.js"), "trusted.note"), 0);
        assert_int_equal(removexattr(at(bed, "app/code.js"), "system.posix_acl_access"), 0);
        assert_int_equal(setxattr(at(bed, "app/code.js"), "trusted.evil", "x", 1, 0), 0);
}
static void put_link(struct bed *bed)
{
        put(bed, "elsewhere", EVIL);
        remove_it(bed);
        assert_int_equal(symlink(at(bed, "elsewhere"), at(bed, "app/code.js")), 0);
}
static void put_fifo(struct bed *bed)
{
        remove_it(bed);
        assert_int_equal(mkfifo(at(bed, "app/code.js"), 0666), 0);
}
static void put_device(struct bed *bed)
{
        remove_it(bed);
        assert_int_equal(mknod(at(bed, "app/code.js"), S_IFCHR | 0666, 0x103), 0);
}
static void put_folder(struct bed *bed)
{
        remove_it(bed);
        assert_int_equal(mkdir(at(bed, "app/code.js"), 0777), 0);
}
static void fix_another(struct bed *bed)
{
        const int fd = (put_another(bed), open(at(bed, "app/code.js"), O_RDONLY | O_CLOEXEC));

        (void)traits_set_flags(fd, TRAITS_FIXED, TRAITS_FIXED);
        close(fd);
}
static void link_it(struct bed *bed)
{
        write_it(bed);
        assert_int_equal(link(at(bed, "app/code.js"), at(bed, "app/mine")), 0);
}

static void whatever_is_made_of_it_is_as_it_was_and_what_was_found_is_kept(void **state)
{
        static const struct {
                const char *name;
                void (*attack)(struct bed *bed);
                const char *found; /* NULL: nothing to keep */
                unsigned notes;
        } all[] = {
                { "nothing", make_nothing, GOOD, 0 },
                { "write", write_it, EVIL, 0 },
                { "truncate", cut_it, "the", 0 },
                { "unlink", remove_it, NULL, 0 },
                { "rename over", put_another, EVIL, 0 },
                { "chmod", change_mode, GOOD, 0 },
                { "chown", change_owner, GOOD, 0 },
                { "utimes", change_times, GOOD, 0 },
                { "xattrs", change_xattrs, GOOD, 0 },
                { "symlink", put_link, NULL, 0 },
                { "fifo", put_fifo, NULL, 0 },
                { "device", put_device, NULL, 0 },
                { "folder", put_folder, NULL, 0 },
                { "immutable", fix_another, EVIL, 0 },
                { "hard link", link_it, EVIL, SEAL_HAD_NAMES },
        };
        struct bed *bed = *state;
        struct manifest_entry entry;

        NEEDS_ROOT;
        put(bed, "app/code.js", GOOD);
        give_traits(bed, "app/code.js");
        entry = seal(bed, "app/code.js");
        for (size_t n = 0; n < sizeof(all) / sizeof(all[0]); n++) {
                assert_int_equal(seal_lift(entry.path), 0); /* as root may */
                all[n].attack(bed);
                restore(bed, &entry);
                expect_sealed(bed, &entry, GOOD);
                if ((bed->outcome.notes & ~(unsigned)SEAL_NO_FLAGS) != all[n].notes)
                        fail_msg("%s: notes %x", all[n].name, bed->outcome.notes);
                if (all[n].found) {
                        expect_kept(bed, all[n].found);
                        assert_true(bed->outcome.kept);
                        assert_int_equal(bed->outcome.found.size, strlen(all[n].found));
                }
                assert_int_equal(count_hidden(bed, "app"), 0);
        }
        assert_int_equal(seal_lift(at(bed, "app/mine")), 0);
        expect(bed, "app/mine", EVIL); /* his own name, his own bytes */
        expect(bed, "elsewhere", EVIL);
}

static void a_folder_that_is_not_empty_is_set_aside_with_all_that_is_in_it(void **state)
{
        struct bed *bed = *state;
        struct manifest_entry entry;
        char text[SEAL_TEXT_MAX], name[96];
        unsigned found = 0;
        DIR *dir;

        NEEDS_ROOT;
        put(bed, "app/code.js", GOOD);
        entry = seal(bed, "app/code.js");
        assert_int_equal(seal_lift(entry.path), 0);
        put_folder(bed);
        put(bed, "app/code.js/work", EVIL);
        restore(bed, &entry);
        expect_sealed(bed, &entry, GOOD);
        assert_true(bed->outcome.notes & SEAL_SET_ASIDE);
        assert_non_null(strstr(seal_notes(bed->outcome.notes, text), "stands beside it"));
        dir = opendir(at(bed, "app"));
        for (const struct dirent *each; (each = readdir(dir));)
                if (strncmp(each->d_name, ".governor-found-", 16) == 0) {
                        snprintf(name, sizeof(name), "app/%.60s/work", each->d_name);
                        expect(bed, name, EVIL);
                        found++;
                }
        closedir(dir);
        assert_int_equal(found, 1);
}

static void a_link_is_sealed_and_put_back_as_a_link(void **state)
{
        struct bed *bed = *state;
        struct manifest_entry entry;
        char target[64];

        NEEDS_ROOT;
        assert_int_equal(symlink("releases/7", at(bed, "app/now")), 0);
        assert_int_equal(lchown(at(bed, "app/now"), 12, 13), 0);
        entry = seal(bed, "app/now");
        assert_true(S_ISLNK(entry.state.mode));
        unlink(entry.path);
        assert_int_equal(symlink("/etc/passwd", entry.path), 0);
        restore(bed, &entry);
        assert_int_equal(readlink(entry.path, target, sizeof(target)), strlen("releases/7"));
        assert_memory_equal(target, "releases/7", strlen("releases/7"));
        assert_int_equal(bed->outcome.entry.state.uid, 12);
        expect_kept(bed, "/etc/passwd");
        unlink(entry.path);
        put(bed, "app/now", EVIL);
        restore(bed, &entry);
        assert_int_equal(readlink(entry.path, target, sizeof(target)), strlen("releases/7"));
        expect_kept(bed, EVIL);
        assert_int_equal(count_hidden(bed, "app"), 0);
}

static void who_has_it_open_or_mapped_writes_to_the_old_one(void **state)
{
        struct bed *bed = *state;
        struct manifest_entry entry;
        char *map;
        int fd;

        NEEDS_ROOT;
        put(bed, "app/code.js", GOOD);
        entry = seal(bed, "app/code.js");
        assert_int_equal(seal_lift(entry.path), 0);
        write_it(bed);
        fd = open(entry.path, O_RDWR | O_CLOEXEC);
        map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        assert_ptr_not_equal(map, MAP_FAILED);
        restore(bed, &entry);
        memcpy(map, "EVIL AGAIN", 10);
        assert_int_equal(pwrite(fd, "EVIL", 4, 4), 4);
        assert_int_equal(msync(map, 4096, MS_SYNC), 0);
        expect_sealed(bed, &entry, GOOD);
        munmap(map, 4096);
        close(fd);
        expect_sealed(bed, &entry, GOOD);
}

static void what_is_open_for_writing_is_not_sealed(void **state)
{
        const struct manifest_entry wanted = { .path = NULL };
        struct bed *bed = *state;
        struct manifest_entry entry = wanted;
        char *map;
        int fd;

        NEEDS_ROOT;
        put(bed, "app/code.js", GOOD);
        entry.path = at(bed, "app/code.js");
        fd = open(entry.path, O_RDWR | O_CLOEXEC);
        assert_int_equal(seal_take(&bed->sealer, &entry, &bed->outcome), -EBUSY);
        assert_non_null(strstr(bed->outcome.text, "is open for writing"));
        map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        assert_int_equal(seal_take(&bed->sealer, &entry, &bed->outcome), -EBUSY);
        munmap(map, 4096);
        assert_int_equal(seal_take(&bed->sealer, &entry, &bed->outcome), 0);
        expect(bed, "app/code.js", GOOD);
}

static void new_content_is_sealed_in_the_place_of_the_old(void **state)
{
        struct bed *bed = *state;
        struct manifest_entry entry;

        NEEDS_ROOT;
        put(bed, "app/code.js", GOOD);
        give_traits(bed, "app/code.js");
        entry = seal(bed, "app/code.js");
        assert_int_equal(vault_put(bed->vault, "approved", 8, entry.state.digest), 0);
        entry.state.size = 8;
        assert_int_equal(seal_put(&bed->sealer, &entry, &bed->outcome), 0);
        assert_true(bed->outcome.kept);
        expect_sealed(bed, &bed->outcome.entry, "approved");
        assert_int_equal(count_hidden(bed, "app"), 0);
}

/* ---- folders ------------------------------------------------------------------------------------------------------------ */

static void a_folder_that_was_renamed_gets_the_file_again_and_it_is_said(void **state)
{
        struct bed *bed = *state;
        struct manifest_entry entry;

        NEEDS_ROOT;
        put(bed, "app/code.js", GOOD);
        seal_a_folder(bed, "app", false);
        entry = seal(bed, "app/code.js");
        assert_int_equal(rename(at(bed, "app"), at(bed, "away")), 0);
        assert_int_equal(mkdir(at(bed, "app"), 0777), 0);
        put(bed, "app/code.js", EVIL);
        restore(bed, &entry);
        expect_sealed(bed, &entry, GOOD);
        expect_kept(bed, EVIL);
        assert_true(bed->outcome.notes & SEAL_ANOTHER_FOLDER);
        expect(bed, "away/code.js", GOOD);
}

static void folders_that_are_gone_are_made_again_as_they_were(void **state)
{
        struct bed *bed = *state;
        struct manifest_entry entry;
        struct stat st;

        NEEDS_ROOT;
        assert_int_equal(mkdir(at(bed, "app/core"), 0755), 0);
        put(bed, "app/core/code.js", GOOD);
        assert_int_equal(chown(at(bed, "app/core"), 77, 78), 0);
        assert_int_equal(chmod(at(bed, "app/core"), 02751), 0);
        assert_int_equal(setxattr(at(bed, "app/core"), "trusted.note", "hm", 2, 0), 0);
        seal_a_folder(bed, "app", false);
        seal_a_folder(bed, "app/core", false);
        entry = seal(bed, "app/core/code.js");
        assert_int_equal(rename(at(bed, "app"), at(bed, "away")), 0);
        restore(bed, &entry);
        expect_sealed(bed, &entry, GOOD);
        assert_true(bed->outcome.notes & SEAL_FOLDER_MADE);
        assert_int_equal(stat(at(bed, "app/core"), &st), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 02751);
        assert_int_equal(st.st_uid, 77);
        assert_int_equal(st.st_gid, 78);
        assert_int_equal(getxattr(at(bed, "app/core"), "trusted.note", NULL, 0), 2);
}

static void an_immutable_folder_lets_us_in_and_is_immutable_again(void **state)
{
        struct bed *bed = *state;
        struct manifest_entry entry;

        NEEDS_ROOT;
        put(bed, "app/code.js", GOOD);
        entry = seal(bed, "app/code.js");
        seal_a_folder(bed, "app", true);
        if (!has_flags(bed)) {
                assert_int_equal(bed->outcome.notes, SEAL_NO_FLAGS);
                return;
        }
        assert_int_equal(open(at(bed, "app/new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), -1);
        assert_int_equal(seal_lift(entry.path), 0);
        write_it(bed);
        restore(bed, &entry);
        expect_sealed(bed, &entry, GOOD);
        expect_kept(bed, EVIL);
        assert_int_equal(open(at(bed, "app/new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), -1);
        assert_int_equal(count_hidden(bed, "app"), 0);
        assert_int_equal(seal_lift(at(bed, "app")), 0);
        put(bed, "app/new", GOOD);
}

static void no_link_on_the_way_is_followed(void **state)
{
        struct bed *bed = *state;
        struct manifest_entry entry;

        NEEDS_ROOT;
        put(bed, "app/code.js", GOOD);
        entry = seal(bed, "app/code.js");
        assert_int_equal(rename(at(bed, "app"), at(bed, "away")), 0);
        assert_int_equal(mkdir(at(bed, "trap"), 0755), 0);
        assert_int_equal(symlink("trap", at(bed, "app")), 0);
        assert_int_equal(seal_restore(&bed->sealer, &entry, &bed->outcome), -ELOOP);
        assert_non_null(strstr(bed->outcome.text, "symbolic link"));
        assert_int_equal(seal_take(&bed->sealer, &entry, &bed->outcome), -ELOOP);
        expect(bed, "trap/code.js", NULL);
        assert_int_equal(unlink(at(bed, "app")), 0);
        put(bed, "app", "a file");
        assert_int_equal(seal_restore(&bed->sealer, &entry, &bed->outcome), -ENOTDIR);
        assert_non_null(strstr(bed->outcome.text, "should be a folder"));
}

static void what_something_is_mounted_over_is_told_and_not_written(void **state)
{
        struct bed *bed = *state;
        struct manifest_entry entry;

        NEEDS_ROOT;
        put(bed, "app/code.js", GOOD);
        put(bed, "evil", EVIL);
        assert_int_equal(mkdir(at(bed, "evils"), 0755), 0);
        put(bed, "evils/code.js", EVIL);
        seal_a_folder(bed, "app", false);
        entry = seal(bed, "app/code.js");
        assert_int_equal(mount(at(bed, "evil"), entry.path, NULL, MS_BIND, NULL), 0);
        assert_int_equal(seal_restore(&bed->sealer, &entry, &bed->outcome), -EBUSY);
        assert_non_null(strstr(bed->outcome.text, "mounted over it"));
        assert_int_equal(seal_take(&bed->sealer, &entry, &bed->outcome), -EBUSY);
        expect(bed, "evil", EVIL);
        assert_int_equal(umount(entry.path), 0);
        assert_int_equal(mount(at(bed, "evils"), at(bed, "app"), NULL, MS_BIND, NULL), 0);
        assert_int_equal(seal_restore(&bed->sealer, &entry, &bed->outcome), -EBUSY);
        assert_non_null(strstr(bed->outcome.text, "mounted over its folder"));
        expect(bed, "evils/code.js", EVIL);
        assert_int_equal(umount(at(bed, "app")), 0);
        expect_sealed(bed, &entry, GOOD);
}

/* ---- what fails --------------------------------------------------------------------------------------------------------- */

static void a_file_system_that_is_read_only_or_full_is_told(void **state)
{
        struct bed *bed = *state;
        struct manifest_entry entry;
        char *large = calloc(1, 1 << 20);
        int fd, r;

        NEEDS_ROOT;
        memset(large, 'x', (1 << 20) - 1);
        put(bed, "app/code.js", large);
        entry = seal(bed, "app/code.js");
        assert_int_equal(seal_lift(entry.path), 0);
        write_it(bed);
        assert_int_equal(mount(NULL, bed->place.path, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
        assert_int_equal(seal_restore(&bed->sealer, &entry, &bed->outcome), -EROFS);
        assert_int_equal(mount(NULL, bed->place.path, NULL, MS_REMOUNT, NULL), 0);
        fd = open(at(bed, "filler"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        while (write(fd, large, 1 << 16) > 0)
                ;
        close(fd);
        r = seal_restore(&bed->sealer, &entry, &bed->outcome);
        assert_int_equal(r, -ENOSPC);
        assert_non_null(strstr(bed->outcome.text, "No space left"));
        assert_int_equal(count_hidden(bed, "app"), 0);
        expect(bed, "app/code.js", EVIL);
        assert_int_equal(unlink(at(bed, "filler")), 0);
        restore(bed, &entry);
        expect_sealed(bed, &entry, large);
        free(large);
}

static void what_does_not_fit_into_the_vault_stops_no_restore(void **state)
{
        static const struct vault_limits small = { .bytes_most = 200, .content_most = 100, .contents_most = 3 };
        struct bed *bed = *state;
        struct manifest_entry entry, wanted;
        char large[300];

        NEEDS_ROOT;
        open_vault(bed, &small);
        put(bed, "app/code.js", GOOD);
        entry = seal(bed, "app/code.js");
        assert_int_equal(seal_lift(entry.path), 0);
        memset(large, 'x', sizeof(large) - 1);
        large[sizeof(large) - 1] = '\0';
        put(bed, "app/code.js", large);
        restore(bed, &entry);
        expect_sealed(bed, &entry, GOOD);
        assert_true(bed->outcome.notes & SEAL_NOT_KEPT);
        assert_false(bed->outcome.kept);
        assert_int_equal(bed->outcome.found.size, 299); /* what it was is known nevertheless */
        put(bed, "app/large", large);
        wanted = (struct manifest_entry){ .path = at(bed, "app/large") };
        assert_int_equal(seal_take(&bed->sealer, &wanted, &bed->outcome), -EFBIG);
        expect(bed, "app/large", large);
}

static void what_the_vault_lost_is_told_and_the_place_is_left_alone(void **state)
{
        struct bed *bed = *state;
        struct manifest_entry entry;

        NEEDS_ROOT;
        put(bed, "app/code.js", GOOD);
        entry = seal(bed, "app/code.js");
        assert_int_equal(seal_lift(entry.path), 0);
        write_it(bed);
        assert_int_equal(vault_forget(bed->vault, entry.state.digest), 0);
        assert_int_equal(seal_restore(&bed->sealer, &entry, &bed->outcome), -ENOENT);
        assert_non_null(strstr(bed->outcome.text, "nothing is stored of it"));
        expect(bed, "app/code.js", EVIL);
}

static void what_cannot_be_written_down_before_is_not_made_immutable(void **state)
{
        struct bed *bed = *state;
        const struct manifest_entry *entry;

        NEEDS_ROOT;
        put(bed, "app/code.js", GOOD);
        bed->mark_says = -ENOSPC;
        seal(bed, "app/code.js");
        entry = manifest_find(bed->manifest, at(bed, "app/code.js"));
        assert_int_equal(bed->outcome.notes, SEAL_FLAGS_REFUSED);
        assert_int_equal(entry->flags, 0);
        assert_true(entry->immutable); /* it is still wanted */
}

static void what_a_crash_left_beside_it_is_kept_afterwards(void **state)
{
        struct bed *bed = *state;
        struct manifest_entry entry;

        NEEDS_ROOT;
        put(bed, "app/code.js", GOOD);
        entry = seal(bed, "app/code.js");
        assert_int_equal(seal_lift(entry.path), 0);
        write_it(bed);
        assert_int_equal(seal_restore(&bed->sealer, &entry, &bed->outcome), 0);
        assert_int_equal(count_hidden(bed, "app"), 1);
        /* here we die; another begins */
        bed->outcome = (struct seal_outcome){ .notes = 0 };
        seal_settle(&bed->sealer, &entry, &bed->outcome);
        assert_true(bed->outcome.kept);
        expect_kept(bed, EVIL);
        assert_int_equal(count_hidden(bed, "app"), 0);
}

/* He knows the name that we use in passing, and may write to the folder. */
static void nothing_that_is_put_in_our_way_stops_us(void **state)
{
        struct bed *bed = *state;
        struct manifest_entry entry;
        char name[64], inside[96];

        NEEDS_ROOT;
        put(bed, "app/code.js", GOOD);
        entry = seal(bed, "app/code.js");
        snprintf(name, sizeof(name), "app/.governor-%08x", text_hash(entry.path));
        snprintf(inside, sizeof(inside), "%s/inside", name);
        for (unsigned way = 0; way < 4; way++) {
                assert_int_equal(seal_lift(entry.path), 0);
                write_it(bed);
                assert_int_equal(vault_forget(bed->vault, (digest_whole(EVIL, strlen(EVIL), bed->evil), bed->evil)),
                                 way == 0 ? -ENOENT : 0);
                if (way == 0)
                        put(bed, name, "his own words");
                else
                        assert_int_equal(mkdir(at(bed, name), 0755), 0);
                if (way == 2)
                        put(bed, inside, "inside");
                if (way == 3)
                        assert_int_equal(mount("his", at(bed, name), "tmpfs", 0, NULL), 0);
                restore(bed, &entry);
                expect_sealed(bed, &entry, GOOD);
                expect_kept(bed, EVIL);
                if (way == 0)
                        expect_kept(bed, "his own words");
                if (way == 3)
                        assert_int_equal(umount(at(bed, name)), 0);
                assert_int_equal(count_hidden(bed, "app"), way < 2 ? 0 : way - 1);
        }
}

/* ---- races -------------------------------------------------------------------------------------------------------------- */

struct writer {
        const char *path;
        atomic_bool stop;
        atomic_ulong written;
};

static void *write_on(void *given)
{
        struct writer *writer = given;

        while (!writer->stop) {
                const int fd = open(writer->path, O_WRONLY | O_CLOEXEC);

                if (fd >= 0 && pwrite(fd, EVIL, strlen(EVIL), 0) > 0)
                        writer->written++;
                close(fd);
        }
        return NULL;
}

/* He wins sometimes; what he wins is found out, and what is called restored is so. */
static void a_writer_in_a_tight_loop_is_shut_out(void **state)
{
        struct bed *bed = *state;
        struct manifest_entry entry;
        struct writer writer = { .stop = false };
        pthread_t thread;

        NEEDS_ROOT;
        put(bed, "app/code.js", GOOD);
        entry = seal(bed, "app/code.js");
        assert_int_equal(seal_lift(entry.path), 0);
        writer.path = entry.path;
        assert_int_equal(pthread_create(&thread, NULL, write_on, &writer), 0);
        while (writer.written < 10)
                usleep(100);
        for (unsigned round = 0; round < 50; round++) {
                const int r = seal_restore(&bed->sealer, &entry, &bed->outcome);
                uint64_t inode = bed->outcome.entry.inode;

                if (r == -EAGAIN && !has_flags(bed))
                        continue; /* nothing keeps him out there */
                assert_int_equal(r, 0);
                if (has_flags(bed)) {
                        expect_sealed(bed, &entry, GOOD);
                        assert_int_equal(bed->outcome.entry.inode, inode);
                }
                seal_settle(&bed->sealer, &entry, &bed->outcome);
                assert_int_equal(seal_lift(entry.path), 0);
        }
        writer.stop = true;
        pthread_join(thread, NULL);
        restore(bed, &entry);
        expect_sealed(bed, &entry, GOOD);
        assert_int_equal(count_hidden(bed, "app"), 0);
        expect_kept(bed, EVIL);
}

#define ON_BOTH(test)                                             \
        { #test " (ext4)", test, on_ext4, tear_down, NULL },      \
        {                                                         \
#test " (tmpfs)", test, on_tmpfs, tear_down, NULL \
        }

int main(void)
{
        const struct CMUnitTest tests[] = {
                ON_BOTH(a_sealed_file_is_a_fresh_inode_with_all_that_the_old_one_had),
                ON_BOTH(whatever_is_made_of_it_is_as_it_was_and_what_was_found_is_kept),
                ON_BOTH(a_folder_that_is_not_empty_is_set_aside_with_all_that_is_in_it),
                ON_BOTH(a_link_is_sealed_and_put_back_as_a_link),
                ON_BOTH(who_has_it_open_or_mapped_writes_to_the_old_one),
                ON_BOTH(what_is_open_for_writing_is_not_sealed),
                ON_BOTH(new_content_is_sealed_in_the_place_of_the_old),
                ON_BOTH(a_folder_that_was_renamed_gets_the_file_again_and_it_is_said),
                ON_BOTH(folders_that_are_gone_are_made_again_as_they_were),
                ON_BOTH(an_immutable_folder_lets_us_in_and_is_immutable_again),
                ON_BOTH(no_link_on_the_way_is_followed),
                ON_BOTH(what_something_is_mounted_over_is_told_and_not_written),
                ON_BOTH(a_file_system_that_is_read_only_or_full_is_told),
                ON_BOTH(what_does_not_fit_into_the_vault_stops_no_restore),
                ON_BOTH(what_the_vault_lost_is_told_and_the_place_is_left_alone),
                ON_BOTH(what_cannot_be_written_down_before_is_not_made_immutable),
                ON_BOTH(what_a_crash_left_beside_it_is_kept_afterwards),
                ON_BOTH(nothing_that_is_put_in_our_way_stops_us),
                ON_BOTH(a_writer_in_a_tight_loop_is_shut_out),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
