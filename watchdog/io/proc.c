#include "io/proc.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "base/usec.h"
#include "io/cleanup.h"

#define PROC_STATUS_MAX 4096 /* about 1.4 kB today */
#define PROC_STAT_MAX 1024
#define PROC_PATH_MAX 64
#define ENVIRON_NAME_MAX 64
#define TICKS_MOST (UINT64_MAX / USEC_PER_SEC / 8) /* thousands of CPUs for thousands of years */

int proc_open(struct proc *proc, const char *root)
{
        int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        proc->fd = fd;
        return 0;
}

void proc_done(struct proc *proc)
{
        proc->fd = close_fd(proc->fd);
}

/* A process that is gone shows as a missing directory or, when its file was already open, as ESRCH. */
static int vanished(int r)
{
        return r == -ENOENT ? -ESRCH : r;
}

static ssize_t read_whole(int fd, char *buffer, size_t size)
{
        size_t have = 0;

        for (;;) {
                ssize_t n = read(fd, buffer + have, size - 1 - have);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                have += (size_t)n;
                if (n == 0)
                        break;
                if (have == size - 1)
                        return -EFBIG;
        }
        buffer[have] = '\0';
        return (ssize_t)have;
}

ssize_t proc_read(const struct proc *proc, const char *path, char *buffer, size_t size)
{
        _cleanup_close_ int fd = openat(proc->fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

        if (fd < 0)
                return -errno;
        return read_whole(fd, buffer, size);
}

static ssize_t read_of(const struct proc *proc, pid_t pid, const char *file, char *buffer, size_t size)
{
        char path[PROC_PATH_MAX];
        ssize_t n;

        snprintf(path, sizeof(path), "%d/%s", (int)pid, file);
        n = proc_read(proc, path, buffer, size);
        if (n < 0)
                return vanished((int)n);
        return n == 0 ? -ESRCH : n; /* none of the files read here is empty while its process lives */
}

static bool parse_number(const char **at, const char *end, uint64_t *ret)
{
        const char *p = *at;

        while (p < end && (*p == ' ' || *p == '\t'))
                p++;
        if (!text_digits(&p, end, ret))
                return false;
        *at = p;
        return true;
}

static bool skip_fields(const char **at, const char *end, unsigned n)
{
        const char *p = *at;

        while (n-- > 0) {
                while (p < end && *p == ' ')
                        p++;
                if (p == end)
                        return false;
                while (p < end && *p != ' ')
                        p++;
        }
        *at = p;
        return true;
}

int proc_parse_stat(const char *text, size_t size, struct proc_stat *ret)
{
        struct proc_stat stat = { .state = 0 };
        const char *end = text + size, *open = memchr(text, '(', size), *close = memrchr(text, ')', size);
        uint64_t parent, user, system, waited_user, waited_system;
        const char *p;
        size_t n;

        /* comm may hold spaces and brackets of its own ("PM2 v7.0.4: God)"): the last bracket is the kernel's */
        if (!open || !close || close < open || end - close < 4 || close[1] != ' ')
                return -EBADMSG;
        n = (size_t)(close - open - 1);
        n = n < sizeof(stat.comm) - 1 ? n : sizeof(stat.comm) - 1;
        memcpy(stat.comm, open + 1, n);
        stat.state = close[2];
        p = close + 3;
        if (!parse_number(&p, end, &parent) || parent > INT_MAX)
                return -EBADMSG;
        if (!skip_fields(&p, end, 9) || !parse_number(&p, end, &user) || !parse_number(&p, end, &system)) /* 14, 15 */
                return -EBADMSG;
        if (!parse_number(&p, end, &waited_user) || !parse_number(&p, end, &waited_system)) /* 16, 17 */
                return -EBADMSG;
        if (!skip_fields(&p, end, 4) || !parse_number(&p, end, &stat.start)) /* 22 */
                return -EBADMSG;
        if (p < end && *p != ' ' && *p != '\n')
                return -EBADMSG;
        stat.parent = (pid_t)parent;
        if (__builtin_add_overflow(user, system, &stat.cpu_ticks) ||
            __builtin_add_overflow(waited_user, waited_system, &stat.waited_ticks))
                return -EBADMSG;
        *ret = stat;
        return 0;
}

int proc_stat(const struct proc *proc, pid_t pid, struct proc_stat *ret)
{
        char text[PROC_STAT_MAX];
        ssize_t n = read_of(proc, pid, "stat", text, sizeof(text));

        return n < 0 ? (int)n : proc_parse_stat(text, (size_t)n, ret);
}

int proc_exit_status(const struct proc *proc, pid_t pid, int *ret)
{
        char text[PROC_STAT_MAX];
        ssize_t n = read_of(proc, pid, "stat", text, sizeof(text));
        const char *p, *end;
        uint64_t status;

        if (n < 0)
                return (int)n;
        end = text + n;
        p = memrchr(text, ')', (size_t)n);
        if (!p || end - p < 4)
                return -EBADMSG;
        if (p[2] != 'Z')
                return -ENODATA;
        p += 3;
        if (!skip_fields(&p, end, 48) || !parse_number(&p, end, &status) || status > UINT16_MAX) /* 52 */
                return -EBADMSG;
        *ret = (int)status;
        return 0;
}

static bool begins(const char *line, size_t size, const char *word)
{
        size_t n = strlen(word);

        return size >= n && memcmp(line, word, n) == 0;
}

/* "cpu  USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL ...": an old kernel's line is shorter, a new one's longer. */
static bool parse_times(const char *at, const char *end, struct proc_totals *totals)
{
        enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, TIMES_N };
        uint64_t times[TIMES_N] = { 0 };
        unsigned n = 0;

        while (n < TIMES_N && parse_number(&at, end, &times[n]))
                if (times[n++] > TICKS_MOST)
                        return false;
        if (n <= IDLE)
                return false;
        totals->busy_ticks = times[USER] + times[NICE] + times[SYSTEM] + times[IRQ] + times[SOFTIRQ];
        totals->given_ticks = totals->busy_ticks + times[IDLE] + times[IOWAIT];
        totals->steal_ticks = times[STEAL];
        return true;
}

