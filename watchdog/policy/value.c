#include "policy/value.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "policy/amount.h"

#define SHOWN_MAX 64
#define WORDS_MAX 8

/* A value as a message may show it. */
#define SHOWN(node) text_shown((char[SHOWN_MAX]){ 0 }, (node)->text)

static const char *text_shown(char buffer[SHOWN_MAX], const char *text)
{
        if (!text_copy_safe(buffer, SHOWN_MAX, text))
                text_copy(buffer + SHOWN_MAX - 4, 4, "...");
        return buffer;
}

static void *into(const struct key *key, void *base)
{
        return base && key->into != INTO_NOTHING ? (char *)base + key->into : NULL;
}

static unsigned *counter(const struct key *key, void *base)
{
        return base && key->count != INTO_NOTHING ? (unsigned *)(void *)((char *)base + key->count) : NULL;
}

static const char *const amount_nouns[FORM_N] = {
        [FORM_SIZE] = "a size such as 500M (units K, M, G)",
        [FORM_DURATION] = "a duration such as 30s (units ms, s, m, h, d)",
        [FORM_DAYS] = "a number of days such as 400d",
        [FORM_PERCENT] = "a percentage such as 60%",
};

static void check_amount(struct check *check, const struct key *key, const struct node *node, void *base)
{
        uint64_t value, least, most;
        char fixed[AMOUNT_MAX];
        void *to = into(key, base);

        if (!amount_read(key->form, node->text, &value)) {
                if (amount_guess(key->form, node->text, &value))
                        complain(&check->complaints, &node->place, "%s is '%s'; write %s", key->name, SHOWN(node),
                                 amount_write(key->form, value, fixed));
                else
                        complain(&check->complaints, &node->place, "%s is '%s'; expected %s", key->name, SHOWN(node),
                                 amount_nouns[key->form]);
                return;
        }
        amount_read(key->form, key->least, &least);
        amount_read(key->form, key->most, &most);
        if (value < least || value > most)
                complain(&check->complaints, &node->place, "%s is %s; must be %s..%s", key->name, SHOWN(node),
                         key->least, key->most);
        else if (to && key->form == FORM_DAYS)
                *(uint32_t *)to = (uint32_t)(value / USEC_PER_DAY);
        else if (to)
                *(uint64_t *)to = value;
}

static void check_count(struct check *check, const struct key *key, const struct node *node, void *base)
{
        size_t digits = strspn(node->text, "0123456789");
        unsigned long value, least = strtoul(key->least, NULL, 10), most = strtoul(key->most, NULL, 10);
        uint32_t *to = into(key, base);

        if (digits == 0 || node->text[digits]) {
                complain(&check->complaints, &node->place, "%s is '%s'; expected a whole number, %s..%s", key->name,
                         SHOWN(node), key->least, key->most);
                return;
        }
        value = strtoul(node->text, NULL, 10); /* base 10: "010" is ten; too large a number saturates */
        if (value < least || value > most)
                complain(&check->complaints, &node->place, "%s is %s; must be %s..%s", key->name, SHOWN(node),
                         key->least, key->most);
        else if (node->quoted)
                complain(&check->complaints, &node->place, "%s is a number; write %s without quotes", key->name,
                         SHOWN(node));
        else if (to)
                *to = (uint32_t)value;
}

static void check_switch(struct check *check, const struct key *key, const struct node *node, void *base)
{
        static const char *const yes = " yes on y True TRUE Yes YES On ON 1 ",
                                 *const no = " no off n False FALSE No NO Off OFF 0 ";
        char word[16];
        bool *to = into(key, base);

        if (!node->quoted && (strcmp(node->text, "true") == 0 || strcmp(node->text, "false") == 0)) {
                if (to)
                        *to = node->text[0] == 't';
                return;
        }
        snprintf(word, sizeof(word), " %.10s ", node->text);
        if (node->quoted)
                complain(&check->complaints, &node->place, "%s is true or false, without quotes", key->name);
        else if (strstr(yes, word) || strstr(no, word))
                complain(&check->complaints, &node->place, "%s is '%s'; write %s", key->name, SHOWN(node),
                         strstr(yes, word) ? "true" : "false");
        else
                complain(&check->complaints, &node->place, "%s is '%s'; must be true or false", key->name, SHOWN(node));
}

