#include "govctl/machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"
#include "govctl/field.h"
#include "io/cleanup.h"

#define FILE_MOST (1u << 20)

/* ---- files ---- */

void machine_unseen(struct machine *machine, const char *path)
{
        char **list;

        for (size_t i = 0; i < machine->unseen_n; i++)
                if (strcmp(machine->unseen[i], path) == 0)
                        return;
        list = reallocarray(machine->unseen, machine->unseen_n + 1, sizeof *list);
        if (!list)
                return;
        machine->unseen = list;
        list[machine->unseen_n] = strdup(path);
        if (list[machine->unseen_n])
                machine->unseen_n++;
}

/* Links of a copy must not lead out of it: the kernel resolves them inside. */
static int machine_open(struct machine *machine, const char *path, int flags)
{
        struct open_how how = { .flags = (unsigned)(flags | O_CLOEXEC), .resolve = RESOLVE_IN_ROOT };
        long fd = syscall(SYS_openat2, machine->root, path, &how, sizeof how);
        int error = fd < 0 ? errno : 0;

        if (error == EACCES || error == EPERM)
                machine_unseen(machine, path);
        return fd < 0 ? -error : (int)fd;
}

int machine_read(struct machine *machine, const char *path, char **ret, struct stat *ret_stat)
{
        /* a FIFO or a terminal must not keep the doctor waiting */
        _cleanup_close_ int fd = machine_open(machine, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        _cleanup_free_ char *text = NULL;
        struct stat stat;
        size_t have = 0;
        ssize_t n = 1;

        if (fd < 0)
                return fd;
        if (fstat(fd, &stat) < 0)
                return -errno;
        if (!S_ISREG(stat.st_mode))
                return -EBADF;
        text = malloc(FILE_MOST + 1);
        if (!text)
                return -ENOMEM;
        while (n > 0 && have < FILE_MOST) {
                n = read(fd, text + have, FILE_MOST - have);
                have += n > 0 ? (size_t)n : 0;
        }
        if (n < 0)
                return -errno;
        if (n > 0)
                return -EFBIG;
        text[have] = '\0';
        *ret = realloc(text, have + 1);
        TAKE_PTR(text);
        if (ret_stat)
                *ret_stat = stat;
        return 0;
}

int machine_stat(struct machine *machine, const char *path, struct stat *ret)
{
        _cleanup_close_ int fd = machine_open(machine, path, O_PATH);

        if (fd < 0)
                return fd;
        return fstat(fd, ret) < 0 ? -errno : 0;
}

bool machine_has(struct machine *machine, const char *path)
{
        struct stat stat;

        return machine_stat(machine, path, &stat) == 0;
}

int machine_link(struct machine *machine, const char *path, char *to, size_t size)
{
        _cleanup_close_ int fd = machine_open(machine, path, O_PATH | O_NOFOLLOW);
        ssize_t n;

        if (fd < 0)
                return fd;
        n = readlinkat(fd, "", to, size - 1);
        if (n < 0)
                return errno == ENOENT ? -EINVAL : -errno;
        to[n] = '\0';
        return 0;
}

static int not_dots(const struct dirent *entry)
{
        return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

int machine_each(struct machine *machine, const char *path, int (*each)(void *self, const char *name), void *self)
{
        _cleanup_close_ int fd = machine_open(machine, path, O_RDONLY | O_DIRECTORY);
        struct dirent **names = NULL;
        int n, r = 0;

        if (fd < 0)
                return fd == -ENOENT || fd == -ENOTDIR ? 0 : fd;
        n = scandirat(fd, ".", &names, not_dots, alphasort);
        for (int i = 0; i < n; i++) {
                if (r == 0)
                        r = each(self, names[i]->d_name);
                free(names[i]);
        }
        free(names);
        return r;
}

/* ---- units ---- */

static int add_unit(struct machine *machine, const char *name)
{
        struct unit **list, *unit = NULL;
        int r;

        for (size_t i = 0; i < machine->units_n; i++)
                if (strcmp(machine->units[i]->name, name) == 0)
                        return 0;
        r = unit_read(machine, name, &unit);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        list = reallocarray(machine->units, machine->units_n + 1, sizeof *list);
        if (!list) {
                unit_free(unit);
                return -ENOMEM;
        }
        machine->units = list;
        list[machine->units_n++] = unit;
        return 0;
}

const struct unit *machine_unit(struct machine *machine, const char *name)
{
        if (add_unit(machine, name) < 0)
                return NULL;
        for (size_t i = 0; i < machine->units_n; i++)
                if (strcmp(machine->units[i]->name, name) == 0)
                        return machine->units[i];
        return NULL;
}

struct search {
        struct machine *machine;
        const char *directory;
};

/* A link within systemd's directories is another name for a unit, or masks it; one that leads elsewhere is a unit. */
static int consider_unit(void *self, const char *name)
{
        const struct search *search = self;
        char path[512], target[512];

        if (!text_ends(name, ".service"))
                return 0;
        snprintf(path, sizeof path, "%s/%s", search->directory, name);
        if (machine_link(search->machine, path, target, sizeof target) == 0 &&
            (strstr(target, "systemd/system/") || strcmp(target, "/dev/null") == 0))
                return 0;
        return add_unit(search->machine, name);
}

/* Units that somebody wrote on this machine; what packages bring in /usr/lib is theirs to mend. */
static int read_units(struct machine *machine)
{
        static const char *const own[] = { "/etc/systemd/system", "/run/systemd/system",
                                           "/usr/local/lib/systemd/system" };
        size_t i;
        const json_t *agent;

        for (size_t d = 0; d < sizeof own / sizeof own[0]; d++) {
                struct search search = { .machine = machine, .directory = own[d] };
                int r = machine_each(machine, own[d], consider_unit, &search);

                if (r == -ENOMEM)
                        return r;
        }
        json_array_foreach ((json_t *)field(machine->status, "agents"), i, agent) {
                const char *id = field_text(agent, "id");

                if (text_starts(id, "systemd:") && !strchr(id, '/'))
                        (void)add_unit(machine, id + strlen("systemd:"));
        }
        return 0;
}

/* ---- PM2 ---- */

static struct home *find_home(const struct machine *machine, const char *path)
{
        for (size_t i = 0; i < machine->homes_n; i++)
                if (strcmp(machine->homes[i]->path, path) == 0)
                        return machine->homes[i];
        return NULL;
}

static int add_home(struct machine *machine, const char *path, const char *user)
{
        struct home **list, *home = NULL;
        char safe[HOME_PATH_MAX];
        int r;

        /* a process chooses its PM2_HOME: one that cannot be shown as it is is not looked at */
        if (path[0] != '/' || find_home(machine, path) || !text_copy_safe(safe, sizeof safe, path) ||
            strcmp(safe, path) != 0)
                return 0;
        r = home_read(machine, path, user, &home);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        list = reallocarray(machine->homes, machine->homes_n + 1, sizeof *list);
        if (!list) {
                home_free(home);
                return -ENOMEM;
        }
        machine->homes = list;
        list[machine->homes_n++] = home;
        return 0;
}

/* A line of passwd, name:x:uid:gid:gecos:home:shell, taken apart in place. */
struct account {
        const char *name, *uid, *home;
};

static bool account_parse(char *line, struct account *ret)
{
        char *fields[7] = { NULL };
        unsigned n = 0;

        for (char *part; n < 7 && (part = strsep(&line, ":"));)
                fields[n++] = part;
        *ret = (struct account){ fields[0], fields[2], fields[5] };
        return n >= 6 && fields[5][0] == '/' && strcmp(fields[5], "/") != 0;
}

static int add_home_of_user(struct machine *machine, const struct account *account)
{
        char path[HOME_PATH_MAX];

        if (snprintf(path, sizeof path, "%s/.pm2", account->home) >= (int)sizeof path)
                return 0;
        return add_home(machine, path, account->name);
}

/* A home that is not where its owner's would be still has an owner with a name. */
static int name_owner(struct machine *machine, const struct account *account)
{
        for (size_t i = 0; i < machine->homes_n; i++)
                if (machine->homes[i]->user[0] == '\0' &&
                    machine->homes[i]->uid == (uid_t)strtoul(account->uid, NULL, 10))
                        text_copy_safe(machine->homes[i]->user, sizeof machine->homes[i]->user, account->name);
        return 0;
}

static int each_account(struct machine *machine, int (*each)(struct machine *machine, const struct account *account))
{
        _cleanup_free_ char *text = NULL;
        char *rest;
        int r = machine_read(machine, "/etc/passwd", &text, NULL);

        rest = text;
        for (char *line; r >= 0 && rest && (line = strsep(&rest, "\n"));) {
                struct account account;

                if (account_parse(line, &account))
                        r = each(machine, &account);
        }
        return r == -ENOMEM ? r : 0;
}

static int read_homes(struct machine *machine)
{
        int r = each_account(machine, add_home_of_user);

        for (size_t i = 0; r >= 0 && i < machine->gods_n; i++)
                r = add_home(machine, machine->gods[i].home, "");
        for (unsigned i = 0; r >= 0 && machine->policy && i < machine->policy->daemon.pm2_homes_n; i++)
                r = add_home(machine, machine->policy->daemon.pm2_homes[i], "");
        return r < 0 ? r : each_account(machine, name_owner);
}

/* The title is "PM2 v7.0.4: God Daemon (/root/.pm2)", cut where the first command line was shorter. */
static void home_of_title(const struct proc *proc, pid_t pid, char home[HOME_PATH_MAX])
{
        char path[64], title[512], *open, *end;

        snprintf(path, sizeof path, "%d/cmdline", (int)pid);
        if (proc_read(proc, path, title, sizeof title) <= 0)
                return;
        open = strstr(title, "God Daemon (");
        end = open ? strchr(open, ')') : NULL;
        if (!end)
                return;
        *end = '\0';
        text_copy(home, HOME_PATH_MAX, open + strlen("God Daemon ("));
}

static void home_of_god(const struct proc *proc, pid_t pid, char home[HOME_PATH_MAX])
{
        char pm2_home[HOME_PATH_MAX], user_home[HOME_PATH_MAX];
        struct proc_variable words[] = {
                { .name = "PM2_HOME", .value = pm2_home, .size = sizeof pm2_home },
                { .name = "HOME", .value = user_home, .size = sizeof user_home },
        };

        home[0] = '\0';
        if (proc_environ(proc, pid, words, 2) < 0 || (!words[0].found && !words[1].found))
                home_of_title(proc, pid, home);
        else if (words[0].found)
                text_copy(home, HOME_PATH_MAX, pm2_home);
        else
                snprintf(home, HOME_PATH_MAX, "%.*s/.pm2", HOME_PATH_MAX - 8, user_home);
}

static int consider_god(void *self, pid_t pid)
{
        struct machine *machine = self;
        struct proc_stat stat;
        struct god god = { .pid = pid }, *list;
        char path[64], status[4096];
        uint64_t uid = 0;
        ssize_t n;

        if (proc_stat(&machine->proc, pid, &stat) < 0 || !text_starts(stat.comm, "PM2 v"))
                return 0;
        snprintf(path, sizeof path, "%d/status", (int)pid);
        n = proc_read(&machine->proc, path, status, sizeof status);
        if (n > 0 && proc_parse_number(status, (size_t)n, "Uid", &uid) == 0)
                god.uid = (uid_t)uid;
        if (proc_unit(&machine->proc, pid, god.unit) < 0)
                god.unit[0] = '\0';
        home_of_god(&machine->proc, pid, god.home);
        list = reallocarray(machine->gods, machine->gods_n + 1, sizeof *list);
        if (!list)
                return -ENOMEM;
        machine->gods = list;
        list[machine->gods_n++] = god;
        return 0;
}

/* ---- all of it ---- */

const struct god *home_god(const struct machine *machine, const struct home *home)
{
        for (size_t i = 0; i < machine->gods_n; i++)
                if (strcmp(machine->gods[i].home, home->path) == 0)
                        return &machine->gods[i];
        return NULL;
}

static int open_machine(struct machine *machine, const char *root, const json_t *status, const struct policy *policy)
{
        char proc[4096];
        int r;

        *machine = (struct machine){
                .status = status,
                .policy = policy,
                .here = strcmp(root, "/") == 0,
                .state = "/var/lib/governor",
                .proc = { -EBADF },
        };
        machine->root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (machine->root < 0)
                return -errno;
        snprintf(proc, sizeof proc, "%s/proc", machine->here ? "" : root);
        r = proc_open(&machine->proc, proc);
        if (r >= 0)
                r = proc_each(&machine->proc, consider_god, machine);
        return r == -ENOMEM ? r : 0;
}

/* What PM2 runs now, where there is a PM2 to ask. */
static void ask_homes(struct machine *machine)
{
        for (size_t i = 0; machine->here && i < machine->homes_n; i++)
                if (home_god(machine, machine->homes[i]))
                        home_ask(machine, machine->homes[i]);
}

int machine_read_all(struct machine *machine, const char *root, const json_t *status, const struct policy *policy)
{
        int r = open_machine(machine, root, status, policy);

        (void)veil_new(&machine->veil);
        if (r >= 0)
                r = read_units(machine);
        if (r >= 0)
                r = read_homes(machine);
        if (r >= 0)
                ask_homes(machine);
        return r;
}

int machine_read_homes(struct machine *machine, const char *root, const struct policy *policy)
{
        int r = open_machine(machine, root, NULL, policy);

        return r < 0 ? r : read_homes(machine);
}

uint64_t machine_own_limit(const struct machine *machine, const char *id)
{
        char own[HOME_AGENT_MAX];

        for (size_t h = 0; h < machine->homes_n; h++)
                for (size_t a = 0; a < machine->homes[h]->apps_n; a++) {
                        const struct app *app = &machine->homes[h]->apps[a];

                        if (app->given[APP_MAX_MEMORY] && app->number[APP_MAX_MEMORY] > 0 &&
                            strcmp(home_agent(machine->homes[h], app, own), id) == 0)
                                return (uint64_t)app->number[APP_MAX_MEMORY];
                }
        return 0;
}

void machine_done(struct machine *machine)
{
        for (size_t i = 0; i < machine->units_n; i++)
                unit_free(machine->units[i]);
        for (size_t i = 0; i < machine->homes_n; i++)
                home_free(machine->homes[i]);
        for (size_t i = 0; i < machine->unseen_n; i++)
                free(machine->unseen[i]);
        free(machine->units);
        free(machine->homes);
        free(machine->gods);
        free(machine->unseen);
        veil_free(machine->veil);
        proc_done(&machine->proc);
        close_fd(machine->root);
}

bool machine_process(const struct machine *machine, pid_t pid)
{
        struct proc_stat stat;

        return pid > 0 && proc_stat(&machine->proc, pid, &stat) == 0 && stat.state != 'Z';
}

const json_t *machine_agent(const struct machine *machine, const char *id)
{
        size_t i;
        const json_t *agent;

        json_array_foreach ((json_t *)field(machine->status, "agents"), i, agent)
                if (strcmp(field_text(agent, "id"), id) == 0)
                        return agent;
        return NULL;
}
