#include "audit/plain.h"
#include "audit/cleanup.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

/* ---- lines ---------------------------------------------------------------------------------------------------- */

static bool make_room(struct audit_plain *plain, size_t length)
{
        if (plain->length + length > plain->room) {
                const size_t room = 2 * plain->room + length + 256;
                char *text = realloc(plain->text, room);

                if (!text)
                        return false;
                plain->text = text;
                plain->room = room;
        }
        if (plain->n == plain->numbers_room) {
                const size_t room = 2 * plain->numbers_room + 64;
                unsigned *numbers = reallocarray(plain->numbers, room, sizeof(*numbers));

                if (!numbers)
                        return false;
                plain->numbers = numbers;
                plain->numbers_room = room;
        }
        return true;
}

static void put_in_line(struct audit_plain *plain, const char *text, size_t length, unsigned number)
{
        plain->is_full = plain->is_full || !make_room(plain, length + 1);
        if (plain->is_full)
                return;
        if (!plain->in_line)
                plain->numbers[plain->n++] = number;
        plain->in_line = true;
        if (length > 0)
                memcpy(plain->text + plain->length, text, length);
        plain->length += length;
}

void audit_plain_end_line(struct audit_plain *plain)
{
        if (plain->is_full || !plain->in_line)
                return;
        plain->text[plain->length++] = '\n'; /* for which each put leaves room */
        plain->in_line = false;
}

void audit_plain_put(struct audit_plain *plain, const char *text, size_t length, unsigned number)
{
        const char *const end = text + length;

        while (text < end) {
                const char *lf = memchr(text, '\n', (size_t)(end - text));

                put_in_line(plain, text, (size_t)((lf ?: end) - text), number);
                if (!lf)
                        return;
                audit_plain_end_line(plain);
                text = lf + 1;
        }
}

void audit_plain_done(struct audit_plain *plain)
{
        free(plain->text);
        free(plain->numbers);
}

/* ---- HTML ----------------------------------------------------------------------------------------------------- */

