#pragma once

/* What a mailer, a chat or a browser made of a text, back into plain lines, each with the number of the line it came from. */

#include <stdbool.h>
#include <stddef.h>

struct audit_plain {
        char *text; /* every line ends in LF */
        size_t length, room;
        unsigned *numbers; /* of the lines */
        size_t n, numbers_room;
        bool in_line; /* the last line has no LF yet */
        bool is_full; /* memory was short; nothing more is taken */
};

/* A mailbox (mbox, quoted-printable, base64, HTML parts), a chat (JSON, Telegram's export among it; HTML), or text as it
 * is. Quoting, indentation and what stands at the ends of lines are taken off. -ENOMEM. */
int audit_plain_read(const char *text, size_t length, struct audit_plain *ret);
void audit_plain_done(struct audit_plain *plain);

/* For the files that do the reading: each appends to `plain`. */
void audit_plain_put(struct audit_plain *plain, const char *text, size_t length, unsigned number);
void audit_plain_end_line(struct audit_plain *plain);
void audit_plain_html(struct audit_plain *plain, const struct audit_plain *html);

/* mail.c; false: it does not begin as mail does */
bool audit_plain_mail(struct audit_plain *plain, const char *text, size_t length);

/* chat.c; false: it is no JSON. `number` is that of the first line; `is_one_line`: all of it came from that one. */
bool audit_plain_json(struct audit_plain *plain, const char *text, size_t length, unsigned number, bool is_one_line);
