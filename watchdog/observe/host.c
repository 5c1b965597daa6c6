#include "observe/host.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "io/cleanup.h"
#include "observe/process.h"

#define SOURCE "host"
#define LOCKS 2
#define LOCK_SETTLE (100 * USEC_PER_MSEC) /* from opening the lock file to holding the lock */
#define PLANNED_EVERY USEC_PER_MINUTE
#define KIB 1024
#define FILLS_IN (2 * USEC_PER_MINUTE)
#define ALERT_FOR (5 * USEC_PER_SEC)    /* after the kernel's word */
#define UNTRIGGERED (5 * USEC_PER_SEC)  /* between samples when there is little left and the kernel says no word */
#define TRIGGER "some 150000 2000000"   /* 150 ms within 2 s: other windows take CAP_SYS_RESOURCE */
#define PLANNED_FOR (90 * USEC_PER_SEC) /* outlasts the run by what it leaves behind: services that start again late */

struct host {
        sd_event *event;
        struct host_options options;
        sd_event_source *sample, *lock_opened, *lock_look;
        int locks[LOCKS]; /* dpkg's lock files, held open because each opening wakes those who watch them, us too */
        bool pressure_missing;
        uint32_t cpus;
        struct host_tide tide;
        usec_t sampled_at, alert_until; /* in CLOCK_BOOTTIME */
        sd_event_source *trigger;       /* owns its descriptor; NULL: there is none */
        int trigger_error;              /* why, 0: none was wanted yet */
        enum source_state state;
        const char *why; /* as last told */
};

DEFINE_CLEANUP_FUNC(struct host *, host_free);

/* ---- parsing --------------------------------------------------------------------------------------------------------- */

/* "12.34..." to 1234. */
static int parse_hundredths(const char *text, uint32_t *ret)
{
        uint32_t value = 0, fraction = 0;

        if (!isdigit((unsigned char)*text))
                return -EBADMSG;
        for (; isdigit((unsigned char)*text); text++)
                if (__builtin_mul_overflow(value, 10U, &value) ||
                    __builtin_add_overflow(value, (uint32_t)(*text - '0'), &value))
                        return -EBADMSG;
        if (*text != '.' || !isdigit((unsigned char)text[1]) || !isdigit((unsigned char)text[2]))
                return -EBADMSG;
        fraction = (uint32_t)(text[1] - '0') * 10 + (uint32_t)(text[2] - '0');
        if (__builtin_mul_overflow(value, 100U, &value) || __builtin_add_overflow(value, fraction, &value))
                return -EBADMSG;
        *ret = value;
        return 0;
}

int host_parse_pressure(const char *text, const char *line, uint32_t *ret_hundredths)
{
        size_t n = strlen(line);

        for (const char *at = text; at; at = strchr(at, '\n'), at = at ? at + 1 : NULL)
                if (strncmp(at, line, n) == 0 && strncmp(at + n, " avg10=", 7) == 0)
                        return parse_hundredths(at + n + 7, ret_hundredths);
        return -ENODATA;
}

int host_parse_load(const char *text, uint32_t *ret_hundredths)
{
        return parse_hundredths(text, ret_hundredths);
}

/* ---- samples --------------------------------------------------------------------------------------------------------- */

static int read_memory(const struct proc *proc, struct fact *fact)
{
        char text[8192];
        ssize_t n = proc_read(proc, "meminfo", text, sizeof(text));
        uint64_t total, available, swap = 0;
        int r;

        if (n < 0)
                return (int)n;
        if ((r = proc_parse_number(text, (size_t)n, "MemTotal", &total)) < 0 ||
            (r = proc_parse_number(text, (size_t)n, "MemAvailable", &available)) < 0)
                return r;
        (void)proc_parse_number(text, (size_t)n, "SwapFree", &swap);
        fact->host.total_bytes = total * 1024;
        fact->host.available_bytes = available * 1024;
        fact->host.swap_free_bytes = swap * 1024;
        return 0;
}

