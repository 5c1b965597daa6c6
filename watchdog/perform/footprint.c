#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/cleanup.h"
#include "io/file.h"
#include "perform/footprint.h"

#define FOOTPRINT_BYTES_MAX (1024 * 1024)

struct footprint {
        char *path;
        char **lines; /* without their ends; lines of other versions are kept as they are */
        size_t n;
};

static const char header[] = "# What Governor did to this machine that outlives it. Undo it all: rescue.sh\n";

static int keep_line(struct footprint *footprint, const char *line)
{
        char **larger = reallocarray(footprint->lines, footprint->n + 1, sizeof(*larger));

        if (!larger)
                return -ENOMEM;
        footprint->lines = larger;
        footprint->lines[footprint->n] = strdup(line);
        if (!footprint->lines[footprint->n])
                return -ENOMEM;
        footprint->n++;
        return 0;
}

static int read_lines(struct footprint *footprint)
{
        _cleanup_free_ char *text = NULL;
        char *rest;
        int r = file_read(footprint->path, FOOTPRINT_BYTES_MAX, &text, NULL);

        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        rest = text;
        for (char *line; r >= 0 && (line = strsep(&rest, "\n"));)
                if (line[0] && line[0] != '#')
                        r = keep_line(footprint, line);
        return r;
}

static int write_lines(const struct footprint *footprint)
{
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *file = open_memstream(&text, &size);

        if (!file)
                return -ENOMEM;
        fputs(header, file);
        for (size_t i = 0; i < footprint->n; i++)
                fprintf(file, "%s\n", footprint->lines[i]);
        if (fclose(file) != 0)
                return -ENOMEM;
        return file_write_atomic(footprint->path, text, size, 0600);
}

/* Index of the line "WHAT AGENT", n when it is not there. */
static size_t find_line(const struct footprint *footprint, const char *what, const char *agent)
{
        size_t length = strlen(what), i;

        for (i = 0; i < footprint->n; i++) {
                const char *line = footprint->lines[i];

                if (strncmp(line, what, length) == 0 && line[length] == ' ' && strcmp(line + length + 1, agent) == 0)
                        break;
        }
        return i;
}

void footprint_each(const struct footprint *footprint, const char *what, void (*each)(void *self, const char *agent),
                    void *self)
{
        size_t length = strlen(what);

        for (size_t i = 0; i < footprint->n; i++)
                if (strncmp(footprint->lines[i], what, length) == 0 && footprint->lines[i][length] == ' ')
                        each(self, footprint->lines[i] + length + 1);
}

bool footprint_has(const struct footprint *footprint, const char *what, const char *agent)
{
        return find_line(footprint, what, agent) < footprint->n;
}

int footprint_set(struct footprint *footprint, const char *what, const char *agent, bool present)
{
        _cleanup_free_ char *line = NULL;
        size_t at = find_line(footprint, what, agent);
        int r = 0;

        if (present == (at < footprint->n))
                return 0;
        if (present) {
                if (asprintf(&line, "%s %s", what, agent) < 0)
                        return -ENOMEM;
                r = keep_line(footprint, line);
        } else {
                free(footprint->lines[at]);
                footprint->lines[at] = footprint->lines[--footprint->n];
        }
        return r < 0 ? r : write_lines(footprint);
}

int footprint_new(const char *path, struct footprint **ret)
{
        struct footprint *footprint = calloc(1, sizeof(*footprint));
        int r;

        if (!footprint)
                return -ENOMEM;
        footprint->path = strdup(path);
        r = footprint->path ? read_lines(footprint) : -ENOMEM;
        if (r < 0) {
                footprint_free(footprint);
                return r;
        }
        *ret = footprint;
        return 0;
}

struct footprint *footprint_free(struct footprint *footprint)
{
        if (!footprint)
                return NULL;
        for (size_t i = 0; i < footprint->n; i++)
                free(footprint->lines[i]);
        free(footprint->lines);
        free(footprint->path);
        free(footprint);
        return NULL;
}
