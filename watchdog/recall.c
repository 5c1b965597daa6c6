#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/text.h"
#include "io/cleanup.h"
#include "io/record.h"
#include "recall.h"

#define UNCLEAN_WITHIN (10 * USEC_PER_MINUTE)
#define TICKS_MAX 100000 /* between two records: a judge that wants more is broken, and must not hang the start */

static bool is(const struct audit_slice *text, const char *word)
{
        return text->length == strlen(word) && memcmp(text->text, word, text->length) == 0;
}

static void copy_text(char *to, size_t size, const struct audit_slice *from)
{
        size_t length = from->length < size ? from->length : size - 1;

        memcpy(to, from->text, length);
        to[length] = '\0';
}

static bool truth(const struct audit_slice *details, const char *member)
{
        return memmem(details->text, details->length, member, strlen(member)) != NULL;
}

/* ---- looking back ------------------------------------------------------------------------------------------------------- */

struct looking {
        struct recall recall;
        bool stopped;    /* the run above this record ended with judge.stop */
        bool forgiving;  /* a human ended safe mode during this run: */
        bool forgiven;   /* how the runs before it ended is history */
        bool mode_known; /* somebody switched safe mode after the newest judge.start */
        bool first;
};

static void look_at_mode(struct looking *looking, const struct audit_slice *details)
{
        if (looking->mode_known || looking->recall.from != UINT64_MAX)
                return;
        looking->recall.safe_mode = truth(details, "\"ask\":\"safe-mode-on\"");
        looking->mode_known = looking->recall.safe_mode || truth(details, "\"ask\":\"safe-mode-off\"");
}

/* Takes one record, newest first; false when enough was seen. */
static bool look(struct looking *looking, const struct audit_view *view)
{
        struct recall *recall = &looking->recall;
        int64_t at = 0, seed = 0;

        if (looking->first)
                copy_text(recall->boot, sizeof(recall->boot), &view->boot);
        looking->first = false;
        if (audit_view_integer(view, "at", &at) && recall->last == 0)
                recall->last = (usec_t)at;
        if (is(&view->action, "judge.stop"))
                looking->stopped = true;
        if (is(&view->action, "fact.asked")) {
                look_at_mode(looking, &view->details);
                looking->forgiving |= truth(&view->details, "\"ask\":\"safe-mode-off\"");
        }
        if (!is(&view->action, "judge.start"))
                return true;

        if (recall->from == UINT64_MAX) {
                recall->from = view->seq;
                if (!looking->mode_known)
                        recall->safe_mode = truth(&view->details, "\"safe_mode\":true");
                if (audit_view_integer(view, "seed", &seed))
                        recall->seed = (uint64_t)seed;
        }
        if (usec_since(recall->last, (usec_t)at) > UNCLEAN_WITHIN)
                return false;
        if (truth(&view->details, "\"again\":true")) /* the same run, its memory written down once more */
                return true;
        recall->unclean += !looking->stopped && !looking->forgiven;
        looking->forgiven |= looking->forgiving;
        looking->stopped = false;
        return true;
}

int recall_look_back(const char *database, struct recall *ret)
{
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
        struct audit_range range = { .from = 0, .to = UINT64_MAX, .newest_first = true };
        struct looking looking = { .recall = { .from = UINT64_MAX }, .first = true };
        struct audit_item item;
        struct audit_view view;
        int r;

        r = audit_reader_open(database, &reader);
        if (r >= 0)
                r = audit_reader_seek(reader, &range);
        if (r < 0)
                return r;
        while ((r = audit_reader_next(reader, &item)) > 0)
                if (audit_view(item.body, item.length, &view) == 0 && !look(&looking, &view))
                        break;
        if (r < 0)
                return r;
        *ret = looking.recall;
        return 0;
}

/* ---- living it once more ------------------------------------------------------------------------------------------------- */

static void tick_until(struct judge *judge, usec_t at)
{
        struct decisions decisions;

        for (unsigned i = 0; i < TICKS_MAX && judge_deadline(judge) < at; i++) {
                struct fact tick = { .kind = FACT_TICK, .at = judge_deadline(judge), .agent = "" };

                decisions.n = 0;
                judge_step(judge, &tick, &decisions);
        }
}

