/*
 * A plain classic BPF program over one table. libseccomp knows names and older ABIs better; here all calls are native, the
 * newest ones must be known by number whatever the headers of the build are, and what is newer than this table is refused.
 */
#include "run/filter.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "governor-run knows the system calls of x86-64 and arm64"
#endif

/* The numbers of all architectures are the same from here on, and older headers lack them. */
enum {
        CALL_open_tree = 428,
        CALL_move_mount = 429,
        CALL_fsopen = 430,
        CALL_fsconfig = 431,
        CALL_fsmount = 432,
        CALL_fspick = 433,
        CALL_clone3 = 435,
        CALL_openat2 = 437,
        CALL_pidfd_getfd = 438,
        CALL_mount_setattr = 442,
        CALL_quotactl_fd = 443,
        CALL_fchmodat2 = 452,
        CALL_setxattrat = 463,
        CALL_removexattrat = 466,
        CALL_open_tree_attr = 467,
        CALL_file_setattr = 469,
        CALL_NEWEST =
                469, /* Linux 6.17 and 6.18. What a later kernel adds nobody has looked at: to the command it is not there */
};

/* Orders of ioctl(2) for which a file need not be open for writing. */
enum {
        IOC_SETFLAGS = 0x40086602,
        IOC_FSSETXATTR = 0x401c5820,
        IOC_SETVERSION = 0x40087602,
        IOC_ENABLE_VERITY = 0x40806685,
        IOC_ENCRYPTION_POLICY = (int)0x800c6613,
        TTY_FAKE_INPUT = 0x5412, /* TIOCSTI: types into the caller's shell */
        TTY_CONSOLE = 0x541c,    /* TIOCLINUX: pastes into it */
};

