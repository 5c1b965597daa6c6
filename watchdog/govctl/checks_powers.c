/* Agents whose user is root by another name: in a group that can become root, or root to sudo without a password. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "govctl/check.h"
#include "io/cleanup.h"

/* clang-format off */
static const struct {
        const char *name, *why;
} groups[] = {
        { "docker",      "may start a container that has the whole disk in it" },
        { "lxd",         "may start a container that has the whole disk in it" },
        { "incus-admin", "may start a container that has the whole disk in it" },
        { "libvirt",     "may start a machine that has the whole disk in it" },
        { "disk",        "may read and write every disk, whatever its files say" },
};
/* clang-format on */

#define GROUPS_N (sizeof groups / sizeof groups[0])

/* The accounts of the machine, read once for all agents. */
struct accounts {
        struct machine *machine;
        char *passwd, *group; /* NULL: not there */
};

/* Takes the next of the fields of a line, which a colon ends. */
static const char *field_at(const char *line, unsigned n, size_t *ret_length)
{
        for (; n > 0 && *line && *line != '\n'; line++)
                n -= *line == ':';
        *ret_length = strcspn(line, ":\n");
        return n == 0 ? line : "";
}

static bool is_word(const char *text, size_t length, const char *word)
{
        return strlen(word) == length && memcmp(text, word, length) == 0;
}

/* The line that begins with this name. */
static const char *line_of(const char *file, const char *name)
{
        for (const char *line = file; line && *line;) {
                size_t length;
                const char *first = field_at(line, 0, &length);

                if (is_word(first, length, name))
                        return line;
                line += strcspn(line, "\n");
                line += *line == '\n';
        }
        return NULL;
}

static bool lists(const char *members, size_t length, const char *user)
{
        for (size_t at = 0; at < length;) {
                size_t n = strcspn(members + at, ",:\n");

                if (is_word(members + at, n < length - at ? n : length - at, user))
                        return true;
                at += n + 1;
        }
        return false;
}

static bool is_member(const struct accounts *accounts, const char *user, const char *group)
{
        const char *line = line_of(accounts->group, group), *entry = line_of(accounts->passwd, user);
        const char *members, *gid, *own;
        size_t members_n, gid_n = 0, own_n = 0;

        if (!line)
                return false;
        members = field_at(line, 3, &members_n);
        gid = field_at(line, 2, &gid_n);
        own = entry ? field_at(entry, 3, &own_n) : "";
        return lists(members, members_n, user) || (gid_n > 0 && gid_n == own_n && memcmp(gid, own, gid_n) == 0);
}

static void judge_groups(const struct accounts *accounts, const char *user, const char *subject,
                         struct findings *findings)
{
        for (size_t i = 0; i < GROUPS_N; i++) {
                char one[SHELL_WORD_MAX];
                struct finding *finding;

                if (!is_member(accounts, user, groups[i].name))
                        continue;
                finding = finding_new(findings, subject, "its user is as good as root");
                finding_in(finding, "/etc/group");
                finding_why(finding, "%s is in the group %s: it %s. No sandbox of the unit holds against that.", user,
                            groups[i].name, groups[i].why);
                finding_fix(finding, "gpasswd --delete %s %s", shell_word(user, one), groups[i].name);
                return; /* one way is enough to say */
        }
}

/* ---- sudo ------------------------------------------------------------------------------------------------------------------ */

struct sudo {
        const struct accounts *accounts;
        const char *user, *subject;
        struct findings *findings;
        bool told;
};

/* "lily ALL=(ALL) NOPASSWD: ALL", "%sudo ...", "ALL ...". A rule for certain commands alone is not meant. */
static bool is_free_for(const struct sudo *sudo, const char *line)
{
        char who[64];
        const char *command = strstr(line, "NOPASSWD");

        if (!command)
                return false;
        command += strlen("NOPASSWD");
        command += strspn(command, ": \t");
        (void)snprintf(who, sizeof who, "%.*s", (int)strcspn(line, " \t"), line);
        if (!text_starts(command, "ALL"))
                return false;
        if (who[0] == '%')
                return is_member(sudo->accounts, sudo->user, who + 1);
        return strcmp(who, sudo->user) == 0 || strcmp(who, "ALL") == 0;
}

static int look_at_rules(struct sudo *sudo, const char *path)
{
        _cleanup_free_ char *text = NULL;
        char *rest, *line, word[SHELL_WORD_MAX];
        unsigned number = 0;
        int r = machine_read(sudo->accounts->machine, path, &text, NULL);
        struct finding *finding;

        for (rest = text; r >= 0 && !sudo->told && (line = strsep(&rest, "\n"));) {
                number++;
                line += strspn(line, " \t");
                if (line[0] == '#' || !is_free_for(sudo, line))
                        continue;
                sudo->told = true;
                finding = finding_new(sudo->findings, sudo->subject, "its user becomes root without a password");
                finding_why(finding,
                            "sudo lets %s do everything. Until its unit says NoNewPrivileges=yes, what it is talked "
                            "into doing it does with all rights.",
                            sudo->user);
                if (finding)
                        (void)snprintf(finding->where, sizeof finding->where, "%s:%u", path, number);
                finding_fix(finding, "visudo --file %s  # take that line out, or name the commands that it needs",
                            shell_word(path, word));
        }
        return 0;
}

/* As sudo does: names with a dot or a tilde are not read. */
static int look_at_entry(void *self, const char *name)
{
        char path[512];

        if (strpbrk(name, ".~"))
                return 0;
        (void)snprintf(path, sizeof path, "/etc/sudoers.d/%.255s", name);
        return look_at_rules(self, path);
}

/* ---- whose ----------------------------------------------------------------------------------------------------------------- */

/* `gains`: whether setuid programs give it anything. */
static void judge_user(const struct accounts *accounts, const char *user, const char *subject, bool gains,
                       struct findings *findings)
{
        struct sudo sudo = { .accounts = accounts, .user = user, .subject = subject, .findings = findings };

        if (user[0] == '\0' || strcmp(user, "root") == 0) /* that is said elsewhere */
                return;
        judge_groups(accounts, user, subject, findings);
        if (!gains)
                return;
        (void)look_at_rules(&sudo, "/etc/sudoers");
        (void)machine_each(accounts->machine, "/etc/sudoers.d", look_at_entry, &sudo);
}

void look_powers(struct machine *machine, struct findings *findings)
{
        struct accounts accounts = { .machine = machine };

        (void)machine_read(machine, "/etc/passwd", &accounts.passwd, NULL);
        (void)machine_read(machine, "/etc/group", &accounts.group, NULL);
        for (size_t i = 0; i < machine->units_n; i++) {
                const struct unit *unit = machine->units[i];
                const char *confined = unit_text(unit, UNIT_HARDEN(HARDEN_NO_NEW_PRIVILEGES), "no");

                if (unit_is_agent(machine, unit) && !unit_runs_as_root(unit))
                        judge_user(&accounts, unit_text(unit, UNIT_USER, ""), unit->name, !harden_same("yes", confined),
                                   findings);
        }
        for (size_t i = 0; i < machine->homes_n; i++)
                if (machine->homes[i]->apps_n > 0)
                        judge_user(&accounts, machine->homes[i]->user, machine->homes[i]->path, true, findings);
        free(accounts.passwd);
        free(accounts.group);
}
