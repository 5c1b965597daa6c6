/* The guard tells of every breach once, and puts back what it is asked to, for as long as somebody goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/path.h"
#include "guard/guard.h"
#include "guard/seal.h"
#include "guard_place.h"
#include "io/file.h"
#include "io/proc.h"

#define GOOD "the good words\n"
#define EVIL "EVIL words now\n" /* of the same length */
#define START (1000 * USEC_PER_SEC)

struct bed {
        struct place place;
        char store[64], vault_path[96], manifest_path[96], root[80];
        struct proc proc;
        struct vault *vault;
        struct guard *guard;
        char pattern[2][128];
        const char *patterns[2];
        struct guard_rule rule;
        usec_t now;
        bool restores; /* as the judge does: at once */

        unsigned breaches, restored, gaps, left_out, sealed, armed, unsealed;
        struct guard_breach last;
        char last_path[FILE_PATH_MAX], first_path[FILE_PATH_MAX];
        enum guard_event first_event;
        struct guard_restored done;
        char done_text[SEAL_TEXT_MAX];
        uint32_t times;
};

static const char *at(const struct bed *bed, const char *name)
{
        static char paths[6][FILE_PATH_MAX];
        static unsigned n;

        snprintf(paths[++n % 6], FILE_PATH_MAX, "%s/%s", bed->root, name);
        return paths[n % 6];
}

static bool write_to(const char *path, int flags, const char *text)
{
        const int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0644);
        const bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

        return (fd < 0 || close(fd) == 0) && done;
}

static void put(const struct bed *bed, const char *name, const char *text)
{
        assert_true(write_to(at(bed, name), O_CREAT | O_TRUNC, text));
}

static bool reads(const struct bed *bed, const char *name, const char *text)
{
        char *found = NULL;
        size_t size;
        const bool same = file_read(at(bed, name), 1 << 20, &found, &size) == 0 && strcmp(found, text) == 0;

        free(found);
        return same;
}

/* ---- who is told -------------------------------------------------------------------------------------------------------- */

static void on_breach(void *self, const struct guard_breach *breach)
{
        struct bed *bed = self;

        if (bed->breaches++ == 0) {
                bed->first_event = breach->event;
                snprintf(bed->first_path, sizeof(bed->first_path), "%s", breach->path);
        }
        bed->last = *breach;
        snprintf(bed->last_path, sizeof(bed->last_path), "%s", breach->path);
        if (bed->restores && breach->event != GUARD_BACK)
                assert_int_equal(guard_restore(bed->guard, breach->path, bed->now), 0);
}

static void on_restored(void *self, const struct guard_restored *restored)
{
        struct bed *bed = self;

        bed->restored++;
        bed->done = *restored;
        snprintf(bed->done_text, sizeof(bed->done_text), "%s", restored->text);
        bed->times += restored->times;
}

static void on_gap(void *self, usec_t from, usec_t to)
{
        struct bed *bed = self;

        assert_true(from <= to);
        bed->gaps++;
}

static void on_left_out(void *self, const char *path, const char *why)
{
        struct bed *bed = self;

        print_message("left out: %s: %s\n", path, why);
        bed->left_out++;
}

static void on_armed(void *self, uint32_t rule, uint32_t left_out)
{
        struct bed *bed = self;

        assert_int_equal(rule, 0);
        bed->armed++;
        bed->unsealed = left_out;
}

static void on_sealed(void *self, uint32_t entries, const uint8_t digest[DIGEST_SIZE])
{
        struct bed *bed = self;

        (void)entries;
        (void)digest;
        bed->sealed++;
}

/* ---- the bed ------------------------------------------------------------------------------------------------------------ */

/* What waits is taken, and what is due is done, in simulated time. */
static void turn(struct bed *bed)
{
        unsigned turns = 0;

        do {
                guard_take(bed->guard, bed->now);
                guard_tick(bed->guard, bed->now);
                assert_true(++turns < 10000);
        } while (guard_deadline(bed->guard) <= bed->now);
        guard_take(bed->guard, bed->now);
}

static void pass(struct bed *bed, usec_t time)
{
        turn(bed);
        bed->now += time;
        turn(bed);
}

