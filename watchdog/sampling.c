#include "sampling.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "governor_inside.h"
#include "io/cleanup.h"
#include "io/history.h"
#include "io/log.h"
#include "views.h"

#define EVERY USEC_PER_MINUTE
#define LATE (15 * USEC_PER_SEC) /* a minute may be taken with a wakeup that happens anyway */
#define MINUTES 10               /* gathered before they are written */
#define SINCE_DEFAULT (24 * 3600)

/* An agent's minutes that are not written yet, and what the next one is measured against. */
struct sampled {
        uint64_t hash; /* of its id */
        uint64_t restarts;
        usec_t since;
        unsigned n;
        struct {
                uint64_t at, memory_bytes;
                uint32_t cpu_permille, starts;
        } minutes[MINUTES];
};

static uint64_t hash_of(const char *id)
{
        uint64_t hash = 0xcbf29ce484222325;

        for (; *id; id++)
                hash = (hash ^ (unsigned char)*id) * 0x100000001b3;
        return hash;
}

/* Asked for in the judge's order, each mostly stands behind the one before. NULL: there is none and `make` says so, or no memory. */
static struct sampled *sampled_of(struct sampling *sampling, const char *id, bool make)
{
        uint64_t hash = hash_of(id);
        struct sampled *grown;

        for (unsigned i = 0; i < sampling->agents_n; i++) {
                unsigned at = (sampling->next + i) % sampling->agents_n;

                if (sampling->agents[at].hash != hash)
                        continue;
                sampling->next = at + 1;
                return &sampling->agents[at];
        }
        if (!make)
                return NULL;
        grown = reallocarray(sampling->agents, sampling->agents_n + 1, sizeof(*grown));
        if (!grown)
                return NULL;
        sampling->agents = grown;
        grown[sampling->agents_n] = (struct sampled){ .hash = hash };
        return &grown[sampling->agents_n++];
}

static uint64_t unix_seconds(const struct governor *governor)
{
        return clock_now(&governor->clock) / USEC_PER_SEC;
}

/* ---- a minute ------------------------------------------------------------------------------------------------------------- */

static void add(struct sampled *sampled, uint64_t at, uint64_t memory, uint32_t cpu, uint32_t starts)
{
        if (sampled->n == MINUTES)
                return;
        sampled->minutes[sampled->n].at = at;
        sampled->minutes[sampled->n].memory_bytes = memory;
        sampled->minutes[sampled->n].cpu_permille = cpu;
        sampled->minutes[sampled->n++].starts = starts;
}

/* The manager's counter tells of each restart; a life that is another one is a start that it does not count. */
static uint32_t starts_since(const struct sampled *before, const struct agent_view *view)
{
        if (before->since == 0)
                return 0;
        if (view->restarts > before->restarts)
                return (uint32_t)(view->restarts - before->restarts);
        return view->since != before->since && view->pid > 0;
}

static void take_agent(struct sampling *sampling, uint64_t at, const struct agent_view *view)
{
        struct sampled *sampled = sampled_of(sampling, view->id, true);

        if (!sampled)
                return;
        add(sampled, at, view->memory_bytes, view->pid > 0 ? view->cpu_permille : 0, starts_since(sampled, view));
        sampled->restarts = view->restarts;
        sampled->since = view->since > 0 ? view->since : sampled->since;
}

/* All memory that is in use, and the share of all CPUs. */
static void take_machine(struct sampling *sampling, uint64_t at)
{
        const struct fact *host = &sampling->governor->host;
        struct sampled *sampled = sampled_of(sampling, HISTORY_MACHINE, true);
        struct machine_view view;

        judge_machine(sampling->governor->judge, &view);
        if (sampled && host->host.total_bytes > host->host.available_bytes)
                add(sampled, at, host->host.total_bytes - host->host.available_bytes, view.now_permille, 0);
}

static void take_minute(struct sampling *sampling)
{
        struct judge *judge = sampling->governor->judge;
        usec_t now = clock_now(&sampling->governor->clock);
        struct agent_view view;

        for (uint32_t i = 0; i < judge_agents(judge); i++) {
                judge_agent(judge, i, now, &view);
                take_agent(sampling, unix_seconds(sampling->governor), &view);
        }
        take_machine(sampling, unix_seconds(sampling->governor));
        sampling->minutes++;
}

/* ---- into the file ---------------------------------------------------------------------------------------------------------- */

static size_t put_samples(struct sampled *sampled, const char *id, struct history_sample *to)
{
        unsigned n = sampled ? sampled->n : 0;

        for (unsigned i = 0; i < n; i++)
                to[i] = (struct history_sample){
                        .agent = id,
                        .at = sampled->minutes[i].at,
                        .step = 60,
                        .memory_bytes = sampled->minutes[i].memory_bytes,
                        .memory_most = sampled->minutes[i].memory_bytes,
                        .cpu_permille = sampled->minutes[i].cpu_permille,
                        .starts = sampled->minutes[i].starts,
                };
        if (sampled)
                sampled->n = 0;
        return n;
}

/* Said when it begins and when it is over, not every ten minutes. */
static void tell(struct sampling *sampling, int r, size_t n)
{
        if (r < 0) {
                sampling->dropped += n;
                if (sampling->trouble != r)
                        log_ignored(r, "Cannot write '%s': samples are dropped", sampling->path);
                sampling->trouble = r;
                return;
        }
        if (r & HISTORY_SET_ASIDE)
                log_warning("'%s' was damaged or not a history: it is %s.damaged now, and a new one begins",
                            sampling->path, sampling->path);
        if (sampling->trouble < 0)
                log_info("'%s' can be written again; %llu samples were dropped", sampling->path,
                         (unsigned long long)sampling->dropped);
        sampling->trouble = 0;
        sampling->dropped = 0;
}

