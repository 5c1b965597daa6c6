#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "observe/pm2.h"
#include "pm2_daemon.h"

#define LONG (30 * USEC_PER_SEC) /* however busy the machine is */

/* A daemon, the observer that watches it, and what it told, as text: one fact a line, without pids. */
struct world {
        sd_event *event;
        struct clock clock;
        struct pm2_daemon daemon;
        struct pm2_directory directory;
        struct pm2 *pm2;
        struct veil *veil; /* what is declared of the apps is wanted, and told too; NULL: not */
        struct pm2_listed_sink listed;
        unsigned looked;
        char told[16384];
        unsigned facts;
        pid_t pid; /* of the last start or end */
        uint64_t start;
        usec_t answer; /* how long an answer may take */
};

static const char *name_of(const char *agent)
{
        const char *slash = strchr(agent, '/');

        return slash ? slash + 1 : agent;
}

static void take(void *self, const struct fact *fact)
{
        struct world *world = self;
        char *told = world->told, name[64];
        size_t size = sizeof(world->told);

        assert_int_equal(fact->manager, MANAGER_PM2);
        assert_null(strstr(fact->agent, "FAKE"));
        world->facts++;
        (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(name_of(fact->agent), "@"), name_of(fact->agent));
        switch (fact->kind) {
        case FACT_AGENT:
                text_append(told, size, "agent %s#%u %s %s rt=%u%s\n", name, fact->instance,
                            claimed_name(fact->agent_is.claimed), fact->agent_is.pid > 0 ? "pid" : "nopid",
                            (unsigned)fact->agent_is.restarts, fact->agent_is.first ? " first" : "");
                break;
        case FACT_STARTED:
                world->pid = fact->started.pid;
                world->start = fact->started.start;
                assert_true(fact->started.start > 0);
                text_append(told, size, "started %s#%u%s%s\n", name, fact->instance,
                            fact->started.ordered ? " ordered" : "", fact->started.by_hand ? " by hand" : "");
                break;
        case FACT_ENDED:
                text_append(told, size, "ended %s#%u %s code=%d signal=%d%s\n", name, fact->instance,
                            ending_name(fact->ended.ending), fact->ended.code, fact->ended.signal,
                            fact->ended.pid > 0 ? "" : " nopid");
                break;
        case FACT_SOURCE:
                text_append(told, size, "source %s %s\n", source_state_name(fact->source.state), fact->source.why);
                break;
        case FACT_PLANNED:
                text_append(told, size, "planned %s#%u %s\n", name, fact->instance, ending_name(fact->planned.ending));
                break;
        default: text_append(told, size, "%s %s#%u\n", fact_kind_name(fact->kind), name, fact->instance);
        }
}

static usec_t take_listed(void *self, const char *home, struct app_listed *list, size_t n, bool asked)
{
        struct world *world = self;

        assert_string_equal(home, world->daemon.home);
        for (size_t i = 0; i < n; i++) {
                assert_null(strstr(list[i].outline, "FAKE"));
                text_append(world->told, sizeof(world->told), "declared%s %.*s%s\n", asked ? " asked" : "",
                            (int)strcspn(name_of(list[i].agent), "@"), name_of(list[i].agent),
                            strstr(list[i].outline, "env API_KEY#") ? " with a key" : "");
        }
        return USEC_INFINITY;
}

static void on_looked(void *self)
{
        struct world *world = self;

        world->looked++;
}

static void begin(struct world *world)
{
        *world = (struct world){ .answer = LONG };
        assert_true(sd_event_new(&world->event) >= 0);
        clock_init(&world->clock, 0);
        assert_int_equal(pm2_directory_init(&world->directory, "/proc"), 0);
        pm2_daemon_begin(&world->daemon, world->event);
}

static void watch(struct world *world)
{
        const char *homes[] = { world->daemon.home, NULL };
        struct pm2_options options = {
                .clock = &world->clock,
                .sink = { .take = take, .self = world },
                .directory = &world->directory,
                .homes = homes,
                .only_these = true,
                .listed = world->veil ? &world->listed : NULL,
                .answer = world->answer,
                .settle = 1, /* as old as a daemon can be: this test is its process */
        };

        assert_int_equal(pm2_new(world->event, &options, &world->pm2), 0);
}