static void begin_guard(struct bed *bed)
{
        const struct guard_options options = { .proc = &bed->proc,
                                               .vault = bed->vault,
                                               .manifest = bed->manifest_path,
                                               .mounts = "/proc/self/mountinfo",
                                               .sink = { .breach = on_breach,
                                                         .restored = on_restored,
                                                         .gap = on_gap,
                                                         .left_out = on_left_out,
                                                         .armed = on_armed,
                                                         .sealed = on_sealed,
                                                         .self = bed } };

        assert_int_equal(guard_new(&options, &bed->guard), 0);
        assert_int_equal(guard_set_rules(bed->guard, &bed->rule, 1, bed->now), 0);
}

static void arm(struct bed *bed)
{
        assert_int_equal(guard_arm(bed->guard, 0, bed->now), 0);
        turn(bed);
        assert_int_equal(bed->armed, 1);
}

static void set_rule(struct bed *bed)
{
        snprintf(bed->pattern[0], sizeof(bed->pattern[0]), "%s/app/**", bed->root);
        snprintf(bed->pattern[1], sizeof(bed->pattern[1]), "%s/one", bed->root);
        bed->patterns[0] = bed->pattern[0];
        bed->patterns[1] = bed->pattern[1];
        bed->rule = (struct guard_rule){ .name = "core", .patterns = bed->patterns, .patterns_n = 2, .armed = true };
}

static int set_up(void **state, enum place_kind kind)
{
        struct bed *bed = calloc(1, sizeof(*bed));

        *state = bed;
        if (!place_may())
                return 0;
        place_make(&bed->place, kind);
        strcpy(bed->store, "/tmp/guard-store-XXXXXX");
        assert_non_null(mkdtemp(bed->store));
        snprintf(bed->vault_path, sizeof(bed->vault_path), "%s/vault", bed->store);
        snprintf(bed->manifest_path, sizeof(bed->manifest_path), "%s/manifest", bed->store);
        snprintf(bed->root, sizeof(bed->root), "%s/top", bed->place.path);
        assert_int_equal(vault_open(bed->vault_path, &VAULT_LIMITS_DEFAULT, &bed->vault), 0);
        assert_int_equal(proc_open(&bed->proc, "/proc"), 0);
        assert_int_equal(mkdir(bed->root, 0755), 0);
        assert_int_equal(mkdir(at(bed, "app"), 0755), 0);
        assert_int_equal(mkdir(at(bed, "app/deep"), 0750), 0);
        put(bed, "app/a", GOOD);
        put(bed, "app/deep/b", GOOD);
        put(bed, "one", GOOD);
        put(bed, "two", GOOD);
        bed->now = START;
        bed->restores = true;
        set_rule(bed);
        begin_guard(bed);
        return 0;
}

static int tear_down(void **state)
{
        struct bed *bed = *state;
        char command[128];

        if (bed->store[0]) {
                guard_free(bed->guard);
                place_done(&bed->place);
                vault_free(bed->vault);
                proc_done(&bed->proc);
                snprintf(command, sizeof(command), "rm -rf '%s'", bed->store);
                assert_int_equal(system(command), 0);
        }
        free(bed);
        return 0;
}

/* ---- what others do: our own doing is none of the guard's ---------------------------------------------------------------- */

