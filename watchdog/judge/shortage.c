#include "judge/shortage.h"

#include <string.h>

#include "base/text.h"
#include "judge/incidents.h"
#include "judge/life.h"
#include "judge/table.h"
#include "judge/trial.h"

#define FILLS_WITHIN (5 * USEC_PER_MINUTE) /* time to do something about it */
#define FILLS_AT_ONCE USEC_PER_MINUTE
#define GROWS_FOR (4 * USEC_PER_SEC) /* two readings close to each other say nothing */
#define PRESSED 1000                 /* hundredths of a percent */
#define SWAP_LEFT ((uint64_t)4 << 20)
#define NEAR_LASTS USEC_PER_MINUTE /* a tooth that falls a moment later does not make it over */
#define EASED_FOR (10 * USEC_PER_MINUTE)
#define QUIET USEC_PER_DAY
#define SAID_WAIT (3 * USEC_PER_SEC)
#define SAME_KILL (10 * USEC_PER_SEC) /* told by several, one after the other */
#define DIES_WITHIN USEC_PER_MINUTE   /* the kernel's SIGKILL waits for what is uninterruptible */
#define TOLD_EACH 10
#define STRANGERS_EVERY USEC_PER_MINUTE /* kills of nobody's processes, once so many were told */
#define KEY_BITS 52                     /* as many as a number in the chain holds */

/* ---- whose ------------------------------------------------------------------------------------------------------------- */

static uint64_t key_of(const char *cgroup)
{
        uint64_t hash = 0xcbf29ce484222325;

        for (; cgroup && *cgroup; cgroup++)
                hash = (hash ^ (unsigned char)*cgroup) * 0x100000001b3;
        return (hash & ((UINT64_C(1) << KEY_BITS) - 1)) | 1;
}

static struct shortage *find(const struct judge *judge, uint32_t agent, uint64_t key)
{
        for (unsigned n = 0; n < SHORTAGES_MAX; n++) {
                const struct shortage *shortage = &judge->shortages[n];

                if (shortage->on && shortage->agent == agent && (agent != NOBODY || shortage->key == key))
                        return (struct shortage *)(uintptr_t)shortage;
        }
        return NULL;
}

/* What does not fit is the machine's: more than so many at once are not each one's own trouble. */
static struct shortage *find_or_make(struct judge *judge, uint32_t agent, uint64_t key)
{
        struct shortage *shortage = find(judge, agent, key);

        for (unsigned n = 0; n < SHORTAGES_MAX && !shortage; n++)
                if (!judge->shortages[n].on) {
                        shortage = &judge->shortages[n];
                        *shortage = (struct shortage){ .on = true, .agent = agent, .key = key, .incident = NOBODY };
                }
        return shortage ? shortage : find(judge, NOBODY, 0);
}

static struct agent *governed(struct judge *judge, const struct fact *fact)
{
        struct agent *agent = fact->agent && *fact->agent ? table_find(judge, fact->agent) : NULL;

        return agent && is_governed(agent) ? agent : NULL;
}

/* ---- in words ---------------------------------------------------------------------------------------------------------- */

static bool given(const char *text)
{
        return text && *text;
}

/* "agent-x.service" of "/system.slice/agent-x.service": what people call it. */
static const char *unit_of(const char *cgroup)
{
        const char *slash = strrchr(cgroup, '/');

        return slash && slash[1] ? slash + 1 : cgroup;
}

static void say_victim(const struct fact *fact, const struct agent *agent, char *reason)
{
        char bytes[TEXT_BYTES_MAX];

        if (fact->oom.pid > 0 && given(fact->oom.comm))
                text_append(reason, REASON_MAX, "process %d (%s)", (int)fact->oom.pid, fact->oom.comm);
        else if (fact->oom.pid > 0)
                text_append(reason, REASON_MAX, "process %d", (int)fact->oom.pid);
        else
                text_append(reason, REASON_MAX, fact->oom.killed == 1 ? "a process" : "%u processes", fact->oom.killed);
        if (!agent && given(fact->oom.cgroup))
                text_append(reason, REASON_MAX, " of %s", unit_of(fact->oom.cgroup));
        text_append(reason, REASON_MAX, fact->oom.killed > 1 ? " were killed for memory" : " was killed for memory");
        if (fact->oom.held_bytes > 0)
                text_append(reason, REASON_MAX, ", held %s", text_bytes(bytes, fact->oom.held_bytes));
}