static void end(struct world *world)
{
        pm2_free(world->pm2);
        pm2_directory_done(&world->directory);
        pm2_daemon_remove(&world->daemon);
        sd_event_unref(world->event);
}

/* Runs the loop until the text was told. */
static void until(struct world *world, const char *text)
{
        for (int turns = 0; !strstr(world->told, text); turns++) {
                if (turns == 100)
                        fail_msg("never told: %s\n--- but:\n%s", text, world->told);
                assert_true(sd_event_run(world->event, 100 * USEC_PER_MSEC) >= 0);
        }
}

static void forget(struct world *world)
{
        world->told[0] = '\0';
}

static void until_list(struct world *world)
{
        unsigned lists = world->daemon.lists;

        for (int turns = 0; world->daemon.lists == lists && turns < 100; turns++)
                assert_true(sd_event_run(world->event, 100 * USEC_PER_MSEC) >= 0);
        assert_true(world->daemon.lists > lists);
        for (int turns = 0; turns < 20; turns++) /* and its answer */
                assert_true(sd_event_run(world->event, 0) >= 0);
}

/* A watched daemon with lily as number 0, and all that was told of that forgotten. */
static void begin_with_lily(struct world *world)
{
        begin(world);
        pm2_daemon_run(&world->daemon, 0, "lily");
        watch(world);
        until(world, "started lily#0");
        forget(world);
}

static void what_runs_already_is_told_at_first_sight(void **state)
{
        struct world world;

        begin(&world);
        pm2_daemon_run(&world.daemon, 0, "lily");
        world.daemon.apps[0].restarts = 643;
        pm2_daemon_run(&world.daemon, 2, "rose");
        pm2_daemon_kill(&world.daemon, 2);
        strcpy(world.daemon.apps[2].status, "errored");
        watch(&world);
        until(&world, "rose");
        assert_string_equal(world.told, "source seeing \n"
                                        "agent lily#0 running pid rt=643 first\n"
                                        "started lily#0\n"
                                        "agent rose#2 failed nopid rt=0 first\n");
        assert_int_equal(world.pid, world.daemon.apps[0].pid);
        end(&world);
}

static void a_home_that_never_had_a_daemon_is_absent(void **state)
{
        struct world world;

        begin(&world);
        pm2_daemon_end(&world.daemon, true);
        watch(&world);
        until(&world, "source absent no PM2 daemon runs in this home\n");

        pm2_daemon_run(&world.daemon, 0, "lily");
        pm2_daemon_listen(&world.daemon); /* it comes: inotify tells */
        until(&world, "source seeing");
        until(&world, "started lily#0\n");
        end(&world);
}

static void a_crash_has_its_exit_code_and_an_automatic_start(void **state)
{
        struct world world;

        begin_with_lily(&world);
        pm2_daemon_crash(&world.daemon, 0, 3, "SIGINT");
        until(&world, "agent lily#0 running");
        assert_string_equal(world.told, "ended lily#0 exit code=3 signal=0\n"
                                        "agent lily#0 starting pid rt=1\n"
                                        "started lily#0\n"
                                        "agent lily#0 running pid rt=1\n");
        assert_int_equal(world.pid, world.daemon.apps[0].pid);
        end(&world);
}

static void a_kill_has_its_signal(void **state)
{
        struct world world;

        begin_with_lily(&world);
        pm2_daemon_crash(&world.daemon, 0, 0, "SIGKILL");
        until(&world, "agent lily#0 running");
        assert_non_null(strstr(world.told, "ended lily#0 signal code=0 signal=9\n"));
        end(&world);
}

static void a_hundred_crashes_are_a_hundred_ends_and_starts(void **state)
{
        struct world world;

        begin_with_lily(&world);
        for (int i = 1; i <= 100; i++) {
                char text[64];

                forget(&world);
                pm2_daemon_crash(&world.daemon, 0, 1, "SIGINT");
                (void)snprintf(text, sizeof(text), "running pid rt=%d\n", i);
                until(&world, text);
                assert_true(text_starts(world.told, "ended lily#0 exit code=1 signal=0\nagent lily#0 starting"));
                assert_non_null(strstr(world.told, "started lily#0\n"));
        }
        assert_true(world.daemon.lists <= 2); /* events tell it all */
        end(&world);
}

