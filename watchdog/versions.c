#include "versions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/redact.h"
#include "base/text.h"
#include "io/cleanup.h"
#include "io/diff.h"
#include "io/log.h"
#include "io/version.h"
#include "observers.h"
#include "views.h"

#define SWEEP_AFTER (2 * USEC_PER_MINUTE) /* a new version came: an older one may have gone */
#define SWEEP_SOON (5 * USEC_PER_SEC)     /* ... and there is little room left */
#define SWEEP_EVERY USEC_PER_DAY
#define PATHS_MAX 16       /* that differ, in a list; the rest is counted */
#define FILES_SHOWN_MAX 64 /* in a comparison */
#define CONTENT_SHOWN_MAX (256 << 10)
#define LINES_SHOWN_MAX 2000
#define CONTEXT 3 /* lines around what differs */

/* What is swept, and how far it is. */
struct sweeping {
        sd_event_source *due, *step;
        uint8_t (*keep)[DIGEST_SIZE];
        size_t n, room;
        uint32_t at; /* version whose contents are named next */
        bool named;  /* all are: now what nobody named is swept out */
        uint32_t before;
        unsigned damaged; /* that were known after the last one: when no more come in a day it is over */
};

/* ---- the vault ----------------------------------------------------------------------------------------------------------- */

static void on_damage(void *self, const uint8_t digest[DIGEST_SIZE])
{
        struct governor *governor = self;
        char hex[DIGEST_HEX_MAX];

        digest_to_hex(digest, hex);
        log_error("The vault holds something else under %s: it is thrown away, and not used", hex);
        governor->vault_damaged++;
        sd_event_source_set_enabled(governor->vault_told, SD_EVENT_ONESHOT);
}

/* From the loop: damage is found while a decision is carried out. What is still there in its place is kept once more. */
static int on_vault_told(sd_event_source *source, void *userdata)
{
        struct governor *governor = userdata;
        bool blind = governor->vault_trouble || governor->vault_damaged > 0;
        char why[160] = "";
        struct fact fact = {
                .kind = FACT_SOURCE,
                .at = clock_now(&governor->clock),
                .agent = "",
                .source = { .name = "vault", .state = blind ? SOURCE_BLIND : SOURCE_SEEING, .why = why },
        };

        (void)source;
        if (governor->vault_trouble)
                text_copy(why, sizeof(why), governor->vault_trouble);
        else if (blind)
                snprintf(why, sizeof(why), "%u stored content%s damaged: what the disk says is not what was kept",
                         governor->vault_damaged, governor->vault_damaged == 1 ? " is" : "s are");
        governor_take(governor, &fact);
        if (governor->vault_damaged > 0)
                observers_keep_again(governor->observers);
        return 0;
}

static int compare_digests(const void *a, const void *b)
{
        return memcmp(a, b, DIGEST_SIZE);
}

static bool is_named(void *self, const uint8_t digest[DIGEST_SIZE])
{
        const struct sweeping *sweeping = self;

        return bsearch(digest, sweeping->keep, sweeping->n, DIGEST_SIZE, compare_digests) != NULL;
}

static int name_one(struct sweeping *sweeping, const uint8_t digest[DIGEST_SIZE])
{
        if (sweeping->n == sweeping->room) {
                size_t room = sweeping->room ? 2 * sweeping->room : 256;
                void *larger = realloc(sweeping->keep, room * DIGEST_SIZE);

                if (!larger)
                        return -ENOMEM;
                sweeping->keep = larger;
                sweeping->room = room;
        }
        memcpy(sweeping->keep[sweeping->n++], digest, DIGEST_SIZE);
        return 0;
}

/* A version and all that is in it. One whose list is gone or damaged names nothing: it is of no use any more. */
static int name_version(struct governor *governor, struct sweeping *sweeping, const char *hex)
{
        struct version version = { .n = 0 };
        uint8_t digest[DIGEST_SIZE];
        int r = digest_from_hex(hex, strlen(hex), digest);

        if (r < 0)
                return 0;
        r = name_one(sweeping, digest);
        if (r >= 0)
                r = version_get(governor->vault, hex, &version);
        for (uint32_t n = 0; r >= 0 && n < version.n; n++)
                r = name_one(sweeping, version.list[n].state.digest);
        version_done(&version);
        return r == -ENOENT || r == -EBADMSG ? 0 : r;
}