static void say_killer(const struct fact *fact, char *reason)
{
        char bytes[TEXT_BYTES_MAX];

        switch (fact->oom.by) {
        case OOM_BY_MACHINE: text_append(reason, REASON_MAX, ": the machine had none left"); break;
        case OOM_BY_OOMD:
                text_append(reason, REASON_MAX, " by systemd-oomd: too much pressure, or swap used up");
                break;
        case OOM_BY_LIMIT:
                text_append(reason, REASON_MAX, ": at the limit");
                if (fact->oom.limit_bytes > 0)
                        text_append(reason, REASON_MAX, " of %s", text_bytes(bytes, fact->oom.limit_bytes));
                if (given(fact->oom.limit))
                        text_append(reason, REASON_MAX, " of %s", unit_of(fact->oom.limit));
                break;
        default:
                text_append(reason, REASON_MAX,
                            given(fact->oom.cgroup) ? "; at whose limit is not known" : "; nobody told which");
        }
        if (given(fact->oom.others))
                text_append(reason, REASON_MAX, "; also large: %s", fact->oom.others);
}

/* ---- killed ------------------------------------------------------------------------------------------------------------ */

static bool is_worth_telling(uint64_t before, uint64_t now)
{
        uint64_t power = TOLD_EACH;

        while (power <= before)
                power *= 10;
        return now <= TOLD_EACH || power <= now;
}

/* True for one that loops on, of which nothing is recorded any more. */
static bool correct_endings(struct judge *judge, struct agent *agent, const struct fact *fact)
{
        bool thin = false;

        for (struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i)) {
                life_killed_for_memory(judge, i, fact->oom.pid);
                thin |= i->thin && (fact->instance == INSTANCE_ALL || i->number == fact->instance);
        }
        return thin;
}

static void take_kill(struct judge *judge, const struct fact *fact)
{
        struct agent *agent = governed(judge, fact);
        struct shortage *shortage = find_or_make(judge, agent ? table_index(judge, agent) : NOBODY, 0);
        bool thin = agent && correct_endings(judge, agent, fact);
        uint64_t before;

        if (!shortage)
                return;
        shortage->pid = fact->oom.pid;
        shortage->took_at = fact->at;
        if (thin)
                return;
        if (!agent && shortage->kills >= TOLD_EACH && usec_since(fact->at, shortage->killed_at) < STRANGERS_EVERY)
                return;
        before = shortage->kills;
        shortage->kills += fact->oom.killed > 0 ? fact->oom.killed : 1;
        shortage->killed_at = fact->at;
        shortage->said_at = 0;
        judge->material = true;
        judge->machine_due = judge->now;
        if (!is_worth_telling(before, shortage->kills))
                return;
        shortage->news = true;
        shortage->reason[0] = '\0';
        say_victim(fact, shortage->agent == NOBODY ? NULL : agent, shortage->reason);
        say_killer(fact, shortage->reason);
}

bool shortage_took(const struct judge *judge, const struct agent *agent, const struct life *life)
{
        const struct shortage *shortage = find(judge, table_index(judge, agent), 0);

        return shortage && life->pid > 0 && shortage->pid == life->pid &&
               usec_since(life->ended, shortage->took_at) < DIES_WITHIN;
}

void shortage_said(struct judge *judge, const struct agent *agent, usec_t at)
{
        struct shortage *shortage = is_governed(agent) ? find_or_make(judge, table_index(judge, agent), 0) : NULL;

        if (!shortage || shortage->agent == NOBODY ||
            (shortage->killed_at > 0 && usec_since(at, shortage->killed_at) < SAME_KILL))
                return;
        shortage->said_at = at;
        if (at + SAID_WAIT < judge->machine_due)
                judge->machine_due = at + SAID_WAIT;
}

/* Only its manager told of it. */
static void believe(struct judge *judge, struct shortage *shortage)
{
        const char *manager = manager_name(judge->agents[shortage->agent].manager);

        shortage->kills++;
        shortage->killed_at = shortage->said_at;
        shortage->said_at = 0;
        shortage->pid = 0;
        if (!is_worth_telling(shortage->kills - 1, shortage->kills))
                return;
        shortage->news = true;
        shortage->reason[0] = '\0';
        text_append(shortage->reason, sizeof(shortage->reason), "killed for memory, says %s; by whom is not known",
                    manager);
}

/* ---- near -------------------------------------------------------------------------------------------------------------- */

/* When all of it is held, as it grows; USEC_INFINITY: not by growing. */
static usec_t fills_in(const struct fact *fact)
{
        uint64_t grown =
                fact->oom.held_bytes > fact->oom.before_bytes ? fact->oom.held_bytes - fact->oom.before_bytes : 0;
        uint64_t left = fact->oom.limit_bytes > fact->oom.held_bytes ? fact->oom.limit_bytes - fact->oom.held_bytes : 0;

        if (left == 0)
                return 0;
        if (grown == 0 || fact->oom.before < GROWS_FOR)
                return USEC_INFINITY;
        /* in thousandths of what it grew by: bytes times microseconds would not fit */
        left = left / grown >= UINT32_MAX ? UINT32_MAX : left / (grown / 1000 + 1);
        return fact->oom.before / 1000 * left;
}