static void an_ordered_restart_is_manual_and_ends_once(void **state)
{
        struct world world;

        begin_with_lily(&world);
        pm2_daemon_kill(&world.daemon, 0);
        pm2_daemon_log(&world.daemon, "Stopping app:lily id:0");
        pm2_daemon_log(&world.daemon, "App [lily:0] exited with code [0] via signal [SIGINT]");
        pm2_daemon_tell(&world.daemon, 0, "exit", "stopping");
        pm2_daemon_tell(&world.daemon, 0, "exit", "stopped");
        world.daemon.apps[0].restarts++;
        pm2_daemon_run(&world.daemon, 0, "lily");
        pm2_daemon_tell(&world.daemon, 0, "online", "launching");
        pm2_daemon_tell(&world.daemon, 0, "restart", "online");
        until(&world, "agent lily#0 running");
        assert_string_equal(world.told, "ended lily#0 manual code=0 signal=0\n"
                                        "agent lily#0 starting pid rt=1\n"
                                        "started lily#0 ordered\n"
                                        "agent lily#0 running pid rt=1\n");
        end(&world);
}

/* Of lives that began before we came: PM2 keeps when somebody last ordered a start. */
static void a_life_found_running_was_begun_by_hand_or_not(void **state)
{
        struct world world;

        (void)state;
        begin(&world);
        for (uint32_t id = 0; id < 4; id++)
                pm2_daemon_run(&world.daemon, id, (const char *[]){ "ordered", "again", "moved", "silent" }[id]);
        world.daemon.apps[0].created_ms = 1795000000000, world.daemon.apps[0].began_ms = 1795000000400;
        world.daemon.apps[1].created_ms = 1795000000000, world.daemon.apps[1].began_ms = 1795000900000;
        world.daemon.apps[2].created_ms = 1795000900000, world.daemon.apps[2].began_ms = 1795000000000;
        watch(&world);
        until(&world, "started silent#3");
        assert_non_null(strstr(world.told, "started ordered#0 by hand\n"));
        assert_non_null(strstr(world.told, "started again#1\n")); /* it died in between, and PM2 started it */
        assert_non_null(strstr(world.told, "started moved#2\n")); /* the clock was set back */
        assert_non_null(strstr(world.told, "started silent#3\n"));
        end(&world);
}

/* It died before we listened, and PM2 begins it again after that: nobody ordered it. */
static void a_life_that_begins_as_we_come_is_nobodys_order(void **state)
{
        struct world world;

        (void)state;
        begin(&world);
        pm2_daemon_run(&world.daemon, 0, "lily");
        watch(&world);
        while (world.daemon.subscriber < 0)
                assert_true(sd_event_run(world.event, 100 * USEC_PER_MSEC) >= 0);
        assert_int_equal(world.daemon.lists, 0);
        world.daemon.apps[0].restarts++;
        pm2_daemon_tell(&world.daemon, 0, "online", "launching");
        until(&world, "started lily#0");
        assert_string_equal(world.told, "agent lily#0 starting pid rt=1 first\n"
                                        "started lily#0\n");
        end(&world);
}

/* ... but of a stop that we did hear half of somebody is the cause. */
static void a_restart_that_is_ordered_as_we_come_is_an_order(void **state)
{
        struct world world;

        (void)state;
        begin(&world);
        pm2_daemon_run(&world.daemon, 0, "lily");
        watch(&world);
        while (world.daemon.subscriber < 0)
                assert_true(sd_event_run(world.event, 100 * USEC_PER_MSEC) >= 0);
        pm2_daemon_tell(&world.daemon, 0, "exit", "stopping");
        world.daemon.apps[0].restarts++;
        pm2_daemon_tell(&world.daemon, 0, "online", "launching");
        until(&world, "started lily#0 ordered\n");
        end(&world);
}

static void what_we_ordered_is_ours(void **state)
{
        struct world world;

        begin_with_lily(&world);
        world.directory.instances[0]->busy = world.directory.instances[0]->ours = true;
        pm2_daemon_kill(&world.daemon, 0);
        pm2_daemon_tell(&world.daemon, 0, "exit", "stopping");
        until(&world, "ended lily#0 governor");
        end(&world);
}

