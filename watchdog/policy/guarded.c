#include "policy/guarded.h"

#include <string.h>

#include "base/path.h"
#include "base/text.h"
#include "policy/match.h"
#include "policy/meet.h"

#define SHOWN_MAX 128

/* A path as a message may show it. */
#define SHOWN(path) path_shown((char[SHOWN_MAX]){ 0 }, path)

static const char *path_shown(char buffer[SHOWN_MAX], const char *path)
{
        if (!text_copy_safe(buffer, SHOWN_MAX, path))
                text_copy(buffer + SHOWN_MAX - 4, 4, "...");
        return buffer;
}

/* ---- places ----------------------------------------------------------------------------------------------------------- */

/* Nothing there is a file that could be put back, or it is Governor's own to keep. */
static const struct refused {
        const char *place, *why;
} never[] = {
        { "/proc/", "the kernel's, and nothing there can be put back" },
        { "/sys/", "the kernel's, and nothing there can be put back" },
        { "/dev/", "devices, and nothing there can be put back" },
        { "/run/", "made anew at each boot" },
        { "/var/run/", "made anew at each boot" },
        { "/var/lib/governor/", "Governor's own, and changes all the time" },
};

/* What packages bring, and where the dynamic loader looks: an upgrade has to be able to change it. */
static const char *const packaged[] = {
        "/usr/",
        "/boot/",
        "/bin/",
        "/sbin/",
        "/lib/",
        "/lib32/",
        "/lib64/",
        "/libx32/",
        "/etc/ld.so.cache",
        "/etc/ld.so.conf",
        "/etc/ld.so.conf.d/",
        "/etc/ld.so.preload",
};

