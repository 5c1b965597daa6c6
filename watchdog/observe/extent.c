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

static void add_child(const struct proc *proc, pid_t pid, struct extent *extent, uint64_t *ticks)
{
        struct proc_stat stat;
        uint64_t bytes;

        if (proc_memory(proc, pid, &bytes) < 0)
                return;
        add(extent, pid, bytes);
        if (ticks && proc_stat(proc, pid, &stat) >= 0)
                *ticks += stat.cpu_ticks + stat.waited_ticks;
}

/* Breadth first: the list of those found is the queue of those whose children are not known yet. `ticks`: CPU time is added there;
 * NULL: nobody asks for it. */
static void count_tree(const struct proc *proc, const struct extent_main *main, struct extent *extent, uint64_t *ticks)
{
        pid_t found[EXTENT_PROCESSES_MAX];
        size_t n = 1, more;

        found[0] = main->pid;
        for (size_t at = 0; at < n; at++) {
                if (at > 0)
                        add_child(proc, found[at], extent, ticks);
                if (n < EXTENT_PROCESSES_MAX &&
                    proc_children(proc, found[at], found + n, EXTENT_PROCESSES_MAX - n, &more) >= 0)
                        n = n + more < EXTENT_PROCESSES_MAX ? n + more : EXTENT_PROCESSES_MAX;
        }
}

static void count_tree_cpu(const struct proc *proc, const struct extent_main *main, struct extent *extent)
{
        uint64_t ticks = main->stat->cpu_ticks + main->stat->waited_ticks;

        count_tree(proc, main, extent, &ticks);
        extent->cpu = proc_usec_of_ticks(ticks);
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

/* "KEY 4096": one line of many. */
static int read_value(const struct proc *cgroups, const char *path, const char *key, uint64_t *ret)
{
        char text[STAT_MAX];
        ssize_t n = proc_read(cgroups, path, text, sizeof(text));
        int r = n < 0 ? (int)n : proc_parse_flat(text, (size_t)n, key, ret);

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
        /* the page cache that the kernel takes back first is no reason for alarm */
        snprintf(file, sizeof(file), "%s/memory.stat", path);
        r = read_value(cgroups, file, "inactive_file", &inactive);
        if (r < 0)
                return r;
        *ret_bytes = current > inactive ? current - inactive : 0;
        return 0;
}

static int cpu_of_cgroup(const struct proc *cgroups, const char *path, usec_t *ret)
{
        char file[PROC_CGROUP_MAX + 32];

        if (!cgroups || cgroups->fd < 0)
                return -ENOENT;
        snprintf(file, sizeof(file), "%s/cpu.stat", path + (*path == '/'));
        return read_value(cgroups, file, "usage_usec", ret);
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

int extent_cpu_of_unit(const struct proc *proc, const struct proc *cgroups, const char *agent, pid_t pid, usec_t *ret)
{
        char path[PROC_CGROUP_MAX];
        int r = extent_find_cgroup(proc, agent, pid, path);

        return r < 0 ? r : cpu_of_cgroup(cgroups, path, ret);
}

void extent_read(const struct proc *proc, const struct proc *cgroups, const char *agent, enum memory_of of,
                 const struct extent_main *main, struct extent *ret)
{
        char path[PROC_CGROUP_MAX];
        bool in_unit;

        *ret = (struct extent){
                .of = of,
                .bytes = main->bytes,
                .most_pid = main->pid,
                .most_bytes = main->bytes,
                .cpu_of = of,
                .cpu = main->stat ? proc_usec_of_ticks(main->stat->cpu_ticks) : 0,
        };
        if (of == MEMORY_OF_PROCESS)
                return;
        in_unit = of == MEMORY_OF_CGROUP && extent_find_cgroup(proc, agent, main->pid, path) >= 0;
        ret->of = ret->cpu_of = MEMORY_OF_TREE;
        if (in_unit && cpu_of_cgroup(cgroups, path, &ret->cpu) >= 0)
                ret->cpu_of = MEMORY_OF_CGROUP;
        if (ret->cpu_of == MEMORY_OF_TREE && main->stat)
                count_tree_cpu(proc, main, ret);
        else
                count_tree(proc, main, ret, NULL);
        if (in_unit && extent_of_cgroup(cgroups, path, &ret->bytes) >= 0)
                ret->of = MEMORY_OF_CGROUP;
}
