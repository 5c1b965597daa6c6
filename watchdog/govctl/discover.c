/* What runs here, as a policy file to keep. */
#include <ctype.h>
#include <string.h>

#include "base/agent.h"
#include "base/text.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/verbs.h"

/* A YAML scalar: as it stands when nobody could read it otherwise, else in double quotes. */
static void put_scalar(FILE *out, const char *text)
{
        bool plain = isalpha((unsigned char)text[0]);

        for (const char *c = text; *c; c++)
                plain = plain && (isalnum((unsigned char)*c) || strchr("_-./", *c));
        if (plain && strcmp(text, "true") != 0 && strcmp(text, "false") != 0 && strcmp(text, "null") != 0) {
                fputs(text, out);
                return;
        }
        fputc('"', out);
        for (const char *c = text; *c; c++) {
                if (*c == '"' || *c == '\\')
                        fputc('\\', out);
                fputc(*c, out);
        }
        fputc('"', out);
}

/* The agent's own name as a glob that fits nothing else. */
static void literal_glob(const char *name, char *to, size_t size)
{
        to[0] = '\0';
        for (const char *c = name; *c; c++)
                text_append(to, size, "%s%c", strchr("*?[\\", *c) ? "\\" : "", *c);
}

static void put_agent(FILE *out, const json_t *agent)
{
        const char *id = field_text(agent, "id"), *colon = strchr(id, ':');
        char name[AGENT_ID_MAX], pattern[AGENT_ID_MAX * 2], safe[AGENT_ID_MAX * 2];

        if (!colon)
                return;
        text_copy_safe(name, sizeof name, field_text(agent, "name"));
        literal_glob(colon + 1, pattern, sizeof pattern);
        /* a home of its own is not part of what a rule names */
        char *home = strstr(pattern, "@/");

        if (home)
                *home = '\0';
        text_copy_safe(safe, sizeof safe, pattern); /* what becomes '?' fits the character it stands for */
        fputs("  - name: ", out);
        put_scalar(out, name);
        fprintf(out, "\n    %s: ", strcmp(field_text(agent, "manager"), "pm2") == 0 ? "pm2" : "systemd");
        put_scalar(out, safe);
        fputc('\n', out);
}

enum code run_discover(struct call *call)
{
        json_auto_t *answer = NULL;
        enum code code = daemon_ask_once(call, "discover", NULL, DAEMON_ANSWER, &answer);
        size_t i;
        const json_t *agent;

        if (code != CODE_OK)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);

        const json_t *agents = field(answer, "agents");
        FILE *out = call->page.out;

        if (json_array_size(agents) == 0)
                return call_complain(call, CODE_OK, "no agents were found",
                                     "neither systemd nor PM2 runs any that Governor can see", "govctl doctor");
        fprintf(out, "# What runs here, found by `govctl discover`. Keep what you want governed:\n"
                     "#   govctl discover >/etc/governor/policies.d/10-agents.yaml && govctl reload\n"
                     "# Governor only observes until this says: mode: enforce\n"
                     "mode: observe\n\n"
                     "agents:\n");
        json_array_foreach ((json_t *)agents, i, agent)
                put_agent(out, agent);
        return CODE_OK;
}