/* Splits the row's words. */
static unsigned words_of(const struct key *key, char words[WORDS_MAX][24])
{
        unsigned n = 0;

        for (const char *at = key->most; *at && n < WORDS_MAX; n++) {
                size_t length = strcspn(at, " ");

                snprintf(words[n], sizeof(words[n]), "%.*s", (int)length, at);
                at += length + (at[length] == ' ');
        }
        return n;
}

static bool read_choice(struct check *check, const struct key *key, const struct node *node, unsigned *ret)
{
        char words[WORDS_MAX][24], allowed[160] = "";
        unsigned n = words_of(key, words), nearest = 0, distance = 4;

        for (unsigned i = 0; i < n; i++) {
                unsigned d = text_distance(node->text, words[i], 3);

                if (d == 0) {
                        *ret = i;
                        return true;
                }
                if (d < distance && d * 2 <= strlen(words[i]))
                        distance = d, nearest = i;
                text_append(allowed, sizeof(allowed), "%s%s", i == 0 ? "" : i + 1 == n ? " or " : ", ", words[i]);
        }
        if (distance < 4)
                complain(&check->complaints, &node->place, "%s is '%s'; did you mean '%s'? (%s)", key->name,
                         SHOWN(node), words[nearest], allowed);
        else
                complain(&check->complaints, &node->place, "%s is '%s'; must be %s", key->name, SHOWN(node), allowed);
        return false;
}

static void check_choice(struct check *check, const struct key *key, const struct node *node, void *base)
{
        unsigned choice, *to = into(key, base); /* the enums of policy.h are unsigned int, as those of the ABI */

        if (read_choice(check, key, node, &choice) && to)
                *to = choice;
}

/* Plain words that YAML readers take for "nothing". */
static bool is_nothing(const struct node *node)
{
        return !node->quoted &&
               (node->text[0] == '\0' || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0 ||
                strcmp(node->text, "Null") == 0 || strcmp(node->text, "NULL") == 0);
}

static void check_text(struct check *check, const struct key *key, const struct node *node, void *base)
{
        const char **to = into(key, base);
        unsigned long most = key->most ? strtoul(key->most, NULL, 10) : 1024;

        if (node->text[0] == '\0')
                complain(&check->complaints, &node->place, "%s is empty", key->name);
        else if (strlen(node->text) > most)
                complain(&check->complaints, &node->place, "%s has %zu bytes; at most %lu", key->name,
                         strlen(node->text), most);
        else if (to)
                *to = node->text;
}

static void check_unit(struct check *check, const struct key *key, const struct node *node, void *base)
{
        static const char *const others[] = { ".timer", ".socket", ".scope",  ".slice", ".target",
                                              ".mount", ".path",   ".device", ".swap",  ".automount" };

        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
                if (text_ends(node->text, others[i])) {
                        complain(&check->complaints, &node->place, "'%s' is no service: only services are agents",
                                 SHOWN(node));
                        return;
                }
        if (strchr(node->text, '/') || strchr(node->text, ' '))
                complain(&check->complaints, &node->place, "'%s' is no name of a unit", SHOWN(node));
        else
                check_text(check, key, node, base);
}

static void check_path(struct check *check, const struct key *key, const struct node *node)
{
        if (node->text[0] != '/')
                complain(&check->complaints, &node->place, "'%s' in %s is not an absolute path", SHOWN(node),
                         key->name);
        else if (strstr(node->text, "/../") || text_ends(node->text, "/.."))
                complain(&check->complaints, &node->place, "'%s' in %s has '..' in it; write the path itself",
                         SHOWN(node), key->name);
        else if (strlen(node->text) > 4095)
                complain(&check->complaints, &node->place, "a path in %s is longer than 4095 bytes", key->name);
}