static void set_due(struct governor *governor, usec_t after)
{
        struct sweeping *sweeping = governor->sweeping;
        usec_t now = 0, due = 0;

        sd_event_now(governor->event, CLOCK_BOOTTIME, &now);
        sd_event_source_get_time(sweeping->due, &due);
        if (due <= now || now + after < due)
                sd_event_source_set_time(sweeping->due, now + after);
        sd_event_source_set_enabled(sweeping->due, SD_EVENT_ONESHOT);
}

static void end_sweep(struct governor *governor)
{
        struct sweeping *sweeping = governor->sweeping;

        sd_event_source_set_enabled(sweeping->step, SD_EVENT_OFF);
        free(sweeping->keep);
        sweeping->keep = NULL;
        sweeping->n = sweeping->room = 0;
        if (sweeping->damaged > 0 && sweeping->damaged == governor->vault_damaged) {
                governor->vault_damaged = 0;
                sd_event_source_set_enabled(governor->vault_told, SD_EVENT_ONESHOT);
        }
        sweeping->damaged = governor->vault_damaged;
        set_due(governor, SWEEP_EVERY);
}

static void sweep_on(struct governor *governor)
{
        struct sweeping *sweeping = governor->sweeping;

        if (vault_sweep_on(governor->vault, is_named, sweeping) > 0)
                return;
        if (vault_contents(governor->vault) < sweeping->before)
                observers_keep_again(governor->observers);
        end_sweep(governor);
}

/* One version a turn, then a few folders a turn: nothing else waits for it. */
static int on_sweep(sd_event_source *source, void *userdata)
{
        struct governor *governor = userdata;
        struct sweeping *sweeping = governor->sweeping;
        const char *hex;
        int r = 0;

        (void)source;
        if (sweeping->named) {
                sweep_on(governor);
                return 0;
        }
        do
                hex = judge_version_at(governor->judge, sweeping->at++);
        while (hex && !*hex);
        if (hex)
                r = name_version(governor, sweeping, hex);
        sweeping->named = !hex;
        if (sweeping->named && sweeping->n > 0)
                qsort(sweeping->keep, sweeping->n, DIGEST_SIZE, compare_digests);
        if (r < 0) {
                log_ignored(r, "Cannot sweep the vault now");
                end_sweep(governor);
        }
        return 0;
}

/* What is put in from here on stays: the versions that will name it may come later than we look at them. */
static int on_sweep_due(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct governor *governor = userdata;
        struct sweeping *sweeping = governor->sweeping;

        (void)source, (void)usec;
        sweeping->at = 0;
        sweeping->named = false;
        sweeping->before = vault_contents(governor->vault);
        vault_sweep_begin(governor->vault);
        sd_event_source_set_enabled(sweeping->step, SD_EVENT_ON);
        return 0;
}

static bool is_crowded(const struct vault *vault)
{
        const struct vault_limits *limits = vault_limits(vault);

        return vault_bytes(vault) > limits->bytes_most / 4 * 3 || vault_contents(vault) > limits->contents_most / 4 * 3;
}

void versions_follow(struct governor *governor, const struct fact *fact)
{
        if (fact->kind == FACT_VERSION && fact->version.step == VERSION_SEEN && governor->sweeping)
                set_due(governor, is_crowded(governor->vault) ? SWEEP_SOON : SWEEP_AFTER);
}

static void end_vault(struct governor *governor)
{
        struct sweeping *sweeping = governor->sweeping;

        if (sweeping) {
                sd_event_source_disable_unref(sweeping->due);
                sd_event_source_disable_unref(sweeping->step);
                free(sweeping->keep);
                free(sweeping);
        }
        governor->sweeping = NULL;
        governor->vault = vault_free(governor->vault);
}

