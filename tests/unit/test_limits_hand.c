/* The hand that limits units, against a systemd that is played: what it writes, what it believes, what it takes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "fake_systemd.h"
#include "heal/drop_in.h"
#include "heal/limits.h"
#include "io/cleanup.h"
#include "io/file.h"

#define LILY "systemd:lily.service"
#define TRIAL_FILE "/run/systemd/system/lily.service.d/60-governor-limits-trial.conf"
#define KEPT_FILE "/etc/systemd/system/lily.service.d/50-governor-limits.conf"
#define QUOTA_FILE "/run/systemd/system/lily.service.d/70-governor-quota.conf"

struct bed {
        sd_event *event;
        struct fake_systemd fake;
        struct bus *bus;
        struct proc proc, cgroups;
        struct limits_hand *hand;
        struct errand errand;
        unsigned done;
        enum outcome outcome;
        char text[320];
};

static void on_done(struct errand *errand, enum outcome outcome, const char *text)
{
        struct bed *bed = errand->self;

        bed->done++;
        bed->outcome = outcome;
        snprintf(bed->text, sizeof(bed->text), "%s", text);
}

static int setup(void **state)
{
        struct bed *bed = calloc(1, sizeof(*bed));
        struct limits_hand_options options = { .proc = &bed->proc,
                                               .cgroups = &bed->cgroups,
                                               .kernel_most = 300 * USEC_PER_MSEC };

        assert_non_null(bed);
        assert_true(sd_event_new(&bed->event) >= 0);
        fake_systemd_open(&bed->fake, bed->event, "lily.service");
        assert_int_equal(proc_open(&bed->proc, "/proc"), 0);
        assert_int_equal(proc_open(&bed->cgroups, bed->fake.cgroups), 0);
        assert_int_equal(bus_new(bed->event, &bed->bus), 0);
        options.bus = bed->bus;
        options.root = bed->fake.root;
        assert_int_equal(limits_hand_new(bed->event, &options, &bed->hand), 0);
        *state = bed;
        return 0;
}

static int teardown(void **state)
{
        struct bed *bed = *state;

        limits_hand_free(bed->hand);
        bus_free(bed->bus);
        proc_done(&bed->proc);
        proc_done(&bed->cgroups);
        fake_systemd_close(&bed->fake);
        sd_event_unref(bed->event);
        free(bed);
        return 0;
}

static struct errand an_errand(struct bed *bed, enum action action, enum limits_place place)
{
        struct errand errand = {
                .agent = LILY,
                .instance = INSTANCE_ALL,
                .action = action,
                .limits = { .place = place },
                .trial = 7,
                .why = "asked for by uid:0\nMemoryMax=1",
                .done = on_done,
                .self = bed,
        };

        limits_put(&errand.limits, LIMIT_MEMORY_MAX, 128 << 20);
        limits_put(&errand.limits, LIMIT_CPU_QUOTA, 20);
        limits_put(&errand.limits, LIMIT_OOM_POLICY, OOM_POLICY_KILL);
        return errand;
}

static void order(struct bed *bed, enum action action, enum limits_place place)
{
        bed->errand = an_errand(bed, action, place);
        bed->done = 0;
        assert_int_equal(limits_hand_act(bed->hand, &bed->errand), 0);
        assert_int_equal(bed->done, 0); /* never from inside */
}

/* Lets things happen until the errand is done; one that never is hangs the test, and the runner ends it. */
static void wait_for(struct bed *bed)
{
        while (bed->done == 0)
                assert_true(sd_event_run(bed->event, UINT64_MAX) >= 0);
        assert_int_equal(bed->done, 1);
}

static void carried_out(struct bed *bed, enum action action, enum limits_place place, enum outcome expected)
{
        order(bed, action, place);
        wait_for(bed);
        if (bed->outcome != expected)
                fail_msg("%s and not %s: %s", outcome_name(bed->outcome), outcome_name(expected), bed->text);
}

