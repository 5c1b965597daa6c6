/*
 * The attacker of the tests: every attack, each at a file of its own, as whom and against what guard one likes.
 *
 *   attacker FOLDER root|owner|stranger [--device DEV] [--before CMD] [--guard CMD] [--inside CMD]
 *
 * FOLDER must be root's; the files are made in it and removed again. --before is run by sh when nothing has happened yet, --guard
 * when the attacker is ready and has not struck. --inside starts the attacker confined: a command for sh that ends in "$@", which becomes the attacker's user by
 * itself. All see FILE, GUARDED (its folder), ASIDE (the attacker's own) and ATTACKER_UID. DEV is a scratch device below FOLDER.
 *
 * One line an attack on stdout, in columns set apart by tabs: its name, what came of it, why.
 *   succeeded | prevented | beforehand (it could not get ready) | own-view | impossible (by itself, as this user or here)
 */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "canary/assault.h"
#include "io/cleanup.h"

enum { OWNER_UID = 61001, STRANGER_UID = 61002 }; /* nobody's */

struct field {
        const char *folder, *device, *before, *guard, *inside;
        char self[PATH_MAX];
        uid_t attacker, owner;
};

DEFINE_CLEANUP_FUNC(struct attempt *, attempt_free);

/* ---- the inner attacker, already confined ----------------------------------------------------------------------------- */

/* Says in one line what it was told, and holds on until nobody listens. */
static int strike_once(const char *name, const char *file)
{
        _cleanup_(attempt_freep) struct attempt *attempt = NULL;
        const struct attack *attack = attack_find(name);
        const char *device = getenv("DEVICE");
        struct attempt_end end;
        struct place place;
        char why[PLACE_WHY_MAX], line[16];

        if (!attack || place_take(file, &place, why) < 0)
                return EXIT_FAILURE;
        if (device)
                (void)text_copy(place.device, sizeof(place.device), device);
        if (attempt_begin(attack, &place, NULL, NULL, &attempt) < 0 || attempt_strike(attempt, &end) < 0)
                return EXIT_FAILURE;
        printf("%d %d %d %d %s\n", (int)end.verdict, end.error, end.signal, end.early, end.why);
        if (fflush(stdout) == 0)
                (void)!fgets(line, sizeof(line), stdin);
        return EXIT_SUCCESS;
}

static int hear(FILE *from, struct attempt_end *ret)
{
        char line[PLACE_WHY_MAX + 64];
        int verdict, error, signal, early, at = 0;

        *ret = (struct attempt_end){ 0 };
        if (!fgets(line, sizeof(line), from) ||
            sscanf(line, "%d %d %d %d %n", &verdict, &error, &signal, &early, &at) < 4)
                return -EIO;
        line[strcspn(line, "\n")] = '\0';
        ret->verdict = (enum verdict)verdict;
        ret->error = error;
        ret->signal = signal;
        ret->early = early;
        (void)text_copy(ret->why, sizeof(ret->why), line + at);
        return 0;
}

static int attack_inside(const struct field *field, const struct attack *attack, const struct place *place,
                         struct assault_end *ret)
{
        static const struct assault plainly = { 0 };
        int to[2], from[2], status = 0, r;
        _cleanup_fclose_ FILE *answer = NULL;
        pid_t pid;

        if (pipe(to) < 0 || pipe(from) < 0)
                return -errno;
        pid = fork();
        if (pid == 0) {
                (void)dup2(to[0], STDIN_FILENO);
                (void)dup2(from[1], STDOUT_FILENO);
                for (int fd = STDERR_FILENO + 1; fd < 16; fd++)
                        (void)close(fd);
                (void)execl("/bin/sh", "sh", "-c", field->inside, "sh", field->self, "--one", attack->name, place->file,
                            (char *)NULL);
                _exit(127);
        }
        (void)close(to[0]);
        (void)close(from[1]);
        answer = fdopen(from[0], "r");
        r = pid > 0 && answer ? hear(answer, &ret->told) : -ECHILD;
        if (r == 0)
                assault_see(&plainly, attack, place, ret);
        (void)close(to[1]);
        if (pid > 0)
                (void)waitpid(pid, &status, 0);
        return r;
}

/* ---- the attacker without confinement --------------------------------------------------------------------------------- */

static int become_attacker(const void *argument)
{
        const struct field *field = argument;

        if (field->attacker == 0)
                return 0;
        if (setgroups(0, NULL) < 0 || setresgid(field->attacker, field->attacker, field->attacker) < 0 ||
            setresuid(field->attacker, field->attacker, field->attacker) < 0)
                return -errno;
        return prctl(PR_SET_DUMPABLE, 1); /* or its own /proc would be root's, and so a user namespace out of reach */
}

static int set_up_guard(const void *argument)
{
        const struct field *field = argument;

        return field->guard && system(field->guard) != 0 ? -ECANCELED : 0;
}