static void a_stop_is_learnt_from_the_list(void **state)
{
        struct world world;

        begin_with_lily(&world);
        pm2_daemon_kill(&world.daemon, 0);
        strcpy(world.daemon.apps[0].status, "stopped");
        pm2_daemon_tell(&world.daemon, 0, "exit", "stopping");
        pm2_daemon_tell(&world.daemon, 0, "exit", "stopped");
        until(&world, "agent lily#0 stopped nopid rt=0\n");
        assert_string_equal(world.told, "ended lily#0 manual code=0 signal=0\nagent lily#0 stopped nopid rt=0\n");
        end(&world);
}

static void an_app_that_waits_in_vain_is_claimed_to_wait(void **state)
{
        struct world world;

        begin_with_lily(&world);
        pm2_daemon_kill(&world.daemon, 0);
        strcpy(world.daemon.apps[0].status, "waiting restart");
        pm2_daemon_log(&world.daemon, "App [lily:0] exited with code [1] via signal [SIGINT]");
        pm2_daemon_tell(&world.daemon, 0, "exit", "stopped");
        until(&world, "agent lily#0 waiting nopid rt=0\n");
        end(&world);
}

static void a_deleted_app_is_gone(void **state)
{
        struct world world;

        begin_with_lily(&world);
        pm2_daemon_kill(&world.daemon, 0);
        world.daemon.apps[0].listed = false;
        pm2_daemon_tell(&world.daemon, 0, "exit", "stopping");
        pm2_daemon_tell(&world.daemon, 0, "exit", "stopped");
        until(&world, "agent lily#0 gone nopid rt=0\n");
        assert_int_equal(world.directory.n_instances, 0);
        end(&world);
}

static void a_number_given_to_another_app_is_another_agent(void **state)
{
        struct world world;

        begin_with_lily(&world);
        pm2_daemon_kill(&world.daemon, 0);
        pm2_daemon_run(&world.daemon, 0, "rose");
        pm2_relist(world.pm2);
        until(&world, "started rose#0");
        assert_non_null(strstr(world.told, "agent lily#0 gone"));
        assert_int_equal(world.directory.n_instances, 1);
        end(&world);
}

static void the_memory_limit_of_pm2_is_no_death(void **state)
{
        struct world world;

        begin_with_lily(&world);
        pm2_daemon_log(&world.daemon, "[PM2][WORKER] Process 0 restarted because it exceeds --max-memory-restart value "
                                      "(current_memory=2 max_memory_limit=1 [octets])");
        pm2_daemon_kill(&world.daemon, 0);
        pm2_daemon_tell(&world.daemon, 0, "exit", "stopping");
        until(&world, "ended lily#0 memory-limit code=0 signal=0\n");
        end(&world);
}

static void a_reload_replaces_the_worker_before_it_ends(void **state)
{
        struct world world;
        pid_t old;

        begin(&world);
        world.daemon.apps[1].cluster = true;
        pm2_daemon_run(&world.daemon, 1, "pair");
        watch(&world);
        until(&world, "started pair#1");
        forget(&world);

        old = world.daemon.apps[1].pid;
        world.daemon.apps[1].restarts++;
        pm2_daemon_run(&world.daemon, 1, "pair");
        pm2_daemon_tell(&world.daemon, 1, "online", "launching");
        until(&world, "started pair#1 ordered\n");
        assert_true(text_starts(world.told, "ended pair#1 reload code=0 signal=0\n"));
        assert_int_equal(world.pid, world.daemon.apps[1].pid);
        assert_int_not_equal(world.pid, old);
        end(&world);
}

static void a_start_that_a_list_told_of_is_not_told_again(void **state)
{
        struct world world;

        begin_with_lily(&world);
        pm2_daemon_run(&world.daemon, 1, "pair");
        pm2_relist(world.pm2);
        until(&world, "started pair#1");
        forget(&world);
        pm2_daemon_tell(&world.daemon, 1, "online", "launching");
        until(&world, "agent pair#1 starting");
        assert_string_equal(world.told, "agent pair#1 starting pid rt=0\n");
        end(&world);
}

