/* Prints the PM2 observer's facts, one a line, for live tests: pm2_watch [HOME...]. Words on stdin work the hands: "restart AGENT". */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/text.h"
#include "heal/pm2.h"
#include "io/pm2_call.h"
#include "observe/pm2.h"

struct world {
        sd_event *event;
        struct clock clock;
        usec_t began;
        struct pm2_directory directory;
        struct pm2 *pm2;
        struct pm2_hand *hand;
        struct pm2_call *call;
};

static void print_fact(void *self, const struct fact *fact)
{
        const struct world *world = self;

        printf("%.3f %s %s", (double)usec_since(fact->at, world->began) / 1e6, fact_kind_name(fact->kind), fact->agent);
        if (fact->instance != INSTANCE_ALL)
                printf(" #%" PRIu32, fact->instance);
        switch (fact->kind) {
        case FACT_AGENT:
                printf(" claimed=%s word=\"%s\" pid=%d restarts=%" PRIu64 "%s", claimed_name(fact->agent_is.claimed),
                       fact->agent_is.word, fact->agent_is.pid, fact->agent_is.restarts,
                       fact->agent_is.first ? " first" : "");
                break;
        case FACT_STARTED:
                printf(" pid=%d start=%" PRIu64 " since=%.1f%s", fact->started.pid, fact->started.start,
                       (double)usec_since(fact->at, fact->started.since) / 1e6,
                       fact->started.ordered ? " ordered" : "");
                break;
        case FACT_ENDED:
                printf(" pid=%d ending=%s code=%d signal=%d", fact->ended.pid, ending_name(fact->ended.ending),
                       fact->ended.code, fact->ended.signal);
                break;
        case FACT_SOURCE:
                printf("%s state=%s god=%d why=\"%s\"", fact->source.name, source_state_name(fact->source.state),
                       fact->source.pid, fact->source.why);
                break;
        case FACT_PLANNED: printf(" ending=%s by=\"%s\"", ending_name(fact->planned.ending), fact->planned.by); break;
        case FACT_STRAY: printf(" stray=%s pid=%d", stray_name(fact->stray.stray), fact->stray.pid); break;
        default: break;
        }
        printf("\n");
        fflush(stdout);
}

static void on_done(struct errand *errand, enum outcome outcome, const char *text)
{
        const struct world *world = errand->self;

        printf("%.3f outcome %s %s=%s \"%s\"\n", (double)usec_since(clock_now(&world->clock), world->began) / 1e6,
               errand->agent, action_name(errand->action), outcome_name(outcome), text);
        fflush(stdout);
        free((char *)errand->agent);
        free(errand);
}

static void on_answer(void *self, int result, const struct pm2_reply *reply)
{
        printf("answer %d%s %s\n", result, result == 0 && reply->failed ? " refused" : "",
               result == 0 ? reply->text : "");
        fflush(stdout);
}

/* Any request of the table, also those that no hand uses yet. */
static void ask(struct world *world, unsigned request, unsigned pm_id)
{
        struct pm2_question question = {
                .home = world->directory.homes[0]->path,
                .owner = world->directory.homes[0]->uid,
                .request = request,
                .pm_id = pm_id,
                .within = 10 * USEC_PER_SEC,
        };
        int r = -EINVAL;

        pm2_call_free(world->call);
        world->call = NULL;
        if (request < PM2_REQUEST_N)
                r = pm2_call_new(world->event, &question, on_answer, world, &world->call);
        if (r < 0)
                on_answer(world, r, NULL);
}

/* "VERB AGENT [PM_ID [PID START]]", "ask REQUEST PM_ID", "usage", "relist", "quit" */
static void obey(struct world *world, const char *line)
{
        char verb[16] = "", agent[AGENT_ID_MAX] = "";
        struct errand *errand;
        struct rusage usage;
        unsigned id = INSTANCE_ALL;
        unsigned long start = 0;
        int pid = 0, r;

        if (sscanf(line, "ask %d %u", &pid, &id) == 2) {
                ask(world, (unsigned)pid, id);
                return;
        }
        (void)sscanf(line, "%15s %271s %u %d %lu", verb, agent, &id, &pid, &start);
        if (strcmp(verb, "quit") == 0)
                (void)sd_event_exit(world->event, 0);
        else if (strcmp(verb, "relist") == 0)
                pm2_relist(world->pm2);
        if (strcmp(verb, "usage") == 0 && getrusage(RUSAGE_SELF, &usage) == 0)
                printf("usage cpu_us=%ld rss_kb=%ld switches=%ld\n",
                       (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
                               usage.ru_stime.tv_usec,
                       usage.ru_maxrss, usage.ru_nvcsw);
        fflush(stdout);
        if (!action_from_name(verb))
                return;

        errand = calloc(1, sizeof(*errand));
        if (!errand)
                abort();
        *errand = (struct errand){
                .agent = strdup(agent),
                .instance = id,
                .action = action_from_name(verb),
                .pid = pid,
                .start = start,
                .done = on_done,
                .self = world,
        };
        r = pm2_hand_act(world->hand, errand);
        if (r < 0) {
                printf("refused %s %s: %s\n", verb, agent, strerror(-r));
                fflush(stdout);
        }
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *self)
{
        static char text[4096];
        static size_t used;
        struct world *world = self;
        ssize_t n = read(fd, text + used, sizeof(text) - used - 1);
        char *end;

        if (n <= 0)
                return sd_event_source_set_enabled(source, SD_EVENT_OFF);
        used += (size_t)n;
        text[used] = '\0';
        while ((end = strchr(text, '\n'))) {
                *end = '\0';
                obey(world, text);
                used -= (size_t)(end + 1 - text);
                memmove(text, end + 1, used + 1);
        }
        return 0;
}

int main(int argc, char **argv)
{
        struct world world = { 0 };
        struct pm2_options options = { .only_these = argc > 1 };
        int r;

        clock_init(&world.clock, 0);
        world.began = clock_now(&world.clock);
        options.clock = &world.clock;
        options.sink = (struct fact_sink){ .take = print_fact, .self = &world };
        options.directory = &world.directory;
        options.homes = (const char *const *)argv + 1;

        r = sd_event_new(&world.event);
        if (r >= 0)
                r = pm2_directory_init(&world.directory, "/proc");
        if (r >= 0)
                r = pm2_new(world.event, &options, &world.pm2);
        if (r >= 0)
                r = pm2_hand_new(world.event, &world.directory, &world.hand);
        if (r >= 0)
                r = sd_event_add_io(world.event, NULL, STDIN_FILENO, EPOLLIN, on_input, &world);
        if (r >= 0 || r == -EPERM) /* a plain file as stdin */
                r = sd_event_loop(world.event);
        pm2_call_free(world.call);
        pm2_hand_free(world.hand);
        pm2_free(world.pm2);
        pm2_directory_done(&world.directory);
        sd_event_unref(world.event);
        return r < 0;
}
