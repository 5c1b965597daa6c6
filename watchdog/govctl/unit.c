#include "govctl/unit.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "govctl/machine.h"
#include "io/cleanup.h"

/* The way of systemd(1): earlier directories win. */
static const char *const directories[] = {
        "/etc/systemd/system.control", /* systemctl set-property writes drop-ins there */
        "/run/systemd/system.control",   "/etc/systemd/system",     "/run/systemd/system",
        "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
};
#define DIRECTORIES_N (sizeof directories / sizeof directories[0])

/* clang-format off */
static const struct {
        const char *section, *name;
        enum unit_key key;
        bool list;
} keys[] = {
        { "Unit",    "BindsTo",               UNIT_BINDS_TO,             true },
        { "Unit",    "Upholds",               UNIT_UPHOLDS,              true },
        { "Unit",    "Wants",                 UNIT_WANTS,                true },
        { "Unit",    "Requires",              UNIT_REQUIRES,             true },
        { "Unit",    "StartLimitIntervalSec", UNIT_START_LIMIT_INTERVAL, false },
        { "Unit",    "StartLimitInterval",    UNIT_START_LIMIT_INTERVAL, false },
        { "Unit",    "StartLimitBurst",       UNIT_START_LIMIT_BURST,    false },
        { "Service", "StartLimitInterval",    UNIT_START_LIMIT_INTERVAL, false }, /* where they stood before systemd 230 */
        { "Service", "StartLimitIntervalSec", UNIT_START_LIMIT_INTERVAL, false },
        { "Service", "StartLimitBurst",       UNIT_START_LIMIT_BURST,    false },
        { "Service", "Type",                  UNIT_TYPE,                 false },
        { "Service", "Restart",               UNIT_RESTART,              false },
        { "Service", "RestartSec",            UNIT_RESTART_SEC,          false },
        { "Service", "OOMPolicy",             UNIT_OOM_POLICY,           false },
        { "Service", "ExecStart",             UNIT_EXEC_START,           true },
        { "Service", "ExecStop",              UNIT_EXEC_STOP,            true },
        { "Service", "PIDFile",               UNIT_PID_FILE,             false },
        { "Service", "User",                  UNIT_USER,                 false },
        { "Service", "DynamicUser",           UNIT_DYNAMIC_USER,         false },
        { "Service", "MemoryMax",             UNIT_MEMORY_MAX,           false },
        { "Service", "MemoryHigh",            UNIT_MEMORY_HIGH,          false },
        { "Service", "MemorySwapMax",         UNIT_MEMORY_SWAP_MAX,      false },
        { "Service", "CPUQuota",              UNIT_CPU_QUOTA,            false },
};
/* clang-format on */
#define KEYS_N (sizeof keys / sizeof keys[0])

/* ---- settings ---- */

static void setting_done(struct setting *setting)
{
        free(setting->value);
        free(setting->file);
}

/* An empty value takes back what was set before; a value that is no list replaces it. */
static void unit_forget(struct unit *unit, enum unit_key key)
{
        size_t kept = 0;

        for (size_t i = 0; i < unit->settings_n; i++)
                if (unit->settings[i].key == key)
                        setting_done(&unit->settings[i]);
                else
                        unit->settings[kept++] = unit->settings[i];
        unit->settings_n = kept;
}

static int unit_add(struct unit *unit, enum unit_key key, const char *value, const char *file, unsigned line)
{
        char safe[4096];

        text_copy_safe(safe, sizeof safe, value); /* it will be shown */

        struct setting setting = { .key = key, .value = strdup(safe), .file = strdup(file), .line = line };
        struct setting *list = reallocarray(unit->settings, unit->settings_n + 1, sizeof *list);

        if (list)
                unit->settings = list;
        if (!list || !setting.value || !setting.file) {
                setting_done(&setting);
                return -ENOMEM;
        }
        list[unit->settings_n++] = setting;
        return 0;
}