static void says(const struct bed *bed, const char *part)
{
        if (!strstr(bed->text, part))
                fail_msg("'%s' is not said in: %s", part, bed->text);
}

static char *file_of(const struct bed *bed, const char *path)
{
        char full[512], *text = NULL;

        snprintf(full, sizeof(full), "%s%s", bed->fake.root, path);
        (void)file_read(full, 65536, &text, NULL);
        return text;
}

static bool is_there(const struct bed *bed, const char *path)
{
        _cleanup_free_ char *text = file_of(bed, path);

        return text != NULL;
}

static void put_file(const struct bed *bed, const char *path, const char *text)
{
        char full[512], folder[512];

        snprintf(full, sizeof(full), "%s%s", bed->fake.root, path);
        text_copy(folder, sizeof(folder), full);
        *strrchr(folder, '/') = '\0';
        assert_int_equal(file_make_directory(folder, 0755), 0);
        assert_int_equal(file_write_atomic(full, text, strlen(text), 0644), 0);
}

/* ---- the way it should be ------------------------------------------------------------------------------------------------ */

static void limits_are_written_and_in_force(void **state)
{
        struct bed *bed = *state;
        _cleanup_free_ char *text = NULL;
        char full[512];
        struct stat stat_of;
        mode_t before = umask(077); /* the service's own */

        carried_out(bed, ACTION_LIMIT, LIMITS_TRIAL, OUTCOME_OK);
        umask(before);
        assert_string_equal(bed->text, "in force");
        assert_int_equal(bed->fake.reloads, 1);
        text = file_of(bed, TRIAL_FILE);
        assert_non_null(text);
        assert_true(drop_in_is_ours(text));
        assert_non_null(strstr(text, "\n[Service]\nMemoryMax=128M\nCPUQuota=20%\nOOMPolicy=kill\n"));
        assert_non_null(strstr(text, "govctl keep 7"));
        assert_non_null(strstr(text, "govctl undo 7"));
        assert_null(strstr(text, "\nMemoryMax=1\n")); /* the reason is one line, whatever it holds */
        snprintf(full, sizeof(full), "%s" TRIAL_FILE, bed->fake.root);
        assert_int_equal(stat(full, &stat_of), 0);
        assert_int_equal(stat_of.st_mode & 0777, 0644);
        *strrchr(full, '/') = '\0';
        assert_int_equal(stat(full, &stat_of), 0);
        assert_int_equal(stat_of.st_mode & 0777, 0755);
}

static void what_is_taken_back_leaves_nothing(void **state)
{
        struct bed *bed = *state;
        char folder[512];

        carried_out(bed, ACTION_LIMIT, LIMITS_TRIAL, OUTCOME_OK);
        carried_out(bed, ACTION_UNLIMIT, LIMITS_TRIAL, OUTCOME_OK);
        says(bed, "taken back");
        assert_int_equal(bed->fake.reloads, 2);
        assert_int_equal(bed->fake.read, 0);
        snprintf(folder, sizeof(folder), "%s/run/systemd/system/lily.service.d", bed->fake.root);
        assert_int_not_equal(access(folder, F_OK), 0);
        carried_out(bed, ACTION_UNLIMIT, LIMITS_TRIAL,
                    OUTCOME_OK); /* again: there is nothing to do, and nothing is read anew */
        assert_int_equal(bed->fake.reloads, 2);
}

static void what_is_kept_is_on_trial_no_more(void **state)
{
        struct bed *bed = *state;

        carried_out(bed, ACTION_LIMIT, LIMITS_TRIAL, OUTCOME_OK);
        carried_out(bed, ACTION_LIMIT, LIMITS_KEPT, OUTCOME_OK);
        assert_false(is_there(bed, TRIAL_FILE));
        assert_true(is_there(bed, KEPT_FILE));
        assert_int_equal(bed->fake.read, 1u << LIMITS_KEPT);
        carried_out(bed, ACTION_LIMIT, LIMITS_TRIAL, OUTCOME_OK); /* another trial beside what is kept */
        carried_out(bed, ACTION_UNLIMIT, LIMITS_TRIAL, OUTCOME_OK);
        assert_true(is_there(bed, KEPT_FILE));
        carried_out(bed, ACTION_UNLIMIT, LIMITS_KEPT, OUTCOME_OK);
        assert_false(is_there(bed, KEPT_FILE));
}

