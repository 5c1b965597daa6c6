#include "anchoring.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "governor_inside.h"
#include "io/cleanup.h"
#include "io/log.h"

#define TELL_EVERY (10 * USEC_PER_SEC) /* the journal gets at most one anchor in that time, always the newest */
#define OVERDUE (24 * USEC_PER_HOUR)
#define LOOKS_MAX 200000 /* a busy day's records */
#define REFUSAL_MAX 512

/* ---- the journal ------------------------------------------------------------------------------------------------------- */

/* The first three lines of a note are what its one-line anchor says. */
static bool anchor_of(const char *note, char anchor[AUDIT_ANCHOR_MAX])
{
        char origin[AUDIT_ORIGIN_MAX], size[24], root[48];

        return sscanf(note, "%287[^\n]\n%23[0-9]\n%47[^\n]", origin, size, root) == 3 &&
               snprintf(anchor, AUDIT_ANCHOR_MAX, "govaudit1 %s %s %s", origin, size, root) < AUDIT_ANCHOR_MAX;
}

/* Root may change the journal as well as the log: this is the anchor of last resort, for who ships journals away. */
static void tell_journal(struct governor *governor)
{
        char anchor[AUDIT_ANCHOR_MAX];
        const struct log_field fields[] = { { "GOVERNOR_ANCHOR", anchor }, { NULL, NULL } };

        sd_event_now(governor->event, CLOCK_BOOTTIME, &governor->anchoring.told_at);
        if (anchor_of(chronicle_last_note(governor->chronicle), anchor))
                log_with(LOG_INFO, fields, "Sealed: %s", anchor);
}

static int on_tell(sd_event_source *source, uint64_t usec, void *userdata)
{
        (void)source, (void)usec;
        tell_journal(userdata);
        return 0;
}

void anchoring_sealed(struct governor *governor)
{
        struct anchoring *anchoring = &governor->anchoring;
        int enabled = SD_EVENT_OFF;
        usec_t now = 0;

        if (!anchoring->tell_timer)
                return;
        sd_event_now(governor->event, CLOCK_BOOTTIME, &now);
        if (now >= anchoring->told_at + TELL_EVERY || anchoring->told_at == 0) {
                tell_journal(governor);
                return;
        }
        sd_event_source_get_enabled(anchoring->tell_timer, &enabled);
        if (enabled != SD_EVENT_OFF)
                return;
        sd_event_source_set_time(anchoring->tell_timer, anchoring->told_at + TELL_EVERY);
        sd_event_source_set_enabled(anchoring->tell_timer, SD_EVENT_ONESHOT);
}

/* ---- nobody answers ------------------------------------------------------------------------------------------------------ */

/* Who vouches for the log: a witness that refuses it now does not, whatever it cosigned before. */
static const struct witness *newest(const struct anchoring *anchoring)
{
        const struct witness *newest = NULL;

        for (size_t i = 0; i < anchoring->witnesses.n; i++) {
                const struct witness *witness = &anchoring->witnesses.list[i];

                if (witness->last_at > 0 && witness->refused_at == 0 && (!newest || witness->last_at > newest->last_at))
                        newest = witness;
        }
        return newest;
}

static void tell_overdue(struct governor *governor, bool overdue)
{
        struct fact fact = {
                .kind = FACT_SOURCE,
                .at = clock_now(&governor->clock),
                .agent = "",
                .source = { .name = "audit witnesses",
                            .state = overdue ? SOURCE_BLIND : SOURCE_SEEING,
                            .why = overdue ? "no witness has cosigned the audit log for 24 hours" : "" },
        };
        json_t *details = json_pack("{s:s, s:I, s:s}", "channel", "witness", "since",
                                    (json_int_t)governor->anchoring.waiting_since, "text", fact.source.why);
        struct audit_entry entry = {
                .action = "audit.anchor",
                .subject = "audit",
                .outcome = AUDIT_FAIL,
                .details = details,
        };

        if (overdue) {
                log_error("No witness has cosigned the audit log for 24 hours: nobody else would notice its exchange");
                chronicle_event(governor->chronicle, &entry);
        }
        json_decref(details);
        governor->anchoring.overdue = overdue;
        governor_take(governor, &fact);
}