/* What is set to nothing is set: an empty list of capabilities is not every capability. */
static int unit_take_harden(struct unit *unit, const char *name, const char *value, const char *file, unsigned line)
{
        enum harden_key key;

        if (!harden_key_from_name(name, &key))
                return 0;
        if (!harden_row(key)->list || value[0] == '\0')
                unit_forget(unit, UNIT_HARDEN(key));
        return unit_add(unit, UNIT_HARDEN(key), value, file, line);
}

static int unit_take(struct unit *unit, const char *section, const char *name, const char *value, const char *file,
                     unsigned line)
{
        int r = 0;

        for (size_t i = 0; i < KEYS_N && r >= 0; i++) {
                if (strcmp(keys[i].section, section) != 0 || strcmp(keys[i].name, name) != 0)
                        continue;
                if (!keys[i].list || value[0] == '\0')
                        unit_forget(unit, keys[i].key);
                r = value[0] ? unit_add(unit, keys[i].key, value, file, line) : 0;
        }
        return r < 0 || strcmp(section, "Service") != 0 ? r : unit_take_harden(unit, name, value, file, line);
}

/* ---- one file ---- */

static char *trim(char *text)
{
        char *end;

        text += strspn(text, " \t\r");
        end = text + strlen(text);
        while (end > text && strchr(" \t\r", end[-1]))
                *--end = '\0';
        return text;
}

struct parse {
        struct unit *unit;
        const char *file;
        char section[32];
        char *joined;         /* lines that end with a backslash, so far */
        unsigned line, first; /* the present one; where the joined ones began */
};

static int parse_assignment(struct parse *parse, char *text)
{
        char *equals;

        if (text[0] == '[') {
                text[strcspn(text, "]")] = '\0';
                text_copy(parse->section, sizeof parse->section, text + 1);
                return 0;
        }
        equals = strchr(text, '=');
        if (!equals)
                return 0;
        *equals = '\0';
        return unit_take(parse->unit, parse->section, trim(text), trim(equals + 1), parse->file, parse->first);
}

static int parse_line(struct parse *parse, char *raw)
{
        char *text = trim(raw), *joined;
        size_t length = strlen(text);
        bool more = length > 0 && text[length - 1] == '\\';
        int r;

        parse->line++;
        if (text[0] == '#' || text[0] == ';')
                return 0; /* also between continued lines */
        if (more)
                text[length - 1] = ' ';
        if (!parse->joined)
                parse->first = parse->line;
        if (asprintf(&joined, "%s%s", parse->joined ? parse->joined : "", text) < 0)
                return -ENOMEM;
        free(parse->joined);
        parse->joined = joined;
        if (more)
                return 0;
        r = parse_assignment(parse, trim(parse->joined));
        free(parse->joined);
        parse->joined = NULL;
        return r;
}

int unit_parse(struct unit *unit, const char *file, char *text)
{
        struct parse parse = { .unit = unit, .file = file };
        int r = 0;

        for (char *line; r >= 0 && (line = strsep(&text, "\n"));)
                r = parse_line(&parse, line);
        free(parse.joined);
        return r;
}

static int parse_file(struct machine *machine, struct unit *unit, const char *path)
{
        _cleanup_free_ char *text = NULL;
        int r = machine_read(machine, path, &text, NULL);

        return r < 0 ? r : unit_parse(unit, path, text);
}

/* ---- drop-ins ---- */

#define DROP_INS_MAX 64

struct drop_ins {
        struct machine *machine;
        const char *directory; /* being looked through */
        char *paths[DROP_INS_MAX];
        size_t n;
};

