#include "observe/headroom.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "observe/host.h"

#define VMSTAT_MAX 16384 /* about 4 kB today */

/* A number that ends its line. */
static int parse_number(const char *text, uint64_t *ret)
{
        return text_digits(&text, NULL, ret) && (*text == '\n' || *text == '\0') ? 0 : -EBADMSG;
}

/* "key 123\n" lines: the number behind `key`. */
static int find_number(const char *text, const char *key, uint64_t *ret)
{
        size_t n = strlen(key);

        for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
                if (strncmp(line, key, n) == 0 && line[n] == ' ')
                        return parse_number(line + n + 1, ret);
        return -ENODATA;
}

int headroom_parse_events(const char *text, struct headroom_events *ret)
{
        struct headroom_events events;

        if (find_number(text, "high", &events.high) < 0 || find_number(text, "max", &events.max) < 0 ||
            find_number(text, "oom", &events.oom) < 0 || find_number(text, "oom_kill", &events.oom_kill) < 0)
                return -EBADMSG;
        *ret = events;
        return 0;
}

int headroom_parse_limit(const char *text, uint64_t *ret_bytes)
{
        if (strcmp(text, "max\n") == 0 || strcmp(text, "max") == 0) {
                *ret_bytes = HEADROOM_NO_LIMIT;
                return 0;
        }
        return parse_number(text, ret_bytes);
}

/* Files of a cgroup that is being removed answer with ENODEV. */
static ssize_t read_file(const struct proc *cgroups, const char *path, const char *file, char *text, size_t size)
{
        char whole[PROC_CGROUP_MAX + 32];
        ssize_t n;

        if (!cgroups || cgroups->fd < 0)
                return -ENOENT;
        path += *path == '/';
        if ((size_t)snprintf(whole, sizeof(whole), "%s%s%s", path, *path ? "/" : "", file) >= sizeof(whole))
                return -ENOENT;
        n = proc_read(cgroups, whole, text, size);
        return n == -ENODEV ? -ENOENT : n;
}

/* "cpuset cpu io memory pids" */
bool headroom_is_counted(const struct proc *cgroups)
{
        char text[512], *rest = text, *word;

        if (read_file(cgroups, "", "cgroup.controllers", text, sizeof(text)) < 0)
                return false;
        while ((word = strsep(&rest, " \n")))
                if (strcmp(word, "memory") == 0)
                        return true;
        return false;
}

int headroom_events(const struct proc *cgroups, const char *path, struct headroom_events *ret)
{
        char text[512];
        ssize_t n = read_file(cgroups, path, "memory.events", text, sizeof(text));

        return n < 0 ? (int)n : headroom_parse_events(text, ret);
}

int headroom_limit(const struct proc *cgroups, const char *path, uint64_t *ret_bytes)
{
        char text[64];
        ssize_t n = read_file(cgroups, path, "memory.max", text, sizeof(text));

        return n < 0 ? (int)n : headroom_parse_limit(text, ret_bytes);
}

int headroom_pressure(const struct proc *cgroups, const char *path, uint32_t *ret_hundredths)
{
        char text[512];
        ssize_t n = read_file(cgroups, path, "memory.pressure", text, sizeof(text));

        return n < 0 ? (int)n : host_parse_pressure(text, "some", ret_hundredths);
}

int headroom_kills(const struct proc *proc, uint64_t *ret)
{
        char text[VMSTAT_MAX];
        ssize_t n = proc_read(proc, "vmstat", text, sizeof(text));

        return n < 0 ? (int)n : find_number(text, "oom_kill", ret);
}
