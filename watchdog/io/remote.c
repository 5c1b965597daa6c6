#include "io/remote.h"

#include <linux/magic.h>
#include <sys/vfs.h>

/* linux/magic.h leaves these to their file systems. */
#define MAGIC_CIFS 0xff534d42UL
#define MAGIC_SMB2 0xfe534d42UL
#define MAGIC_FUSE 0x65735546UL
#define MAGIC_CEPH 0x00c36400UL

static bool is_remote(const struct statfs *fs)
{
        static const unsigned long kinds[] = { NFS_SUPER_MAGIC,  V9FS_MAGIC,      AFS_SUPER_MAGIC,
                                               CODA_SUPER_MAGIC, SMB_SUPER_MAGIC, MAGIC_CIFS,
                                               MAGIC_SMB2,       MAGIC_FUSE,      MAGIC_CEPH };

        for (unsigned n = 0; n < sizeof(kinds) / sizeof(kinds[0]); n++)
                if ((unsigned long)fs->f_type == kinds[n])
                        return true;
        return false;
}

bool remote_path(const char *path)
{
        struct statfs fs;

        return statfs(path, &fs) < 0 || is_remote(&fs);
}

bool remote_file(int fd)
{
        struct statfs fs;

        return fstatfs(fd, &fs) < 0 || is_remote(&fs);
}
