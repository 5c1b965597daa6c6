/* Prints the facts of the systemd, process and host observers as text, one a line, for live tests. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "io/log.h"
#include "observe/systemd.h"

struct facts {
        struct clock clock;
        const char *pattern; /* NULL: discovery */
};

static bool wants(void *self, const struct unit_looks *looks)
{
        const struct facts *facts = self;

        return facts->pattern ? text_glob(facts->pattern, looks->name) : unit_looks_like_agent(looks);
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
        default: break;
        }
}

static void take(void *self, const struct fact *fact)
{
        printf("%" PRIu64 ".%06" PRIu64 " %s %s", fact->at / USEC_PER_SEC, fact->at % USEC_PER_SEC,
               fact_kind_name(fact->kind), *fact->agent ? fact->agent : "-");
        print_more(fact);
        printf("\n");
        fflush(stdout);
}

int main(int argc, char *argv[])
{
        struct facts facts = { .pattern = argc > 1 ? argv[1] : NULL };
        sd_event *event = NULL;
        struct bus *bus = NULL;
        struct systemd *systemd = NULL;
        struct proc proc;
        int r;

        clock_init(&facts.clock, 0);
        if ((r = sd_event_new(&event)) < 0 || (r = proc_open(&proc, "/proc")) < 0 || (r = bus_new(event, &bus)) < 0)
                return -log_failure(r, "Cannot begin");
        (void)sd_event_set_signal_exit;
        r = systemd_new(&(struct systemd_options){ .event = event,
                                                   .bus = bus,
                                                   .clock = &facts.clock,
                                                   .proc = &proc,
                                                   .sink = { take, &facts },
                                                   .wants = wants,
                                                   .self = &facts },
                        &systemd);
        if (r < 0)
                return -log_failure(r, "Cannot observe systemd");
        r = sd_event_loop(event);
        systemd_free(systemd);
        bus_free(bus);
        proc_done(&proc);
        sd_event_unref(event);
        return r < 0 ? EXIT_FAILURE : r;
}
