#pragma once
/* Reads the files that wait for it, a piece at a time and the small ones first: none waits for a large one to end. */
#include "io/clock.h"
#include "observe/config_files.h"
#include "observe/config_read.h"

#define CONFIG_LARGE (4 << 20) /* read in about the time of one turn */

struct config_reader {
        const struct clock *clock;
        struct config_files *files;
        /* How the file is: 0; or -EAGAIN: it was written to while it was read, for `spent`; or why it cannot be told. */
        void (*ended)(void *self, struct config_file *file, int r, struct config_found *found, usec_t spent);
        /* Keeps what is read of it, for a file that is to be kept; NULL: nothing is kept. */
        struct vault *vault;
        bool (*keeps)(void *self, const struct config_file *file);
        void *self;

        struct config_reading {
                struct config_read read;
                uint32_t file; /* CONFIG_NO_FILE: none */
                usec_t began;
        } small, large;
        uint32_t at;                 /* where to look for the next that waits */
        uint32_t queued_n, parked_n; /* that wait, and those among the large ones that wait for the one under way */
};

/* The members above are the caller's to set, before or after; `veil` as in config_read_init(). */
int config_reader_init(struct config_reader *reader, const struct veil *veil);
void config_reader_done(struct config_reader *reader);

void config_reader_want(struct config_reader *reader, struct config_file *file);

/* It is another one now: what is being read of it is of no use, and it is read once more. */
void config_reader_again(struct config_reader *reader, struct config_file *file);

/* The table of files is about to become another: nothing waits any more. */
void config_reader_forget(struct config_reader *reader);

/* Whether there is something to do: with small files, with large ones. */
bool config_reader_has_small(const struct config_reader *reader);
bool config_reader_has_large(const struct config_reader *reader);

/* Works for one turn: on small files where there are any. */
void config_reader_turn(struct config_reader *reader);