/* 10 percent, as a step of healing, whatever comes of it. */
static void hold_to_a_quota(struct bed *bed)
{
        bed->errand = an_errand(bed, ACTION_LIMIT, LIMITS_QUOTA);
        bed->errand.limits = (struct limits){ .place = LIMITS_QUOTA };
        limits_put(&bed->errand.limits, LIMIT_CPU_QUOTA, 10);
        bed->errand.trial = 0;
        bed->done = 0;
        assert_int_equal(limits_hand_act(bed->hand, &bed->errand), 0);
        wait_for(bed);
}

static void a_quota_of_healing_has_a_file_of_its_own(void **state)
{
        struct bed *bed = *state;
        _cleanup_free_ char *text = NULL;

        carried_out(bed, ACTION_LIMIT, LIMITS_TRIAL, OUTCOME_OK);
        hold_to_a_quota(bed);
        assert_int_equal(bed->outcome, OUTCOME_OK);
        text = file_of(bed, QUOTA_FILE);
        assert_non_null(strstr(text, "\n[Service]\nCPUQuota=10%\n"));
        assert_null(strstr(text, "\nMemoryMax"));
        assert_int_equal(bed->fake.in_force.value[LIMIT_CPU_QUOTA], 10);
        carried_out(bed, ACTION_UNLIMIT, LIMITS_QUOTA, OUTCOME_OK);
        assert_int_equal(bed->fake.in_force.value[LIMIT_CPU_QUOTA], 20);
}

static void errands_are_done_one_after_the_other(void **state)
{
        struct bed *bed = *state;
        struct errand first = an_errand(bed, ACTION_LIMIT, LIMITS_TRIAL),
                      second = an_errand(bed, ACTION_UNLIMIT, LIMITS_TRIAL);

        assert_int_equal(limits_hand_act(bed->hand, &first), 0);
        assert_int_equal(limits_hand_act(bed->hand, &second), 0);
        while (bed->done < 2)
                assert_true(sd_event_run(bed->event, UINT64_MAX) >= 0);
        assert_int_equal(bed->outcome, OUTCOME_OK);
        says(bed, "taken back");
        assert_false(is_there(bed, TRIAL_FILE));
}

/* ---- what it does not believe -------------------------------------------------------------------------------------------- */

static void a_drop_in_that_has_the_last_word_is_named_and_ours_taken_back(void **state)
{
        struct bed *bed = *state;

        limits_put(&bed->fake.last_word, LIMIT_MEMORY_MAX, (uint64_t)1 << 30);
        carried_out(bed, ACTION_LIMIT, LIMITS_TRIAL, OUTCOME_FAILED);
        says(bed, "MemoryMax is 1G and not 128M: another drop-in of the unit has the last word");
        assert_false(is_there(bed, TRIAL_FILE));
        assert_int_equal(bed->fake.reloads, 2); /* and systemd knows that */
        assert_int_equal(bed->fake.read, 0);
}

static void a_kernel_that_takes_its_time_is_waited_for(void **state)
{
        struct bed *bed = *state;

        bed->fake.kernel_is_slow = true;
        order(bed, ACTION_LIMIT, LIMITS_TRIAL);
        while (bed->fake.reloads == 0)
                assert_true(sd_event_run(bed->event, UINT64_MAX) >= 0);
        for (unsigned n = 0; n < 5; n++)
                assert_true(sd_event_run(bed->event, UINT64_MAX) >= 0);
        assert_int_equal(bed->done, 0);
        fake_systemd_tell_kernel(&bed->fake);
        wait_for(bed);
        assert_int_equal(bed->outcome, OUTCOME_OK);
}

