#include "policy/meet.h"

#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/text.h"

/* Stands for what a wildcard of one pattern matches; no name of a file that somebody means has it. */
#define UNUSUAL '\x01'

static bool matches(enum pattern_kind kind, const char *pattern, const char *text)
{
        return kind == PATTERN_PATH ? path_glob(pattern, text) : text_glob(pattern, text);
}

#define SET_MAX 64 /* a longer set of characters takes none */

/* One step of a pattern: how long it is, and whether it takes any number of characters. */
struct piece {
        size_t length; /* 0 at the end */
        bool star;
        bool folders; /* a '**' with a slash behind it: it stands for no folder too, and then the slash is not there */
};

static struct piece piece_at(enum pattern_kind kind, const char *pattern)
{
        const char *closed;
        size_t length;

        switch (pattern[0]) {
        case '\0': return (struct piece){ 0 };
        case '*':
                length = strspn(pattern, "*");
                return (struct piece){ length, true, kind == PATTERN_PATH && length > 1 && pattern[length] == '/' };
        case '[':
                closed = pattern[1] ? strchr(pattern + 2, ']') : NULL;
                return (struct piece){ closed ? (size_t)(closed - pattern) + 1 : 1, false, false };
        case '\\': return (struct piece){ pattern[1] ? 2 : 1, false, false };
        default: return (struct piece){ 1, false, false };
        }
}

/* Whether the piece takes this character. */
static bool takes(enum pattern_kind kind, const char *pattern, const struct piece *piece, char character)
{
        char one[SET_MAX], text[2] = { character, '\0' };

        if (piece->length == 0 || (!piece->star && piece->length >= sizeof(one)))
                return false;
        if (piece->star)
                return kind == PATTERN_TEXT || piece->length > 1 || character != '/';
        memcpy(one, pattern, piece->length);
        one[piece->length] = '\0';
        return matches(kind, one, text);
}

struct meeting {
        enum pattern_kind kind;
        const char *a, *b;
        size_t b_length;
        unsigned char *seen; /* by place in a and b: nothing was found from here */
        char *text;
        size_t n;
};

/* The character that the piece is, '\0' when it is a wildcard. */
static char literal(const char *pattern, const struct piece *piece)
{
        if (piece->star || pattern[0] == '?' || piece->length > 2)
                return '\0';
        return pattern[piece->length - (piece->length > 0)];
}

/* A character that both take, '\0' when there is none. Letters come first: an example is to be read. */
static char common(const struct meeting *meeting, const char *a, const struct piece *in_a, const char *b,
                   const struct piece *in_b)
{
        static const char first[] = "xabcdefghijklmnopqrstuvwyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
        const char likely[] = { literal(a, in_a), literal(b, in_b) };

        for (unsigned i = 0; i < 2; i++)
                if (likely[i] && takes(meeting->kind, a, in_a, likely[i]) && takes(meeting->kind, b, in_b, likely[i]))
                        return likely[i];
        for (const char *at = first; *at; at++)
                if (takes(meeting->kind, a, in_a, *at) && takes(meeting->kind, b, in_b, *at))
                        return *at;
        for (int c = 1; c < 256; c++)
                if (takes(meeting->kind, a, in_a, (char)c) && takes(meeting->kind, b, in_b, (char)c))
                        return (char)c;
        return '\0';
}

static bool meet(struct meeting *meeting, const char *a, const char *b)
{
        size_t place = (size_t)(a - meeting->a) * (meeting->b_length + 1) + (size_t)(b - meeting->b);
        struct piece in_a = piece_at(meeting->kind, a), in_b = piece_at(meeting->kind, b);
        char both;

        if (!*a && !*b) {
                meeting->text[meeting->n] = '\0';
                return matches(meeting->kind, meeting->a, meeting->text) &&
                       matches(meeting->kind, meeting->b, meeting->text);
        }
        if (meeting->seen[place / 8] & (1U << place % 8))
                return false;
        meeting->seen[place / 8] |= (unsigned char)(1U << place % 8);
        if ((in_a.star && meet(meeting, a + in_a.length + in_a.folders, b)) ||
            (in_a.folders && meet(meeting, a + in_a.length, b)) ||
            (in_b.star && meet(meeting, a, b + in_b.length + in_b.folders)) ||
            (in_b.folders && meet(meeting, a, b + in_b.length)))
                return true;
        both = common(meeting, a, &in_a, b, &in_b);
        if (!both || meeting->n + 1 >= MEET_MAX)
                return false;
        meeting->text[meeting->n++] = both;
        if (meet(meeting, in_a.star ? a : a + in_a.length, in_b.star ? b : b + in_b.length))
                return true;
        meeting->n--;
        return false;
}