static void a_daemon_that_does_not_answer_is_blind_until_it_does(void **state)
{
        struct world world;

        begin(&world);
        world.answer = 60 * USEC_PER_MSEC;
        pm2_daemon_run(&world.daemon, 0, "lily");
        watch(&world);
        until(&world, "started lily#0");
        forget(&world);
        world.daemon.manner = MANNER_MUTE;
        pm2_relist(world.pm2);
        until(&world, "source blind God does not answer: SIGSTOP or overload\n");
        world.daemon.manner = MANNER_ANSWER;
        pm2_relist(world.pm2);
        until(&world, "source seeing");
        end(&world);
}

static void a_half_list_changes_nothing(void **state)
{
        struct world world;

        begin_with_lily(&world);
        world.daemon.apps[0].listed = false;
        world.daemon.manner = MANNER_HANG_UP;
        pm2_relist(world.pm2);
        until_list(&world);
        assert_string_equal(world.told, "");
        assert_int_equal(world.directory.n_instances, 1);
        end(&world);
}

static void a_daemon_that_dies_takes_its_apps_along(void **state)
{
        struct world world;

        begin_with_lily(&world);
        pm2_daemon_kill(&world.daemon, 0);
        pm2_daemon_end(&world.daemon, false);
        until(&world, "ended lily#0");
        assert_string_equal(world.told, "source blind the PM2 daemon died: killed or crashed\n"
                                        "agent lily#0 unknown nopid rt=0\n"
                                        "ended lily#0 manager code=0 signal=0\n");
        forget(&world);

        pm2_daemon_run(&world.daemon, 0, "lily");
        pm2_daemon_listen(&world.daemon);
        until(&world, "started lily#0\n");
        assert_true(text_starts(world.told, "source seeing"));
        end(&world);
}

static void an_announced_end_is_planned(void **state)
{
        struct world world;

        begin_with_lily(&world);
        pm2_daemon_end(&world.daemon, true);
        until(&world, "planned");
        assert_true(text_starts(world.told, "source blind the PM2 daemon was ended: pm2 kill, pm2 update or SIGTERM\n"
                                            "planned lily#0 manager\n"));
        end(&world);
}

static void the_empty_list_of_a_young_daemon_is_not_believed(void **state)
{
        struct world world;
        const char *homes[2] = { NULL, NULL };
        struct pm2_options options = {
                .clock = &world.clock,
                .sink = { .take = take, .self = &world },
                .directory = &world.directory,
                .homes = homes,
                .only_these = true,
                .settle = USEC_PER_DAY * 365,
        };

        begin(&world);
        homes[0] = world.daemon.home;
        pm2_daemon_run(&world.daemon, 0, "lily");
        assert_int_equal(pm2_new(world.event, &options, &world.pm2), 0);
        until(&world, "started lily#0");
        forget(&world);
        world.daemon.apps[0].listed = false;
        pm2_relist(world.pm2);
        until_list(&world);
        assert_string_equal(world.told, "");
        assert_int_equal(world.directory.n_instances, 1);
        end(&world);
}

static void what_is_not_pm2_is_said_to_be_none(void **state)
{
        struct world world;

        begin_with_lily(&world);
        pm2_daemon_publish(&world.daemon, "s:process:event", "j:{\"event\":");
        until(&world, "source blind what comes from the PM2 daemon is not PM2's protocol\n");
        end(&world);
}

static void other_topics_are_passed_over(void **state)
{
        struct world world;
        char payload[6000];

        begin_with_lily(&world);
        memset(payload, '[', sizeof(payload) - 1);
        payload[sizeof(payload) - 1] = '\0';
        pm2_daemon_publish(&world.daemon, "s:log:out", payload);
        pm2_daemon_publish(&world.daemon, "s:axm:monitor-and-a-very-long-name", "not JSON");
        pm2_daemon_crash(&world.daemon, 0, 1, "SIGINT");
        until(&world, "started lily#0\n");
        assert_null(strstr(world.told, "source"));
        end(&world);
}