static int read_pressure(const struct proc *proc, const char *path, const char *line, uint32_t *ret)
{
        char text[512];
        ssize_t n = proc_read(proc, path, text, sizeof(text));

        return n < 0 ? (int)n : host_parse_pressure(text, line, ret);
}

static int read_pressures(const struct proc *proc, struct fact *fact)
{
        char text[512];
        ssize_t n = proc_read(proc, "pressure/memory", text, sizeof(text));
        int r;

        if (n < 0)
                return (int)n;
        if ((r = host_parse_pressure(text, "some", &fact->host.memory_some_avg10)) < 0 ||
            (r = host_parse_pressure(text, "full", &fact->host.memory_full_avg10)) < 0)
                return r;
        return read_pressure(proc, "pressure/cpu", "some", &fact->host.cpu_some_avg10);
}

static void read_cpu(const struct proc *proc, struct fact *fact)
{
        struct proc_totals totals;

        if (proc_totals(proc, &totals) < 0)
                return;
        fact->host.cpu_busy = proc_usec_of_ticks(totals.busy_ticks);
        fact->host.cpu_given = proc_usec_of_ticks(totals.given_ticks);
        fact->host.cpu_steal = proc_usec_of_ticks(totals.steal_ticks);
        fact->host.switches = totals.switches;
}

static void tell(const struct host *host, const struct fact *fact)
{
        host->options.sink.take(host->options.sink.self, fact);
}

/* What it lacks to see all that it could; "" nothing. */
static const char *lacks(const struct host *host, bool memory, int pressure)
{
        if (!memory)
                return "/proc/meminfo cannot be read";
        if (pressure < 0)
                return "without pressure: this kernel has no /proc/pressure (boot it with psi=1)";
        if (host->trigger_error == -EPERM || host->trigger_error == -EACCES)
                return "without a pressure trigger: this kernel gives one only to CAP_SYS_RESOURCE";
        return host->trigger_error < 0 ? "without a pressure trigger: this kernel has none" : "";
}

/* Said when it changes: what the kernel does not have today it mostly will not have tomorrow. */
static void tell_source(struct host *host, bool memory, int pressure)
{
        struct fact fact = { .kind = FACT_SOURCE, .at = clock_now(host->options.clock), .agent = "" };

        fact.source.name = SOURCE;
        fact.source.state = memory ? SOURCE_SEEING : SOURCE_BLIND;
        fact.source.why = lacks(host, memory, pressure);
        host->pressure_missing = pressure < 0;
        if (fact.source.state == host->state && fact.source.why == host->why)
                return;
        host->state = fact.source.state;
        host->why = fact.source.why;
        tell(host, &fact);
}

static void sample_now(struct host *host)
{
        struct fact fact = { .kind = FACT_HOST, .at = clock_now(host->options.clock), .agent = "" };
        const struct proc *proc = host->options.proc;
        char text[128];
        int memory = read_memory(proc, &fact),
            pressure = host->pressure_missing ? -ENODATA : read_pressures(proc, &fact);
        uint64_t now = 0;

        tell_source(host, memory >= 0, pressure);
        if (memory < 0)
                return;
        if (proc_read(proc, "loadavg", text, sizeof(text)) >= 0)
                (void)host_parse_load(text, &fact.host.load1);
        read_cpu(proc, &fact);
        (void)sd_event_now(host->event, CLOCK_BOOTTIME, &now);
        fact.host.uptime = now;
        fact.host.cpus = host->cpus;
        host->tide = (struct host_tide){
                .total_bytes = fact.host.total_bytes,
                .available_bytes = fact.host.available_bytes,
                .before_bytes = host->tide.available_bytes,
                .passed = host->sampled_at > 0 ? now - host->sampled_at : 0,
        };
        host->sampled_at = now;
        tell(host, &fact);
}

/* ---- the kernel's word ----------------------------------------------------------------------------------------------- */