/* Nothing is judged before all of its memory is back. */
static int live_one(struct judge *judge, const struct audit_item *item, struct record_memory *memory, usec_t *last)
{
        _cleanup_(json_decrefp) json_t *record = json_loadb(item->body, item->length, 0, NULL);
        const json_t *details = json_object_get(record, "details");
        const char *verb = json_string_value(json_object_get(record, "action"));
        const char *subject = json_string_value(json_object_get(record, "subject"));
        struct remembered scratch;
        struct decisions decisions = { .n = 0 };
        struct fact fact;
        bool known;

        if (!verb || !subject)
                return -EBADMSG;
        if (strcmp(verb, "judge.start") == 0)
                record_memory_begin(memory, details);
        known = record_to_fact(verb, subject, details, &scratch, &fact) >= 0;
        if (!known && !text_starts(verb, "fact."))
                return 0;
        if (!record_is_memory(memory, known ? &fact : NULL) && known)
                tick_until(judge, fact.at);
        if (!known)
                return 0; /* one of a later version: the rest is still worth living through */
        judge_step(judge, &fact, &decisions);
        if (fact.at > *last)
                *last = fact.at;
        return 0;
}

int recall_live(const char *database, const struct recall *recall, struct judge *judge, usec_t *ret_last)
{
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
        struct audit_range range = { .from = recall->from, .to = UINT64_MAX };
        struct audit_item item;
        struct record_memory memory = { .ended = true };
        int r;

        if (recall->from == UINT64_MAX)
                return 0;
        r = audit_reader_open(database, &reader);
        if (r >= 0)
                r = audit_reader_seek(reader, &range);
        while (r >= 0 && (r = audit_reader_next(reader, &item)) > 0)
                r = live_one(judge, &item, &memory, ret_last);
        return r;
}

/* ---- what it was judged by -------------------------------------------------------------------------------------------------- */

/* Puts one part before those that follow it; 1 when that was the first one. */
static int take_part(const struct audit_item *item, char **text)
{
        _cleanup_(json_decrefp) json_t *record = json_loadb(item->body, item->length, 0, NULL);
        const json_t *details = json_object_get(record, "details");
        const char *yaml = json_string_value(json_object_get(details, "yaml"));
        char *longer;

        if (!yaml || asprintf(&longer, "%s%s", yaml, *text ? *text : "") < 0)
                return yaml ? -ENOMEM : -EBADMSG;
        free(*text);
        *text = longer;
        return json_integer_value(json_object_get(details, "part")) == 1;
}

int recall_policy(const char *database, char **ret)
{
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
        _cleanup_free_ char *text = NULL;
        struct audit_range range = { .to = UINT64_MAX, .newest_first = true };
        struct audit_item item;
        struct audit_view view;
        bool whole = false;
        int r = audit_reader_open(database, &reader);

        if (r >= 0)
                r = audit_reader_seek(reader, &range);
        while (r >= 0 && !whole && (r = audit_reader_next(reader, &item)) > 0) {
                if (audit_view(item.body, item.length, &view) < 0 || !is(&view.action, "policy.text"))
                        continue;
                r = take_part(&item, &text);
                whole = r == 1;
        }
        if (r < 0 || !whole)
                return r < 0 ? r : -ENOENT;
        *ret = TAKE_PTR(text);
        return 0;
}

/* ---- what was begun and never ended ---------------------------------------------------------------------------------------- */

struct intents {
        void (*found)(void *self, const struct open_intent *intent);
        void *self;
};

static int take_intent(void *userdata, const struct audit_item *item)
{
        struct intents *intents = userdata;
        _cleanup_(json_decrefp) json_t *record = json_loadb(item->body, item->length, 0, NULL);
        const json_t *details = json_object_get(record, "details");
        const char *verb = json_string_value(json_object_get(record, "action"));
        struct open_intent intent = {
                .seq = item->seq,
                .agent = json_string_value(json_object_get(record, "subject")),
                .incident = json_string_value(json_object_get(record, "incident")),
                .instance = (uint32_t)json_integer_value(json_object_get(details, "instance")),
                .purpose = purpose_from_name(json_string_value(json_object_get(details, "purpose"))),
                .trial = (uint64_t)json_integer_value(json_object_get(details, "trial")),
                .path = json_string_value(json_object_get(details, "path")),
        };

        if (!action_is_verb(verb) || !intent.agent)
                return 0;
        intent.action = action_from_verb(verb);
        intents->found(intents->self, &intent);
        return 0;
}

int recall_open_intents(const char *database, uint64_t from,
                        void (*found)(void *self, const struct open_intent *intent), void *self)
{
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
        struct intents intents = { .found = found, .self = self };
        int r = audit_reader_open(database, &reader);

        return r < 0 ? r : audit_open_intents(reader, from, take_intent, &intents);
}