static void a_kernel_that_does_not_take_it_is_a_failure(void **state)
{
        struct bed *bed = *state;

        bed->fake.kernel_is_slow = true;
        carried_out(bed, ACTION_LIMIT, LIMITS_TRIAL, OUTCOME_FAILED);
        says(bed, "systemd took it, and the kernel did not: MemoryMax, CPUQuota");
        assert_false(is_there(bed, TRIAL_FILE));
}

static void a_kernel_that_keeps_what_was_taken_back_is_a_failure_too(void **state)
{
        struct bed *bed = *state;

        carried_out(bed, ACTION_LIMIT, LIMITS_TRIAL, OUTCOME_OK);
        bed->fake.kernel_is_slow = true;
        carried_out(bed, ACTION_UNLIMIT, LIMITS_TRIAL, OUTCOME_FAILED);
        says(bed, "the kernel did not: MemoryMax, CPUQuota");
        fake_systemd_tell_kernel(&bed->fake);
        carried_out(bed, ACTION_UNLIMIT, LIMITS_TRIAL, OUTCOME_OK);
}

static void take_controllers(struct bed *bed)
{
        char command[256];

        snprintf(command, sizeof(command), "find '%s' -name '*.max' -delete -o -name memory.high -delete",
                 bed->fake.cgroups);
        assert_int_equal(system(command), 0);
        bed->fake.no_controllers = true;
        fake_systemd_tell_kernel(&bed->fake);
}

static void without_a_controller_it_is_said_loudly(void **state)
{
        struct bed *bed = *state;

        take_controllers(bed);
        carried_out(bed, ACTION_LIMIT, LIMITS_TRIAL, OUTCOME_OK);
        assert_string_equal(
                bed->text,
                "in force; BUT nothing comes of MemoryMax, CPUQuota on this machine: its kernel keeps no such "
                "limit in the cgroup v2 tree");
        carried_out(bed, ACTION_UNLIMIT, LIMITS_TRIAL, OUTCOME_OK);
}

/* Nobody asked for it, so that nobody reads that nothing comes of it. */
static void a_step_of_healing_that_does_nothing_is_taken_back(void **state)
{
        struct bed *bed = *state;

        take_controllers(bed);
        hold_to_a_quota(bed);
        assert_int_equal(bed->outcome, OUTCOME_FAILED);
        assert_string_equal(bed->text, "taken back at once: this kernel keeps no CPU quota in the cgroup v2 tree");
        assert_false(is_there(bed, QUOTA_FILE));
        assert_int_not_equal(bed->fake.in_force.value[LIMIT_CPU_QUOTA], 10);
}

static void a_systemd_that_refuses_leaves_everything_as_it_was(void **state)
{
        struct bed *bed = *state;

        carried_out(bed, ACTION_LIMIT, LIMITS_KEPT, OUTCOME_OK);
        bed->fake.refuses = true;
        bed->errand = an_errand(bed, ACTION_LIMIT, LIMITS_KEPT);
        limits_put(&bed->errand.limits, LIMIT_MEMORY_MAX, 64 << 20);
        bed->done = 0;
        assert_int_equal(limits_hand_act(bed->hand, &bed->errand), 0);
        wait_for(bed);
        assert_int_equal(bed->outcome, OUTCOME_FAILED);
        says(bed, "systemd does not read its files again: reloaded too often");

        _cleanup_free_ char *text = file_of(bed, KEPT_FILE);

        assert_non_null(strstr(text, "MemoryMax=128M")); /* the earlier one */
        carried_out(bed, ACTION_UNLIMIT, LIMITS_KEPT, OUTCOME_FAILED);
        assert_false(is_there(bed, KEPT_FILE)); /* gone all the same; it is tried again until systemd knows */
        bed->fake.refuses = false;
        carried_out(bed, ACTION_UNLIMIT, LIMITS_KEPT, OUTCOME_OK);
        assert_int_equal(bed->fake.read, 0);
}

