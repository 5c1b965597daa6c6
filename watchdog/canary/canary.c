/* governor-canary: attacks a scratch file that is guarded, and says what came of each attack. From argv to exit. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "canary/assault.h"

enum { SETTLE_MS_DEFAULT = 120, SETTLE_MS_MOST = 10000, EXIT_USAGE = 2, EXIT_FINDING = 3, EXIT_REFUSED = 4 };

static const char usage[] =
        "governor-canary - attack a scratch file, to see what its guard is worth\n"
        "\n"
        "  governor-canary --make DIR\n"
        "  governor-canary FILE [--json] [--only ATTACK] [--settle MS]\n"
        "  governor-canary --remove FILE\n"
        "  governor-canary --list\n"
        "\n"
        "  --make DIR     make DIR and a file in it to be attacked; its path is printed\n"
        "  --only ATTACK  just this one\n"
        "  --settle MS    how long the guard has to restore the file   (120)\n"
        "  --json         the results as JSON\n"
        "  --remove FILE  remove FILE and all that --make made\n"
        "  --list         name the attacks\n"
        "  --version, --help\n"
        "\n"
        "Nothing but a file that --make made is attacked.\n"
        "Exit: 0 every attack was prevented or restored, 3 one succeeded, 4 this file is not attacked,\n"
        "1 failure, 2 usage. See governor-canary(8).\n";

struct errand {
        const char *make, *remove, *file, *only;
        unsigned settle_ms;
        bool json, list;
};

enum { OPT_MAKE = 256, OPT_REMOVE, OPT_ONLY, OPT_SETTLE, OPT_JSON, OPT_LIST, OPT_VERSION, OPT_HELP };

static const struct option options[] = {
        { "make", required_argument, NULL, OPT_MAKE },
        { "remove", required_argument, NULL, OPT_REMOVE },
        { "only", required_argument, NULL, OPT_ONLY },
        { "settle", required_argument, NULL, OPT_SETTLE },
        { "json", no_argument, NULL, OPT_JSON },
        { "list", no_argument, NULL, OPT_LIST },
        { "version", no_argument, NULL, OPT_VERSION },
        { "help", no_argument, NULL, OPT_HELP },
        { NULL, 0, NULL, 0 },
};

static int complain(const char *what)
{
        fprintf(stderr, "governor-canary: %s. Type: governor-canary --help\n", what);
        return EXIT_USAGE;
}

static bool read_settle(const char *text, unsigned *ret)
{
        uint64_t value;

        if (!text_digits(&text, NULL, &value) || *text || value > SETTLE_MS_MOST)
                return false;
        *ret = (unsigned)value;
        return true;
}

/* -1: go on; otherwise the exit code. */
static int check_errand(int argc, char **argv, struct errand *errand)
{
        if (optind < argc)
                errand->file = argv[optind++];
        if (optind < argc)
                return complain("it attacks one file at a time");
        if (!!errand->make + !!errand->remove + !!errand->file + errand->list != 1)
                return complain("it needs one of: FILE, --make DIR, --remove FILE, --list");
        if (errand->only && !attack_find(errand->only))
                return complain("there is no attack of this name; governor-canary --list names them");
        return -1;
}

static int parse(int argc, char **argv, struct errand *ret)
{
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                switch (option) {
                case OPT_MAKE: ret->make = optarg; break;
                case OPT_REMOVE: ret->remove = optarg; break;
                case OPT_ONLY: ret->only = optarg; break;
                case OPT_SETTLE:
                        if (!read_settle(optarg, &ret->settle_ms))
                                return complain("--settle takes milliseconds, at most 10000");
                        break;
                case OPT_JSON: ret->json = true; break;
                case OPT_LIST: ret->list = true; break;
                case OPT_VERSION: puts("governor-canary " GOVERNOR_VERSION); return EXIT_SUCCESS;
                case OPT_HELP: fputs(usage, stdout); return EXIT_SUCCESS;
                default: return complain("it was not called rightly");
                }
        }
        return check_errand(argc, argv, ret);
}

/* ---- the smaller errands ---------------------------------------------------------------------------------------------- */

static int fail(const char *what, const char *path, int error)
{
        fprintf(stderr, "governor-canary: cannot %s %s: %s.\n", what, path, strerror(-error));
        return EXIT_FAILURE;
}

static int make(const char *top)
{
        int r;

        if (top[0] != '/')
                return complain("--make takes a whole path, from / on");
        r = place_create(top, geteuid(), getegid());
        if (r == -EEXIST) {
                fprintf(stderr, "governor-canary: %s is there already; it makes a folder of its own. Name another.\n",
                        top);
                return EXIT_FAILURE;
        }
        if (r < 0)
                return fail("make", top, r);
        printf("%s/guarded/canary\n", top);
        return EXIT_SUCCESS;
}