static void by_other(struct bed *bed, void (*act)(const struct bed *bed))
{
        const pid_t pid = fork();
        int status;

        if (pid == 0) {
                act(bed);
                _exit(0);
        }
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

static void must(bool done)
{
        if (!done)
                _exit(1);
}

static void do_write(const struct bed *bed)
{
        must(write_to(at(bed, "app/a"), O_TRUNC, EVIL));
}

static void do_write_inside(const struct bed *bed)
{
        const int fd = open(at(bed, "app/a"), O_WRONLY | O_CLOEXEC);

        must(fd >= 0 && pwrite(fd, "X", 1, 3) == 1 && close(fd) == 0);
}

static void do_make_folder(const struct bed *bed)
{
        must(mkdir(at(bed, "app/new"), 0755) == 0 && rmdir(at(bed, "app/new")) == 0);
}

static void do_chmod(const struct bed *bed)
{
        must(chmod(at(bed, "app/a"), 0666) == 0);
}

static void do_chown(const struct bed *bed)
{
        must(chown(at(bed, "app/a"), 12345, 12345) == 0);
}

static void do_xattr(const struct bed *bed)
{
        must(setxattr(at(bed, "app/a"), "trusted.evil", "x", 1, 0) == 0);
}

static void do_link(const struct bed *bed)
{
        must(link(at(bed, "app/a"), at(bed, "a-too")) == 0);
}

static void do_unlink(const struct bed *bed)
{
        must(unlink(at(bed, "app/a")) == 0);
}

static void do_rename(const struct bed *bed)
{
        must(rename(at(bed, "app/a"), at(bed, "gone")) == 0);
}

static void do_replace(const struct bed *bed)
{
        must(write_to(at(bed, "new"), O_CREAT | O_TRUNC, EVIL));
        must(rename(at(bed, "new"), at(bed, "app/a")) == 0);
}

static void do_symlink(const struct bed *bed)
{
        must(unlink(at(bed, "app/a")) == 0);
        must(symlink(at(bed, "two"), at(bed, "app/a")) == 0);
}

static void do_rename_parent(const struct bed *bed)
{
        must(rename(at(bed, "app"), at(bed, "app-away")) == 0);
}

static void do_bind(const struct bed *bed)
{
        must(mount(at(bed, "two"), at(bed, "app/a"), NULL, MS_BIND, NULL) == 0);
}

static void do_add(const struct bed *bed)
{
        must(write_to(at(bed, "app/deep/new"), O_CREAT | O_TRUNC, EVIL));
}

/* Refused where the flag is; where it is not the file ends as it was. */
static void do_touch(const struct bed *bed)
{
        if (chmod(at(bed, "app/a"), 0600) == 0)
                must(chmod(at(bed, "app/a"), 0644) == 0);
}

/* ---- stories ------------------------------------------------------------------------------------------------------------ */

static void what_is_armed_is_sealed_and_nothing_is_told(void **state)
{
        struct bed *bed = *state;
        struct guard_state how;

        NEEDS_ROOT;
        arm(bed);
        assert_int_equal(bed->unsealed, 0);
        assert_int_equal(bed->breaches, 0);
        assert_true(bed->sealed >= 1);
        guard_get_state(bed->guard, &how);
        assert_int_equal(how.entries, 6); /* app, app/a, app/deep, app/deep/b, one, and the folder that one is in */
        pass(bed, GUARD_READ_EVERY);
        pass(bed, GUARD_SWEEP_EVERY);
        assert_int_equal(bed->breaches, 0);
}

/* That the flag is off is found by no event, for we took it: what is told at once is what was done. */
static void do_and_expect(struct bed *bed, void (*act)(const struct bed *bed), enum guard_event event, const char *name)
{
        assert_int_equal(seal_lift(at(bed, "app/a")), 0);
        turn(bed);
        bed->breaches = 0;
        by_other(bed, act);
        turn(bed);
        assert_true(bed->breaches >= 1);
        assert_int_equal(bed->first_event, event);
        assert_string_equal(bed->first_path, at(bed, name));
        pass(bed, 2 * GUARD_QUIET);
}

static void expect_well(struct bed *bed)
{
        struct stat st;

        if (!reads(bed, "app/a", GOOD) || !reads(bed, "app/deep/b", GOOD))
                fail_msg("it was not put back (%s: %s)", strerror(-bed->done.r), bed->done_text);
        assert_int_equal(lstat(at(bed, "app/a"), &st), 0);
        assert_true(S_ISREG(st.st_mode));
        assert_int_equal(st.st_mode & 07777, 0644);
        assert_int_equal(st.st_uid, 0);
        assert_int_equal(st.st_nlink, 1);
        assert_int_equal(access(at(bed, "app/deep/new"), F_OK), -1);
        assert_int_equal(stat(at(bed, "app/deep"), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0750);
}

static void whatever_is_done_is_told_and_put_back(void **state)
{
        static const struct {
                void (*act)(const struct bed *bed);
                enum guard_event event;
                const char *name; /* that is told of first */
                bool more;        /* others are told of too */
        } all[] = {
                { do_write, GUARD_CHANGED, "app/a", false },      { do_write_inside, GUARD_CHANGED, "app/a", false },
                { do_chmod, GUARD_CHANGED, "app/a", false },      { do_chown, GUARD_CHANGED, "app/a", false },
                { do_xattr, GUARD_CHANGED, "app/a", false },      { do_link, GUARD_CHANGED, "app/a", false },
                { do_unlink, GUARD_REMOVED, "app/a", false },     { do_rename, GUARD_REMOVED, "app/a", false },
                { do_replace, GUARD_CHANGED, "app/a", false },    { do_symlink, GUARD_CHANGED, "app/a", false },
                { do_bind, GUARD_BOUND, "app/a", false },         { do_add, GUARD_ADDED, "app/deep/new", false },
                { do_rename_parent, GUARD_REMOVED, "app", true },
        };
        struct bed *bed = *state;

        NEEDS_ROOT;
        arm(bed);
        for (unsigned n = 0; n < sizeof(all) / sizeof(all[0]); n++) {
                do_and_expect(bed, all[n].act, all[n].event, all[n].name);
                if (!all[n].more)
                        assert_int_equal(bed->breaches, 1);
                expect_well(bed);
                pass(bed, GUARD_SWEEP_EVERY);
                pass(bed, 2 * GUARD_QUIET);
                expect_well(bed);
        }
}

static void a_breach_is_told_with_who_did_it_and_what_was_found_is_kept(void **state)
{
        struct bed *bed = *state;
        struct guard_state how;

        NEEDS_ROOT;
        arm(bed);
        guard_get_state(bed->guard, &how);
        bed->restores = false;
        assert_int_equal(seal_lift(at(bed, "app/a")), 0);
        by_other(bed, do_replace);
        turn(bed);
        assert_int_equal(bed->breaches, 1);
        assert_int_equal(bed->last.event, GUARD_CHANGED);
        assert_string_equal(bed->last_path, at(bed, "app/a"));
        assert_true(bed->last.differences & LOOK_INODE);
        assert_int_equal(bed->last.differing, 1);
        assert_false(bed->last.away);
        if (how.names_pids) {
                assert_int_not_equal(bed->last.who.source, WHO_UNKNOWN);
                assert_int_not_equal(bed->last.who.pid, 0);
                assert_int_not_equal(bed->last.who.pid, getpid());
        }
        assert_int_equal(guard_restore(bed->guard, at(bed, "app/a"), bed->now), 0);
        assert_true(reads(bed, "app/a", GOOD));
        assert_int_equal(bed->restored, 0); /* not before it was quiet */
        pass(bed, 2 * GUARD_QUIET);
        assert_int_equal(bed->restored, 1);
        assert_int_equal(bed->done.r, 0);
        assert_true(bed->done.kept);
        assert_true(vault_has(bed->vault, bed->done.found.digest));
}

static void who_goes_on_is_put_back_each_time_and_told_once(void **state)
{
        struct bed *bed = *state;

        NEEDS_ROOT;
        arm(bed);
        for (unsigned n = 0; n < 40; n++) {
                assert_int_equal(seal_lift(at(bed, "app/a")), 0);
                by_other(bed, do_write);
                guard_take(bed->guard, bed->now);
                assert_true(reads(bed, "app/a", GOOD));
                bed->now += GUARD_QUIET / 2;
                guard_tick(bed->guard, bed->now);
        }
        assert_int_equal(bed->breaches, 1);
        assert_int_equal(bed->restored, 0);
        pass(bed, 2 * GUARD_QUIET);
        assert_int_equal(bed->restored, 1);
        assert_int_equal(bed->done.times, 40);
        assert_int_equal(bed->done.took, 39 * (GUARD_QUIET / 2));
        assert_false(bed->done.cut);
}

static void who_never_ends_is_told_anew_each_minute(void **state)
{
        struct bed *bed = *state;

        NEEDS_ROOT;
        arm(bed);
        for (unsigned n = 0; n < 241; n++) {
                assert_int_equal(seal_lift(at(bed, "app/a")), 0);
                by_other(bed, do_write);
                guard_take(bed->guard, bed->now);
                assert_true(reads(bed, "app/a", GOOD));
                bed->now += GUARD_QUIET / 2;
                guard_tick(bed->guard, bed->now);
        }
        assert_int_equal(bed->restored, 1);
        assert_true(bed->done.cut);
        assert_int_equal(bed->breaches, 2);
}

static void what_changed_while_nobody_watched_is_found_at_the_start(void **state)
{
        struct bed *bed = *state;

        NEEDS_ROOT;
        arm(bed);
        bed->guard = guard_free(bed->guard);
        assert_int_equal(seal_lift(at(bed, "app/a")), 0);
        by_other(bed, do_write);
        bed->restores = false;
        begin_guard(bed);
        turn(bed);
        assert_int_equal(bed->breaches, 1);
        assert_true(bed->last.away);
        assert_true(bed->last.differences & LOOK_CONTENT);
        assert_true(bed->last.content_read);
        assert_int_equal(guard_restore_rule(bed->guard, 0, bed->now), 1);
        assert_true(reads(bed, "app/a", GOOD));
}

static void a_file_that_was_touched_is_noted_and_not_told(void **state)
{
        struct bed *bed = *state;

        NEEDS_ROOT;
        arm(bed);
        bed->restores = false;
        by_other(bed, do_touch);
        pass(bed, GUARD_SWEEP_EVERY);
        assert_int_equal(bed->breaches, 0);
}

static void what_could_not_be_sealed_is_never_taken_for_new(void **state)
{
        struct bed *bed = *state;
        int fd;

        NEEDS_ROOT;
        fd = open(at(bed, "app/a"), O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        arm(bed);
        assert_int_equal(bed->unsealed, 1);
        assert_int_equal(bed->left_out, 1);
        pass(bed, GUARD_SWEEP_EVERY);
        by_other(bed, do_write);
        pass(bed, 2 * GUARD_QUIET);
        assert_int_equal(bed->breaches, 0);
        assert_true(reads(bed, "app/a", EVIL)); /* it is no business of the guard's */
        close(fd);
        bed->armed = 0;
        arm(bed);
        assert_int_equal(bed->unsealed, 0);
}

static void disarmed_nothing_of_it_is_left(void **state)
{
        struct bed *bed = *state;
        struct guard_state how;

        NEEDS_ROOT;
        arm(bed);
        assert_int_equal(guard_disarm(bed->guard, 0), 0);
        bed->rule.armed = false;
        guard_get_state(bed->guard, &how);
        assert_int_equal(how.entries, 0);
        put(bed, "app/a", EVIL);
        put(bed, "one", EVIL);
        by_other(bed, do_write);
        pass(bed, GUARD_SWEEP_EVERY);
        assert_int_equal(bed->breaches, 0);
}

/* Whoever makes folders makes us look for what is in them: that costs no more than one look a second. */
static void what_others_do_makes_us_look_once_a_second(void **state)
{
        struct bed *bed = *state;

        NEEDS_ROOT;
        arm(bed);
        pass(bed, 2 * GUARD_SWEEP_LEAST);
        by_other(bed, do_make_folder);
        guard_take(bed->guard, bed->now);
        assert_true(guard_deadline(bed->guard) <= bed->now);
        turn(bed);
        by_other(bed, do_make_folder);
        guard_take(bed->guard, bed->now);
        assert_true(guard_deadline(bed->guard) == bed->now + GUARD_SWEEP_LEAST);
        pass(bed, GUARD_SWEEP_LEAST);
        assert_true(guard_deadline(bed->guard) > bed->now + GUARD_SWEEP_LEAST);
}

#define ON(test, where)                                             \
        {                                                           \
#test " (" #where ")", test, where, tear_down, NULL \
        }
#define ON_BOTH(test) ON(test, on_ext4), ON(test, on_tmpfs)

static int on_ext4(void **state)
{
        return set_up(state, PLACE_EXT4);
}

static int on_tmpfs(void **state)
{
        return set_up(state, PLACE_TMPFS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                ON_BOTH(what_is_armed_is_sealed_and_nothing_is_told),
                ON_BOTH(whatever_is_done_is_told_and_put_back),
                ON_BOTH(a_breach_is_told_with_who_did_it_and_what_was_found_is_kept),
                ON_BOTH(who_goes_on_is_put_back_each_time_and_told_once),
                ON_BOTH(who_never_ends_is_told_anew_each_minute),
                ON_BOTH(what_changed_while_nobody_watched_is_found_at_the_start),
                ON_BOTH(a_file_that_was_touched_is_noted_and_not_told),
                ON_BOTH(what_could_not_be_sealed_is_never_taken_for_new),
                ON_BOTH(disarmed_nothing_of_it_is_left),
                ON_BOTH(what_others_do_makes_us_look_once_a_second),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
