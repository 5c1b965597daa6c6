/* governor-run: confines a command with Landlock and seccomp and becomes it. From argv to exec. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/confine.h"
#include "run/landlock.h"
#include "run/order.h"

/* As env(1), nice(1) and timeout(1) have them: what a caller sees beside the command's own. */
enum { EXIT_NOT_STARTED = 125, EXIT_NOT_RUNNABLE = 126, EXIT_NOT_THERE = 127 };

static int say_not_run(const struct order *order, int error)
{
        const char *hint = error == EACCES && order->read.n ? ": --read must lead to it too" : "";

        fprintf(stderr, "governor-run: cannot run %s: %s%s\n", order->command[0], strerrordesc_np(error), hint);
        return error == ENOENT ? EXIT_NOT_THERE : EXIT_NOT_RUNNABLE;
}

static int run(const struct confine *confine)
{
        const struct order *order = confine->order;

        if (order->explain) {
                confine_explain(confine, stdout);
                (void)confine_say_gaps(confine, stdout);
                return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        }
        if (confine_say_gaps(confine, stderr) > 0 && order->strict) {
                fputs("governor-run: not started, as --strict wants it\n", stderr);
                return EXIT_NOT_STARTED;
        }
        if (confine_enter(confine, stderr) < 0)
                return EXIT_NOT_STARTED;
        execvp(order->command[0], order->command);
        return say_not_run(order, errno);
}

int main(int argc, char **argv)
{
        struct order order;
        struct confine confine;
        int code = order_parse(argc, argv, &order);

        if (code >= 0)
                return code;
        if (confine_prepare(&order, landlock_abi(), stderr, &confine) < 0)
                return EXIT_NOT_STARTED;
        code = run(&confine);
        confine_done(&confine);
        return code;
}