/* What the machine, its log and Governor itself read besides, while Governor may not be there to answer: they would wait for it. */
static const char *const needed[] = {
        "/etc/systemd/",   "/etc/dbus-1/",   "/etc/governor/",     "/etc/passwd",
        "/etc/group",      "/etc/shadow",    "/etc/nsswitch.conf", "/etc/localtime",
        "/etc/machine-id", "/etc/hosts",     "/etc/resolv.conf",   "/etc/fstab",
        "/etc/pam.d/",     "/etc/security/", "/etc/ssl/",          "/var/log/journal/",
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* Whether the rule takes a file there by this pattern; writes one that it takes. */
static bool reaches(const struct file_rule *rule, const char *pattern, const char *place, char example[MEET_MAX])
{
        return patterns_meet(PATTERN_PATH, pattern, place, example) && !file_rule_excepts(rule, example);
}

/* How a path is written that the kernel would write otherwise; such a one matches no file. */
static bool is_odd(const char *path)
{
        return strstr(path, "//") || strstr(path, "/./") || text_ends(path, "/.");
}

/* Whether the pattern says no folder to begin in. "/vmlinuz" does: its folder is "/". */
static bool is_everywhere(const char *pattern)
{
        return path_base(pattern) == 0 && !path_is_plain(pattern);
}

static bool check_shape(struct check *check, const struct node *path)
{
        if (is_odd(path->text))
                complain(&check->complaints, &path->place, "'%s' in paths matches nothing; write it without // and /./",
                         SHOWN(path->text));
        else if (strlen(path->text) >= FILE_PATH_MAX)
                complain(&check->complaints, &path->place, "a path in paths is longer than %d bytes",
                         FILE_PATH_MAX - 1);
        else if (is_everywhere(path->text))
                complain(&check->complaints, &path->place,
                         "'%s' is the whole machine; begin with the folder that is meant", SHOWN(path->text));
        else
                return true;
        return false;
}

static void check_never(struct check *check, const struct file_rule *rule, const struct node *path)
{
        char example[MEET_MAX];

        for (size_t i = 0; i < COUNT(never); i++)
                if (reaches(rule, path->text, never[i].place, example)) {
                        bool inside = text_starts(path->text, never[i].place);

                        complain(&check->complaints, &path->place, "'%s' cannot be guarded: %s is %s%s%s%s",
                                 SHOWN(path->text), never[i].place, never[i].why,
                                 inside ? "" : "; leave it out with 'except: [ ", inside ? "" : never[i].place,
                                 inside ? "" : " ]'");
                        return;
                }
}

/* The first of the places that the rule reaches into by this path; NULL for none. */
static const char *reached(const struct file_rule *rule, const char *path, const char *const *places, size_t n)
{
        char example[MEET_MAX];

        for (size_t i = 0; i < n; i++)
                if (reaches(rule, path, places[i], example))
                        return places[i];
        return NULL;
}

static void check_packaged(struct check *check, const struct file_rule *rule, const struct node *path)
{
        const char *place =
                rule->packages == PACKAGES_REFUSE ? reached(rule, path->text, packaged, COUNT(packaged)) : NULL;

        if (place)
                complain(&check->complaints, &path->place,
                         "'%s' reaches into %s, which packages change; add 'packages: allow', and what they install "
                         "is accepted",
                         SHOWN(path->text), place);
}

static void check_needed(struct check *check, const struct file_rule *rule, const struct node *path)
{
        const char *place = NULL;

        if (rule->deny_opens)
                place = reached(rule, path->text, packaged, COUNT(packaged));
        if (rule->deny_opens && !place)
                place = reached(rule, path->text, needed, COUNT(needed));
        if (place)
                complain(&check->complaints, &path->place,
                         "'deny_opens' is not for '%s': the machine needs %s while Governor cannot answer",
                         SHOWN(path->text), place);
}

/* ---- except ----------------------------------------------------------------------------------------------------------- */

/* Whether the exception leaves nothing of the path: it takes two texts that only the path's wildcards explain. */
static bool excepts_all(const char *exception, const char *path)
{
        char example[MEET_MAX];

        for (int deep = 0; deep < 2; deep++)
                if (!pattern_example(PATTERN_PATH, path, deep, example) || !path_excepted(exception, example))
                        return false;
        return true;
}

/* Whether the exception could take a file out of what the path means; names may be anywhere below it. */
static bool excepts_some(const char *exception, const char *path)
{
        char example[MEET_MAX];

        return exception[0] != '/' || patterns_meet(PATTERN_PATH, exception, path, example);
}

static void check_except(struct check *check, const struct node *paths, const struct node *exception)
{
        bool some = false;

        if (exception->text[0] != '/' && strchr(exception->text, '/')) {
                complain(&check->complaints, &exception->place,
                         "'%s' in except is neither a name nor a whole path; begin it with '/'",
                         SHOWN(exception->text));
                return;
        }
        if (is_odd(exception->text) || strlen(exception->text) >= FILE_PATH_MAX) {
                complain(&check->complaints, &exception->place, "'%s' in except matches nothing",
                         SHOWN(exception->text));
                return;
        }
        for (const struct node *path = paths->first; path; path = path->next) {
                if (path->kind != NODE_SCALAR)
                        continue;
                some |= excepts_some(exception->text, path->text);
                if (excepts_all(exception->text, path->text))
                        complain(&check->complaints, &exception->place, "'%s' leaves nothing of '%s'",
                                 SHOWN(exception->text), SHOWN(path->text));
        }
        if (!some)
                warn_of(&check->complaints, &exception->place, "'%s' takes nothing out of these paths",
                        SHOWN(exception->text));
}

static void check_alone(struct check *check, const struct file_entry *entry)
{
        const struct node *paths = node_value(entry->node, "paths"), *except = node_value(entry->node, "except");

        if (!paths)
                return;
        for (const struct node *at = paths->first; at; at = at->next)
                if (at->kind == NODE_SCALAR && check_shape(check, at)) {
                        check_never(check, &entry->rule, at);
                        check_packaged(check, &entry->rule, at);
                        check_needed(check, &entry->rule, at);
                }
        for (const struct node *at = except ? except->first : NULL; at; at = at->next)
                if (at->kind == NODE_SCALAR)
                        check_except(check, paths, at);
}

/* ---- pairs ------------------------------------------------------------------------------------------------------------ */

/* Whether a file exists in the mind that both rules take, by this path of the later one. */
static bool share(const struct file_rule *earlier, const struct file_rule *later, const char *path,
                  char example[MEET_MAX])
{
        for (unsigned i = 0; i < earlier->paths_n; i++)
                if (patterns_meet(PATTERN_PATH, earlier->paths[i], path, example) &&
                    !file_rule_excepts(earlier, example) && !file_rule_excepts(later, example))
                        return true;
        return false;
}

/* Whether the earlier rule takes all that the path means. */
static bool takes_all(const struct file_rule *earlier, const char *path)
{
        char example[MEET_MAX];
        bool all = earlier->except_n == 0;

        for (int deep = 0; deep < 2 && all; deep++) {
                all = pattern_example(PATTERN_PATH, path, deep, example);
                for (unsigned i = 0; i < earlier->paths_n && all; i++)
                        if (path_glob(earlier->paths[i], example))
                                break;
                        else
                                all = i + 1 < earlier->paths_n;
        }
        return all;
}

/* Whether something was said of the two. */
static bool check_pair(struct check *check, const struct file_entry *earlier, const struct file_entry *later)
{
        const struct file_rule *first = &earlier->rule, *second = &later->rule;
        const struct node *paths = node_value(later->node, "paths");
        char example[MEET_MAX];
        bool said = false;

        for (const struct node *at = paths ? paths->first : NULL; at; at = at->next) {
                if (at->kind != NODE_SCALAR)
                        continue;
                if (first->kind != second->kind && share(first, second, at->text, example)) {
                        complain(&check->complaints, &at->place,
                                 "'%s' is %s here and %s by '%s' (%s:%u); leave it out of one with 'except'",
                                 SHOWN(example), file_kind_name(second->kind), file_kind_name(first->kind),
                                 first->name ? first->name : "", first->origin.file, first->origin.line);
                        return true;
                }
                if (first->kind != second->kind || !takes_all(first, at->text))
                        continue;
                said = true;
                warn_of(&check->complaints, &at->place,
                        "'%s' is guarded already: '%s' (%s:%u) comes first and matches the same files", SHOWN(at->text),
                        first->name ? first->name : "", first->origin.file, first->origin.line);
        }
        return said;
}

/* An act on all files of a rule is told by its name, and one on a file by its path. */
static void check_rule_name(struct check *check, const struct file_entry *entry)
{
        const struct node *name = node_value(entry->node, "name");

        if (name && entry->rule.name && entry->rule.name[0] == '/')
                complain(&check->complaints, &name->place, "the name of a file rule does not begin with '/'");
}

static void check_same_name(struct check *check, const struct file_entry *earlier, const struct file_entry *later)
{
        const struct node *name = node_value(later->node, "name");

        if (name && later->rule.name && earlier->rule.name && strcmp(earlier->rule.name, later->rule.name) == 0)
                complain(&check->complaints, &name->place, "a file rule is called '%.64s' already (%s:%u)",
                         later->rule.name, earlier->rule.origin.file, earlier->rule.origin.line);
}

void check_guarded(struct check *check)
{
        const struct loaded *loaded = check->loaded;

        if (loaded->files_n > POLICY_FILES_MAX) {
                complain(&check->complaints, &loaded->files->node->place, "%u file rules; at most %d", loaded->files_n,
                         POLICY_FILES_MAX);
                return;
        }
        for (const struct file_entry *entry = loaded->files; entry; entry = entry->next) {
                bool said = false;

                check_rule_name(check, entry);
                check_alone(check, entry);
                for (const struct file_entry *earlier = loaded->files; earlier != entry; earlier = earlier->next) {
                        check_same_name(check, earlier, entry);
                        said = said || check_pair(check, earlier, entry);
                }
        }
}
