#pragma once
/*
 * What the files of the config observer share: config.c (its life and its loop), config_round.c (looking at what is declared),
 * config_together.c (which version the files of a rule are).
 */
#include "io/walk.h"
#include "observe/config.h"
#include "observe/config_patterns.h"
#include "observe/config_reader.h"
#include "observe/config_version.h"
#include "observe/config_watch.h"

/* The version of a rule's files as it was last told. */
struct config_together {
        bool declared; /* the rule has patterns */
        bool due;      /* something of it changed, or it was never told */
        char digest[DIGEST_HEX_MAX], lacks[CONFIG_LACKS_MAX];
        usec_t removed_at; /* a file went away then, judge time */
};

struct config {
        sd_event *event;
        struct config_options options;
        struct config_book book;
        struct config_patterns patterns;
        struct config_together *together; /* by rule; none where the files are no rules' */
        uint32_t together_n;
        bool loaded;

        struct config_watch watch;
        struct walk walk;
        struct config_reader reader;
        uint32_t walking;  /* the pattern that is looked at, patterns.n: none */
        uint32_t sweeping; /* its files behind this one may be gone */
        bool missing;      /* the folder that it begins in is not there */
        bool asked;        /* somebody waits until everything was looked at */
        bool closed;       /* a window was */
        usec_t full_at;
        const char *trouble; /* as last told */

        sd_event_source *due, *step, *heard, *settle;
};

usec_t config_now(const struct config *config);
bool config_wants(const struct config *config, const char *path);

/* config_round.c: one pattern after the other is looked at; on() until false, a few entries or files a turn */
void config_round_begin(struct config *config, uint32_t pattern);
bool config_round_on(struct config *config);
void config_round_end(struct config *config); /* wherever it is */

/* The file of that path under the pattern; NULL when there is no room for it. Wants it read, unless it changed just now. */
struct config_file *config_round_file(struct config *config, const char *path, uint32_t pattern);
void config_round_want(struct config *config, struct config_file *file);

/* The reader's: how a file is. */
void config_round_read(void *self, struct config_file *file, int r, struct config_found *found, usec_t spent);

/* config_together.c: what is declared now; what was told of it before is told again, for its owner may be another */
int config_together_make(const struct config *config, const struct config_declared *list, uint32_t n,
                         struct config_together **ret, uint32_t *ret_n);

/* A file of the rule is another than it was, or is read for the first time, or was kept. */
void config_together_note(struct config *config, const struct config_file *file, bool removed);

/* Tells what is due and can be told. */
void config_together_tell(struct config *config);
bool config_together_is_due(const struct config *config);
