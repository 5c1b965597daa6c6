#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the well-formed UTF-8 character at `at`; 0 at the end of the string and for bytes that are not UTF-8. */
static size_t character_length(const char *at)
{
        const unsigned char *c = (const unsigned char *)at;
        size_t length;
        uint32_t code, least;

        if (c[0] < 0x80)
                return c[0] != '\0';
        if (c[0] >= 0xC2 && c[0] <= 0xDF)
                length = 2, code = c[0] & 0x1F, least = 0x80;
        else if ((c[0] & 0xF0) == 0xE0)
                length = 3, code = c[0] & 0x0F, least = 0x800;
        else if (c[0] >= 0xF0 && c[0] <= 0xF4)
                length = 4, code = c[0] & 0x07, least = 0x10000;
        else
                return 0;
        for (size_t i = 1; i < length; i++) {
                if ((c[i] & 0xC0) != 0x80)
                        return 0;
                code = code << 6 | (c[i] & 0x3F);
        }
        if (code < least || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
                return 0;
        return length;
}

/* How much of the first `length` bytes can be kept without cutting a character in two. */
static size_t cut_at_boundary(const char *text, size_t length)
{
        size_t start = length;

        for (unsigned back = 1; start > 0 && back < 4; back++) {
                unsigned char lead = (unsigned char)text[--start];

                if ((lead & 0xC0) == 0x80)
                        continue;
                return lead >= 0xC0 && back < (lead < 0xE0 ? 2u : lead < 0xF0 ? 3u : 4u) ? start : length;
        }
        return length;
}

bool text_copy(char *to, size_t size, const char *from)
{
        size_t length = strlen(from);

        if (size == 0)
                return false;
        if (length < size) {
                memcpy(to, from, length + 1);
                return true;
        }
        length = cut_at_boundary(from, size - 1);
        memcpy(to, from, length);
        to[length] = '\0';
        return false;
}

/* C0, DEL, the C1 controls that terminals obey, and the marks that turn the writing direction around. */
static bool is_control(const char *at, size_t length)
{
        const unsigned char *c = (const unsigned char *)at;

        if (length == 1)
                return c[0] < 0x20 || c[0] == 0x7F;
        if (length == 2)
                return c[0] == 0xC2 && c[1] < 0xA0;
        return length == 3 && c[0] == 0xE2 &&
               ((c[1] == 0x80 && ((c[2] >= 0x8E && c[2] <= 0x8F) || (c[2] >= 0xA8 && c[2] <= 0xAE))) ||
                (c[1] == 0x81 && c[2] >= 0xA6 && c[2] <= 0xA9));
}

bool text_copy_safe(char *to, size_t size, const char *from)
{
        size_t used = 0;

        if (size == 0)
                return false;
        while (*from) {
                size_t length = character_length(from);
                bool shown = length > 0 && !is_control(from, length);
                size_t written = shown ? length : 1;

                if (used + written >= size)
                        break;
                if (shown)
                        memcpy(to + used, from, length);
                else
                        to[used] = '?';
                used += written;
                from += length > 0 ? length : 1;
        }
        to[used] = '\0';
        return *from == '\0';
}

void text_append(char *to, size_t size, const char *format, ...)
{
        size_t used = strnlen(to, size);
        va_list arguments;
        int wanted;

        if (used + 1 >= size)
                return;
        va_start(arguments, format);
        wanted = vsnprintf(to + used, size - used, format, arguments);
        va_end(arguments);
        if (wanted < 0) /* the text that was there stays */
                to[used] = '\0';
        else if ((size_t)wanted >= size - used)
                to[cut_at_boundary(to, size - 1)] = '\0';
}

char *text_span(char buffer[TEXT_SPAN_MAX], usec_t span)
{
        static const struct {
                usec_t large, small;
                const char *large_name, *small_name;
        } units[] = {
                { USEC_PER_DAY, USEC_PER_HOUR, "d", "h" },
                { USEC_PER_HOUR, USEC_PER_MINUTE, "h", "m" },
                { USEC_PER_MINUTE, USEC_PER_SEC, "m", "s" },
        };

        if (span == USEC_INFINITY)
                text_copy(buffer, TEXT_SPAN_MAX, "forever");
        else if (span < USEC_PER_SEC)
                snprintf(buffer, TEXT_SPAN_MAX, "%llums", (unsigned long long)(span / USEC_PER_MSEC));
        else if (span < 10 * USEC_PER_SEC && span % USEC_PER_SEC != 0)
                snprintf(buffer, TEXT_SPAN_MAX, "%llu.%llus", (unsigned long long)(span / USEC_PER_SEC),
                         (unsigned long long)(span % USEC_PER_SEC / (USEC_PER_SEC / 10)));
        else if (span < USEC_PER_MINUTE)
                snprintf(buffer, TEXT_SPAN_MAX, "%llus", (unsigned long long)(span / USEC_PER_SEC));
        else {
                unsigned i = 0;
                usec_t rest;

                while (span < units[i].large)
                        i++;
                rest = span % units[i].large / units[i].small;
                snprintf(buffer, TEXT_SPAN_MAX, "%llu%s", (unsigned long long)(span / units[i].large),
                         units[i].large_name);
                if (rest > 0)
                        text_append(buffer, TEXT_SPAN_MAX, " %llu%s", (unsigned long long)rest, units[i].small_name);
        }
        return buffer;
}

char *text_bytes(char buffer[TEXT_BYTES_MAX], uint64_t bytes)
{
        static const char names[] = "MGTPE";
        uint64_t unit = 1024, tenths;
        unsigned i = 0;

        if (bytes < 1024) {
                snprintf(buffer, TEXT_BYTES_MAX, "%lluB", (unsigned long long)bytes);
                return buffer;
        }
        if (bytes < 1024 * 1024 - 512) { /* from there on it would round to 1024K */
                snprintf(buffer, TEXT_BYTES_MAX, "%lluK", (unsigned long long)((bytes + 512) / 1024));
                return buffer;
        }
        for (;; i++) {
                unit *= 1024;
                tenths = bytes / unit * 10 + (bytes % unit / 16 * 10 + unit / 32) / (unit / 16);
                if (tenths < 10240 || i + 2 == sizeof(names))
                        break;
        }
        snprintf(buffer, TEXT_BYTES_MAX, "%u.%u%c", (unsigned)(tenths / 10) % 10000, (unsigned)(tenths % 10), names[i]);
        return buffer;
}

char *text_count(char buffer[TEXT_COUNT_MAX], uint64_t count)
{
        char digits[TEXT_COUNT_MAX], *to = buffer;
        int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count);

        for (int i = 0; i < n; i++) {
                if (i > 0 && (n - i) % 3 == 0)
                        *to++ = ',';
                *to++ = digits[i];
        }
        *to = '\0';
        return buffer;
}

