#include "judge/version.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "judge/due.h"
#include "judge/table.h"

#define BEGAN_SLACK (100 * USEC_PER_MSEC) /* start times are in ticks of 10 ms, and rounded down */
#define TOLD_AGAIN (10 * USEC_PER_SEC)    /* a proof that is not in the chain yet */
#define SHARED "its declared files are those of other agents too"

/* ---- the list ----------------------------------------------------------------------------------------------------------- */

const struct version *version_present(const struct agent *agent)
{
        const struct versions *versions = &agent->versions;

        return versions->present > 0 ? &versions->list[versions->present - 1] : NULL;
}

static struct version *present_of(struct agent *agent)
{
        return (struct version *)(uintptr_t)version_present(agent);
}

static struct version *find(struct agent *agent, const char *digest)
{
        for (unsigned n = 0; n < VERSIONS_MAX; n++)
                if (agent->versions.list[n].number > 0 && strcmp(agent->versions.list[n].digest, digest) == 0)
                        return &agent->versions.list[n];
        return NULL;
}

static const struct version *last_healthy(const struct agent *agent)
{
        const struct version *found = NULL;

        for (unsigned n = 0; n < VERSIONS_MAX; n++) {
                const struct version *version = &agent->versions.list[n];

                if (version->number > 0 && version->healthy > 0 && (!found || version->healthy > found->healthy))
                        found = version;
        }
        return found;
}

/* One never used, else that of the version which was present longest ago; never the present one, nor the one to go back to. */
static struct version *slot_for(struct agent *agent)
{
        const struct version *present = version_present(agent), *healthy = last_healthy(agent);
        struct version *found = NULL;

        for (unsigned n = 0; n < VERSIONS_MAX; n++) {
                struct version *version = &agent->versions.list[n];

                if (version->number == 0)
                        return version;
                if (version != present && version != healthy && (!found || version->seen < found->seen))
                        found = version;
        }
        return found;
}

static struct version *add(struct agent *agent, const char *digest, uint64_t number)
{
        struct version *version = slot_for(agent);

        *version = (struct version){ .number = number };
        text_copy(version->digest, sizeof(version->digest), digest);
        if (number > agent->versions.last)
                agent->versions.last = number;
        return version;
}

/* ---- taking ------------------------------------------------------------------------------------------------------------- */

/* Its files are so now. The same told again is no news, unless more or less of it is kept. */
static void take_seen(struct judge *judge, struct agent *agent, const struct fact *fact)
{
        struct version *version = find(agent, fact->version.digest);
        char lacks[sizeof(version->lacks)];
        usec_t since = fact->version.since > 0 && fact->version.since < fact->at ? fact->version.since : fact->at;
        bool same = version && version == version_present(agent);

        text_copy_safe(lacks, sizeof(lacks), fact->version.lacks);
        if (same && strcmp(version->lacks, lacks) == 0)
                return;
        if (!version)
                version = add(agent, fact->version.digest, agent->versions.last + 1);
        if (!same) {
                version->since = since;
                version->seen = fact->at;
        }
        version->files = fact->version.files;
        text_copy(version->lacks, sizeof(version->lacks), lacks);
        agent->versions.present = (uint32_t)(version - agent->versions.list) + 1;
        agent->versions.wants_record = false; /* what was about to be proven is no longer so */
        judge->material = true;
        due_all(judge, agent, judge->now);
}

static void take_healthy(struct judge *judge, struct agent *agent, const struct fact *fact)
{
        struct version *version = find(agent, fact->version.digest);

        agent->versions.wants_record = false;
        if (!version)
                return;
        version->healthy = fact->at;
        judge->material = true;
}

static void take_known(struct agent *agent, const struct fact *fact)
{
        struct version *version = find(agent, fact->version.digest);

        if (fact->version.number == 0)
                return;
        if (!version)
                version = add(agent, fact->version.digest, fact->version.number);
        version->since = fact->version.since;
        version->seen = fact->version.seen;
        version->healthy = fact->version.healthy;
        version->failed = fact->version.failed;
        version->files = fact->version.files;
        text_copy_safe(version->lacks, sizeof(version->lacks), fact->version.lacks);
        if (fact->version.present)
                agent->versions.present = (uint32_t)(version - agent->versions.list) + 1;
}

