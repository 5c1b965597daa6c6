#include "judge/blame.h"

#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "base/text.h"
#include "judge/table.h"

#define TOGETHER USEC_PER_MINUTE        /* changes so near to each other are one to people */
#define PACKAGE_PLAUSIBLE USEC_PER_HOUR /* packages change every day: an older one explains nothing */
#define PACKAGE_NEAR (10 * USEC_PER_MINUTE)
#define LASTED (10 * USEC_PER_MINUTE) /* where no rule says how long a life has to last */

/* ---- declared files, units, apps ---------------------------------------------------------------------------------------- */

static usec_t time_of(const struct fact *fact)
{
        return fact->config.modified > 0 && fact->config.modified < fact->at ? fact->config.modified : fact->at;
}

static void note_change(struct agent *agent, const struct fact *fact)
{
        bool of_file = fact->config.of == CONFIG_OF_FILE;
        struct recent *recent = &agent->recent[of_file ? RECENT_FILE : RECENT_UNIT];
        struct recent before = *recent;
        usec_t at = time_of(fact);

        if (at < before.at) /* told late: the newer one stays named */
                return;
        *recent = (struct recent){ .at = at,
                                   .change = fact->config.change,
                                   .of = fact->config.of,
                                   .size = fact->config.size,
                                   .sealed_size = fact->config.sealed_size };
        text_copy_safe(recent->path, sizeof(recent->path), fact->config.path);
        if (before.at == 0 || usec_since(at, before.at) > TOGETHER)
                return;
        recent->more = before.more + (strcmp(before.path, recent->path) != 0);
}

static bool declares(const struct agent *agent, const char *path)
{
        for (unsigned n = 0; agent->rule && n < agent->rule->config_n; n++)
                if (path_glob(agent->rule->config[n], path))
                        return true;
        return false;
}

void blame_config(struct judge *judge, const struct fact *fact)
{
        struct agent *agent = !*fact->agent        ? NULL
                              : fact->config.again ? table_agent(judge, fact->agent)
                                                   : table_find(judge, fact->agent);

        if (!config_is_change(fact->config.change) || fact->config.of == CONFIG_OF_POLICY)
                return;
        if (agent)
                note_change(agent, fact);
        for (uint32_t n = 0; !agent && !*fact->agent && n < judge->agents_n; n++) /* of several agents */
                if (declares(&judge->agents[n], fact->config.path))
                        note_change(&judge->agents[n], fact);
        judge->material = true;
}

/* ---- packages ----------------------------------------------------------------------------------------------------------- */

static bool is_known(const struct judge *judge, const struct fact *fact, usec_t at)
{
        for (unsigned n = 0; n < PACKAGES_MAX; n++)
                if (judge->packages[n].at == at && strcmp(judge->packages[n].name, fact->package.name) == 0)
                        return true;
        return false;
}

void blame_package(struct judge *judge, const struct fact *fact)
{
        usec_t at = fact->package.since > 0 && fact->package.since < fact->at ? fact->package.since : fact->at;
        struct package *package = &judge->packages[PACKAGES_MAX - 1];

        if (fact->package.change == PACKAGE_NONE || is_known(judge, fact, at) || at < package->at)
                return;
        memmove(judge->packages, judge->packages + 1, (PACKAGES_MAX - 1) * sizeof(*judge->packages));
        *package = (struct package){ .at = at, .change = fact->package.change, .more = fact->package.more };
        text_copy_safe(package->name, sizeof(package->name), fact->package.name);
        text_copy_safe(package->before, sizeof(package->before), fact->package.before);
        text_copy_safe(package->after, sizeof(package->after), fact->package.after);
        judge->material = true;
}

bool blame_package_near(const struct judge *judge, usec_t at)
{
        for (unsigned n = 0; n < PACKAGES_MAX; n++)
                if (judge->packages[n].at > 0 && judge->packages[n].at <= at + PACKAGE_NEAR &&
                    usec_since(at, judge->packages[n].at) <= PACKAGE_NEAR)
                        return true;
        return false;
}

/* ---- deploys ------------------------------------------------------------------------------------------------------------ */

void blame_deploy(struct judge *judge, const struct fact *fact)
{
        struct agent *agent = *fact->agent ? table_agent(judge, fact->agent) : NULL;
        usec_t until = fact->change.until > 0 && fact->change.until < fact->at ? fact->change.until : fact->at;

        if (!agent || fact->change.number == 0 || until < agent->deploy.until)
                return;
        agent->deploy = (struct deploy){ .number = fact->change.number,
                                         .since = fact->change.since,
                                         .until = until,
                                         .exited = fact->change.exited,
                                         .exit = fact->change.exit };
        text_copy_safe(agent->deploy.by, sizeof(agent->deploy.by), fact->change.by);
        text_copy_safe(agent->deploy.reason, sizeof(agent->deploy.reason), fact->change.reason);
}

