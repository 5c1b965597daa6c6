#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/cleanup.h"
#include "io/file.h"
#include "perform/footprint.h"

#define FOOTPRINT_MAX (1024 * 1024)

static const char header[] = "# What Governor did to this machine that outlives it. Undo it all: rescue.sh\n";

int footprint_set(const char *path, const char *what, const char *agent, bool present)
{
        _cleanup_free_ char *old = NULL, *line = NULL, *new = NULL;
        size_t length = 0;
        char *found;
        int r;

        r = file_read(path, FOOTPRINT_MAX, &old, NULL);
        if (r == -ENOENT)
                old = strdup(header);
        else if (r < 0)
                return r;
        if (!old || asprintf(&line, "\n%s %s\n", what, agent) < 0)
                return -ENOMEM;

        found = strstr(old, line);
        if (present == (found != NULL))
                return 0;
        if (found) {
                memmove(found + 1, found + strlen(line), strlen(found + strlen(line)) + 1);
                return file_write_atomic(path, old, strlen(old), 0600);
        }
        length = strlen(old);
        if (asprintf(&new, "%s%s%s", old, length && old[length - 1] == '\n' ? "" : "\n", line + 1) < 0)
                return -ENOMEM;
        return file_write_atomic(path, new, strlen(new), 0600);
}
