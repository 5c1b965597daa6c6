#pragma once
/* A table for people: where the page is narrow, columns say less, are cut and leave, each in the order of their rank. */
#include "govctl/page.h"

#define GRID_COLUMNS_MAX 16
#define GRID_CELL_MAX 160

struct column {
        const char *title;
        unsigned rank;  /* the highest leaves first; 0 stays */
        unsigned least; /* may be cut down to this many columns; 0: never cut */
        bool right;
};

struct grid;

/* The columns are copied, their titles are loans. Free with grid_free(), which takes NULL and returns it. */
struct grid *grid_new(const struct column *columns, unsigned n);
struct grid *grid_free(struct grid *grid);

/* Cells of the present row; a cell never set is empty. When memory ends the row is left out and grid_print() says so. */
__attribute__((format(printf, 4, 5))) void grid_cell(struct grid *grid, unsigned column, enum tint tint,
                                                     const char *format, ...);
void grid_end_row(struct grid *grid);

/* What the cell shows where its column is too narrow for all: a word that says less instead of a word cut off. */
void grid_cell_short(struct grid *grid, unsigned column, const char *text);

/* Prints at most `rows_max` rows (0: all) and returns how many rows it left out. Columns without any text are left out. */
unsigned grid_print(const struct grid *grid, struct page *page, unsigned rows_max);

static inline void grid_freep(struct grid **grid)
{
        grid_free(*grid);
}
