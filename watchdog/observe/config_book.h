#pragma once
/*
 * The book of what was sealed: each thing that is declared as it was sealed and as it was last seen. Tells every difference as a
 * fact, and keeps itself on disk, because what was sealed must outlive the daemon.
 */
#include <systemd/sd-event.h>

#include "base/fact.h"
#include "io/clock.h"
#include "observe/config_files.h"

#define CONFIG_WHAT_MAX 192

struct config_book_options {
        const struct clock *clock;
        struct fact_sink sink;
        const char *manifest; /* the file that it is kept in; NULL: it is not kept */
        enum config_of of;
        bool needs_loading; /* what was announced is no better for it: somebody has to load it */
        bool (*planned)(void *self, const struct fact *fact); /* changes now as somebody announced */
        void (*owner)(void *self, const struct config_file *file,
                      char ret_agent[AGENT_ID_MAX]); /* "" when it is several's, or nobody's */
        /* What changed, in words; NULL: the outlines tell. */
        void (*describe)(void *self, const struct config_file *file, char what[CONFIG_WHAT_MAX]);
        void *self;
};

struct config_book {
        sd_event *event;
        struct config_book_options options;
        char *manifest;
        struct config_files files;
        struct config_names known; /* what was looked at before: what is new under these names was added */
        sd_event_source *save;
};

/* `priority` is that of what it does in the loop. */
int config_book_init(struct config_book *book, sd_event *event, const struct config_book_options *options,
                     int64_t priority);
void config_book_done(struct config_book *book); /* writes down what is not yet */

/*
 * Reads what an earlier run wrote. A file that makes no sense is -EBADMSG and as good as none. `mark`: of the key that outlines are
 * made with now (io/veil.h); those of another key are forgotten.
 */
int config_book_load(struct config_book *book, uint64_t mark);

/* Writes it down: now if anything changed, or a moment from now. */
void config_book_save(struct config_book *book);
void config_book_save_soon(struct config_book *book);

/* What the file is now is known; `known`: it was looked at before, else what is new is right as it is. Takes the outline. */
void config_book_take(struct config_book *book, struct config_file *file, const struct file_state *now, char *outline,
                      bool known);

/* Our own hand made it so: it is right, and what happens to it next is told at once. */
void config_book_accept(struct config_book *book, struct config_file *file, const struct file_state *now);

/* It is as it was: one that changed often and long ago is told of at once when it changes again. */
void config_book_calm(const struct config_book *book, struct config_file *file);

/* What is in force is, or is no longer, something else than what was seen. */
void config_book_set_pending(struct config_book *book, struct config_file *file, bool pending);

/* Windows may have been closed: tells what changed in them and is not in force yet. */
void config_book_tell_hushed(struct config_book *book);

/* All of that owner (NULL: of everybody) is right as it is now; `loaded`: because that is in force. */
void config_book_seal(struct config_book *book, const char *agent, bool loaded);

/* It is not there any more, which is no drift: it is as it was sealed when it comes back as that. */
void config_book_leave(struct config_book *book, struct config_file *file);

/* Forgets files; of those that were told to be off it is told that they are nobody's concern any more. */
void config_book_drop(struct config_book *book, bool (*unwanted)(void *self, const struct config_file *file),
                      void *self);
