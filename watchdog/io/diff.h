#pragma once
/* What lines two texts have in common, and which only one of them has. */
#include <stddef.h>

struct diff_line {
        char kind; /* ' ' in both, '-' only in the first, '+' only in the second */
        const char *text;
        size_t length; /* without its end of line */
};

struct diff {
        struct diff_line *list;
        size_t n;
};

#define DIFF_EDITS_MAX 1000 /* lines that differ and are still told apart; beyond, the whole middle is exchanged */

/* Lines are loans from the texts. -ENOMEM. */
int diff_new(const char *a, size_t a_size, const char *b, size_t b_size, struct diff *ret);
void diff_done(struct diff *diff);