static int attack_outside(const struct field *field, const struct attack *attack, const struct place *place,
                          struct assault_end *ret)
{
        const struct assault assault = { .become = become_attacker, .guard = set_up_guard, .argument = field };

        return assault_run(&assault, attack, place, ret);
}

/* ---- all of them ------------------------------------------------------------------------------------------------------ */

static int give_to_owner(const struct field *field, struct place *place)
{
        const char *const paths[] = { place->file, place->folder, place->aside, place->top };

        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
                if (lchown(paths[i], field->owner, field->owner) < 0)
                        return -errno;
        place->uid = field->owner;
        place->gid = field->owner;
        return chmod(place->aside, 01777) < 0 ? -errno : 0;
}

static int make_place(const struct field *field, const struct attack *attack, struct place *place)
{
        char top[PATH_MAX], file[PATH_MAX + 32], why[PLACE_WHY_MAX];
        int r;

        (void)snprintf(top, sizeof(top), "%s/%s", field->folder, attack->name);
        (void)snprintf(file, sizeof(file), "%s/guarded/canary", top);
        r = place_create(top, 0, 0);
        if (r < 0)
                return r;
        r = place_take(file, place, why);
        if (r < 0) {
                fprintf(stderr, "attacker: %s: %s\n", file, why);
                return r;
        }
        if (field->device)
                (void)text_copy(place->device, sizeof(place->device), field->device);
        (void)setenv("FILE", place->file, 1);
        (void)setenv("GUARDED", place->folder, 1);
        (void)setenv("ASIDE", place->aside, 1);
        r = give_to_owner(field, place);
        return r == 0 && field->before && system(field->before) != 0 ? -ECANCELED : r;
}

/* Nothing restores here: what succeeded and is not to be seen is to be seen by the attacker alone. */
static void tell(const struct attack *attack, const struct assault_end *end)
{
        static const char *const words[RESULT_N] = { "prevented", "own-view", "succeeded", "own-view", "impossible" };
        char reason[PLACE_WHY_MAX], changed[PLACE_WHY_MAX];
        bool early = end->result == RESULT_PREVENTED && end->told.early;

        (void)assault_reason(reason, &end->told);
        printf("%s\t%s\t%s\n", attack->name, early ? "beforehand" : words[end->result],
               end->result == RESULT_SUCCEEDED ? place_words(changed, end->changed) : reason);
}

static int attack_one(const struct field *field, const struct attack *attack)
{
        struct assault_end end = { .result = RESULT_NOT_TRIED };
        struct place place = { 0 };
        int r = make_place(field, attack, &place), removed;

        if (r == 0)
                r = field->inside ? attack_inside(field, attack, &place, &end)
                                  : attack_outside(field, attack, &place, &end);
        if (r < 0) {
                fprintf(stderr, "attacker: %s could not be tried: %s\n", attack->name, strerror(-r));
                if (place.top[0]) /* so that the next run can try it */
                        (void)place_remove(&place);
                return r;
        }
        tell(attack, &end);
        removed = place_remove(&place);
        if (removed < 0)
                fprintf(stderr, "attacker: %s cannot be removed: %s\n", place.top, strerror(-removed));
        return removed;
}

static int read_who(const char *who, struct field *field)
{
        if (strcmp(who, "owner") == 0)
                field->attacker = field->owner = OWNER_UID;
        else if (strcmp(who, "stranger") == 0)
                field->attacker = STRANGER_UID;
        else if (strcmp(who, "root") != 0)
                return -EINVAL;
        return 0;
}

static int usage(void)
{
        fputs("usage: attacker FOLDER root|owner|stranger [--device DEV] [--before CMD] [--guard CMD] [--inside CMD]\n",
              stderr);
        return 2;
}

int main(int argc, char **argv)
{
        static const struct option options[] = {
                { "device", required_argument, NULL, 'd' },
                { "before", required_argument, NULL, 'b' },
                { "guard", required_argument, NULL, 'g' },
                { "inside", required_argument, NULL, 'i' },
                { NULL, 0, NULL, 0 },
        };
        struct field field = { 0 };
        char uid[16];
        int option;

        if (argc == 4 && strcmp(argv[1], "--one") == 0)
                return strike_once(argv[2], argv[3]);
        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (option) {
                case 'd': field.device = optarg; break;
                case 'b': field.before = optarg; break;
                case 'g': field.guard = optarg; break;
                case 'i': field.inside = optarg; break;
                default: return usage();
                }
        if (argc - optind != 2 || read_who(argv[optind + 1], &field) < 0 || !realpath("/proc/self/exe", field.self))
                return usage();
        field.folder = argv[optind];
        (void)snprintf(uid, sizeof(uid), "%u", field.attacker);
        (void)setenv("ATTACKER_UID", uid, 1);
        if (field.device)
                (void)setenv("DEVICE", field.device, 1);
        for (size_t i = 0; i < ATTACKS_N; i++) {
                (void)fflush(stdout); /* or a child would print it again */
                if (attack_one(&field, &attacks[i]) < 0)
                        return EXIT_FAILURE;
        }
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
