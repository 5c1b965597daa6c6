#include "policy/discover.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "policy/amount.h"
#include "policy/quote.h"
#include "policy/sheet.h"

#define LABEL_MAX 64 /* of names of rules and classes */

/* The id behind its manager: "root/lily", "agent-lily.service". */
static const char *behind_manager(const char *id)
{
        return strchr(id, ':') + 1;
}

/* What has a meaning in patterns is taken literally: an app may be called "w[1]". */
static void literal(const char *text, char *to, size_t size)
{
        to[0] = '\0';
        for (; *text; text++)
                text_append(to, size, "%s%c", strchr("*?[\\", *text) ? "\\" : "", *text);
}

/* Short where only one agent is called so, otherwise all of the id. */
static const char *name_of(const struct discovered *agents, size_t n, size_t index, char name[AGENT_ID_MAX])
{
        char other[AGENT_ID_MAX];

        agent_short_name(agents[index].id, name);
        for (size_t i = 0; i < n; i++) {
                agent_short_name(agents[i].id, other);
                if (i != index && strcmp(other, name) == 0)
                        return agents[index].id;
        }
        return name;
}

/* Bytes that no policy may hold (a name with a newline) or names that are too long: such an agent cannot be a rule. */
static bool can_be_rule(const char *id)
{
        char safe[AGENT_ID_MAX];
        char pattern[2 * AGENT_ID_MAX];

        if (agent_manager(id) == MANAGER_NONE || !text_copy_safe(safe, sizeof(safe), id) || strcmp(safe, id) != 0)
                return false;
        literal(behind_manager(id), pattern, sizeof(pattern));
        return pattern[0] && strlen(pattern) < AGENT_ID_MAX - 20 &&
               (agent_manager(id) == MANAGER_PM2 || (!strpbrk(pattern, "/ ") && text_ends(pattern, ".service")));
}

/* Its class is called as its rule is. */
static bool has_ceiling(const struct discovered *agents, size_t n, size_t index)
{
        char name[AGENT_ID_MAX];

        return agents[index].ceiling_bytes > 0 && can_be_rule(agents[index].id) &&
               strlen(name_of(agents, n, index, name)) <= LABEL_MAX;
}

static void render_class(struct sheet *sheet, const struct discovered *agents, size_t n, size_t index)
{
        char name[AGENT_ID_MAX], ceiling[AMOUNT_MAX];

        sheet_print(sheet, "  ");
        quote_print(sheet, name_of(agents, n, index, name));
        sheet_print(sheet, ": { memory: { ceiling: %s } }%s%s\n",
                    amount_write(FORM_SIZE, agents[index].ceiling_bytes, ceiling), agents[index].why ? " # " : "",
                    agents[index].why ? agents[index].why : "");
}

static void render_agent(struct sheet *sheet, const struct discovered *agents, size_t n, size_t index)
{
        const struct discovered *agent = &agents[index];
        char name[AGENT_ID_MAX], pattern[2 * AGENT_ID_MAX], bytes[TEXT_BYTES_MAX];
        const char *label = name_of(agents, n, index, name);

        if (!can_be_rule(agent->id)) {
                char safe[AGENT_ID_MAX];

                text_copy_safe(safe, sizeof(safe), agent->id);
                sheet_print(sheet, "  # %s: its name cannot stand in a policy; write a pattern that matches it\n",
                            safe);
                return;
        }
        literal(behind_manager(agent->id), pattern, sizeof(pattern));
        if (strlen(label) <= LABEL_MAX) {
                sheet_print(sheet, "  - name: ");
                quote_print(sheet, label);
                sheet_print(sheet, "\n    ");
        } else
                sheet_print(sheet, "  - ");
        sheet_print(sheet, "%s: ", agent_manager(agent->id) == MANAGER_PM2 ? "pm2" : "systemd");
        quote_print(sheet, pattern);
        if (agent->memory_bytes > 0)
                sheet_print(sheet, " # %s of memory now", text_bytes(bytes, agent->memory_bytes));
        if (agent->restarts > 0)
                sheet_print(sheet, "%s %llu restart%s so far", agent->memory_bytes > 0 ? "," : " #",
                            (unsigned long long)agent->restarts, agent->restarts == 1 ? "" : "s");
        sheet_print(sheet, "\n");
        if (has_ceiling(agents, n, index)) {
                sheet_print(sheet, "    class: ");
                quote_print(sheet, label);
                sheet_print(sheet, "\n");
        }
}

static bool is_repeated(const struct discovered *agents, size_t index)
{
        for (size_t i = 0; i < index; i++)
                if (strcmp(agents[i].id, agents[index].id) == 0)
                        return true;
        return false;
}

static void render_classes(struct sheet *sheet, const struct discovered *agents, size_t n)
{
        bool any = false;

        for (size_t i = 0; i < n; i++) {
                if (is_repeated(agents, i) || !has_ceiling(agents, n, i))
                        continue;
                sheet_print(sheet, "%s", any ? "" : "classes:\n");
                any = true;
                render_class(sheet, agents, n, i);
        }
        sheet_print(sheet, "%s", any ? "\n" : "");
}

int policy_discover_render(const struct discovered *agents, size_t n, const char *verb, char **ret)
{
        struct sheet sheet = { 0 };
        size_t rules = 0;

        sheet_print(&sheet,
                    "# yaml-language-server: $schema=/usr/share/governor/governor-policy.schema.json\n"
                    "# What 'govctl %s' found. Keep it as /etc/governor/policies.d/20-discovered.yaml, remove what is\n"
                    "# no agent of yours, and turn mode to enforce when 'govctl status' tells what you expect.\n"
                    "# The first rule that matches an agent owns it. All keys: man governor-policy\n\n"
                    "mode: observe\n\n",
                    verb);
        render_classes(&sheet, agents, n);
        for (size_t i = 0; i < n; i++)
                rules += can_be_rule(agents[i].id) && !is_repeated(agents, i);
        sheet_print(&sheet, "agents:%s\n", rules > 0 ? "" : " []");
        for (size_t i = 0; i < n; i++)
                if (!is_repeated(agents, i))
                        render_agent(&sheet, agents, n, i);
        return sheet_finish(&sheet, ret);
}
