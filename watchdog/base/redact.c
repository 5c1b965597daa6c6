#include "base/redact.h"

#include <string.h>

#define MASK "***"
#define CHANCE_LEAST 20 /* characters; shorter ones are words, versions and names */

static bool is_lower(char c)
{
        return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
        return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static char lowered(char c)
{
        return is_upper(c) ? (char)(c - 'A' + 'a') : c;
}

/* What a key or a name is made of: no blank, quote or separator. */
static bool is_of_word(char c)
{
        return is_lower(c) || is_upper(c) || is_digit(c) || c == '_' || c == '-' || c == '+' || c == '/' || c == '=' ||
               c == '.' || c == '~' || c == '%' || (unsigned char)c >= 0x80;
}

static bool begins(const char *at, size_t left, const char *with)
{
        size_t length = strlen(with);

        return left >= length && memcmp(at, with, length) == 0;
}

/* ---- names that say what they name ---------------------------------------------------------------------------------------- */

enum telling {
        TELLS_NOTHING,
        TELLS_KEY,    /* a number behind it counts something: max_tokens, session_timeout */
        TELLS_SECRET, /* whatever is behind it */
};

/* A part of a name, between its '_', '-', '.' and changes from small to large letters. */
static enum telling part_tells(const char *part, size_t length)
{
        static const struct {
                const char *word;
                enum telling tells;
        } words[] = {
                { "key", TELLS_KEY },         { "keys", TELLS_KEY },          { "apikey", TELLS_KEY },
                { "token", TELLS_KEY },       { "tokens", TELLS_KEY },        { "credential", TELLS_KEY },
                { "credentials", TELLS_KEY }, { "auth", TELLS_KEY },          { "authorization", TELLS_KEY },
                { "bearer", TELLS_KEY },      { "cookie", TELLS_KEY },        { "session", TELLS_KEY },
                { "private", TELLS_KEY },     { "signature", TELLS_KEY },     { "sig", TELLS_KEY },
                { "dsn", TELLS_KEY },         { "webhook", TELLS_KEY },       { "secret", TELLS_SECRET },
                { "secrets", TELLS_SECRET },  { "password", TELLS_SECRET },   { "passwords", TELLS_SECRET },
                { "passwd", TELLS_SECRET },   { "passphrase", TELLS_SECRET }, { "pass", TELLS_SECRET },
                { "pwd", TELLS_SECRET },      { "pin", TELLS_SECRET },        { "salt", TELLS_SECRET },
                { "nonce", TELLS_SECRET },
        };

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
                size_t n = strlen(words[i].word);
                bool same = n == length;

                for (size_t k = 0; same && k < n; k++)
                        same = lowered(part[k]) == words[i].word[k];
                if (same)
                        return words[i].tells;
        }
        return TELLS_NOTHING;
}

static enum telling name_tells(const char *name, size_t length)
{
        enum telling most = TELLS_NOTHING, tells;
        size_t from = 0;

        for (size_t at = 0; at <= length; at++) {
                bool split = at == length || name[at] == '_' || name[at] == '-' || name[at] == '.' ||
                             (at > from && is_upper(name[at]) && is_lower(name[at - 1]));

                if (!split)
                        continue;
                tells = at > from ? part_tells(name + from, at - from) : TELLS_NOTHING;
                most = tells > most ? tells : most;
                from = at < length && is_upper(name[at]) ? at : at + 1;
        }
        return most;
}

/* ---- values that look like keys ------------------------------------------------------------------------------------------- */

static bool has_known_shape(const char *word, size_t length)
{
        static const struct {
                const char *prefix;
                size_t least;
        } shapes[] = {
                { "sk-", 8 },          { "sk_", 12 },    { "pk_", 12 },    { "rk_", 12 },
                { "ghp_", 12 },        { "gho_", 12 },   { "ghu_", 12 },   { "ghs_", 12 },
                { "github_pat_", 14 }, { "glpat-", 12 }, { "xoxb-", 10 },  { "xoxp-", 10 },
                { "xoxa-", 10 },       { "xapp-", 10 },  { "AKIA", 16 },   { "ASIA", 16 },
                { "AIza", 20 },        { "ya29.", 12 },  { "eyJ", 16 },    { "npm_", 12 },
                { "hf_", 12 },         { "SG.", 12 },    { "whsec_", 12 }, { "AGE-SECRET-KEY-", 20 },
        };

        for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
                if (length >= shapes[i].least && begins(word, length, shapes[i].prefix))
                        return true;
        return false;
}

