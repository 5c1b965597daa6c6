#pragma once
/*
 * What weakens governance, and the proof that an approver wants it: a table of methods; a text that says to a human what is asked
 * for and to a machine exactly what; and a book of the texts that wait to be signed. A text is good for one time, for some
 * minutes, for one method with these arguments, and for this log of this machine.
 */
#include <jansson.h>

#include "base/usec.h"
#include "control/methods.h"
#include "io/cleanup.h"

#define PROOF_VALID (15 * USEC_PER_MINUTE)
#define PROOF_TEXT_MAX 8192
#define PROOF_WAITING_MAX 32 /* texts; the oldest gives its place to a new one */

enum proof_need {
        PROOF_NEVER,
        PROOF_WHEN_WEAKER, /* only where it weakens anything, which the daemon knows */
        PROOF_ALWAYS,
};

struct proof_row {
        enum proof_need need;
        const char *what; /* happens then, for people */
};

const struct proof_row *proof_row(enum method method);

/* What is to be proven. All of it is in the text, and all of it must be the same when it is done. */
struct proof_subject {
        enum method method;
        const json_t *params;
        const char *note; /* what the arguments do not say, such as what is looser; lines, or "" */
        const char *host;
        const char *log; /* its origin */
};

struct proof_book;

int proof_book_new(struct proof_book **ret);
struct proof_book *proof_book_free(struct proof_book *book);
DEFINE_CLEANUP_FUNC(struct proof_book *, proof_book_free);

/* Writes the text that is to be signed, on loan until the next call. -E2BIG: it would be too long for a human. */
int proof_ask(struct proof_book *book, const struct proof_subject *subject, usec_t now, const char **ret_text);

/*
 * Looks for the text about this subject that `is_signed` takes; it waits no more then, and is on loan until the next call.
 * -ENOENT: none of those that wait, and are not too old.
 */
int proof_take(struct proof_book *book, const struct proof_subject *subject, usec_t now,
               bool (*is_signed)(void *self, const char *text), void *self, const char **ret_text);

/* The nonce in a text, for the record of its use; "" where there is none. */
#define PROOF_NONCE_MAX 33
void proof_nonce(const char *text, char ret[PROOF_NONCE_MAX]);
