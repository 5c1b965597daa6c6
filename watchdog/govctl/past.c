#include "govctl/past.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/agent.h"
#include "base/text.h"
#include "govctl/field.h"

#define STAMP 19 /* "2026-11-20T02:45:10": as long as it takes to compare */

/* Read backwards: an end comes before its beginning. */
struct reading {
        const char *agent;
        char since[32];
        json_t *list;
        json_t *ends; /* id -> when it was over, of those whose beginning was not met yet */
};

static bool is_told(const json_t *list, const char *id)
{
        const json_t *incident;
        size_t i;

        json_array_foreach ((json_t *)list, i, incident)
                if (strcmp(field_text(incident, "id"), id) == 0)
                        return true;
        return false;
}

static json_t *incident_of(const struct reading *reading, const char *id, const json_t *details, const json_t *resolved)
{
        char rule[512] = "";

        if (field_text(details, "rule_file")[0])
                snprintf(rule, sizeof rule, "%s:%lld", field_text(details, "rule_file"),
                         (long long)field_number(details, "rule_line"));
        return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:O, s:i, s:s, s:[s], s:[]}", "id", id, "agent",
                         reading->agent, "manager", manager_name(agent_manager(reading->agent)), "cause",
                         field_text(details, "cause"), "state", json_is_integer(resolved) ? "resolved" : "open",
                         "opened", (json_int_t)field_number(details, "at"), "resolved", resolved, "count", 1, "rule",
                         rule, "evidence", field_text(details, "reason"), "actions");
}

static void take(struct reading *reading, const json_t *record)
{
        const char *id = field_text(record, "incident");
        const json_t *details = field(record, "details"), *end = json_object_get(reading->ends, id);
        const char *state = field_text(details, "state");
        json_auto_t *never = json_null();

        if (!id[0] || is_told(reading->list, id))
                return;
        if (strcmp(state, "open") == 0) {
                json_array_append_new(reading->list, incident_of(reading, id, details, end ? end : never));
                json_object_del(reading->ends, id);
        } else if (!end) {
                json_object_set_new(reading->ends, id,
                                    strcmp(state, "resolve") == 0 ? json_integer(field_number(details, "at"))
                                                                  : json_null());
        }
}

static bool is_finding_about(const struct audit_view *view, const char *agent)
{
        return view->action.length > strlen("finding.") &&
               memcmp(view->action.text, "finding.", strlen("finding.")) == 0 &&
               view->subject.length == strlen(agent) && memcmp(view->subject.text, agent, view->subject.length) == 0;
}

/* Whether there may be more: before `since` only the beginnings of what was open then. */
static bool goes_on(const struct reading *reading, const struct audit_view *view)
{
        return view->ts.length < STAMP || memcmp(view->ts.text, reading->since, STAMP) >= 0 ||
               json_object_size(reading->ends) > 0;
}

int past_incidents(struct audit_reader *audit, const char *agent, usec_t since, json_t *list)
{
        const struct audit_range range = { .to = UINT64_MAX, .newest_first = true };
        json_auto_t *ends = json_object();
        struct reading reading = { .agent = agent, .list = list, .ends = ends };
        time_t seconds = (time_t)(since / USEC_PER_SEC);
        struct audit_item item;
        struct audit_view view;
        struct tm tm;
        int r = audit_reader_seek(audit, &range);

        strftime(reading.since, sizeof reading.since, "%FT%T", gmtime_r(&seconds, &tm));
        while (r >= 0 && (r = audit_reader_next(audit, &item)) > 0) {
                json_auto_t *record = NULL;

                if (audit_view(item.body, item.length, &view) < 0)
                        continue;
                if (!goes_on(&reading, &view))
                        return 0;
                if (!is_finding_about(&view, agent))
                        continue;
                record = json_loadb(item.body, item.length, 0, NULL);
                take(&reading, record);
        }
        return r;
}
