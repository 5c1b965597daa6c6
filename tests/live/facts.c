/*
 * Prints the facts of the systemd, process and host observers as text, one a line, for live tests. Orders come on stdin:
 * `restart|stop|start UNIT [PID START]`. Arguments: a glob over unit names (none: discovery), and `samples` to see those too.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/text.h"
#include "heal/systemd.h"
#include "io/cleanup.h"
#include "io/log.h"
#include "observe/host.h"
#include "observe/process.h"
#include "observe/systemd.h"

struct facts {
        sd_event *event;
        struct clock clock;
        struct proc proc;
        const char *pattern; /* NULL: discovery */
        bool samples;
        struct bus *bus;
        struct systemd *systemd;
        struct process *process;
        struct host *host;
        struct systemd_hand *hand;
};

static bool wants(void *self, const struct unit_looks *looks)
{
        const struct facts *facts = self;

        return facts->pattern ? text_glob(facts->pattern, looks->name) : unit_looks_like_agent(looks);
}

static bool package_run(void *self)
{
        const struct facts *facts = self;

        return host_package_run(facts->host);
}

static void print_more(const struct fact *fact)
{
        switch (fact->kind) {
        case FACT_AGENT:
                printf(" %s '%s' pid=%d restarts=%" PRIu64 " result=%s%s", claimed_name(fact->agent_is.claimed),
                       fact->agent_is.word, fact->agent_is.pid, fact->agent_is.restarts, fact->agent_is.result,
                       fact->agent_is.first ? " first" : "");
                break;
        case FACT_STARTED:
                printf(" pid=%d start=%" PRIu64 " %s", fact->started.pid, fact->started.start,
                       fact->started.ordered ? "ordered" : "by-itself");
                break;
        case FACT_ENDED:
        case FACT_DIED:
                printf(" pid=%d start=%" PRIu64 " %s code=%d signal=%d", fact->ended.pid, fact->ended.start,
                       ending_name(fact->ended.ending), fact->ended.code, fact->ended.signal);
                break;
        case FACT_DEPENDS: printf(" %s %s", dependency_name(fact->depends.dependency), fact->depends.on); break;
        case FACT_SOURCE:
                printf(" %s %s %s", fact->source.name, source_state_name(fact->source.state), fact->source.why);
                break;
        case FACT_SAMPLE:
                printf(" pid=%d memory=%" PRIu64 " cpu=%" PRIu64, fact->sample.pid, fact->sample.memory_bytes,
                       fact->sample.cpu);
                break;
        case FACT_HOST:
                printf(" available=%" PRIu64 " load=%" PRIu32 " pressure=%" PRIu32, fact->host.available_bytes,
                       fact->host.load1, fact->host.memory_some_avg10);
                break;
        case FACT_PLANNED: printf(" %s %s", ending_name(fact->planned.ending), fact->planned.by); break;
        default: break;
        }
}

static void take(void *self, const struct fact *fact)
{
        struct facts *facts = self;

        if (fact->kind == FACT_STARTED)
                (void)process_watch(facts->process, fact->agent, fact->instance, fact->started.pid,
                                    fact->started.start);
        if (fact->kind == FACT_ENDED)
                process_forget(facts->process, fact->ended.pid, fact->ended.start);
        if (!facts->samples && (fact->kind == FACT_SAMPLE || fact->kind == FACT_HOST))
                return;
        printf("%" PRIu64 ".%06" PRIu64 " %s %s", fact->at / USEC_PER_SEC, fact->at % USEC_PER_SEC,
               fact_kind_name(fact->kind), *fact->agent ? fact->agent : "-");
        print_more(fact);
        printf("\n");
        fflush(stdout);
}

static void on_done(struct errand *errand, enum outcome outcome, const char *text)
{
        printf("outcome %s %s %s %s\n", action_name(errand->action), errand->agent, outcome_name(outcome), text);
        fflush(stdout);
        free((char *)errand->agent);
        free(errand);
}

static void order(struct facts *facts, const char *line)
{
        struct errand *errand = calloc(1, sizeof(*errand));
        char word[16], unit[256], *id = NULL;
        int r;

        if (!errand || sscanf(line, "%15s %255s %d %" SCNu64, word, unit, &errand->pid, &errand->start) < 2 ||
            asprintf(&id, "systemd:%s", unit) < 0)
                abort();
        errand->agent = id;
        errand->action = action_from_name(word);
        errand->done = on_done;
        r = systemd_hand_act(facts->hand, errand);
        if (r < 0)
                on_done(errand, OUTCOME_NONE, strerror(-r));
}

static int on_input(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        char text[1024], *save = NULL;
        ssize_t n = read(fd, text, sizeof(text) - 1);

        if (n <= 0)
                return sd_event_exit(sd_event_source_get_event(source), EXIT_SUCCESS);
        text[n] = '\0';
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                order(userdata, line);
        return 0;
}

static int observe(struct facts *facts)
{
        struct fact_sink sink = { take, facts };
        struct process_options process = { .clock = &facts->clock, .proc = &facts->proc, .sink = sink };
        struct host_options host = { &facts->clock, &facts->proc, sink, NULL };
        struct systemd_options systemd = {
                .event = facts->event,
                .clock = &facts->clock,
                .proc = &facts->proc,
                .sink = sink,
                .wants = wants,
                .package_run = package_run,
                .self = facts,
        };
        int r;

        if ((r = sd_event_new(&facts->event)) < 0 || (r = proc_open(&facts->proc, "/proc")) < 0 ||
            (r = bus_new(facts->event, &facts->bus)) < 0 ||
            (r = process_new(facts->event, &process, &facts->process)) < 0 ||
            (r = host_new(facts->event, &host, &facts->host)) < 0 ||
            (r = systemd_hand_new(facts->event, facts->bus, &facts->proc, &facts->hand)) < 0)
                return r;
        systemd.event = facts->event;
        systemd.bus = facts->bus;
        r = systemd_new(&systemd, &facts->systemd);
        if (r < 0)
                return r;
        (void)sd_event_add_io(facts->event, NULL, STDIN_FILENO, EPOLLIN, on_input, facts); /* not where it is a file */
        return sd_event_loop(facts->event);
}

int main(int argc, char *argv[])
{
        struct facts facts = { .pattern = argc > 1 ? argv[1] : NULL, .samples = argc > 2 };
        int r;

        clock_init(&facts.clock, 0);
        r = observe(&facts);
        return r < 0 ? -log_failure(r, "Cannot observe") : r;
}
