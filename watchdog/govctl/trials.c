/* What Governor changed on somebody's word: listed, kept, taken back. */
#include "govctl/trials.h"

#include <string.h>

#include "base/text.h"
#include "base/trial.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/verbs.h"
#include "govctl/words.h"

#define TEXT_MAX 1024

/* "in 8m": what happens by itself. */
static void say_state(const struct page *page, const json_t *trial, char *text)
{
        enum trial_state state = trial_state_from_name(field_text(trial, "state"));
        char ago[PAGE_AGO_MAX];
        long long number = (long long)field_number(trial, "number");

        switch (state) {
        case TRIAL_RUNNING:
                text_append(text, TEXT_MAX, "on trial, taken back %s unless you type: govctl keep %lld",
                            page_ago(page, (usec_t)field_number(trial, "until"), ago), number);
                break;
        case TRIAL_KEPT: text_append(text, TEXT_MAX, "kept; to take it back: govctl undo %lld", number); break;
        case TRIAL_BEGINNING: text_append(text, TEXT_MAX, "being written"); break;
        case TRIAL_KEEPING: text_append(text, TEXT_MAX, "being made permanent"); break;
        case TRIAL_ENDING: text_append(text, TEXT_MAX, "being taken back: %s", field_text(trial, "why")); break;
        case TRIAL_STUCK:
                text_append(text, TEXT_MAX, "CANNOT BE TAKEN BACK, and is tried again (govctl log --outcome fail): %s",
                            field_text(trial, "why"));
                break;
        default: text_append(text, TEXT_MAX, "over: %s", field_text(trial, "why")); break;
        }
}

static enum tint tint_of(const json_t *trial)
{
        switch (trial_state_from_name(field_text(trial, "state"))) {
        case TRIAL_STUCK: return TINT_BAD;
        case TRIAL_KEPT: return TINT_PLAIN;
        case TRIAL_OVER: return TINT_FAINT;
        default: return TINT_WATCH;
        }
}

void trial_show(struct page *page, const json_t *trial)
{
        char text[TEXT_MAX] = "", subject[SUBJECT_WORDS_MAX];

        text_append(text, sizeof text, "Trial %lld: %s of %s (%s), ", (long long)field_number(trial, "number"),
                    field_text(trial, "of"), subject_words(field_text(trial, "agent"), subject),
                    field_text(trial, "text"));
        say_state(page, trial, text);
        page_wrap(page, tint_of(trial), 2, text);
}

enum code run_trials(struct call *call)
{
        json_t *parameters = call->options.all ? json_pack("{s:b}", "all", true) : NULL;
        json_auto_t *answer = NULL;
        enum code code = daemon_ask_once(call, "trials", parameters, DAEMON_ANSWER, &answer);
        const json_t *trial;
        size_t i;

        if (code != CODE_OK)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        if (json_array_size(field(answer, "trials")) == 0)
                page_wrap(&call->page, TINT_PLAIN, 0, "Nothing is on trial, and nothing is kept.");
        json_array_foreach ((json_t *)(uintptr_t)field(answer, "trials"), i, trial)
                trial_show(&call->page, trial);
        return CODE_OK;
}

/* ---- orders ---------------------------------------------------------------------------------------------------------------- */

static bool is_dry(const json_t *answer)
{
        return strcmp(field_text(answer, "outcome"), "dry") == 0;
}

static enum code say_dry(struct call *call)
{
        page_wrap(&call->page, TINT_WATCH, 0,
                  "Nothing was done: Governor only observes now (safe mode, disarmed, or started with --observe).");
        return CODE_OK;
}

/* What systemd made of it may hold a warning, which is as loud as the rest. */
static void say_more(struct page *page, const json_t *answer)
{
        const char *but = strstr(field_text(answer, "text"), "BUT ");

        if (but)
                page_wrap(page, TINT_BAD, 0, but);
}

enum code trial_say_begun(struct call *call, const json_t *answer)
{
        const json_t *trial = field(answer, "trial");
        char text[TEXT_MAX], subject[SUBJECT_WORDS_MAX], span[TEXT_SPAN_MAX];
        usec_t until = (usec_t)field_number(trial, "until"), since = (usec_t)field_number(trial, "since");
        long long number = (long long)field_number(trial, "number");

        if (is_dry(answer))
                return say_dry(call);
        snprintf(text, sizeof text,
                 "Trial %lld: %s has %s for %s. It is taken back by itself, sooner when the agent dies or is not well.",
                 number, subject_words(field_text(trial, "agent"), subject), field_text(trial, "text"),
                 text_span(span, until > since ? until - since : 0));
        page_wrap(&call->page, TINT_GOOD, 0, text);
        page_text(&call->page, TINT_PLAIN, "To keep it:          govctl keep %lld", number);
        page_end(&call->page);
        page_text(&call->page, TINT_PLAIN, "To take it back now: govctl undo %lld", number);
        page_end(&call->page);
        say_more(&call->page, answer);
        return CODE_OK;
}

static enum code order(struct call *call, const char *method, json_t **ret)
{
        return daemon_ask_once(call, method,
                               json_pack("{s:s, s:s*}", "what", call_argument(call), "reason", call->options.reason),
                               DAEMON_ORDER, ret);
}

enum code run_keep(struct call *call)
{
        json_auto_t *answer = NULL;
        enum code code = order(call, "keep", &answer);
        char text[TEXT_MAX], subject[SUBJECT_WORDS_MAX];

        if (code != CODE_OK)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        if (is_dry(answer))
                return say_dry(call);
        snprintf(text, sizeof text, "%s keeps %s. To take it back: govctl undo %lld",
                 subject_words(field_text(answer, "agent"), subject), field_text(answer, "trial.text"),
                 (long long)field_number(answer, "trial.number"));
        page_wrap(&call->page, TINT_GOOD, 0, text);
        say_more(&call->page, answer);
        return CODE_OK;
}

enum code run_undo(struct call *call)
{
        json_auto_t *answer = NULL;
        enum code code = order(call, "undo", &answer);
        char text[TEXT_MAX], subject[SUBJECT_WORDS_MAX];

        if (code != CODE_OK)
                return code;
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        if (is_dry(answer))
                return say_dry(call);
        snprintf(text, sizeof text, "%s: %s.", subject_words(field_text(answer, "agent"), subject),
                 field_text(answer, "text"));
        page_wrap(&call->page, TINT_GOOD, 0, text);
        return CODE_OK;
}