/*
 * How many different characters a run of them has, and of how many kinds: names and prose repeat few small letters, keys do not.
 * A path or a dotted name is judged by its parts.
 */
static bool looks_like_chance(const char *run, size_t length)
{
        bool seen[256] = { false };
        size_t different = 0, digits = 0, large = 0, small = 0, turns = 0;
        bool hex = true;

        for (size_t i = 0; i < length; i++) {
                unsigned char c = (unsigned char)run[i];

                different += !seen[c];
                seen[c] = true;
                digits += is_digit(run[i]);
                large += is_upper(run[i]);
                small += is_lower(run[i]);
                hex = hex && (is_digit(run[i]) || (lowered(run[i]) >= 'a' && lowered(run[i]) <= 'f'));
                turns +=
                        i > 0 && (is_digit(run[i]) != is_digit(run[i - 1]) || is_upper(run[i]) != is_upper(run[i - 1]));
        }
        if (length < CHANCE_LEAST || different < 8)
                return false;
        if (hex)
                return digits >= 3 && (large > 0 || small > 0);
        return digits > 0 && (large + small) > 0 && turns * 4 >= length &&
               (large == 0 || small == 0 || different >= 12);
}

static bool has_chance_in_it(const char *word, size_t length)
{
        size_t from = 0;

        for (size_t at = 0; at <= length; at++) {
                if (at < length && word[at] != '/' && word[at] != '.' && word[at] != '-' && word[at] != '_')
                        continue;
                if (looks_like_chance(word + from, at - from))
                        return true;
                from = at + 1;
        }
        return looks_like_chance(word, length) && !memchr(word, '/', length) && !memchr(word, '.', length);
}

/* ---- a line --------------------------------------------------------------------------------------------------------------- */

struct out {
        char *to;
        size_t size, n;
        bool hid;
};

static void put(struct out *out, const char *text, size_t length)
{
        for (size_t i = 0; i < length && out->n + 1 < out->size; i++)
                out->to[out->n++] = text[i];
}

static void hide(struct out *out)
{
        if (out->n < strlen(MASK) || memcmp(out->to + out->n - strlen(MASK), MASK, strlen(MASK)) != 0)
                put(out, MASK, strlen(MASK));
        out->hid = true;
}

static size_t blanks(const char *at, size_t left)
{
        size_t n = 0;

        while (n < left && (at[n] == ' ' || at[n] == '\t'))
                n++;
        return n;
}

/* What stands between a name and its value: "=", ":", "=>", ": \"" ...; 0: nothing does. */
static size_t separator(const char *at, size_t left)
{
        size_t n = 0;

        if (n < left && (at[n] == '"' || at[n] == '\''))
                n++;
        n += blanks(at + n, left - n);
        if (n >= left || (at[n] != '=' && at[n] != ':'))
                return 0;
        while (n < left && (at[n] == '=' || at[n] == ':' || at[n] == '>'))
                n++;
        return n + blanks(at + n, left - n);
}

/* Length of a value: within quotes up to their end, else up to what ends it in any of the usual languages. */
static size_t value_length(const char *at, size_t left, char quote)
{
        size_t n = 0;

        if (quote) {
                while (n < left && at[n] != quote)
                        n += at[n] == '\\' && n + 1 < left ? 2 : 1;
                return n < left ? n : left;
        }
        while (n < left && at[n] != ',' && at[n] != ';' && at[n] != '}' && at[n] != ']' && at[n] != '#' &&
               at[n] != '&' && at[n] != '"' && at[n] != '\'')
                n++;
        while (n > 0 && (at[n - 1] == ' ' || at[n - 1] == '\t' || at[n - 1] == '\r'))
                n--;
        return n;
}

#define COUNT_MOST 8 /* digits; more of them may be a key */

static bool is_count(const char *at, size_t length)
{
        for (size_t i = 0; i < length; i++)
                if (!is_digit(at[i]))
                        return false;
        return length <= COUNT_MOST;
}

static bool is_plain_value(const char *at, size_t length, enum telling tells)
{
        static const char *const words[] = { "true", "false", "null", "none", "yes", "no" };

        if (length == 0 || at[0] == '{' || at[0] == '[' || at[0] == '$' || (tells == TELLS_KEY && is_count(at, length)))
                return true;
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (strlen(words[i]) == length && memcmp(at, words[i], length) == 0)
                        return true;
        return false;
}