/* Whoever still has minutes is not the judge's any more. */
static void forget_gone(struct sampling *sampling)
{
        unsigned kept = 0;

        for (unsigned i = 0; i < sampling->agents_n; i++)
                if (sampling->agents[i].n == 0)
                        sampling->agents[kept++] = sampling->agents[i];
        sampling->agents_n = kept;
}

static void flush(struct sampling *sampling)
{
        struct judge *judge = sampling->governor->judge;
        uint32_t agents = judge_agents(judge);
        _cleanup_free_ struct history_sample *samples = calloc((agents + 1) * MINUTES, sizeof(*samples));
        struct agent_view view;
        size_t n;

        if (!samples)
                return;
        n = put_samples(sampled_of(sampling, HISTORY_MACHINE, false), HISTORY_MACHINE, samples);
        for (uint32_t i = 0; i < agents; i++) {
                judge_agent(judge, i, clock_now(&sampling->governor->clock), &view);
                n += put_samples(sampled_of(sampling, view.id, false), view.id, samples + n);
        }
        if (n > 0)
                tell(sampling,
                     history_write(sampling->path, &history_limits, samples, n, unix_seconds(sampling->governor)), n);
        sampling->minutes = 0;
        forget_gone(sampling);
}

static int on_minute(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct sampling *sampling = userdata;

        take_minute(sampling);
        if (sampling->minutes == MINUTES)
                flush(sampling);
        sd_event_source_set_time(source, usec + EVERY);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- asked ------------------------------------------------------------------------------------------------------------------ */

static void list_sample(void *self, const struct history_sample *sample)
{
        json_array_append_new(self, json_pack("{s:I, s:i, s:I, s:I, s:i, s:i}", "at", (json_int_t)sample->at, "step",
                                              (int)sample->step, "memory_bytes", (json_int_t)sample->memory_bytes,
                                              "memory_most", (json_int_t)sample->memory_most, "cpu_permille",
                                              (int)sample->cpu_permille, "starts", (int)sample->starts));
}

/* Its own, and the machine's in which it was restarted last. */
static json_t *incidents_of(struct governor *governor, const struct agent_view *agent, uint64_t since)
{
        json_t *list = json_array();
        struct incident_view view;

        for (uint64_t below = UINT64_MAX; judge_incident_below(governor->judge, below, &view); below = view.incident)
                if ((strcmp(view.agent, agent->id) == 0 || view.incident == agent->flushed) &&
                    (view.open || view.resolved / USEC_PER_SEC >= since))
                        json_array_append_new(list, view_incident(&view));
        return list;
}

/* Of one CPU; of the machine, of all. */
static int cpu_limit_of(const struct governor *governor, const struct agent_view *view)
{
        return (int)(view->rule ? view->rule->cpu.above_percent : governor->policy->machine.cpu.above_percent);
}

json_t *sampling_history(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        const char *word = json_string_value(json_object_get(request->params, "agent"));
        json_int_t asked = json_integer_value(json_object_get(request->params, "since"));
        uint64_t since = asked > 0 ? (uint64_t)asked : unix_seconds(governor) - SINCE_DEFAULT;
        struct agent_view view = { .id = HISTORY_MACHINE };
        json_t *samples;
        int r;

        if (strcmp(word, "machine") != 0 && view_find_agent(governor, word, error, &view) < 0)
                return NULL;
        if (!governor->sampling.timer)
                return control_refuse(error, 1, "", "no history is kept");
        flush(&governor->sampling);
        samples = json_array();
        r = history_read(governor->sampling.path, view.id, since, list_sample, samples);
        if (r < 0 && r != -ENOENT) {
                json_decref(samples);
                return control_refuse(error, 1, "df -h", "the history cannot be read: %s", strerror(-r));
        }
        return json_pack("{s:i, s:s, s:I, s:i, s:o, s:o}", "schema_version", SCHEMA_VERSION, "agent", view.id, "since",
                         (json_int_t)since, "cpu_limit_percent", cpu_limit_of(governor, &view), "samples", samples,
                         "incidents", incidents_of(governor, &view, since));
}

/* ---- beginning and end -------------------------------------------------------------------------------------------------------- */

void sampling_begin(struct governor *governor)
{
        struct sampling *sampling = &governor->sampling;
        usec_t now = 0;
        int r;

        sampling->governor = governor;
        r = asprintf(&sampling->path, "%s/history.db", governor->options.state) >= 0 ? 0 : -ENOMEM;
        sd_event_now(governor->event, CLOCK_BOOTTIME, &now);
        if (r >= 0)
                r = sd_event_add_time(governor->event, &sampling->timer, CLOCK_BOOTTIME, now + EVERY, LATE, on_minute,
                                      sampling);
        if (r < 0)
                log_ignored(r, "Cannot keep a history");
}

void sampling_end(struct governor *governor)
{
        struct sampling *sampling = &governor->sampling;

        if (sampling->timer)
                flush(sampling);
        sd_event_source_disable_unref(sampling->timer);
        free(sampling->agents);
        free(sampling->path);
        *sampling = (struct sampling){ .governor = NULL };
}