bool blame_show_deploy(const struct agent *agent, struct deploy_view *ret)
{
        const struct deploy *deploy = &agent->deploy;

        *ret = (struct deploy_view){ .since = deploy->since,
                                     .until = deploy->until,
                                     .by = deploy->by,
                                     .reason = deploy->reason,
                                     .exited = deploy->exited,
                                     .exit = deploy->exit };
        return deploy->number > 0;
}

/* ---- naming it ---------------------------------------------------------------------------------------------------------- */

void blame_lived(struct agent *agent, usec_t began, usec_t lived)
{
        usec_t enough = agent->rule ? agent->rule->heal.proven_after : LASTED;

        if (lived >= enough && began > agent->well_began)
                agent->well_began = began;
}

/* Whether what happened then may be behind the trouble: after the last life that lasted had begun, and before it. */
static bool may_be_behind(const struct agent *agent, const struct instance *instance, usec_t at)
{
        return at > 0 && at >= agent->well_began && at <= instance->failing_at;
}

static void say_path(const char *path, char reason[REASON_MAX])
{
        size_t length = strlen(path), most = REASON_MAX / 3;

        if (length > most) { /* its end says more than its beginning */
                path += length - most;
                while (((unsigned char)*path & 0xc0) == 0x80)
                        path++;
                text_append(reason, REASON_MAX, "...");
        }
        text_append(reason, REASON_MAX, "%s", path);
}

static void say_recent(const struct recent *recent, char reason[REASON_MAX])
{
        static const char *const words[CONFIG_N] = { [CONFIG_CHANGED] = "changed",
                                                     [CONFIG_ADDED] = "added",
                                                     [CONFIG_REMOVED] = "removed",
                                                     [CONFIG_RESTORED] = "changed back" };
        char before[TEXT_BYTES_MAX], after[TEXT_BYTES_MAX];

        if (recent->of == CONFIG_OF_APP)
                text_append(reason, REASON_MAX, "what PM2 has of it");
        else
                say_path(recent->path, reason);
        if (recent->more > 0)
                text_append(reason, REASON_MAX, " and %u more were changed", recent->more);
        else
                text_append(reason, REASON_MAX, " was %s", words[recent->change]);
        if (recent->more == 0 && recent->change == CONFIG_CHANGED && recent->size != recent->sealed_size)
                text_append(reason, REASON_MAX, " (%s to %s)", text_bytes(before, recent->sealed_size),
                            text_bytes(after, recent->size));
}

/* "uid:0" of "uid:0 pid:4711" */
static void say_deploy(const struct deploy *deploy, char reason[REASON_MAX])
{
        text_append(reason, REASON_MAX, "the deploy by %.*s (%s", (int)strcspn(deploy->by, " "), deploy->by,
                    deploy->reason);
        if (deploy->exited && deploy->exit != 0)
                text_append(reason, REASON_MAX, "; exit status %d", deploy->exit);
        text_append(reason, REASON_MAX, ")");
}

static void say_package(const struct package *package, char reason[REASON_MAX])
{
        text_append(reason, REASON_MAX, "package %s was %s", package->name, package_change_name(package->change));
        if (*package->before && *package->after)
                text_append(reason, REASON_MAX, " (%s to %s)", package->before, package->after);
        if (package->more > 0)
                text_append(reason, REASON_MAX, " and %u more", package->more);
}

/* The newest change of the agent's own that may be behind it, NULL none. */
static const struct recent *suspect(const struct agent *agent, const struct instance *instance)
{
        const struct recent *found = NULL;

        for (unsigned n = 0; n < RECENT_N; n++)
                if (may_be_behind(agent, instance, agent->recent[n].at) && (!found || agent->recent[n].at > found->at))
                        found = &agent->recent[n];
        return found;
}

/* The newest package that changed between these times. */
static const struct package *suspect_package(const struct judge *judge, usec_t after, usec_t until)
{
        for (unsigned n = PACKAGES_MAX; n-- > 0;) {
                usec_t at = judge->packages[n].at;

                if (at > 0 && at >= after && at <= until && usec_since(until, at) <= PACKAGE_PLAUSIBLE)
                        return &judge->packages[n];
        }
        return NULL;
}

