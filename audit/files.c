#include "audit/files.h"
#include "audit/cleanup.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>

char *audit_files_join(const char *dir, const char *name)
{
        char *path;

        return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

char *audit_files_suffixed(const char *path, const char *suffix)
{
        char *all;

        return asprintf(&all, "%s%s", path, suffix) < 0 ? NULL : all;
}

int audit_files_remove(const char *path)
{
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

bool audit_files_are_same(const char *a, const char *b)
{
        struct stat first, second;

        return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
               first.st_ino == second.st_ino;
}

int audit_files_sync_directory(const char *directory)
{
        _cleanup_(close_fd) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int audit_files_hash(int fd, uint8_t ret[static 32])
{
        crypto_hash_sha256_state state;
        uint8_t block[16384];
        ssize_t n;

        crypto_hash_sha256_init(&state);
        while ((n = read(fd, block, sizeof(block))) != 0) {
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0)
                        crypto_hash_sha256_update(&state, block, (size_t)n);
        }
        crypto_hash_sha256_final(&state, ret);
        return 0;
}
