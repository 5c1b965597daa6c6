/*
 * The attacks against real files. Without a guard each of them must succeed: one that fails by itself would be counted as
 * prevented everywhere. After each, the file and its folders are as before. And root must not be made to attack another file.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "canary/assault.h"
#include "io/cleanup.h"

enum { PATH_SIZE = PLACE_PATH_MAX + 64 };

static char work[64], top[PATH_SIZE], file[PATH_SIZE];
static struct place place;

static void below(char to[PATH_SIZE], const char *folder, const char *name)
{
        to[0] = '\0';
        text_append(to, PATH_SIZE, "%s/%s", folder, name);
}

static int build(void **state)
{
        char why[PLACE_WHY_MAX] = "";

        (void)text_copy(work, sizeof(work), "/tmp/governor-canary-XXXXXX");
        assert_non_null(mkdtemp(work));
        below(top, work, "top");
        below(file, top, "guarded/canary");
        assert_int_equal(place_create(top, geteuid(), getegid()), 0);
        assert_int_equal(place_take(file, &place, why), 0);
        return 0;
}

static int clear(void **state)
{
        char command[96];

        (void)snprintf(command, sizeof(command), "rm -rf '%s'", work);
        return system(command);
}

static unsigned entries(const char *folder)
{
        _cleanup_closedir_ DIR *dir = opendir(folder);
        unsigned n = 0;

        assert_non_null(dir);
        while (readdir(dir))
                n++;
        return n - 2;
}

/* Nothing of an attack is left: the file, two folders, and nothing else. */
static void assert_as_made(void)
{
        assert_int_equal(place_look(&place), 0);
        assert_int_equal(entries(place.top), 2);
        assert_int_equal(entries(place.folder), 1);
        assert_int_equal(entries(place.aside), 0);
}

static struct assault_end attacked(const struct attack *attack, const struct assault *assault)
{
        struct assault_end end;

        assert_int_equal(assault_run(assault, attack, &place, &end), 0);
        return end;
}

static const struct assault plainly = { .settle_ms = 0 };

/* ---- the table -------------------------------------------------------------------------------------------------------- */

static void every_attack_has_a_name_of_its_own(void **state)
{
        for (size_t i = 0; i < ATTACKS_N; i++) {
                assert_non_null(attacks[i].strike);
                assert_non_null(attacks[i].what);
                assert_ptr_equal(attack_find(attacks[i].name), &attacks[i]);
        }
        assert_null(attack_find("no-such-attack"));
}

/* Containers may refuse namespaces and io_uring to everyone. */
static bool may_be_refused(const struct attack *attack)
{
        return text_starts(attack->name, "ring-") || text_starts(attack->name, "userns-") ||
               (attack->traits & ATTACK_NEEDS_ROOT);
}

static void what_nobody_guards_falls_to_every_attack(void **state)
{
        for (size_t i = 0; i < ATTACKS_N; i++) {
                struct assault_end end = attacked(&attacks[i], &plainly);
                char reason[PLACE_WHY_MAX];

                if (end.result == RESULT_PREVENTED && !may_be_refused(&attacks[i]))
                        fail_msg("%s failed by itself: %s", attacks[i].name, assault_reason(reason, &end.told));
                if (end.result == RESULT_NOT_TRIED)
                        assert_true(end.told.why[0]);
                else if (end.result != RESULT_PREVENTED)
                        assert_int_equal(end.result,
                                         attacks[i].traits & ATTACK_OWN_VIEW ? RESULT_OWN_VIEW : RESULT_SUCCEEDED);
                assert_int_equal(place_repair(&place), 0);
                assert_as_made();
        }
}

