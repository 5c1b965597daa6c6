/* What runs here, as a policy file to keep. */
#include <errno.h>
#include <stdlib.h>

#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/verbs.h"
#include "io/cleanup.h"
#include "policy/discover.h"

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
                };
        return policy_discover_render(found, json_array_size(agents), ret);
}

enum code run_discover(struct call *call)
{
        json_auto_t *answer = NULL;
        _cleanup_free_ char *text = NULL;
        enum code code = daemon_ask_once(call, "discover", NULL, DAEMON_ANSWER, &answer);
        const json_t *agents;

        if (code != CODE_OK)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        agents = field(answer, "agents");
        if (json_array_size(agents) == 0)
                return call_complain(call, CODE_OK, "no agents were found",
                                     "neither systemd nor PM2 runs any that Governor can see", "govctl doctor");
        if (render(agents, &text) < 0)
                return call_complain(call, CODE_FAILURE, "the policy cannot be written", "memory is short", NULL);
        fputs(text, call->page.out);
        return CODE_OK;
}
