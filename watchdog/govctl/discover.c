/* What runs here, as a policy file to keep. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "govctl/ceiling.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/machine.h"
#include "govctl/state.h"
#include "govctl/verbs.h"
#include "io/cleanup.h"
#include "policy/discover.h"

#define SINCE (7 * USEC_PER_DAY) /* beyond that only hours are kept */

/* Ceilings need what only root may read: the samples, and the lists of PM2. */
static int propose(struct call *call, const struct machine *machine, const json_t *agent, struct ceiling *ret)
{
        const char *id = field_text(agent, "id");
        struct used used = { .ran = 0 };
        char path[PATH_MAX];
        int r;

        snprintf(path, sizeof path, "%s/history.db", state_directory(call));
        r = used_read(path, id, call->page.now > SINCE ? call->page.now - SINCE : 0, &used);
        ceiling_propose(&used, machine_own_limit(machine, id), field_number(agent, "instances") > 1, ret);
        if (ret->bytes == 0 && r < 0 && r != -ENOENT)
                snprintf(ret->why, sizeof ret->why, "what it used cannot be read: %s", strerror(-r));
        return r;
}

/* Into each agent of the answer: `ceiling_bytes` and why that much, or why none. */
static void add_ceilings(struct call *call, json_t *agents)
{
        struct machine machine;
        struct ceiling ceiling;
        json_t *agent;
        size_t i;
        int r = 0;

        (void)machine_read_homes(&machine, call->options.root ? call->options.root : "/", NULL);
        json_array_foreach (agents, i, agent) {
                r = propose(call, &machine, agent, &ceiling);
                json_object_set_new(agent, "ceiling",
                                    json_pack("{s:I, s:s}", "bytes", (json_int_t)ceiling.bytes, "why", ceiling.why));
        }
        machine_done(&machine);
        if (r == -EACCES || r == -EPERM)
                call_tell(call, "what agents used is root's alone: with sudo there would be ceilings too");
}

static int render(const json_t *agents, char **ret)
{
        _cleanup_free_ struct discovered *found = calloc(json_array_size(agents), sizeof(*found));
        const json_t *agent;
        size_t i;

        if (!found)
                return -ENOMEM;
        json_array_foreach ((json_t *)agents, i, agent)
                found[i] = (struct discovered){
                        .id = field_text(agent, "id"),
                        .memory_bytes = (uint64_t)field_number(agent, "memory_bytes"),
                        .restarts = (uint64_t)field_number(agent, "restarts"),
                        .ceiling_bytes = (uint64_t)field_number(agent, "ceiling.bytes"),
                        .why = field_text(agent, "ceiling.why"),
                };
        return policy_discover_render(found, json_array_size(agents), "discover", ret);
}

enum code run_discover(struct call *call)
{
        json_auto_t *answer = NULL;
        _cleanup_free_ char *text = NULL;
        enum code code = daemon_ask_once(call, "discover", NULL, DAEMON_ANSWER, &answer);
        json_t *agents = json_object_get(answer, "agents");

        if (code != CODE_OK)
                return code;
        if (json_array_size(agents) == 0 && !call->options.json)
                return call_complain(call, CODE_OK, "no agents were found",
                                     "neither systemd nor PM2 runs any that Governor can see", "govctl doctor");
        add_ceilings(call, agents);
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        if (render(agents, &text) < 0)
                return call_complain(call, CODE_FAILURE, "the policy cannot be written", "memory is short", NULL);
        fputs(text, call->page.out);
        return CODE_OK;
}