static void each_difference_is_seen(void **state)
{
        static const struct {
                const char *attack;
                unsigned changed;
        } seen[] = {
                { "unlink", PLACE_GONE },         { "symlink-swap", PLACE_REPLACED },
                { "held-write", PLACE_CONTENT },  { "map-dirty", PLACE_CONTENT },
                { "chmod", PLACE_MODE },          { "utimes", PLACE_TIME },
                { "edit-rename", PLACE_CONTENT },
        };

        for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
                assert_int_equal(attacked(attack_find(seen[i].attack), &plainly).changed, seen[i].changed);
                assert_int_equal(place_repair(&place), 0);
        }
}

/* ---- guards ----------------------------------------------------------------------------------------------------------- */

static int no_more_writing(const void *argument)
{
        return chmod(place.folder, 0555) < 0 ? -errno : 0;
}

/* Root is not held up by modes. */
static void a_guard_that_refuses_is_told_from_an_attack_that_succeeds(void **state)
{
        const struct assault assault = { .guard = no_more_writing };
        struct assault_end end = attacked(attack_find("unlink"), &assault);

        assert_int_equal(end.result, geteuid() == 0 ? RESULT_SUCCEEDED : RESULT_PREVENTED);
        assert_int_equal(end.told.error, geteuid() == 0 ? 0 : EACCES);
        assert_false(end.told.early);
        assert_int_equal(chmod(place.folder, 0755), 0);
}

/* A guard in a process of its own, as a real one: it puts the file back when it is different. */
static pid_t restorer(unsigned after_ms)
{
        pid_t pid = fork();

        if (pid != 0)
                return pid;
        while (place_look(&place) == 0)
                (void)usleep(200);
        (void)usleep(after_ms * 1000);
        _exit(place_repair(&place) == 0 ? 0 : 1);
}

static void a_guard_that_restores_is_told_with_the_time_it_took(void **state)
{
        const struct assault assault = { .settle_ms = 10000 };
        pid_t guard = restorer(100);
        int status;
        struct assault_end end = attacked(attack_find("open-write"), &assault);

        assert_true(guard > 0);
        assert_int_equal(end.result, RESULT_RESTORED);
        if (end.changed) /* it was seen while it was different, which a busy machine may miss */
                assert_true(end.after_us > 0);
        assert_int_equal(waitpid(guard, &status, 0), guard);
        assert_int_equal(status, 0);
        assert_as_made();
}

static int too_short(const void *argument)
{
        return truncate(place.file, 0) < 0 ? -errno : 0;
}

/* The mapping is beyond the end of the file by now: the kernel kills who writes to it. */
static void an_attacker_that_is_killed_was_prevented_by_a_signal(void **state)
{
        const struct assault assault = { .guard = too_short };
        char reason[PLACE_WHY_MAX];
        struct assault_end end = attacked(attack_find("map-clean"), &assault);

        assert_int_equal(end.told.verdict, VERDICT_PREVENTED);
        assert_string_equal(assault_reason(reason, &end.told), "killed by SIGBUS");
}

static int nobody(const void *argument)
{
        return -EPERM;
}

static void who_cannot_become_the_attacker_is_a_failure_and_no_result(void **state)
{
        const struct assault assault = { .become = nobody };
        struct assault_end end;

        assert_int_equal(assault_run(&assault, attack_find("open-write"), &place, &end), -ECHILD);
        assert_as_made();
}

static void what_has_the_attackers_name_already_prevents_nothing(void **state)
{
        char path[PATH_SIZE];

        below(path, place.aside, "attack-new");
        assert_int_equal(mkdir(path, 0755), 0);
        assert_int_equal(attacked(attack_find("rename-over"), &plainly).result, RESULT_NOT_TRIED);
}

static void the_device_of_the_machine_is_not_written(void **state)
{
        assert_string_equal(place.device, "");
        assert_int_equal(attacked(attack_find("device-write"), &plainly).result, RESULT_NOT_TRIED);
}

/* ---- what is attacked ------------------------------------------------------------------------------------------------- */

static void assert_refused(const char *path, const char *because)
{
        char why[PLACE_WHY_MAX] = "";
        struct place taken;

        assert_true(place_take(path, &taken, why) < 0);
        if (!strstr(why, because))
                fail_msg("'%s' was said of %s", why, path);
}

