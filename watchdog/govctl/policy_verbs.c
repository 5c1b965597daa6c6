/* Policy files checked as the daemon would read them, and the policy in force shown. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/local_policy.h"
#include "govctl/verbs.h"

static json_t *messages_json(const struct policy_messages *messages)
{
        json_t *list = json_array();

        for (size_t i = 0; i < messages->n; i++) {
                const struct policy_message *m = &messages->list[i];

                json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:s, s:s}", "file", m->file ? m->file : "",
                                                      "line", (int)m->line, "column", (int)m->column, "severity",
                                                      m->warning ? "warning" : "error", "text", m->text));
        }
        return list;
}

/* Messages are what was asked for: they are the data. */
static void show_messages(struct call *call, const struct policy_messages *messages)
{
        char text[POLICY_RENDER_MAX];

        for (size_t i = 0; i < messages->n; i++) {
                size_t length = strlen(policy_message_render(&messages->list[i], call->page.colour, text));

                fprintf(call->page.out, "%s%s", text, length > 0 && text[length - 1] == '\n' ? "" : "\n");
        }
}

static void show_verdict(struct page *page, const struct policy *policy, const struct policy_messages *messages)
{
        size_t warnings = messages->n - messages->errors;
        char text[128];

        if (messages->errors > 0)
                snprintf(text, sizeof text, "%zu error%s", messages->errors, messages->errors == 1 ? "" : "s");
        else if (policy && policy->discovered)
                snprintf(text, sizeof text, "no policy files: what is discovered would be observed");
        else
                snprintf(text, sizeof text, "right: %u rule%s", policy ? policy->rules_n : 0,
                         policy && policy->rules_n == 1 ? "" : "s");
        page_put(page, messages->errors > 0 ? TINT_BAD : TINT_GOOD, text);
        if (warnings > 0)
                page_text(page, TINT_WATCH, ", %zu warning%s", warnings, warnings == 1 ? "" : "s");
        page_end(page);
}

enum code run_policy_check(struct call *call)
{
        struct policy_messages messages = { 0 };
        _cleanup_(policy_freep) struct policy *policy = NULL;
        enum code code = local_check_readable(call);
        int r;

        if (code != CODE_OK)
                return code;
        if (call->arguments_n > 0)
                r = policy_load_files(call->arguments, call->arguments_n, &policy, &messages);
        else
                r = policy_load(local_config(call), local_policies(call), &policy, &messages);
        code = r == -EINVAL || messages.n > 0 ? CODE_FINDING : CODE_OK;
        if (r < 0 && r != -EINVAL)
                code = call_complain(call,
                                     r == -ENOENT   ? CODE_NOT_FOUND
                                     : r == -EACCES ? CODE_DENIED
                                                    : CODE_FAILURE,
                                     "cannot read the policy", strerror(-r), "govctl policy check FILE...");
        else if (call->options.json) {
                json_auto_t *json = json_pack("{s:i, s:b, s:o}", "schema_version", 1, "ok", r == 0, "messages",
                                              messages_json(&messages));

                code = json ? call_print_json(call, json, code) : call_out_of_memory(call);
        } else {
                show_messages(call, &messages);
                show_verdict(&call->page, policy, &messages);
        }
        policy_messages_done(&messages);
        return code;
}

/* Where the origin that the daemon writes behind a value begins, " # FILE:LINE" or " # default"; NULL for none. */
static const char *origin_in(const char *line, size_t length)
{
        const char *mark = memrchr(line, '#', length), *end = line + length;
        const char *colon = mark ? memrchr(mark, ':', (size_t)(end - mark)) : NULL;

        if (!mark || mark == line || mark[-1] != ' ')
                return NULL;
        if ((size_t)(end - mark) == strlen("# default") && strncmp(mark, "# default", strlen("# default")) == 0)
                return mark - 1;
        if (colon && colon + 1 < end && strspn(colon + 1, "0123456789") == (size_t)(end - colon - 1))
                return mark - 1;
        return NULL;
}

static void show_without_origin(FILE *out, const char *text)
{
        while (*text) {
                size_t length = strcspn(text, "\n");
                const char *origin = origin_in(text, length);

                fprintf(out, "%.*s\n", origin ? (int)(origin - text) : (int)length, text);
                text += length + (text[length] == '\n');
        }
}

/* Without a daemon: what it would read. */
static enum code show_local(struct call *call)
{
        struct policy_messages messages = { 0 };
        _cleanup_(policy_freep) struct policy *policy = NULL;
        _cleanup_free_ char *text = NULL;
        int r = policy_load(local_config(call), local_policies(call), &policy, &messages);

        policy_messages_done(&messages);
        if (r == -EINVAL)
                return call_complain(call, CODE_FAILURE, "the policy has errors", "there is nothing to show",
                                     "govctl policy check");
        if (r >= 0)
                r = policy_show(policy, call->options.origin, &text);
        if (r < 0)
                return call_complain(call, r == -EACCES ? CODE_DENIED : CODE_FAILURE, "cannot show the policy",
                                     strerror(-r), "govctl policy check");
        if (call->options.json) {
                json_auto_t *json = json_pack("{s:i, s:s, s:b}", "schema_version", 1, "text", text, "in_force", false);

                return json ? call_print_json(call, json, CODE_OK) : call_out_of_memory(call);
        }
        if (!call->options.config && !call->options.policies)
                fprintf(call->talk, "governord does not answer: this is what it would read\n");
        fputs(text, call->page.out);
        return CODE_OK;
}

enum code run_policy_show(struct call *call)
{
        json_auto_t *answer = NULL;

        if (!call->options.config && !call->options.policies)
                (void)daemon_ask_quietly(call, "policy", NULL, &answer);
        if (!answer)
                return show_local(call);
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        if (call->options.origin)
                fputs(field_text(answer, "text"), call->page.out);
        else
                show_without_origin(call->page.out, field_text(answer, "text"));
        return CODE_OK;
}
