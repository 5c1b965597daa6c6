#include "observe/extent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define STAT_MAX 8192 /* memory.stat is about 1.5 kB today */

/* ---- a tree ---------------------------------------------------------------------------------------------------------- */

static void add(struct extent *extent, pid_t pid, uint64_t bytes)
{
        extent->bytes += bytes;
        if (bytes <= extent->most_bytes)
                return;
        extent->most_pid = pid;
        extent->most_bytes = bytes;
}

/* Breadth first: the list of those found is the queue of those whose children are not known yet. */
static void count_tree(const struct proc *proc, pid_t pid, struct extent *extent)
{
        pid_t found[EXTENT_PROCESSES_MAX];
        size_t n = 1, more;
        uint64_t bytes;

        found[0] = pid;
        for (size_t at = 0; at < n; at++) {
                if (at > 0 && proc_memory(proc, found[at], &bytes) >= 0)
                        add(extent, found[at], bytes);
                if (n < EXTENT_PROCESSES_MAX &&
                    proc_children(proc, found[at], found + n, EXTENT_PROCESSES_MAX - n, &more) >= 0)
                        n = n + more < EXTENT_PROCESSES_MAX ? n + more : EXTENT_PROCESSES_MAX;
        }
}

/* ---- a cgroup -------------------------------------------------------------------------------------------------------- */

static int read_number(const struct proc *cgroups, const char *path, uint64_t *ret)
{
        char text[64], *end;
        ssize_t n = proc_read(cgroups, path, text, sizeof(text));
        unsigned long long value;

        if (n < 0)
                return (int)n;
        errno = 0;
        value = strtoull(text, &end, 10);
        if (errno || end == text || (*end != '\n' && *end != '\0'))
                return -EBADMSG;
        *ret = value;
        return 0;
}

/* "inactive_file 4096": the page cache that the kernel takes back first; it is no reason for alarm. */
static int read_inactive_file(const struct proc *cgroups, const char *path, uint64_t *ret)
{
        char text[STAT_MAX];
        ssize_t n = proc_read(cgroups, path, text, sizeof(text));
        int r = n < 0 ? (int)n : proc_parse_flat(text, (size_t)n, "inactive_file", ret);

        return r == -ENODATA ? -EBADMSG : r;
}

/* What its end gives back: what is in no file, and what the kernel keeps for it and cannot do without. */
static int read_unreclaimable(const struct proc *cgroups, const char *path, uint64_t *ret)
{
        static const char *const keys[] = { "anon", "kernel_stack", "pagetables", "slab_unreclaimable" };
        char text[STAT_MAX];
        ssize_t n = proc_read(cgroups, path, text, sizeof(text));
        uint64_t sum = 0, part = 0;

        if (n < 0)
                return (int)n;
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
                int r = proc_parse_flat(text, (size_t)n, keys[i], &part);

                if (r == -ENODATA && i > 0)
                        continue; /* older kernels account less */
                if (r < 0 || __builtin_add_overflow(sum, part, &sum))
                        return r < 0 && r != -ENODATA ? r : -EBADMSG;
        }
        *ret = sum;
        return 0;
}

int extent_freed_of_cgroup(const struct proc *cgroups, const char *path, uint64_t *ret_bytes, uint64_t *ret_swap)
{
        char file[PROC_CGROUP_MAX + 32];
        int r;

        if (!cgroups || cgroups->fd < 0)
                return -ENOENT;
        path += *path == '/';
        snprintf(file, sizeof(file), "%s/memory.stat", path);
        r = read_unreclaimable(cgroups, file, ret_bytes);
        if (r < 0)
                return r;
        snprintf(file, sizeof(file), "%s/memory.swap.current", path);
        if (read_number(cgroups, file, ret_swap) < 0)
                *ret_swap = 0; /* a kernel without swap */
        return 0;
}

int extent_of_cgroup(const struct proc *cgroups, const char *path, uint64_t *ret_bytes)
{
        char file[PROC_CGROUP_MAX + 32];
        uint64_t current = 0, inactive = 0;
        int r;

        if (!cgroups || cgroups->fd < 0)
                return -ENOENT;
        path += *path == '/';
        snprintf(file, sizeof(file), "%s/memory.current", path);
        r = read_number(cgroups, file, &current);
        if (r < 0)
                return r;
        snprintf(file, sizeof(file), "%s/memory.stat", path);
        r = read_inactive_file(cgroups, file, &inactive);
        if (r < 0)
                return r;
        *ret_bytes = current > inactive ? current - inactive : 0;
        return 0;
}

int extent_find_cgroup(const struct proc *proc, const char *agent, pid_t pid, char path[PROC_CGROUP_MAX])
{
        const char *unit = agent + strlen("systemd:");
        size_t length = strlen(unit);
        char *at = path;
        int r;

        if (agent_manager(agent) != MANAGER_SYSTEMD)
                return -ENOENT;
        r = proc_cgroup(proc, pid, path);
        if (r < 0)
                return r;
        while ((at = strchr(at, '/')) && *++at)
                if (strncmp(at, unit, length) == 0 && (at[length] == '/' || at[length] == '\0')) {
                        at[length] = '\0';
                        return 0;
                }
        return -ENOENT;
}

static int count_cgroup(const struct proc *proc, const struct proc *cgroups, const char *agent, pid_t pid,
                        struct extent *extent)
{
        char path[PROC_CGROUP_MAX];
        int r = extent_find_cgroup(proc, agent, pid, path);

        return r < 0 ? r : extent_of_cgroup(cgroups, path, &extent->bytes);
}

void extent_read(const struct proc *proc, const struct proc *cgroups, const char *agent, enum memory_of of, pid_t pid,
                 uint64_t main_bytes, struct extent *ret)
{
        uint64_t working_set;

        *ret = (struct extent){ .of = of, .bytes = main_bytes, .most_pid = pid, .most_bytes = main_bytes };
        if (of == MEMORY_OF_PROCESS)
                return;
        count_tree(proc, pid, ret);
        if (of == MEMORY_OF_TREE)
                return;
        ret->of = MEMORY_OF_TREE;
        working_set = ret->bytes;
        if (count_cgroup(proc, cgroups, agent, pid, ret) < 0)
                ret->bytes = working_set;
        else
                ret->of = MEMORY_OF_CGROUP;
}
