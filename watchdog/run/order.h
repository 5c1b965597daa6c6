#pragma once
/* What the caller asks governor-run for. */
#include <stdbool.h>
#include <stddef.h>

#define ORDER_PATHS_MAX 64 /* of each kind */

struct order_paths {
        const char *list[ORDER_PATHS_MAX];
        size_t n;
};

struct order {
        struct order_paths read, write, guard;
        unsigned allowed; /* rights of enum allow */
        bool strict;
        bool explain;
        char **command; /* ends in NULL; points into argv */
};

/* -1: go on; otherwise the exit code, and it has been said why. */
int order_parse(int argc, char **argv, struct order *ret);
