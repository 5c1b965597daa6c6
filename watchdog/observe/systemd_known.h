#pragma once
/* The services that systemd knows, found by their D-Bus path: what signals are about. */
#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-bus.h>

#include "base/fact.h"
#include "io/cleanup.h"

struct systemd;
struct systemd_unit;

/* A service that systemd knows. One that is not wanted is remembered by its path alone, so that it is not asked again. */
struct known {
        struct systemd *systemd;
        char *path; /* of its D-Bus object: what signals are about */
        char *name;
        struct looks {
                char *fragment, *type, *executable;
        } looks;
        char **bases[DEPENDENCY_N];
        struct systemd_unit *unit; /* NULL: not wanted, or not yet known whether */
        bool judged;               /* its properties came, so that no unit means not wanted */
        bool to_ask;               /* its properties are to be asked for */
        sd_bus_slot *asking;       /* they are on their way */
        bool loaded;               /* in the newest list */
        bool fresh;                /* was not loaded at an earlier list of this connection */
        bool remembered;           /* from before we came: what became of it is told even if systemd has forgotten it */
};

struct known_table {
        struct known **list; /* sorted by path */
        size_t n, space;
};

struct known *known_free(struct known *known);
DEFINE_CLEANUP_FUNC(struct known *, known_free);

/* NULL when there is none. */
struct known *known_find(const struct known_table *table, const char *path);
struct known *known_by_name(const struct known_table *table, const char *name);

/* A blank one, in its place. */
int known_add(struct known_table *table, const char *name, const char *path, struct known **ret);
void known_drop(struct known_table *table, size_t at);

/* Empties what was read of it. */
void looks_done(struct looks *looks);
void bases_done(struct known *known);
char **strings_free(char **strings);
