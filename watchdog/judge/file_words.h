#pragma once
/* What became of a file, in the words that reasons are made of. */
#include "base/decision.h"

/* How it is, and how it was sealed. Digests in hex, "" no file; modes are st_mode. */
struct file_difference {
        const char *digest, *sealed;
        uint64_t size, sealed_size;
        uint32_t mode, sealed_mode;
        uint32_t uid, sealed_uid, gid, sealed_gid;
};

/* A path as long as the reason would leave no room for what became of it; its end says more than its beginning. */
const char *file_words_tail(const char *path);

/* ", 512B to 530B", ", mode 0644 to 0600", ", owner 0:0 to 1000:1000" */
void file_words_difference(char reason[REASON_MAX], const struct file_difference *difference);
