#include "govctl/usage.h"

#include "govctl/options.h"
#include "govctl/verbs.h"

/* Where explanations begin; a narrow page gives them lines of their own. */
static unsigned help_column(const struct page *page)
{
        return page->width < 70 ? 6 : 28;
}

static void show_help(struct page *page, const char *help)
{
        unsigned column = help_column(page);

        if (page->at >= column)
                page_end(page);
        page_go(page, column);
        page_wrap(page, TINT_PLAIN, column, help);
}

static void show_option(struct page *page, const struct option_row *row)
{
        page_go(page, 2);
        if (row->letter)
                page_text(page, TINT_STRONG, "-%c, ", row->letter);
        else
                page_put(page, TINT_STRONG, "    ");
        page_text(page, TINT_STRONG,
                  row->optional   ? "--%s[=%s]"
                  : row->argument ? "--%s %s"
                                  : "--%s",
                  row->name, row->argument);
        show_help(page, row->help);
}

static void show_options(struct page *page, unsigned takes, const char *title)
{
        bool any = false;

        for (size_t i = 0; i < option_rows_n; i++) {
                const struct option_row *row = &option_rows[i];

                if (takes == TAKES_ALWAYS ? row->takes != TAKES_ALWAYS : !(row->takes & takes))
                        continue;
                if (!any) {
                        page_end(page);
                        page_put(page, TINT_STRONG, title);
                        page_end(page);
                }
                any = true;
                show_option(page, row);
        }
}

static json_t *verb_json(const struct verb *verb)
{
        return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b}", "name", verb->name, "arguments", verb->arguments,
                         "help", verb->help, "about", verb->about, "example", verb->example, "needs_daemon",
                         verb->daemon, "may_find", verb->finds);
}

/* One verb, those that begin with the words, or with neither all of them. */
static enum code usage_json(struct call *call, const struct verb *only, const char *const *words, unsigned n)
{
        json_auto_t *list = json_array();

        for (size_t i = 0; i < verbs_n; i++)
                if ((!only || only == &verbs[i]) && (n == 0 || verb_is_of(&verbs[i], words, n)))
                        json_array_append_new(list, verb_json(&verbs[i]));

        json_auto_t *json = json_pack("{s:i, s:O}", "schema_version", 1, "verbs", list);

        return json ? call_print_json(call, json, CODE_OK) : call_out_of_memory(call);
}

static void show_verb(struct page *page, const struct verb *verb)
{
        page_go(page, 2);
        page_text(page, TINT_STRONG, "%s %s", verb->name, verb->arguments);
        show_help(page, verb->help);
}

enum code usage_all(struct call *call)
{
        struct page *page = &call->page;

        if (call->options.json)
                return usage_json(call, NULL, NULL, 0);
        page_wrap(page, TINT_PLAIN, 0, "govctl shows what Governor sees and asks it to act.");
        page_end(page);
        page_wrap(page, TINT_STRONG, 4, "govctl [OPTION...] [VERB [ARGUMENT...]]");
        page_end(page);
        page_put(page, TINT_STRONG, "Verbs");
        page_end(page);
        for (size_t i = 0; i < verbs_n; i++)
                show_verb(page, &verbs[i]);
        show_options(page, TAKES_ALWAYS, "Options of every verb");
        page_end(page);
        page_wrap(
                page, TINT_PLAIN, 0,
                "Ends with 0 ok, 1 failure, 2 usage, 3 a finding, 4 not permitted, 5 not found, 6 daemon unreachable, "
                "7 timed out or unproven, 130 interrupted.");
        page_wrap(page, TINT_PLAIN, 0, "More: govctl help VERB, man govctl");
        return CODE_OK;
}

enum code usage_verb(struct call *call, const struct verb *verb)
{
        struct page *page = &call->page;

        if (call->options.json)
                return usage_json(call, verb, NULL, 0);
        page_text(page, TINT_STRONG, "govctl %s%s%s", verb->name, verb->arguments[0] ? " " : "", verb->arguments);
        page_end(page);
        page_end(page);
        page_wrap(page, TINT_PLAIN, 0, verb->about);
        if (verb->finds)
                page_wrap(page, TINT_PLAIN, 0, "Ends with 3 when it shows a finding.");
        page_end(page);
        page_wrap(page, TINT_STRONG, 4, verb->example);
        if (verb->takes != TAKES_ALWAYS)
                show_options(page, verb->takes, "Its own options");
        show_options(page, TAKES_ALWAYS, "Options of every verb");
        return CODE_OK;
}

enum code usage_words(struct call *call, const char *const *words, unsigned n)
{
        unsigned taken;
        const struct verb *verb = verb_find(words, n, &taken);
        bool any = false;

        if (verb)
                return usage_verb(call, verb);
        for (size_t i = 0; i < verbs_n; i++)
                any |= verb_is_of(&verbs[i], words, n);
        if (!any)
                return verb_complain_unknown(call, words, n);
        if (call->options.json)
                return usage_json(call, NULL, words, n);
        for (size_t i = 0; i < verbs_n; i++)
                if (verb_is_of(&verbs[i], words, n))
                        show_verb(&call->page, &verbs[i]);
        return CODE_OK;
}

enum code run_help(struct call *call)
{
        return call->arguments_n == 0 ? usage_all(call) : usage_words(call, call->arguments, call->arguments_n);
}
