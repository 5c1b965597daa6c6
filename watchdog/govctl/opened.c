#include "govctl/opened.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "io/cleanup.h"

/* Its standard streams are systemd's to open: they need no path. */
static bool is_its_own(const char *name, const char *path)
{
        static const char *const elsewhere[] = { "/dev", "/proc", "/sys", "/run", "/tmp", "/var/tmp" };

        if (path[0] != '/' || text_ends(path, " (deleted)") || strcmp(name, "0") == 0 || strcmp(name, "1") == 0 ||
            strcmp(name, "2") == 0)
                return false;
        for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++)
                if (path_is_within(path, elsewhere[i]))
                        return false;
        return !text_starts(path, "/memfd:");
}

/* fdinfo has the flags in octal: the last digit is the access mode. */
static bool is_for_writing(int process, const char *name)
{
        char path[64], text[256];
        const char *flags;
        _cleanup_close_ int fd = -EBADF;
        ssize_t n;

        (void)snprintf(path, sizeof path, "fdinfo/%.20s", name);
        fd = openat(process, path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (n < 0)
                return false;
        text[n] = '\0';
        flags = strstr(text, "flags:");
        return flags && (strtoul(flags + strlen("flags:"), NULL, 8) & O_ACCMODE) != O_RDONLY;
}

/* What lies in a folder that is there already adds nothing; what holds others takes their place. */
static int add_folder(struct opened *opened, const char *folder)
{
        size_t kept = 0;

        for (size_t i = 0; i < opened->n; i++)
                if (path_is_within(folder, opened->folders[i]))
                        return 0;
        for (size_t i = 0; i < opened->n; i++)
                if (path_is_within(opened->folders[i], folder))
                        free(opened->folders[i]);
                else
                        opened->folders[kept++] = opened->folders[i];
        opened->n = kept;
        if (opened->n == OPENED_MAX)
                return -E2BIG;
        opened->folders[opened->n] = strdup(folder);
        return opened->folders[opened->n++] ? 0 : -ENOMEM;
}

static int take(struct opened *opened, int process, int descriptors, const char *name)
{
        char path[PATH_MAX], *slash;
        ssize_t n = readlinkat(descriptors, name, path, sizeof path - 1);

        if (n <= 0)
                return 0; /* closed meanwhile */
        path[n] = '\0';
        if (!is_its_own(name, path) || !is_for_writing(process, name))
                return 0;
        slash = strrchr(path, '/');
        if (slash == path) /* in the root itself: no folder to give */
                return 0;
        *slash = '\0';
        return add_folder(opened, path);
}

int opened_read(pid_t pid, struct opened *ret)
{
        _cleanup_close_ int process = -EBADF;
        _cleanup_closedir_ DIR *descriptors = NULL;
        const struct dirent *entry;
        char path[64];
        int r = 0;

        *ret = (struct opened){ .n = 0 };
        (void)snprintf(path, sizeof path, "/proc/%d", (int)pid);
        process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (process < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
        descriptors = opendir(path);
        if (!descriptors)
                return errno == ENOENT ? -ESRCH : -errno;
        while (r >= 0 && (entry = readdir(descriptors)))
                if (entry->d_name[0] != '.')
                        r = take(ret, process, dirfd(descriptors), entry->d_name);
        if (r < 0)
                opened_done(ret);
        return r;
}

void opened_done(struct opened *opened)
{
        for (size_t i = 0; i < opened->n; i++)
                free(opened->folders[i]);
        opened->n = 0;
}