/* One step over a character, whatever its bytes are. */
static const char *next_character(const char *at)
{
        size_t length = character_length(at);

        return at + (length > 0 ? length : 1);
}

static bool same_character(const char *a, const char *b)
{
        size_t length = (size_t)(next_character(a) - a);

        return strncmp(a, b, length) == 0;
}

/* Order of two characters: UTF-8 compares by its bytes as by its code points. */
static int compare_characters(const char *a, const char *b)
{
        size_t a_length = (size_t)(next_character(a) - a), b_length = (size_t)(next_character(b) - b);
        int order = memcmp(a, b, a_length < b_length ? a_length : b_length);

        return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}

/* The end of the set that `pattern` ("[...") opens, after its ']'; NULL when nothing closes it and '[' is just itself. */
static const char *match_set(const char *pattern, const char *character, bool *ret_matches)
{
        const char *at = pattern + 1;
        bool negated = *at == '!' || *at == '^', matches = false;

        if (negated)
                at++;
        for (const char *first = at; *at && (*at != ']' || at == first); at = next_character(at)) {
                const char *low, *high;

                if (*at == '\\' && at[1])
                        at++;
                low = high = at;
                if (next_character(at)[0] == '-' && next_character(at)[1] && next_character(at)[1] != ']') {
                        high = at = next_character(at) + 1;
                        if (*at == '\\' && at[1])
                                high = ++at;
                }
                if (compare_characters(low, character) <= 0 && compare_characters(character, high) <= 0)
                        matches = true;
        }
        if (*at != ']')
                return NULL;
        *ret_matches = matches != negated;
        return at + 1;
}