static bool cgroup_is_near(const struct fact *fact)
{
        uint64_t limit = fact->oom.limit_bytes, held = fact->oom.held_bytes;
        bool pressed = fact->oom.pressure >= PRESSED || fact->oom.pushes > 0;

        if (limit == 0 || held < limit / 4 * 3)
                return false;
        if (held >= limit / 10 * 9)
                return pressed || fills_in(fact) <= FILLS_WITHIN;
        return fills_in(fact) <= FILLS_AT_ONCE;
}

static uint64_t available_of(const struct fact *fact)
{
        return fact->oom.limit_bytes > fact->oom.held_bytes ? fact->oom.limit_bytes - fact->oom.held_bytes : 0;
}

static bool machine_is_near(const struct fact *fact)
{
        uint64_t total = fact->oom.limit_bytes, available = available_of(fact);

        if (total == 0 || available >= total / 100 * 15)
                return false;
        if (fills_in(fact) <= FILLS_WITHIN)
                return true;
        return available < total / 10 && fact->oom.pressure >= PRESSED && fact->oom.swap_free_bytes < SWAP_LEFT;
}

/* Between being near and having eased nothing changes. */
static bool has_eased(const struct fact *fact)
{
        if (fact->oom.by == OOM_BY_MACHINE)
                return available_of(fact) >= fact->oom.limit_bytes / 100 * 15;
        return fact->oom.limit_bytes == 0 || fact->oom.held_bytes < fact->oom.limit_bytes / 100 * 85;
}

/* So far that nobody looks closely any more: there may be no later fact. */
static bool is_far(const struct fact *fact)
{
        return fact->oom.held_bytes < fact->oom.limit_bytes / 4 * 3 || fact->oom.limit_bytes == 0;
}

static void say_growth(const struct fact *fact, char *reason)
{
        uint64_t grown =
                fact->oom.held_bytes > fact->oom.before_bytes ? fact->oom.held_bytes - fact->oom.before_bytes : 0;
        char bytes[TEXT_BYTES_MAX], span[TEXT_SPAN_MAX];
        usec_t in = fills_in(fact);

        if (grown == 0 || fact->oom.before < GROWS_FOR)
                return;
        text_append(reason, REASON_MAX,
                    fact->oom.by == OOM_BY_MACHINE ? ", %s less than %s ago" : ", %s more than %s ago",
                    text_bytes(bytes, grown), text_span(span, fact->oom.before));
        if (in > 0 && in <= USEC_PER_HOUR)
                text_append(reason, REASON_MAX, ", %s in about %s",
                            fact->oom.by == OOM_BY_MACHINE ? "none left" : "full", text_span(span, in));
}

static void say_near(const struct fact *fact, const struct agent *agent, char *reason)
{
        char limit[TEXT_BYTES_MAX], held[TEXT_BYTES_MAX];

        reason[0] = '\0';
        if (fact->oom.by == OOM_BY_MACHINE) {
                text_append(reason, REASON_MAX, "somebody is about to be killed: %s of %s are available",
                            text_bytes(held, available_of(fact)), text_bytes(limit, fact->oom.limit_bytes));
        } else {
                text_append(reason, REASON_MAX, "would be killed at %s: ", text_bytes(limit, fact->oom.limit_bytes));
                if (!agent)
                        text_append(reason, REASON_MAX, "%s ", unit_of(fact->oom.cgroup));
                text_append(reason, REASON_MAX, "holds %s", text_bytes(held, fact->oom.held_bytes));
        }
        say_growth(fact, reason);
        if (fact->oom.pressure >= PRESSED)
                text_append(reason, REASON_MAX, "; stands still for memory %u%% of the time", fact->oom.pressure / 100);
        if (fact->oom.by == OOM_BY_MACHINE && fact->oom.swap_free_bytes < SWAP_LEFT)
                text_append(reason, REASON_MAX, "; no swap is left");
        if (fact->oom.pushes > 0)
                text_append(reason, REASON_MAX, "; the kernel took memory back %u times", fact->oom.pushes);
}

