#include "inspection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "chores.h"
#include "governor_inside.h"
#include "io/chore.h"
#include "io/cleanup.h"
#include "io/digest.h"
#include "io/log.h"

#define SOON (2 * USEC_PER_MINUTE) /* after a start: the machine has better things to do then */
#define JITTER USEC_PER_HOUR       /* so that a fleet does not read its disks at the same moment */
#define PATIENCE (2 * USEC_PER_HOUR)
#define AT_ONCE_AGAIN \
        (10 * USEC_PER_MINUTE) /* who writes to the log all the time does not make us verify all the time */
#define OUTPUT_MOST (256 * 1024)
#define FINDINGS_TOLD 8

static usec_t usec_max(usec_t a, usec_t b)
{
        return a > b ? a : b;
}

/* ---- what came of it --------------------------------------------------------------------------------------------------- */

/* Not being able to look is not the same as having found something. */
static void tell_sight(struct governor *governor, const char *blind)
{
        struct fact fact = {
                .kind = FACT_SOURCE,
                .at = clock_now(&governor->clock),
                .agent = "",
                .source = { .name = "audit verify",
                            .state = blind ? SOURCE_BLIND : SOURCE_SEEING,
                            .why = blind ? blind : "" },
        };

        if (!blind && !governor->inspection.blind)
                return;
        governor->inspection.blind = blind;
        governor_take(governor, &fact);
}

/* "KEY_AHEAD at record 3: what it says" */
static void finding_text(const json_t *finding, char *text, size_t size)
{
        const json_t *seq = json_object_get(finding, "seq");
        char raw[256];

        snprintf(raw, sizeof(raw), "%s%s", json_string_value(json_object_get(finding, "code")),
                 json_is_integer(seq) ? " at record " : "");
        if (json_is_integer(seq))
                text_append(raw, sizeof(raw), "%lld", (long long)json_integer_value(seq));
        text_append(raw, sizeof(raw), ": %s", json_string_value(json_object_get(finding, "detail")));
        text_copy_safe(text, size, raw);
}

static json_t *findings_json(const json_t *findings)
{
        json_t *list = json_array(), *finding;
        char text[256];
        size_t i;

        json_array_foreach ((json_t *)(uintptr_t)findings, i, finding) {
                if (i == FINDINGS_TOLD)
                        break;
                finding_text(finding, text, sizeof(text));
                json_array_append_new(list, json_string(text));
        }
        return list;
}

static void record(struct governor *governor, const json_t *report)
{
        const struct inspection *inspection = &governor->inspection;
        const json_t *findings = json_object_get(report, "findings");
        const char *anchors_why = json_string_value(json_object_get(report, "anchors_why"));
        json_t *details = json_pack("{s:I, s:s, s:s, s:I, s:I, s:b, s:I, s:s, s:o, s:I}", "at",
                                    (json_int_t)inspection->at, "why", inspection->why, "verdict", inspection->verdict,
                                    "size", json_integer_value(json_object_get(report, "size")), "sealed_size",
                                    json_integer_value(json_object_get(report, "sealed_size")), "anchored",
                                    json_is_true(json_object_get(report, "anchored")), "anchors",
                                    json_integer_value(json_object_get(report, "anchors")), "anchors_why",
                                    anchors_why ? anchors_why : "", "findings", findings_json(findings), "findings_n",
                                    (json_int_t)json_array_size(findings));
        struct audit_entry entry = {
                .action = "audit.verified",
                .subject = "audit",
                .outcome = inspection->found ? AUDIT_FAIL : AUDIT_OK,
                .details = details,
        };

        chronicle_event(governor->chronicle, &entry);
        json_decref(details);
}

static void take_report(struct governor *governor, const json_t *report)
{
        struct inspection *inspection = &governor->inspection;
        const char *verdict = json_string_value(json_object_get(report, "verdict"));
        const char *anchors_why = json_string_value(json_object_get(report, "anchors_why"));
        char text[192];

        inspection->at = clock_now(&governor->clock);
        inspection->found = strcmp(verdict, "TAMPERED") == 0 || strcmp(verdict, "UNREADABLE") == 0;
        text_copy_safe(inspection->verdict, sizeof(inspection->verdict), verdict);
        record(governor, report);
        tell_sight(governor, anchors_why && *anchors_why ? anchors_why : NULL);
        if (!inspection->found) {
                log_info("The audit log was verified (%s): %s", inspection->why, inspection->verdict);
                return;
        }
        finding_text(json_array_get(json_object_get(report, "findings"), 0), text, sizeof(text));
        governor_audit_trouble(governor, 0, text);
}

static void plan(struct governor *governor, usec_t at)
{
        sd_event_source_set_time(governor->inspection.timer, clock_boottime(&governor->clock, at));
        sd_event_source_set_enabled(governor->inspection.timer, SD_EVENT_ONESHOT);
}

