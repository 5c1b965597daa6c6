#pragma once
/* Every way we know to change a file, or what others find under its name, as one table. */
#include <stdbool.h>

#include "canary/place.h"

/* What an attacker holds on to between getting ready and striking. */
struct scene {
        const struct place *place;
        int file;   /* opened before, or negative */
        int source; /* evil content to copy from, or negative */
        char *map;
        char why[PLACE_WHY_MAX]; /* why it is not possible here */
};

/* Both of prepare (NULL for nothing to prepare) and strike return 0, a negative errno when refused, or ATTACK_NOT_HERE. */
enum { ATTACK_NOT_HERE = 1 };

enum {
        ATTACK_NEEDS_ROOT = 1 << 0,   /* fails by itself for others */
        ATTACK_NEEDS_DEVICE = 1 << 1, /* strikes only at a scratch device, see struct place */
        ATTACK_OWN_VIEW = 1 << 2,     /* others see the file as it was */
};

struct attack {
        const char *name; /* in results and JSON; stays as it is */
        const char *what; /* for people */
        int (*prepare)(struct scene *scene);
        int (*strike)(struct scene *scene);
        unsigned traits;
};

enum { ATTACKS_N = 43 };
extern const struct attack attacks[ATTACKS_N];

/* NULL: there is none of that name. */
const struct attack *attack_find(const char *name);