static void check_url(struct check *check, const struct key *key, const struct node *node)
{
        const char *host = strstr(node->text, "://");

        if ((!text_starts(node->text, "http://") && !text_starts(node->text, "https://")) || !host || !host[3] ||
            host[3] == '/' || strpbrk(node->text, " \"<>\\"))
                complain(&check->complaints, &node->place, "%s must be a URL that begins with http:// or https://",
                         key->name);
}

/* The secret itself, should somebody have put it there, is shown nowhere: neither here nor in another message's line. */
static void check_credential(struct check *check, const struct key *key, const struct node *node)
{
        char *bytes;

        if (text_starts(node->text, "credential:") && node->text[11] && !strpbrk(node->text, "/ "))
                return;
        if (text_starts(node->text, "file:/") && node->text[6])
                return;
        bytes = source_at(node->place.source, node->place.line, node->place.column);
        for (const char *end = node->place.source->bytes + node->place.source->size;
             bytes && bytes < end && !strchr("\n,}", *bytes); bytes++)
                *bytes = '*';
        complain(
                &check->complaints, &node->place,
                "%s must be credential:NAME (a systemd credential) or file:/PATH; a secret itself does not belong in a policy",
                key->name);
}

static void check_chat(struct check *check, const struct key *key, const struct node *node)
{
        const char *digits = node->text + (node->text[0] == '-');
        size_t n = strspn(digits, "0123456789");

        if (n == 0 || n > 18 || digits[n])
                complain(&check->complaints, &node->place,
                         "%s is '%s'; expected the number of a chat, such as -1001234567890", key->name, SHOWN(node));
}

static void check_quiet(struct check *check, const struct key *key, const struct node *node)
{
        static const char shape[] = "00:00-00:00";
        const char *text = node->text;
        bool right = strlen(text) == sizeof(shape) - 1;

        for (size_t i = 0; right && shape[i]; i++)
                right = shape[i] == '0' ? isdigit((unsigned char)text[i]) != 0 : text[i] == shape[i];
        for (size_t i = 0; right && i <= 6; i += 6)
                right = (text[i] - '0') * 10 + text[i + 1] - '0' < 24 && text[i + 3] < '6';
        if (!right)
                complain(&check->complaints, &node->place, "%s is '%s'; expected hours such as \"22:00-07:00\"",
                         key->name, SHOWN(node));
}

static unsigned children(const struct node *list)
{
        unsigned n = 0;

        for (const struct node *at = list->first; at; at = at->next)
                n++;
        return n;
}

/* Whether an entry of a list is one value, complained of when it is not. */
static bool is_entry(struct check *check, const struct key *key, const struct node *node)
{
        if (node->kind == NODE_LIST || node->kind == NODE_MAPPING)
                complain(&check->complaints, &node->place, "each entry of %s is one value", key->name);
        else if (node->kind == NODE_SCALAR && is_nothing(node))
                complain(&check->complaints, &node->place, "an entry of %s is empty", key->name);
        else
                return node->kind == NODE_SCALAR;
        return false;
}

static void check_texts(struct check *check, const struct key *key, const struct node *node, void *base)
{
        const char ***to = into(key, base), **texts;
        unsigned *n = counter(key, base), before = to ? *n : 0, now = 0, most = (unsigned)strtoul(key->most, NULL, 10);

        if (before + children(node) > most) {
                complain(&check->complaints, &node->place, "%s has %u entries; at most %u", key->name,
                         before + children(node), most);
                return;
        }
        texts = arena_take(check->arena, (before + children(node) + 1) * sizeof(*texts));
        if (!texts)
                return;
        for (const struct node *at = node->first; at; at = at->next) {
                if (!is_entry(check, key, at))
                        continue;
                if (key->form == FORM_PATHS)
                        check_path(check, key, at);
                for (const struct node *earlier = node->first; earlier != at; earlier = earlier->next)
                        if (earlier->kind == NODE_SCALAR && strcmp(earlier->text, at->text) == 0)
                                warn_of(&check->complaints, &at->place, "'%s' stands in %s twice", SHOWN(at),
                                        key->name);
                texts[before + now++] = at->text;
        }
        if (!to)
                return;
        if (before > 0)
                memcpy(texts, *to, before * sizeof(*texts));
        *to = texts;
        *n = before + now;
}

