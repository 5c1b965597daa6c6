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

/* Throws away what the daemon pushed until it pauses; false when it has gone. */
static bool drain(struct daemon *daemon)
{
        int r;

        do {
                json_auto_t *push = NULL;

                r = daemon_next(daemon, SETTLE, &push);
        } while (r > 0);
        return r == 0;
}

static enum code watch_loop(struct call *call, struct daemon *daemon, struct daemon *pushes, int interrupt,
                            usec_t every)
{
        for (;;) {
                json_auto_t *status = NULL;
                enum code code = status_ask(call, daemon, &status);

                if (code != CODE_OK)
                        return code;
                page_renew(&call->page);
                if (call->options.json)
                        json_dumpf(status, call->page.out, JSON_COMPACT), fputc('\n', call->page.out);
                else
                        draw(call, status);
                if (fflush(call->page.out) != 0)
                        return CODE_FAILURE;

                int woken = interrupt_wait(interrupt, daemon_fd(pushes), every);

                if (woken == 2)
                        return CODE_INTERRUPTED;
                if (woken == 1 && !drain(pushes))
                        return call_complain(call, CODE_UNREACHABLE, "governord hung up", "it was stopped or restarted",
                                             "systemctl status governor.service");
        }
}

enum code watch_status(struct call *call)
{
        _cleanup_(daemon_closep) struct daemon *daemon = NULL, *pushes = NULL;
        json_auto_t *subscribed = NULL;
        _cleanup_close_ int interrupt = -EBADF;
        usec_t every = 0;
        enum code code = parse_every(call, &every);

        if (code == CODE_OK)
                code = daemon_open(call, &daemon);
        if (code == CODE_OK)
                code = daemon_open(call, &pushes);
        if (code == CODE_OK)
                code = daemon_ask(call, pushes, "subscribe", NULL, DAEMON_ANSWER, &subscribed);
        if (code != CODE_OK)
                return code;
        interrupt = interrupt_open();

        /* the other screen, so that what stood here before comes back; the cursor would only blink about */
        bool screen = call->page.terminal && !call->options.json;

        if (screen)
                fputs("\x1b[?1049h\x1b[?25l", call->page.out);
        code = watch_loop(call, daemon, pushes, interrupt, every);
        if (screen)
                fputs("\x1b[?25h\x1b[?1049l", call->page.out);
        fflush(call->page.out);
        return code;
}