bool proc_parse_totals(const char *line, size_t size, struct proc_totals *totals)
{
        const char *end = line + size;

        if (begins(line, size, "cpu "))
                return parse_times(line + 4, end, totals);
        if (!begins(line, size, "ctxt "))
                return false;
        line += 5;
        return parse_number(&line, end, &totals->switches);
}

/* Takes all whole lines out of what was read; returns how many bytes of the last one are left. */
static size_t take_lines(char *buffer, size_t have, bool *in_long_line, unsigned *found, struct proc_totals *totals)
{
        char *line = buffer, *end = buffer + have, *stop;

        for (; (stop = memchr(line, '\n', (size_t)(end - line))); line = stop + 1) {
                if (!*in_long_line)
                        *found += proc_parse_totals(line, (size_t)(stop - line), totals);
                *in_long_line = false;
        }
        memmove(buffer, line, (size_t)(end - line));
        return (size_t)(end - line);
}

/* The line of interrupts is as long as the machine has kinds of them: it is passed over, not kept. */
int proc_totals(const struct proc *proc, struct proc_totals *ret)
{
        _cleanup_close_ int fd = openat(proc->fd, "stat", O_RDONLY | O_CLOEXEC | O_NOCTTY);
        struct proc_totals totals = { 0 };
        char buffer[PROC_STATUS_MAX];
        bool in_long_line = false;
        unsigned found = 0;
        size_t have = 0;

        if (fd < 0)
                return -errno;
        while (found < 2) {
                ssize_t n = read(fd, buffer + have, sizeof(buffer) - have);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                have = take_lines(buffer, have + (size_t)n, &in_long_line, &found, &totals);
                if (have == sizeof(buffer)) {
                        in_long_line = true;
                        have = 0;
                }
        }
        if (totals.given_ticks == 0)
                return -ENODATA;
        *ret = totals;
        return 0;
}

uint64_t proc_usec_of_ticks(uint64_t ticks)
{
        uint64_t hertz = (uint64_t)sysconf(_SC_CLK_TCK);

        return ticks / hertz * USEC_PER_SEC + ticks % hertz * USEC_PER_SEC / hertz;
}

/* The number in the line that begins with the key and this character. */
static int find_number(const char *text, size_t size, const char *key, char behind, uint64_t *ret)
{
        const char *end = text + size;
        size_t length = strlen(key);

        for (const char *line = text, *next; line < end; line = next) {
                const char *stop = memchr(line, '\n', (size_t)(end - line));

                stop = stop ? stop : end;
                next = stop + 1;
                if ((size_t)(stop - line) <= length || memcmp(line, key, length) != 0 || line[length] != behind)
                        continue;
                line += length + 1;
                return parse_number(&line, stop, ret) ? 0 : -EBADMSG;
        }
        return -ENODATA;
}

