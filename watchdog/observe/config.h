#pragma once
/* Files that are declared: what they contain, whose they are, and that they are as somebody sealed them. */
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/fact.h"
#include "io/clock.h"
#include "io/vault.h"
#include "observe/config_book.h"
#include "observe/config_patterns.h"

struct config;

struct config_options {
        const struct clock *clock;
        struct fact_sink sink;
        const char *source;      /* it tells under this name that it cannot see: "config" */
        const char *manifest;    /* the file that keeps what was sealed; NULL: it is not kept */
        enum config_of of;       /* what the files are */
        const struct veil *veil; /* makes outlines of them, which are unit files; NULL: not */
        bool needs_loading;      /* see config_book.h */
        bool (*planned)(void *self, const struct fact *fact); /* changes now as somebody announced */
        void (*owner)(void *self, uint32_t rule, const char *path,
                      char ret_agent[AGENT_ID_MAX]); /* "" when it is several's, or nobody's */
        void (*describe)(void *self, const char *path, char what[CONFIG_WHAT_MAX]); /* NULL: the outlines tell */

        /* Of what the patterns match, what is wanted; and whether what is new there was added. NULL: as the patterns say. */
        bool (*wants)(void *self, const char *path);
        bool (*knows)(void *self, const char *path);

        /* Of what the rules' files contain, whether it is to be kept (NULL: always), and the vault that keeps it, and the versions
         * that they make together (NULL: nothing is kept). Asked for files of rules alone. */
        bool (*keeps)(void *self, uint32_t rule);
        struct vault *vault;

        void (*settled)(void *self); /* what config_look() asked for is done */
        void *self;
        usec_t settle;        /* what was heard is looked at after this pause: 100 ms */
        bool deaf;            /* use no inotify */
        uint32_t entries_max; /* looked at for one pattern; 0: a million */
};

/* Makes it; nothing is looked at before it is told what is declared. */
int config_new(sd_event *event, const struct config_options *options, struct config **ret);
struct config *config_free(struct config *config);

/* Reads the manifest, unless that was done. One that cannot be used is a negative errno and as good as none. */
int config_load(struct config *config);

/*
 * What is to be watched from now on. What was not declared before is taken as it is, without a word; what was is held against
 * the manifest. The list is a loan for the call.
 */
int config_declare(struct config *config, const struct config_declared *list, uint32_t n);

/* Looks at everything at once, and then calls `settled`. */
void config_look(struct config *config);

/* The files of that agent are right as they are now; "": those that are no single agent's. */
void config_seal(struct config *config, const char *agent);

/* What is on disk now was loaded this moment, and is right. */
void config_loaded(struct config *config);

/* Looks at everything again, and tells what was announced in a window that is closed by now and is not in force. */
void config_window_closed(struct config *config);

/* The book behind it: what the files are, for whoever knows more of them. A loan. */
struct config_book *config_book_of(struct config *config);

/* A hand of ours made the file so out of the vault, or took it away: it is right as it is. */
void config_accept(struct config *config, const char *path, const struct file_state *now);

/* ... and that were all: which version they are together is told at once. */
void config_accepted(struct config *config);

/* There is room in the vault again, or it has lost something: what is not in it is offered once more. */
void config_keep_again(struct config *config);

/* Whose files they are may be known by now: what could be told of nobody before is told. */
void config_owners(struct config *config);

/* How many files are watched. */
uint32_t config_count(const struct config *config);
