#include "govctl/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/interrupt.h"
#include "govctl/status.h"
#include "io/cleanup.h"

#define EVERY (2 * USEC_PER_SEC)
#define SETTLE (100 * USEC_PER_MSEC) /* records come in bursts: one picture for each */

static enum code parse_every(const struct call *call, usec_t *ret)
{
        char *end;
        double seconds;

        if (!call->options.every) {
                *ret = EVERY;
                return CODE_OK;
        }
        seconds = strtod(call->options.every, &end);
        if (*end || !(seconds >= 0.2) || seconds > 3600)
                return call_complain(call, CODE_USAGE, "--watch takes 0.2 to 3600 seconds", call->options.every,
                                     "govctl status --watch=5");
        *ret = (usec_t)(seconds * USEC_PER_SEC);
        return CODE_OK;
}

/* Draws into memory first and sends it in one piece, each line wiped to its end: no flicker, no leftovers. */
static void draw(struct call *call, const json_t *status)
{
        _cleanup_free_ char *text = NULL;
        size_t length = 0;
        struct page memory = call->page;
        FILE *out = call->page.out;

        memory.out = open_memstream(&text, &length);
        if (!memory.out)
                return;
        status_show(&memory, status);
        fclose(memory.out);
        if (!call->page.terminal) {
                fputs(text, out);
                fputc('\n', out);
                return;
        }
        fputs("\x1b[H", out);
        for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
                fprintf(out, "%.*s\x1b[K\n", (int)(end - line), line);
        fputs("\x1b[J", out);
}

struct watch {
        struct call *call;
        struct rpc *daemon, *pushes; /* one to ask, one that is told */
        int interrupt;
        usec_t every;
        bool screen; /* a person looks at a screen of its own */
};

static void watch_disconnect(struct watch *watch)
{
        watch->daemon = rpc_close(watch->daemon);
        watch->pushes = rpc_close(watch->pushes);
}

static enum code watch_connect(struct watch *watch, struct call *call)
{
        json_auto_t *subscribed = NULL;
        enum code code = daemon_open(call, &watch->daemon);

        if (code == CODE_OK)
                code = daemon_open(call, &watch->pushes);
        if (code == CODE_OK)
                code = daemon_ask(call, watch->pushes, "subscribe", NULL, DAEMON_ANSWER, &subscribed);
        return code;
}

/* Throws away what the daemon pushed until it pauses, a second at most; false when it has gone. */
static bool drain(struct rpc *daemon)
{
        for (usec_t spent = 0; spent < USEC_PER_SEC; spent += SETTLE) {
                json_auto_t *push = NULL;
                int r = rpc_next(daemon, SETTLE, &push);

                if (r <= 0)
                        return r == 0;
        }
        return true;
}

/* Shows the status at every change until the daemon goes, which `call` is told, or somebody interrupts. */
static enum code watch_session(struct watch *watch, struct call *call)
{
        for (;;) {
                json_auto_t *status = NULL;
                enum code code = status_ask(call, watch->daemon, &status);

                if (code != CODE_OK)
                        return code;
                page_renew(&watch->call->page);
                if (call->options.json) {
                        json_dumpf(status, call->page.out, JSON_COMPACT);
                        fputc('\n', call->page.out);
                } else
                        draw(watch->call, status);
                if (fflush(call->page.out) != 0)
                        return CODE_FAILURE;

                int woken = interrupt_wait(watch->interrupt, rpc_fd(watch->pushes), watch->every);

                if (woken == 2)
                        return CODE_INTERRUPTED;
                if (woken == 1 && !drain(watch->pushes))
                        return call_complain(call, CODE_UNREACHABLE, "governord hung up", "it was stopped or restarted",
                                             "systemctl status governor.service");
        }
}

/* A person who watches wants to see the daemon come back: the last picture stays, with a word on it. */
static enum code watch_screen(struct watch *watch)
{
        _cleanup_fclose_ FILE *nowhere = fopen("/dev/null", "we");
        struct call quiet = *watch->call;
        enum code code = CODE_OK;

        if (!nowhere)
                return CODE_FAILURE;
        quiet.talk = nowhere;
        for (;;) {
                if (code == CODE_OK)
                        code = watch_session(watch, &quiet);
                if (code == CODE_INTERRUPTED || code == CODE_FAILURE)
                        return code;
                watch_disconnect(watch);
                fputs("\x1b[H\x1b[7m governord does not answer; trying again \x1b[0m", watch->call->page.out);
                fflush(watch->call->page.out);
                if (interrupt_wait(watch->interrupt, -EBADF, USEC_PER_SEC) == 2)
                        return CODE_INTERRUPTED;
                code = watch_connect(watch, &quiet);
        }
}

enum code watch_status(struct call *call)
{
        struct watch watch = { .call = call, .screen = call->page.terminal && !call->options.json };
        _cleanup_close_ int interrupt = -EBADF;
        enum code code = parse_every(call, &watch.every);

        if (code == CODE_OK)
                code = watch_connect(&watch, call);
        if (code == CODE_OK) {
                watch.interrupt = interrupt = interrupt_open();
                /* the other screen, so that what stood here before comes back; the cursor would only blink about */
                if (watch.screen)
                        fputs("\x1b[?1049h\x1b[?25l", call->page.out);
                code = watch.screen ? watch_screen(&watch) : watch_session(&watch, call);
                if (watch.screen)
                        fputs("\x1b[?25h\x1b[?1049l", call->page.out);
                fflush(call->page.out);
        }
        watch_disconnect(&watch);
        return code;
}
