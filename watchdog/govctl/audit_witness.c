/* Witnesses of the audit log: who they are, how far each has seen it, and bringing them the newest checkpoint. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/grid.h"
#include "govctl/moment.h"
#include "govctl/verbs.h"
#include "io/cleanup.h"

#define COURIER "governor-courier"
#define SAID_MAX 2048

/* A list that cannot be read is empty, and that is not the same as having no witnesses. */
static enum code ask_witnesses(struct call *call, json_t **ret)
{
        json_auto_t *answer = NULL;
        enum code code = daemon_ask_once(call, "witnesses", NULL, DAEMON_ANSWER, &answer);
        const char *why = field_text(answer, "why");

        if (code != CODE_OK)
                return code;
        if (why[0])
                return call_complain(call, CODE_FAILURE, "the list of witnesses cannot be read", why,
                                     "mend it, then: govctl reload");
        *ret = json_incref(answer);
        return CODE_OK;
}

/* ---- the list --------------------------------------------------------------------------------------------------------- */

enum { LIST_NAME, LIST_SEEN, LIST_BEHIND, LIST_AGE, LIST_URL, LIST_N };

/* clang-format off */
static const struct column list_columns[LIST_N] = {
        [LIST_NAME]   = { "WITNESS",  .rank = 0, .least = 12 },
        [LIST_SEEN]   = { "COSIGNED", .rank = 0, .right = true },
        [LIST_BEHIND] = { "BEHIND",   .rank = 2, .right = true },
        [LIST_AGE]    = { "LAST",     .rank = 1 },
        [LIST_URL]    = { "URL",      .rank = 3, .least = 16 },
};
/* clang-format on */

static void show_witness(struct grid *grid, const struct page *page, const json_t *witness, int64_t sealed)
{
        int64_t seen = field_number(witness, "last_size");
        usec_t at = moment_of(field(witness, "last_at")), refused = moment_of(field(witness, "refused_at"));
        char ago[PAGE_AGO_MAX];

        grid_cell(grid, LIST_NAME, TINT_PLAIN, "%s", field_text(witness, "name"));
        grid_cell(grid, LIST_URL, TINT_FAINT, "%s", field_text(witness, "url"));
        if (seen > 0) {
                grid_cell(grid, LIST_SEEN, TINT_PLAIN, "%lld", (long long)seen);
                grid_cell(grid, LIST_BEHIND, TINT_PLAIN, "%lld", (long long)(sealed > seen ? sealed - seen : 0));
        }
        if (refused)
                grid_cell(grid, LIST_AGE, TINT_BAD, "refused it %s", page_ago(page, refused, ago));
        else
                grid_cell(grid, LIST_AGE, at ? TINT_PLAIN : TINT_WATCH, "%s", at ? page_ago(page, at, ago) : "never");
        grid_end_row(grid);
}

static enum code show_list(struct call *call, const json_t *witnesses, int64_t sealed)
{
        _cleanup_(grid_freep) struct grid *grid = grid_new(list_columns, LIST_N);
        const json_t *witness;
        size_t i;

        if (!grid)
                return call_out_of_memory(call);
        if (json_array_size(witnesses) == 0) {
                page_wrap(&call->page, TINT_PLAIN, 0,
                          "No witnesses: nobody outside of this machine vouches for the log. A first one: govctl audit "
                          "witness add VKEY URL");
                return CODE_OK;
        }
        json_array_foreach ((json_t *)witnesses, i, witness)
                show_witness(grid, &call->page, witness, sealed);
        grid_print(grid, &call->page, 0);
        return CODE_OK;
}

enum code run_audit_witness_list(struct call *call)
{
        json_auto_t *answer = NULL, *head = NULL;
        enum code code = ask_witnesses(call, &answer);

        if (code == CODE_OK)
                code = daemon_ask_once(call, "audit-head", NULL, DAEMON_ANSWER, &head);
        if (code != CODE_OK)
                return code;
        if (!call->options.json)
                return show_list(call, field(answer, "witnesses"), field_number(head, "sealed_size"));
        json_object_set(answer, "size", json_object_get(head, "size"));
        json_object_set(answer, "sealed_size", json_object_get(head, "sealed_size"));
        return call_print_json(call, answer, CODE_OK);
}