static void put(const char *path, const void *text, size_t size)
{
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, size), size);
}

static void only_a_file_that_was_made_for_it_is_attacked(void **state)
{
        assert_refused("/etc/passwd", "is called TOP/guarded/canary");
        assert_refused("guarded/canary", "whole path");
        assert_refused("/guarded/canary", "is called TOP/guarded/canary");
        assert_refused("/tmp/../tmp/guarded/canary", "whole path");
        assert_refused("/no/such/guarded/canary", "cannot look at /no");
        put(file, PLACE_MARK, strlen(PLACE_MARK));
        assert_refused(file, "was not made by");
        assert_int_equal(truncate(file, 0), 0);
        assert_int_equal(truncate(file, PLACE_SIZE), 0);
        assert_refused(file, "was not made by");
}

/* Each of these would make root write to a file that somebody else chose. */
static void nobody_else_can_lead_it_to_another_file(void **state)
{
        char path[PATH_SIZE], other[PATH_SIZE];

        below(other, work, "other");
        assert_int_equal(link(file, other), 0);
        assert_refused(file, "has another name");
        assert_int_equal(unlink(other), 0);

        assert_int_equal(symlink(top, other), 0);
        below(path, other, "guarded/canary");
        assert_refused(path, "is not a folder");

        assert_int_equal(chmod(work, 0777), 0);
        assert_refused(file, "others than root can change");
        assert_int_equal(chmod(work, 0700), 0);

        assert_int_equal(unlink(file), 0);
        assert_int_equal(symlink("/etc/passwd", file), 0);
        assert_refused(file, "cannot open");
        assert_int_equal(unlink(file), 0);
        assert_int_equal(mkfifo(file, 0644), 0);
        assert_refused(file, "not a regular file");
}

static void a_place_that_is_there_is_not_made_again(void **state)
{
        assert_int_equal(place_create(top, geteuid(), getegid()), -EEXIST);
        assert_as_made();
}

static void what_was_left_by_one_that_was_killed_is_cleaned_up(void **state)
{
        char moved[PATH_SIZE];

        below(moved, place.top, "attack-moved");
        assert_int_equal(rename(place.folder, moved), 0);
        assert_int_equal(mkdir(place.folder, 0755), 0);
        put(place.file, "EVIL", 4);
        assert_int_equal(place_repair(&place), 0);
        assert_as_made();
}

static void it_is_removed_to_the_last_file(void **state)
{
        assert_int_equal(place_remove(&place), 0);
        assert_int_equal(entries(work), 0);
}

/* What attacks mount, nobody else gets to see, and it is gone when this program ends. */
static int keep_to_ourselves(void **state)
{
        if (geteuid() == 0 && unshare(CLONE_NEWNS) == 0)
                return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
        return 0;
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, build, clear)

int main(void)
{
        const struct CMUnitTest tests[] = {
                STORY(every_attack_has_a_name_of_its_own),
                STORY(what_nobody_guards_falls_to_every_attack),
                STORY(each_difference_is_seen),
                STORY(a_guard_that_refuses_is_told_from_an_attack_that_succeeds),
                STORY(a_guard_that_restores_is_told_with_the_time_it_took),
                STORY(an_attacker_that_is_killed_was_prevented_by_a_signal),
                STORY(who_cannot_become_the_attacker_is_a_failure_and_no_result),
                STORY(what_has_the_attackers_name_already_prevents_nothing),
                STORY(the_device_of_the_machine_is_not_written),
                STORY(only_a_file_that_was_made_for_it_is_attacked),
                STORY(nobody_else_can_lead_it_to_another_file),
                STORY(a_place_that_is_there_is_not_made_again),
                STORY(what_was_left_by_one_that_was_killed_is_cleaned_up),
                STORY(it_is_removed_to_the_last_file),
        };

        return cmocka_run_group_tests_name("canary", tests, keep_to_ourselves, NULL);
}
