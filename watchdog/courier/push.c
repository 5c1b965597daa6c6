#include "courier/push.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "courier/post.h"
#include "courier/reply.h"
#include "io/cleanup.h"

/* Enough for a witness that knew another size than we thought, and once more for someone who pushed in between. */
#define TRIES 3

/* A witness has a key or two; what it sends beyond that would only fill the log. */
#define COSIGNATURES_MAX 4

struct push {
        struct rpc *core;
        struct pushed *pushed;
        const char *name, *address;
        struct signer signer;
        uint64_t old_size; /* what the witness has cosigned, as far as we know */
        uint64_t size;     /* of the checkpoint in `body` */
        struct post_reply *reply;
};

/* clang-format off */
static const struct {
        int exit_code; /* as govctl's */
        const char *name;
} ends[PUSH_END_N] = {
        [PUSH_COSIGNED]        = { 0, "cosigned" },
        [PUSH_FORK]            = { 3, "REFUSED, A FORK" },
        [PUSH_AHEAD]           = { 3, "REFUSED, THE LOG WAS CUT" },
        [PUSH_BAD_COSIGNATURE] = { 3, "BAD COSIGNATURE" },
        [PUSH_UNTRUSTED]       = { 4, "not trusted" },
        [PUSH_UNKNOWN_LOG]     = { 5, "unknown log" },
        [PUSH_UNSIGNED]        = { 7, "no cosignature" },
        [PUSH_OVERTAKEN]       = { 7, "overtaken" },
        [PUSH_TIMED_OUT]       = { 7, "timed out" },
        [PUSH_UNREACHABLE]     = { 6, "unreachable" },
        [PUSH_IMPOSTOR]        = { 6, "not proven to be the witness" },
        [PUSH_BUSY]            = { 6, "not now" },
        [PUSH_MISTAKEN]        = { 1, "not understood" },
        [PUSH_BAD_ADDRESS]     = { 2, "no address" },
        [PUSH_NO_CORE]         = { 6, "no checkpoint" },
};
/* clang-format on */

/* Every push ends here: "NAME: END: what, in a sentence". */
__attribute__((format(printf, 3, 4))) static void finish(struct push *push, enum push_end end, const char *format, ...)
{
        char text[PUSH_TEXT_MAX];
        int n = snprintf(text, sizeof(text), "%.300s: %s: ", push->name, ends[end].name);
        va_list args;

        va_start(args, format);
        vsnprintf(text + n, sizeof(text) - (size_t)n, format, args);
        va_end(args);
        push->pushed->end = end;
        push->pushed->exit_code = ends[end].exit_code;
        text_copy_safe(push->pushed->text, sizeof(push->pushed->text), text);
}

static void finish_refused(struct push *push, const struct core_refusal *refusal)
{
        finish(push, PUSH_NO_CORE, "%s", refusal->why);
        push->pushed->exit_code = refusal->exit_code;
}

/* The first line of what the witness says, for people: 80 characters of it. */
static const char *told(const struct post_reply *reply, char buffer[96])
{
        char line[80];

        snprintf(line, sizeof(line), "%.*s", (int)strcspn(reply->body, "\r\n"), reply->body);
        buffer[0] = '\0';
        if (line[0])
                text_append(buffer, 96, ": \"%s\"", line);
        return buffer;
}

/* ---- what comes back -------------------------------------------------------------------------------------------------- */

static bool cosign(struct push *push, struct reply_text line, uint64_t *ret_time)
{
        json_auto_t *result = NULL;
        struct core_refusal refusal;
        json_t *params = json_pack("{s:I, s:s%}", "size", (json_int_t)push->size, "line", line.text, line.length);
        int r = params ? core_ask(push->core, "cosign", params, &result, &refusal) : -ENOMEM;

        if (r >= 0)
                *ret_time = (uint64_t)json_integer_value(json_object_get(result, "time"));
        else if (r == -EREMOTEIO && (refusal.exit_code == 3 || refusal.exit_code == 4))
                finish(push, PUSH_BAD_COSIGNATURE, "its line does not verify over our checkpoint of size %llu: %s",
                       (unsigned long long)push->size, refusal.why);
        else if (r == -ENOMEM)
                finish(push, PUSH_MISTAKEN, "its line is not UTF-8");
        else
                finish_refused(push, &refusal);
        return r >= 0;
}

