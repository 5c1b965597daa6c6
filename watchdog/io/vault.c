/* A content is vault/ab/cdef...; one that is being written is vault/new/N. */
#include "io/vault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io/file.h"

#define FOLDERS 256
#define FOLDERS_A_TURN 4 /* of a sweep */
#define PIECE (64 << 10)
#define NAME_LENGTH (2 * DIGEST_SIZE - 2) /* of a content within its folder */
#define UNFINISHED "new"
#define ROOM_FOR_NAME (1 + 2 + 1 + NAME_LENGTH + 1)

struct vault {
        char *path;
        struct vault_limits limits;
        uint64_t bytes;
        uint32_t contents;
        uint64_t written; /* names what is being written */
        bool unsynced[FOLDERS];
        bool root_unsynced; /* has a folder that is new */
        bool sweeping;
        unsigned sweep_at;
        struct timespec swept_since;
        void (*damaged)(void *self, const uint8_t digest[DIGEST_SIZE]);
        void *self;
};

struct vault_writer {
        struct vault *vault;
        struct digest *digest;
        uint64_t size;
        int fd;
        char path[PATH_MAX];
};

/* ---- names -------------------------------------------------------------------------------------------------------------- */

static void path_of_folder(const struct vault *vault, unsigned folder, char path[PATH_MAX])
{
        snprintf(path, PATH_MAX, "%s/%02x", vault->path, folder);
}

static void path_of(const struct vault *vault, const uint8_t digest[DIGEST_SIZE], char path[PATH_MAX])
{
        char hex[DIGEST_HEX_MAX];

        digest_to_hex(digest, hex);
        snprintf(path, PATH_MAX, "%s/%.2s/%s", vault->path, hex, hex + 2);
}

static bool is_content_name(unsigned folder, const char *name, uint8_t ret[DIGEST_SIZE])
{
        char hex[DIGEST_HEX_MAX];

        if (strlen(name) != NAME_LENGTH || strspn(name, "0123456789abcdef") != NAME_LENGTH)
                return false;
        snprintf(hex, sizeof(hex), "%02x%s", folder, name);
        return digest_from_hex(hex, strlen(hex), ret) >= 0;
}

/* A content that is there, and nothing else of that name. */
static int look_at(const char *path, struct stat *ret)
{
        if (lstat(path, ret) < 0)
                return -errno;
        return S_ISREG(ret->st_mode) ? 0 : -EBADF;
}

static void forget(struct vault *vault, uint64_t size)
{
        vault->contents -= vault->contents > 0;
        vault->bytes -= size < vault->bytes ? size : vault->bytes;
}

/* ---- opening ------------------------------------------------------------------------------------------------------------ */

