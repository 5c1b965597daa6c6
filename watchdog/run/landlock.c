/* The header of the build may be older than the kernel it runs on: the numbers stand here, as the kernel's interface has them. */
#include "run/landlock.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/cleanup.h"

struct ruleset {
        uint64_t files;
        uint64_t network;
        uint64_t scoped;
};

struct rule {
        uint64_t allowed;
        int32_t fd;
} __attribute__((packed));

enum { QUERY_ABI = 1, RULE_PATH = 1 };
enum { SCOPE_ABSTRACT = 1 << 0, SCOPE_SIGNAL = 1 << 1 };

/* clang-format off */
enum {
        FS_EXECUTE = 1 << 0,      FS_WRITE_FILE = 1 << 1,  FS_READ_FILE = 1 << 2,   FS_READ_DIR = 1 << 3,
        FS_REMOVE_DIR = 1 << 4,   FS_REMOVE_FILE = 1 << 5, FS_MAKE_CHAR = 1 << 6,   FS_MAKE_DIR = 1 << 7,
        FS_MAKE_REG = 1 << 8,     FS_MAKE_SOCK = 1 << 9,   FS_MAKE_FIFO = 1 << 10,  FS_MAKE_BLOCK = 1 << 11,
        FS_MAKE_SYM = 1 << 12,    FS_REFER = 1 << 13,      FS_TRUNCATE = 1 << 14,   FS_IOCTL_DEV = 1 << 15,
};

#define FS_READING (FS_EXECUTE | FS_READ_FILE | FS_READ_DIR)
#define FS_CHANGING (FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SOCK | FS_MAKE_FIFO \
                     | FS_MAKE_SYM | FS_REFER | FS_TRUNCATE | FS_IOCTL_DEV)
#define FS_NEVER (FS_MAKE_CHAR | FS_MAKE_BLOCK) /* a device node is a way to any disk */
#define FS_OF_A_FILE (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

const struct landlock_gap landlock_gaps[] = {
        { 1, "files: everything that this user may write, it may write" },
        { 5, "ioctl on devices that it may read" },
        { 6, "signals to other processes of this user, abstract Unix sockets" },
};
/* clang-format on */

const unsigned landlock_gaps_n = sizeof landlock_gaps / sizeof landlock_gaps[0];

int landlock_abi(void)
{
        long abi = syscall(__NR_landlock_create_ruleset, NULL, 0, QUERY_ABI);

        if (abi < 1)
                return 0;
        return abi < LANDLOCK_ABI_MOST ? (int)abi : LANDLOCK_ABI_MOST;
}

/* An older kernel refuses what it does not know. */
static uint64_t known(int abi, uint64_t rights)
{
        if (abi < 2)
                rights &= ~(uint64_t)FS_REFER;
        if (abi < 3)
                rights &= ~(uint64_t)FS_TRUNCATE;
        if (abi < 5)
                rights &= ~(uint64_t)FS_IOCTL_DEV;
        return rights;
}

static uint64_t handled(int abi, const struct grants *grants)
{
        return known(abi, FS_CHANGING | FS_NEVER | (grants->read_some ? FS_READING : 0));
}

static int make_ruleset(int abi, const struct grants *grants, bool signals)
{
        struct ruleset set = { .files = handled(abi, grants) };
        size_t size = abi >= 6 ? sizeof set : offsetof(struct ruleset, network);
        long fd;

        if (abi >= 6)
                set.scoped = SCOPE_ABSTRACT | (signals ? 0 : SCOPE_SIGNAL);
        fd = syscall(__NR_landlock_create_ruleset, &set, size, 0);
        return fd < 0 ? -errno : (int)fd;
}

static uint64_t rights_of(const struct grant *grant)
{
        /* clang-format off */
        static const uint64_t rights[] = {
                [GRANT_READ]   = FS_READING,
                [GRANT_WRITE]  = FS_READING | FS_CHANGING,
                [GRANT_ENTRY]  = FS_READING | FS_CHANGING,
                [GRANT_DEVICE] = FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV,
        };
        /* clang-format on */
        return rights[grant->kind] & (grant->directory ? UINT64_MAX : FS_OF_A_FILE);
}

/* A right that is not handled may not be in a rule, and a rule without any may not be there. */
static int add_rule(int set, const struct grant *grant, uint64_t handling)
{
        struct rule rule = { .allowed = rights_of(grant) & handling, .fd = grant->fd };

        if (!rule.allowed)
                return 0;
        return syscall(__NR_landlock_add_rule, set, RULE_PATH, &rule, 0) < 0 ? -errno : 0;
}

int landlock_enter(int abi, const struct grants *grants, bool signals)
{
        _cleanup_close_ int set = make_ruleset(abi, grants, signals);

        if (set < 0)
                return set;
        for (size_t i = 0; i < grants->n; i++) {
                int r = add_rule(set, &grants->list[i], handled(abi, grants));

                if (r < 0)
                        return r;
        }
        return syscall(__NR_landlock_restrict_self, set, 0) < 0 ? -errno : 0;
}
