#include "io/pm2_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/cleanup.h"

bool pm2_proc_lives(const struct proc *proc, pid_t pid, uint64_t start)
{
        struct proc_stat stat;

        return pid > 0 && proc_stat(proc, pid, &stat) == 0 && stat.start == start && stat.state != 'Z' &&
               stat.state != 'X';
}

int pm2_proc_app(const struct proc *proc, pid_t pid, struct pm2_proc_app *ret)
{
        struct pm2_proc_app app;
        char id[16], *end;
        struct proc_variable words[] = {
                { .name = "pm_id", .value = id, .size = sizeof(id) },
                { .name = "PM2_HOME", .value = app.home, .size = sizeof(app.home) },
                { .name = "name", .value = app.name, .size = sizeof(app.name) },
        };
        unsigned long number;
        int r;

        r = proc_environ(proc, pid, words, 3);
        if (r < 0)
                return r;
        if (!words[0].found || !words[1].found || !words[2].found || id[0] < '0' || id[0] > '9')
                return -ENOENT;
        number = strtoul(id, &end, 10);
        if (*end || number >= INT32_MAX)
                return -ENOENT;

        app.pm_id = (uint32_t)number;
        *ret = app;
        return 0;
}

static int open_beneath(const char *home, const char *path)
{
        _cleanup_close_ int dir = -EBADF;
        struct open_how how = {
                .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
        };
        size_t length = strlen(home);
        long fd;

        if (strncmp(path, home, length) != 0 || path[length] != '/')
                return -EINVAL;
        dir = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return -errno;
        fd = syscall(SYS_openat2, dir, path + length + strspn(path + length, "/"), &how, sizeof(how));
        return fd < 0 ? -errno : (int)fd;
}

pid_t pm2_proc_pid_file(const char *home, const char *path)
{
        _cleanup_close_ int fd = open_beneath(home, path);
        char text[16];
        ssize_t n;
        long pid;

        n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
        if (n <= 0)
                return 0;
        text[n] = '\0';
        pid = strtol(text, NULL, 10);
        return pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}
