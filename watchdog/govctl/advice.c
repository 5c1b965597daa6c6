#include "govctl/advice.h"

#include <string.h>

#include "base/finding.h"
#include "base/text.h"
#include "govctl/field.h"
#include "govctl/standing.h"
#include "govctl/status.h"

/* A blind source has its line already. */
bool incident_is_news(const json_t *incident)
{
        return strcmp(field_text(incident, "cause"), cause_name(CAUSE_BLIND)) != 0;
}

static void advise(struct page *page, const char *text)
{
        page_end(page);
        page_put(page, TINT_STRONG, page_mark(page, "→ ", "> "));
        page_wrap(page, TINT_STRONG, 2, text);
}

/* What to say of the agent that stands worst. */
static void advise_agent(struct page *page, const json_t *agent, unsigned wrong, bool acts)
{
        const char *name = field_text(agent, "name"), *effective = field_text(agent, "effective");
        const char *cause = field_text(agent, "cause");
        char text[512];

        snprintf(text, sizeof text, "%s is %s", name, effective);
        if (field_true(agent, "quarantined"))
                text_append(text, sizeof text, ": see govctl why %s, mend it, then govctl release %s", name, name);
        else if (agent_standing(agent) == STANDING_FINDING)
                text_append(text, sizeof text, " after a finding (%s): govctl why %s", cause[0] ? cause : "incident",
                            name);
        else
                text_append(text, sizeof text, "%s: govctl why %s", acts ? "" : " and Governor only observes", name);
        if (wrong > 1)
                text_append(text, sizeof text, " (%u more: govctl incidents)", wrong - 1);
        advise(page, text);
}

static const json_t *first_news(const json_t *incidents)
{
        size_t i;
        const json_t *incident;

        json_array_foreach ((json_t *)incidents, i, incident)
                if (incident_is_news(incident))
                        return incident;
        return NULL;
}

void advice_show(struct page *page, const json_t *status, const json_t *sorted)
{
        struct tally tally = count_agents(sorted);
        const json_t *incident = first_news(field(status, "machine.incidents"));
        const json_t *worst = json_array_get(sorted, 0);
        char text[256];

        if (field_true(status, "machine.safe_mode"))
                advise(page, "Governor crashed too often and only observes: journalctl -u governor, then govctl "
                             "safe-mode off");
        else if (field_true(status, "machine.policy.bad"))
                advise(page, "The policy has errors and is not in force: govctl policy check");
        else if (incident) {
                snprintf(text, sizeof text, "The whole machine is concerned (%s): govctl why %s",
                         field_text(incident, "cause"), field_text(incident, "id"));
                advise(page, text);
        } else if (tally.wrong > 0)
                advise_agent(page, worst, tally.wrong, strcmp(field_text(worst, "mode"), "enforce") == 0);
        else if (tally.all == 0)
                advise(page, "Governor sees no agent yet: govctl doctor says what it cannot see and why");
        else if (status_code(status) == CODE_FINDING)
                advise(page, "Something is out of Governor's sight: govctl doctor");
        else if (field_true(status, "machine.policy.discovered"))
                advise(page,
                       "To keep this as a policy: govctl discover >/etc/governor/policies.d/10-agents.yaml; after a day "
                       "govctl learn knows more");
}
