/* governor-courier: carries the newest checkpoint to witnesses. From argv to exit. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "courier/confine.h"
#include "courier/core.h"
#include "courier/post.h"
#include "courier/push.h"
#include "io/cleanup.h"
#include "io/log.h"

#define SOCKET_DEFAULT "/run/governor/courier.sock"

static const char usage[] =
        "governor-courier - bring the newest checkpoint of the audit log to its witnesses\n"
        "\n"
        "  governor-courier --push-checkpoint URL [--witness NAME] [--socket PATH]\n"
        "  governor-courier --push-all [--socket PATH]\n"
        "\n"
        "  --push-checkpoint URL  to the witness at URL; its cosignature comes back into the log\n"
        "  --push-all             to every witness that governord knows, one after the other\n"
        "  --witness NAME         which of the known witnesses is at URL, when its own URL is another\n"
        "  --socket PATH          where governord listens   (" SOCKET_DEFAULT ")\n"
        "  --version, --help\n"
        "\n"
        "Started as root it becomes the user " COURIER_USER " first.\n"
        "Exit: 0 cosigned, 3 the witness holds another history, 4 not trusted or not allowed, 5 not known, 6 unreachable,\n"
        "7 not known yet, 1 anything else, 2 usage. See governor-courier(8).\n";

struct errand {
        const char *url;
        bool all;
        const char *witness;
        const char *socket;
};

enum { OPT_PUSH = 256, OPT_ALL, OPT_WITNESS, OPT_SOCKET, OPT_VERSION, OPT_HELP };

static const struct option options[] = {
        { "push-checkpoint", required_argument, NULL, OPT_PUSH },
        { "push-all", no_argument, NULL, OPT_ALL },
        { "witness", required_argument, NULL, OPT_WITNESS },
        { "socket", required_argument, NULL, OPT_SOCKET },
        { "version", no_argument, NULL, OPT_VERSION },
        { "help", no_argument, NULL, OPT_HELP },
        { NULL, 0, NULL, 0 },
};

static int complain(const char *what)
{
        fprintf(stderr, "governor-courier: %s. Type: governor-courier --help\n", what);
        return 2;
}

/* -1: go on; otherwise the exit code. */
static int parse(int argc, char **argv, struct errand *ret)
{
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                switch (option) {
                case OPT_PUSH: ret->url = optarg; break;
                case OPT_ALL: ret->all = true; break;
                case OPT_WITNESS: ret->witness = optarg; break;
                case OPT_SOCKET: ret->socket = optarg; break;
                case OPT_VERSION: puts("governor-courier " GOVERNOR_VERSION); return EXIT_SUCCESS;
                case OPT_HELP: fputs(usage, stdout); return EXIT_SUCCESS;
                default: return complain("it was not called rightly");
                }
        }
        if (optind < argc)
                return complain("it takes options only");
        if (ret->all == (ret->url != NULL))
                return complain("it needs either --push-checkpoint URL or --push-all");
        if (ret->all && ret->witness)
                return complain("--witness belongs to --push-checkpoint");
        return -1;
}

/* ---- the errand ------------------------------------------------------------------------------------------------------- */

static int say_refusal(const struct core_refusal *refusal)
{
        log_error("%s", refusal->why);
        return refusal->exit_code;
}

/* Good news is data; bad news is an error, and goes to the journal as one. */
static int push_and_say(struct rpc *core, const json_t *witness, const char *url)
{
        struct pushed pushed;
        const char *name = json_string_value(json_object_get(witness, "name"));
        const struct log_field fields[] = { { "GOVERNOR_WITNESS", name }, { NULL, NULL } };

        push_checkpoint(core, witness, url, &pushed);
        if (pushed.end == PUSH_COSIGNED)
                puts(pushed.text);
        else
                log_with(pushed.exit_code == 3 ? LOG_ALERT : LOG_ERR, fields, "%s", pushed.text);
        return pushed.exit_code;
}

static bool same_url(const char *one, const char *other)
{
        size_t a = one ? strlen(one) : 0, b = other ? strlen(other) : 0;

        while (a > 0 && one[a - 1] == '/')
                a--;
        while (b > 0 && other[b - 1] == '/')
                b--;
        return a > 0 && a == b && memcmp(one, other, a) == 0;
}

/* The witness by its name, or else the only one at that URL. */
static int push_to_one(struct rpc *core, const json_t *witnesses, const struct errand *errand)
{
        const json_t *found = NULL, *witness;
        size_t i;

        json_array_foreach (witnesses, i, witness) {
                const char *name = json_string_value(json_object_get(witness, "name"));
                const char *url = json_string_value(json_object_get(witness, "url"));

                if (errand->witness ? !name || strcmp(name, errand->witness) != 0 : !same_url(url, errand->url))
                        continue;
                if (found) {
                        log_error("several witnesses are known at this URL; say which with --witness NAME");
                        return 2;
                }
                found = witness;
        }
        if (found)
                return push_and_say(core, found, errand->url);
        log_error("no such witness is known; its key comes first: govctl audit witness add VKEY URL");
        return 5;
}

/* 3 says more than any other code, and any other more than 0. */
static int worse(int a, int b)
{
        return a == 3 || b == 3 ? 3 : a ? a : b;
}

static int push_to_all(struct rpc *core, const json_t *witnesses)
{
        const json_t *witness;
        int code = 0;
        size_t i;

        json_array_foreach (witnesses, i, witness)
                code = worse(code, push_and_say(core, witness, NULL));
        return code;
}

static int run(const struct errand *errand)
{
        _cleanup_(rpc_closep) struct rpc *core = NULL;
        json_auto_t *answer = NULL;
        struct core_refusal refusal;
        const json_t *witnesses;
        const char *why;
        int r = rpc_open(errand->socket, &core);

        if (r < 0) {
                core_explain(r, errand->socket, &refusal);
                return say_refusal(&refusal);
        }
        if (core_ask(core, "witnesses", NULL, &answer, &refusal) < 0)
                return say_refusal(&refusal);
        why = json_string_value(json_object_get(answer, "why"));
        if (why && why[0]) { /* then the list is empty, which must not pass for having nobody to tell */
                log_error("The list of witnesses cannot be read: %s", why);
                return EXIT_FAILURE;
        }
        witnesses = json_object_get(answer, "witnesses");
        return errand->all ? push_to_all(core, witnesses) : push_to_one(core, witnesses, errand);
}

int main(int argc, char **argv)
{
        struct errand errand = { .socket = SOCKET_DEFAULT };
        int code = parse(argc, argv, &errand), r;

        if (code >= 0)
                return code;
        r = confine_process();
        if (r >= 0)
                r = confine_user();
        if (r == -ESRCH) {
                log_error("there is no user " COURIER_USER " to become; make install makes it");
                return EXIT_FAILURE;
        }
        if (r < 0 || post_init() < 0) {
                log_failure(r < 0 ? r : -ENOMEM, "Cannot give up what is not needed");
                return EXIT_FAILURE;
        }
        code = run(&errand);
        post_done();
        return fflush(stdout) == 0 ? code : EXIT_FAILURE;
}
