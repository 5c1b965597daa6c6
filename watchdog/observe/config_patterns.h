#pragma once
/* The patterns by which files are declared: in their order, each with when it is to be looked at next. */
#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"
#include "observe/config_names.h"

struct config_pattern {
        char *glob;
        uint32_t rule;
        uint32_t generation; /* of its walks */
        bool plain;
        bool known;      /* it was looked at before: what is new under it was added */
        bool heard;      /* inotify hears all that happens to it */
        const char *cut; /* why not all of it is watched */
        usec_t due, began;
};

struct config_patterns {
        struct config_pattern *list;
        uint32_t n;
};

/* A file, or a pattern for files, that is declared; `rule` is a number of the caller's. */
struct config_declared {
        uint32_t rule;
        const char *pattern;
};

/* All of them due, and known where `known` has them. -ENOMEM leaves nothing behind. */
int config_patterns_make(const struct config_declared *list, uint32_t n, const struct config_names *known,
                         struct config_patterns *ret);
void config_patterns_done(struct config_patterns *patterns);

bool config_patterns_has(const struct config_patterns *patterns, const char *glob);

/* The first that the path matches, `n` when there is none. */
uint32_t config_patterns_of(const struct config_patterns *patterns, const char *path);

/* The one that is due first, `n` when there is none; and makes one due at that time, or earlier if it is already. */
uint32_t config_patterns_next(const struct config_patterns *patterns);
void config_patterns_due(struct config_patterns *patterns, uint32_t pattern, usec_t at);
void config_patterns_all_due(struct config_patterns *patterns, usec_t at);

/* What happened in this folder may concern them: those are due now. */
void config_patterns_folder_due(struct config_patterns *patterns, const char *folder);

/* Why not all is watched, "" when it is. */
const char *config_patterns_trouble(const struct config_patterns *patterns);