static void a_name_is_made_safe_and_an_id_never_too_long(void **state)
{
        char path[400], id[AGENT_ID_MAX], other[AGENT_ID_MAX];
        struct pm2_home home = { .path = path, .user = "lily" };

        strcpy(path, "/home/lily/.pm2");
        pm2_agent_id(&home, "a\tb", id);
        assert_string_equal(id, "pm2:lily/a?b");
        home.suffixed = true;
        pm2_agent_id(&home, "rose", id);
        assert_string_equal(id, "pm2:lily/rose@/home/lily/.pm2");

        pm2_agent_id(&home, "lily@/srv/other", id);
        home.suffixed = false;
        pm2_agent_id(&home, "rose@/home/lily/.pm2", other);
        assert_null(strstr(other, "@/"));
        assert_non_null(strstr(id, "@/home/lily/.pm2"));
        home.suffixed = true;

        memset(path, 'x', sizeof(path) - 1);
        path[sizeof(path) - 1] = '\0';
        pm2_agent_id(&home, "rose", id);
        path[sizeof(path) - 2] = 'y';
        pm2_agent_id(&home, "rose", other);
        assert_true(strlen(id) < AGENT_ID_MAX);
        assert_string_not_equal(id, other);
}

static void an_id_tells_its_home(void **state)
{
        char own[] = "/home/lily/.pm2", second[] = "/srv/second";
        struct pm2_home home = { .path = own, .user = "lily" },
                        other = { .path = second, .user = "lily", .suffixed = true };

        assert_true(pm2_home_has(&home, "pm2:lily/rose"));
        assert_true(pm2_home_has(&other, "pm2:lily/rose@/srv/second"));
        assert_false(pm2_home_has(&home, "pm2:lily/rose@/srv/second"));
        assert_false(pm2_home_has(&other, "pm2:lily/rose"));
        assert_false(pm2_home_has(&other, "pm2:lily/rose@/srv/second/deeper"));
        assert_false(pm2_home_has(&home, "pm2:lilyana/rose"));
        assert_false(pm2_home_has(&home, "pm2:rosa/lily"));
        assert_false(pm2_home_has(&home, "systemd:lily.service"));
}

static void a_link_to_a_home_is_that_home(void **state)
{
        char link[] = "/tmp/governor-link-XXXXXX";
        struct pm2_directory directory;
        struct pm2_home *home, *other;
        struct world world;

        begin(&world);
        assert_int_equal(pm2_directory_init(&directory, "/proc"), 0);
        assert_true(close(mkstemp(link)) == 0 && unlink(link) == 0);
        assert_int_equal(symlink(world.daemon.home, link), 0);
        assert_int_equal(pm2_directory_add_home(&directory, link, &other), 0);
        assert_int_equal(pm2_directory_add_home(&directory, world.daemon.home, &home), 0);
        assert_ptr_equal(home, other);
        assert_string_equal(home->path, world.daemon.home);
        unlink(link);
        pm2_directory_done(&directory);
        end(&world);
}

static void a_daemon_that_tells_of_too_many_apps_fills_no_memory(void **state)
{
        char path[] = "/home/lily/.pm2";
        struct pm2_home home = { .path = path, .user = "lily" };
        struct pm2_directory directory;
        struct pm2_instance *instance;
        struct pm2_app app = { .has_id = true, .name = "many" };

        assert_int_equal(pm2_directory_init(&directory, "/proc"), 0);
        for (app.pm_id = 0; app.pm_id < PM2_APPS_MAX; app.pm_id++)
                assert_int_equal(pm2_directory_add(&directory, &home, &app, &instance), 0);
        assert_int_equal(pm2_directory_add(&directory, &home, &app, &instance), -ENOSPC);
        pm2_directory_remove(&directory, instance);
        assert_int_equal(pm2_directory_add(&directory, &home, &app, &instance), 0);
        pm2_directory_done(&directory);
}

/* ---- what is declared of the apps ----------------------------------------------------------------------------------------- */

static void begin_with_declared_lily(struct world *world, usec_t answer)
{
        begin(world);
        world->answer = answer;
        assert_int_equal(veil_new(&world->veil), 0);
        world->listed = (struct pm2_listed_sink){
                .veil = world->veil, .take = take_listed, .looked = on_looked, .self = world
        };
        pm2_daemon_run(&world->daemon, 0, "lily");
        watch(world);
        until(world, "declared lily");
        forget(world);
}

static void end_declared(struct world *world)
{
        end(world);
        veil_free(world->veil);
}

