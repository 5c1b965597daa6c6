/* The doctor before small machines made of files: each check finds what is wrong, and is silent where it is right. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "govctl/check.h"
#include "govctl/field.h"
#include "govctl_stage.h"
#include "io/file.h"

#define SECRET "sk-fixture-0123456789abcdef" /* no real key: it must never be shown */

struct ground {
        char root[64];
        struct machine machine;
        struct findings findings;
        json_t *status;
};

static void ground_open(struct ground *ground)
{
        *ground = (struct ground){ 0 };
        strcpy(ground->root, "/tmp/govctl-ground-XXXXXX");
        assert_non_null(mkdtemp(ground->root));
}

static void put_bytes(const struct ground *ground, const char *path, const void *bytes, size_t n)
{
        char whole[512];

        snprintf(whole, sizeof whole, "%s/%s", ground->root, path);
        *strrchr(whole, '/') = '\0';
        assert_int_equal(file_make_directory(whole, 0755), 0);
        snprintf(whole, sizeof whole, "%s/%s", ground->root, path);

        FILE *file = fopen(whole, "w");

        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, n, file), n);
        fclose(file);
        assert_int_equal(chmod(whole, 0644), 0);
}

static void put(const struct ground *ground, const char *path, const char *text)
{
        put_bytes(ground, path, text, strlen(text));
}

static void ground_chmod(const struct ground *ground, const char *path, mode_t mode)
{
        char whole[512];

        snprintf(whole, sizeof whole, "%s/%s", ground->root, path);
        assert_int_equal(chmod(whole, mode), 0);
}

static void put_link(const struct ground *ground, const char *path, const char *target)
{
        char whole[512];

        put(ground, path, "");
        snprintf(whole, sizeof whole, "%s/%s", ground->root, path);
        assert_int_equal(unlink(whole), 0);
        assert_int_equal(symlink(target, whole), 0);
}

/* A process with this title, in this cgroup. */
static void put_god(const struct ground *ground, int pid, unsigned uid, const char *cgroup, const char *home)
{
        char path[64], text[512];
        int n;

        snprintf(path, sizeof path, "proc/%d/stat", pid);
        snprintf(text, sizeof text,
                 "%d (PM2 v7.0.4: God) S 1 %d %d 0 -1 4194560 1 0 0 0 10 5 0 0 20 0 11 0 1000 0 0 18446744073709551615 "
                 "0 0 0 0 0 0 0 "
                 "0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
                 pid, pid, pid);
        put(ground, path, text);
        snprintf(path, sizeof path, "proc/%d/status", pid);
        snprintf(text, sizeof text, "Name:\tnode\nUid:\t%u\t%u\t%u\t%u\n", uid, uid, uid, uid);
        put(ground, path, text);
        snprintf(path, sizeof path, "proc/%d/cgroup", pid);
        snprintf(text, sizeof text, "0::%s\n", cgroup);
        put(ground, path, text);
        snprintf(path, sizeof path, "proc/%d/environ", pid);
        n = snprintf(text, sizeof text, "OPENAI_API_KEY=" SECRET "%cPM2_HOME=%s%c", 0, home, 0);
        put_bytes(ground, path, text, (size_t)n);
}

static void ground_look(struct ground *ground, const char *status, const struct policy *policy)
{
        ground->status = status ? json_loads(status, 0, NULL) : NULL;
        assert_true(!status || ground->status);
        assert_int_equal(machine_read_all(&ground->machine, ground->root, ground->status, policy), 0);
        checks_look(&ground->machine, &ground->findings);
}

/* The one finding of this check about the subject; NULL for none, a failed test for several. */
static const struct finding *found(const struct ground *ground, const char *check, const char *subject)
{
        const struct finding *one = NULL;

        for (size_t i = 0; i < ground->findings.n; i++) {
                const struct finding *f = &ground->findings.list[i];

                assert_null(strstr(f->why, SECRET));
                if (strcmp(f->check, check) != 0 || strcmp(f->subject, subject) != 0)
                        continue;
                assert_null(one);
                one = f;
        }
        if (one) {
                assert_string_not_equal(one->what, "");
                assert_string_not_equal(one->why, "");
                assert_string_not_equal(one->fix, "");
        }
        return one;
}

static int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *at)
{
        (void)stat, (void)type, (void)at;
        return remove(path);
}

