#pragma once
/* Reads the content of one file for its digest, a piece at a time. Opens nothing but regular files, and never waits for one. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "io/digest.h"
#include "io/vault.h"
#include "observe/unit_text.h"

#define CONFIG_PIECE (64 << 10)

struct config_read {
        struct digest *digest;
        int fd; /* negative: nothing is being read */
        struct stat before;
        uint64_t taken; /* bytes so far */
        unsigned char *buffer;
        struct veil *veil;
        struct unit_text *text;      /* NULL: no outlines are made */
        struct vault *vault;         /* keeps what is read; NULL: nothing is kept */
        struct vault_writer *writer; /* it is read the second time over, into the vault */
        uint8_t kept_as[DIGEST_SIZE];
        int kept; /* of the one that is read */
};

/* What was found at a path. */
struct config_found {
        const char *path;
        struct stat st;
        uint8_t digest[DIGEST_SIZE];
        char *outline; /* of a unit's file, where it is whole; the finder's to free */
        int kept;      /* the vault has it: 0; or why not */
};

/* What a link leads to, in an outline. */
#define CONFIG_LEADS_TO "leads to"

/* `veil`: makes outlines of what is read, with a copy of this; NULL: it does not. */
int config_read_init(struct config_read *reading, const struct veil *veil);
void config_read_done(struct config_read *reading);

/*
 * Begins with the file at found->path; `follow`: through a link at its end. 1: go on with config_read_on(); 0: it has no content to
 * read, the digest is that of what it is; or a negative errno: it is gone, may not be read. -ENODEV: it is the kernel's own, where
 * reading may wait, never end, or take something away.
 */
int config_read_begin(struct config_read *reading, bool follow, struct config_found *found);

/* One piece more. 1: there is more; 0: that was all; -EAGAIN: it was written to meanwhile, begin anew; other errno. */
int config_read_on(struct config_read *reading, struct config_found *found);

void config_read_end(struct config_read *reading);
