#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "observe/pm2_inside.h"

#define LISTENING 0x10000 /* __SO_ACCEPTCON in /proc/net/unix */

struct searching {
        int (*found)(void *self, const char *home);
        void *self;
        const struct proc *proc;
};

/* One of the home's owner: in /tmp and its like anybody may make one, and would be taken for root's daemon that hangs. */
static bool has_socket(const char *home, const char *name)
{
        struct stat owner, st;
        char path[4096];

        return snprintf(path, sizeof(path), "%s/%s", home, name) < (int)sizeof(path) && stat(home, &owner) == 0 &&
               lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_uid == owner.st_uid;
}

/* A home as it may be shown and compared: absolute and of plain characters. */
static bool is_fit(const char *home)
{
        char safe[4096];

        return home[0] == '/' && text_copy_safe(safe, sizeof(safe), home) && strcmp(safe, home) == 0;
}

/* A daemon listens on HOME/rpc.sock with HOME/pub.sock beside it, whatever it calls itself. */
static int search_sockets(const struct searching *searching)
{
        _cleanup_fclose_ FILE *file = fopen("/proc/net/unix", "re");
        _cleanup_free_ char *line = NULL;
        size_t room = 0;
        ssize_t n;

        if (!file)
                return -errno;
        while ((n = getline(&line, &room, file)) > 0) {
                static const char name[] = "/rpc.sock";
                unsigned long flags;
                char *path = strchr(line, '/');

                if (line[n - 1] == '\n')
                        line[n - 1] = '\0';
                if (!path || !text_ends(path, name) || sscanf(line, "%*s %*s %*s %lx", &flags) != 1 ||
                    !(flags & LISTENING))
                        continue;
                path[strlen(path) - (sizeof(name) - 1)] = '\0';
                if (is_fit(path) && has_socket(path, "rpc.sock") && has_socket(path, "pub.sock"))
                        (void)searching->found(searching->self, path);
        }
        return 0;
}

/* A daemon in another network namespace is not among our sockets, but it calls itself "PM2 v...". */
static int look_at(void *self, pid_t pid)
{
        const struct searching *searching = self;
        char home[256], user_home[256], usual[sizeof(user_home) + 8];
        struct proc_variable words[] = {
                { .name = "PM2_HOME", .value = home, .size = sizeof(home) },
                { .name = "HOME", .value = user_home, .size = sizeof(user_home) },
        };
        struct proc_stat stat;

        if (proc_stat(searching->proc, pid, &stat) < 0 || !text_starts(stat.comm, "PM2 v") ||
            proc_environ(searching->proc, pid, words, 2) < 0)
                return 0;
        if (!words[0].found && !words[1].found)
                return 0;
        (void)snprintf(usual, sizeof(usual), "%s/.pm2", words[1].found ? user_home : "");
        if (!words[0].found)
                (void)text_copy(home, sizeof(home), usual);
        if (is_fit(home) && has_socket(home, "pub.sock"))
                (void)searching->found(searching->self, home);
        return 0;
}

int pm2_search(struct pm2 *pm2, int (*found)(void *self, const char *home), void *self)
{
        struct searching searching = { .found = found, .self = self, .proc = &pm2->options.directory->proc };
        int r = search_sockets(&searching);

        /* reading every process costs more: now and then, and where there are no sockets to read of */
        if (r < 0 || pm2->searches % 5 == 0)
                r = proc_each(searching.proc, look_at, &searching);
        return r;
}