/* 200: each line of this witness's key goes to the daemon, which verifies and keeps it. */
static void take_cosignatures(struct push *push)
{
        struct reply_text rest = { push->reply->body, push->reply->length }, line;
        unsigned kept = 0;
        uint64_t at = 0;
        time_t seconds;
        char moment[32] = "";
        struct tm utc;

        for (; kept < COSIGNATURES_MAX && reply_next_line(&rest, &push->signer, &line); kept++)
                if (!cosign(push, line, &at))
                        return;
        if (kept == 0) {
                finish(push, PUSH_UNSIGNED, "it accepted size %llu, and nothing in its answer is signed by its key",
                       (unsigned long long)push->size);
                return;
        }
        seconds = (time_t)at;
        if (gmtime_r(&seconds, &utc))
                strftime(moment, sizeof(moment), "%Y-%m-%dT%H:%M:%SZ", &utc);
        finish(push, PUSH_COSIGNED, "%llu records, at %s", (unsigned long long)push->size, moment);
}

/* The witness has seen `seen` records. More than there are sealed means that these were cut, or that a copy of the log went on
 * elsewhere. A seal may have come between our question and its answer, so the daemon is asked for its size only now. */
static bool is_ahead(struct push *push, uint64_t seen)
{
        json_auto_t *head = NULL;
        struct core_refusal refusal;
        uint64_t sealed;

        if (core_ask(push->core, "audit-head", NULL, &head, &refusal) < 0) {
                finish_refused(push, &refusal);
                return true;
        }
        sealed = (uint64_t)json_integer_value(json_object_get(head, "sealed_size"));
        if (seen <= sealed)
                return false;
        finish(push, PUSH_AHEAD,
               "it has cosigned %llu records of this log, and there are %llu here: it was cut or rolled back, or a copy "
               "of it went on elsewhere",
               (unsigned long long)seen, (unsigned long long)sealed);
        return true;
}

/* 409: the witness knows another size, or another root for the same size. True when it is worth asking again. */
static bool take_conflict(struct push *push)
{
        const struct reply_text body = { push->reply->body, push->reply->length };
        uint64_t seen;
        bool sized = text_starts(push->reply->type, "text/x.tlog.size") && reply_size(body, &seen) >= 0;

        if (push->old_size == push->size && (!sized || seen == push->size)) {
                finish(push, PUSH_FORK, "it has cosigned another log of %llu records under this log's name",
                       (unsigned long long)push->size);
                return false;
        }
        if (!sized || seen == push->old_size) {
                finish(push, PUSH_MISTAKEN, "status 409 without the size that it knows");
                return false;
        }
        if (seen > push->size && is_ahead(push, seen))
                return false;
        push->old_size = seen;
        return true;
}

/* clang-format off */
static const struct {
        long status;
        enum push_end end;
        const char *means;
} refusals[] = {
        { 400, PUSH_MISTAKEN,    "it finds the request malformed" },
        { 401, PUSH_MISTAKEN,    "it wants a password; a witness asks for none" },
        { 403, PUSH_UNTRUSTED,   "it has another key for this log than the one that signed" },
        { 404, PUSH_UNKNOWN_LOG, "it does not know this log; whoever runs it must add the log's key" },
        { 405, PUSH_MISTAKEN,    "nobody takes checkpoints at this URL" },
        { 413, PUSH_MISTAKEN,    "it finds the request too long" },
        { 422, PUSH_FORK,        "what it has cosigned is not a beginning of this log: this log was rewritten, or a copy of it "
                                 "went on elsewhere" },
        { 429, PUSH_BUSY,        "it is asked too often" },
};
/* clang-format on */

static void take_refusal(struct push *push)
{
        long status = push->reply->status;
        char said[96];

        told(push->reply, said);
        for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
                if (refusals[i].status == status) {
                        finish(push, refusals[i].end, "%s (status %ld%s)", refusals[i].means, status, said);
                        return;
                }
        if (status >= 500)
                finish(push, PUSH_BUSY, "it has trouble of its own (status %ld%s)", status, said);
        else if (status >= 300 && status < 400)
                finish(push, PUSH_MISTAKEN, "it sends us elsewhere, and redirects are not followed (status %ld)",
                       status);
        else
                finish(push, PUSH_MISTAKEN, "status %ld%s", status, said);
}

