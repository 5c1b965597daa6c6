#include "govctl/grid.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define GAP 2

struct cell {
        enum tint tint;
        char text[GRID_CELL_MAX];
};

struct grid {
        struct column columns[GRID_COLUMNS_MAX];
        unsigned columns_n;
        struct cell *cells; /* row after row; the row being written is the last */
        unsigned rows, rows_room;
};

/* How the columns stand on a page: widths, 0 for one that has left. */
struct layout {
        unsigned width[GRID_COLUMNS_MAX];
};

static struct cell *grid_row(const struct grid *grid, unsigned row)
{
        return grid->cells + (size_t) row * grid->columns_n;
}

/* Room for the row that is being written, behind the finished ones. */
static bool grid_make_room(struct grid *grid)
{
        if (grid->rows < grid->rows_room)
                return true;

        unsigned room = grid->rows_room ? grid->rows_room * 2 : 32;
        struct cell *cells = reallocarray(grid->cells, (size_t) room * grid->columns_n, sizeof *cells);

        if (!cells)
                return false;
        memset(cells + (size_t) grid->rows_room * grid->columns_n, 0,
               (size_t) (room - grid->rows_room) * grid->columns_n * sizeof *cells);
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
}

void grid_end_row(struct grid *grid)
{
        if (grid->rows < grid->rows_room)
                grid->rows++;
}

static void layout_natural(const struct grid *grid, struct layout *layout)
{
        for (unsigned c = 0; c < grid->columns_n; c++) {
                unsigned widest = 0;

                for (unsigned r = 0; r < grid->rows; r++) {
                        unsigned width = text_width(grid_row(grid, r)[c].text);

                        widest = width > widest ? width : widest;
                }
                unsigned title = text_width(grid->columns[c].title);

                layout->width[c] = widest == 0 ? 0 : widest > title ? widest : title;
        }
}

static unsigned layout_width(const struct grid *grid, const struct layout *layout)
{
        unsigned total = 0;

        for (unsigned c = 0; c < grid->columns_n; c++)
                if (layout->width[c] > 0)
                        total += layout->width[c] + (total > 0 ? GAP : 0);
        return total;
}

/* Takes one column off the one that has most to give; false when none has. */
static bool layout_shrink(const struct grid *grid, struct layout *layout)
{
        unsigned best = grid->columns_n, most = 0;

        for (unsigned c = 0; c < grid->columns_n; c++) {
                unsigned least = grid->columns[c].least;

                if (least == 0 || layout->width[c] <= least)
                        continue;
                if (layout->width[c] - least > most) {
                        most = layout->width[c] - least;
                        best = c;
                }
        }
        if (best == grid->columns_n)
                return false;
        layout->width[best]--;
        return true;
}

/* The column that is missed least goes; false when only those remain that stay. */
static bool layout_drop(const struct grid *grid, struct layout *natural)
{
        unsigned best = grid->columns_n, rank = 0;

        for (unsigned c = 0; c < grid->columns_n; c++)
                if (natural->width[c] > 0 && grid->columns[c].rank > rank) {
                        rank = grid->columns[c].rank;
                        best = c;
                }
        if (best == grid->columns_n)
                return false;
        natural->width[best] = 0;
        return true;
}

static void layout_make(const struct grid *grid, unsigned width, struct layout *layout)
{
        struct layout natural;

        layout_natural(grid, &natural);
        for (;;) {
                *layout = natural;
                while (layout_width(grid, layout) > width)
                        if (!layout_shrink(grid, layout))
                                break;
                if (layout_width(grid, layout) <= width || !layout_drop(grid, &natural))
                        return;
        }
}

/* Trailing spaces are never written, so that a line that fits also fits when it is pasted. */
static void print_row(const struct grid *grid, const struct layout *layout, struct page *page, const struct cell *row,
                      bool title)
{
        unsigned start = 0;

        for (unsigned c = 0; c < grid->columns_n; c++) {
                char text[GRID_CELL_MAX];
                const char *whole = title ? grid->columns[c].title : row[c].text;

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