static int on_overdue(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct governor *governor = userdata;

        (void)source, (void)usec;
        if (!governor->anchoring.overdue)
                tell_overdue(governor, true);
        return 0;
}

/* Sets the alarm anew, after a witness answered or the list changed. */
static void watch(struct governor *governor)
{
        struct anchoring *anchoring = &governor->anchoring;
        const struct witness *last = newest(anchoring);

        if (anchoring->witnesses.n == 0)
                anchoring->waiting_since = 0;
        else if (last && last->last_at > anchoring->waiting_since)
                anchoring->waiting_since = last->last_at;
        else if (anchoring->waiting_since == 0)
                anchoring->waiting_since = clock_now(&governor->clock);
        if (anchoring->overdue &&
            (anchoring->waiting_since == 0 || clock_now(&governor->clock) < anchoring->waiting_since + OVERDUE))
                tell_overdue(governor, false);
        if (!anchoring->overdue_timer)
                return;
        sd_event_source_set_time(anchoring->overdue_timer,
                                 clock_boottime(&governor->clock, anchoring->waiting_since + OVERDUE));
        sd_event_source_set_enabled(anchoring->overdue_timer,
                                    anchoring->waiting_since ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/* ---- changes --------------------------------------------------------------------------------------------------------------- */

static void record_witness(struct governor *governor, const struct witness *witness, const char *change,
                           const char *actor, enum audit_outcome outcome)
{
        json_t *details = json_pack("{s:s, s:s, s:s, s:s}", "name", witness->key.name, "vkey", witness->vkey, "url",
                                    witness->url, "change", change);
        struct audit_entry entry = {
                .action = "audit.witness",
                .actor = actor,
                .subject = "audit",
                .outcome = outcome,
                .details = details,
        };

        chronicle_event(governor->chronicle, &entry);
        json_decref(details);
}

int anchoring_change(struct governor *governor, const struct witnesses *list, const struct witness *changed,
                     const char *change, const char *actor)
{
        struct anchoring *anchoring = &governor->anchoring;
        int r;

        record_witness(governor, changed, change, actor, AUDIT_OK);
        r = chronicle_settle(governor->chronicle);
        if (r < 0)
                return r;
        r = witnesses_save(anchoring->witnesses_file, list);
        if (r < 0) {
                record_witness(governor, changed, change, actor, AUDIT_FAIL);
                return r;
        }
        anchoring->witnesses = *list;
        anchoring->why[0] = '\0';
        watch(governor);
        return 0;
}

/* What was changed in the file with an editor is recorded as well; what stays keeps what it cosigned. */
static void adopt(struct governor *governor, struct witnesses *list)
{
        struct witnesses *old = &governor->anchoring.witnesses;

        for (size_t i = 0; i < list->n; i++) {
                const struct witness *same = witnesses_find(old, list->list[i].key.name);

                if (same && strcmp(same->vkey, list->list[i].vkey) == 0) {
                        list->list[i].last_size = same->last_size;
                        list->list[i].last_at = same->last_at;
                        list->list[i].last_time = same->last_time;
                        list->list[i].refused_at = same->refused_at;
                }
                if (!same || strcmp(same->vkey, list->list[i].vkey) != 0 || strcmp(same->url, list->list[i].url) != 0)
                        record_witness(governor, &list->list[i], same ? "changed in the file" : "added in the file",
                                       NULL, AUDIT_INFO);
        }
        for (size_t i = 0; i < old->n; i++)
                if (!witnesses_find(list, old->list[i].key.name))
                        record_witness(governor, &old->list[i], "removed from the file", NULL, AUDIT_INFO);
        *old = *list;
}

void anchoring_reload(struct governor *governor)
{
        struct anchoring *anchoring = &governor->anchoring;
        _cleanup_free_ struct witnesses *list = calloc(1, sizeof(*list));
        int r = list ? witnesses_load(anchoring->witnesses_file, list, anchoring->why) : -ENOMEM;

        if (r == -ENOMEM) {
                log_ignored(r, "Cannot read the witnesses");
                return;
        }
        if (r < 0) {
                log_error("%s; the witnesses stay as they were", anchoring->why);
                return;
        }
        anchoring->why[0] = '\0';
        adopt(governor, list);
        watch(governor);
}

static void record_cosigned(struct governor *governor, const struct witness *witness, const struct cosigned *cosigned)
{
        json_t *details = json_pack("{s:I, s:s, s:s, s:s, s:I, s:I}", "at", (json_int_t)clock_now(&governor->clock),
                                    "channel", "witness", "witness", witness->key.name, "root", cosigned->root, "size",
                                    (json_int_t)cosigned->size, "time", (json_int_t)cosigned->time);
        struct audit_entry entry = {
                .action = "audit.anchor",
                .subject = "audit",
                .outcome = AUDIT_OK,
                .details = details,
        };

        chronicle_event(governor->chronicle, &entry);
        json_decref(details);
}

void anchoring_cosigned(struct governor *governor, struct witness *witness, const struct cosigned *cosigned)
{
        if (cosigned->time <= witness->last_time && cosigned->size <= witness->last_size)
                return; /* told before: to repeat it makes nobody look alive */
        record_cosigned(governor, witness, cosigned);
        if (cosigned->size > witness->last_size)
                witness->last_size = cosigned->size;
        witness->last_time = cosigned->time;
        witness->last_at = clock_now(&governor->clock);
        witness->refused_at = 0;
        watch(governor);
}

void anchoring_refused(struct governor *governor, struct witness *witness, uint64_t size, const char *text)
{
        char said[REFUSAL_MAX], trouble[REFUSAL_MAX + 64];
        struct audit_entry entry = { .action = "audit.refused", .subject = "audit", .outcome = AUDIT_FAIL };
        json_t *details;

        if (witness->refused_at)
                return; /* a courier in foreign hands fills neither the log nor anybody's day */
        witness->refused_at = clock_now(&governor->clock);
        text_copy_safe(said, sizeof(said), text);
        details = json_pack("{s:I, s:s, s:I, s:s}", "at", (json_int_t)witness->refused_at, "witness", witness->key.name,
                            "size", (json_int_t)size, "text", said);
        entry.details = details;
        chronicle_event(governor->chronicle, &entry);
        json_decref(details);
        snprintf(trouble, sizeof(trouble), "a witness refuses the log: %s", said);
        governor_audit_trouble(governor, 0, trouble);
        watch(governor);
}

/* ---- the past ---------------------------------------------------------------------------------------------------------------- */

void anchoring_write(struct governor *governor)
{
        const struct anchoring *anchoring = &governor->anchoring;
        const struct inspection *inspection = &governor->inspection;
        json_t *list = json_array(), *details;
        struct audit_entry entry = { .action = "audit.standing", .subject = "audit", .outcome = AUDIT_INFO };

        for (size_t i = 0; i < anchoring->witnesses.n; i++) {
                const struct witness *witness = &anchoring->witnesses.list[i];

                json_array_append_new(
                        list, json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "name", witness->key.name, "vkey",
                                        witness->vkey, "url", witness->url, "size", (json_int_t)witness->last_size,
                                        "time", (json_int_t)witness->last_time, "at", (json_int_t)witness->last_at,
                                        "refused_at", (json_int_t)witness->refused_at));
        }
        details =
                json_pack("{s:I, s:I, s:s, s:o}", "waiting_since", (json_int_t)anchoring->waiting_since, "verified_at",
                          (json_int_t)inspection->at, "verdict", inspection->verdict, "witnesses", list);
        entry.details = details;
        chronicle_event(governor->chronicle, &entry);
        json_decref(details);
}

static void relive_anchor(struct governor *governor, const json_t *details)
{
        const char *name = json_string_value(json_object_get(details, "witness"));
        struct witness *witness = name ? witnesses_find(&governor->anchoring.witnesses, name) : NULL;

        if (!witness)
                return;
        witness->last_size = (uint64_t)json_integer_value(json_object_get(details, "size"));
        witness->last_at = (usec_t)json_integer_value(json_object_get(details, "at"));
        witness->last_time = (uint64_t)json_integer_value(json_object_get(details, "time"));
        witness->refused_at = 0;
}

static void relive_refused(struct governor *governor, const json_t *details)
{
        const char *name = json_string_value(json_object_get(details, "witness"));
        struct witness *witness = name ? witnesses_find(&governor->anchoring.witnesses, name) : NULL;

        if (witness)
                witness->refused_at = (usec_t)json_integer_value(json_object_get(details, "at"));
}

static void relive_verified(struct governor *governor, const json_t *details, const char *at)
{
        const char *verdict = json_string_value(json_object_get(details, "verdict"));

        governor->inspection.at = (usec_t)json_integer_value(json_object_get(details, at));
        text_copy_safe(governor->inspection.verdict, sizeof(governor->inspection.verdict), verdict ? verdict : "");
}

static void relive_witness(struct governor *governor, const json_t *row, bool here)
{
        struct witnesses *witnesses = &governor->anchoring.witnesses;
        const char *vkey = json_string_value(json_object_get(row, "vkey"));
        const char *url = json_string_value(json_object_get(row, "url"));
        struct witness witness, *old;
        char why[WITNESS_WHY_MAX];

        if (!vkey || !url || witness_read(vkey, url, &witness, why) < 0)
                return;
        witness.last_size = (uint64_t)json_integer_value(json_object_get(row, "size"));
        witness.last_at = (usec_t)json_integer_value(json_object_get(row, "at"));
        witness.last_time = (uint64_t)json_integer_value(json_object_get(row, "time"));
        witness.refused_at = (usec_t)json_integer_value(json_object_get(row, "refused_at"));
        old = witnesses_find(witnesses, witness.key.name);
        if (old)
                witnesses_remove(witnesses, old);
        if (here)
                (void)witnesses_add(witnesses, &witness);
}

static void relive_standing(struct governor *governor, const json_t *details)
{
        const json_t *row;
        size_t i;

        relive_verified(governor, details, "verified_at");
        governor->anchoring.waiting_since = (usec_t)json_integer_value(json_object_get(details, "waiting_since"));
        governor->anchoring.witnesses.n = 0;
        json_array_foreach (json_object_get(details, "witnesses"), i, row)
                relive_witness(governor, row, true);
}

static void relive(struct governor *governor, const json_t *record)
{
        const char *action = json_string_value(json_object_get(record, "action"));
        const char *outcome = json_string_value(json_object_get(record, "outcome"));
        const char *change = json_string_value(json_object_get(json_object_get(record, "details"), "change"));
        const json_t *details = json_object_get(record, "details");
        bool good = outcome && strcmp(outcome, audit_outcome_name(AUDIT_FAIL)) != 0;

        if (!action)
                return;
        if (strcmp(action, "audit.standing") == 0)
                relive_standing(governor, details);
        else if (strcmp(action, "audit.verified") == 0)
                relive_verified(governor, details, "at");
        else if (strcmp(action, "audit.anchor") == 0 && good)
                relive_anchor(governor, details);
        else if (strcmp(action, "audit.refused") == 0)
                relive_refused(governor, details);
        else if (strcmp(action, "audit.witness") == 0 && good)
                relive_witness(governor, details, change && !text_starts(change, "remove"));
}

/* The newest audit.standing, or where this log begins, or further back than a day can be. */
static uint64_t recall_from(struct audit_reader *reader)
{
        struct audit_range range = { .to = UINT64_MAX, .newest_first = true };
        struct audit_item item = { .seq = 0 };
        struct audit_view view;

        if (audit_reader_seek(reader, &range) < 0)
                return UINT64_MAX;
        for (unsigned looks = 0; looks < LOOKS_MAX && audit_reader_next(reader, &item) > 0; looks++)
                if (audit_view(item.body, item.length, &view) == 0 && view.action.length == strlen("audit.standing") &&
                    memcmp(view.action.text, "audit.standing", view.action.length) == 0)
                        break;
        return item.seq;
}

static int recall(struct governor *governor)
{
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
        struct audit_range range = { .to = UINT64_MAX };
        struct audit_item item;
        struct audit_view view;
        int r = audit_reader_open(governor->database, &reader);

        if (r < 0)
                return r;
        range.from = recall_from(reader);
        r = audit_reader_seek(reader, &range);
        while (r >= 0 && (r = audit_reader_next(reader, &item)) > 0) {
                json_t *record = NULL;

                if (audit_view(item.body, item.length, &view) == 0 && view.action.length > strlen("audit.") &&
                    memcmp(view.action.text, "audit.", strlen("audit.")) == 0)
                        record = json_loadb(item.body, item.length, 0, NULL);
                relive(governor, record);
                json_decref(record);
        }
        return r;
}

/* ---- beginning and end ---------------------------------------------------------------------------------------------------- */

int anchoring_begin(struct governor *governor)
{
        struct anchoring *anchoring = &governor->anchoring;
        int r;

        if (asprintf(&anchoring->witnesses_file, "%s/witnesses", governor->config_dir) < 0 ||
            asprintf(&anchoring->anchors_file, "%s/anchors", governor->config_dir) < 0)
                return -ENOMEM;
        r = sd_event_add_time(governor->event, &anchoring->overdue_timer, CLOCK_BOOTTIME, USEC_INFINITY,
                              USEC_PER_MINUTE, on_overdue, governor);
        if (r >= 0)
                r = sd_event_source_set_enabled(anchoring->overdue_timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time(governor->event, &anchoring->tell_timer, CLOCK_BOOTTIME, USEC_INFINITY,
                                      USEC_PER_SEC, on_tell, governor);
        if (r >= 0)
                r = sd_event_source_set_enabled(anchoring->tell_timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = recall(governor);
        if (r < 0)
                log_ignored(r, "Cannot recall what witnesses cosigned");
        anchoring_reload(governor);
        anchoring_sealed(governor); /* the start was */
        return 0;
}

void anchoring_end(struct governor *governor)
{
        struct anchoring *anchoring = &governor->anchoring;

        anchoring->overdue_timer = sd_event_source_disable_unref(anchoring->overdue_timer);
        anchoring->tell_timer = sd_event_source_disable_unref(anchoring->tell_timer);
        free(anchoring->witnesses_file);
        free(anchoring->anchors_file);
        anchoring->witnesses_file = anchoring->anchors_file = NULL;
}

void anchoring_again(struct governor *governor)
{
        struct anchoring *anchoring = &governor->anchoring;

        for (size_t i = 0; i < anchoring->witnesses.n; i++) {
                anchoring->witnesses.list[i].last_size = 0;
                anchoring->witnesses.list[i].last_at = 0;
                anchoring->witnesses.list[i].last_time = 0;
                anchoring->witnesses.list[i].refused_at = 0;
        }
        anchoring->waiting_since = 0;
        watch(governor);
}

/* ---- status ------------------------------------------------------------------------------------------------------------------ */

json_t *anchoring_view(const struct governor *governor)
{
        const struct anchoring *anchoring = &governor->anchoring;
        const struct witness *last = newest(anchoring);
        bool unanchored = anchoring->witnesses.n == 0 && access(anchoring->anchors_file, F_OK) < 0;

        return json_pack("{s:b, s:i, s:s, s:o, s:b, s:s}", "unanchored", unanchored, "witnesses",
                         (int)anchoring->witnesses.n, "witnesses_why", anchoring->why, "last",
                         last ? json_pack("{s:s, s:s, s:I, s:I}", "channel", "witness", "name", last->key.name, "size",
                                          (json_int_t)last->last_size, "at", (json_int_t)last->last_at)
                              : json_null(),
                         "overdue", anchoring->overdue, "trust", last ? "witness" : "journald");
}
