#include "guard/needed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "io/cleanup.h"

/* clang-format off */
static const struct {
        const char *path; /* and all below */
        const char *by;
} places[] = {
        { "/usr",             "the system" },  { "/bin",              "the system" },  { "/sbin",         "the system" },
        { "/lib",             "the loader" },  { "/lib32",            "the loader" },  { "/lib64",        "the loader" },
        { "/libx32",          "the loader" },  { "/boot",             "the system" },  { "/dev",          "the system" },
        { "/proc",            "the kernel" },  { "/sys",              "the kernel" },  { "/run",          "the system" },
        { "/etc/ld.so.cache", "the loader" },  { "/etc/ld.so.conf",   "the loader" },  { "/etc/ld.so.conf.d", "the loader" },
        { "/etc/ld.so.preload", "the loader" },
        { "/etc/systemd",     "PID 1" },       { "/etc/machine-id",   "PID 1" },       { "/etc/fstab",    "PID 1" },
        { "/etc/dbus-1",      "the bus" },     { "/var/lib/dbus",     "the bus" },     { "/var/lib/systemd", "PID 1" },
        { "/var/log",         "the journal" }, { "/etc/localtime",    "the journal" },
        { "/etc/passwd",      "logins" },      { "/etc/group",        "logins" },      { "/etc/shadow",   "logins" },
        { "/etc/gshadow",     "logins" },      { "/etc/nsswitch.conf", "logins" },     { "/etc/pam.d",    "logins" },
        { "/etc/security",    "logins" },      { "/etc/ssh",          "logins" },      { "/etc/sudoers",  "logins" },
        { "/etc/sudoers.d",   "logins" },      { "/etc/hosts",        "name lookups" }, { "/etc/resolv.conf", "name lookups" },
        { "/etc/governor",    "Governor" },    { "/var/lib/governor", "Governor" },
};

/* Processes that are asked what they have mapped and open, by their unit. PID 1 and we ourselves are asked always. */
static const char *const units[] = {
        "systemd-journald.service", "dbus.service",           "dbus-broker.service", "systemd-logind.service",
        "systemd-udevd.service",    "systemd-oomd.service",   "init.scope",
};
/* clang-format on */

struct search {
        const struct proc *proc;
        dev_t device;
        ino_t inode;
        char *why;
};

static bool is_place(const char *path, char why[NEEDED_WHY_MAX])
{
        for (size_t n = 0; n < sizeof(places) / sizeof(places[0]); n++)
                if (path_is_within(path, places[n].path)) {
                        text_append(why, NEEDED_WHY_MAX, "%s needs %s", places[n].by, places[n].path);
                        return true;
                }
        return false;
}

static bool is_own(const char *path, const char *const *own, char why[NEEDED_WHY_MAX])
{
        for (; own && *own; own++)
                if (path_is_within(path, *own)) {
                        text_append(why, NEEDED_WHY_MAX, "Governor needs %s", *own);
                        return true;
                }
        return false;
}

/* Each entry of map_files and fd leads to a file: by whatever name, it is compared as what it is. */
static bool is_in(const struct search *search, pid_t pid, const char *folder)
{
        char path[64];
        _cleanup_closedir_ DIR *entries = NULL;
        struct dirent *entry;
        struct stat st;
        int fd;

        snprintf(path, sizeof(path), "%d/%s", (int)pid, folder);
        fd = openat(search->proc->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        entries = fd < 0 ? NULL : fdopendir(fd);
        if (!entries) {
                close_fd(fd);
                return false;
        }
        while ((entry = readdir(entries)))
                if (entry->d_name[0] != '.' && fstatat(fd, entry->d_name, &st, 0) >= 0 && st.st_dev == search->device &&
                    st.st_ino == search->inode)
                        return true;
        return false;
}

static bool needs(const struct search *search, pid_t pid)
{
        char comm[PROC_COMM_MAX] = "a process";
        struct proc_stat stat;

        /* we have open whatever is being marked or answered at the moment; what is ours is known by its folder */
        if (!is_in(search, pid, "map_files") && (pid == getpid() || !is_in(search, pid, "fd")))
                return false;
        if (proc_stat(search->proc, pid, &stat) >= 0)
                (void)text_copy_safe(comm, sizeof(comm), stat.comm);
        text_append(search->why, NEEDED_WHY_MAX, "%s (pid %d) has it mapped or open", comm, (int)pid);
        return true;
}

static int look_at(void *self, pid_t pid)
{
        struct search *search = self;
        char unit[PROC_UNIT_MAX];

        if (pid == 1 || pid == getpid())
                return needs(search, pid);
        if (proc_unit(search->proc, pid, unit) < 0)
                return 0;
        for (size_t n = 0; n < sizeof(units) / sizeof(units[0]); n++)
                if (strcmp(unit, units[n]) == 0)
                        return needs(search, pid);
        return 0;
}

int needed_by_system(const struct proc *proc, const char *const *own, const char *path, int fd,
                     char why[NEEDED_WHY_MAX])
{
        struct search search = { .proc = proc, .why = why };
        struct stat st;

        why[0] = '\0';
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode)) {
                text_append(why, NEEDED_WHY_MAX, "it is not a regular file");
                return 1;
        }
        if (is_place(path, why) || is_own(path, own, why))
                return 1;
        search.device = st.st_dev;
        search.inode = st.st_ino;
        return proc_each(proc, look_at, &search);
}