/* ---- what it does not touch ----------------------------------------------------------------------------------------------- */

static void somebody_elses_file_is_never_touched(void **state)
{
        static const char theirs[] = "[Service]\nMemoryMax=1G\n";
        struct bed *bed = *state;
        _cleanup_free_ char *text = NULL;

        put_file(bed, TRIAL_FILE, theirs);
        carried_out(bed, ACTION_LIMIT, LIMITS_TRIAL, OUTCOME_FAILED);
        says(bed, TRIAL_FILE "' is not Governor's: it is left as it is");
        carried_out(bed, ACTION_UNLIMIT, LIMITS_TRIAL, OUTCOME_OK); /* nothing of ours is left */
        says(bed, TRIAL_FILE "' is not Governor's: it is left as it is");
        text = file_of(bed, TRIAL_FILE);
        assert_string_equal(text, theirs);
        assert_int_equal(bed->fake.reloads, 0);
}

static void a_link_in_its_place_is_somebodys_word(void **state)
{
        struct bed *bed = *state;
        char full[512];

        put_file(bed, "/run/systemd/system/lily.service.d/other.conf", "");
        snprintf(full, sizeof(full), "%s" TRIAL_FILE, bed->fake.root);
        assert_int_equal(symlink("/dev/null", full), 0);
        carried_out(bed, ACTION_LIMIT, LIMITS_TRIAL, OUTCOME_FAILED);
        says(bed, "is not Governor's");
        carried_out(bed, ACTION_UNLIMIT, LIMITS_TRIAL, OUTCOME_OK);
        assert_true(is_there(bed, "/run/systemd/system/lily.service.d/other.conf"));
}

static void a_folder_with_more_in_it_stays(void **state)
{
        struct bed *bed = *state;

        put_file(bed, "/run/systemd/system/lily.service.d/other.conf", "[Service]\n");
        carried_out(bed, ACTION_LIMIT, LIMITS_TRIAL, OUTCOME_OK);
        carried_out(bed, ACTION_UNLIMIT, LIMITS_TRIAL, OUTCOME_OK);
        assert_true(is_there(bed, "/run/systemd/system/lily.service.d/other.conf"));
}

static void a_pm2_daemon_in_the_group_is_refused(void **state)
{
        struct bed *bed = *state;
        char pids[64], name[64] = "", path[128];
        FILE *comm;

        snprintf(path, sizeof(path), "/proc/%d/comm", (int)getpid());
        comm = fopen(path, "r+e");
        assert_non_null(comm);
        assert_non_null(fgets(name, sizeof(name), comm));
        rewind(comm);
        fputs("PM2 v7.0.4: God", comm);
        fflush(comm);
        snprintf(pids, sizeof(pids), "1\n%d\n", (int)getpid());
        fake_systemd_process(&bed->fake, pids);
        carried_out(bed, ACTION_LIMIT, LIMITS_TRIAL, OUTCOME_REFUSED);
        says(bed, "never touched: a PM2 daemon");
        assert_false(is_there(bed, TRIAL_FILE));
        rewind(comm);
        fputs(name, comm);
        fclose(comm);
}

static void a_unit_that_is_not_there_is_said(void **state)
{
        struct bed *bed = *state;

        bed->fake.unknown = true;
        carried_out(bed, ACTION_LIMIT, LIMITS_TRIAL, OUTCOME_FAILED);
        assert_string_equal(bed->text, "there is no such unit");
        carried_out(bed, ACTION_UNLIMIT, LIMITS_TRIAL, OUTCOME_OK); /* nothing of it is left */
}