int proc_parse_number(const char *text, size_t size, const char *key, uint64_t *ret)
{
        return find_number(text, size, key, ':', ret);
}

int proc_parse_flat(const char *text, size_t size, const char *key, uint64_t *ret)
{
        return find_number(text, size, key, ' ', ret);
}

/* A line in kilobytes on top of the sum; -ENODATA when there is none. */
static int add_kilobytes(const char *text, size_t size, const char *key, uint64_t *sum)
{
        uint64_t kilobytes;
        int r = proc_parse_number(text, size, key, &kilobytes);

        if (r < 0)
                return r;
        if (__builtin_mul_overflow(kilobytes, 1024U, &kilobytes) || __builtin_add_overflow(*sum, kilobytes, sum))
                return -EBADMSG;
        return 0;
}

int proc_parse_rollup(const char *text, size_t size, struct proc_rollup *ret)
{
        struct proc_rollup rollup = { 0 };
        int r = add_kilobytes(text, size, "Pss_Anon", &rollup.bytes);

        if (r == 0)
                r = add_kilobytes(text, size, "Pss_Shmem", &rollup.bytes);
        if (r == -ENODATA) { /* before Linux 5.4: at least what is its alone */
                rollup.bytes = 0;
                r = add_kilobytes(text, size, "Private_Dirty", &rollup.bytes);
        }
        if (r < 0)
                return r;
        r = add_kilobytes(text, size, "Private_Hugetlb", &rollup.bytes);
        if (r < 0 && r != -ENODATA)
                return r;
        r = add_kilobytes(text, size, "SwapPss", &rollup.swap_bytes);
        if (r < 0 && r != -ENODATA)
                return r;
        *ret = rollup;
        return 0;
}

int proc_rollup(const struct proc *proc, pid_t pid, struct proc_rollup *ret)
{
        char text[PROC_STATUS_MAX];
        ssize_t n = read_of(proc, pid, "smaps_rollup", text, sizeof(text));

        return n < 0 ? (int)n : proc_parse_rollup(text, (size_t)n, ret);
}

static int parse_memory(const char *text, size_t size, uint64_t *ret_bytes)
{
        static const char *const parts[] = { "RssAnon", "RssShmem", "VmSwap" };
        uint64_t sum = 0;

        for (size_t i = 0; i < 3; i++) {
                int r = add_kilobytes(text, size, parts[i], &sum);

                if (r < 0 && !(r == -ENODATA && i == 2)) /* a kernel without swap */
                        return r;
        }
        *ret_bytes = sum;
        return 0;
}

/* The kernel writes both lines near the end, which most of the file does not have to be searched for. */
static void parse_switches(const char *text, size_t size, struct proc_status *status)
{
        const char *at = memmem(text, size, "voluntary_ctxt", strlen("voluntary_ctxt"));

        if (!at)
                return;
        size -= (size_t)(at - text);
        (void)proc_parse_number(at, size, "voluntary_ctxt_switches", &status->voluntary);
        (void)proc_parse_number(at, size, "nonvoluntary_ctxt_switches", &status->involuntary);
}

int proc_parse_status(const char *text, size_t size, struct proc_status *ret)
{
        struct proc_status status = { 0 };
        int r = parse_memory(text, size, &status.memory_bytes);

        if (r < 0)
                return r;
        parse_switches(text, size, &status);
        *ret = status;
        return 0;
}

int proc_status(const struct proc *proc, pid_t pid, struct proc_status *ret)
{
        char text[PROC_STATUS_MAX];
        ssize_t n = read_of(proc, pid, "status", text, sizeof(text));

        return n < 0 ? (int)n : proc_parse_status(text, (size_t)n, ret);
}

int proc_memory(const struct proc *proc, pid_t pid, uint64_t *ret_bytes)
{
        struct proc_status status;
        int r = proc_status(proc, pid, &status);

        if (r >= 0)
                *ret_bytes = status.memory_bytes;
        return r;
}

