/* Versions of govctl and of the daemon. */
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/verbs.h"

enum code run_version(struct call *call)
{
        json_auto_t *answer = NULL;

        (void)daemon_ask_quietly(call, "version", NULL, &answer);

        const char *daemon = field_text(answer, "version");

        if (call->options.json) {
                json_auto_t *json = json_pack("{s:i, s:s, s:s?}", "schema_version", 1, "govctl", GOVERNOR_VERSION,
                                              "governord", daemon[0] ? daemon : NULL);

                return json ? call_print_json(call, json, CODE_OK) : call_out_of_memory(call);
        }
        page_text(&call->page, TINT_PLAIN, "govctl %s", GOVERNOR_VERSION);
        page_end(&call->page);
        page_text(&call->page, TINT_PLAIN, "governord %s", daemon[0] ? daemon : "does not answer");
        page_end(&call->page);
        return CODE_OK;
}
