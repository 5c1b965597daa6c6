/* Any bytes that are a policy: whatever a program changes in it, it stays one, and says what was wanted. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/edit.h"

#define CEILING (UINT64_C(1024) << 30) /* below no budget */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_result(const struct edit *edit, const struct policy *before, unsigned classed)
{
        struct policy *after = NULL;
        struct policy_messages messages = { 0 };
        char *text = NULL, *diff = NULL;
        unsigned found = 0;

        if (edit_text(edit, &text) < 0 || edit_diff(edit, "governor.yaml", &diff) < 0)
                abort();
        if (policy_load_text("governor.yaml", text, strlen(text), &after, &messages) < 0)
                abort();
        if (after->rules_n != before->rules_n)
                abort();
        for (unsigned i = 0; i < after->rules_n; i++)
                found += after->rules[i].class_name && strcmp(after->rules[i].class_name, "learned: \"x\"") == 0;
        if (found != classed)
                abort();
        policy_messages_done(&messages);
        policy_free(after);
        free(text);
        free(diff);
}

static void change(const struct policy *policy, const uint8_t *data, size_t size)
{
        static const char windows[] = "[ { more_than: 2, within: 1m }, { more_than: 9, within: 1d } ]";
        struct edit *edit = NULL;
        unsigned classed = 0;

        if (edit_new((const char *)data, size, &edit) < 0)
                abort();
        if (edit_class_ceiling(edit, "learned: \"x\"", CEILING, MEMORY_OF_TREE) >= 0)
                for (unsigned i = 0; i < policy->rules_n; i++) {
                        classed += edit_rule_class(edit, i, "learned: \"x\"") >= 0;
                        (void)edit_rule_key(edit, i, "restarts", windows);
                        if (policy->rules[i].agent_class)
                                (void)edit_class_ceiling(edit, policy->rules[i].class_name, CEILING, MEMORY_OF_TREE);
                }
        check_result(edit, policy, classed);
        edit_free(edit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct policy *policy = NULL;
        struct policy_messages messages = { 0 };

        if (policy_load_text("governor.yaml", (const char *)data, size, &policy, &messages) >= 0)
                change(policy, data, size);
        policy_messages_done(&messages);
        policy_free(policy);
        return 0;
}
