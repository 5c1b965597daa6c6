/* Limits as values: how they are written, joined, and where they stand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"

static void is_text(enum limit limit, uint64_t value, const char *expected)
{
        char text[LIMIT_TEXT_MAX];

        assert_string_equal(limit_text(limit, value, text), expected);
}

static void a_value_is_written_as_systemd_reads_it(void **state)
{
        (void)state;
        is_text(LIMIT_MEMORY_MAX, 128 << 20, "128M");
        is_text(LIMIT_MEMORY_MAX, (uint64_t)3 << 30, "3G");
        is_text(LIMIT_MEMORY_MAX, 1536 << 10, "1536K");
        is_text(LIMIT_MEMORY_MAX, 1000, "1000");
        is_text(LIMIT_MEMORY_SWAP_MAX, 0, "0");
        is_text(LIMIT_MEMORY_HIGH, LIMIT_INFINITY, "infinity");
        is_text(LIMIT_CPU_QUOTA, 50, "50%");
        is_text(LIMIT_CPU_QUOTA, LIMIT_INFINITY, "infinity");
        is_text(LIMIT_OOM_POLICY, OOM_POLICY_KILL, "kill");
        is_text(LIMIT_OOM_POLICY, 77, "unknown");
        assert_string_equal(limit_name(LIMIT_N), "unknown");
}

static void what_is_added_stands_over_what_was_there(void **state)
{
        struct limits kept = { .place = LIMITS_KEPT }, more = { .place = LIMITS_TRIAL };
        char text[LIMITS_TEXT_MAX];

        (void)state;
        limits_put(&kept, LIMIT_MEMORY_MAX, 100 << 20);
        limits_put(&kept, LIMIT_CPU_QUOTA, 20);
        limits_put(&more, LIMIT_MEMORY_MAX, 200 << 20);
        limits_put(&more, LIMIT_OOM_POLICY, OOM_POLICY_KILL);
        limits_add(&kept, &more);
        assert_string_equal(limits_text(&kept, text), "MemoryMax=200M CPUQuota=20% OOMPolicy=kill");
        assert_int_equal(kept.place, LIMITS_KEPT);
        assert_false(limits_have(&kept, LIMIT_MEMORY_HIGH));
}

static void all_limits_fit_into_their_text(void **state)
{
        struct limits limits = { .place = LIMITS_KEPT };
        char text[LIMITS_TEXT_MAX];

        (void)state;
        for (enum limit limit = 0; limit < LIMIT_N; limit++)
                limits_put(&limits, limit, UINT64_MAX - 1);
        limits_put(&limits, LIMIT_OOM_POLICY, OOM_POLICY_CONTINUE);
        limits_text(&limits, text);
        assert_non_null(strstr(text, "OOMPolicy=continue"));
}

static void each_place_has_a_file_of_its_own(void **state)
{
        static const char *const expected[LIMITS_PLACE_N] = {
                [LIMITS_KEPT] = "/etc/systemd/system/agent-x@1.service.d/50-governor-limits.conf",
                [LIMITS_TRIAL] = "/run/systemd/system/agent-x@1.service.d/60-governor-limits-trial.conf",
                [LIMITS_QUOTA] = "/run/systemd/system/agent-x@1.service.d/70-governor-quota.conf",
        };
        char path[LIMITS_PATH_MAX], unit[LIMITS_PATH_MAX];

        (void)state;
        for (enum limits_place place = LIMITS_NOWHERE + 1; place < LIMITS_PLACE_N; place++) {
                assert_true(limits_path(place, "agent-x@1.service", path));
                assert_string_equal(path, expected[place]);
                assert_int_equal(limits_place_of(path, unit), place);
                assert_string_equal(unit, "agent-x@1.service");
        }
        assert_false(limits_path(LIMITS_NOWHERE, "agent-x.service", path));
        assert_false(limits_path(LIMITS_PLACE_N, "agent-x.service", path));
}

static void a_name_that_is_no_units_leads_nowhere(void **state)
{
        static const char *const names[] = { "",         "a",           "../../etc/passwd", "a/b.service",
                                             ".service", "a b.service", "a\n.service" };
        static const char *const paths[] = {
                "",
                "/",
                "/etc/systemd/system",
                "/etc/systemd/system/",
                "/etc/systemd/system/x.service.d/override.conf",
                "/etc/systemd/system/x.service.d/60-governor-limits-trial.conf", /* a trial's, and not in /run */
                "/run/systemd/system/x.service.d/50-governor-limits.conf",
                "/etc/systemd/system/x.service.d/../50-governor-limits.conf",
                "/etc/systemd/system/a/b.service.d/50-governor-limits.conf",
                "/etc/systemd/system/x.service.d/50-governor-limits.conf.bak",
                "/etc/systemd/system/.d/50-governor-limits.conf",
        };
        char path[LIMITS_PATH_MAX], long_name[400];

        (void)state;
        for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++)
                assert_false(limits_path(LIMITS_KEPT, names[n], path));
        memset(long_name, 'a', sizeof(long_name));
        strcpy(long_name + 300, ".service");
        assert_false(limits_path(LIMITS_KEPT, long_name, path));
        for (size_t n = 0; n < sizeof(paths) / sizeof(paths[0]); n++)
                assert_int_equal(limits_place_of(paths[n], path), LIMITS_NOWHERE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_value_is_written_as_systemd_reads_it),
                cmocka_unit_test(what_is_added_stands_over_what_was_there),
                cmocka_unit_test(all_limits_fit_into_their_text),
                cmocka_unit_test(each_place_has_a_file_of_its_own),
                cmocka_unit_test(a_name_that_is_no_units_leads_nowhere),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
