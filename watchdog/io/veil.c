#include "io/veil.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "io/digest.h"
#include "io/file.h"

struct veil {
        struct digest *digest;
        uint8_t key[DIGEST_SIZE];
};

static int make_key(uint8_t key[DIGEST_SIZE])
{
        return getrandom(key, DIGEST_SIZE, 0) == DIGEST_SIZE ? 0 : -EIO;
}

/* One that somebody cut short, or that others could read, is no secret: there will be a new one. */
static int read_key(const char *path, uint8_t key[DIGEST_SIZE])
{
        _cleanup_free_ char *text = NULL;
        struct stat st;
        size_t size;
        int r = file_read(path, DIGEST_SIZE, &text, &size);

        if (r == -EFBIG || r == -EBADF)
                return -ENOENT;
        if (r < 0)
                return r;
        if (size != DIGEST_SIZE || stat(path, &st) < 0 || (st.st_mode & 077))
                r = -ENOENT;
        else
                memcpy(key, text, DIGEST_SIZE);
        explicit_bzero(text, size);
        return r;
}

int veil_new(struct veil **ret)
{
        struct veil *veil = calloc(1, sizeof(*veil));
        int r = veil ? digest_new(&veil->digest) : -ENOMEM;

        if (r >= 0)
                r = make_key(veil->key);
        if (r < 0) {
                veil_free(veil);
                return r;
        }
        *ret = veil;
        return 0;
}

int veil_copy(const struct veil *veil, struct veil **ret)
{
        int r = veil_new(ret);

        if (r >= 0)
                memcpy((*ret)->key, veil->key, sizeof(veil->key));
        return r;
}

int veil_open(const char *path, struct veil **ret)
{
        _cleanup_(veil_freep) struct veil *veil = NULL;
        int r = veil_new(&veil);

        if (r < 0)
                return r;
        r = read_key(path, veil->key);
        if (r == -ENOENT)
                r = file_write_atomic(path, veil->key, sizeof(veil->key), 0600);
        if (r >= 0)
                *ret = TAKE_PTR(veil);
        return r;
}

struct veil *veil_free(struct veil *veil)
{
        if (!veil)
                return NULL;
        digest_free(veil->digest);
        explicit_bzero(veil, sizeof(*veil));
        free(veil);
        return NULL;
}

void veil_begin(struct veil *veil)
{
        digest_begin_keyed(veil->digest, veil->key);
}

void veil_add(struct veil *veil, const void *data, size_t size)
{
        digest_add(veil->digest, data, size);
}

uint64_t veil_end(struct veil *veil)
{
        uint8_t digest[DIGEST_SIZE];
        uint64_t value;

        digest_end(veil->digest, digest);
        memcpy(&value, digest, sizeof(value));
        return value;
}

uint64_t veil_mark(const struct veil *veil)
{
        struct digest *digest;
        uint8_t mark[DIGEST_SIZE] = { 0 };
        uint64_t value;

        if (digest_new(&digest) >= 0) {
                digest_begin_keyed(digest, veil->key);
                digest_add(digest, "mark", 4);
                digest_end(digest, mark);
                digest_free(digest);
        }
        memcpy(&value, mark, sizeof(value));
        return value;
}
