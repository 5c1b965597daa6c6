/* Myers, "An O(ND) Difference Algorithm and Its Variations": the shortest way from one text to the other, followed back. */
#include "io/diff.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "io/cleanup.h"

struct lines {
        struct diff_line *list;
        size_t n;
};

static int split(const char *text, size_t size, struct lines *ret)
{
        size_t n = 0;

        for (const char *at = text; at < text + size; n++) {
                const char *end = memchr(at, '\n', (size_t)(text + size - at));

                at = end ? end + 1 : text + size;
        }
        ret->list = calloc(n + 1, sizeof(*ret->list));
        if (!ret->list)
                return -ENOMEM;
        for (const char *at = text; at < text + size;) {
                const char *end = memchr(at, '\n', (size_t)(text + size - at));
                size_t length = (size_t)((end ? end : text + size) - at);

                ret->list[ret->n++] = (struct diff_line){ .text = at, .length = length };
                at += length + 1;
        }
        return 0;
}

static bool same(const struct diff_line *a, const struct diff_line *b)
{
        return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

/* The part of both that is not the same at the beginning or end. */
struct middle {
        const struct diff_line *a, *b;
        int a_n, b_n;
};

/* How far each diagonal was followed, for every number of edits: row d has 2 * d + 1 places. */
struct trace {
        int **rows;
        int edits; /* -1: more than are followed */
};

static void trace_done(struct trace *trace)
{
        for (int d = 0; trace->rows && d <= DIFF_EDITS_MAX; d++)
                free(trace->rows[d]);
        free(trace->rows);
}

/* The place of diagonal k in row d, which has -d to d. */
static int at_row(const struct trace *trace, int d, int k)
{
        return k < -d || k > d ? -1 : trace->rows[d][k + d];
}

static int step(const struct trace *trace, int d, int k)
{
        int down, right;

        if (d == 0)
                return 0;
        down = at_row(trace, d - 1, k + 1);
        right = at_row(trace, d - 1, k - 1);
        return k == -d || (k != d && right < down) ? down : right + 1;
}

static int follow(const struct middle *middle, struct trace *trace)
{
        int most = middle->a_n + middle->b_n < DIFF_EDITS_MAX ? middle->a_n + middle->b_n : DIFF_EDITS_MAX;

        trace->edits = -1;
        trace->rows = calloc(DIFF_EDITS_MAX + 1, sizeof(*trace->rows));
        if (!trace->rows)
                return -ENOMEM;
        for (int d = 0; d <= most; d++) {
                trace->rows[d] = malloc((size_t)(2 * d + 1) * sizeof(**trace->rows));
                if (!trace->rows[d])
                        return -ENOMEM;
                memset(trace->rows[d], 0xff, (size_t)(2 * d + 1) * sizeof(**trace->rows)); /* -1: not reached */
                for (int k = -d; k <= d; k += 2) {
                        int x = step(trace, d, k), y = x - k;

                        while (x < middle->a_n && y >= 0 && y < middle->b_n && same(&middle->a[x], &middle->b[y]))
                                x++, y++;
                        trace->rows[d][k + d] = x;
                        if (x >= middle->a_n && y >= middle->b_n) {
                                trace->edits = d;
                                return 0;
                        }
                }
        }
        return 0;
}

static void add(struct diff *diff, const struct diff_line *line, char kind)
{
        diff->list[diff->n] = *line;
        diff->list[diff->n++].kind = kind;
}

static void exchange_all(const struct middle *middle, struct diff *diff)
{
        for (int n = 0; n < middle->a_n; n++)
                add(diff, &middle->a[n], '-');
        for (int n = 0; n < middle->b_n; n++)
                add(diff, &middle->b[n], '+');
}

/* From the end back to the beginning, and then turned round. */
static void walk_back(const struct middle *middle, const struct trace *trace, struct diff *diff)
{
        size_t from = diff->n;
        int x = middle->a_n, y = middle->b_n;

        for (int d = trace->edits; d > 0; d--) {
                int k = x - y, before = step(trace, d, k);
                bool down = k == -d || (k != d && at_row(trace, d - 1, k - 1) < at_row(trace, d - 1, k + 1));

                while (x > before && y > before - k)
                        add(diff, &middle->a[--x], ' '), y--;
                if (down)
                        add(diff, &middle->b[--y], '+');
                else
                        add(diff, &middle->a[--x], '-');
        }
        while (x > 0)
                add(diff, &middle->a[--x], ' ');
        for (size_t i = from, j = diff->n; i + 1 < j; i++) {
                struct diff_line line = diff->list[i];

                diff->list[i] = diff->list[--j];
                diff->list[j] = line;
        }
}

static int compare(const struct lines *a, const struct lines *b, struct diff *diff)
{
        _cleanup_(trace_done) struct trace trace = { .rows = NULL };
        size_t first = 0, last = 0;
        struct middle middle;
        int r;

        while (first < a->n && first < b->n && same(&a->list[first], &b->list[first]))
                first++;
        while (last < a->n - first && last < b->n - first && same(&a->list[a->n - 1 - last], &b->list[b->n - 1 - last]))
                last++;
        middle = (struct middle){ .a = a->list + first,
                                  .b = b->list + first,
                                  .a_n = (int)(a->n - first - last),
                                  .b_n = (int)(b->n - first - last) };
        r = follow(&middle, &trace);
        if (r < 0)
                return r;
        for (size_t n = 0; n < first; n++)
                add(diff, &a->list[n], ' ');
        if (trace.edits < 0)
                exchange_all(&middle, diff);
        else
                walk_back(&middle, &trace, diff);
        for (size_t n = a->n - last; n < a->n; n++)
                add(diff, &a->list[n], ' ');
        return 0;
}

int diff_new(const char *a, size_t a_size, const char *b, size_t b_size, struct diff *ret)
{
        struct lines of_a = { .n = 0 }, of_b = { .n = 0 };
        struct diff diff = { .n = 0 };
        int r = split(a, a_size, &of_a);

        if (r >= 0)
                r = split(b, b_size, &of_b);
        if (r >= 0) {
                diff.list = calloc(of_a.n + of_b.n + 1, sizeof(*diff.list));
                r = diff.list ? compare(&of_a, &of_b, &diff) : -ENOMEM;
        }
        free(of_a.list);
        free(of_b.list);
        if (r < 0)
                diff_done(&diff);
        else
                *ret = diff;
        return r;
}

void diff_done(struct diff *diff)
{
        free(diff->list);
        *diff = (struct diff){ .n = 0 };
}
