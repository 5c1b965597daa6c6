#pragma once
/* Collects what is wrong with a policy and where; sorts it, fetches the source lines, keeps secrets out of them. */
#include "policy/arena.h"
#include "policy/policy.h"

/* One file while it is read. Its bytes are gone after the load, its name stays. */
struct source {
        const char *name;
        char *bytes; /* ours to blot secrets out of */
        size_t size;
        unsigned index;
        bool config; /* governor.yaml: daemon: and audit: belong here, its mode is everyone's default */
        bool cut;    /* the YAML broke off: what is missing may only be unread */
        const struct node *mode;
        struct source *next;
};

/* Where in it: 1-based; line 0 is the file as a whole. */
struct place {
        const struct source *source;
        unsigned line, column, length;
};

struct complaints {
        struct policy_arena *arena;
        struct complaint *list;
        size_t n, room, errors;
};

__attribute__((format(printf, 3, 4))) void complain(struct complaints *complaints, const struct place *place,
                                                    const char *format, ...);
__attribute__((format(printf, 3, 4))) void warn_of(struct complaints *complaints, const struct place *place,
                                                   const char *format, ...);

/* The byte at a line and column of the source, or NULL. */
char *source_at(const struct source *source, unsigned line, unsigned column);

/* Hands everything over in order; call it while the sources still have their bytes. 0 or -ENOMEM. */
int complaints_finish(struct complaints *complaints, struct policy_messages *ret);
