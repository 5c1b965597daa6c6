/* governord: argv to exit. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chores.h"
#include "governor.h"
#include "io/log.h"

static const char usage[] =
        "governord - watch the agents of this machine and keep them as their policy says\n"
        "\n"
        "  governord [--config FILE] [--policies DIR] [--state DIR] [--runtime DIR] [--observe]\n"
        "\n"
        "  --config FILE    policy for the machine            (/etc/governor/governor.yaml)\n"
        "  --policies DIR   more policy, *.yaml in name order (/etc/governor/policies.d)\n"
        "  --state DIR      the audit log and its keys        (/var/lib/governor)\n"
        "  --runtime DIR    sockets                           (/run/governor)\n"
        "  --observe        do nothing to any agent, whatever the policy says\n"
        "  --version, --help\n"
        "\n"
        "It stays in the foreground and stops on SIGTERM or SIGINT; SIGHUP reads the policy again.\n"
        "See governord(8), govctl(1), governor-policy(5).\n";

enum { OPT_CONFIG = 256, OPT_POLICIES, OPT_STATE, OPT_RUNTIME, OPT_OBSERVE, OPT_VERSION, OPT_HELP };

static const struct option options[] = {
        { "config", required_argument, NULL, OPT_CONFIG }, { "policies", required_argument, NULL, OPT_POLICIES },
        { "state", required_argument, NULL, OPT_STATE },   { "runtime", required_argument, NULL, OPT_RUNTIME },
        { "observe", no_argument, NULL, OPT_OBSERVE },     { "version", no_argument, NULL, OPT_VERSION },
        { "help", no_argument, NULL, OPT_HELP },           { NULL, 0, NULL, 0 },
};

/* -1: go on; otherwise the exit code. */
static int parse(int argc, char **argv, struct governor_options *ret)
{
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                switch (option) {
                case OPT_CONFIG: ret->config = optarg; break;
                case OPT_POLICIES: ret->policies = optarg; break;
                case OPT_STATE: ret->state = optarg; break;
                case OPT_RUNTIME: ret->runtime = optarg; break;
                case OPT_OBSERVE: ret->observe = true; break;
                case OPT_VERSION: puts("governord " GOVERNOR_VERSION); return EXIT_SUCCESS;
                case OPT_HELP: fputs(usage, stdout); return EXIT_SUCCESS;
                default: fputs("Type: governord --help\n", stderr); return 2;
                }
        }
        if (optind < argc) {
                fprintf(stderr, "governord: '%s' is not an option. Type: governord --help\n", argv[optind]);
                return 2;
        }
        return -1;
}

/* The next seal's key is in memory: neither a core file nor a debugger of the same user is to have it. */
static void keep_memory(void)
{
        static const struct rlimit none = { 0, 0 };

        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
                log_ignored(-errno, "Cannot keep the memory out of core files");
}

int main(int argc, char **argv)
{
        struct governor_options governor_options = {
                .config = "/etc/governor/governor.yaml",
                .policies = "/etc/governor/policies.d",
                .state = "/var/lib/governor",
                .runtime = "/run/governor",
        };
        struct governor *governor = NULL;
        int r;

        keep_memory();
        if (argc > 2 && strcmp(argv[1], "--chore") == 0)
                return chores_run(argc - 2, argv + 2);
        r = parse(argc, argv, &governor_options);
        if (r >= 0)
                return r;
        umask(0077);
        r = governor_new(&governor_options, &governor);
        if (r == 0)
                r = governor_run(governor);
        governor_free(governor);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