/* Nobody but us can have put a link there, but a link may lead to where others can. */
static int check_folder(const char *path)
{
        struct stat st;

        if (lstat(path, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                return -ENOTDIR;
        if (st.st_uid != geteuid())
                return -EPERM;
        return (st.st_mode & 077) && chmod(path, 0700) < 0 ? -errno : 0;
}

/* 1: it was not there before. */
static int make_folder(const char *path)
{
        if (mkdir(path, 0700) >= 0)
                return 1;
        return errno == EEXIST ? check_folder(path) : -errno;
}

/* Calls `each` for the names in a folder that may be missing; stops at its first failure. */
static int each_name(void *self, const char *path, unsigned folder,
                     int (*each)(void *self, const char *path, unsigned folder, const char *name))
{
        _cleanup_closedir_ DIR *dir = NULL;
        const struct dirent *entry;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        dir = fdopendir(fd);
        if (!dir) {
                close_fd(fd);
                return -ENOMEM;
        }
        while (r >= 0 && (entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        r = each(self, path, folder, entry->d_name);
        return r;
}

static int throw_away(void *self, const char *path, unsigned folder, const char *name)
{
        char unfinished[PATH_MAX];

        (void)self, (void)folder;
        if ((size_t)snprintf(unfinished, sizeof(unfinished), "%s/%s", path, name) < sizeof(unfinished))
                (void)unlink(unfinished);
        return 0;
}

static int count_one(void *self, const char *path, unsigned folder, const char *name)
{
        struct vault *vault = self;
        char content[PATH_MAX];
        uint8_t digest[DIGEST_SIZE];
        struct stat st;

        if (!is_content_name(folder, name, digest) ||
            (size_t)snprintf(content, sizeof(content), "%s/%s", path, name) >= sizeof(content) ||
            look_at(content, &st) < 0)
                return 0;
        vault->contents++;
        vault->bytes += (uint64_t)st.st_size;
        return 0;
}

static int count(struct vault *vault)
{
        char path[PATH_MAX];
        int r = 0;

        for (unsigned folder = 0; r >= 0 && folder < FOLDERS; folder++) {
                path_of_folder(vault, folder, path);
                r = each_name(vault, path, folder, count_one);
        }
        return r;
}

/* What an earlier run put in, and did not get to make safe. */
static void all_unsynced(struct vault *vault)
{
        char path[PATH_MAX];

        vault->root_unsynced = true;
        for (unsigned folder = 0; folder < FOLDERS; folder++) {
                path_of_folder(vault, folder, path);
                vault->unsynced[folder] = access(path, F_OK) >= 0;
        }
}

static int prepare(struct vault *vault)
{
        char path[PATH_MAX];
        int r = file_make_directory(vault->path, 0700);

        if (r >= 0)
                r = check_folder(vault->path);
        snprintf(path, sizeof(path), "%s/" UNFINISHED, vault->path);
        if (r >= 0)
                r = make_folder(path);
        if (r >= 0)
                r = each_name(vault, path, 0, throw_away);
        if (r >= 0)
                all_unsynced(vault);
        return r < 0 ? r : count(vault);
}

int vault_open(const char *path, const struct vault_limits *limits, struct vault **ret)
{
        _cleanup_(vault_freep) struct vault *vault = calloc(1, sizeof(*vault));
        int r;

        if (!vault)
                return -ENOMEM;
        if (strlen(path) + ROOM_FOR_NAME >= PATH_MAX)
                return -ENAMETOOLONG;
        vault->limits = *limits;
        vault->path = strdup(path);
        r = vault->path ? prepare(vault) : -ENOMEM;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(vault);
        return 0;
}

struct vault *vault_free(struct vault *vault)
{
        if (!vault)
                return NULL;
        free(vault->path);
        free(vault);
        return NULL;
}

void vault_on_damage(struct vault *vault, void (*damaged)(void *self, const uint8_t digest[DIGEST_SIZE]), void *self)
{
        vault->damaged = damaged;
        vault->self = self;
}

const struct vault_limits *vault_limits(const struct vault *vault)
{
        return &vault->limits;
}

uint64_t vault_bytes(const struct vault *vault)
{
        return vault->bytes;
}

uint32_t vault_contents(const struct vault *vault)
{
        return vault->contents;
}

/* Asked for while a sweep goes on: somebody is about to name it. */
static bool is_there(const struct vault *vault, const char *path, struct stat *ret)
{
        if (look_at(path, ret) < 0)
                return false;
        if (vault->sweeping)
                (void)utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW);
        return true;
}

bool vault_has(const struct vault *vault, const uint8_t digest[DIGEST_SIZE])
{
        char path[PATH_MAX];
        struct stat st;

        path_of(vault, digest, path);
        return is_there(vault, path, &st);
}

/* ---- in ----------------------------------------------------------------------------------------------------------------- */

struct vault_writer *vault_put_cancel(struct vault_writer *writer)
{
        if (!writer)
                return NULL;
        if (writer->fd >= 0) {
                close_fd(writer->fd);
                (void)unlink(writer->path);
        }
        digest_free(writer->digest);
        free(writer);
        return NULL;
}

int vault_put_begin(struct vault *vault, struct vault_writer **ret)
{
        _cleanup_(vault_put_cancelp) struct vault_writer *writer = calloc(1, sizeof(*writer));
        int r;

        if (!writer)
                return -ENOMEM;
        writer->fd = -1;
        writer->vault = vault;
        r = digest_new(&writer->digest);
        if (r < 0)
                return r;
        snprintf(writer->path, sizeof(writer->path), "%s/" UNFINISHED "/%llu", vault->path,
                 (unsigned long long)++vault->written);
        writer->fd = open(writer->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (writer->fd < 0)
                return -errno;
        *ret = TAKE_PTR(writer);
        return 0;
}

int vault_put_add(struct vault_writer *writer, const void *data, size_t size)
{
        const struct vault_limits *limits = &writer->vault->limits;

        if (size > limits->content_most || writer->size > limits->content_most - size)
                return -EFBIG;
        if (writer->vault->bytes + writer->size + size > limits->bytes_most)
                return -EDQUOT;
        digest_add(writer->digest, data, size);
        writer->size += size;
        return file_write_all(writer->fd, data, size);
}

/* The bytes are safe before they get their name: under it there is never half a content. */
static int give_name(struct vault_writer *writer, unsigned folder, const char *path)
{
        struct vault *vault = writer->vault;
        char parent[PATH_MAX];
        int r;

        if (vault->contents >= vault->limits.contents_most)
                return -EDQUOT;
        if (fdatasync(writer->fd) < 0)
                return -errno;
        path_of_folder(vault, folder, parent);
        r = make_folder(parent);
        if (r < 0)
                return r;
        vault->root_unsynced |= r > 0;
        vault->unsynced[folder] = true;
        if (rename(writer->path, path) < 0)
                return -errno;
        writer->fd = close_fd(writer->fd);
        vault->contents++;
        vault->bytes += writer->size;
        return 0;
}

int vault_put_end(struct vault_writer *given, uint8_t ret[DIGEST_SIZE])
{
        _cleanup_(vault_put_cancelp) struct vault_writer *writer = given;
        struct vault *vault = writer->vault;
        uint8_t digest[DIGEST_SIZE];
        char path[PATH_MAX];
        struct stat st;
        int r = 0;

        digest_end(writer->digest, digest);
        path_of(vault, digest, path);
        if (!is_there(vault, path, &st) || (uint64_t)st.st_size != writer->size) {
                if (lstat(path, &st) >= 0) /* what stands there is not it */
                        forget(vault, (uint64_t)st.st_size);
                r = give_name(writer, digest[0], path);
        }
        if (r < 0)
                return r;
        memcpy(ret, digest, DIGEST_SIZE);
        return 0;
}

int vault_put(struct vault *vault, const void *data, size_t size, uint8_t ret[DIGEST_SIZE])
{
        _cleanup_(vault_put_cancelp) struct vault_writer *writer = NULL;
        int r = vault_put_begin(vault, &writer);

        if (r >= 0)
                r = vault_put_add(writer, data, size);
        return r < 0 ? r : vault_put_end(TAKE_PTR(writer), ret);
}

int vault_put_file(struct vault *vault, int fd, uint8_t ret[DIGEST_SIZE])
{
        _cleanup_(vault_put_cancelp) struct vault_writer *writer = NULL;
        _cleanup_free_ char *piece = malloc(PIECE);
        ssize_t n = 1;
        int r = piece ? vault_put_begin(vault, &writer) : -ENOMEM;

        while (r >= 0 && n > 0) {
                n = read(fd, piece, PIECE);
                if (n < 0 && errno == EINTR)
                        n = 1;
                else
                        r = n < 0 ? -errno : vault_put_add(writer, piece, (size_t)n);
        }
        return r < 0 ? r : vault_put_end(TAKE_PTR(writer), ret);
}

int vault_put_link(struct vault *vault, int folder, const char *name, uint8_t ret[DIGEST_SIZE])
{
        char target[PATH_MAX];
        ssize_t n = readlinkat(folder, name, target, sizeof(target));

        return n < 0 ? -errno : vault_put(vault, target, (size_t)n, ret);
}

static int sync_folder(const char *path)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int vault_sync(struct vault *vault)
{
        char path[PATH_MAX];
        int r = 0;

        for (unsigned folder = 0; r >= 0 && folder < FOLDERS; folder++) {
                if (!vault->unsynced[folder])
                        continue;
                path_of_folder(vault, folder, path);
                r = sync_folder(path);
                vault->unsynced[folder] = r < 0;
        }
        if (r >= 0 && vault->root_unsynced)
                r = sync_folder(vault->path);
        vault->root_unsynced &= r < 0;
        return r;
}

/* ---- out ---------------------------------------------------------------------------------------------------------------- */

/* A content that is being read, and what it turns out to be. */
struct reading {
        struct digest *digest;
        int fd;
        uint64_t size;
};

static void reading_done(struct reading *reading)
{
        close_fd(reading->fd);
        digest_free(reading->digest);
}

static int begin_reading(const char *path, struct reading *reading)
{
        struct stat st;
        int r = digest_new(&reading->digest);

        if (r < 0)
                return r;
        reading->fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (reading->fd < 0)
                return errno == ELOOP ? -EBADMSG : -errno;
        if (fstat(reading->fd, &st) < 0)
                return -errno;
        reading->size = (uint64_t)st.st_size;
        return S_ISREG(st.st_mode) ? 0 : -EBADMSG;
}

static ssize_t read_piece(struct reading *reading, void *piece, size_t room)
{
        ssize_t n;

        do
                n = read(reading->fd, piece, room);
        while (n < 0 && errno == EINTR);
        if (n > 0)
                digest_add(reading->digest, piece, (size_t)n);
        return n < 0 ? -errno : n;
}

static int check(struct reading *reading, const uint8_t digest[DIGEST_SIZE])
{
        uint8_t found[DIGEST_SIZE];

        digest_end(reading->digest, found);
        return memcmp(found, digest, DIGEST_SIZE) == 0 ? 0 : -EBADMSG;
}

/* Never used, and in nobody's way: the content may come again. */
static int take_out(struct vault *vault, const char *path, const uint8_t digest[DIGEST_SIZE], uint64_t size)
{
        if (unlink(path) >= 0)
                forget(vault, size);
        if (vault->damaged)
                vault->damaged(vault->self, digest);
        return -EBADMSG;
}

int vault_get(struct vault *vault, const uint8_t digest[DIGEST_SIZE], size_t most, char **ret, size_t *ret_size)
{
        _cleanup_(reading_done) struct reading reading = { .fd = -1 };
        _cleanup_free_ char *text = NULL;
        char path[PATH_MAX];
        size_t size = 0;
        ssize_t n = 1;
        int r;

        path_of(vault, digest, path);
        r = begin_reading(path, &reading);
        if (r >= 0 && reading.size > most)
                return -EFBIG;
        text = r >= 0 ? malloc(reading.size + 2) : NULL;
        if (r >= 0 && !text)
                return -ENOMEM;
        while (r >= 0 && n > 0 &&
               size <= reading.size) { /* one byte more than there should be, to see that it is not there */
                n = read_piece(&reading, text + size, reading.size + 1 - size);
                if (n < 0)
                        return (int)n;
                size += (size_t)n;
        }
        if (r >= 0)
                r = size == reading.size ? check(&reading, digest) : -EBADMSG;
        if (r == -EBADMSG)
                return take_out(vault, path, digest, reading.size);
        if (r < 0)
                return r;
        text[size] = '\0';
        *ret = TAKE_PTR(text);
        *ret_size = size;
        return 0;
}

int vault_copy(struct vault *vault, const uint8_t digest[DIGEST_SIZE], int to)
{
        _cleanup_(reading_done) struct reading reading = { .fd = -1 };
        _cleanup_free_ char *piece = malloc(PIECE);
        char path[PATH_MAX];
        ssize_t n = 1;
        int r;

        if (!piece)
                return -ENOMEM;
        path_of(vault, digest, path);
        r = begin_reading(path, &reading);
        while (r >= 0 && n > 0) {
                n = read_piece(&reading, piece, PIECE);
                r = n > 0 ? file_write_all(to, piece, (size_t)n) : (int)n;
        }
        if (r >= 0)
                r = check(&reading, digest);
        return r == -EBADMSG ? take_out(vault, path, digest, reading.size) : r;
}

/* ---- throwing out ------------------------------------------------------------------------------------------------------- */

struct sweep {
        struct vault *vault;
        bool (*keep)(void *self, const uint8_t digest[DIGEST_SIZE]);
        void *self;
};

static bool is_younger(const struct timespec *time, const struct timespec *than)
{
        return time->tv_sec > than->tv_sec || (time->tv_sec == than->tv_sec && time->tv_nsec >= than->tv_nsec);
}

static int sweep_one(void *self, const char *folder_path, unsigned folder, const char *name)
{
        const struct sweep *sweep = self;
        char path[PATH_MAX];
        uint8_t digest[DIGEST_SIZE];
        struct stat st;

        if (!is_content_name(folder, name, digest) || sweep->keep(sweep->self, digest) ||
            (size_t)snprintf(path, sizeof(path), "%s/%s", folder_path, name) >= sizeof(path) ||
            look_at(path, &st) < 0 || is_younger(&st.st_mtim, &sweep->vault->swept_since))
                return 0;
        if (unlink(path) >= 0)
                forget(sweep->vault, (uint64_t)st.st_size);
        return 0;
}

int vault_forget(struct vault *vault, const uint8_t digest[DIGEST_SIZE])
{
        char path[PATH_MAX];
        struct stat st;
        int r;

        path_of(vault, digest, path);
        r = look_at(path, &st);
        if (r < 0)
                return r == -EBADF ? -ENOENT : r;
        if (unlink(path) < 0)
                return -errno;
        forget(vault, (uint64_t)st.st_size);
        path_of_folder(vault, digest[0], path);
        return sync_folder(path);
}

/* The time is the file system's: its clock is the one that contents are dated by. */
void vault_sweep_begin(struct vault *vault)
{
        vault->sweeping = true;
        vault->sweep_at = 0;
        clock_gettime(CLOCK_REALTIME_COARSE, &vault->swept_since);
}

int vault_sweep_on(struct vault *vault, bool (*keep)(void *self, const uint8_t digest[DIGEST_SIZE]), void *self)
{
        struct sweep sweep = { .vault = vault, .keep = keep, .self = self };

        char path[PATH_MAX];

        for (unsigned n = 0; n < FOLDERS_A_TURN && vault->sweep_at < FOLDERS; n++) {
                path_of_folder(vault, vault->sweep_at, path);
                (void)each_name(&sweep, path, vault->sweep_at++,
                                sweep_one); /* one that cannot be read keeps what it has */
        }
        vault->sweeping = vault->sweep_at < FOLDERS;
        return vault->sweeping;
}