static void check_choices(struct check *check, const struct key *key, const struct node *node, void *base)
{
        unsigned *to = into(key, base), *n = counter(key, base), filled = 0, choice;

        if (!node->first)
                complain(&check->complaints, &node->place, "%s is empty", key->name);
        for (const struct node *at = node->first; at; at = at->next) {
                if (filled == POLICY_LADDER_MAX) {
                        complain(&check->complaints, &at->place, "%s has more than %d entries", key->name,
                                 POLICY_LADDER_MAX);
                        return;
                }
                if (is_entry(check, key, at) && read_choice(check, key, at, &choice)) {
                        if (to)
                                to[filled] = choice;
                        filled++;
                }
        }
        if (to)
                *n = filled;
}

static bool is_list_form(enum form form)
{
        return form == FORM_CHOICES || form == FORM_TEXTS || form == FORM_PATHS;
}

/* One value where a list belongs is told how to become one. */
static bool has_right_kind(struct check *check, const struct key *key, const struct node *node)
{
        if (node->kind == NODE_REFUSED)
                return false;
        if (node->kind == NODE_SCALAR && is_nothing(node))
                complain(&check->complaints, &node->place, "%s has no value", key->name);
        else if (is_list_form(key->form) && node->kind == NODE_SCALAR)
                complain(&check->complaints, &node->place, "%s is a list; write [%s]", key->name, SHOWN(node));
        else if (is_list_form(key->form) && node->kind == NODE_MAPPING)
                complain(&check->complaints, &node->place, "%s is a list, not keys and values", key->name);
        else if (!is_list_form(key->form) && node->kind == NODE_LIST)
                complain(&check->complaints, &node->place, "%s is one value, not a list", key->name);
        else if (!is_list_form(key->form) && node->kind == NODE_MAPPING)
                complain(&check->complaints, &node->place, "%s is one value; it has no keys of its own", key->name);
        else
                return true;
        return false;
}

void value_check(struct check *check, const struct key *key, const struct node *node, void *base)
{
        if (key->form != FORM_CREDENTIAL && !has_right_kind(check, key, node))
                return;
        switch (key->form) {
        case FORM_SIZE:
        case FORM_DURATION:
        case FORM_DAYS:
        case FORM_PERCENT: check_amount(check, key, node, base); break;
        case FORM_COUNT: check_count(check, key, node, base); break;
        case FORM_SWITCH: check_switch(check, key, node, base); break;
        case FORM_CHOICE: check_choice(check, key, node, base); break;
        case FORM_CHOICES: check_choices(check, key, node, base); break;
        case FORM_TEXTS:
        case FORM_PATHS: check_texts(check, key, node, base); break;
        case FORM_UNIT: check_unit(check, key, node, base); break;
        case FORM_TEXT:
        case FORM_APP: check_text(check, key, node, base); break;
        case FORM_URL: check_url(check, key, node); break;
        case FORM_CREDENTIAL:
                if (node->kind == NODE_SCALAR)
                        check_credential(check, key, node);
                else if (has_right_kind(check, key, node))
                        complain(&check->complaints, &node->place, "%s has no value", key->name);
                break;
        case FORM_CHAT: check_chat(check, key, node); break;
        case FORM_QUIET: check_quiet(check, key, node); break;
        default: break;
        }
}