static int begin_sweeping(struct governor *governor)
{
        struct sweeping *sweeping = calloc(1, sizeof(*sweeping));
        int r;

        if (!sweeping)
                return -ENOMEM;
        governor->sweeping = sweeping;
        r = sd_event_add_time(governor->event, &sweeping->due, CLOCK_BOOTTIME, USEC_INFINITY, USEC_PER_SEC,
                              on_sweep_due, governor);
        if (r >= 0)
                r = sd_event_add_defer(governor->event, &sweeping->step, on_sweep, governor);
        if (r >= 0)
                r = sd_event_source_set_priority(sweeping->step, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_source_set_enabled(sweeping->step, SD_EVENT_OFF);
        return r;
}

static int open_vault(struct governor *governor)
{
        _cleanup_free_ char *path = NULL;
        int r = asprintf(&path, "%s/vault", governor->options.state) < 0 ? -ENOMEM : 0;

        if (r >= 0)
                r = vault_open(path, &VAULT_LIMITS_DEFAULT, &governor->vault);
        if (r >= 0)
                r = begin_sweeping(governor);
        if (r >= 0) {
                vault_on_damage(governor->vault, on_damage, governor);
                set_due(governor, SWEEP_AFTER);
                return 0;
        }
        end_vault(governor);
        if (asprintf(&governor->vault_trouble,
                     "%s cannot be used (%s): no configuration is kept, and none can be put back", path ? path : "it",
                     strerror(-r)) < 0)
                return -ENOMEM;
        log_warning("The vault %s", governor->vault_trouble);
        return 0;
}

int versions_begin(struct governor *governor)
{
        int r = sd_event_add_defer(governor->event, &governor->vault_told, on_vault_told, governor);

        return r < 0 ? r : open_vault(governor);
}

void versions_end(struct governor *governor)
{
        end_vault(governor);
        governor->vault_told = sd_event_source_disable_unref(governor->vault_told);
        free(governor->vault_trouble);
        governor->vault_trouble = NULL;
}

json_t *versions_view(const struct governor *governor)
{
        const struct vault_limits *limits = governor->vault ? vault_limits(governor->vault) : NULL;

        if (!limits)
                return json_null();
        return json_pack("{s:I, s:I, s:I, s:I, s:I, s:i}", "bytes", (json_int_t)vault_bytes(governor->vault),
                         "bytes_most", (json_int_t)limits->bytes_most, "contents",
                         (json_int_t)vault_contents(governor->vault), "contents_most",
                         (json_int_t)limits->contents_most, "content_most", (json_int_t)limits->content_most, "damaged",
                         (int)governor->vault_damaged);
}

/* ---- the list ------------------------------------------------------------------------------------------------------------ */

static const char *change_name(const struct version_file *before, const struct version_file *after)
{
        return config_change_name(!before ? CONFIG_ADDED : !after ? CONFIG_REMOVED : CONFIG_CHANGED);
}

static json_t *state_json(const struct version_file *file)
{
        char hex[DIGEST_HEX_MAX], mode[16];

        if (!file)
                return json_null();
        digest_to_hex(file->state.digest, hex);
        snprintf(mode, sizeof(mode), "%04o", file->state.mode & 07777);
        return json_pack("{s:I, s:s, s:s, s:i, s:i}", "size", (json_int_t)file->state.size, "mode", mode, "digest", hex,
                         "uid", (int)file->state.uid, "gid", (int)file->state.gid);
}

/* What is not the same in two versions: the first of it, and how much there is. */
static json_t *differences(const struct version *before, const struct version *after, unsigned most, size_t *ret_n)
{
        const struct version_file *a, *b;
        struct version_walk walk = { 0 };
        json_t *list = json_array();

        *ret_n = 0;
        while (version_next_different(before, after, &walk, &a, &b)) {
                if ((*ret_n)++ >= most)
                        continue;
                json_array_append_new(list,
                                      json_pack("{s:s, s:s, s:o, s:o}", "path", (a ? a : b)->path, "change",
                                                change_name(a, b), "before", state_json(a), "after", state_json(b)));
        }
        return list;
}

/* Against the version before it in the list; what cannot be read differs in nothing that could be shown. */
static void add_differences(struct governor *governor, const struct version_view *view, struct version *before,
                            json_t *version)
{
        struct version now = { .n = 0 };
        size_t n = 0;
        int r = version_get(governor->vault, view->digest, &now);

        if (r < 0) {
                json_object_set_new(version, "unreadable", json_string(strerror(-r)));
                return;
        }
        if (before->text)
                json_object_set_new(version, "differences", differences(before, &now, PATHS_MAX, &n));
        json_object_set_new(version, "differing", json_integer((json_int_t)n));
        version_done(before);
        *before = now;
}

static json_t *version_json(const struct version_view *view)
{
        return json_pack("{s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:s}", "number", (json_int_t)view->number,
                         "digest", view->digest, "since", (json_int_t)view->since, "seen", (json_int_t)view->seen,
                         "healthy", (json_int_t)view->healthy, "failed", (json_int_t)view->failed, "files",
                         (json_int_t)view->files, "present", view->present, "last_healthy", view->last_healthy, "lacks",
                         view->lacks);
}

json_t *versions_list(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        const char *word = json_string_value(json_object_get(request->params, "agent"));
        json_t *list = json_array(), *answer;
        struct version before = { .n = 0 };
        struct version_view view = { .number = 0 };
        struct agent_view agent;
        char why[REASON_MAX] = "";

        if (view_find_agent(governor, word, error, &agent) < 0) {
                json_decref(list);
                return NULL;
        }
        while (judge_version_above(governor->judge, agent.id, view.number, &view)) {
                json_t *version = version_json(&view);

                add_differences(governor, &view, &before, version);
                json_array_append_new(list, version);
        }
        version_done(&before);
        answer = json_pack("{s:i, s:s, s:s, s:o}", "schema_version", SCHEMA_VERSION, "agent", agent.id, "name",
                           agent.name, "versions", list);
        if (judge_may_roll_back(governor->judge, agent.id, 0, &view, why))
                json_object_set_new(answer, "rollback", json_integer((json_int_t)view.number));
        else
                json_object_set_new(answer, "no_rollback", json_string(why));
        return answer;
}

/* ---- a comparison -------------------------------------------------------------------------------------------------------- */

static void add_line(json_t *lines, char kind, const char *text)
{
        char word[2] = { kind, '\0' };

        json_array_append_new(lines, json_pack("[s, s]", word, text));
}

/* A line as anybody may see it. */
static void show_line(json_t *lines, const struct diff_line *line, bool armoured, uint64_t *hidden)
{
        char shown[REDACT_LINE_MAX + 1], safe[REDACT_LINE_MAX + 1];

        if (armoured) {
                (*hidden)++;
                add_line(lines, line->kind, "***");
                return;
        }
        *hidden += redact_line(line->text, line->length, shown, sizeof(shown));
        text_copy_safe(safe, sizeof(safe), shown);
        add_line(lines, line->kind, safe);
}

static bool is_near_change(const struct diff *diff, size_t at)
{
        for (size_t n = at > CONTEXT ? at - CONTEXT : 0; n <= at + CONTEXT && n < diff->n; n++)
                if (diff->list[n].kind != ' ')
                        return true;
        return false;
}

static json_t *diff_lines(const struct diff *diff, uint64_t *ret_hidden)
{
        json_t *lines = json_array();
        bool in_old = false, in_new = false, gap = false;

        for (size_t n = 0; n < diff->n; n++) {
                const struct diff_line *line = &diff->list[n];
                bool armoured = line->kind != '+' ? redact_is_armoured(line->text, line->length, &in_old) : in_new;

                if (line->kind != '-')
                        armoured = redact_is_armoured(line->text, line->length, &in_new) || armoured;
                if (!is_near_change(diff, n)) {
                        gap = json_array_size(lines) > 0;
                        continue;
                }
                if (gap)
                        add_line(lines, '@', "");
                gap = false;
                if (json_array_size(lines) >= LINES_SHOWN_MAX) {
                        add_line(lines, '@', "more lines differ than are shown");
                        break;
                }
                show_line(lines, line, armoured, ret_hidden);
        }
        return lines;
}

/* The content of one side, "" where there is none. Returns what is to be said instead of showing it, NULL nothing. */
static const char *read_content(struct governor *governor, const struct version_file *file, char **ret,
                                size_t *ret_size)
{
        int r;

        *ret = NULL;
        *ret_size = 0;
        if (!file)
                return NULL;
        r = vault_get(governor->vault, file->state.digest, CONTENT_SHOWN_MAX, ret, ret_size);
        if (r == -EFBIG)
                return "too large to be shown";
        if (r < 0)
                return r == -EBADMSG ? "what was kept of it is damaged" : "it is not kept";
        return memchr(*ret, '\0', *ret_size) ? "not a text" : NULL;
}

static json_t *compare_file(struct governor *governor, const struct version_file *a, const struct version_file *b)
{
        _cleanup_free_ char *of_a = NULL, *of_b = NULL;
        json_t *file = json_pack("{s:s, s:s, s:o, s:o}", "path", (a ? a : b)->path, "change", change_name(a, b),
                                 "before", state_json(a), "after", state_json(b));
        size_t a_size, b_size;
        struct diff diff;
        uint64_t hidden = 0;
        const char *note = read_content(governor, a, &of_a, &a_size);

        if (!note)
                note = read_content(governor, b, &of_b, &b_size);
        if (!note && diff_new(of_a ? of_a : "", a_size, of_b ? of_b : "", b_size, &diff) < 0)
                note = "out of memory";
        if (note) {
                json_object_set_new(file, "note", json_string(note));
                return file;
        }
        json_object_set_new(file, "lines", diff_lines(&diff, &hidden));
        json_object_set_new(file, "hidden", json_integer((json_int_t)hidden));
        diff_done(&diff);
        return file;
}

static bool find_version(const struct governor *governor, const char *agent, uint64_t number, struct version_view *ret)
{
        return number > 0 && judge_version_above(governor->judge, agent, number - 1, ret) && ret->number == number;
}

static int read_numbered(struct governor *governor, const struct agent_view *agent, json_int_t number,
                         struct version *ret, struct control_error *error)
{
        struct version_view view;
        int r = -ENOENT;

        if (number <= 0 || !find_version(governor, agent->id, (uint64_t)number, &view)) {
                control_refuse(error, 5, "govctl versions AGENT", "there is no version %lld of %s", (long long)number,
                               agent->name);
                return r;
        }
        r = version_get(governor->vault, view.digest, ret);
        if (r < 0)
                control_refuse(error, 1, "govctl doctor", "version %lld cannot be read from the vault: %s",
                               (long long)number, strerror(-r));
        return r;
}

json_t *versions_diff(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        const char *word = json_string_value(json_object_get(request->params, "agent"));
        json_int_t from = json_integer_value(json_object_get(request->params, "from"));
        json_int_t to = json_integer_value(json_object_get(request->params, "to"));
        _cleanup_(version_done) struct version a = { .n = 0 }, b = { .n = 0 };
        const struct version_file *of_a, *of_b;
        struct version_walk walk = { 0 };
        struct agent_view agent;
        json_t *files;
        size_t n = 0;

        if (view_find_agent(governor, word, error, &agent) < 0 ||
            read_numbered(governor, &agent, from, &a, error) < 0 || read_numbered(governor, &agent, to, &b, error) < 0)
                return NULL;
        files = json_array();
        while (version_next_different(&a, &b, &walk, &of_a, &of_b)) {
                if (n++ >= FILES_SHOWN_MAX)
                        continue;
                json_array_append_new(files, compare_file(governor, of_a, of_b));
        }
        return json_pack("{s:i, s:s, s:s, s:I, s:I, s:I, s:o}", "schema_version", SCHEMA_VERSION, "agent", agent.id,
                         "name", agent.name, "from", from, "to", to, "differing", (json_int_t)n, "files", files);
}
