#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/unit.h"

static bool looks(const char *name, const char *fragment, const char *type)
{
        struct unit_looks unit = { .name = name, .fragment = fragment, .type = type, .executable = "node" };

        return unit_looks_like_agent(&unit);
}

static void what_an_administrator_installed_is_an_agent(void **state)
{
        assert_true(looks("lily.service", "/etc/systemd/system/lily.service", "simple"));
        assert_true(looks("lily.service", "/run/systemd/system/lily.service", "notify"));
        assert_true(looks("pm2-root.service", "/etc/systemd/system/pm2-root.service", "forking"));
        assert_true(looks("lily@1.service", "/usr/local/lib/systemd/system/lily@.service", "exec"));
}

static void what_a_package_or_a_generator_made_is_not(void **state)
{
        assert_false(looks("nginx.service", "/lib/systemd/system/nginx.service", "forking"));
        assert_false(looks("x.service", "/run/systemd/generator/x.service", "simple"));
        assert_false(looks("run-r1.service", "/run/systemd/transient/run-r1.service", "simple"));
        assert_false(looks("x.service", "", "simple"));
}

static void a_deployers_name_counts_wherever_it_comes_from(void **state)
{
        assert_true(looks("agent-lily.service", "/run/systemd/transient/agent-lily.service", "simple"));
        assert_true(looks("bot.service", "/lib/systemd/system/bot.service", "simple"));
        assert_true(looks("trade-bot.service", "/lib/systemd/system/trade-bot.service", "exec"));
        assert_false(looks("botany.mount", "/etc/systemd/system/botany.mount", "simple"));
}

static void what_runs_once_is_not(void **state)
{
        assert_false(looks("backup.service", "/etc/systemd/system/backup.service", "oneshot"));
        assert_false(looks("agent-setup.service", "/etc/systemd/system/agent-setup.service", "oneshot"));
}

static void a_masked_unit_is_not(void **state)
{
        struct unit_looks unit = { .name = "lily.service",
                                   .fragment = "/etc/systemd/system/lily.service",
                                   .type = "simple",
                                   .executable = "",
                                   .masked = true };

        assert_false(unit_looks_like_agent(&unit));
}

static void the_way_in_and_the_systems_own_are_never_touched(void **state)
{
        static const char *const names[] = {
                "ssh.service",
                "sshd.service",
                "ssh@1.service",
                "dbus.service",
                "dbus-broker.service",
                "getty@tty1.service",
                "serial-getty@ttyS0.service",
                "systemd-journald.service",
                "systemd-logind.service",
                "NetworkManager.service",
                "networking.service",
                "wpa_supplicant.service",
                "tailscaled.service",
                "cloudflared.service",
                "wg-quick@wg0.service",
                "openvpn@x.service",
                "governor.service",
                "governor-courier.service",
                "user@1000.service",
                "session-3.scope",
                "init.scope",
                "-.slice",
                "system.slice",
                "polkit.service",
        };

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                assert_true(unit_is_untouchable(names[i]));
                assert_false(looks(names[i], "/etc/systemd/system/x.service", "simple"));
        }
        assert_false(unit_is_untouchable("lily.service"));
        assert_false(unit_is_untouchable("agent-lily.service"));
}

/* ---- its files ---------------------------------------------------------------------------------------------------------- */

static void a_file_is_a_units_by_its_place_and_name(void **state)
{
        static const struct {
                const char *unit, *path;
                bool is;
        } rows[] = {
                { "lily.service", "/etc/systemd/system/lily.service", true },
                { "lily.service", "/etc/systemd/system/rosa.service", false },
                { "lily.service", "/etc/systemd/system/lily.service.d/10-a.conf", true },
                { "lily.service", "/etc/systemd/system/lily.service.d/readme", false },
                { "lily.service", "/etc/systemd/system/lily.service.wants/10-a.conf", false },
                { "lily.service", "/run/systemd/system/service.d/all.conf", true },
                { "lily.service", "/etc/systemd/system/lily.timer", false },
                { "zoo-ant@7.service", "/etc/systemd/system/zoo-ant@7.service", true },
                { "zoo-ant@7.service", "/etc/systemd/system/zoo-ant@.service", true },
                { "zoo-ant@7.service", "/etc/systemd/system/zoo-ant@8.service", false },
                { "zoo-ant@7.service", "/etc/systemd/system/zoo-ant@.service.d/x.conf", true },
                { "zoo-ant@7.service", "/etc/systemd/system/zoo-.service.d/x.conf", true },
                { "zoo-ant@7.service", "/etc/systemd/system/zoo-.service", false },
                { "zoo-ant@7.service", "/etc/systemd/system/zo.service.d/x.conf", false },
                { "zoo-ant@a-b.service", "/etc/systemd/system/zoo-ant@a-.service.d/x.conf", false },
                { "zoo.service", "/etc/systemd/system/zoo@.service", false },
                { "zoo.service", "/etc/systemd/system/.service", false },
                { "zoo.service", "zoo.service", false },
                { "zoo.timer", "/etc/systemd/system/zoo.timer", false },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (unit_has_path(rows[i].unit, rows[i].path) != rows[i].is)
                        fail_msg("%s of %s", rows[i].path, rows[i].unit);
}

static void a_file_names_what_it_is_for(void **state)
{
        char name[UNIT_NAME_MAX], longest[400] = "/";

        assert_true(unit_path_name("/etc/systemd/system/zoo-@.service.d/x.conf", name));
        assert_string_equal(name, "zoo-@.service");
        assert_true(unit_path_name("/etc/systemd/system/service.d/x.conf", name));
        assert_string_equal(name, "service");
        assert_false(unit_path_name("/x.conf", name));
        assert_false(unit_path_name("x.conf", name));
        assert_false(unit_path_name("/.d/x.conf", name));
        memset(longest + 1, 'a', sizeof(longest) - 2);
        memcpy(longest + sizeof(longest) - 9, ".service", 9);
        assert_false(unit_path_name(longest, name));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_an_administrator_installed_is_an_agent),
                cmocka_unit_test(what_a_package_or_a_generator_made_is_not),
                cmocka_unit_test(a_deployers_name_counts_wherever_it_comes_from),
                cmocka_unit_test(what_runs_once_is_not),
                cmocka_unit_test(a_masked_unit_is_not),
                cmocka_unit_test(the_way_in_and_the_systems_own_are_never_touched),
                cmocka_unit_test(a_file_is_a_units_by_its_place_and_name),
                cmocka_unit_test(a_file_names_what_it_is_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