static void what_is_no_errand_about_limits_is_not_begun(void **state)
{
        struct bed *bed = *state;
        struct errand wrong[] = {
                an_errand(bed, ACTION_RESTART, LIMITS_TRIAL), an_errand(bed, ACTION_LIMIT, LIMITS_NOWHERE),
                an_errand(bed, ACTION_LIMIT, LIMITS_PLACE_N), an_errand(bed, ACTION_LIMIT, LIMITS_TRIAL),
                an_errand(bed, ACTION_UNLIMIT, LIMITS_TRIAL),
        };

        wrong[3].agent = "pm2:root/lily";
        wrong[4].agent = "systemd:../../../../etc/passwd";
        for (size_t n = 0; n < sizeof(wrong) / sizeof(wrong[0]); n++)
                assert_int_equal(limits_hand_act(bed->hand, &wrong[n]), -EINVAL);
}

/* ---- a connection that breaks ---------------------------------------------------------------------------------------------- */

static void a_connection_that_breaks_leaves_it_unknown(void **state)
{
        struct bed *bed = *state;

        bed->fake.mute = true;
        order(bed, ACTION_LIMIT, LIMITS_TRIAL);
        while (bed->fake.reloads == 0)
                assert_true(sd_event_run(bed->event, UINT64_MAX) >= 0);
        fake_systemd_leave(&bed->fake);
        wait_for(bed);
        assert_int_equal(bed->outcome, OUTCOME_TIMEOUT);
        says(bed, "has not said whether it read the file");
}

static void without_a_connection_the_file_goes_first_and_systemd_is_told_later(void **state)
{
        struct bed *bed = *state;

        carried_out(bed, ACTION_LIMIT, LIMITS_TRIAL, OUTCOME_OK);
        fake_systemd_leave(&bed->fake);
        while (bus_connection(bed->bus))
                assert_true(sd_event_run(bed->event, UINT64_MAX) >= 0);
        order(bed, ACTION_UNLIMIT, LIMITS_TRIAL);
        while (is_there(bed, TRIAL_FILE))
                assert_true(sd_event_run(bed->event, UINT64_MAX) >= 0);
        assert_int_equal(bed->done, 0);
        fake_systemd_listen(&bed->fake);
        wait_for(bed);
        assert_int_equal(bed->outcome, OUTCOME_OK);
        assert_int_equal(bed->fake.read, 0);
}

static void an_errand_under_way_at_the_end_is_unknown(void **state)
{
        struct bed *bed = *state;

        bed->fake.mute = true;
        order(bed, ACTION_LIMIT, LIMITS_TRIAL);
        while (bed->fake.reloads == 0)
                assert_true(sd_event_run(bed->event, UINT64_MAX) >= 0);
        bed->hand = limits_hand_free(bed->hand);
        assert_int_equal(bed->done, 1);
        assert_int_equal(bed->outcome, OUTCOME_UNKNOWN);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(limits_are_written_and_in_force),
                TEST(what_is_taken_back_leaves_nothing),
                TEST(what_is_kept_is_on_trial_no_more),
                TEST(a_quota_of_healing_has_a_file_of_its_own),
                TEST(errands_are_done_one_after_the_other),
                TEST(a_drop_in_that_has_the_last_word_is_named_and_ours_taken_back),
                TEST(a_kernel_that_takes_its_time_is_waited_for),
                TEST(a_kernel_that_does_not_take_it_is_a_failure),
                TEST(a_kernel_that_keeps_what_was_taken_back_is_a_failure_too),
                TEST(without_a_controller_it_is_said_loudly),
                TEST(a_step_of_healing_that_does_nothing_is_taken_back),
                TEST(a_systemd_that_refuses_leaves_everything_as_it_was),
                TEST(somebody_elses_file_is_never_touched),
                TEST(a_link_in_its_place_is_somebodys_word),
                TEST(a_folder_with_more_in_it_stays),
                TEST(a_pm2_daemon_in_the_group_is_refused),
                TEST(a_unit_that_is_not_there_is_said),
                TEST(what_is_no_errand_about_limits_is_not_begun),
                TEST(a_connection_that_breaks_leaves_it_unknown),
                TEST(without_a_connection_the_file_goes_first_and_systemd_is_told_later),
                TEST(an_errand_under_way_at_the_end_is_unknown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
