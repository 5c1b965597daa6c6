#include "control/proof.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "io/digest.h"

#define NONCE_BYTES ((PROOF_NONCE_MAX - 1) / 2)
#define NONCE_LINE "\nnonce: "

/* clang-format off */
static const struct proof_row rows[METHOD_N] = {
        /*                         needed               what happens then */
        [METHOD_DISARM]          = { PROOF_ALWAYS,      "Governor stops acting on this machine, and takes back all that it has set up here." },
        [METHOD_SAFE_MODE]       = { PROOF_WHEN_WEAKER, "Governor observes, and does nothing until safe mode is off again." },
        [METHOD_RELOAD]          = { PROOF_WHEN_WEAKER, "Governor governs by another policy, which is looser than the one that rules." },
        [METHOD_ACKNOWLEDGE]     = { PROOF_WHEN_WEAKER, "An incident of the guard, of the audit log or of a kill switch is closed." },
        [METHOD_AUDIT_RESTORED]  = { PROOF_ALWAYS,      "What became of the audit log counts as explained, and its incident is closed." },
        [METHOD_APPROVE]         = { PROOF_WHEN_WEAKER, "An agent is granted what it asked for." },
        [METHOD_MODIFY]          = { PROOF_WHEN_WEAKER, "An agent is granted what it asked for, with other parameters." },
        [METHOD_APPROVER_ADD]    = { PROOF_ALWAYS,      "One more key may approve what weakens Governor." },
        [METHOD_APPROVER_REMOVE] = { PROOF_ALWAYS,      "A key may not approve any more." },
};
/* clang-format on */

const struct proof_row *proof_row(enum method method)
{
        return &rows[method];
}

/* A text that waits to be signed, and what it is about as one word. */
struct waiting {
        usec_t until; /* 0: the place is free */
        char *about;
        char *text;
};

struct proof_book {
        struct waiting list[PROOF_WAITING_MAX];
        char *taken; /* the last text that was */
};

int proof_book_new(struct proof_book **ret)
{
        *ret = calloc(1, sizeof(**ret));
        return *ret ? 0 : -ENOMEM;
}

static void forget(struct waiting *waiting)
{
        free(waiting->about);
        free(waiting->text);
        *waiting = (struct waiting){ .until = 0 };
}

struct proof_book *proof_book_free(struct proof_book *book)
{
        if (!book)
                return NULL;
        for (unsigned i = 0; i < PROOF_WAITING_MAX; i++)
                forget(&book->list[i]);
        free(book->taken);
        free(book);
        return NULL;
}

/* ---- the text ------------------------------------------------------------------------------------------------------------ */

/* Sorted and in ASCII: the same arguments are the same letters, and no letter looks like another. What a passphrase locks is
 * named by its digest: the text goes into the log. */
static char *arguments_of(const struct proof_subject *subject)
{
        json_auto_t *params = subject->params ? json_copy((json_t *)(uintptr_t)subject->params) : json_object();
        const char *locked = json_string_value(json_object_get(params, "locked"));
        char digest[DIGEST_HEX_MAX];

        if (locked) {
                digest_hex(locked, strlen(locked), digest);
                json_object_set_new(params, "locked", json_string(digest));
        }
        return json_dumps(params, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENSURE_ASCII);
}

/* Everything about the subject, and nothing about this time. */
static int describe(const struct proof_subject *subject, char **ret)
{
        _cleanup_free_ char *arguments = arguments_of(subject);

        if (!arguments ||
            asprintf(ret,
                     "Governor asks for your approval:\n\n  %s\n%s%s%s\nmachine: %s\nlog: %s\n"
                     "method: %s\narguments: %s\n",
                     rows[subject->method].what, *subject->note ? "\n" : "", subject->note, *subject->note ? "\n" : "",
                     subject->host, subject->log, method_row(subject->method)->name, arguments) < 0)
                return -ENOMEM;
        return 0;
}

static int draw_nonce(char ret[PROOF_NONCE_MAX])
{
        uint8_t bytes[NONCE_BYTES];

        if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
                return -EIO;
        for (size_t i = 0; i < sizeof(bytes); i++)
                snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
        return 0;
}

static int write_text(const char *about, usec_t until, char **ret)
{
        const time_t seconds = (time_t)(until / USEC_PER_SEC);
        char nonce[PROOF_NONCE_MAX], when[32];
        struct tm tm;
        int r = draw_nonce(nonce);

        if (r < 0)
                return r;
        if (!gmtime_r(&seconds, &tm) || strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
                return -ERANGE;
        return asprintf(ret, "%svalid until: %s" NONCE_LINE "%s\n", about, when, nonce) < 0 ? -ENOMEM : 0;
}

void proof_nonce(const char *text, char ret[PROOF_NONCE_MAX])
{
        const char *line = NULL;

        for (const char *at = strstr(text, NONCE_LINE); at; at = strstr(at + 1, NONCE_LINE))
                line = at; /* the last one: what stands before it is somebody else's word */
        snprintf(ret, PROOF_NONCE_MAX, "%s", line ? line + strlen(NONCE_LINE) : "");
        ret[strcspn(ret, "\n")] = '\0';
}

/* ---- the book ------------------------------------------------------------------------------------------------------------- */

static struct waiting *place_for(struct proof_book *book)
{
        struct waiting *place = &book->list[0];

        for (unsigned i = 1; i < PROOF_WAITING_MAX; i++)
                if (book->list[i].until < place->until)
                        place = &book->list[i];
        forget(place);
        return place;
}

int proof_ask(struct proof_book *book, const struct proof_subject *subject, usec_t now, const char **ret_text)
{
        _cleanup_free_ char *about = NULL, *text = NULL;
        struct waiting *place;
        int r = describe(subject, &about);

        if (r >= 0)
                r = write_text(about, now + PROOF_VALID, &text);
        if (r >= 0 && strlen(text) >= PROOF_TEXT_MAX)
                r = -E2BIG;
        if (r < 0)
                return r;
        place = place_for(book);
        *place = (struct waiting){ .until = now + PROOF_VALID, .about = TAKE_PTR(about), .text = TAKE_PTR(text) };
        *ret_text = place->text;
        return 0;
}

int proof_take(struct proof_book *book, const struct proof_subject *subject, usec_t now,
               bool (*is_signed)(void *self, const char *text), void *self, const char **ret_text)
{
        _cleanup_free_ char *about = NULL;
        int r = describe(subject, &about);

        if (r < 0)
                return r;
        for (unsigned i = 0; i < PROOF_WAITING_MAX; i++) {
                struct waiting *waiting = &book->list[i];

                if (waiting->until <= now || strcmp(waiting->about, about) != 0 || !is_signed(self, waiting->text))
                        continue;
                free(book->taken);
                book->taken = TAKE_PTR(waiting->text);
                forget(waiting);
                *ret_text = book->taken;
                return 0;
        }
        return -ENOENT;
}
