#include "audit/text_file.h"
#include "audit/cleanup.h"

#include <fcntl.h>
#include <sys/stat.h>

static int check_kind(int fd)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        return S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) ? 0 : -ENODEV;
}

int audit_text_open(const char *path, FILE **ret)
{
        _cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        int r = fd < 0 ? -errno : check_kind(fd);

        if (r < 0)
                return r;
        if (fcntl(fd, F_SETFL, O_RDONLY) < 0) /* reading a pipe waits for those who write */
                return -errno;
        *ret = fdopen(fd, "r");
        if (!*ret)
                return -errno;
        fd = -1;
        return 0;
}
