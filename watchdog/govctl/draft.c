#include "govctl/draft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/agent.h"
#include "base/text.h"
#include "io/cleanup.h"
#include "policy/edit.h"
#include "policy/sheet.h"

struct draft {
        struct draft_of of;
        struct edit **edits; /* by file */
};

struct draft *draft_free(struct draft *draft)
{
        if (!draft)
                return NULL;
        for (size_t i = 0; draft->edits && i < draft->of.files_n; i++)
                edit_free(draft->edits[i]);
        free(draft->edits);
        free(draft);
        return NULL;
}

int draft_new(const struct draft_of *of, struct draft **ret)
{
        struct draft *draft = calloc(1, sizeof *draft);
        int r = draft ? 0 : -ENOMEM;

        if (r >= 0) {
                draft->of = *of;
                draft->edits = calloc(of->files_n + 1, sizeof *draft->edits);
                r = draft->edits ? 0 : -ENOMEM;
        }
        for (size_t i = 0; r >= 0 && i < of->files_n; i++)
                r = edit_new(of->files[i].text, strlen(of->files[i].text), &draft->edits[i]);
        if (r < 0) {
                draft_free(draft);
                return r;
        }
        *ret = draft;
        return 0;
}

/* ---- where things stand ------------------------------------------------------------------------------------------------- */

static size_t file_of(const struct draft *draft, const struct rule *rule)
{
        size_t file = 0;

        while (file < draft->of.files_n && strcmp(draft->of.files[file].name, rule->origin.file) != 0)
                file++;
        return file;
}

/* Which of the rules of its file it is. */
static unsigned place_of(const struct draft *draft, const struct rule *rule)
{
        unsigned place = 0;

        for (const struct rule *at = draft->of.policy->rules; at < rule; at++)
                place += strcmp(at->origin.file, rule->origin.file) == 0;
        return place;
}

/* The last file that has the class is the one that counts. */
static size_t file_of_class(const struct draft *draft, const char *name)
{
        size_t file = draft->of.files_n;

        while (file > 0)
                if (edit_has_class(draft->edits[--file], name))
                        return file;
        return draft->of.files_n;
}

void draft_new_class(const struct draft *draft, const struct rule *rule, const char *id, char name[DRAFT_CLASS_MAX])
{
        char stem[AGENT_ID_MAX];
        unsigned number = 1;

        agent_short_name(id, stem);
        if (agent_manager(rule->name) == MANAGER_NONE && strlen(rule->name) < DRAFT_CLASS_MAX - 4)
                text_copy(stem, sizeof stem, rule->name);
        if (strlen(stem) >= DRAFT_CLASS_MAX - 4)
                text_copy(stem, sizeof stem, "learned");
        text_copy(name, DRAFT_CLASS_MAX, stem);
        while (file_of_class(draft, name) < draft->of.files_n)
                snprintf(name, DRAFT_CLASS_MAX, "%.58s-%u", stem, ++number);
}

int draft_ceiling(struct draft *draft, const struct rule *rule, const char *class_name, uint64_t bytes)
{
        size_t file = rule->agent_class ? file_of_class(draft, class_name) : file_of(draft, rule);
        int r = file < draft->of.files_n ? edit_class_ceiling(draft->edits[file], class_name, bytes, rule->memory.of)
                                         : -ENOENT;

        if (r >= 0 && !rule->agent_class)
                r = edit_rule_class(draft->edits[file], place_of(draft, rule), class_name);
        return r;
}

int draft_rule_key(struct draft *draft, const struct rule *rule, const char *key, const char *value)
{
        size_t file = file_of(draft, rule);

        return file < draft->of.files_n ? edit_rule_key(draft->edits[file], place_of(draft, rule), key, value)
                                        : -ENOENT;
}

/* ---- the difference ----------------------------------------------------------------------------------------------------- */

/* patch takes no absolute paths. */
static const char *relative(const char *root, const char *path)
{
        if (text_starts(path, root))
                path += strlen(root);
        while (*path == '/')
                path++;
        return path;
}

/* It has to load as it would be; if not, that is our mistake, and nobody is to be given it. */
static int check(const struct policy_text *texts, size_t n, char **ret_mistake)
{
        struct policy_messages messages = { 0 };
        struct policy *policy = NULL;
        char *mistake = NULL;
        int r = policy_load_texts(texts, n, &policy, &messages);

        for (size_t i = 0; r == -EINVAL && i < messages.n && !mistake; i++)
                if (!messages.list[i].warning && asprintf(&mistake, "%s:%u: %s", messages.list[i].file,
                                                          messages.list[i].line, messages.list[i].text) < 0)
                        r = -ENOMEM;
        policy_messages_done(&messages);
        policy_free(policy);
        if (r < 0 && r != -EINVAL)
                return r;
        *ret_mistake = mistake;
        return 0;
}

static int add_difference(struct sheet *sheet, const struct draft *draft, size_t file)
{
        _cleanup_free_ char *diff = NULL;
        int r = edit_diff(draft->edits[file], relative(draft->of.root, draft->of.files[file].name), &diff);

        if (r >= 0)
                sheet_print(sheet, "%s", diff);
        return r;
}

static int read_texts(const struct draft *draft, struct policy_text *texts, struct sheet *sheet)
{
        int r = 0;

        for (size_t i = 0; i < draft->of.files_n && r >= 0; i++) {
                texts[i].name = draft->of.files[i].name;
                r = edit_text(draft->edits[i], (char **)(uintptr_t)&texts[i].text);
                if (r >= 0)
                        r = add_difference(sheet, draft, i);
        }
        return r;
}

int draft_difference(const struct draft *draft, char **ret_diff, char **ret_mistake)
{
        _cleanup_free_ struct policy_text *texts = calloc(draft->of.files_n + 1, sizeof *texts);
        struct sheet sheet = { 0 };
        int r = texts ? read_texts(draft, texts, &sheet) : -ENOMEM;

        if (r >= 0)
                r = check(texts, draft->of.files_n, ret_mistake);
        if (r >= 0)
                r = sheet_finish(&sheet, ret_diff);
        else
                free(sheet.text);
        if (r >= 0 && *ret_mistake)
                (*ret_diff)[0] = '\0';
        for (size_t i = 0; texts && i < draft->of.files_n; i++)
                free((char *)(uintptr_t)texts[i].text);
        return r;
}

int draft_whole_file(const char *path, const char *text, char **ret_diff, char **ret_mistake)
{
        struct sheet sheet = { 0 };
        size_t lines = 0;
        int r = check(&(struct policy_text){ path, text }, 1, ret_mistake);

        if (r < 0)
                return r;
        for (const char *at = text; *at; at++)
                lines += *at == '\n';
        if (!*ret_mistake)
                sheet_print(&sheet, "--- /dev/null\n+++ %s\n@@ -0,0 +1,%zu @@\n", relative("/", path), lines);
        for (const char *at = text; !*ret_mistake && *at; at += strcspn(at, "\n") + 1)
                sheet_print(&sheet, "+%.*s\n", (int)strcspn(at, "\n"), at);
        return sheet_finish(&sheet, ret_diff);
}