/* ---- who is one ------------------------------------------------------------------------------------------------------- */

static enum code say(struct call *call, const json_t *answer, const char *text)
{
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        page_wrap(&call->page, TINT_PLAIN, 0, text);
        return CODE_OK;
}

enum code run_audit_witness_add(struct call *call)
{
        json_auto_t *answer = NULL;
        const char *vkey = call->arguments[0];
        json_t *parameters = json_pack("{s:s, s:s}", "vkey", vkey, "url", call->arguments[1]);
        enum code code = daemon_ask_once(call, "witness-add", parameters, DAEMON_ANSWER, &answer);
        char text[512];

        if (code != CODE_OK)
                return code;
        snprintf(
                text, sizeof text,
                "%.*s is a witness. It must know this log's key too (log_key in govctl audit show 0); then: govctl audit "
                "witness push",
                (int)strcspn(vkey, "+"), vkey);
        return say(call, answer, text);
}

enum code run_audit_witness_remove(struct call *call)
{
        json_auto_t *answer = NULL;
        json_t *parameters = json_pack("{s:s}", "name", call_argument(call));
        enum code code = daemon_ask_once(call, "witness-remove", parameters, DAEMON_ANSWER, &answer);
        char text[512];

        if (code != CODE_OK)
                return code;
        snprintf(text, sizeof text, "%s is no witness any more; what it has cosigned stays.", call_argument(call));
        return say(call, answer, text);
}

/* ---- bringing them the checkpoint ------------------------------------------------------------------------------------- */

/* The courier is installed beside governord, or stands beside govctl in a build. */
static bool find_courier(char path[PATH_MAX])
{
        static const char *const places[] = { "", "../sbin/" };
        char here[PATH_MAX - 32];
        ssize_t n = readlink("/proc/self/exe", here, sizeof here - 1);
        const char *slash;

        if (n <= 0)
                return false;
        here[n] = '\0';
        slash = strrchr(here, '/');
        for (size_t i = 0; slash && i < sizeof places / sizeof places[0]; i++) {
                snprintf(path, PATH_MAX, "%.*s/%s" COURIER, (int)(slash - here), here, places[i]);
                if (access(path, X_OK) == 0)
                        return true;
        }
        return false;
}

/* Root's courier becomes a user of its own and has a socket of its own; anybody else's asks as whom it is, where govctl asks. */
static void courier_socket(const struct call *call, char path[PATH_MAX])
{
        const char *socket = daemon_socket(call), *slash = strrchr(socket, '/');

        if (geteuid() == 0)
                snprintf(path, PATH_MAX, "%.*scourier.sock", slash ? (int)(slash + 1 - socket) : 0, socket);
        else
                text_copy(path, PATH_MAX, socket);
}

/* What the program says on both its streams, as one line; whatever goes beyond is read and dropped. */
static void read_line(int fd, char said[SAID_MAX])
{
        size_t have = 0;
        char more[512];
        ssize_t n;

        while ((n = read(fd, more, sizeof more)) > 0 || (n < 0 && errno == EINTR))
                for (ssize_t i = 0; i < n && have < SAID_MAX - 1; i++)
                        said[have++] = more[i] == '\n' ? ' ' : more[i];
        while (have > 0 && said[have - 1] == ' ')
                have--;
        said[have] = '\0';
}