static void take_near(struct judge *judge, const struct fact *fact)
{
        struct agent *agent = governed(judge, fact);
        bool machine = fact->oom.by == OOM_BY_MACHINE, near = machine ? machine_is_near(fact) : cgroup_is_near(fact);
        uint32_t index = agent ? table_index(judge, agent) : NOBODY;
        uint64_t key = machine ? 0 : key_of(fact->oom.cgroup);
        struct shortage *shortage = near ? find_or_make(judge, index, key) : find(judge, index, key);

        if (!shortage || (near && shortage->near && shortage->eased_at == 0))
                return;
        if (near) {
                shortage->news = !shortage->near;
                shortage->near = true;
                shortage->near_at = fact->at;
                shortage->eased_at = 0;
                if (shortage->news)
                        say_near(fact, agent, shortage->reason);
        } else if (shortage->near && shortage->eased_at == 0 && has_eased(fact) &&
                   (is_far(fact) || usec_since(fact->at, shortage->near_at) >= NEAR_LASTS)) {
                shortage->eased_at = fact->at;
        } else {
                return;
        }
        judge->material = true;
        judge->machine_due = judge->now;
}

void shortage_take(struct judge *judge, const struct fact *fact)
{
        if (fact->oom.what == OOM_KILLED)
                take_kill(judge, fact);
        else if (fact->oom.what == OOM_NEAR)
                take_near(judge, fact);
}

/* ---- looking ----------------------------------------------------------------------------------------------------------- */

static void tell(struct judge *judge, struct shortage *shortage)
{
        struct agent *agent = shortage->agent == NOBODY ? NULL : &judge->agents[shortage->agent];
        const struct instance *first = agent ? first_instance(judge, agent) : NULL;

        shortage->news = false;
        if (shortage->incident == NOBODY) {
                shortage->incident = incident_open(judge, agent, first, CAUSE_OOM,
                                                   shortage->kills > 0 ? shortage->kills : 1, shortage->reason);
                return;
        }
        judge->incidents[shortage->incident].count = shortage->kills > 0 ? shortage->kills : 1;
        incident_worsen(judge, agent, first, shortage->incident, shortage->reason);
        if (agent) /* an incident of before the trial must not hide what it brings */
                trial_agent_ill(judge, agent, CAUSE_OOM, judge->incidents[shortage->incident].number);
}

static void end(struct judge *judge, struct shortage *shortage, const char *reason)
{
        uint32_t incident = shortage->incident;

        *shortage = (struct shortage){ .on = false };
        if (incident != NOBODY)
                incident_resolve(judge, incident, reason);
}

static void sooner(usec_t *due, usec_t at)
{
        if (at < *due)
                *due = at;
}

/* True when it decided something: there may be no room for more in this look. */
static bool look_at(struct judge *judge, struct shortage *shortage, usec_t *due)
{
        if (shortage->said_at > 0 && shortage->said_at + SAID_WAIT <= judge->now)
                believe(judge, shortage);
        if (shortage->near && shortage->eased_at > 0 && shortage->eased_at + EASED_FOR <= judge->now)
                shortage->near = false;
        if (shortage->news) {
                tell(judge, shortage);
                return true;
        }
        if (!shortage->near && shortage->said_at == 0 &&
            (shortage->killed_at == 0 || shortage->killed_at + QUIET <= judge->now)) {
                end(judge, shortage, shortage->killed_at > 0 ? "nobody was killed for a day" : "eased for 10m");
                return true;
        }
        if (shortage->said_at > 0)
                sooner(due, shortage->said_at + SAID_WAIT);
        if (shortage->near && shortage->eased_at > 0)
                sooner(due, shortage->eased_at + EASED_FOR);
        if (!shortage->near && shortage->killed_at > 0)
                sooner(due, shortage->killed_at + QUIET);
        return false;
}

void shortage_look(struct judge *judge, usec_t *due)
{
        for (unsigned n = 0; n < SHORTAGES_MAX; n++)
                if (judge->shortages[n].on && look_at(judge, &judge->shortages[n], due)) {
                        *due = judge->now;
                        return;
                }
}

/* What a human closed is told again when it was over, or when somebody is killed. */
void shortage_forget(struct judge *judge, uint32_t incident)
{
        for (unsigned n = 0; n < SHORTAGES_MAX; n++) {
                struct shortage *shortage = &judge->shortages[n];

                if (!shortage->on || shortage->incident != incident)
                        continue;
                shortage->incident = NOBODY;
                shortage->kills = 0;
                shortage->killed_at = 0;
        }
}

void shortage_forget_agent(struct judge *judge, uint32_t agent)
{
        for (unsigned n = 0; n < SHORTAGES_MAX; n++)
                if (judge->shortages[n].on && judge->shortages[n].agent == agent)
                        judge->shortages[n] = (struct shortage){ .on = false };
}

uint32_t shortage_incident(const struct judge *judge, uint32_t agent)
{
        const struct shortage *shortage = find(judge, agent, 0);

        return shortage ? shortage->incident : NOBODY;
}
