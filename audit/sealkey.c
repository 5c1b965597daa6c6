#include "audit/sealkey.h"
#include "audit/cleanup.h"

#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define MAGIC "GOVSEAL1"

enum { AT_EPOCH = 8, AT_SEED = 16, AT_PUBLIC = 48, AT_HASH = 80, SEED = 32 };

static off_t offset_of(uint64_t epoch)
{
        return (off_t)(epoch % AUDIT_SLOTS) * AUDIT_SLOT_SIZE;
}

/* Is what we locked still what the path names? A new log replaces the file while the old one is locked. */
static bool is_current(int fd, const char *path)
{
        struct stat ours, named;

        return fstat(fd, &ours) == 0 && stat(path, &named) == 0 && ours.st_dev == named.st_dev &&
               ours.st_ino == named.st_ino;
}

int audit_sealkey_lock(const char *path, int *ret_fd)
{
        _cleanup_(close_fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        if (!is_current(fd, path))
                return -EBUSY;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static ssize_t read_all(int fd, void *bytes, size_t length, off_t offset)
{
        size_t done = 0;
        ssize_t n;

        while (done < length) {
                n = pread(fd, (char *)bytes + done, length - done, offset + (off_t)done);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                done += (size_t)n;
        }
        return (ssize_t)done;
}

/* Only the hash decides whether there is a key. One that its seed does not make is no key of any seal. */
static bool parse_slot(const uint8_t slot[AUDIT_SLOT_SIZE], struct audit_slot *ret,
                       uint8_t ret_secret[AUDIT_SECRET_KEY])
{
        uint8_t hash[32], public_key[AUDIT_PUBLIC_KEY];

        if (memcmp(slot, MAGIC, sizeof(MAGIC) - 1) != 0)
                return false;
        crypto_hash_sha256(hash, slot, AT_HASH);
        if (memcmp(hash, slot + AT_HASH, sizeof(hash)) != 0)
                return false;
        crypto_sign_seed_keypair(public_key, ret_secret, slot + AT_SEED);
        if (memcmp(public_key, slot + AT_PUBLIC, AUDIT_PUBLIC_KEY) != 0)
                sodium_memzero(public_key, sizeof(public_key));

        ret->valid = true;
        ret->epoch = audit_number_read(slot + AT_EPOCH);
        memcpy(ret->public_key, public_key, AUDIT_PUBLIC_KEY);
        return true;
}

/* A slot that is cut short, or that holds the key of an epoch that belongs into the other, is empty. `ret_secret` may be
 * NULL. */
static int read_slot(int fd, unsigned n, struct audit_slot *ret, uint8_t *ret_secret)
{
        uint8_t bytes[AUDIT_SLOT_SIZE] = { 0 }, secret[AUDIT_SECRET_KEY];
        const ssize_t length = read_all(fd, bytes, sizeof(bytes), (off_t)n * AUDIT_SLOT_SIZE);

        *ret = (struct audit_slot){ 0 };
        if (length == AUDIT_SLOT_SIZE && parse_slot(bytes, ret, secret) && ret_secret)
                memcpy(ret_secret, secret, sizeof(secret));
        ret->valid = ret->valid && ret->epoch % AUDIT_SLOTS == n;
        sodium_memzero(bytes, sizeof(bytes));
        sodium_memzero(secret, sizeof(secret));
        return length < 0 ? (int)length : 0;
}

int audit_sealkey_read(int fd, struct audit_slot ret_slots[AUDIT_SLOTS])
{
        int r = 0;

        for (unsigned i = 0; i < AUDIT_SLOTS && r == 0; i++)
                r = read_slot(fd, i, &ret_slots[i], NULL);
        return r;
}

int audit_sealkey_look(const char *path, struct audit_slot ret_slots[AUDIT_SLOTS])
{
        _cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

        return fd < 0 ? -errno : audit_sealkey_read(fd, ret_slots);
}

int audit_sealkey_load(int fd, uint64_t epoch, uint8_t ret_secret[AUDIT_SECRET_KEY])
{
        struct audit_slot slot;
        const int r = read_slot(fd, epoch % AUDIT_SLOTS, &slot, ret_secret);

        if (r < 0)
                return r;
        return slot.valid && slot.epoch == epoch ? 0 : -ENOKEY;
}

/* In place and never by rename: a renamed file would leave the old key in a freed block. */
static int write_slot(int fd, uint64_t epoch, const uint8_t bytes[AUDIT_SLOT_SIZE])
{
        const ssize_t n = pwrite(fd, bytes, AUDIT_SLOT_SIZE, offset_of(epoch));

        if (n < 0)
                return -errno;
        if (n != AUDIT_SLOT_SIZE)
                return -EIO;
        return fdatasync(fd) < 0 ? -errno : 0;
}

int audit_sealkey_store(int fd, uint64_t epoch, const uint8_t secret[AUDIT_SECRET_KEY])
{
        uint8_t slot[AUDIT_SLOT_SIZE] = MAGIC;
        int r;

        audit_number_write(slot + AT_EPOCH, epoch);
        memcpy(slot + AT_SEED, secret, SEED + AUDIT_PUBLIC_KEY); /* libsodium keeps them in this order too */
        crypto_hash_sha256(slot + AT_HASH, slot, AT_HASH);
        r = write_slot(fd, epoch, slot);
        sodium_memzero(slot, sizeof(slot));
        return r;
}

int audit_sealkey_erase(int fd, uint64_t epoch)
{
        static const uint8_t nothing[AUDIT_SLOT_SIZE];

        return write_slot(fd, epoch, nothing);
}
