#pragma once
/* A drop-in file of Governor's own beside a unit: written in one step, taken back, never over somebody else's. */
#include <stdbool.h>

#include "base/limits.h"
#include "base/usec.h"

/* What is said in the file about itself. */
struct drop_in {
        const char *unit;
        const struct limits *limits;
        uint64_t trial;  /* 0: none */
        const char *why; /* one line */
        usec_t at;       /* Unix time */
};

/* The text of the file; allocated, NULL when memory ended. */
char *drop_in_text(const struct drop_in *drop_in);

/* Whether the text begins as ours do. */
bool drop_in_is_ours(const char *text);

/*
 * The file as it is now, allocated, or NULL with 0 when there is none. -EEXIST: somebody else's stands there, which is never
 * touched. `root` is put before the path: "" but for tests.
 */
int drop_in_read(const char *root, const char *path, char **ret_text);

/* Makes the file so (NULL: gone), its folder too. -EEXIST as above; also what writing may fail with. */
int drop_in_set(const char *root, const char *path, const char *text);
