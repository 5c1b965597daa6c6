/* Space that a full disk gets back, so that the log can say that the disk is full. */

#include "audit/chain.h"
#include "audit/cleanup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum { BALLAST = 16 << 20, SPARE_FACTOR = 4 };

/* Half a ballast would only make a full disk fuller. */
static bool has_space(int fd)
{
        struct statvfs fs;

        return fstatvfs(fd, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize >= (uint64_t)SPARE_FACTOR * BALLAST;
}

void audit_keep_ballast(struct audit *audit)
{
        _cleanup_(free_memory) char *path = audit_path(audit, "audit.ballast");
        _cleanup_(close_fd) int fd = -1;
        struct stat st;

        if (audit->no_ballast || !path)
                return;
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 || fstat(fd, &st) < 0)
                return;
        if (st.st_size < BALLAST && (!has_space(fd) || posix_fallocate(fd, 0, BALLAST) != 0)) {
                unlink(path);
                return;
        }
        audit->has_ballast = true;
        audit->ballast_given = false;
}

bool audit_give_ballast(struct audit *audit)
{
        _cleanup_(free_memory) char *path = audit_path(audit, "audit.ballast");

        audit->has_ballast = false;
        if (!path || unlink(path) < 0)
                return false;
        audit->ballast_given = true;
        return true;
}
