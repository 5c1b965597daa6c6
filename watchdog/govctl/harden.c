/* What an agent's unit should be taken away, beside what it is taken away already. Nothing is changed. */
#include "base/harden.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "govctl/check.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/grid.h"
#include "govctl/local_policy.h"
#include "govctl/machine.h"
#include "govctl/opened.h"
#include "govctl/own_unit.h"
#include "govctl/verbs.h"
#include "io/cleanup.h"

#define FILE_NAME "60-governor-harden.conf" /* names begin with digits: `systemctl edit` stands behind them */
#define NOTES_MAX 8
#define NOTE_MAX 512

struct notes {
        char list[NOTES_MAX][NOTE_MAX];
        size_t n;
};

/* All that is known of one agent's unit. */
struct hardening {
        const char *agent, *unit_name;
        const struct unit *unit;
        struct harden harden;
        bool root; /* it would still run as root */
        char write[HARDEN_VALUE_MAX], guard[HARDEN_VALUE_MAX], hide[HARDEN_VALUE_MAX], file[PATH_MAX];
        char text[HARDEN_TEXT_MAX];
        struct notes notes;
};

__attribute__((format(printf, 2, 3))) static void note(struct hardening *hardening, const char *format, ...)
{
        struct notes *notes = &hardening->notes;
        va_list arguments;

        if (notes->n == NOTES_MAX)
                return;
        va_start(arguments, format);
        (void)vsnprintf(notes->list[notes->n++], NOTE_MAX, format, arguments);
        va_end(arguments);
}

/* ---- what is asked for --------------------------------------------------------------------------------------------------- */

static enum code take_path(const struct call *call, const char *option, const char *path, char list[HARDEN_VALUE_MAX])
{
        char what[128];

