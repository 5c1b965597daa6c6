#include "io/straight.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "io/cleanup.h"

/* ENOTDIR is a link's errno too, where a folder was wanted. */
static int why(int folder, const char *name, int error)
{
        struct stat st;

        if ((error == ENOTDIR || error == ELOOP) && fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) >= 0 &&
            S_ISLNK(st.st_mode))
                return -ELOOP;
        return -error;
}

/* The next name of the path into `name`; false at its end. */
static int next_name(const char **at, char name[NAME_MAX + 1])
{
        size_t length;

        *at += strspn(*at, "/");
        length = strcspn(*at, "/");
        if (length > NAME_MAX)
                return -ENAMETOOLONG;
        memcpy(name, *at, length);
        name[length] = '\0';
        *at += length;
        return strcmp(name, "..") == 0 ? -EINVAL : length > 0;
}

static bool is_last(const char *at)
{
        return at[strspn(at, "/")] == '\0';
}

int straight_open(const char *path, int flags)
{
        _cleanup_close_ int folder = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        char name[NAME_MAX + 1];
        struct stat st;
        int next, r;

        if (path[0] != '/')
                return -EINVAL;
        if (folder < 0)
                return -errno;
        while ((r = next_name(&path, name)) > 0 && !is_last(path)) {
                next = openat(folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (next < 0)
                        return why(folder, name, errno);
                close_fd(folder);
                folder = next;
        }
        if (r < 0)
                return r;
        next = openat(folder, r > 0 ? name : ".", flags | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0)
                return why(folder, r > 0 ? name : ".", errno);
        if (flags & O_PATH && fstat(next, &st) >= 0 && S_ISLNK(st.st_mode)) { /* it opens the link itself */
                close_fd(next);
                return -ELOOP;
        }
        return next;
}