/* ---- what goes there -------------------------------------------------------------------------------------------------- */

/* The request from `old_size` on; the size of its checkpoint becomes the push's. */
static char *ask_body(struct push *push)
{
        json_auto_t *result = NULL;
        struct core_refusal refusal;
        json_t *params = json_pack("{s:I}", "old_size", (json_int_t)push->old_size);
        const char *body;
        char *copy;

        if (core_ask(push->core, "add-checkpoint", params, &result, &refusal) < 0) {
                finish_refused(push, &refusal);
                return NULL;
        }
        body = json_string_value(json_object_get(result, "body"));
        push->size = (uint64_t)json_integer_value(json_object_get(result, "size"));
        copy = body ? strdup(body) : NULL;
        if (!copy)
                finish(push, PUSH_NO_CORE, "governord gave no checkpoint");
        return copy;
}

static bool send_body(struct push *push, const char *body)
{
        char why[POST_WHY_MAX] = "";
        int r = post_send(push->address, body, push->reply, why);

        if (r == -ETIMEDOUT)
                finish(push, PUSH_TIMED_OUT, "%s", why);
        else if (r == -EKEYREJECTED)
                finish(push, PUSH_IMPOSTOR, "%s", why);
        else if (r == -EMSGSIZE || r == -EPROTO)
                finish(push, PUSH_MISTAKEN, "%s", why);
        else if (r < 0)
                finish(push, PUSH_UNREACHABLE, "%s", why[0] ? why : strerror(-r));
        return r >= 0;
}

/* One question, its answer. True when it is worth asking again. */
static bool try_once(struct push *push)
{
        _cleanup_free_ char *body = ask_body(push);

        if (!body || !send_body(push, body))
                return false;
        if (push->reply->status == 409)
                return take_conflict(push);
        if (push->reply->status == 200)
                take_cosignatures(push);
        else
                take_refusal(push);
        return false;
}

/* Whoever looks at the daemon is to know it, not only who reads the journal. */
static void tell_refused(const struct push *push)
{
        json_auto_t *result = NULL;
        struct core_refusal refusal;
        json_t *params = json_pack("{s:s, s:I, s:s}", "name", push->name, "size", (json_int_t)push->size, "text",
                                   push->pushed->text);

        if (core_ask(push->core, "witness-refused", params, &result, &refusal) < 0)
                text_append(push->pushed->text, sizeof(push->pushed->text), "; governord was not told: %s",
                            refusal.why);
}

static void push_until_answered(struct push *push)
{
        for (unsigned i = 0; i < TRIES; i++)
                if (!try_once(push))
                        return;
        finish(push, PUSH_OVERTAKEN, "each time it knew a newer size: somebody else pushes too");
}

void push_checkpoint(struct rpc *core, const json_t *witness, const char *url, struct pushed *ret)
{
        const char *name = json_string_value(json_object_get(witness, "name"));
        const char *vkey = json_string_value(json_object_get(witness, "vkey"));
        const char *prefix = url ? url : json_string_value(json_object_get(witness, "url"));
        json_int_t last = json_integer_value(json_object_get(witness, "last_size"));
        _cleanup_free_ struct post_reply *reply = malloc(sizeof(*reply));
        _cleanup_free_ char *address = NULL;
        char why[POST_WHY_MAX] = "out of memory";
        struct push push = {
                .core = core,
                .pushed = ret,
                .name = name ? name : "?",
                .old_size = last > 0 ? (uint64_t)last : 0,
                .reply = reply,
        };

        if (!vkey || signer_read(vkey, &push.signer) < 0)
                return finish(&push, PUSH_BAD_ADDRESS, "its verifier key is none");
        if (!reply || !prefix || post_address(prefix, "add-checkpoint", &address, why) < 0)
                return finish(&push, PUSH_BAD_ADDRESS, "%s", prefix ? why : "it has no URL");
        push.address = address;
        push_until_answered(&push);
        if (ret->end == PUSH_FORK || ret->end == PUSH_AHEAD)
                tell_refused(&push);
}