/* Processes stall for memory: from here on every moment counts. */
static int on_trigger(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct host *host = userdata;
        uint64_t now = 0;

        if (revents & (EPOLLERR | EPOLLHUP)) {
                host->trigger = sd_event_source_disable_unref(host->trigger);
                host->trigger_error = -EIO;
                return 0;
        }
        (void)sd_event_now(host->event, CLOCK_BOOTTIME, &now);
        host->alert_until = now + ALERT_FOR;
        host_again(host);
        return 0;
}

/* A file that is not the kernel's would be written to. */
static bool is_of_proc(int fd)
{
        struct statfs fs;

        return fstatfs(fd, &fs) >= 0 && fs.f_type == PROC_SUPER_MAGIC;
}

static int open_trigger(struct host *host)
{
        _cleanup_close_ int fd =
                openat(host->options.proc->fd, "pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        int r;

        if (fd < 0)
                return -errno;
        if (!is_of_proc(fd))
                return -EOPNOTSUPP;
        if (write(fd, TRIGGER, sizeof(TRIGGER)) < 0)
                return -errno;
        r = sd_event_add_io(host->event, &host->trigger, fd, EPOLLPRI, on_trigger, host);
        if (r < 0)
                return r;
        (void)sd_event_source_set_io_fd_own(host->trigger, true);
        (void)TAKE_FD(fd);
        return 0;
}

static void watch_pressure(struct host *host, bool wanted)
{
        if (!wanted) {
                host->trigger = sd_event_source_disable_unref(host->trigger);
                host->trigger_error = 0;
        } else if (!host->trigger && host->trigger_error == 0 && !host->pressure_missing) {
                host->trigger_error = open_trigger(host);
        }
}

/* ---- how often ------------------------------------------------------------------------------------------------------- */

usec_t host_period(const struct host_watch *watch, const struct host_tide *tide)
{
        uint64_t above = tide->available_bytes > watch->floor_bytes ? tide->available_bytes - watch->floor_bytes : 0;
        uint64_t lost = tide->before_bytes > tide->available_bytes ? tide->before_bytes - tide->available_bytes : 0;
        usec_t filled = above / KIB * FILLS_IN / (tide->total_bytes / KIB + 1), fallen = USEC_INFINITY, period;

        if (watch->closely)
                return HOST_SAMPLE_NEAR;
        if (watch->floor_bytes == 0)
                return USEC_INFINITY;
        if (lost > 0 && tide->passed > 0 && tide->passed < USEC_PER_MINUTE)
                fallen = above / KIB * tide->passed / (2 * lost / KIB + 1);
        period = fallen < filled ? fallen : filled;
        if (!tide->trigger && above < tide->total_bytes / 4 && period > UNTRIGGERED)
                period = UNTRIGGERED;
        if (period >= PROCESS_SAMPLE_EVERY)
                return USEC_INFINITY;
        return period > HOST_SAMPLE_NEAR ? period : HOST_SAMPLE_NEAR;
}

static void set_timer(struct host *host)
{
        struct host_watch watch =
                host->options.watch ? host->options.watch(host->options.self) : (struct host_watch){ .floor_bytes = 0 };
        usec_t period;
        uint64_t now = 0;

        (void)sd_event_now(host->event, CLOCK_BOOTTIME, &now);
        watch_pressure(host, watch.floor_bytes > 0);
        host->tide.trigger = host->trigger != NULL;
        period = host_period(&watch, &host->tide);
        if (host->alert_until > now)
                period = HOST_SAMPLE_NEAR;
        (void)sd_event_source_set_time(host->sample, period == USEC_INFINITY ? process_next_sample(now) : now + period);
        (void)sd_event_source_set_time_accuracy(host->sample,
                                                period == USEC_INFINITY ? PROCESS_SAMPLE_SLACK : period / 10);
        (void)sd_event_source_set_enabled(host->sample, SD_EVENT_ONESHOT);
}

static int on_sample(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct host *host = userdata;

        sample_now(host);
        set_timer(host);
        return 0;
}

void host_again(struct host *host)
{
        (void)sd_event_source_set_time(host->sample, 0);
        (void)sd_event_source_set_time_accuracy(host->sample, 1);
        (void)sd_event_source_set_enabled(host->sample, SD_EVENT_ONESHOT);
}

/* ---- package runs ---------------------------------------------------------------------------------------------------- */

static bool is_locked(const struct host *host)
{
        for (size_t i = 0; i < LOCKS; i++) {
                struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

                if (host->locks[i] >= 0 && fcntl(host->locks[i], F_GETLK, &lock) >= 0 && lock.l_type != F_UNLCK)
                        return true;
        }
        return false;
}

/* Both restart services after dpkg has let go of its lock. */
static int is_package_tool(void *self, pid_t pid)
{
        const struct host *host = self;
        struct proc_stat stat;

        if (proc_stat(host->options.proc, pid, &stat) < 0)
                return 0;
        return strcmp(stat.comm, "needrestart") == 0 || strcmp(stat.comm, "unattended-upgr") == 0;
}

bool host_package_run(const struct host *host)
{
        return is_locked(host) || proc_each(host->options.proc, is_package_tool, (void *)host) > 0;
}

/* Looks while the lock is held; between runs nothing wakes up. */
static int on_lock_look(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct host *host = userdata;
        struct fact fact = { .kind = FACT_PLANNED, .at = clock_now(host->options.clock), .agent = "" };

        if (!is_locked(host))
                return 0;
        fact.planned.ending = ENDING_PACKAGE;
        fact.planned.until = usec_add(fact.at, PLANNED_FOR);
        fact.planned.by = "dpkg";
        tell(host, &fact);
        (void)sd_event_source_set_time_relative(source, PLANNED_EVERY);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_lock_opened(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
        struct host *host = userdata;

        (void)sd_event_source_set_time_relative(host->lock_look, LOCK_SETTLE);
        return sd_event_source_set_enabled(host->lock_look, SD_EVENT_ONESHOT);
}

/* A machine without dpkg has no package runs that we could tell. */
static int watch_locks(struct host *host)
{
        static const char *const names[LOCKS] = { "lock-frontend", "lock" };
        const char *dpkg = host->options.dpkg ? host->options.dpkg : "/var/lib/dpkg";
        char path[256];
        int r;

        for (size_t i = 0; i < LOCKS; i++) {
                snprintf(path, sizeof(path), "%s/%s", dpkg, names[i]);
                host->locks[i] = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        }
        r = sd_event_add_time_relative(host->event, &host->lock_look, CLOCK_BOOTTIME, 0, USEC_PER_SEC, on_lock_look,
                                       host);
        if (r < 0)
                return r;
        if (host->locks[0] < 0)
                return 0;
        snprintf(path, sizeof(path), "%s/%s", dpkg, names[0]);
        r = sd_event_add_inotify(host->event, &host->lock_opened, path, IN_OPEN, on_lock_opened, host);
        return r == -ENOENT ? 0 : r;
}

/* ---- life ------------------------------------------------------------------------------------------------------------ */

int host_new(sd_event *event, const struct host_options *options, struct host **ret)
{
        _cleanup_(host_freep) struct host *host = calloc(1, sizeof(*host));
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        int r;

        if (!host)
                return -ENOMEM;
        host->event = sd_event_ref(event);
        host->options = *options;
        host->cpus = cpus > 0 ? (uint32_t)cpus : 1;
        for (size_t i = 0; i < LOCKS; i++)
                host->locks[i] = -EBADF;
        if ((r = sd_event_add_time_relative(event, &host->sample, CLOCK_BOOTTIME, 0, 1, on_sample, host)) < 0 ||
            (r = watch_locks(host)) < 0)
                return r;
        *ret = TAKE_PTR(host);
        return 0;
}

struct host *host_free(struct host *host)
{
        if (!host)
                return NULL;
        sd_event_source_disable_unref(host->sample);
        sd_event_source_disable_unref(host->trigger);
        sd_event_source_disable_unref(host->lock_opened);
        sd_event_source_disable_unref(host->lock_look);
        for (size_t i = 0; i < LOCKS; i++)
                close_fd(host->locks[i]);
        sd_event_unref(host->event);
        free(host);
        return NULL;
}
