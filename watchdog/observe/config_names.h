#pragma once
/* A set of names: what was looked at before, so that anything new there was added and not just never seen. */
#include <stdbool.h>
#include <stdint.h>

#define CONFIG_NAMES_MAX 65536

struct config_names {
        char **list; /* sorted */
        uint32_t n, room;
};

void config_names_done(struct config_names *names);

bool config_names_has(const struct config_names *names, const char *name);

/* Adds it unless it is there: 1 when it was not; -ENOSPC, -ENOMEM. */
int config_names_add(struct config_names *names, const char *name);

/* Forgets those that `unwanted` names; says whether there were any. */
bool config_names_drop(struct config_names *names, bool (*unwanted)(void *self, const char *name), void *self);
