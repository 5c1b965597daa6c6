/* What is set up wrongly here, each with the fix to paste. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "govctl/check.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/local_policy.h"
#include "govctl/state.h"
#include "govctl/verbs.h"

static void show_finding(struct page *page, const struct finding *finding)
{
        page_put(page, TINT_BAD, page_mark(page, "✗ ", "x "));
        page_text(page, TINT_STRONG, "%s: %s", finding->subject, finding->what);
        page_text(page, TINT_FAINT, " [%s]", finding->check);
        page_end(page);
        page_go(page, 2);
        page_wrap(page, TINT_PLAIN, 2, finding->why);
        if (finding->where[0]) {
                page_go(page, 2);
                page_put(page, TINT_FAINT, finding->where);
                page_end(page);
        }
        page_end(page);

        /* at the left margin and never wrapped, so that it can be pasted as it stands */
        for (const char *line = finding->fix; *line;) {
                size_t length = strcspn(line, "\n");
                char text[sizeof finding->fix];

                memcpy(text, line, length);
                text[length] = '\0';
                page_put(page, TINT_GOOD, text);
                page_end(page);
                line += length + (line[length] == '\n');
        }
        page_end(page);
}

static void show_unseen(struct page *page, const struct machine *machine)
{
        if (machine->unseen_n == 0 && !machine->daemon_denied)
                return;
        page_put(page, TINT_WATCH, "Not looked at, because only root may:");
        page_end(page);
        for (size_t i = 0; i < machine->unseen_n; i++) {
                page_go(page, 2);
                page_put(page, TINT_PLAIN, machine->unseen[i]);
                page_end(page);
        }
        if (machine->daemon_denied) {
                page_go(page, 2);
                page_wrap(page, TINT_PLAIN, 4, "what the daemon knows: you are not in the group governor");
        }
        page_put(page, TINT_STRONG, page_mark(page, "→ sudo govctl doctor", "> sudo govctl doctor"));
        page_end(page);
}

static void show(struct page *page, const struct machine *machine, const struct findings *findings)
{
        size_t apps = 0;
        char text[160];

        for (size_t i = 0; i < machine->homes_n; i++)
                apps += machine->homes[i]->apps_n;
        for (size_t i = 0; i < findings->n; i++)
                show_finding(page, &findings->list[i]);
        snprintf(text, sizeof text,
                 "%zu finding%s. Looked at %zu unit%s, %zu PM2 home%s and %zu app%s with %zu checks.", findings->n,
                 findings->n == 1 ? "" : "s", machine->units_n, machine->units_n == 1 ? "" : "s", machine->homes_n,
                 machine->homes_n == 1 ? "" : "s", apps, apps == 1 ? "" : "s", checks_n);
        page_wrap(page, findings->n > 0 ? TINT_STRONG : TINT_GOOD, 0, text);
        show_unseen(page, machine);
}

static json_t *findings_json(const struct machine *machine, const struct findings *findings)
{
        json_t *list = json_array(), *unseen = json_array(), *looked = json_array();

        for (size_t i = 0; i < findings->n; i++) {
                const struct finding *f = &findings->list[i];

                json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "check", f->check, "subject",
                                                      f->subject, "what", f->what, "why", f->why, "where", f->where,
                                                      "fix", f->fix));
        }
        for (size_t i = 0; i < machine->unseen_n; i++)
                json_array_append_new(unseen, json_string(machine->unseen[i]));
        for (size_t i = 0; i < checks_n; i++)
                json_array_append_new(looked, json_string(checks[i].id));
        return json_pack("{s:i, s:o, s:o, s:o}", "schema_version", 1, "findings", list, "unseen", unseen, "checks",
                         looked);
}

enum code run_doctor(struct call *call)
{
        const char *root = call->options.root ? call->options.root : "/";
        json_auto_t *status = NULL;
        struct findings findings = { 0 };
        struct machine machine;
        enum code code = CODE_OK, asked = CODE_UNREACHABLE;
        int r;

        /* it knows who is in quarantine and what it cannot see; a copy of files has no daemon unless one is named */
        if (!call->options.root || call->options.socket)
                asked = daemon_ask_quietly(call, "status", NULL, &status);

        _cleanup_(policy_freep) struct policy *policy = local_policy(call, root);

        r = machine_read_all(&machine, root, status, policy);
        machine.daemon_denied = asked == CODE_DENIED;
        machine.state = state_directory(call);
        if (r < 0)
                code = call_complain(call, CODE_FAILURE, "cannot examine this machine", strerror(-r),
                                     "govctl doctor --root /");
        else {
                checks_look(&machine, &findings);
                code = findings.n > 0 ? CODE_FINDING : CODE_OK;
                if (call->options.json) {
                        json_auto_t *json = findings_json(&machine, &findings);

                        code = json ? call_print_json(call, json, code) : call_out_of_memory(call);
                } else
                        show(&call->page, &machine, &findings);
        }
        findings_done(&findings);
        machine_done(&machine);
        return code;
}
