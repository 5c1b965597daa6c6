#include "judge/file_words.h"

#include <string.h>

#include "base/text.h"

const char *file_words_tail(const char *path)
{
        size_t length = strlen(path), most = REASON_MAX * 2 / 5;

        if (length <= most)
                return path;
        path += length - most;
        while (((unsigned char)*path & 0xc0) == 0x80) /* not within a character */
                path++;
        return path;
}

void file_words_difference(char reason[REASON_MAX], const struct file_difference *d)
{
        char before[TEXT_BYTES_MAX], after[TEXT_BYTES_MAX];

        if (strcmp(d->digest, d->sealed) != 0)
                text_append(reason, REASON_MAX, ", %s to %s", text_bytes(before, d->sealed_size),
                            text_bytes(after, d->size));
        if (d->mode != d->sealed_mode)
                text_append(reason, REASON_MAX, ", mode %04o to %04o", d->sealed_mode & 07777, d->mode & 07777);
        if (d->uid != d->sealed_uid || d->gid != d->sealed_gid)
                text_append(reason, REASON_MAX, ", owner %u:%u to %u:%u", d->sealed_uid, d->sealed_gid, d->uid, d->gid);
}