static void ground_close(struct ground *ground)
{
        findings_done(&ground->findings);
        machine_done(&ground->machine);
        json_decref(ground->status);
        nftw(ground->root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- units ---- */

static void a_start_limit_that_cannot_be_reached_is_found(void **state)
{
        struct ground ground;

        ground_open(&ground);
        put(&ground, "etc/systemd/system/slow.service",
            "[Service]\nUser=slow\nExecStart=/opt/slow\nRestart=always\nRestartSec=30\n");
        put(&ground, "etc/systemd/system/fast.service", "[Service]\nUser=fast\nExecStart=/opt/fast\nRestart=always\n");
        put(&ground, "etc/systemd/system/wide.service",
            "[Unit]\nStartLimitIntervalSec=5min\nStartLimitBurst=4\n[Service]\nUser=x\nExecStart=/"
            "x\nRestart=on-failure\nRestartSec=30s\n");
        put(&ground, "etc/systemd/system/free.service",
            "[Unit]\nStartLimitIntervalSec=0\n[Service]\nUser=x\nExecStart=/x\nRestart=always\nRestartSec=30s\n");
        put(&ground, "etc/systemd/system/once.service",
            "[Service]\nType=oneshot\nExecStart=/x\nRestart=on-failure\nRestartSec=30s\n");
        ground_look(&ground, NULL, NULL);

        const struct finding *slow = found(&ground, "start-limit", "slow.service");

        assert_non_null(slow);
        assert_string_equal(slow->where, "/etc/systemd/system/slow.service:5");
        assert_non_null(strstr(slow->fix, "StartLimitIntervalSec=4min\nStartLimitBurst=5\n"));
        assert_null(found(&ground, "start-limit", "fast.service"));
        assert_null(found(&ground, "start-limit", "wide.service"));
        assert_null(found(&ground, "start-limit", "free.service"));
        assert_null(found(&ground, "start-limit", "once.service"));
        ground_close(&ground);
}

static void drop_ins_are_read_as_systemd_reads_them(void **state)
{
        struct ground ground;

        ground_open(&ground);
        put(&ground, "etc/systemd/system/agent-a.service",
            "[Service]\nUser=a\nExecStart=/a \\\n# between\n  --with words\nRestart=always\n");
        put(&ground, "usr/lib/systemd/system/agent-a.service.d/10-slow.conf", "[Service]\nRestartSec=20\n");
        put(&ground, "etc/systemd/system/agent-.service.d/20-all.conf", "[Unit]\nStartLimitIntervalSec=2min\n");
        put(&ground, "etc/systemd/system/agent-b.service",
            "[Service]\nUser=b\nExecStart=/b\nRestart=always\nRestartSec=1h\n");
        /* the same name in /etc hides the one in /usr/lib; an empty one takes it away */
        put(&ground, "usr/lib/systemd/system/agent-b.service.d/10-slow.conf", "[Service]\nRestartSec=20\n");
        put(&ground, "etc/systemd/system/agent-b.service.d/10-slow.conf", "");
        ground_look(&ground, NULL, NULL);

        const struct unit *a = machine_unit(&ground.machine, "agent-a.service");

        assert_string_equal(unit_text(a, UNIT_EXEC_START, ""), "/a  --with words");
        assert_string_equal(unit_text(a, UNIT_RESTART_SEC, ""), "20");
        assert_null(found(&ground, "start-limit", "agent-a.service"));
        assert_non_null(found(&ground, "start-limit", "agent-b.service"));
        ground_close(&ground);
}

static void time_spans_and_sizes_are_read(void **state)
{
        static const struct {
                const char *text;
                usec_t span;
        } spans[] = { { "5", 5 * USEC_PER_SEC },         { "100ms", 100 * USEC_PER_MSEC },
                      { "1min 30s", 90 * USEC_PER_SEC }, { "1.5h", 90 * USEC_PER_MINUTE },
                      { "2min30", 150 * USEC_PER_SEC },  { "infinity", USEC_INFINITY },
                      { "3 days", 3 * USEC_PER_DAY } };
        usec_t span;
        uint64_t bytes;

        for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
                assert_true(unit_parse_span(spans[i].text, &span));
                assert_int_equal(span, spans[i].span);
        }
        assert_false(unit_parse_span("", &span));
        assert_false(unit_parse_span("soon", &span));
        assert_false(unit_parse_span("5 parsecs", &span));
        assert_true(unit_parse_bytes("1.5G", &bytes));
        assert_int_equal(bytes, 3ull << 29);
        assert_false(unit_parse_bytes("80%", &bytes));
        assert_false(unit_parse_bytes("infinity", &bytes));
}

static void binding_without_a_way_back_is_found(void **state)
{
        static const char dependent[] =
                "[Unit]\nBindsTo=base.service\nAfter=base.service\n[Service]\nUser=d\nExecStart=/d\n";
        struct ground ground;

        ground_open(&ground);
        put(&ground, "etc/systemd/system/lost.service", dependent);
        put(&ground, "etc/systemd/system/upheld.service", dependent);
        put(&ground, "etc/systemd/system/wanted.service", dependent);
        put(&ground, "usr/lib/systemd/system/base.service",
            "[Unit]\nUpholds=other.service upheld.service\n[Service]\nExecStart=/b\n");
        put_link(&ground, "etc/systemd/system/base.service.wants/wanted.service", "/etc/systemd/system/wanted.service");
        put(&ground, "etc/systemd/system/mounted.service",
            "[Unit]\nBindsTo=srv.mount\n[Service]\nUser=d\nExecStart=/d\n");
        ground_look(&ground, NULL, NULL);

        const struct finding *lost = found(&ground, "binds-to", "lost.service");

        assert_non_null(lost);
        assert_non_null(strstr(lost->fix, "base.service.d/"));
        assert_non_null(strstr(lost->fix, "Upholds=lost.service"));
        assert_null(found(&ground, "binds-to", "upheld.service"));
        assert_null(found(&ground, "binds-to", "wanted.service"));
        assert_null(found(&ground, "binds-to", "mounted.service"));
        ground_close(&ground);
}

static void agents_that_run_as_root_are_found(void **state)
{
        struct ground ground;

        ground_open(&ground);
        put(&ground, "etc/systemd/system/lily.service", "[Service]\nExecStart=/lily\n");
        put(&ground, "etc/systemd/system/oscar.service", "[Service]\nUser=oscar\nExecStart=/oscar\n");
        put(&ground, "etc/systemd/system/mona.service", "[Service]\nDynamicUser=yes\nExecStart=/mona\n");
        put(&ground, "etc/systemd/system/governor.service", "[Service]\nExecStart=/usr/local/bin/governord\n");
        put(&ground, "etc/systemd/system/backup.service", "[Service]\nExecStart=/backup\n");
        put_link(&ground, "etc/systemd/system/masked.service", "/dev/null");
        put_link(&ground, "etc/systemd/system/alias.service", "/etc/systemd/system/lily.service");
        ground_look(&ground,
                    "{\"agents\":[{\"id\":\"systemd:lily.service\"},{\"id\":\"systemd:oscar.service\"},{\"id\":"
                    "\"systemd:mona.service\"}]}",
                    NULL);
        assert_non_null(found(&ground, "unit-root", "lily.service"));
        assert_null(found(&ground, "unit-root", "oscar.service"));
        assert_null(found(&ground, "unit-root", "mona.service"));
        assert_null(found(&ground, "unit-root", "governor.service"));
        assert_null(found(&ground, "unit-root", "backup.service")); /* the daemon knows: it is no agent */
        assert_int_equal(ground.machine.units_n, 5);
        ground_close(&ground);
}

static void agents_whose_user_can_become_root_are_found(void **state)
{
        static const char status[] =
                "{\"agents\":[{\"id\":\"systemd:lily.service\"},{\"id\":\"systemd:oscar.service\"},"
                "{\"id\":\"systemd:mona.service\"},{\"id\":\"systemd:ida.service\"},{\"id\":\"systemd:otto.service\"}]}";
        struct ground ground;

        ground_open(&ground);
        put(&ground, "etc/passwd",
            "root:x:0:0::/root:/bin/sh\nlily:x:1000:1000::/:/bin/sh\noscar:x:1001:998::/:/bin/sh\n"
            "mona:x:1002:1002::/:/bin/sh\nida:x:1003:1003::/:/bin/sh\n");
        put(&ground, "etc/group", "docker:x:999:mona2,lily\ndisk:x:998:\nadmins:x:50:mona\ndockers:x:51:ida\n");
        put(&ground, "etc/sudoers", "# ida ALL=(ALL) NOPASSWD: ALL\nida ALL=(root) NOPASSWD: /usr/bin/true\n");
        put(&ground, "etc/sudoers.d/people", "Defaults env_reset\n%admins ALL=(ALL:ALL) NOPASSWD: ALL\n");
        put(&ground, "etc/sudoers.d/people.bak", "ida ALL=(ALL) NOPASSWD: ALL\n");
        put(&ground, "etc/systemd/system/lily.service", "[Service]\nUser=lily\nExecStart=/lily\n");
        put(&ground, "etc/systemd/system/oscar.service", "[Service]\nUser=oscar\nExecStart=/oscar\n");
        put(&ground, "etc/systemd/system/mona.service", "[Service]\nUser=mona\nExecStart=/mona\n");
        put(&ground, "etc/systemd/system/ida.service", "[Service]\nUser=ida\nExecStart=/ida\n");
        put(&ground, "etc/systemd/system/otto.service",
            "[Service]\nUser=mona\nNoNewPrivileges=true\nExecStart=/otto\n");
        ground_look(&ground, status, NULL);
        assert_non_null(strstr(found(&ground, "powers", "lily.service")->why, "lily is in the group docker"));
        assert_non_null(strstr(found(&ground, "powers", "oscar.service")->why, "group disk")); /* it is its own */
        assert_string_equal(found(&ground, "powers", "mona.service")->where, "/etc/sudoers.d/people:2");
        assert_null(found(&ground, "powers", "ida.service"));
        assert_null(found(&ground, "powers", "otto.service")); /* sudo gives it nothing */
        ground_close(&ground);
}

static void a_stale_pid_file_is_found(void **state)
{
        struct ground ground;

        ground_open(&ground);
        put(&ground, "etc/systemd/system/gone.service",
            "[Service]\nUser=x\nType=forking\nExecStart=/x\nPIDFile=/run/gone.pid\n");
        put(&ground, "etc/systemd/system/here.service",
            "[Service]\nUser=x\nType=forking\nExecStart=/x\nPIDFile=/run/here.pid\n");
        put(&ground, "run/gone.pid", "4242\n");
        put(&ground, "run/here.pid", "77\n");
        put_god(&ground, 77, 0, "/system.slice/here.service", "/nowhere");
        ground_look(&ground, NULL, NULL);
        assert_non_null(found(&ground, "unit-pid-file", "gone.service"));
        assert_null(found(&ground, "unit-pid-file", "here.service"));
        ground_close(&ground);
}

/* ---- PM2 ---- */

#define PASSWD "root:x:0:0:root:/root:/bin/bash\nbob:x:1000:1000::/home/bob:/bin/bash\n"
#define STOCK_UNIT                                                                                  \
        "[Unit]\nDescription=PM2 process manager\n[Service]\nType=forking\nUser=bob\n"              \
        "Environment=PM2_HOME=/home/bob/.pm2\nPIDFile=/home/bob/.pm2/pm2.pid\nRestart=on-failure\n" \
        "ExecStart=/usr/bin/pm2 resurrect\nExecStop=/usr/bin/pm2 kill\n"

static void the_stock_pm2_unit_is_found_and_mended(void **state)
{
        struct ground ground;

        ground_open(&ground);
        put(&ground, "etc/systemd/system/pm2-bob.service", STOCK_UNIT);
        put(&ground, "etc/systemd/system/pm2-eve.service", STOCK_UNIT);
        put(&ground, "etc/systemd/system/pm2-eve.service.d/zz-doctor-pm2.conf",
            "[Service]\nOOMPolicy=continue\nRestart=always\nRestartSec=3\nExecStop=\n"
            "ExecStop=-/bin/sh -c 'test -z \"$MAINPID\" || exec /usr/bin/pm2 kill'\n");
        ground_look(&ground, NULL, NULL);

        const struct finding *bob = found(&ground, "pm2-unit", "pm2-bob.service");

        assert_non_null(bob);
        assert_non_null(strstr(bob->why, "OOMPolicy=stop"));
        assert_non_null(strstr(bob->why, "Restart=on-failure"));
        assert_non_null(strstr(bob->why, "pm2 update"));
        assert_non_null(strstr(
                bob->fix, "OOMPolicy=continue\nRestart=always\nRestartSec=3\nExecStop=\nExecStop=-/bin/sh -c 'test -z "
                          "\"$MAINPID\" || exec /usr/bin/pm2 kill'\n"));
        assert_null(found(&ground, "pm2-unit", "pm2-eve.service"));
        ground_close(&ground);
}

static void a_daemon_outside_of_its_unit_is_found(void **state)
{
        struct ground ground;

        ground_open(&ground);
        put(&ground, "etc/passwd", PASSWD "eve:x:1001:1001::/home/eve:/bin/sh\n");
        put(&ground, "etc/systemd/system/pm2-bob.service", STOCK_UNIT);
        put(&ground, "etc/systemd/system/pm2-eve.service",
            "[Service]\nPIDFile=/home/eve/.pm2/pm2.pid\nExecStart=/usr/bin/pm2 resurrect\n");
        put(&ground, "home/bob/.pm2/pm2.pid", "500");
        put(&ground, "home/eve/.pm2/pm2.pid", "600");
        put_god(&ground, 500, 1000, "/user.slice/user-1000.slice/session-3.scope", "/home/bob/.pm2");
        put_god(&ground, 600, 1001, "/system.slice/pm2-eve.service", "/home/eve/.pm2");
        ground_look(&ground, NULL, NULL);

        const struct finding *bob = found(&ground, "pm2-outside", "/home/bob/.pm2");

        assert_non_null(bob);
        assert_non_null(strstr(bob->why, "session-3.scope"));
        assert_null(found(&ground, "pm2-outside", "/home/eve/.pm2"));
        assert_null(found(&ground, "pm2-no-unit", "/home/bob/.pm2"));
        assert_null(found(&ground, "pm2-stale", "/home/bob/.pm2"));
        ground_close(&ground);
}

static void a_second_daemon_is_found_and_a_second_home_is_not(void **state)
{
        struct ground ground;

        ground_open(&ground);
        put(&ground, "etc/passwd", PASSWD);
        put(&ground, "home/bob/.pm2/pm2.pid", "500");
        put(&ground, "srv/other/pm2.pid", "503");
        put_god(&ground, 500, 1000, "/a.service", "/home/bob/.pm2");
        put_god(&ground, 501, 1000, "/b.scope", "/home/bob/.pm2");
        put_god(&ground, 502, 0, "/c.service", "/root/.pm2");
        put_god(&ground, 503, 0, "/d.service", "/srv/other");
        ground_look(&ground, NULL, NULL);

        const struct finding *bob = found(&ground, "pm2-second-god", "PM2 of uid 1000");

        assert_non_null(bob);
        assert_non_null(strstr(bob->why, "500"));
        assert_non_null(strstr(bob->why, "501"));
        assert_null(found(&ground, "pm2-second-god", "PM2 of uid 0"));
        ground_close(&ground);
}

static void what_a_dead_daemon_left_behind_is_found(void **state)
{
        struct ground ground;

        ground_open(&ground);
        put(&ground, "etc/passwd", PASSWD);
        put(&ground, "home/bob/.pm2/pm2.pid", "4242");
        put(&ground, "home/bob/.pm2/rpc.sock", "");
        put(&ground, "root/.pm2/pm2.pid", "500");
        put(&ground, "root/.pm2/rpc.sock", "");
        put_god(&ground, 500, 0, "/a.service", "/root/.pm2");
        ground_look(&ground, NULL, NULL);
        assert_non_null(found(&ground, "pm2-stale", "/home/bob/.pm2"));
        assert_null(found(&ground, "pm2-stale", "/root/.pm2"));
        assert_non_null(found(&ground, "pm2-no-unit", "/root/.pm2"));
        assert_null(found(&ground, "pm2-no-unit", "/home/bob/.pm2")); /* nothing runs there, nothing is saved */
        ground_close(&ground);
}

/* ---- apps ---- */

/* A saved list: names and what more their apps say, by turns, ended with NULL. Each has a secret in its environment. */
__attribute__((sentinel)) static void put_apps(const struct ground *ground, const char *home, ...)
{
        char path[128], text[4096] = "";
        const char *name;
        va_list apps;

        va_start(apps, home);
        while ((name = va_arg(apps, const char *)))
                text_append(
                        text, sizeof text,
                        "%s{\"name\":\"%s\",\"env\":{\"API_KEY\":\"%s\",\"status\":\"stopped\"},\"API_KEY\":\"%s\"%s}",
                        text[0] ? "," : "[", name, SECRET, SECRET, va_arg(apps, const char *));
        va_end(apps);
        text_append(text, sizeof text, "]");
        snprintf(path, sizeof path, "%s/dump.pm2", home);
        put(ground, path, text);
}

static void restart_limits_that_cannot_be_reached_are_found(void **state)
{
        struct ground ground;

        ground_open(&ground);
        put(&ground, "etc/passwd", PASSWD);
        put_apps(&ground, "home/bob/.pm2", "bare", ",\"max_restarts\":10", "delayed",
                 ",\"max_restarts\":10,\"min_uptime\":5000,\"restart_delay\":5000", "growing",
                 ",\"max_restarts\":10,\"min_uptime\":5000,\"exp_backoff_restart_delay\":100", "right",
                 ",\"max_restarts\":10,\"min_uptime\":\"30s\",\"restart_delay\":4000", "unlimited",
                 ",\"restart_delay\":4000", NULL);
        ground_look(&ground, NULL, NULL);
        assert_non_null(found(&ground, "pm2-max-restarts", "pm2:bob/bare"));
        assert_non_null(strstr(found(&ground, "pm2-max-restarts", "pm2:bob/delayed")->fix, "min_uptime: 35000"));
        assert_non_null(found(&ground, "pm2-max-restarts", "pm2:bob/growing"));
        assert_null(found(&ground, "pm2-max-restarts", "pm2:bob/right"));
        assert_null(found(&ground, "pm2-max-restarts", "pm2:bob/unlimited"));
        ground_close(&ground);
}

static void a_list_saved_in_quarantine_is_found(void **state)
{
        struct ground ground;

        ground_open(&ground);
        put(&ground, "etc/passwd", PASSWD);
        put_apps(&ground, "home/bob/.pm2", "held", ",\"status\":\"stopped\"", "meant", ",\"status\":\"stopped\"",
                 "fine", ",\"status\":\"online\"", "trial", ",\"status\":\"online\"", NULL);
        put_god(&ground, 500, 1000, "/a.service", "/home/bob/.pm2");
        ground_look(&ground,
                    "{\"agents\":[{\"id\":\"pm2:bob/held\",\"quarantined\":true,\"claimed_state\":\"stopped\"},"
                    "{\"id\":\"pm2:bob/meant\",\"quarantined\":false,\"claimed_state\":\"stopped\"},"
                    "{\"id\":\"pm2:bob/fine\",\"quarantined\":false,\"claimed_state\":\"running\"},"
                    "{\"id\":\"pm2:bob/trial\",\"quarantined\":true,\"claimed_state\":\"stopped\"},"
                    "{\"id\":\"pm2:bob/fresh\",\"quarantined\":false,\"claimed_state\":\"running\"}]}",
                    NULL);
        assert_non_null(found(&ground, "pm2-saved", "pm2:bob/held"));
        assert_null(found(&ground, "pm2-saved", "pm2:bob/meant"));
        assert_null(found(&ground, "pm2-saved", "pm2:bob/fine"));
        assert_null(found(&ground, "pm2-saved", "pm2:bob/trial"));

        const struct finding *older = found(&ground, "pm2-saved", "/home/bob/.pm2");

        assert_non_null(older);
        assert_non_null(strstr(older->why, "fresh"));
        assert_null(strstr(older->why, "fine"));
        ground_close(&ground);
}

static void saved_environments_that_all_may_read_are_found(void **state)
{
        struct ground ground;

        ground_open(&ground);
        put(&ground, "etc/passwd", PASSWD "eve:x:1001:1001::/home/eve:/bin/sh\n");
        put_apps(&ground, "home/bob/.pm2", "a", "", NULL);
        put_apps(&ground, "home/eve/.pm2", "a", "", NULL);
        put_apps(&ground, "root/.pm2", "a", "", NULL);
        ground_chmod(&ground, "home/eve/.pm2/dump.pm2", 0600);
        ground_chmod(&ground, "root", 0700);
        ground_chmod(&ground, "", 0755);
        ground_look(&ground, NULL, NULL);
        assert_non_null(found(&ground, "pm2-secrets", "/home/bob/.pm2"));
        assert_null(found(&ground, "pm2-secrets", "/home/eve/.pm2"));
        assert_null(found(&ground, "pm2-secrets", "/root/.pm2"));
        ground_close(&ground);
}

static void apps_that_run_as_root_are_one_finding_a_home(void **state)
{
        struct ground ground;

        ground_open(&ground);
        put(&ground, "etc/passwd", PASSWD);
        put_apps(&ground, "home/bob/.pm2", "a", ",\"uid\":0", "b", ",\"uid\":1000", "c", ",\"uid\":\"root\"", NULL);
        ground_look(&ground, NULL, NULL);

        const struct finding *bob = found(&ground, "pm2-root", "/home/bob/.pm2");

        assert_non_null(bob);
        assert_non_null(strstr(bob->why, "2 apps: a, c."));
        ground_close(&ground);
}

static void a_name_cannot_break_out_of_a_fix(void **state)
{
        char word[SHELL_WORD_MAX];
        struct ground ground;

        assert_string_equal(shell_word("lily", word), "lily");
        assert_string_equal(shell_word("", word), "''");
        assert_string_equal(shell_word("-rf", word), "'-rf'");
        assert_string_equal(shell_word("a'; touch /tmp/x; '", word), "'a'\\''; touch /tmp/x; '\\'''");
        assert_string_equal(shell_word("two\nlines", word), "'two?lines'");

        ground_open(&ground);
        put(&ground, "etc/passwd", PASSWD);
        put_apps(&ground, "home/bob/.pm2", "a'\\n; touch /tmp/x; '", ",\"max_restarts\":3", NULL);
        ground_look(&ground, NULL, NULL);
        assert_int_equal(ground.findings.n > 0, 1);
        for (size_t i = 0; i < ground.findings.n; i++)
                assert_null(strstr(ground.findings.list[i].fix, "\n; touch"));
        ground_close(&ground);
}

/* ---- memory, with a policy ---- */

static void two_healers_on_one_limit_are_found(void **state)
{
        struct rule rules[] = {
                { .name = "all", .manager = MANAGER_PM2, .pattern = "*", .memory = { .ceiling_bytes = 200ull << 20 } },
                { .name = "units",
                  .manager = MANAGER_SYSTEMD,
                  .pattern = "*",
                  .memory = { .ceiling_bytes = 200ull << 20 } }
        };
        struct policy policy = { .rules = rules, .rules_n = 2 };
        struct ground ground;

        ground_open(&ground);
        put(&ground, "etc/passwd", PASSWD);
        put_apps(&ground, "home/bob/.pm2", "both", ",\"max_memory_restart\":209715200", "one", "", NULL);
        put(&ground, "etc/systemd/system/tight.service", "[Service]\nUser=x\nExecStart=/x\nMemoryMax=150M\n");
        put(&ground, "etc/systemd/system/net.service", "[Service]\nUser=x\nExecStart=/x\nMemoryMax=250M\n");
        ground_look(&ground, NULL, &policy);
        assert_non_null(found(&ground, "two-healers", "pm2:bob/both"));
        assert_null(found(&ground, "two-healers", "pm2:bob/one"));
        assert_non_null(strstr(found(&ground, "two-healers-unit", "tight.service")->fix, "MemoryMax=250M"));
        assert_null(found(&ground, "two-healers-unit", "net.service"));
        ground_close(&ground);
}

static void look_at_floor(struct ground *ground, struct policy *policy, uint64_t mb, const char *why)
{
        char status[256];

        ground_open(ground);
        put(ground, "proc/meminfo", "MemTotal:        4096000 kB\nMemAvailable:    1500000 kB\n");
        policy->machine.memory_floor_bytes = mb << 20;
        policy->machine.origin = (struct policy_origin){ "/etc/governor/governor.yaml", 2 };
        snprintf(status, sizeof status,
                 "{ \"sources\": [ { \"name\": \"host\", \"state\": \"seeing\", \"why\": \"%s\" } ] }", why ? why : "");
        ground_look(ground, why ? status : NULL, policy);
}

static void a_floor_that_is_too_high_is_found(void **state)
{
        struct rule rules[] = { { .name = "all", .manager = MANAGER_PM2, .pattern = "*", .mode = MODE_ENFORCE } };
        struct policy policy = { .rules = rules, .rules_n = 1 };
        const struct finding *finding;
        struct ground ground;

        look_at_floor(&ground, &policy, 4000, NULL);
        finding = found(&ground, "memory-floor", "machine");
        assert_string_equal(finding->what, "the memory floor is larger than the machine");
        assert_string_equal(finding->where, "/etc/governor/governor.yaml:2");
        assert_non_null(strstr(finding->fix, "400M"));
        ground_close(&ground);

        look_at_floor(&ground, &policy, 3500, NULL);
        assert_string_equal(found(&ground, "memory-floor", "machine")->what,
                            "the memory floor is most of the machine's memory");
        ground_close(&ground);

        look_at_floor(&ground, &policy, 500, NULL);
        assert_null(found(&ground, "memory-floor", "machine"));
        assert_null(found(&ground, "floor-victims", "machine"));
        ground_close(&ground);

        look_at_floor(&ground, &policy, 0, NULL);
        assert_null(found(&ground, "memory-floor", "machine"));
        ground_close(&ground);
}

static void a_floor_for_which_nobody_may_be_restarted_is_found(void **state)
{
        struct rule rules[] = {
                { .name = "dear", .manager = MANAGER_PM2, .pattern = "a", .mode = MODE_ENFORCE, .critical = true },
                { .name = "seen", .manager = MANAGER_PM2, .pattern = "*", .mode = MODE_OBSERVE }
        };
        struct policy policy = { .rules = rules, .rules_n = 2 };
        struct ground ground;

        look_at_floor(&ground, &policy, 500, NULL);
        assert_non_null(found(&ground, "floor-victims", "machine"));
        ground_close(&ground);
        rules[1].mode = MODE_ENFORCE;
        look_at_floor(&ground, &policy, 500, NULL);
        assert_null(found(&ground, "floor-victims", "machine"));
        ground_close(&ground);
}

static void a_kernel_that_gives_no_trigger_is_found_where_there_is_a_floor(void **state)
{
        static const char denied[] = "without a pressure trigger: this kernel gives one only to CAP_SYS_RESOURCE";
        struct policy policy = { .rules_n = 0 };
        struct ground ground;

        look_at_floor(&ground, &policy, 500, denied);
        assert_non_null(strstr(found(&ground, "floor-trigger", "governor")->fix, "CAP_SYS_RESOURCE"));
        ground_close(&ground);
        look_at_floor(&ground, &policy, 500, "without a pressure trigger: this kernel has none");
        assert_non_null(found(&ground, "floor-trigger", "governor"));
        ground_close(&ground);
        look_at_floor(&ground, &policy, 0, denied);
        assert_null(found(&ground, "floor-trigger", "governor"));
        ground_close(&ground);
        look_at_floor(&ground, &policy, 500, "");
        assert_null(found(&ground, "floor-trigger", "governor"));
        ground_close(&ground);
}

static void limits_without_a_controller_are_found(void **state)
{
        struct ground ground;

        ground_open(&ground);
        put(&ground, "etc/systemd/system/tight.service", "[Service]\nUser=x\nExecStart=/x\nMemoryMax=150M\n");
        put(&ground, "sys/fs/cgroup/cgroup.controllers", "cpu io pids\n");
        ground_look(&ground, NULL, NULL);
        assert_non_null(found(&ground, "memory-controller", "governor"));
        ground_close(&ground);

        ground_open(&ground);
        put(&ground, "etc/systemd/system/tight.service", "[Service]\nUser=x\nExecStart=/x\nMemoryMax=150M\n");
        put(&ground, "sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n");
        ground_look(&ground, NULL, NULL);
        assert_null(found(&ground, "memory-controller", "governor"));
        ground_close(&ground);
}

static void a_cgroup_that_cannot_be_counted_is_found(void **state)
{
        static const char rules[] = "classes: { big: { memory: { ceiling: 200M, of: cgroup } } }\n"
                                    "agents: [ { systemd: tight, class: big }, { pm2: lily, class: big } ]\n";
        struct policy_messages messages = { 0 };
        struct policy *policy = NULL;
        struct ground ground;

        assert_int_equal(policy_load_text("10.yaml", rules, strlen(rules), &policy, &messages), 0);
        ground_open(&ground);
        put(&ground, "sys/fs/cgroup/cgroup.controllers", "cpu io pids\n");
        ground_look(&ground, NULL, policy);
        assert_non_null(found(&ground, "memory-of", "pm2:lily"));
        assert_non_null(found(&ground, "memory-of", "systemd:tight"));
        ground_close(&ground);

        ground_open(&ground);
        put(&ground, "sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n");
        ground_look(&ground, NULL, policy);
        assert_non_null(found(&ground, "memory-of", "pm2:lily"));
        assert_null(found(&ground, "memory-of", "systemd:tight"));
        ground_close(&ground);
        policy_messages_done(&messages);
        policy_free(policy);
}

/* ---- CPU ---- */

static void a_cpu_limit_above_all_cpus_is_found(void **state)
{
        static const char rules[] =
                "classes: { busy: { cpu: { above: 200%, for: 10m } } }\n"
                "agents: [ { pm2: lily, class: busy }, { pm2: mia, cpu: { above: 199%, for: 1h } } ]\n";
        struct policy_messages messages = { 0 };
        struct policy *policy = NULL;
        struct ground ground;

        assert_int_equal(policy_load_text("10.yaml", rules, strlen(rules), &policy, &messages), 0);
        ground_open(&ground);
        put(&ground, "proc/stat", "cpu  4 0 0 9\ncpu0 2 0 0 4\ncpu1 2 0 0 5\nintr 1\n");
        ground_look(&ground, NULL, policy);
        assert_non_null(found(&ground, "cpu-limit", "pm2:lily"));
        assert_string_equal(found(&ground, "cpu-limit", "pm2:lily")->where, "10.yaml:2");
        assert_null(found(&ground, "cpu-limit", "pm2:mia"));
        ground_close(&ground);

        ground_open(&ground); /* how many there are is not known */
        ground_look(&ground, NULL, policy);
        assert_null(found(&ground, "cpu-limit", "pm2:lily"));
        ground_close(&ground);
        policy_messages_done(&messages);
        policy_free(policy);
}

static void a_host_that_takes_time_away_is_found(void **state)
{
        struct ground ground;

        ground_open(&ground);
        ground_look(&ground, "{\"machine\":{\"cpu\":{\"steal_permille\":384,\"over_s\":630}},\"agents\":[]}", NULL);
        assert_non_null(found(&ground, "steal", "machine"));
        assert_non_null(strstr(found(&ground, "steal", "machine")->why, "38.4% of the time in the last 10m 30s"));
        ground_close(&ground);
        ground_open(&ground);
        ground_look(&ground, "{\"machine\":{\"cpu\":{\"steal_permille\":99,\"over_s\":630}},\"agents\":[]}", NULL);
        assert_null(found(&ground, "steal", "machine"));
        ground_close(&ground);
}

/* ---- Governor itself ---- */

static bool names_kills(const char *why)
{
        struct ground ground;
        char status[256];
        bool names;

        ground_open(&ground);
        snprintf(status, sizeof status, "{\"sources\":[{\"name\":\"oom\",\"state\":\"seeing\",\"why\":\"%s\"}]}", why);
        ground_look(&ground, status, NULL);
        names = !found(&ground, "kernel-log", "governor");
        ground_close(&ground);
        return names;
}

/* In a container the log is the host's, and nobody can do anything about that. */
static void a_kernel_log_that_is_kept_from_us_is_named(void **state)
{
        assert_true(names_kills(""));
        assert_false(names_kills(
                "the kernel's log cannot be read (Operation not permitted): kills are counted, and rarely named"));
        assert_true(names_kills("there is no kernel log in here: kills are counted, and rarely named"));
}

static void what_the_daemon_says_of_itself_is_passed_on(void **state)
{
        struct ground ground;

        ground_open(&ground);
        ground_look(
                &ground,
                "{\"machine\":{\"safe_mode\":true,\"disarmed\":true,\"policy\":{\"bad\":true}},\"agents\":[],\"sources\":["
                "{\"name\":\"systemd\",\"state\":\"seeing\",\"why\":\"\"},"
                "{\"name\":\"pm2:bob@/home/bob/.pm2\",\"state\":\"blind\",\"why\":\"no answer to a ping in 5s\"}]}",
                NULL);
        assert_non_null(found(&ground, "blind", "pm2:bob@/home/bob/.pm2"));
        assert_null(found(&ground, "blind", "systemd"));
        assert_int_equal(ground.findings.n, 4);
        ground_close(&ground);

        ground_open(&ground);
        ground_look(&ground,
                    "{\"machine\":{\"audit\":{\"anchored\":{\"unanchored\":true}}},\"agents\":[],\"sources\":[]}",
                    NULL);
        assert_non_null(strstr(found(&ground, "anchor", "audit log")->fix, "govctl audit witness add VKEY URL"));
        ground_close(&ground);

        ground_open(&ground);
        ground_look(&ground, "{\"machine\":{\"safe_mode\":false},\"agents\":[],\"sources\":[]}", NULL);
        assert_int_equal(ground.findings.n, 0);
        ground_close(&ground);
}

static void look_at_approvers(struct ground *ground, const char *approvers)
{
        char status[512];

        ground_open(ground);
        snprintf(status, sizeof(status), "{\"machine\":{\"approvers\":{%s}},\"agents\":[],\"sources\":[]}", approvers);
        ground_look(ground, status, NULL);
}

static void who_may_weaken_governor_is_found(void **state)
{
        struct ground ground;

        look_at_approvers(&ground, "\"enrolled\":0,\"elsewhere\":0,\"unknown\":false,\"why\":\"\"");
        assert_non_null(strstr(found(&ground, "approvers", "approvers")->what, "uid 0 only"));
        assert_int_equal(ground.findings.n, 1);
        ground_close(&ground);

        look_at_approvers(&ground, "\"enrolled\":1,\"elsewhere\":0,\"unknown\":false,\"why\":\"\"");
        assert_non_null(strstr(found(&ground, "approvers", "approvers")->what, "is on this machine"));
        ground_close(&ground);

        look_at_approvers(&ground, "\"enrolled\":1,\"elsewhere\":1,\"unknown\":false,\"why\":\"\"");
        assert_int_equal(ground.findings.n, 0);
        ground_close(&ground);

        look_at_approvers(&ground, "\"enrolled\":1,\"elsewhere\":1,\"unknown\":false,\"why\":\"it was edited\"");
        assert_non_null(strstr(found(&ground, "approvers", "approvers")->why, "it was edited"));
        ground_close(&ground);

        look_at_approvers(&ground,
                          "\"enrolled\":1,\"elsewhere\":1,\"unknown\":false,\"why\":\"\",\"recovery_hours\":7");
        assert_non_null(strstr(found(&ground, "approvers", "approvers")->why, "In 7 hours"));
        assert_non_null(strstr(found(&ground, "approvers", "approvers")->fix, "recover --cancel"));
        ground_close(&ground);

        look_at_approvers(&ground,
                          "\"enrolled\":1,\"elsewhere\":1,\"unknown\":false,\"why\":\"\"},\"policy\":{\"held\":true");
        assert_non_null(strstr(found(&ground, "approvers", "policy")->fix, "govctl reload --sign-request"));
        ground_close(&ground);
}

static void a_configuration_that_could_not_be_put_back_is_found(void **state)
{
        struct ground ground;

        (void)state;
        ground_open(&ground);
        ground_look(
                &ground,
                "{\"machine\":{},\"sources\":[],\"agents\":["
                "{\"name\":\"lily\",\"configuration\":{\"rollback\":true,\"lacks\":\"/opt/lily/m.bin is larger than 8M\"}},"
                "{\"name\":\"sven\",\"configuration\":{\"rollback\":false,\"lacks\":\"/opt/sven/m.bin is larger than 8M\"}},"
                "{\"name\":\"rosa\",\"configuration\":{\"rollback\":true,\"lacks\":\"\"}}]}",
                NULL);
        assert_non_null(strstr(found(&ground, "rollback", "lily")->why, "/opt/lily/m.bin is larger than 8M"));
        assert_int_equal(ground.findings.n, 1);
        ground_close(&ground);
}

static void an_open_state_directory_is_found(void **state)
{
        struct ground ground;

        ground_open(&ground);
        put(&ground, "var/lib/governor/audit.db", "");
        put(&ground, "etc/group", "root:x:0:\ngovernor:x:990:bob\n");
        ground_chmod(&ground, "var/lib/governor", 0755);
        ground_look(&ground, NULL, NULL);
        assert_non_null(found(&ground, "state", "governor"));
        assert_null(found(&ground, "group", "governor"));
        ground_close(&ground);

        ground_open(&ground);
        put(&ground, "var/lib/governor/audit.db", "");
        put(&ground, "etc/group", "root:x:0:\n");
        ground_chmod(&ground, "var/lib/governor", 0700);
        ground_look(&ground, NULL, NULL);
        assert_null(found(&ground, "state", "governor"));
        assert_non_null(found(&ground, "group", "governor"));
        ground_close(&ground);
}

/* ---- the verb ---- */

static void the_doctor_shows_fixes_and_no_secret(void **state)
{
        struct stage stage;
        struct ground ground;

        ground_open(&ground);
        put(&ground, "etc/passwd", PASSWD);
        put_apps(&ground, "home/bob/.pm2", "lily", ",\"max_restarts\":10", NULL);
        put(&ground, "etc/systemd/system/pm2-bob.service", STOCK_UNIT);
        stage_open(&stage, NULL);
        unsetenv("GOVERNOR_SOCKET");
        assert_int_equal(stage_run(&stage, "doctor", "--root", ground.root, NULL), CODE_FINDING);
        assert_null(strstr(stage.data, SECRET));
        assert_non_null(strstr(stage.data, "\nOOMPolicy=continue\n"));
        assert_non_null(strstr(stage.data, "1 PM2 home and 1 app"));
        assert_int_equal(stage_run(&stage, "doctor", "--json", "--root", ground.root, NULL), CODE_FINDING);
        assert_null(strstr(stage.data, SECRET));

        json_t *json = json_loads(stage.data, 0, NULL);

        assert_non_null(json);
        assert_int_equal(field_number(json, "schema_version"), 1);
        assert_int_equal(json_array_size(field(json, "checks")), checks_n);
        assert_true(json_array_size(field(json, "findings")) >= 3);
        json_decref(json);
        stage_close(&stage);
        assert_int_equal(machine_read_all(&ground.machine, ground.root, NULL, NULL), 0);
        ground_close(&ground);
}

static void an_empty_machine_is_a_healthy_one(void **state)
{
        struct ground ground;

        ground_open(&ground);
        ground_look(&ground, NULL, NULL);
        assert_int_equal(ground.findings.n, 0);
        ground_close(&ground);
}

static void limits_that_nothing_takes_back_are_found(void **state)
{
        static const char listed[] = "/etc/systemd/system/a.service.d/50-governor-limits.conf",
                          left[] = "/run/systemd/system/b.service.d/60-governor-limits-trial.conf";
        struct ground ground;

        (void)state;
        ground_open(&ground);
        put(&ground, listed, "# Written by Governor, now\n[Service]\nMemoryMax=1G\n");
        put(&ground, left, "# Written by Governor, now\n[Service]\nMemoryMax=1G\n");
        put(&ground, "/etc/systemd/system/c.service.d/override.conf", "[Service]\nMemoryMax=1G\n");
        put(&ground, "/var/lib/governor/footprint",
            "# What Governor did\nstopped systemd:b.service\nlimits systemd:a.service "
            "/etc/systemd/system/a.service.d/50-governor-limits.conf\n");
        ground_look(&ground, NULL, NULL);
        assert_non_null(strstr(found(&ground, "limits-left", "b.service")->fix,
                               "rm /run/systemd/system/b.service.d/60-governor-limits-trial.conf"));
        assert_null(found(&ground, "limits-left", "a.service"));
        assert_null(found(&ground, "limits-left", "c.service"));
        ground_close(&ground);
}

static void a_trial_that_is_stuck_is_found(void **state)
{
        struct ground ground;

        (void)state;
        ground_open(&ground);
        ground_look(
                &ground,
                "{\"trials\":[{\"number\":7,\"agent\":\"systemd:a.service\",\"state\":\"stuck\",\"text\":\"MemoryMax=1G\"},"
                "{\"number\":8,\"agent\":\"systemd:b.service\",\"state\":\"running\",\"text\":\"MemoryMax=1G\"}]}",
                NULL);
        assert_non_null(strstr(found(&ground, "trials", "systemd:a.service")->fix, "govctl undo 7"));
        assert_null(found(&ground, "trials", "systemd:b.service"));
        ground_close(&ground);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_start_limit_that_cannot_be_reached_is_found),
                cmocka_unit_test(drop_ins_are_read_as_systemd_reads_them),
                cmocka_unit_test(time_spans_and_sizes_are_read),
                cmocka_unit_test(binding_without_a_way_back_is_found),
                cmocka_unit_test(agents_that_run_as_root_are_found),
                cmocka_unit_test(agents_whose_user_can_become_root_are_found),
                cmocka_unit_test(a_stale_pid_file_is_found),
                cmocka_unit_test(the_stock_pm2_unit_is_found_and_mended),
                cmocka_unit_test(a_daemon_outside_of_its_unit_is_found),
                cmocka_unit_test(a_second_daemon_is_found_and_a_second_home_is_not),
                cmocka_unit_test(what_a_dead_daemon_left_behind_is_found),
                cmocka_unit_test(restart_limits_that_cannot_be_reached_are_found),
                cmocka_unit_test(a_list_saved_in_quarantine_is_found),
                cmocka_unit_test(saved_environments_that_all_may_read_are_found),
                cmocka_unit_test(apps_that_run_as_root_are_one_finding_a_home),
                cmocka_unit_test(a_name_cannot_break_out_of_a_fix),
                cmocka_unit_test(two_healers_on_one_limit_are_found),
                cmocka_unit_test(a_floor_that_is_too_high_is_found),
                cmocka_unit_test(a_floor_for_which_nobody_may_be_restarted_is_found),
                cmocka_unit_test(a_kernel_that_gives_no_trigger_is_found_where_there_is_a_floor),
                cmocka_unit_test(limits_without_a_controller_are_found),
                cmocka_unit_test(a_cgroup_that_cannot_be_counted_is_found),
                cmocka_unit_test(a_cpu_limit_above_all_cpus_is_found),
                cmocka_unit_test(a_host_that_takes_time_away_is_found),
                cmocka_unit_test(a_kernel_log_that_is_kept_from_us_is_named),
                cmocka_unit_test(what_the_daemon_says_of_itself_is_passed_on),
                cmocka_unit_test(who_may_weaken_governor_is_found),
                cmocka_unit_test(a_configuration_that_could_not_be_put_back_is_found),
                cmocka_unit_test(an_open_state_directory_is_found),
                cmocka_unit_test(the_doctor_shows_fixes_and_no_secret),
                cmocka_unit_test(an_empty_machine_is_a_healthy_one),
                cmocka_unit_test(limits_that_nothing_takes_back_are_found),
                cmocka_unit_test(a_trial_that_is_stuck_is_found),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