static void plan_next(struct governor *governor)
{
        struct inspection *inspection = &governor->inspection;
        usec_t now = clock_now(&governor->clock);

        if (inspection->again) {
                inspection->again = false;
                plan(governor, now + AT_ONCE_AGAIN);
        } else {
                inspection->why = "daily";
                plan(governor, now + USEC_PER_DAY);
        }
}

static void on_done(void *self, const struct chore_result *result)
{
        struct governor *governor = self;
        struct inspection *inspection = &governor->inspection;
        _cleanup_(json_decrefp) json_t *report =
                result->failure ? NULL : json_loadb(result->output, result->size, JSON_REJECT_DUPLICATES, NULL);
        char why[128] = "it says nothing that can be understood";

        if (json_is_string(json_object_get(report, "verdict"))) {
                take_report(governor, report);
        } else {
                if (result->failure)
                        text_copy_safe(why, sizeof(why), result->failure);
                log_error("The audit log could not be verified: %s", why);
                tell_sight(governor, why);
        }
        inspection->chore = chore_free(inspection->chore);
        plan_next(governor);
}

/* ---- beginning ---------------------------------------------------------------------------------------------------------- */

static int start(struct governor *governor)
{
        char size[24], sealed_size[24], root[DIGEST_HEX_MAX];
        struct audit_head head = { 0 };
        char *arguments[] = {
                (char *)"governord",
                (char *)"--chore",
                (char *)CHORE_VERIFY,
                (char *)(uintptr_t)governor->options.state,
                governor->config_dir,
                size,
                sealed_size,
                root,
                NULL,
        };
        struct chore_options options = {
                .program = "/proc/self/exe",
                .arguments = arguments,
                .patience = PATIENCE,
                .output_most = OUTPUT_MOST,
                .memory_most = CHORE_MEMORY_MOST,
                .done = on_done,
                .self = governor,
        };

        chronicle_head(governor->chronicle, &head);
        snprintf(size, sizeof(size), "%llu", (unsigned long long)head.size);
        snprintf(sealed_size, sizeof(sealed_size), "%llu", (unsigned long long)head.sealed_size);
        digest_to_hex(head.root, root);
        if (head.size == 0)
                arguments[5] = NULL; /* there is no chain to compare with */
        return chore_new(governor->event, &options, &governor->inspection.chore);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct governor *governor = userdata;
        int r;

        (void)source, (void)usec;
        if (governor->inspection.chore)
                return 0;
        r = start(governor);
        if (r < 0) {
                log_ignored(r, "Cannot have the audit log verified");
                tell_sight(governor, strerror(-r));
                plan(governor, clock_now(&governor->clock) + USEC_PER_HOUR);
        }
        return 0;
}

int inspection_begin(struct governor *governor)
{
        struct inspection *inspection = &governor->inspection;
        usec_t now = clock_now(&governor->clock), jitter = governor->seed % JITTER;
        int r = sd_event_add_time(governor->event, &inspection->timer, CLOCK_BOOTTIME, USEC_INFINITY, USEC_PER_MINUTE,
                                  on_timer, governor);

        if (r < 0)
                return r;
        inspection->why = "daily";
        plan(governor, usec_max(now + SOON + jitter, inspection->at ? inspection->at + USEC_PER_DAY : 0));
        return 0;
}

void inspection_end(struct governor *governor)
{
        governor->inspection.chore = chore_free(governor->inspection.chore);
        governor->inspection.timer = sd_event_source_disable_unref(governor->inspection.timer);
}

void inspection_now(struct governor *governor, const char *why)
{
        struct inspection *inspection = &governor->inspection;
        usec_t now = clock_now(&governor->clock);

        if (!inspection->timer || inspection->urgent_at > now)
                return;
        inspection->why = why;
        if (inspection->chore) {
                inspection->again = true;
                return;
        }
        inspection->urgent_at = usec_max(now, inspection->urgent_at ? inspection->urgent_at + AT_ONCE_AGAIN : 0);
        plan(governor, inspection->urgent_at);
}

void inspection_again(struct governor *governor)
{
        struct inspection *inspection = &governor->inspection;

        if (!inspection->timer)
                return;
        inspection->chore = chore_free(inspection->chore);
        inspection->at = inspection->urgent_at = 0;
        inspection->verdict[0] = '\0';
        inspection_now(governor, "a log was begun");
}

json_t *inspection_view(const struct governor *governor)
{
        const struct inspection *inspection = &governor->inspection;

        if (!inspection->at)
                return json_null();
        return json_pack("{s:I, s:s}", "at", (json_int_t)inspection->at, "verdict", inspection->verdict);
}