/* Matches one character of the string against one element of the pattern; NULL, or what follows the element. */
static const char *match_element(const char *pattern, const char *character)
{
        if (*pattern == '?')
                return pattern + 1;
        if (*pattern == '[') {
                bool matches;
                const char *end = match_set(pattern, character, &matches);

                if (end)
                        return matches ? end : NULL;
        }
        if (*pattern == '\\' && pattern[1])
                pattern++;
        return same_character(pattern, character) ? next_character(pattern) : NULL;
}

/* A '*' that cannot match is given one more character, and only the last one is: no pattern takes exponential time. */
bool text_glob(const char *pattern, const char *string)
{
        const char *star = NULL, *retry = NULL;

        while (*string) {
                const char *after;

                if (*pattern == '*') {
                        star = ++pattern;
                        retry = string;
                        continue;
                }
                after = *pattern ? match_element(pattern, string) : NULL;
                if (after) {
                        pattern = after;
                        string = next_character(string);
                } else if (star) {
                        pattern = star;
                        string = retry = next_character(retry);
                } else
                        return false;
        }
        while (*pattern == '*')
                pattern++;
        return *pattern == '\0';
}

/* Longer words are told apart by more than a slip of the finger. */
#define DISTANCE_LENGTH_MAX 63

static unsigned least_of(unsigned a, unsigned b)
{
        return a < b ? a : b;
}

unsigned text_distance(const char *a, const char *b, unsigned most)
{
        unsigned rows[3][DISTANCE_LENGTH_MAX + 1];
        unsigned *before = rows[0], *last = rows[1], *now = rows[2];
        size_t a_length = strlen(a), b_length = strlen(b);

        if (a_length > DISTANCE_LENGTH_MAX || b_length > DISTANCE_LENGTH_MAX)
                return strcmp(a, b) == 0 ? 0 : most + 1;
        for (unsigned j = 0; j <= b_length; j++)
                last[j] = j;
        for (unsigned i = 1; i <= a_length; i++) {
                unsigned *spare = before;

                now[0] = i;
                for (unsigned j = 1; j <= b_length; j++) {
                        now[j] = least_of(last[j - 1] + (a[i - 1] != b[j - 1]), least_of(last[j], now[j - 1]) + 1);
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                now[j] = least_of(now[j], before[j - 2] + 1);
                }
                before = last, last = now, now = spare;
        }
        return least_of(last[b_length], most + 1);
}

uint32_t text_hash(const char *text)
{
        uint32_t hash = 2166136261U;

        for (; *text; text++)
                hash = (hash ^ (unsigned char)*text) * 16777619U;
        return hash;
}

bool text_digits(const char **text, const char *end, uint64_t *ret)
{
        const char *at = *text;
        uint64_t value = 0;

        for (; at != end && *at >= '0' && *at <= '9'; at++)
                if (__builtin_mul_overflow(value, 10U, &value) ||
                    __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
                        return false;
        if (at == *text)
                return false;
        *text = at;
        *ret = value;
        return true;
}

bool text_starts(const char *string, const char *prefix)
{
        return strncmp(string, prefix, strlen(prefix)) == 0;
}

bool text_ends(const char *string, const char *suffix)
{
        size_t length = strlen(string), wanted = strlen(suffix);

        return length >= wanted && strcmp(string + length - wanted, suffix) == 0;
}