void version_take(struct judge *judge, const struct fact *fact)
{
        struct agent *agent = *fact->agent ? table_agent(judge, fact->agent) : NULL;

        if (!agent || !*fact->version.digest || strlen(fact->version.digest) >= VERSION_DIGEST_MAX)
                return;
        switch (fact->version.step) {
        case VERSION_SEEN: take_seen(judge, agent, fact); break;
        case VERSION_HEALTHY: take_healthy(judge, agent, fact); break;
        case VERSION_KNOWN: take_known(agent, fact); break;
        default: break;
        }
}

/* ---- proof -------------------------------------------------------------------------------------------------------------- */

static usec_t later(usec_t a, usec_t b)
{
        return a > b ? a : b;
}

static bool is_well(const struct judge *judge, const struct agent *agent)
{
        for (const struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                if (!i->gone && i->cause != CAUSE_NONE)
                        return false;
        return true;
}

/* When the present life will have proven the version, if it lasts; USEC_INFINITY: it proves nothing. */
static usec_t proven_at(const struct judge *judge, const struct agent *agent, const struct instance *instance,
                        const struct version *version)
{
        const struct life *life = life_seen(instance);

        if (version->healthy >= version->seen || !is_alive(instance) || life->unseen ||
            instance->claimed != CLAIMED_RUNNING || instance->ladder.state != LADDER_OK || !is_well(judge, agent) ||
            life->began + BEGAN_SLACK < version->since)
                return USEC_INFINITY;
        return usec_add(later(later(life->began, version->seen), judge->started), agent->rule->heal.proven_after);
}

void version_look(struct judge *judge, const struct agent *agent, const struct instance *instance, usec_t *due)
{
        struct agent *proven = &judge->agents[table_index(judge, agent)];
        const struct version *version = version_present(agent);
        usec_t at = version ? proven_at(judge, agent, instance, version) : USEC_INFINITY;

        if (at <= judge->now) {
                proven->versions.wants_record = true;
                judge->decisions->remember = true;
                at = judge->now + TOLD_AGAIN;
        }
        if (at < *due)
                *due = at;
}

void version_failed(struct judge *judge, struct agent *agent, usec_t at)
{
        struct version *version = present_of(agent);

        if (!version || version->since > at + BEGAN_SLACK)
                return;
        version->failed = at;
        judge->material = true;
}

/* ---- which to go back to ------------------------------------------------------------------------------------------------ */

static bool shares_its_files(const struct judge *judge, const struct agent *agent)
{
        for (uint32_t n = 0; n < judge->agents_n; n++) {
                const struct agent *other = &judge->agents[n];

                if (other != agent && other->rule == agent->rule && is_governed(other) && !other->gone)
                        return true;
        }
        return false;
}

static const struct version *numbered(const struct agent *agent, uint64_t number)
{
        for (unsigned n = 0; n < VERSIONS_MAX; n++)
                if (agent->versions.list[n].number == number)
                        return &agent->versions.list[n];
        return NULL;
}

static void say_no_present(const struct judge *judge, const struct agent *agent, char reason[REASON_MAX])
{
        if (!agent->rule || agent->rule->config_n == 0)
                text_append(reason, REASON_MAX, "its rule declares no configuration");
        else if (shares_its_files(judge, agent))
                text_append(reason, REASON_MAX, "%s", SHARED);
        else
                text_append(reason, REASON_MAX, "its declared files were not read yet");
}

const struct version *version_target(const struct judge *judge, const struct agent *agent, uint64_t number,
                                     char reason[REASON_MAX])
{
        const struct version *present = version_present(agent);
        const struct version *target = number > 0 ? numbered(agent, number) : last_healthy(agent);

        reason[0] = '\0';
        if (!present || !agent->rule || agent->rule->config_n == 0 || shares_its_files(judge, agent))
                say_no_present(judge, agent, reason);
        else if (!target && number > 0)
                text_append(reason, REASON_MAX, "there is no version %llu", (unsigned long long)number);
        else if (!target)
                text_append(reason, REASON_MAX, "no configuration of it was ever proven");
        else if (target == present)
                text_append(reason, REASON_MAX, "its configuration is version %llu already%s",
                            (unsigned long long)target->number, number > 0 ? "" : ", the last that was proven");
        else if (target->lacks[0])
                text_append(reason, REASON_MAX, "version %llu is not kept whole: %s",
                            (unsigned long long)target->number, target->lacks);
        else if (present->lacks[0])
                text_append(reason, REASON_MAX, "the present configuration could not be kept: %s", present->lacks);
        return reason[0] ? NULL : target;
}

/* ---- memory and views --------------------------------------------------------------------------------------------------- */

static struct fact fact_of(const struct judge *judge, const struct agent *agent, const struct version *version,
                           enum version_step step)
{
        return (struct fact){
                .kind = FACT_VERSION,
                .at = judge->now,
                .manager = agent->manager,
                .agent = agent->id,
                .instance = INSTANCE_ALL,
                .version = { .step = step,
                             .digest = version->digest,
                             .since = version->since,
                             .files = version->files,
                             .lacks = version->lacks,
                             .number = version->number,
                             .seen = version->seen,
                             .healthy = version->healthy,
                             .failed = version->failed,
                             .present = version == version_present(agent) },
        };
}

bool version_remember(const struct judge *judge, uint32_t agent, uint32_t n, struct fact *ret)
{
        const struct version *version = &judge->agents[agent].versions.list[n];

        if (version->number == 0)
                return false;
        *ret = fact_of(judge, &judge->agents[agent], version, VERSION_KNOWN);
        return true;
}

bool version_remember_due(const struct judge *judge, struct fact *ret)
{
        for (uint32_t n = 0; n < judge->agents_n; n++)
                if (judge->agents[n].versions.wants_record && version_present(&judge->agents[n])) {
                        *ret = fact_of(judge, &judge->agents[n], version_present(&judge->agents[n]), VERSION_HEALTHY);
                        return true;
                }
        return false;
}

void version_show(const struct judge *judge, const struct agent *agent, struct agent_view *ret)
{
        const struct version *present = version_present(agent), *healthy = last_healthy(agent);
        bool shared = present && shares_its_files(judge, agent);

        ret->version = present ? present->number : 0;
        ret->proven_version = healthy ? healthy->number : 0;
        ret->version_lacks = shared ? SHARED : present ? present->lacks : "";
}

static void view(const struct agent *agent, const struct version *version, struct version_view *ret)
{
        const struct version *healthy = last_healthy(agent);

        *ret = (struct version_view){
                .number = version->number,
                .digest = version->digest,
                .lacks = version->lacks,
                .since = version->since,
                .seen = version->seen,
                .healthy = version->healthy,
                .failed = version->failed,
                .files = version->files,
                .present = version == version_present(agent),
                .last_healthy = version == healthy,
        };
}

bool judge_version_above(const struct judge *judge, const char *id, uint64_t above, struct version_view *ret)
{
        const struct agent *agent = table_find(judge, id);
        const struct version *found = NULL;

        for (unsigned n = 0; agent && n < VERSIONS_MAX; n++) {
                const struct version *version = &agent->versions.list[n];

                if (version->number > above && (!found || version->number < found->number))
                        found = version;
        }
        if (found)
                view(agent, found, ret);
        return found != NULL;
}

const char *judge_version_at(const struct judge *judge, uint32_t n)
{
        const struct version *version;

        if (n >= judge->agents_n * VERSIONS_MAX)
                return NULL;
        version = &judge->agents[n / VERSIONS_MAX].versions.list[n % VERSIONS_MAX];
        return version->number > 0 ? version->digest : "";
}

bool judge_may_roll_back(const struct judge *judge, const char *id, uint64_t number, struct version_view *ret,
                         char why[REASON_MAX])
{
        for (uint32_t n = 0; n < judge->agents_n; n++) {
                const struct agent *agent = &judge->agents[n];
                const struct version *target;

                if (strcmp(agent->id, id) != 0)
                        continue;
                target = version_target(judge, agent, number, why);
                if (target)
                        view(agent, target, ret);
                return target != NULL;
        }
        return false;
}
