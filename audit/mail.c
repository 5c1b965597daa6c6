/* Messages one after the other (mbox) or one alone: parts are decoded, HTML among them, headers left out. */

#include "audit/cleanup.h"
#include "audit/plain.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { HEADER_MAX = 1024, BOUNDARY_MAX = 72, BOUNDARIES_MAX = 16 };

enum encoding { AS_IT_IS, QUOTED_PRINTABLE, BASE64 };

struct mail {
        struct audit_plain *plain;
        struct audit_plain part; /* decoded so far; base64 only when it ends */

        bool in_header;
        char header[HEADER_MAX]; /* one, its continuation lines joined; what is too long is cut */
        enum encoding encoding;
        bool is_html, is_message;

        char boundaries[BOUNDARIES_MAX][BOUNDARY_MAX];
        unsigned boundaries_n;
        bool after_empty; /* the line before was, so that this one may begin a message */
};

/* ---- headers -------------------------------------------------------------------------------------------------- */

static void take_boundary(struct mail *mail, const char *value)
{
        const char *at = strcasestr(value, "boundary=");
        size_t length;

        if (!at || mail->boundaries_n == BOUNDARIES_MAX)
                return;
        at += strlen("boundary=");
        length = *at == '"' ? strcspn(++at, "\"") : strcspn(at, "; \t");
        if (length > 0 && length < BOUNDARY_MAX)
                snprintf(mail->boundaries[mail->boundaries_n++], BOUNDARY_MAX, "%.*s", (int)length, at);
}

static void end_header(struct mail *mail)
{
        const char *value = strchr(mail->header, ':');

        if (value && strncasecmp(mail->header, "Content-Type:", strlen("Content-Type:")) == 0) {
                mail->is_html = strcasestr(value, "text/html") != NULL;
                mail->is_message = strcasestr(value, "message/rfc822") != NULL;
                take_boundary(mail, value);
        } else if (value && strncasecmp(mail->header, "Content-Transfer-Encoding:", 26) == 0)
                mail->encoding = strcasestr(value, "quoted-printable") ? QUOTED_PRINTABLE
                                 : strcasestr(value, "base64")         ? BASE64
                                                                       : AS_IT_IS;
        mail->header[0] = '\0';
}

static void begin_header(struct mail *mail)
{
        mail->in_header = true;
        mail->header[0] = '\0';
        mail->encoding = AS_IT_IS;
        mail->is_html = mail->is_message = false;
}

/* A name of printable letters and a colon. */
static bool is_header(const char *line, size_t length)
{
        size_t i = 0;

        while (i < length && line[i] > ' ' && line[i] != ':' && line[i] <= '~')
                i++;
        return i > 0 && i < length && line[i] == ':';
}

/* ---- parts ---------------------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
        const char *digits = "0123456789ABCDEF", *at = c ? strchr(digits, c >= 'a' ? c - 0x20 : c) : NULL;

        return at ? (int)(at - digits) : -1;
}

/* A line without its LF. A '=' at the end goes on with the next. */
static void put_quoted_printable(struct audit_plain *part, const char *line, size_t length, unsigned number)
{
        while (length > 0 && strchr(" \t\r", line[length - 1]))
                length--;
        for (size_t i = 0; i < length; i++) {
                const int high = line[i] == '=' && i + 2 < length ? hex_digit(line[i + 1]) : -1;
                const int low = high >= 0 ? hex_digit(line[i + 2]) : -1;
                const char byte = low >= 0 ? (char)(high * 16 + low) : line[i];

                if (line[i] == '=' && i + 1 == length)
                        return;
                audit_plain_put(part, &byte, 1, number);
                i += low >= 0 ? 2 : 0;
        }
        audit_plain_put(part, "\n", 1, number);
}

/* What was collected are its letters. */
static void decode_base64(struct audit_plain *part)
{
        struct audit_plain decoded = { .text = NULL };
        uint8_t *bytes = malloc(part->length + 1);
        size_t length = 0;

        part->is_full = part->is_full || !bytes;
        if (part->is_full || part->length == 0) {
                free(bytes);
                return;
        }
        sodium_base642bin(bytes, part->length, part->text, part->length, " \t\r\n", &length, NULL,
                          sodium_base64_VARIANT_ORIGINAL);
        audit_plain_put(&decoded, (const char *)bytes, length, part->numbers[0]);
        audit_plain_end_line(&decoded);
        free(bytes);
        audit_plain_done(part);
        *part = decoded;
}