        (void)snprintf(what, sizeof what, "--%s takes an absolute path without blanks, quotes, %% and \\", option);
        if (!harden_path_fits(path))
                return call_complain(call, CODE_USAGE, what, path, "such as /srv/lily/state");
        if (access(path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
                return call_complain(call, CODE_FAILURE, "this path is not there, and the unit would not start", path,
                                     "mkdir, or leave it out");
        if (strlen(list) + strlen(path) + 2 > HARDEN_VALUE_MAX)
                return call_complain(call, CODE_USAGE, "there are too many paths", path, "a folder above them");
        text_append(list, HARDEN_VALUE_MAX, "%s%s", list[0] ? " " : "", path);
        return CODE_OK;
}

static enum code take_paths(const struct call *call, const char *option, const struct texts *texts,
                            char list[HARDEN_VALUE_MAX])
{
        enum code code = CODE_OK;

        for (size_t i = 0; i < texts->n && code == CODE_OK; i++)
                code = take_path(call, option, texts->list[i], list);
        return code;
}

static enum code take_options(const struct call *call, struct hardening *hardening)
{
        const struct options *options = &call->options;
        enum code code = take_paths(call, "write", &options->write, hardening->write);

        if (code == CODE_OK)
                code = take_paths(call, "guard", &options->guard, hardening->guard);
        if (code == CODE_OK && options->user && !harden_user_fits(options->user))
                code = call_complain(call, CODE_USAGE, "--user takes the name of a user", options->user,
                                     "such as --user agents");
        return code;
}

/* ---- what is known of it ------------------------------------------------------------------------------------------------- */

static pid_t pid_of(struct call *call, const char *agent)
{
        json_auto_t *status = NULL;
        const json_t *entry;
        size_t i;

        (void)daemon_ask_quietly(call, "status", NULL, &status);
        json_array_foreach ((json_t *)(uintptr_t)field(status, "agents"), i, entry)
                if (strcmp(field_text(entry, "id"), agent) == 0)
                        return (pid_t)field_number(entry, "pid");
        return 0;
}

/* Without --write: where it has files open for writing now. */
static void find_writes(struct call *call, struct hardening *hardening)
{
        pid_t pid = pid_of(call, hardening->agent);
        struct opened opened = { .n = 0 };
        int r = pid > 0 ? opened_read(pid, &opened) : -ESRCH;

        for (size_t i = 0; i < opened.n; i++)
                if (harden_path_fits(opened.folders[i]))
                        (void)take_path(call, "write", opened.folders[i], hardening->write);
        opened_done(&opened);
        if (r == -EACCES)
                note(hardening,
                     "Only root may see which files it has open: name its folders with --write, or use sudo.");
        else if (hardening->write[0])
                note(hardening,
                     "ReadWritePaths is where it has files open for writing now. What it writes at other times is not "
                     "seen: add it with --write, or it fails with 'Read-only file system'.");
        else
                note(hardening, "No file of its own is open for writing now. It can write only in its StateDirectory=, "
                                "LogsDirectory= and CacheDirectory=, if it has them: name its folders with --write.");
}

/* Without --guard: what the policy guards, as far as it lies in what the agent may change; the rest it cannot change anyway. */
static bool is_within_writes(const struct hardening *hardening, const char *path)
{
        char list[HARDEN_VALUE_MAX], *rest = list;

        text_copy(list, sizeof list, hardening->write);
        for (char *folder; (folder = strsep(&rest, " "));)
                if (folder[0] && path_is_within(path, folder))
                        return true;
        return false;
}

/* "/srv/x/" and "/srv/x/" with two stars behind it are the folder; other wildcards are what they match now. */
static void add_guarded(struct call *call, struct hardening *hardening, const char *pattern)
{
        char path[PATH_MAX];
        glob_t found = { .gl_pathc = 0 };

        text_copy(path, sizeof path, pattern);
        if (text_ends(path, "/**"))
                path[strlen(path) - strlen("/**")] = '\0';
        for (size_t length = strlen(path); length > 1 && path[length - 1] == '/'; length--)
                path[length - 1] = '\0';
        if (strstr(path, "**")) {
                note(hardening, "What %.200s guards no unit file can say: name it with --guard.", pattern);
                return;
        }
        if (glob(path, 0, NULL, &found) == 0)
                for (size_t i = 0; i < found.gl_pathc; i++)
                        if (is_within_writes(hardening, found.gl_pathv[i]) && harden_path_fits(found.gl_pathv[i]))
                                (void)take_path(call, "guard", found.gl_pathv[i], hardening->guard);
        globfree(&found);
}

static void find_guards(struct call *call, struct hardening *hardening)
{
        _cleanup_(policy_freep) struct policy *policy = local_policy(call, "/");

        for (unsigned n = 0; policy && n < policy->files_n; n++)
                for (unsigned i = 0; i < policy->files[n].paths_n; i++)
                        add_guarded(call, hardening, policy->files[n].paths[i]);
        if (hardening->guard[0])
                note(hardening, "ReadOnlyPaths is what the policy's files guard of it now; --guard names other parts.");
}

/* A PM2 of the same user starts whatever that user asks for. */
static void hide_pm2(struct hardening *hardening, const char *user)
{
        const struct passwd *entry = getpwnam(user);
        char path[PATH_MAX];

        if (!entry || snprintf(path, sizeof path, "%s/.pm2", entry->pw_dir) >= (int)sizeof path ||
            access(path, F_OK) < 0 || !harden_path_fits(path))
                return;
        text_append(hardening->hide, sizeof hardening->hide, "-%s", path);
}

static void find_user(const struct call *call, struct hardening *hardening)
{
        const char *user = call->options.user;
        char word[SHELL_WORD_MAX];

        hardening->root =
                user ? strcmp(user, "root") == 0 || strcmp(user, "0") == 0 : unit_runs_as_root(hardening->unit);
        hardening->harden.user = user;
        hardening->harden.hide_bus = hardening->root || call->options.hide_bus;
        if (hardening->root)
                note(hardening,
                     "It runs as root, and would still: it could kill and debug other processes of root, Governor too. "
                     "Give it a user of its own: useradd --system --shell /usr/sbin/nologin NAME, chown what it writes, "
                     "then --user NAME.");
        else if (user && !getpwnam(user))
                note(hardening, "There is no user %s yet: useradd --system --shell /usr/sbin/nologin %s", user,
                     shell_word(user, word));
        if (!hardening->harden.hide_bus)
                note(hardening, "D-Bus stays open to it. Where it does not need that: --hide-bus.");
        hide_pm2(hardening, user ? user : unit_text(hardening->unit, UNIT_USER, "root"));
}

/* Drop-ins are read in the order of their names, whatever folder they are in. */
static const struct setting *last_word(const struct hardening *hardening, enum harden_key key)
{
        const struct setting *setting = unit_get(hardening->unit, UNIT_HARDEN(key));
        const char *name = setting ? strrchr(setting->file, '/') : NULL;

        return name && strstr(setting->file, ".d/") && strcmp(name + 1, FILE_NAME) > 0 ? setting : NULL;
}

/* For a list everything counts; otherwise what stands last. */
static bool is_in_force(const struct hardening *hardening, enum harden_key key, const char *wanted)
{
        for (const struct setting *s = NULL; (s = unit_next(hardening->unit, UNIT_HARDEN(key), s));)
                if (harden_same(wanted, s->value))
                        return true;
        return false;
}

static void find_last_words(struct hardening *hardening)
{
        char value[HARDEN_VALUE_MAX];

        for (enum harden_key key = 0; key < HARDEN_KEY_N; key++) {
                const struct setting *setting = last_word(hardening, key);

                if (setting && harden_sets(&hardening->harden, key) && !harden_row(key)->list &&
                    !harden_same(harden_value(&hardening->harden, key, value), setting->value))
                        note(hardening, "%s=%.80s in %.200s:%u has the last word: take it out of there.",
                             harden_row(key)->name, setting->value, setting->file, setting->line);
        }
}

/* ---- shown --------------------------------------------------------------------------------------------------------------- */

enum { COLUMN_NAME, COLUMN_NOW, COLUMN_THEN, COLUMN_WHY, COLUMN_N };

/* clang-format off */
static const struct column columns[COLUMN_N] = {
        [COLUMN_NAME] = { "SETTING", .rank = 0 },
        [COLUMN_NOW]  = { "NOW",     .rank = 0, .least = 8 },
        [COLUMN_THEN] = { "THEN",    .rank = 0, .least = 20 },
        [COLUMN_WHY]  = { "BECAUSE", .rank = 1, .least = 20 },
};
/* clang-format on */

static const char *now_of(const struct hardening *hardening, enum harden_key key)
{
        const struct setting *setting = unit_get(hardening->unit, UNIT_HARDEN(key));

        return !setting ? "-" : setting->value[0] ? setting->value : "none";
}

static void show_settings(struct page *page, const struct hardening *hardening)
{
        _cleanup_(grid_freep) struct grid *grid = grid_new(columns, COLUMN_N);
        char value[HARDEN_VALUE_MAX];

        for (enum harden_key key = 0; key < HARDEN_KEY_N && grid; key++) {
                bool wanted = harden_sets(&hardening->harden, key);
                bool same = !wanted || is_in_force(hardening, key, harden_value(&hardening->harden, key, value));

                grid_cell(grid, COLUMN_NAME, same ? TINT_FAINT : TINT_STRONG, "%s", harden_row(key)->name);
                grid_cell(grid, COLUMN_NOW, same ? TINT_FAINT : TINT_BAD, "%s", now_of(hardening, key));
                grid_cell(grid, COLUMN_THEN, same ? TINT_FAINT : TINT_GOOD, "%s",
                          same       ? "as it is"
                          : value[0] ? value
                                     : "none");
                if (!same)
                        grid_cell(grid, COLUMN_WHY, TINT_PLAIN, "%s", harden_row(key)->why);
                grid_end_row(grid);
        }
        grid_print(grid, page, 0);
}

static void show(struct call *call, const struct hardening *hardening)
{
        struct page *page = &call->page;
        char word[SHELL_WORD_MAX];

        page_text(page, TINT_STRONG, "%s", hardening->unit_name);
        page_end(page);
        show_settings(page, hardening);
        for (size_t i = 0; i < hardening->notes.n; i++)
                page_wrap(page, TINT_WATCH, 0, hardening->notes.list[i]);
        page_wrap(page, TINT_PLAIN, 0, "Nothing was changed. The same with --drop-in prints the file to write:");
        page_text(page, TINT_GOOD, "  %s", hardening->file);
        page_end(page);
        page_text(page, TINT_PLAIN, "Then: systemctl daemon-reload && systemctl restart %s",
                  shell_word(hardening->unit_name, word));
        page_end(page);
        page_text(page, TINT_PLAIN, "To take it back: remove the file, and the same again.");
        page_end(page);
}

static json_t *settings_json(const struct hardening *hardening)
{
        json_t *list = json_array();
        char value[HARDEN_VALUE_MAX];

        for (enum harden_key key = 0; key < HARDEN_KEY_N; key++) {
                const struct setting *now = unit_get(hardening->unit, UNIT_HARDEN(key));
                bool wanted = harden_sets(&hardening->harden, key);

                harden_value(&hardening->harden, key, value);
                json_array_append_new(
                        list, json_pack("{s:s, s:s?, s:s?, s:b, s:s}", "name", harden_row(key)->name, "in_force",
                                        now ? now->value : NULL, "proposed", wanted ? value : NULL, "same",
                                        !wanted || is_in_force(hardening, key, value), "why", harden_row(key)->why));
        }
        return list;
}

static enum code show_json(struct call *call, const struct hardening *hardening)
{
        json_t *notes = json_array();
        json_auto_t *all = NULL;

        for (size_t i = 0; i < hardening->notes.n; i++)
                json_array_append_new(notes, json_string(hardening->notes.list[i]));
        all = json_pack("{s:i, s:s, s:s, s:b, s:o, s:s, s:s, s:o}", "schema_version", 1, "agent", hardening->agent,
                        "unit", hardening->unit_name, "root", hardening->root, "settings", settings_json(hardening),
                        "file", hardening->file, "drop_in", hardening->text, "notes", notes);
        return all ? call_print_json(call, all, CODE_OK) : call_out_of_memory(call);
}

/* The notes are for people, who may have sent the file elsewhere. */
static enum code print_drop_in(struct call *call, const struct hardening *hardening)
{
        for (size_t i = 0; i < hardening->notes.n; i++)
                call_tell(call, hardening->notes.list[i]);
        fprintf(call->page.out,
                "# Proposed by: govctl harden %s\n# Take it back: remove this file, then: systemctl "
                "daemon-reload && systemctl restart %s\n%s",
                hardening->agent, hardening->unit_name, hardening->text);
        return CODE_OK;
}

/* ---- the verb ------------------------------------------------------------------------------------------------------------ */

static enum code propose(struct call *call, struct hardening *hardening)
{
        hardening->harden.write = hardening->write;
        hardening->harden.guard = hardening->guard;
        hardening->harden.hide = hardening->hide;
        find_user(call, hardening);
        if (call->options.write.n == 0)
                find_writes(call, hardening);
        if (call->options.guard.n == 0)
                find_guards(call, hardening);
        find_last_words(hardening);
        (void)snprintf(hardening->file, sizeof hardening->file, "/etc/systemd/system/%s.d/" FILE_NAME,
                       hardening->unit_name);
        harden_text(&hardening->harden, hardening->text);
        if (call->options.json)
                return show_json(call, hardening);
        if (call->options.drop_in)
                return print_drop_in(call, hardening);
        show(call, hardening);
        return CODE_OK;
}

static enum code propose_for(struct call *call, const json_t *answer, struct hardening *hardening)
{
        struct machine machine = { .root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC),
                                   .here = true,
                                   .proc = { -EBADF } };
        struct unit *unit = NULL;
        enum code code;
        int r;

        hardening->agent = field_text(answer, "agent");
        hardening->unit_name = field_text(answer, "unit");
        r = machine.root < 0 ? -errno : unit_read(&machine, hardening->unit_name, &unit);
        hardening->unit = unit;
        if (r < 0)
                code = call_complain(call, CODE_FAILURE, "the files of its unit cannot be read", strerror(-r),
                                     "systemctl cat UNIT");
        else
                code = propose(call, hardening);
        unit_free(unit);
        machine_done(&machine);
        return code;
}

/* A unit of its own can be hardened; without one it can be started confined. */
static enum code refuse_app(struct call *call, const json_t *answer)
{
        if (!call->options.json && !call->options.drop_in)
                (void)own_unit_show(call, answer);
        return call_complain(call, CODE_DENIED, "a PM2 app has no unit to harden",
                             "give it a unit of its own (govctl limits AGENT prints how), or let PM2 start it through "
                             "governor-run",
                             "man governor-run");
}

enum code run_harden(struct call *call)
{
        struct hardening hardening = { .agent = "" };
        json_auto_t *answer = NULL;
        enum code code = take_options(call, &hardening);

        if (code == CODE_OK)
                code = daemon_ask_once(call, "limits", json_pack("{s:s}", "agent", call_argument(call)), DAEMON_ANSWER,
                                       &answer);
        if (code != CODE_OK)
                return code;
        if (field_text(answer, "unit")[0] == '\0')
                return refuse_app(call, answer);
        if (field_given(answer, "refused"))
                return call_complain(call, CODE_DENIED, "this unit is not to be hardened",
                                     field_text(answer, "refused"), "govctl agents");
        return propose_for(call, answer, &hardening);
}