static int spawn(const char *program, char *const argv[], int out, pid_t *ret)
{
        posix_spawn_file_actions_t actions;
        int r = posix_spawn_file_actions_init(&actions);

        if (r != 0)
                return -r;
        r = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
        if (r == 0)
                r = posix_spawn(ret, program, &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

/* How it ended, as an exit code; `said` is what it said, or why there is nothing. */
static enum code run_courier(const char *program, char *const argv[], char said[SAID_MAX])
{
        int ends[2], status = 0, r;
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0) {
                text_copy(said, SAID_MAX, strerror(errno));
                return CODE_FAILURE;
        }
        r = spawn(program, argv, ends[1], &pid);
        close(ends[1]);
        if (r == 0) {
                read_line(ends[0], said);
                while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                        ;
        } else
                snprintf(said, SAID_MAX, "%.512s cannot be run: %s", program, strerror(-r));
        close(ends[0]);
        if (r == 0 && WIFSIGNALED(status))
                snprintf(said, SAID_MAX, "the courier was ended by signal %d", WTERMSIG(status));
        return r == 0 && WIFEXITED(status) && WEXITSTATUS(status) <= CODE_PENDING ? (enum code)WEXITSTATUS(status)
                                                                                  : CODE_FAILURE;
}

static enum code push_to(const char *program, const char *socket, const json_t *witness, char said[SAID_MAX])
{
        char *argv[] = { (char *)COURIER,
                         (char *)"--push-checkpoint",
                         (char *)field_text(witness, "url"),
                         (char *)"--witness",
                         (char *)field_text(witness, "name"),
                         (char *)"--socket",
                         (char *)socket,
                         NULL };
        const char *name = field_text(witness, "name");
        char heard[SAID_MAX];
        enum code code = run_courier(program, argv, heard);

        said[0] = '\0';
        if (!text_starts(heard, name)) /* it did not come so far as to speak of the witness */
                text_append(said, SAID_MAX, "%s: ", name);
        text_append(said, SAID_MAX, "%s", heard);
        return code;
}

/* A fork says more than any other end, and any other end more than none. */
static enum code worse(enum code a, enum code b)
{
        return a == CODE_FINDING || b == CODE_FINDING ? CODE_FINDING : a ? a : b;
}

static enum code push_each(struct call *call, const char *program, const json_t *witnesses, json_t *ends)
{
        enum code worst = CODE_OK;
        const json_t *witness;
        char socket[PATH_MAX], said[SAID_MAX];
        size_t i;

        courier_socket(call, socket);
        json_array_foreach ((json_t *)witnesses, i, witness) {
                const char *name = field_text(witness, "name");

                if (call->arguments_n > 0 && strcmp(name, call->arguments[0]) != 0)
                        continue;
                enum code code = push_to(program, socket, witness, said);

                worst = worse(worst, code);
                json_array_append_new(ends, json_pack("{s:s, s:O, s:i, s:s}", "name", name, "url",
                                                      field(witness, "url"), "exit", (int)code, "text", said));
                if (call->options.json)
                        continue;
                page_wrap(&call->page, code == CODE_OK ? TINT_GOOD : TINT_BAD, 2, said);
                fflush(call->page.out); /* the next one may take half a minute */
        }
        return worst == CODE_FINDING ? CODE_FAILURE : worst; /* 3 is for verbs that look, not for those that act */
}

enum code run_audit_witness_push(struct call *call)
{
        json_auto_t *answer = NULL, *ends = json_array();
        char program[PATH_MAX], what[320];
        enum code code = ask_witnesses(call, &answer);

        if (code != CODE_OK)
                return code;
        if (!ends)
                return call_out_of_memory(call);
        if (!find_courier(program))
                return call_complain(call, CODE_NOT_FOUND, "there is no " COURIER,
                                     "it stands neither beside govctl nor in ../sbin", "make install");
        code = push_each(call, program, field(answer, "witnesses"), ends);
        if (json_array_size(ends) == 0) {
                snprintf(what, sizeof what, call->arguments_n ? "there is no witness '%s'" : "there is no witness",
                         call_argument(call));
                return call_complain(call, CODE_NOT_FOUND, what, "the list of witnesses does not name one",
                                     "govctl audit witness add VKEY URL");
        }
        if (call->options.json) {
                json_auto_t *json = json_pack("{s:i, s:O}", "schema_version", 1, "witnesses", ends);

                return json ? call_print_json(call, json, code) : call_out_of_memory(call);
        }
        return code;
}