static const char *base_name(const char *path)
{
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

/* A name that was found in an earlier directory hides this one. */
static int consider_drop_in(void *self, const char *name)
{
        struct drop_ins *found = self;

        if (!text_ends(name, ".conf") || found->n == DROP_INS_MAX)
                return 0;
        for (size_t i = 0; i < found->n; i++)
                if (strcmp(base_name(found->paths[i]), name) == 0)
                        return 0;
        if (asprintf(&found->paths[found->n], "%s/%s", found->directory, name) < 0)
                return -ENOMEM;
        found->n++;
        return 0;
}

static int find_drop_ins(struct drop_ins *found, const char *unit)
{
        for (size_t d = 0; d < DIRECTORIES_N; d++) {
                char path[PATH_MAX];
                int r;

                snprintf(path, sizeof path, "%s/%s.d", directories[d], unit);
                found->directory = path;
                r = machine_each(found->machine, path, consider_drop_in, found);
                if (r == -ENOMEM)
                        return r;
        }
        return 0;
}

/* agent-lily.service has drop-ins under its own name, as agent-.service.d, and as service.d; an instance its template's too. */
static int find_all_drop_ins(struct drop_ins *found, const char *name)
{
        char prefix[NAME_MAX + 16];
        const char *at = strchr(name, '@');
        int r = find_drop_ins(found, name);

        if (r >= 0 && at) {
                snprintf(prefix, sizeof prefix, "%.*s@.service", (int)(at - name), name);
                r = find_drop_ins(found, prefix);
        }
        for (const char *dash = strrchr(name, '-'); r >= 0 && dash && dash > name;) {
                snprintf(prefix, sizeof prefix, "%.*s-.service", (int)(dash - name), name);
                r = find_drop_ins(found, prefix);
                do
                        dash--;
                while (dash > name && *dash != '-');
        }
        return r < 0 ? r : find_drop_ins(found, "service");
}

static int compare_base_names(const void *a, const void *b)
{
        return strcmp(base_name(*(char *const *)a), base_name(*(char *const *)b));
}

static int apply_drop_ins(struct machine *machine, struct unit *unit)
{
        struct drop_ins found = { .machine = machine };
        int r = find_all_drop_ins(&found, unit->name);

        qsort(found.paths, found.n, sizeof found.paths[0], compare_base_names);
        for (size_t i = 0; i < found.n; i++) {
                if (r >= 0 && parse_file(machine, unit, found.paths[i]) == -ENOMEM)
                        r = -ENOMEM;
                free(found.paths[i]);
        }
        return r;
}

/* ---- the unit ---- */

struct unit *unit_free(struct unit *unit)
{
        if (!unit)
                return NULL;
        for (size_t i = 0; i < unit->settings_n; i++)
                setting_done(&unit->settings[i]);
        free(unit->settings);
        free(unit->name);
        free(unit->path);
        free(unit);
        return NULL;
}
DEFINE_CLEANUP_FUNC(struct unit *, unit_free);

static int find_fragment(struct machine *machine, const char *name, char path[PATH_MAX])
{
        char target[PATH_MAX];

        for (size_t d = 0; d < DIRECTORIES_N; d++) {
                snprintf(path, PATH_MAX, "%s/%s", directories[d], name);
                if (machine_link(machine, path, target, sizeof target) == 0 && strcmp(target, "/dev/null") == 0)
                        return -ENOENT;
                if (machine_has(machine, path))
                        return 0;
        }
        return -ENOENT;
}

int unit_read(struct machine *machine, const char *name, struct unit **ret)
{
        _cleanup_(unit_freep) struct unit *unit = calloc(1, sizeof *unit);
        char path[PATH_MAX];
        int r;

        if (!unit)
                return -ENOMEM;
        if (strlen(name) > NAME_MAX || strchr(name, '/'))
                return -ENOENT;
        r = find_fragment(machine, name, path);
        if (r < 0)
                return r;
        unit->name = strdup(name);
        unit->path = strdup(path);
        if (!unit->name || !unit->path)
                return -ENOMEM;
        r = parse_file(machine, unit, path);
        if (r < 0)
                return r;
        r = apply_drop_ins(machine, unit);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(unit);
        return 0;
}

const struct setting *unit_next(const struct unit *unit, enum unit_key key, const struct setting *after)
{
        for (size_t i = after ? (size_t)(after - unit->settings) + 1 : 0; i < unit->settings_n; i++)
                if (unit->settings[i].key == key)
                        return &unit->settings[i];
        return NULL;
}

const struct setting *unit_get(const struct unit *unit, enum unit_key key)
{
        const struct setting *last = NULL;

        for (const struct setting *s = NULL; (s = unit_next(unit, key, s));)
                last = s;
        return last;
}

const char *unit_text(const struct unit *unit, enum unit_key key, const char *otherwise)
{
        const struct setting *setting = unit_get(unit, key);

        return setting ? setting->value : otherwise;
}

bool unit_is(const struct unit *unit, enum unit_key key, const char *value)
{
        return strcmp(unit_text(unit, key, ""), value) == 0;
}

bool unit_runs_as_root(const struct unit *unit)
{
        const char *user = unit_text(unit, UNIT_USER, "root");

        return (strcmp(user, "root") == 0 || strcmp(user, "0") == 0) && !unit_is(unit, UNIT_DYNAMIC_USER, "yes") &&
               !unit_is(unit, UNIT_DYNAMIC_USER, "true");
}

bool unit_names(const struct unit *unit, enum unit_key key, const char *word)
{
        size_t length = strlen(word);

        for (const struct setting *s = NULL; (s = unit_next(unit, key, s));)
                for (const char *at = s->value; *(at += strspn(at, " \t"));) {
                        size_t n = strcspn(at, " \t");

                        if (n == length && memcmp(at, word, n) == 0)
                                return true;
                        at += n;
                }
        return false;
}

/* ---- values ---- */

bool unit_parse_span(const char *text, usec_t *ret)
{
        /* longer names first: "min" is not "m" and a rest */
        static const struct {
                const char *name;
                usec_t unit;
        } spans[] = {
                { "seconds", USEC_PER_SEC },
                { "second", USEC_PER_SEC },
                { "sec", USEC_PER_SEC },
                { "minutes", USEC_PER_MINUTE },
                { "minute", USEC_PER_MINUTE },
                { "min", USEC_PER_MINUTE },
                { "hours", USEC_PER_HOUR },
                { "hour", USEC_PER_HOUR },
                { "hr", USEC_PER_HOUR },
                { "days", USEC_PER_DAY },
                { "day", USEC_PER_DAY },
                { "weeks", 7 * USEC_PER_DAY },
                { "week", 7 * USEC_PER_DAY },
                { "msec", USEC_PER_MSEC },
                { "usec", 1 },
                { "ms", USEC_PER_MSEC },
                { "us", 1 },
                { "s", USEC_PER_SEC },
                { "m", USEC_PER_MINUTE },
                { "h", USEC_PER_HOUR },
                { "d", USEC_PER_DAY },
                { "w", 7 * USEC_PER_DAY },
                { "", USEC_PER_SEC },
        };
        usec_t total = 0;

        if (strcmp(text, "infinity") == 0) {
                *ret = USEC_INFINITY;
                return true;
        }
        if (text[0] == '\0')
                return false;
        while (*(text += strspn(text, " \t"))) {
                char *end;
                double count = strtod(text, &end);
                size_t i = 0;

                if (end == text || !(count >= 0) || count > 1e9)
                        return false;
                end += strspn(end, " \t");
                while (!text_starts(end, spans[i].name))
                        i++; /* the empty name ends it */
                if (spans[i].name[0] == '\0' && *end && !isdigit((unsigned char)*end))
                        return false;
                total = usec_add(total, (usec_t)(count * (double)spans[i].unit));
                text = end + strlen(spans[i].name);
        }
        *ret = total;
        return true;
}

bool unit_parse_bytes(const char *text, uint64_t *ret)
{
        static const char letters[] = "KMGT";
        char *end;
        double count = strtod(text, &end);
        uint64_t unit = 1;
        const char *letter = *end ? strchr(letters, *end) : NULL;

        if (strcmp(text, "infinity") == 0 || end == text || !(count >= 0) || count > 1e15)
                return false;
        if (letter)
                unit = (uint64_t)1 << (10 * (letter - letters + 1));
        else if (*end && strcmp(end, "B") != 0)
                return false;
        *ret = (uint64_t)(count * (double)unit);
        return true;
}
