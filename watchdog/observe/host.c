#include "observe/host.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "io/cleanup.h"
#include "observe/process.h"

#define SOURCE "host"
#define LOCKS 2
#define LOCK_SETTLE (100 * USEC_PER_MSEC) /* from opening the lock file to holding the lock */
#define PLANNED_EVERY USEC_PER_MINUTE
#define PLANNED_FOR (90 * USEC_PER_SEC) /* outlasts the run by what it leaves behind: services that start again late */

struct host {
        sd_event *event;
        struct host_options options;
        sd_event_source *sample, *lock_opened, *lock_look;
        int locks[LOCKS]; /* dpkg's lock files, held open because each opening wakes those who watch them, us too */
        bool told, pressure_missing;
        uint32_t cpus;
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

static void tell(const struct host *host, const struct fact *fact)
{
        host->options.sink.take(host->options.sink.self, fact);
}

/* Said once: what the kernel does not have today it will not have tomorrow. */
static void tell_source(struct host *host, bool memory, int pressure)
{
        struct fact fact = { .kind = FACT_SOURCE, .at = clock_now(host->options.clock), .agent = "" };

        if (host->told)
                return;
        host->told = true;
        host->pressure_missing = pressure < 0;
        fact.source.name = SOURCE;
        fact.source.state = memory ? SOURCE_SEEING : SOURCE_BLIND;
        fact.source.why = !memory        ? "/proc/meminfo cannot be read"
                          : pressure < 0 ? "without pressure: this kernel has no /proc/pressure (boot it with psi=1)"
                                         : "";
        tell(host, &fact);
}

static void sample_now(struct host *host)
{
        struct fact fact = { .kind = FACT_HOST, .at = clock_now(host->options.clock), .agent = "" };
        const struct proc *proc = host->options.proc;
        char text[128];
        int memory = read_memory(proc, &fact),
            pressure = host->pressure_missing ? -ENODATA : read_pressures(proc, &fact);
        uint64_t now;

        tell_source(host, memory >= 0, pressure);
        if (memory < 0)
                return;
        if (proc_read(proc, "loadavg", text, sizeof(text)) >= 0)
                (void)host_parse_load(text, &fact.host.load1);
        (void)sd_event_now(host->event, CLOCK_BOOTTIME, &now);
        fact.host.uptime = now;
        fact.host.cpus = host->cpus;
        tell(host, &fact);
}

static int on_sample(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct host *host = userdata;
        uint64_t now;

        sample_now(host);
        (void)sd_event_now(host->event, CLOCK_BOOTTIME, &now);
        (void)sd_event_source_set_time(source, process_next_sample(now));
        (void)sd_event_source_set_time_accuracy(source, PROCESS_SAMPLE_SLACK);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
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
        sd_event_source_disable_unref(host->lock_opened);
        sd_event_source_disable_unref(host->lock_look);
        for (size_t i = 0; i < LOCKS; i++)
                close_fd(host->locks[i]);
        sd_event_unref(host->event);
        free(host);
        return NULL;
}