#define CLONE_TIME 0x80 /* CLONE_NEWTIME; in clone(2) this bit is part of a signal's number */
#define NEW_NAMESPACES \
        (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

enum test { ALWAYS, EQUALS, ANY_BIT };

/* A row that is refused only when a right is missing names it; `old` rows only where Landlock does not refuse truncation. */
struct call_row {
        int number;
        enum allow right;
        int error;
        enum test test;
        unsigned argument;
        uint32_t mask, value;
        bool old;
};

#define NEVER(name)                                                    \
        {                                                              \
                __NR_##name, ALLOW_NONE, EPERM, ALWAYS, 0, 0, 0, false \
        }
#define NEWER(name, right)                                        \
        {                                                         \
                CALL_##name, right, EPERM, ALWAYS, 0, 0, 0, false \
        }
#define UNLESS(right, name)                                       \
        {                                                         \
                __NR_##name, right, EPERM, ALWAYS, 0, 0, 0, false \
        }
#define ABSENT(number, right)                                 \
        {                                                     \
                number, right, ENOSYS, ALWAYS, 0, 0, 0, false \
        }
#define ORDER(right, order)                                                               \
        {                                                                                 \
                __NR_ioctl, right, EPERM, EQUALS, 1, UINT32_MAX, (uint32_t)(order), false \
        }
#define FLAGS(name, right, bits)                                      \
        {                                                             \
                __NR_##name, right, EPERM, ANY_BIT, 0, bits, 0, false \
        }
/* O_TRUNC truncates also what is opened for reading, which an older Landlock takes for reading. */
#define TRUNCATING(name, argument, mode)                                                                      \
        {                                                                                                     \
                __NR_##name, ALLOW_NONE, EPERM, EQUALS, argument, O_ACCMODE | O_TRUNC, O_TRUNC | (mode), true \
        }

/* clang-format off */
static const struct call_row rows[] = {
        /* what a file is called by, belongs to and carries: Landlock leaves it alone */
#ifdef __NR_chmod
        UNLESS(ALLOW_METADATA, chmod),       UNLESS(ALLOW_METADATA, chown),     UNLESS(ALLOW_METADATA, lchown),
        UNLESS(ALLOW_METADATA, utime),       UNLESS(ALLOW_METADATA, utimes),    UNLESS(ALLOW_METADATA, futimesat),
#endif
        UNLESS(ALLOW_METADATA, fchmod),      UNLESS(ALLOW_METADATA, fchmodat),  NEWER(fchmodat2, ALLOW_METADATA),
        UNLESS(ALLOW_METADATA, fchown),      UNLESS(ALLOW_METADATA, fchownat),  UNLESS(ALLOW_METADATA, utimensat),
        UNLESS(ALLOW_METADATA, setxattr),    UNLESS(ALLOW_METADATA, lsetxattr), UNLESS(ALLOW_METADATA, fsetxattr),
        UNLESS(ALLOW_METADATA, removexattr), UNLESS(ALLOW_METADATA, lremovexattr),
        UNLESS(ALLOW_METADATA, fremovexattr),
        NEWER(setxattrat, ALLOW_METADATA),   NEWER(removexattrat, ALLOW_METADATA), NEWER(file_setattr, ALLOW_METADATA),
        ORDER(ALLOW_METADATA, IOC_SETFLAGS), ORDER(ALLOW_METADATA, IOC_FSSETXATTR), ORDER(ALLOW_METADATA, IOC_SETVERSION),
        ORDER(ALLOW_METADATA, IOC_ENABLE_VERITY), ORDER(ALLOW_METADATA, IOC_ENCRYPTION_POLICY),

        /* truncation, before Landlock knew it */
        { __NR_truncate, ALLOW_NONE, EPERM, ALWAYS, 0, 0, 0, true },
        TRUNCATING(openat, 2, O_RDONLY),     TRUNCATING(openat, 2, O_ACCMODE),
#ifdef __NR_open
        TRUNCATING(open, 1, O_RDONLY),       TRUNCATING(open, 1, O_ACCMODE),
#endif
        { CALL_openat2, ALLOW_NONE, ENOSYS, ALWAYS, 0, 0, 0, true }, /* its flags are in memory, where no filter sees them */

        /* doors to processes outside: whoever listens there acts for whoever asks. A pair of datagram sockets can be aimed anew. */
        { __NR_socket,     ALLOW_UNIX, EAFNOSUPPORT, EQUALS, 0, UINT32_MAX, AF_UNIX, false },
        { __NR_socketpair, ALLOW_UNIX, EAFNOSUPPORT, EQUALS, 1, 0xf, SOCK_DGRAM, false },
        ORDER(ALLOW_NONE, TTY_FAKE_INPUT),   ORDER(ALLOW_NONE, TTY_CONSOLE),

        FLAGS(unshare, ALLOW_NAMESPACES, NEW_NAMESPACES | CLONE_TIME), FLAGS(clone, ALLOW_NAMESPACES, NEW_NAMESPACES),
        ABSENT(CALL_clone3, ALLOW_NAMESPACES), /* as with openat2; the C library goes on with clone */
        UNLESS(ALLOW_NAMESPACES, setns),

        UNLESS(ALLOW_DEBUG, ptrace),         UNLESS(ALLOW_DEBUG, process_vm_readv),
        UNLESS(ALLOW_DEBUG, process_vm_writev), NEWER(pidfd_getfd, ALLOW_DEBUG),

        /* io_uring makes calls that no filter sees: attributes, sockets */
        ABSENT(__NR_io_uring_setup, ALLOW_NONE), ABSENT(__NR_io_uring_enter, ALLOW_NONE),
        ABSENT(__NR_io_uring_register, ALLOW_NONE),

        NEVER(mount),          NEVER(umount2),          NEVER(pivot_root),       NEVER(chroot),
        NEVER(swapon),         NEVER(swapoff),
        NEWER(open_tree, ALLOW_NONE),   NEWER(open_tree_attr, ALLOW_NONE), NEWER(move_mount, ALLOW_NONE),
        NEWER(fsopen, ALLOW_NONE),      NEWER(fsconfig, ALLOW_NONE),       NEWER(fsmount, ALLOW_NONE),
        NEWER(fspick, ALLOW_NONE),      NEWER(mount_setattr, ALLOW_NONE),  NEWER(quotactl_fd, ALLOW_NONE),
        NEVER(open_by_handle_at),       NEVER(fanotify_init),              NEVER(quotactl),
        NEVER(bpf),            NEVER(perf_event_open),  NEVER(userfaultfd),
        NEVER(init_module),    NEVER(finit_module),     NEVER(delete_module),
        NEVER(kexec_load),     NEVER(reboot),           NEVER(acct),             NEVER(syslog),
        NEVER(settimeofday),   NEVER(clock_settime),    NEVER(clock_adjtime),    NEVER(adjtimex),
        NEVER(sethostname),    NEVER(setdomainname),    NEVER(vhangup),
#ifdef __NR_kexec_file_load
        NEVER(kexec_file_load),
#endif
#ifdef __NR_iopl
        NEVER(iopl),           NEVER(ioperm),
#endif
};
/* clang-format on */

struct writing {
        struct sock_filter *program;
        size_t n;
};

static void put(struct writing *to, uint16_t code, uint32_t value, uint8_t if_true, uint8_t if_false)
{
        assert(to->n < FILTER_MAX);
        to->program[to->n++] = (struct sock_filter){ code, if_true, if_false, value };
}

static void put_load(struct writing *to, size_t offset)
{
        put(to, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void put_error(struct writing *to, int error)
{
        put(to, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error, 0, 0);
}

/* The low half: all that are looked at are ints, or flags of which the kernel takes 32 bits. Both machines are little endian. */
static void put_test(struct writing *to, const struct call_row *row)
{
        put(to, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)row->number, 0, row->test == EQUALS ? 5 : 4);
        put_load(to, offsetof(struct seccomp_data, args) + row->argument * sizeof(uint64_t));
        if (row->test == EQUALS) {
                put(to, BPF_ALU | BPF_AND | BPF_K, row->mask, 0, 0);
                put(to, BPF_JMP | BPF_JEQ | BPF_K, row->value, 0, 1);
        } else {
                put(to, BPF_JMP | BPF_JSET | BPF_K, row->mask, 0, 1);
        }
        put_error(to, row->error);
        put_load(to, offsetof(struct seccomp_data, nr));
}

static void put_row(struct writing *to, const struct call_row *row)
{
        if (row->test != ALWAYS) {
                put_test(to, row);
                return;
        }
        put(to, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)row->number, 0, 1);
        put_error(to, row->error);
}

size_t filter_make(unsigned allowed, bool truncates, struct sock_filter program[FILTER_MAX])
{
        struct writing to = { .program = program };

        put_load(&to, offsetof(struct seccomp_data, arch));
        put(&to, BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
        put(&to, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
        put_load(&to, offsetof(struct seccomp_data, nr));
        put(&to, BPF_JMP | BPF_JGT | BPF_K, CALL_NEWEST, 0, 1); /* x32's are above it too */
        put_error(&to, ENOSYS);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                if (!(rows[i].right & allowed) && (truncates || !rows[i].old))
                        put_row(&to, &rows[i]);
        put(&to, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
        return to.n;
}

int filter_enter(unsigned allowed, bool truncates)
{
        struct sock_filter program[FILTER_MAX];
        struct sock_fprog whole = { (unsigned short)filter_make(allowed, truncates, program), program };

        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole, 0, 0) < 0 ? -errno : 0;
}