/* A deploy is over when its command is; what dies before that was announced. */
static usec_t deployed_at(const struct agent *agent, const struct instance *instance)
{
        const struct deploy *deploy = &agent->deploy;
        usec_t at = deploy->until <= instance->failing_at ? deploy->until : deploy->since;

        return deploy->number > 0 && may_be_behind(agent, instance, at) ? at : 0;
}

static const char *say_since(char span[TEXT_SPAN_MAX], usec_t passed)
{
        return passed < USEC_PER_SEC ? "right" : text_span(span, passed);
}

void blame_say(const struct judge *judge, const struct instance *instance, char reason[REASON_MAX])
{
        const struct agent *agent = agent_of(judge, instance);
        const struct recent *recent = suspect(agent, instance);
        const struct package *package = suspect_package(judge, agent->well_began, instance->failing_at);
        usec_t deployed = deployed_at(agent, instance), at = 0;
        char span[TEXT_SPAN_MAX];

        if (deployed > 0 && (!recent || recent->at <= deployed))
                at = deployed;
        else if (recent)
                at = recent->at;
        if (at > 0)
                text_append(reason, REASON_MAX, ", began %s after ",
                            say_since(span, usec_since(instance->failing_at, at)));
        if (at > 0 && at == deployed) {
                say_deploy(&agent->deploy, reason);
                if (recent && recent->at >= agent->deploy.since) {
                        text_append(reason, REASON_MAX, ", in which ");
                        say_recent(recent, reason);
                }
        } else if (at > 0) {
                say_recent(recent, reason);
        }
        if (!package)
                return;
        text_append(reason, REASON_MAX, "%s %s after ", at > 0 ? ";" : ", began",
                    say_since(span, usec_since(instance->failing_at, package->at)));
        say_package(package, reason);
}

void blame_say_package(const struct judge *judge, usec_t began, char reason[REASON_MAX])
{
        const struct package *package = suspect_package(judge, 0, began);
        char span[TEXT_SPAN_MAX];

        if (!package)
                return;
        text_append(reason, REASON_MAX, "; %s after ", say_since(span, usec_since(began, package->at)));
        say_package(package, reason);
}

/* ---- memory ------------------------------------------------------------------------------------------------------------- */

static bool remember_recent(const struct judge *judge, const struct agent *agent, const struct recent *recent,
                            struct fact *ret)
{
        if (recent->at == 0)
                return false;
        *ret = (struct fact){ .kind = FACT_CONFIG,
                              .at = judge->now,
                              .manager = agent->manager,
                              .agent = agent->id,
                              .instance = INSTANCE_ALL,
                              .config = { .change = recent->change,
                                          .path = recent->path,
                                          .digest = "",
                                          .sealed = "",
                                          .size = recent->size,
                                          .sealed_size = recent->sealed_size,
                                          .modified = recent->at,
                                          .of = recent->of,
                                          .again = true } };
        return true;
}

static bool remember_deploy(const struct judge *judge, const struct agent *agent, struct fact *ret)
{
        const struct deploy *deploy = &agent->deploy;

        if (deploy->number == 0)
                return false;
        *ret = (struct fact){ .kind = FACT_CHANGE,
                              .at = judge->now,
                              .manager = agent->manager,
                              .agent = agent->id,
                              .instance = INSTANCE_ALL,
                              .change = { .step = CHANGE_CLOSE,
                                          .number = deploy->number,
                                          .pattern = "",
                                          .since = deploy->since,
                                          .until = deploy->until,
                                          .by = deploy->by,
                                          .reason = deploy->reason,
                                          .deploy = true,
                                          .exited = deploy->exited,
                                          .exit = deploy->exit } };
        return true;
}

bool blame_remember(const struct judge *judge, uint32_t agent, uint32_t n, struct fact *ret)
{
        const struct agent *whose = &judge->agents[agent];

        return n < RECENT_N ? remember_recent(judge, whose, &whose->recent[n], ret)
                            : remember_deploy(judge, whose, ret);
}

bool blame_remember_package(const struct judge *judge, uint32_t n, struct fact *ret)
{
        const struct package *package = &judge->packages[n];

        if (package->at == 0)
                return false;
        *ret = (struct fact){ .kind = FACT_PACKAGE,
                              .at = judge->now,
                              .agent = "",
                              .package = { .change = package->change,
                                           .name = package->name,
                                           .before = package->before,
                                           .after = package->after,
                                           .since = package->at,
                                           .more = package->more } };
        return true;
}
