#include "govctl/page.h"

#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <wchar.h>

#include "base/text.h"

#define LINE_MAX_BYTES 4096

static const char *const escapes[TINT_N] = {
        [TINT_PLAIN] = "",         [TINT_GOOD] = "\x1b[32m", [TINT_WATCH] = "\x1b[33m",
        [TINT_BAD] = "\x1b[1;31m", [TINT_FAINT] = "\x1b[2m", [TINT_STRONG] = "\x1b[1m",
};

/* Decodes one character of text that text_copy_safe() has seen; 1 byte is taken where it is not UTF-8 after all. */
static size_t take_character(const char *text, wchar_t *ret)
{
        const unsigned char *byte = (const unsigned char *)text;
        unsigned more = byte[0] >= 0xf0 ? 3 : byte[0] >= 0xe0 ? 2 : byte[0] >= 0xc0 ? 1 : 0;
        wchar_t character = more ? byte[0] & (0x3f >> more) : byte[0];

        for (unsigned i = 1; i <= more; i++) {
                if ((byte[i] & 0xc0) != 0x80) {
                        *ret = '?';
                        return 1;
                }
                character = character << 6 | (byte[i] & 0x3f);
        }
        *ret = character;
        return 1 + more;
}

/* What the C library does not know takes one column. */
static unsigned character_width(wchar_t character)
{
        int width = wcwidth(character);

        return width < 0 ? 1 : (unsigned)width;
}

unsigned text_width(const char *text)
{
        unsigned width = 0;

        while (*text) {
                wchar_t character;

                text += take_character(text, &character);
                width += character_width(character);
        }
        return width;
}

/* Bytes of `text` that fit into `width` columns. */
static size_t bytes_that_fit(const char *text, unsigned width)
{
        size_t bytes = 0;

        while (text[bytes]) {
                wchar_t character;
                size_t taken = take_character(text + bytes, &character);
                unsigned wide = character_width(character);

                if (wide > width)
                        break;
                width -= wide;
                bytes += taken;
        }
        return bytes;
}

void text_cut(char *to, size_t size, const char *from, unsigned width, const char *mark)
{
        unsigned mark_width = text_width(mark);

        if (text_width(from) <= width) {
                text_copy(to, size, from);
                return;
        }
        size_t fit = bytes_that_fit(from, width > mark_width ? width - mark_width : 0);

        if (fit >= size)
                fit = size - 1;
        memcpy(to, from, fit);
        to[fit] = '\0';
        if (width >= mark_width)
                text_append(to, size, "%s", mark);
}

/* Characters beyond ASCII become '?', one for each. */
static void make_plain(char *text)
{
        char *to = text;

        for (const char *from = text; *from;) {
                wchar_t character;

                from += take_character(from, &character);
                *to++ = character < 0x80 ? (char)character : '?';
        }
        *to = '\0';
}

void page_renew(struct page *page)
{
        struct winsize size;
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        page->now = (usec_t)now.tv_sec * USEC_PER_SEC + (usec_t)now.tv_nsec / 1000;
        if (!page->terminal || ioctl(fileno(page->out), TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
                return;
        if (!page->width_chosen)
                page->width = size.ws_col < 40 ? 40 : size.ws_col;
        page->height = size.ws_row;
}

static void tint_on(struct page *page, enum tint tint)
{
        if (page->colour && tint != TINT_PLAIN)
                fputs(escapes[tint], page->out);
}

static void tint_off(struct page *page, enum tint tint)
{
        if (page->colour && tint != TINT_PLAIN)
                fputs("\x1b[0m", page->out);
}

void page_put(struct page *page, enum tint tint, const char *text)
{
        char safe[LINE_MAX_BYTES];

        text_copy_safe(safe, sizeof safe, text);
        if (!page->utf8)
                make_plain(safe);
        tint_on(page, tint);
        fputs(safe, page->out);
        tint_off(page, tint);
        page->at += text_width(safe);
}

void page_text(struct page *page, enum tint tint, const char *format, ...)
{
        char text[LINE_MAX_BYTES];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        page_put(page, tint, text);
}

void page_end(struct page *page)
{
        fputc('\n', page->out);
        page->at = 0;
}

const char *page_mark(const struct page *page, const char *symbol, const char *plain)
{
        return page->utf8 ? symbol : plain;
}

void page_go(struct page *page, unsigned column)
{
        unsigned spaces = page->at < column ? column - page->at : page->at > 0;

        for (unsigned i = 0; i < spaces; i++)
                fputc(' ', page->out);
        page->at += spaces;
}

/* The end of one line of a text and the beginning of the next: colour never reaches over the margin. */
static void wrap_line(struct page *page, enum tint tint, unsigned indent)
{
        tint_off(page, tint);
        page_end(page);
        page_go(page, indent);
        tint_on(page, tint);
}

/* Writes the next word of `*text` and moves behind it. A line is `empty` before its first word; a word that is wider than a
 * line is broken. */
static void wrap_word(struct page *page, enum tint tint, unsigned indent, bool *empty, const char **text)
{
        size_t length = strcspn(*text, " \n");
        char word[LINE_MAX_BYTES];

        if (length >= sizeof word)
                length = sizeof word - 1;
        memcpy(word, *text, length);
        word[length] = '\0';
        if (page->at + !*empty + text_width(word) > page->width && (!*empty || page->at > indent)) {
                wrap_line(page, tint, indent);
                *empty = true;
        }
        if (!*empty)
                page_put(page, TINT_PLAIN, " ");
        if (*empty && page->width > page->at && text_width(word) > page->width - page->at) {
                length = bytes_that_fit(word, page->width - page->at);
                length = length ? length : 1; /* not even one character fits: go on all the same */
                word[length] = '\0';
        }
        page_put(page, TINT_PLAIN, word);
        *empty = false;
        *text += length;
}

void page_wrap(struct page *page, enum tint tint, unsigned indent, const char *text)
{
        bool empty = true;

        tint_on(page, tint);
        while (*text) {
                if (*text == '\n') {
                        wrap_line(page, tint, indent);
                        empty = true;
                        text++;
                } else if (*text == ' ')
                        text++;
                else
                        wrap_word(page, tint, indent, &empty, &text);
        }
        tint_off(page, tint);
        page_end(page);
}

char *page_moment(const struct page *page, usec_t at, char buffer[PAGE_MOMENT_MAX])
{
        time_t now = (time_t)(page->now / USEC_PER_SEC), then = (time_t)(at / USEC_PER_SEC);
        struct tm today, day;
        size_t length;

        localtime_r(&now, &today);
        localtime_r(&then, &day);
        if (today.tm_year != day.tm_year)
                length = strftime(buffer, PAGE_MOMENT_MAX, "%Y-%m-%d %H:%M", &day);
        else if (today.tm_yday != day.tm_yday)
                length = strftime(buffer, PAGE_MOMENT_MAX, "%b %e %H:%M", &day);
        else
                length = strftime(buffer, PAGE_MOMENT_MAX, "%H:%M:%S", &day);
        if (length == 0)
                buffer[0] = '\0';
        return buffer;
}

char *page_ago(const struct page *page, usec_t at, char buffer[PAGE_AGO_MAX])
{
        char span[TEXT_SPAN_MAX];

        if (at > page->now)
                snprintf(buffer, PAGE_AGO_MAX, "in %s", text_span(span, at - page->now));
        else
                snprintf(buffer, PAGE_AGO_MAX, "%s ago", text_span(span, page->now - at));
        return buffer;
}