/* A folder is everything below it. */
static bool spelled_out(enum pattern_kind kind, const char *pattern, char ret[MEET_MAX])
{
        size_t length = strlen(pattern);

        if (length == 0 || length + 3 >= MEET_MAX)
                return false;
        memcpy(ret, pattern, length + 1);
        if (kind == PATTERN_PATH && pattern[length - 1] == '/')
                memcpy(ret + length, "**", 3);
        return true;
}

static bool begin_alike(const char *a, const char *b)
{
        size_t plain = strcspn(a, "*?[\\"), other = strcspn(b, "*?[\\");

        return strncmp(a, b, plain < other ? plain : other) == 0;
}

/* No file's name ends in a slash: where a '**' came to nothing, one more character makes it a file. */
static void end_in_a_name(struct meeting *meeting)
{
        size_t n = strlen(meeting->text);

        if (meeting->kind != PATTERN_PATH || n == 0 || meeting->text[n - 1] != '/' || n + 1 >= MEET_MAX)
                return;
        memcpy(meeting->text + n, "x", 2);
        if (!path_glob(meeting->a, meeting->text) || !path_glob(meeting->b, meeting->text))
                meeting->text[n] = '\0';
}

bool patterns_meet(enum pattern_kind kind, const char *a, const char *b, char ret[MEET_MAX])
{
        char whole_a[MEET_MAX], whole_b[MEET_MAX], text[MEET_MAX];
        struct meeting meeting = { .kind = kind, .a = whole_a, .b = whole_b, .text = text };
        bool found;

        if (!spelled_out(kind, a, whole_a) || !spelled_out(kind, b, whole_b) || !begin_alike(whole_a, whole_b))
                return false;
        meeting.b_length = strlen(whole_b);
        meeting.seen = calloc(1, (strlen(whole_a) + 1) * (meeting.b_length + 1) / 8 + 1);
        if (!meeting.seen)
                return false;
        found = meet(&meeting, whole_a, whole_b);
        free(meeting.seen);
        if (!found)
                return false;
        end_in_a_name(&meeting);
        text_copy(ret, MEET_MAX, text);
        return true;
}

bool pattern_example(enum pattern_kind kind, const char *pattern, bool deep, char ret[MEET_MAX])
{
        static const char word[] = { UNUSUAL, '\0' }, words[] = { UNUSUAL, '/', UNUSUAL, '\0' };
        char whole[MEET_MAX], text[MEET_MAX] = "";

        if (!spelled_out(kind, pattern, whole))
                return false;
        for (const char *at = whole; *at;) {
                struct piece piece = piece_at(kind, at);
                bool set = at[0] == '[' && piece.length > 1;

                if (piece.star)
                        text_append(text, sizeof(text), "%s",
                                    deep && piece.length > 1 && kind == PATTERN_PATH ? words : word);
                else if (at[0] == '?' || (set && takes(kind, at, &piece, UNUSUAL)))
                        text_append(text, sizeof(text), "%s", word);
                else if (set)
                        text_append(text, sizeof(text), "%c", at[at[1] == '!' || at[1] == '^' ? 2 : 1]);
                else
                        text_append(text, sizeof(text), "%c", at[piece.length - 1]);
                at += piece.length;
        }
        text_copy(ret, MEET_MAX, text);
        return matches(kind, pattern, ret);
}