static void until_looked(struct world *world)
{
        for (int turns = 0; world->looked == 0 && turns < 100; turns++)
                assert_true(sd_event_run(world->event, 100 * USEC_PER_MSEC) >= 0);
        assert_int_equal(world->looked, 1);
        world->looked = 0;
}

static void a_look_lists_and_says_when_it_is_done(void **state)
{
        struct world world;

        begin_with_declared_lily(&world, LONG);
        pm2_look(world.pm2);
        assert_int_equal(world.looked, 0); /* not within the question */
        until_looked(&world);
        assert_string_equal(world.told, "declared asked lily with a key\n");
        pm2_look(world.pm2);
        pm2_look(world.pm2); /* the list under way may be too old */
        until_looked(&world);
        end_declared(&world);
}

static void a_look_is_done_also_when_nobody_answers(void **state)
{
        struct world world;

        begin_with_declared_lily(&world, USEC_PER_SEC);
        world.daemon.manner = MANNER_MUTE;
        pm2_look(world.pm2);
        until_looked(&world);
        pm2_daemon_end(&world.daemon, false);
        until(&world, "source blind the PM2 daemon died");
        pm2_look(world.pm2);
        until_looked(&world);
        end_declared(&world);
}

static void a_start_that_somebody_ordered_is_looked_at_soon(void **state)
{
        struct world world;

        begin_with_declared_lily(&world, LONG);
        pm2_daemon_tell(&world.daemon, 0, "exit", "stopping");
        pm2_daemon_kill(&world.daemon, 0);
        pm2_daemon_run(&world.daemon, 0, "lily");
        world.daemon.apps[0].restarts++;
        pm2_daemon_tell(&world.daemon, 0, "online", "launching");
        until(&world, "declared lily");
        end_declared(&world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_runs_already_is_told_at_first_sight),
                cmocka_unit_test(a_home_that_never_had_a_daemon_is_absent),
                cmocka_unit_test(a_crash_has_its_exit_code_and_an_automatic_start),
                cmocka_unit_test(a_kill_has_its_signal),
                cmocka_unit_test(a_hundred_crashes_are_a_hundred_ends_and_starts),
                cmocka_unit_test(an_ordered_restart_is_manual_and_ends_once),
                cmocka_unit_test(a_life_found_running_was_begun_by_hand_or_not),
                cmocka_unit_test(a_life_that_begins_as_we_come_is_nobodys_order),
                cmocka_unit_test(a_restart_that_is_ordered_as_we_come_is_an_order),
                cmocka_unit_test(what_we_ordered_is_ours),
                cmocka_unit_test(a_stop_is_learnt_from_the_list),
                cmocka_unit_test(an_app_that_waits_in_vain_is_claimed_to_wait),
                cmocka_unit_test(a_deleted_app_is_gone),
                cmocka_unit_test(a_number_given_to_another_app_is_another_agent),
                cmocka_unit_test(the_memory_limit_of_pm2_is_no_death),
                cmocka_unit_test(a_reload_replaces_the_worker_before_it_ends),
                cmocka_unit_test(a_start_that_a_list_told_of_is_not_told_again),
                cmocka_unit_test(a_daemon_that_does_not_answer_is_blind_until_it_does),
                cmocka_unit_test(a_half_list_changes_nothing),
                cmocka_unit_test(a_daemon_that_dies_takes_its_apps_along),
                cmocka_unit_test(an_announced_end_is_planned),
                cmocka_unit_test(the_empty_list_of_a_young_daemon_is_not_believed),
                cmocka_unit_test(what_is_not_pm2_is_said_to_be_none),
                cmocka_unit_test(other_topics_are_passed_over),
                cmocka_unit_test(a_link_to_a_home_is_that_home),
                cmocka_unit_test(a_daemon_that_tells_of_too_many_apps_fills_no_memory),
                cmocka_unit_test(a_name_is_made_safe_and_an_id_never_too_long),
                cmocka_unit_test(an_id_tells_its_home),
                cmocka_unit_test(a_look_lists_and_says_when_it_is_done),
                cmocka_unit_test(a_look_is_done_also_when_nobody_answers),
                cmocka_unit_test(a_start_that_somebody_ordered_is_looked_at_soon),
        };

        (void)signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
