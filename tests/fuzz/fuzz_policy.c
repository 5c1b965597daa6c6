/* Any bytes as a policy: read, explained, shown, read again and compared. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/looser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* However it is written, no policy is looser than itself. */
static void check_looser(const struct policy *policy, const struct policy *again)
{
        char *said = NULL;

        if (policy_looser(policy, again, &said) < 0 || said[0])
                abort();
        free(said);
}

static void check_show(const struct policy *policy)
{
        struct policy *again = NULL;
        struct policy_messages messages = { 0 };
        char *shown = NULL, *normal = NULL, *normal_again = NULL;

        if (policy_show(policy, true, &shown) < 0 || policy_normalise(policy, &normal) < 0)
                abort();
        if (strlen(shown) < 1024 * 1024) {
                if (policy_load_text("governor.yaml", shown, strlen(shown), &again, &messages) < 0)
                        abort();
                if (policy_normalise(again, &normal_again) < 0 || strcmp(normal, normal_again) != 0)
                        abort();
                check_looser(policy, again);
        }
        free(shown);
        free(normal);
        free(normal_again);
        policy_messages_done(&messages);
        policy_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct policy *policy = NULL;
        struct policy_messages messages = { 0 };
        char buffer[POLICY_RENDER_MAX];
        int r = policy_load_text("governor.yaml", (const char *)data, size, &policy, &messages);

        if ((r < 0) != (messages.errors > 0) || (r < 0) != (policy == NULL))
                abort();
        for (size_t i = 0; i < messages.n; i++)
                policy_message_render(&messages.list[i], i % 2, buffer);
        if (policy) {
                policy_rule(policy, "pm2:root/lily@/srv/pm2");
                policy_rule(policy, "systemd:agent-lily.service");
                policy_file_rule(policy, "/opt/agents/lily/core/main.js");
                check_show(policy);
        }
        policy_messages_done(&messages);
        policy_free(policy);
        return 0;
}