static int list(void)
{
        for (size_t i = 0; i < ATTACKS_N; i++)
                printf("%-18s %s\n", attacks[i].name, attacks[i].what);
        return EXIT_SUCCESS;
}

static int take(const char *file, struct place *ret)
{
        char why[PLACE_WHY_MAX];
        int r = place_take(file, ret, why);

        if (r == 0)
                return 0;
        fprintf(stderr, "governor-canary: %s is not attacked: %s.\nMake one that is: governor-canary --make DIR\n",
                file, why);
        return r == -ENOENT || r == -EACCES ? EXIT_FAILURE : EXIT_REFUSED;
}

static int remove_place(const char *file)
{
        struct place place;
        int code = take(file, &place), r;

        if (code != 0)
                return code;
        r = place_remove(&place);
        return r < 0 ? fail("remove", place.top, r) : EXIT_SUCCESS;
}

/* ---- attacking -------------------------------------------------------------------------------------------------------- */

struct tally {
        unsigned of[RESULT_N];
        json_t *attacks;
};

static void tell(const struct attack *attack, const struct assault_end *end)
{
        char reason[PLACE_WHY_MAX], changed[PLACE_WHY_MAX];

        (void)assault_reason(reason, &end->told);
        (void)place_words(changed, end->changed);
        printf("%-18s %-10s %s%s%s%s\n", attack->name, assault_word(end->result), reason,
               end->told.early ? ", beforehand" : "", reason[0] && changed[0] ? "; " : "", changed);
}

static json_t *as_json(const struct attack *attack, const struct assault_end *end)
{
        char reason[PLACE_WHY_MAX], changed[PLACE_WHY_MAX];
        json_t *object = json_pack("{s:s, s:s, s:s}", "name", attack->name, "what", attack->what, "result",
                                   assault_word(end->result));

        if (assault_reason(reason, &end->told)[0])
                json_object_set_new(object, "reason", json_string(reason));
        if (end->told.early)
                json_object_set_new(object, "early", json_true());
        if (place_words(changed, end->changed)[0])
                json_object_set_new(object, "changed", json_string(changed));
        if (end->result == RESULT_RESTORED)
                json_object_set_new(object, "after_us", json_integer(end->after_us));
        return object;
}

static int attack_once(const struct errand *errand, const struct attack *attack, const struct place *place,
                       struct tally *tally)
{
        const struct assault assault = { .settle_ms = errand->settle_ms };
        struct assault_end end;
        int r = assault_run(&assault, attack, place, &end);

        if (r < 0)
                return fail("try", attack->name, r);
        tally->of[end.result]++;
        if (errand->json)
                json_array_append_new(tally->attacks, as_json(attack, &end));
        else
                tell(attack, &end);
        r = place_repair(place);
        return r < 0 ? fail("put back", place->file, r) : 0;
}

static int attack_all(const struct errand *errand, const struct place *place, struct tally *tally)
{
        int code = 0;

        for (size_t i = 0; i < ATTACKS_N && code == 0; i++)
                if (!errand->only || strcmp(errand->only, attacks[i].name) == 0)
                        code = attack_once(errand, &attacks[i], place, tally);
        return code;
}

static void sum_up(const struct errand *errand, const struct tally *tally)
{
        json_auto_t *all = NULL;

        if (!errand->json) {
                for (enum result result = 0; result < RESULT_N; result++)
                        printf("%s%u %s", result ? ", " : "", tally->of[result], assault_word(result));
                puts("");
                return;
        }
        all = json_pack("{s:i, s:s, s:O}", "schema_version", 1, "file", errand->file, "attacks", tally->attacks);
        for (enum result result = 0; result < RESULT_N; result++)
                json_object_set_new(all, assault_word(result), json_integer(tally->of[result]));
        (void)json_dumpf(all, stdout, JSON_COMPACT);
        puts("");
}

static int attack(const struct errand *errand)
{
        struct place place;
        json_auto_t *results = json_array();
        struct tally tally = { .attacks = results };
        int code = take(errand->file, &place), r;

        if (code != 0)
                return code;
        r = place_repair(&place); /* what one that was killed left */
        if (r < 0)
                return fail("clean up around", place.file, r);
        code = attack_all(errand, &place, &tally);
        sum_up(errand, &tally);
        return code ? code : tally.of[RESULT_SUCCEEDED] ? EXIT_FINDING : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
        struct errand errand = { .settle_ms = SETTLE_MS_DEFAULT };
        int code = parse(argc, argv, &errand);

        if (code >= 0)
                return code;
        code = errand.list     ? list()
               : errand.make   ? make(errand.make)
               : errand.remove ? remove_place(errand.remove)
                               : attack(&errand);
        return fflush(stdout) == 0 ? code : EXIT_FAILURE;
}