static void copy_lines(struct audit_plain *plain, const struct audit_plain *part)
{
        const char *at = part->text, *const end = at + part->length;

        for (size_t line = 0; at < end; line++) {
                const char *next = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;

                audit_plain_put(plain, at, (size_t)(next - at), part->numbers[line]);
                at = next;
        }
}

static void end_part(struct mail *mail)
{
        struct audit_plain *part = &mail->part;

        audit_plain_end_line(part);
        if (mail->encoding == BASE64)
                decode_base64(part);
        if (part->length > 0 && mail->is_html)
                audit_plain_html(mail->plain, part);
        else if (part->length > 0)
                copy_lines(mail->plain, part);
        mail->plain->is_full = mail->plain->is_full || part->is_full;
        audit_plain_done(part);
        *part = (struct audit_plain){ .text = NULL };
}

static bool is_boundary(const struct mail *mail, const char *line, size_t length)
{
        for (unsigned i = 0; i < mail->boundaries_n; i++) {
                const size_t n = strlen(mail->boundaries[i]);

                if (length >= n + 2 && line[0] == '-' && line[1] == '-' &&
                    memcmp(line + 2, mail->boundaries[i], n) == 0)
                        return true;
        }
        return false;
}

static void take_body(struct mail *mail, const char *line, size_t length, unsigned number)
{
        if (mail->encoding == QUOTED_PRINTABLE) {
                put_quoted_printable(&mail->part, line, length, number);
                return;
        }
        audit_plain_put(&mail->part, line, length, number);
        audit_plain_put(&mail->part, "\n", 1, number);
}

static bool begins_message(const struct mail *mail, const char *line, size_t length)
{
        return mail->after_empty && length > 5 && memcmp(line, "From ", 5) == 0;
}

static void take_header(struct mail *mail, const char *line, size_t length)
{
        const size_t have = strlen(mail->header), room = sizeof(mail->header) - have;

        if (line[0] != ' ' && line[0] != '\t') {
                end_header(mail);
                snprintf(mail->header, sizeof(mail->header), "%.*s", (int)length, line);
        } else
                snprintf(mail->header + have, room, "%.*s", (int)length, line);
}

/* A line without LF and CR. */
static void take_line(struct mail *mail, const char *line, size_t length, unsigned number)
{
        if (begins_message(mail, line, length)) {
                end_part(mail);
                mail->boundaries_n = 0;
                begin_header(mail);
        } else if (is_boundary(mail, line, length)) {
                end_part(mail);
                begin_header(mail);
        } else if (mail->in_header && length > 0 && (is_header(line, length) || line[0] == ' ' || line[0] == '\t')) {
                take_header(mail, line, length);
        } else if (mail->in_header) {
                end_header(mail);
                mail->in_header = mail->is_message; /* a message that was forwarded has its own */
                mail->is_message = false;
                if (length > 0) { /* not a header at all: nothing that could be an anchor is left out */
                        mail->in_header = false;
                        take_body(mail, line, length, number);
                }
        } else
                take_body(mail, line, length, number);
        mail->after_empty = length == 0;
}

static bool is_mail(const char *text, size_t length)
{
        static const char *const first[] = { "From ",
                                             "From: ",
                                             "To: ",
                                             "Received: ",
                                             "Return-Path: ",
                                             "Subject: ",
                                             "Delivered-To: ",
                                             "Date: ",
                                             "Message-ID: ",
                                             "MIME-Version: ",
                                             "Content-Type: ",
                                             "X-",
                                             "DKIM-Signature: ",
                                             "Reply-To: ",
                                             "Cc: " };

        for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
                if (length > strlen(first[i]) && strncasecmp(text, first[i], strlen(first[i])) == 0)
                        return true;
        return false;
}

bool audit_plain_mail(struct audit_plain *plain, const char *text, size_t length)
{
        const char *const end = text + length;
        struct mail *mail;

        if (!is_mail(text, length))
                return false;
        mail = calloc(1, sizeof(*mail));
        if (!mail) {
                plain->is_full = true;
                return true;
        }
        mail->plain = plain;
        mail->after_empty = true;
        begin_header(mail);
        for (unsigned number = 1; text < end; number++) {
                const char *lf = memchr(text, '\n', (size_t)(end - text)), *last = lf ?: end;

                if (last > text && last[-1] == '\r')
                        last--;
                take_line(mail, text, (size_t)(last - text), number);
                text = lf ? lf + 1 : end;
        }
        end_part(mail);
        free(mail);
        return true;
}
