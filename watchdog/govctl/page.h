#pragma once
/* Where a verb shows its data: the stream, how wide it is, and what it can display. All text passes through here, and
 * here names that somebody else chose become safe to show. */
#include <stdbool.h>
#include <stdio.h>

#include "base/usec.h"

enum tint {
        TINT_PLAIN,
        TINT_GOOD,
        TINT_WATCH, /* not wrong, not settled */
        TINT_BAD,
        TINT_FAINT, /* there when looked for */
        TINT_STRONG,
        TINT_N,
};

struct page {
        FILE *out;
        unsigned width;  /* columns; lines are cut or wrapped to it */
        unsigned height; /* lines that fit, 0: any number */
        bool colour;
        bool utf8;
        bool terminal;     /* a person is looking: JSON is indented */
        bool width_chosen; /* by --width or COLUMNS: a terminal's own is not asked for */
        usec_t now;        /* Unix time, for "3s ago" */
        unsigned at;       /* column that the next text begins in */
};

/* Takes the clock and, of a terminal, the size anew. A width that somebody chose is kept: `width_chosen`. */
void page_renew(struct page *page);

/* Text is made safe, never cut; a line ends with page_end(). */
void page_put(struct page *page, enum tint tint, const char *text);
__attribute__((format(printf, 3, 4))) void page_text(struct page *page, enum tint tint, const char *format, ...);
void page_end(struct page *page);

/* A symbol of ours, or its stand-in where UTF-8 cannot be shown. */
const char *page_mark(const struct page *page, const char *symbol, const char *plain);

/* Goes on from the present column and breaks lines at spaces; further lines begin at `indent`. Ends the line. */
void page_wrap(struct page *page, enum tint tint, unsigned indent, const char *text);

/* Spaces up to `column`; one when it is passed already. */
void page_go(struct page *page, unsigned column);

/* "14:03:22" today, "Nov 20 14:03" this year, else "2025-11-20 14:03"; local time. */
#define PAGE_MOMENT_MAX 32
char *page_moment(const struct page *page, usec_t at, char buffer[PAGE_MOMENT_MAX]);

/* "12m ago", or "in 12m" for what is to come. */
#define PAGE_AGO_MAX 48
char *page_ago(const struct page *page, usec_t at, char buffer[PAGE_AGO_MAX]);

/* Columns that the text takes on a terminal. */
unsigned text_width(const char *text);

/* Copies what fits into `width` columns; text that is cut ends with `mark` (which counts). */
void text_cut(char *to, size_t size, const char *from, unsigned width, const char *mark);