int proc_keep(const struct proc *proc, pid_t pid, const char *file)
{
        char path[PROC_PATH_MAX];
        int fd;

        snprintf(path, sizeof(path), "%d/%s", (int)pid, file);
        fd = openat(proc->fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        return fd < 0 ? vanished(-errno) : fd;
}

static ssize_t read_again(int fd, char *buffer, size_t size)
{
        ssize_t n = pread(fd, buffer, size, 0); /* the kernel fills it at once */

        if (n < 0)
                return vanished(-errno);
        if (n == 0)
                return -ESRCH;
        return (size_t)n == size ? -EFBIG : n;
}

int proc_stat_again(int fd, struct proc_stat *ret)
{
        char text[PROC_STAT_MAX];
        ssize_t n = read_again(fd, text, sizeof(text));

        return n < 0 ? (int)n : proc_parse_stat(text, (size_t)n, ret);
}

int proc_status_again(int fd, struct proc_status *ret)
{
        char text[PROC_STATUS_MAX];
        ssize_t n = read_again(fd, text, sizeof(text));

        return n < 0 ? (int)n : proc_parse_status(text, (size_t)n, ret);
}

int proc_parse_cgroup(const char *text, size_t size, char ret[PROC_CGROUP_MAX])
{
        const char *end = text + size;

        for (const char *line = text, *next; line < end; line = next) {
                const char *stop = memchr(line, '\n', (size_t)(end - line));
                size_t n;

                stop = stop ? stop : end;
                next = stop + 1;
                if (stop - line < 4 || memcmp(line, "0::/", 4) != 0)
                        continue;
                line += 3;
                n = (size_t)(stop - line);
                if (n >= PROC_CGROUP_MAX || memchr(line, '\0', n))
                        return -EBADMSG;
                memcpy(ret, line, n);
                ret[n] = '\0';
                return 0;
        }
        return -ENODATA; /* a machine with the old hierarchies alone */
}

int proc_cgroup(const struct proc *proc, pid_t pid, char ret[PROC_CGROUP_MAX])
{
        char text[PATH_MAX];
        ssize_t n = read_of(proc, pid, "cgroup", text, sizeof(text));

        return n < 0 ? (int)n : proc_parse_cgroup(text, (size_t)n, ret);
}

static bool ends_with(const char *text, size_t size, const char *suffix)
{
        size_t n = strlen(suffix);

        return size > n && memcmp(text + size - n, suffix, n) == 0;
}

int proc_unit_of_cgroup(const char *cgroup, char ret[PROC_UNIT_MAX])
{
        const char *end = cgroup + strlen(cgroup);

        while (end > cgroup) {
                const char *slash = memrchr(cgroup, '/', (size_t)(end - cgroup));
                const char *name = slash ? slash + 1 : cgroup;
                size_t n = (size_t)(end - name);

                if (n < PROC_UNIT_MAX && (ends_with(name, n, ".service") || ends_with(name, n, ".scope"))) {
                        memcpy(ret, name, n);
                        ret[n] = '\0';
                        return 0;
                }
                end = slash ? slash : cgroup;
        }
        return -ENODATA;
}

int proc_unit(const struct proc *proc, pid_t pid, char ret[PROC_UNIT_MAX])
{
        char cgroup[PROC_CGROUP_MAX];
        int r = proc_cgroup(proc, pid, cgroup);

        return r < 0 ? r : proc_unit_of_cgroup(cgroup, ret);
}

/* Where in the stream of `NAME=value\0` we are. */
struct environ_scan {
        struct proc_variable *variables;
        size_t n;
        struct proc_variable *into; /* the value being read is wanted here */
        bool in_value;
        size_t at;
        char name[ENVIRON_NAME_MAX];
};

static void environ_name_ends(struct environ_scan *scan)
{
        scan->into = NULL;
        for (size_t i = 0; scan->at < sizeof(scan->name) && i < scan->n; i++)
                if (!scan->variables[i].found && strlen(scan->variables[i].name) == scan->at &&
                    memcmp(scan->variables[i].name, scan->name, scan->at) == 0)
                        scan->into = &scan->variables[i];
        scan->in_value = true;
        scan->at = 0;
}

static void environ_value_ends(struct environ_scan *scan)
{
        if (scan->into && scan->at < scan->into->size) {
                scan->into->value[scan->at] = '\0';
                scan->into->found = true;
        } else if (scan->into)
                explicit_bzero(scan->into->value, scan->into->size);
        scan->into = NULL;
        scan->in_value = false;
        scan->at = 0;
}

static void environ_take(struct environ_scan *scan, const char *bytes, size_t size)
{
        for (const char *p = bytes; p < bytes + size; p++) {
                if (*p == '\0')
                        environ_value_ends(scan);
                else if (!scan->in_value && *p == '=')
                        environ_name_ends(scan);
                else if (!scan->in_value) {
                        if (scan->at < sizeof(scan->name))
                                scan->name[scan->at] = *p;
                        scan->at++;
                } else {
                        if (scan->into && scan->at < scan->into->size)
                                scan->into->value[scan->at] = *p;
                        scan->at++;
                }
        }
}

int proc_environ(const struct proc *proc, pid_t pid, struct proc_variable *variables, size_t n)
{
        struct environ_scan scan = { .variables = variables, .n = n };
        char path[PROC_PATH_MAX], buffer[4096];
        _cleanup_close_ int fd = -EBADF;
        int r = 0;

        for (size_t i = 0; i < n; i++)
                variables[i].found = false;
        snprintf(path, sizeof(path), "%d/environ", (int)pid);
        fd = openat(proc->fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return vanished(-errno);
        for (;;) {
                ssize_t got = read(fd, buffer, sizeof(buffer));

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        r = -errno;
                if (got <= 0)
                        break;
                environ_take(&scan, buffer, (size_t)got);
        }
        if (scan.into) /* its end never came */
                explicit_bzero(scan.into->value, scan.into->size);
        explicit_bzero(buffer, sizeof(buffer));
        explicit_bzero(&scan, sizeof(scan));
        return r;
}

/* A file of numbers between spaces, as long as it likes. */
static int children_of_task(int fd, pid_t *children, size_t max, size_t *n)
{
        char buffer[1024];
        uint64_t value = 0;
        bool digits = false;

        for (;;) {
                ssize_t got = read(fd, buffer, sizeof(buffer));

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return vanished(-errno);
                if (got == 0)
                        return 0;
                for (ssize_t i = 0; i < got; i++) {
                        if (isdigit((unsigned char)buffer[i])) {
                                value = (value * 10 + (uint64_t)(buffer[i] - '0')) & INT_MAX;
                                digits = true;
                                continue;
                        }
                        if (digits && (*n)++ < max)
                                children[*n - 1] = (pid_t)value;
                        value = 0;
                        digits = false;
                }
        }
}

int proc_children(const struct proc *proc, pid_t pid, pid_t *children, size_t max, size_t *ret_n)
{
        _cleanup_closedir_ DIR *tasks = NULL;
        char path[PROC_PATH_MAX];
        size_t n = 0;
        int fd;

        snprintf(path, sizeof(path), "%d/task", (int)pid);
        fd = openat(proc->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return vanished(-errno);
        tasks = fdopendir(fd);
        if (!tasks) {
                int r = -errno;

                close_fd(fd);
                return r;
        }
        for (struct dirent *entry; (entry = readdir(tasks));) {
                _cleanup_close_ int file = -EBADF;
                int r;

                if (!isdigit((unsigned char)entry->d_name[0]))
                        continue;
                snprintf(path, sizeof(path), "%.20s/children", entry->d_name);
                file = openat(dirfd(tasks), path, O_RDONLY | O_CLOEXEC);
                if (file < 0)
                        continue; /* that thread ended meanwhile; its children are another thread's now */
                r = children_of_task(file, children, max, &n);
                if (r < 0 && r != -ESRCH)
                        return r;
        }
        *ret_n = n;
        return 0;
}

int proc_each(const struct proc *proc, int (*each)(void *self, pid_t pid), void *self)
{
        _cleanup_closedir_ DIR *all = NULL;
        int fd = openat(proc->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* a position of its own */

        if (fd < 0)
                return -errno;
        all = fdopendir(fd);
        if (!all) {
                int r = -errno;

                close_fd(fd);
                return r;
        }
        for (struct dirent *entry; (entry = readdir(all));) {
                const char *name = entry->d_name, *end = name + strlen(name);
                uint64_t pid;
                int r;

                if (!isdigit((unsigned char)*name) || !parse_number(&name, end, &pid) || name != end || pid > INT_MAX)
                        continue;
                r = each(self, (pid_t)pid);
                if (r != 0)
                        return r;
        }
        return 0;
}
