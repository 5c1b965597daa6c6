#pragma once
/* What a witness answers (C2SP tlog-witness), read from bytes that a stranger on the network chose. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGNER_NAME_MAX 256
#define REPLY_LINE_MAX 1024 /* a cosignature line: a name, and 104 characters of base64 */

/* Whose lines are looked for: name and key id out of a verifier key, "NAME+ID+KEY". The key itself is the daemon's business. */
struct signer {
        char name[SIGNER_NAME_MAX];
        uint8_t id[4];
};
int signer_read(const char *vkey, struct signer *ret); /* -EINVAL */

/* A text that is on loan and does not end in NUL. */
struct reply_text {
        const char *text;
        size_t length;
};

/* The next signature line of that signer, without its LF; `rest` moves behind it. False when there is none. Lines of others,
 * and what is no signature line, are passed over, as the specification wants it. */
bool reply_next_line(struct reply_text *rest, const struct signer *signer, struct reply_text *ret);

/* The body of a 409: a size in decimal and LF. -EBADMSG for anything else. */
int reply_size(struct reply_text body, uint64_t *ret);
