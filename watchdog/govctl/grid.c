#include "govctl/grid.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define GAP 2

struct cell {
        enum tint tint;
        char text[GRID_CELL_MAX];
        char less[GRID_CELL_MAX / 4]; /* the short form, "" for none */
};

struct grid {
        struct column columns[GRID_COLUMNS_MAX];
        unsigned columns_n;
        struct cell *cells; /* row after row; the row being written is the last */
        unsigned rows, rows_room;
};

/* How the columns stand on a page: widths, 0 for one that has left, and whether they show their short forms. */
struct layout {
        unsigned width[GRID_COLUMNS_MAX];
        unsigned narrow[GRID_COLUMNS_MAX]; /* with short forms */
        bool less[GRID_COLUMNS_MAX];
};

static struct cell *grid_row(const struct grid *grid, unsigned row)
{
        return grid->cells + (size_t)row * grid->columns_n;
}

/* Room for the row that is being written, behind the finished ones. */
static bool grid_make_room(struct grid *grid)
{
        if (grid->rows < grid->rows_room)
                return true;

        unsigned room = grid->rows_room ? grid->rows_room * 2 : 32;
        struct cell *cells = reallocarray(grid->cells, (size_t)room * grid->columns_n, sizeof *cells);

        if (!cells)
                return false;
        memset(cells + (size_t)grid->rows_room * grid->columns_n, 0,
               (size_t)(room - grid->rows_room) * grid->columns_n * sizeof *cells);
        grid->cells = cells;
        grid->rows_room = room;
        return true;
}

struct grid *grid_new(const struct column *columns, unsigned n)
{
        struct grid *grid = calloc(1, sizeof *grid);

        if (!grid)
                return NULL;
        grid->columns_n = n < GRID_COLUMNS_MAX ? n : GRID_COLUMNS_MAX;
        memcpy(grid->columns, columns, grid->columns_n * sizeof *columns);
        if (!grid_make_room(grid))
                return grid_free(grid);
        return grid;
}

struct grid *grid_free(struct grid *grid)
{
        if (!grid)
                return NULL;
        free(grid->cells);
        free(grid);
        return NULL;
}

void grid_cell(struct grid *grid, unsigned column, enum tint tint, const char *format, ...)
{
        char text[GRID_CELL_MAX];
        va_list arguments;

        if (!grid_make_room(grid) || column >= grid->columns_n)
                return;
        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);

        struct cell *cell = grid_row(grid, grid->rows) + column;

        cell->tint = tint;
        text_copy_safe(cell->text, sizeof cell->text, text);
        cell->less[0] = '\0';
}

void grid_cell_short(struct grid *grid, unsigned column, const char *text)
{
        if (grid_make_room(grid) && column < grid->columns_n)
                text_copy_safe(grid_row(grid, grid->rows)[column].less, GRID_CELL_MAX / 4, text);
}

static const char *cell_text(const struct cell *cell, bool less)
{
        return less && cell->less[0] ? cell->less : cell->text;
}

void grid_end_row(struct grid *grid)
{
        if (grid->rows < grid->rows_room)
                grid->rows++;
}

/* The width that a column would like; 0 for one without any text. */
static unsigned column_width(const struct grid *grid, unsigned column, bool less)
{
        unsigned widest = 0, title = text_width(grid->columns[column].title);

        for (unsigned r = 0; r < grid->rows; r++) {
                unsigned width = text_width(cell_text(grid_row(grid, r) + column, less));

                widest = width > widest ? width : widest;
        }
        return widest == 0 ? 0 : widest > title ? widest : title;
}

static unsigned layout_width(const struct grid *grid, const struct layout *layout)
{
        unsigned total = 0;

        for (unsigned c = 0; c < grid->columns_n; c++)
                if (layout->width[c] > 0)
                        total += layout->width[c] + (total > 0 ? GAP : 0);
        return total;
}

/* The present column of the highest rank for which `column_may` says so, or columns_n. */
static unsigned highest_rank(const struct grid *grid, const struct layout *layout,
                             bool (*column_may)(const struct grid *grid, const struct layout *layout, unsigned column))
{
        unsigned best = grid->columns_n;

        for (unsigned c = 0; c < grid->columns_n; c++)
                if (layout->width[c] > 0 && column_may(grid, layout, c) &&
                    (best == grid->columns_n || grid->columns[c].rank > grid->columns[best].rank))
                        best = c;
        return best;
}

static bool may_say_less(const struct grid *grid, const struct layout *layout, unsigned column)
{
        return !layout->less[column] && layout->narrow[column] < layout->width[column];
}

static bool may_be_cut(const struct grid *grid, const struct layout *layout, unsigned column)
{
        return grid->columns[column].least > 0 && layout->width[column] > grid->columns[column].least;
}

static bool may_leave(const struct grid *grid, const struct layout *layout, unsigned column)
{
        return grid->columns[column].rank > 0;
}

/* Makes the columns fit by short forms and cuts alone. */
static void layout_squeeze(const struct grid *grid, unsigned width, struct layout *layout)
{
        while (layout_width(grid, layout) > width) {
                unsigned c = highest_rank(grid, layout, may_say_less);

                if (c < grid->columns_n) {
                        layout->less[c] = true;
                        layout->width[c] = layout->narrow[c];
                        continue;
                }
                c = highest_rank(grid, layout, may_be_cut);
                if (c == grid->columns_n)
                        return;
                layout->width[c]--;
        }
}

/* When squeezing is not enough the column that is missed least leaves, and the others breathe again. */
static void layout_make(const struct grid *grid, unsigned width, struct layout *layout)
{
        struct layout natural = { 0 };

        for (unsigned c = 0; c < grid->columns_n; c++) {
                natural.width[c] = column_width(grid, c, false);
                natural.narrow[c] = column_width(grid, c, true);
        }
        for (;;) {
                *layout = natural;
                layout_squeeze(grid, width, layout);
                if (layout_width(grid, layout) <= width)
                        return;
                unsigned c = highest_rank(grid, &natural, may_leave);

                if (c == grid->columns_n)
                        return;
                natural.width[c] = 0;
        }
}

/* Trailing spaces are never written, so that a line that fits also fits when it is pasted. */
static void print_row(const struct grid *grid, const struct layout *layout, struct page *page, const struct cell *row,
                      bool title)
{
        unsigned start = 0;

        for (unsigned c = 0; c < grid->columns_n; c++) {
                char text[GRID_CELL_MAX];
                const char *whole = title ? grid->columns[c].title : cell_text(&row[c], layout->less[c]);

                if (layout->width[c] == 0)
                        continue;
                text_cut(text, sizeof text, whole, layout->width[c], page_mark(page, "…", "~"));
                if (text[0]) {
                        unsigned pad = grid->columns[c].right ? layout->width[c] - text_width(text) : 0;

                        if (start + pad > page->at)
                                page_go(page, start + pad);
                        page_put(page, title ? TINT_FAINT : row[c].tint, text);
                }
                start += layout->width[c] + GAP;
        }
        page_end(page);
}

unsigned grid_print(const struct grid *grid, struct page *page, unsigned rows_max)
{
        unsigned rows = rows_max > 0 && rows_max < grid->rows ? rows_max : grid->rows;
        struct layout layout;

        layout_make(grid, page->width, &layout);
        print_row(grid, &layout, page, NULL, true);
        for (unsigned r = 0; r < rows; r++)
                print_row(grid, &layout, page, grid_row(grid, r), false);
        return grid->rows - rows;
}
