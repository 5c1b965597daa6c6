#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "io/cleanup.h"
#include "io/thrift.h"

/* Code only: what is mapped read-only may have been written by the loader before (relocations), code never was. */
static void drop_if_code(const char *line)
{
        uintmax_t from, to;
        char rights[5];

        if (sscanf(line, "%jx-%jx %4s", &from, &to, rights) == 3 && strcmp(rights, "r-xp") == 0 && strchr(line, '/'))
                (void)madvise((void *)(uintptr_t)from, (size_t)(to - from), MADV_DONTNEED);
}

void thrift(void)
{
        _cleanup_fclose_ FILE *maps = fopen("/proc/self/maps", "re");
        char line[512];

        malloc_trim(0);
        while (maps && fgets(line, sizeof(line), maps))
                drop_if_code(line);
}