/* A name that says that its value is secret; the value goes. Returns how much of the line was taken. */
static size_t take_named(const char *at, size_t left, size_t name, struct out *out)
{
        size_t taken = name, length, between = separator(at + taken, left - taken);
        enum telling tells = name_tells(at, name);
        char quote = 0;

        if (between == 0 || tells == TELLS_NOTHING)
                return 0;
        taken += between;
        if (taken < left && (at[taken] == '"' || at[taken] == '\'' || at[taken] == '`'))
                quote = at[taken++];
        length = value_length(at + taken, left - taken, quote);
        put(out, at, taken);
        if (is_plain_value(at + taken, length, tells))
                return taken; /* looked at as any other words */
        hide(out);
        return taken + length;
}

/* "//user:password@host" */
static size_t take_password(const char *at, size_t left, struct out *out)
{
        size_t colon = 0, end;

        if (!begins(at, left, "//"))
                return 0;
        for (end = 2; end < left && at[end] != '@'; end++) {
                if (at[end] == '/' || at[end] == ' ' || at[end] == '"' || at[end] == '\'')
                        return 0;
                if (at[end] == ':' && colon == 0)
                        colon = end;
        }
        if (end >= left || colon == 0)
                return 0;
        put(out, at, colon + 1);
        hide(out);
        return end;
}

static size_t take_bearer(const char *at, size_t left, struct out *out)
{
        static const char *const words[] = { "Bearer ", "bearer ", "Basic ", "basic " };

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
                size_t name = strlen(words[i]), length = 0;

                if (!begins(at, left, words[i]))
                        continue;
                while (name + length < left && is_of_word(at[name + length]))
                        length++;
                if (length < 8)
                        return 0;
                put(out, at, name);
                hide(out);
                return name + length;
        }
        return 0;
}

static size_t word_length(const char *at, size_t left)
{
        size_t n = 0;

        while (n < left && is_of_word(at[n]))
                n++;
        return n;
}

/* The name at the beginning of a word: "API_KEY" of "API_KEY=value". */
static size_t name_length(const char *at, size_t left)
{
        size_t n = 0;

        while (n < left &&
               (is_lower(at[n]) || is_upper(at[n]) || is_digit(at[n]) || at[n] == '_' || at[n] == '-' || at[n] == '.'))
                n++;
        return n;
}

static size_t take_word(const char *at, size_t left, struct out *out)
{
        size_t name = name_length(at, left), whole, taken;

        taken = name > 0 ? take_named(at, left, name, out) : 0;
        if (taken > 0)
                return taken;
        if (name > 0 && name < left && at[name] == '=' && !has_known_shape(at, name) && !has_chance_in_it(at, name)) {
                put(out, at, name + 1); /* what follows is a word of its own */
                return name + 1;
        }
        whole = word_length(at, left);
        if (has_known_shape(at, whole) || has_chance_in_it(at, whole))
                hide(out);
        else
                put(out, at, whole);
        return whole;
}

bool redact_line(const char *line, size_t length, char *to, size_t size)
{
        char safe[REDACT_LINE_MAX + 1], *at = safe;
        struct out out = { .to = to, .size = size };
        size_t left, taken;

        length = length < REDACT_LINE_MAX ? length : REDACT_LINE_MAX;
        for (size_t i = 0; i < length; i++)
                safe[i] = line[i] == '\t' ? ' ' : (unsigned char)line[i] < 0x20 || line[i] == 0x7f ? '?' : line[i];
        for (left = length; left > 0; at += taken, left -= taken) {
                taken = take_password(at, left, &out);
                if (taken == 0)
                        taken = take_bearer(at, left, &out);
                if (taken == 0 && is_of_word(*at))
                        taken = take_word(at, left, &out);
                if (taken == 0) {
                        put(&out, at, 1);
                        taken = 1;
                }
        }
        out.to[out.n] = '\0';
        return out.hid;
}

bool redact_is_armoured(const char *line, size_t length, bool *inside)
{
        bool begin = begins(line, length, "-----BEGIN "), end = begins(line, length, "-----END ");
        bool armoured = *inside && !end;

        *inside = (*inside || begin) && !end;
        return armoured;
}