static bool is_word(const char *text, size_t length, const char *word)
{
        return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

/* Tags that begin or end a line. */
static bool breaks_line(const char *tag, size_t length)
{
        static const char *const names[] = { "br", "p",   "div",        "li", "ul", "tr",
                                             "td", "pre", "blockquote", "h1", "h2", "h3" };
        size_t name = 0;

        if (length > 0 && *tag == '/') {
                tag++;
                length--;
        }
        while (name < length &&
               ((tag[name] | 0x20) >= 'a' ? (tag[name] | 0x20) <= 'z' : tag[name] >= '0' && tag[name] <= '9'))
                name++;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (is_word(tag, name, names[i]))
                        return true;
        return false;
}

static size_t encode_utf8(unsigned long code, char ret[static 4])
{
        if (code < 0x80) {
                ret[0] = (char)code;
                return 1;
        }
        if (code < 0x800) {
                ret[0] = (char)(0xc0 | code >> 6);
                ret[1] = (char)(0x80 | (code & 63));
                return 2;
        }
        if (code < 0x10000) {
                ret[0] = (char)(0xe0 | code >> 12);
                ret[1] = (char)(0x80 | (code >> 6 & 63));
                ret[2] = (char)(0x80 | (code & 63));
                return 3;
        }
        ret[0] = (char)(0xf0 | (code >> 18 & 7));
        ret[1] = (char)(0x80 | (code >> 12 & 63));
        ret[2] = (char)(0x80 | (code >> 6 & 63));
        ret[3] = (char)(0x80 | (code & 63));
        return 4;
}

/* What stands between '&' and ';'. 0: nothing that is known. */
static unsigned long decode_entity(const char *name, size_t length)
{
        static const struct {
                const char *name;
                unsigned long code;
        } names[] = { { "amp", '&' },   { "lt", '<' },   { "gt", '>' },       { "quot", '"' },
                      { "apos", '\'' }, { "nbsp", ' ' }, { "mdash", 0x2014 }, { "plus", '+' } };
        char digits[12];

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (is_word(name, length, names[i].name))
                        return names[i].code;
        if (length < 2 || length >= sizeof(digits) || *name != '#')
                return 0;
        memcpy(digits, name + 1, length - 1);
        digits[length - 1] = '\0';
        return (digits[0] | 0x20) == 'x' ? strtoul(digits + 1, NULL, 16) : strtoul(digits, NULL, 10);
}

/* Takes one tag, entity or letter. */
static const char *take_html(struct audit_plain *plain, const char *at, const char *end, unsigned number)
{
        const char *close = memchr(at, *at == '<' ? '>' : ';', (size_t)(end - at));
        char bytes[4];
        unsigned long code;

        if (*at == '<' && close) {
                if (breaks_line(at + 1, (size_t)(close - at) - 1))
                        audit_plain_end_line(plain);
                return close + 1;
        }
        if (*at == '&' && close && (code = decode_entity(at + 1, (size_t)(close - at) - 1)) > 0) {
                audit_plain_put(plain, bytes, encode_utf8(code, bytes), number);
                return close + 1;
        }
        audit_plain_put(plain, at, 1, number);
        return at + 1;
}

void audit_plain_html(struct audit_plain *plain, const struct audit_plain *html)
{
        const char *at = html->text, *const end = html->text + html->length, *counted = at;
        size_t line = 0;

        while (at < end && !plain->is_full) {
                for (; counted < at; counted++)
                        line += *counted == '\n';
                at = take_html(plain, at, end, html->numbers[line]);
        }
        audit_plain_end_line(plain);
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

static void put_numbered(struct audit_plain *plain, const char *text, size_t length)
{
        const char *const end = text + length;

        for (unsigned number = 1; text < end; number++) {
                const char *lf = memchr(text, '\n', (size_t)(end - text));
                const char *next = lf ? lf + 1 : end;

                if (*text != '{' || !audit_plain_json(plain, text, (size_t)(next - text), number, true))
                        audit_plain_put(plain, text, (size_t)(next - text), number);
                text = next;
        }
        audit_plain_end_line(plain);
}

static bool is_html(const char *text, size_t length)
{
        const size_t seen = length < 512 ? length : 512;

        for (size_t i = 0; i + 5 < seen; i++)
                if (strncasecmp(text + i, "<html", 5) == 0)
                        return true;
        return false;
}

static const char *skip_start(const char *text, const char *end)
{
        if (end - text >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
                text += 3;
        while (text < end && strchr(" \t\r\n", *text))
                text++;
        return text;
}

static void read_as_it_is(struct audit_plain *plain, const char *text, size_t length)
{
        const char *start = skip_start(text, text + length);
        const size_t rest = (size_t)(text + length - start);
        struct audit_plain html = { .text = NULL };
        unsigned number = 1;

        for (const char *at = text; at < start; at++)
                number += *at == '\n';
        if (rest > 0 && (*start == '{' || *start == '[') && audit_plain_json(plain, start, rest, number, false))
                return;
        if (rest > 0 && *start == '<' && is_html(start, rest)) {
                put_numbered(&html, text, length);
                audit_plain_html(plain, &html);
                plain->is_full = plain->is_full || html.is_full;
                audit_plain_done(&html);
        } else if (!audit_plain_mail(plain, text, length))
                put_numbered(plain, text, length);
}

/* ---- what quoting and wrapping left at the ends of lines -------------------------------------------------------- */

static bool is_margin(char c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

/* In place: it only gets shorter. */
static void trim_lines(struct audit_plain *plain)
{
        const char *at = plain->text, *const end = plain->text + plain->length;
        char *to = plain->text;

        if (plain->length >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
                at += 3;
        while (at < end) {
                const char *lf = memchr(at, '\n', (size_t)(end - at)), *last = lf;

                while (at < last && (is_margin(*at) || *at == '>'))
                        at++;
                while (last > at && is_margin(last[-1]))
                        last--;
                memmove(to, at, (size_t)(last - at));
                to += last - at;
                *to++ = '\n';
                at = lf + 1;
        }
        plain->length = (size_t)(to - plain->text);
}

int audit_plain_read(const char *text, size_t length, struct audit_plain *ret)
{
        struct audit_plain plain = { .text = NULL };

        read_as_it_is(&plain, text, length);
        audit_plain_end_line(&plain);
        if (plain.is_full) {
                audit_plain_done(&plain);
                return -ENOMEM;
        }
        if (plain.length > 0)
                trim_lines(&plain);
        *ret = plain;
        return 0;
}
