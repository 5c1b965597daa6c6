#include "run/order.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "run/allow.h"

#define EXIT_USAGE 2

static const char usage[] =
        "governor-run - confine a command to what it needs, and start it\n"
        "\n"
        "  governor-run [OPTION...] [--] COMMAND [ARGUMENT...]\n"
        "\n"
        "  --write PATH    it may change this file, or what is in this folder; may be repeated\n"
        "  --guard PATH    but not this part of it; may be repeated\n"
        "  --read PATH     it may read this, the system's own files and what it may change, and no more;\n"
        "                  without --read it may read everything; may be repeated\n"
        "  --allow RIGHT   give back what is denied, see below; may be repeated\n"
        "  --strict        do not start it where the kernel cannot confine it fully\n"
        "  --explain       print what it could do, and start nothing\n"
        "  --version, --help\n"
        "\n"
        "Its temporary folder ($TMPDIR, or /tmp), /dev/null and its like and terminals it may always change.\n"
        "Denied unless allowed, to it and all that it starts:\n";

static const char usage_end[] =
        "\n"
        "Exit: its own; 125 it was not started, 126 it cannot be run, 127 it is not there, 2 usage. See governor-run(1).\n";

enum { OPT_WRITE = 256, OPT_GUARD, OPT_READ, OPT_ALLOW, OPT_STRICT, OPT_EXPLAIN, OPT_VERSION, OPT_HELP };

static const struct option options[] = {
        { "write", required_argument, NULL, OPT_WRITE },
        { "guard", required_argument, NULL, OPT_GUARD },
        { "read", required_argument, NULL, OPT_READ },
        { "allow", required_argument, NULL, OPT_ALLOW },
        { "strict", no_argument, NULL, OPT_STRICT },
        { "explain", no_argument, NULL, OPT_EXPLAIN },
        { "version", no_argument, NULL, OPT_VERSION },
        { "help", no_argument, NULL, OPT_HELP },
        { NULL, 0, NULL, 0 },
};

static int complain(const char *what, const char *which)
{
        fprintf(stderr, "governor-run: %s%s. Type: governor-run --help\n", what, which);
        return EXIT_USAGE;
}

static int say_help(void)
{
        fputs(usage, stdout);
        for (unsigned i = 0; i < allow_rows_n; i++)
                printf("  %-14s  %s\n", allow_rows[i].name, allow_rows[i].denied);
        fputs(usage_end, stdout);
        return EXIT_SUCCESS;
}

static int take_path(struct order_paths *paths, const char *path)
{
        if (!path[0])
                return complain("a path is empty", "");
        if (paths->n == ORDER_PATHS_MAX)
                return complain("there are more than 64 paths of one kind: name a folder above them instead of ", path);
        paths->list[paths->n++] = path;
        return -1;
}

/* The right, or the one that was meant. */
static int take_right(struct order *order, const char *name)
{
        char why[128] = "";
        enum allow right = allow_from_name(name);

        order->allowed |= right;
        if (right)
                return -1;
        for (unsigned i = 0; i < allow_rows_n; i++)
                if (!why[0] && text_distance(name, allow_rows[i].name, 3) <= 3)
                        text_append(why, sizeof why, "; did you mean %s?", allow_rows[i].name);
        fprintf(stderr, "governor-run: there is nothing to allow by this name: %.60s%s", name,
                why[0] ? why : "; there are");
        for (unsigned i = 0; !why[0] && i < allow_rows_n; i++)
                fprintf(stderr, "%s %s", i ? "," : "", allow_rows[i].name);
        fputs("\n", stderr);
        return EXIT_USAGE;
}

static int take(struct order *order, int option, const char *argument)
{
        switch (option) {
        case OPT_WRITE: return take_path(&order->write, argument);
        case OPT_GUARD: return take_path(&order->guard, argument);
        case OPT_READ: return take_path(&order->read, argument);
        case OPT_ALLOW: return take_right(order, argument);
        case OPT_STRICT: order->strict = true; return -1;
        case OPT_EXPLAIN: order->explain = true; return -1;
        case OPT_VERSION: puts("governor-run " GOVERNOR_VERSION); return EXIT_SUCCESS;
        case OPT_HELP: return say_help();
        case ':': return complain("a word is missing after ", argument);
        default: return complain("there is no option ", argument);
        }
}

int order_parse(int argc, char **argv, struct order *ret)
{
        int option, code;

        *ret = (struct order){ .command = NULL };
        optind = 0; /* getopt is asked from the start, each time */
        /* '+': the command's own options are its own. ':' in front tells what is missing from what is unknown */
        while ((option = getopt_long(argc, argv, "+:", options, NULL)) >= 0) {
                code = take(ret, option, option == ':' || option == '?' ? argv[optind - 1] : optarg);
                if (code >= 0)
                        return code;
        }
        if (optind >= argc)
                return complain("there is no command to start", "");
        ret->command = argv + optind;
        return -1;
}
