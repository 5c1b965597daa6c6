#include "observe/oom.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "io/cleanup.h"
#include "observe/extent.h"
#include "observe/oom_inside.h"
#include "observe/process.h"

#define SOURCE "oom"
#define LOG_MAJOR 1
#define LOG_MINOR 11
#define LOG_TURN 256                        /* records read before others get their turn */
#define HEARD_AGAIN (200 * USEC_PER_MSEC)   /* the kernel tells of memory.events up to 100 times a second */
#define LOG_PATIENCE (1500 * USEC_PER_MSEC) /* for the log to tell what a counter counts already */
#define MACHINE_PATIENCE (5 * USEC_PER_SEC) /* ... and for both */
#define DEATH_BEFORE (10 * USEC_PER_SEC)    /* a death that a counted kill may be */
#define NEAR_EVERY (2 * USEC_PER_SEC)       /* how often is looked at who is near the limit */
#define NEAR_SLACK (250 * USEC_PER_MSEC)
#define LIMIT_EVERY USEC_PER_MINUTE /* ... and at whether there is a limit now */
#define OTHERS_TOLD 3
#define INITIAL_PIDS 0xeffffffcU /* inode of the first pid namespace: linux/proc_ns.h */
#define PRESSURE_TOLD 1000       /* 10 % */

struct oom {
        sd_event *event;
        struct oom_options options;
        struct oom_places places;
        sd_event_source *timer, *soon, *log, *heard;
        struct kmsg_report report;
        usec_t grid;      /* when all of them are looked at again, in CLOCK_BOOTTIME */
        uint64_t log_seq; /* of the newest record */
        bool container;   /* counters of the machine are about others too */
        bool has_vmstat;
        uint64_t vmstat; /* as last read */
        struct oom_account machine;
        struct oom_readings host;
        struct fact host_now; /* newest FACT_HOST */
        bool host_due;
        bool told;
        struct bus_watcher watcher;
        sd_bus_slot *oomd;
};

DEFINE_CLEANUP_FUNC(struct oom *, oom_free);

static usec_t now_of(const struct oom *oom)
{
        return clock_now(oom->options.clock);
}

static void tell(const struct oom *oom, const struct fact *fact)
{
        oom->options.sink.take(oom->options.sink.self, fact);
}

static void soon_at_most(struct oom *oom, usec_t wait)
{
        int enabled = SD_EVENT_OFF;
        uint64_t now = 0, due = 0;

        (void)sd_event_now(oom->event, CLOCK_BOOTTIME, &now);
        (void)sd_event_source_get_enabled(oom->soon, &enabled);
        (void)sd_event_source_get_time(oom->soon, &due);
        if (enabled != SD_EVENT_OFF && due <= now + wait)
                return;
        (void)sd_event_source_set_time(oom->soon, now + wait);
        (void)sd_event_source_set_enabled(oom->soon, SD_EVENT_ONESHOT);
}

/* ---- the source -------------------------------------------------------------------------------------------------------- */

static void tell_source(const struct oom *oom, enum source_state state, const char *why)
{
        struct fact fact = { .kind = FACT_SOURCE, .at = now_of(oom), .agent = "" };

        fact.source.name = SOURCE;
        fact.source.state = state;
        fact.source.why = why;
        tell(oom, &fact);
}

/* What can be seen here, said once: it does not change while we run. */
static void tell_first(struct oom *oom)
{
        bool log = oom->options.log >= 0, counters = oom->has_vmstat || headroom_is_counted(oom->options.cgroups);
        char why[120] = ""; /* as much as the judge keeps */

        if (oom->told)
                return;
        oom->told = true;
        if (!log && oom->options.log == -ENODEV && oom->container)
                text_append(why, sizeof(why), "there is no kernel log in here");
        else if (!log)
                text_append(why, sizeof(why), "the kernel's log cannot be read (%s)", strerror(-oom->options.log));
        if (!log)
                text_append(why, sizeof(why), ": kills are %s",
                            counters ? "counted, and rarely named" : "known only where the manager tells of them");
        tell_source(oom, log || counters ? SOURCE_SEEING : oom->container ? SOURCE_ABSENT : SOURCE_BLIND, why);
}

/* ---- kills ------------------------------------------------------------------------------------------------------------- */

static struct fact fact_of(const struct oom *oom, enum oom_what what, const struct oom_life *life)
{
        return (struct fact){ .kind = FACT_OOM,
                              .at = now_of(oom),
                              .manager = life ? agent_manager(life->agent) : MANAGER_NONE,
                              .agent = life ? life->agent : "",
                              .instance = life ? life->instance : INSTANCE_ALL,
                              .oom = { .what = what, .comm = "", .cgroup = "", .limit = "", .others = "" } };
}

/* "mia (node 712) 190.0M, postgres 402 88.1M" */
static void say_others(const struct oom *oom, const struct kmsg_kill *kill, char *text, size_t size)
{
        char bytes[TEXT_BYTES_MAX], name[AGENT_ID_MAX];

        text[0] = '\0';
        for (unsigned i = 0; i < kill->others_n && i < OTHERS_TOLD; i++) {
                const struct kmsg_task *task = &kill->others[i];
                const struct oom_life *life = oom_places_owner(&oom->places, task->pid);

                text_append(text, size, "%s", i ? ", " : "");
                if (life) {
                        agent_short_name(life->agent, name);
                        text_append(text, size, "%s (%s %d) %s", name, task->comm, (int)task->pid,
                                    text_bytes(bytes, task->bytes));
                } else {
                        text_append(text, size, "%s %d %s", task->comm, (int)task->pid, text_bytes(bytes, task->bytes));
                }
        }
}

/* What its manager says of a life is told by the manager's observer, and once is enough. */
static void count_told(struct oom *oom, const struct oom_life *life, uint64_t n)
{
        oom->machine.told += life && life->said ? n - 1 : n;
}

static void on_kill(struct oom *oom, const struct kmsg_kill *kill)
{
        struct oom_life *life = oom_places_owner(&oom->places, kill->pid);
        struct oom_group *group = kill->cgroup[0] ? oom_places_group(&oom->places, kill->cgroup)
                                  : life          ? life->group
                                                  : NULL;
        char cgroup[PROC_CGROUP_MAX], limit[PROC_CGROUP_MAX], others[256];
        struct fact fact;

        if (life && life->pid == kill->pid)
                life->named = true;
        else if (!life && group)
                life = oom_places_service(&oom->places, group);
        if (group)
                group->kills.told++;
        count_told(oom, life && life->pid == kill->pid ? life : NULL, 1);
        text_copy_safe(cgroup, sizeof(cgroup), !kill->cgroup[0] && group ? group->path : kill->cgroup);
        text_copy_safe(limit, sizeof(limit), kill->limit);
        say_others(oom, kill, others, sizeof(others));
        fact = fact_of(oom, OOM_KILLED, life);
        fact.oom.by = kill->by;
        fact.oom.killed = 1;
        fact.oom.pid = kill->pid;
        fact.oom.comm = kill->comm;
        fact.oom.cgroup = cgroup;
        fact.oom.limit = limit;
        fact.oom.limit_bytes = kill->limit_bytes;
        fact.oom.held_bytes = kill->held_bytes;
        fact.oom.others = others;
        tell(oom, &fact);
        soon_at_most(oom, LOG_PATIENCE);
}

/* Counted, and the log has not told of it. */
static void tell_counted(struct oom *oom, struct oom_group *group, uint64_t n)
{
        struct oom_life *life = oom_places_killed(&oom->places, group, usec_since(now_of(oom), DEATH_BEFORE));
        struct oom_life *service = oom_places_service(&oom->places, group);
        struct fact fact = fact_of(oom, OOM_KILLED, life && n == 1 ? life : service);

        if (life && n == 1) {
                life->named = true;
                fact.oom.pid = life->pid;
        }
        count_told(oom, life ? life : service, n);
        fact.oom.by = group->at_limit ? OOM_BY_LIMIT : OOM_BY_UNKNOWN;
        fact.oom.killed = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
        fact.oom.cgroup = group->path;
        fact.oom.limit = group->at_limit ? group->path : "";
        fact.oom.limit_bytes = group->at_limit && group->limit != HEADROOM_NO_LIMIT ? group->limit : 0;
        tell(oom, &fact);
}

static void tell_uncounted(const struct oom *oom, uint64_t n)
{
        struct fact fact = fact_of(oom, OOM_KILLED, NULL);

        fact.oom.killed = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
        tell(oom, &fact);
}

static void read_vmstat(struct oom *oom)
{
        uint64_t kills;

        if (!oom->has_vmstat || headroom_kills(oom->options.proc, &kills) < 0)
                return;
        if (kills > oom->vmstat)
                oom->machine.seen += kills - oom->vmstat;
        oom->vmstat = kills;
}

/* Counters against what was told of them. What was told before its counter was looked at is no more than that. */
void oom_settle(struct oom *oom)
{
        usec_t now = now_of(oom), next = USEC_INFINITY;
        uint64_t n;

        for (size_t i = 0; i < oom->places.groups_n; i++) {
                struct oom_group *group = oom->places.groups[i];

                if (group->kills.seen != group->kills.told)
                        oom_group_read(&oom->places, group);
                n = oom_account_settle(&group->kills, now, LOG_PATIENCE, &next);
                if (n > 0)
                        tell_counted(oom, group, n);
        }
        if (oom->machine.seen != oom->machine.told)
                read_vmstat(oom);
        n = oom_account_settle(&oom->machine, now, MACHINE_PATIENCE, &next);
        if (n > 0)
                tell_uncounted(oom, n);
        if (next != USEC_INFINITY)
                soon_at_most(oom, usec_since(next, now) + 1);
}

/* ---- the log ----------------------------------------------------------------------------------------------------------- */

/* Records went by faster than they were read: what was in them nobody knows, and counters have to tell. */
static void tell_gap(struct oom *oom, uint64_t seq)
{
        char why[96];

        snprintf(why, sizeof(why), "the kernel's log overran: %llu of its records were not seen",
                 (unsigned long long)(seq > oom->log_seq ? seq - oom->log_seq - 1 : 0));
        oom->report = (struct kmsg_report){ .pid = 0 };
        tell_source(oom, SOURCE_BLIND, why);
        tell_source(oom, SOURCE_SEEING, "");
}

static void take_record(struct oom *oom, const char *bytes, size_t n, bool *gap)
{
        struct kmsg_record record;
        struct kmsg_kill kill;

        if (kmsg_parse(bytes, n, &record) < 0)
                return;
        if (*gap)
                tell_gap(oom, record.seq);
        *gap = false;
        oom->log_seq = record.seq;
        if (record.facility == 0 && kmsg_report_take(&oom->report, record.text, &kill))
                on_kill(oom, &kill);
}

static int on_log(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct oom *oom = userdata;
        char bytes[KMSG_RECORD_MAX];
        bool gap = false;

        for (unsigned i = 0; i < LOG_TURN; i++) {
                ssize_t n = read(fd, bytes, sizeof(bytes));

                if (n < 0 && errno == EPIPE) {
                        gap = true; /* the next one is the oldest that is left */
                        continue;
                }
                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return 0;
                if (n <= 0) {
                        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
                        tell_source(oom, oom->has_vmstat ? SOURCE_SEEING : SOURCE_BLIND,
                                    "the kernel's log cannot be read any more: kills are counted, not named");
                        return 0;
                }
                take_record(oom, bytes, (size_t)n, &gap);
        }
        return 0;
}

/* A FIFO and the like may stand there in a container: reading it would take from its owner, and tell nothing. */
int oom_open_log(void)
{
        _cleanup_close_ int fd = open("/dev/kmsg", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat st;

        if (fd < 0)
                return errno == ENOENT || errno == ENXIO ? -ENODEV : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(LOG_MAJOR, LOG_MINOR))
                return -ENODEV;
        if (lseek(fd, 0, SEEK_END) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* ---- systemd-oomd ------------------------------------------------------------------------------------------------------ */

/* A whole cgroup was killed: everybody who lives in it. */
static int on_oomd(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct oom *oom = userdata;
        const char *path, *reason;
        char cgroup[PROC_CGROUP_MAX];
        unsigned told = 0;

        if (!bus_signal_is_genuine(message) || sd_bus_message_read(message, "ss", &path, &reason) < 0)
                return 0;
        text_copy_safe(cgroup, sizeof(cgroup),
                       text_starts(path, "/sys/fs/cgroup/") ? path + strlen("/sys/fs/cgroup") : path);
        for (size_t i = 0; i < oom->places.lives_n; i++) {
                struct oom_life *life = &oom->places.lives[i];
                struct fact fact;

                if (life->named || !life->group || !path_is_within(life->group->path, cgroup) ||
                    (life->over > 0 && usec_since(now_of(oom), life->over) > DEATH_BEFORE))
                        continue;
                life->named = true;
                fact = fact_of(oom, OOM_KILLED, life);
                fact.oom.by = OOM_BY_OOMD;
                fact.oom.killed = 1;
                fact.oom.pid = life->pid;
                fact.oom.cgroup = cgroup;
                tell(oom, &fact);
                told++;
        }
        if (told == 0) {
                struct fact fact = fact_of(oom, OOM_KILLED, NULL);

                fact.oom.by = OOM_BY_OOMD;
                fact.oom.killed = 1;
                fact.oom.cgroup = cgroup;
                tell(oom, &fact);
        }
        return 0;
}

static void on_bus_up(void *self, sd_bus *connection)
{
        struct oom *oom = self;

        (void)sd_bus_match_signal_async(connection, &oom->oomd, "org.freedesktop.oom1", "/org/freedesktop/oom1",
                                        "org.freedesktop.oom1.Manager", "Killed", on_oomd, NULL, oom);
}

static void on_bus_down(void *self, int reason)
{
        struct oom *oom = self;

        oom->oomd = sd_bus_slot_unref(oom->oomd);
}

/* ---- nearness ---------------------------------------------------------------------------------------------------------- */

static void tell_near(struct oom *oom, struct oom_group *group)
{
        struct fact fact = fact_of(oom, OOM_NEAR, oom_places_service(&oom->places, group));

        fact.oom.by = OOM_BY_LIMIT;
        fact.oom.cgroup = fact.oom.limit = group->path;
        fact.oom.limit_bytes = group->limit == HEADROOM_NO_LIMIT ? 0 : group->limit;
        oom_readings_tell(&group->readings, &fact);
        (void)headroom_pressure(oom->options.cgroups, group->path, &fact.oom.pressure);
        tell(oom, &fact);
}

/* Three quarters of its limit are worth a closer look; one that is gone, or has no limit any more, is told as far from it. */
static void look_at_limit(struct oom *oom, struct oom_group *group, usec_t now)
{
        bool was_close = group->readings.close;
        uint64_t held = 0;

        if (was_close || group->limit != HEADROOM_NO_LIMIT || group->limit_at == 0 ||
            usec_since(now, group->limit_at) >= LIMIT_EVERY) {
                group->limit_at = now;
                if (headroom_limit(oom->options.cgroups, group->path, &group->limit) < 0)
                        group->limit = HEADROOM_NO_LIMIT;
        }
        if (!was_close && group->limit == HEADROOM_NO_LIMIT)
                return;
        (void)extent_of_cgroup(oom->options.cgroups, group->path, &held);
        oom_readings_add(&group->readings, now, held, group->events.high + group->events.max);
        group->readings.close = group->limit != HEADROOM_NO_LIMIT && held >= group->limit / 4 * 3;
        if (was_close || group->readings.close)
                tell_near(oom, group);
}

static void look_at_host(struct oom *oom)
{
        const struct fact *host = &oom->host_now;
        bool was_close = oom->host.close;
        struct fact fact = fact_of(oom, OOM_NEAR, NULL);

        oom->host_due = false;
        oom_readings_add(&oom->host, host->at,
                         host->host.total_bytes > host->host.available_bytes
                                 ? host->host.total_bytes - host->host.available_bytes
                                 : 0,
                         0);
        oom->host.close = host->host.available_bytes < host->host.total_bytes / 4 ||
                          host->host.memory_full_avg10 >= PRESSURE_TOLD;
        if (!was_close && !oom->host.close)
                return;
        fact.oom.by = OOM_BY_MACHINE;
        fact.oom.limit_bytes = host->host.total_bytes;
        fact.oom.swap_free_bytes = host->host.swap_free_bytes;
        fact.oom.pressure = host->host.memory_full_avg10;
        oom_readings_tell(&oom->host, &fact);
        tell(oom, &fact);
}

/* ---- when -------------------------------------------------------------------------------------------------------------- */

static bool look_at_groups(struct oom *oom, bool all)
{
        usec_t now = now_of(oom);
        bool close = false;

        for (size_t i = 0; i < oom->places.groups_n; i++) {
                struct oom_group *group = oom->places.groups[i];

                if (all || group->dirty || group->readings.close) {
                        oom_group_read(&oom->places, group);
                        look_at_limit(oom, group, now);
                }
                close |= group->readings.close;
        }
        return close;
}

bool oom_look(struct oom *oom)
{
        bool close;

        oom_places_sweep(&oom->places, now_of(oom));
        read_vmstat(oom);
        close = look_at_groups(oom, true);
        oom_settle(oom);
        return close;
}

static void look_again(struct oom *oom, usec_t now, bool close)
{
        usec_t next = close && now + NEAR_EVERY < oom->grid ? now + NEAR_EVERY : oom->grid;

        (void)sd_event_source_set_time(oom->timer, next);
        (void)sd_event_source_set_time_accuracy(oom->timer, close ? NEAR_SLACK : PROCESS_SAMPLE_SLACK);
        (void)sd_event_source_set_enabled(oom->timer, SD_EVENT_ONESHOT);
}

/* Everything on the grid; more often just those who are near. */
static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct oom *oom = userdata;
        uint64_t now = usec;
        bool grid, close;

        (void)sd_event_now(oom->event, CLOCK_BOOTTIME, &now);
        grid = now >= oom->grid;
        tell_first(oom);
        if (grid) {
                oom->grid = process_next_sample(now);
                close = oom_look(oom);
        } else {
                close = look_at_groups(oom, false);
                oom_settle(oom);
        }
        look_again(oom, now, close);
        return 0;
}

/* What could not be told at once. */
static int on_soon(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct oom *oom = userdata;
        uint64_t now = usec;

        (void)sd_event_now(oom->event, CLOCK_BOOTTIME, &now);
        if (oom->host_due)
                look_at_host(oom);
        if (look_at_groups(oom, false) && oom->grid > 0)
                look_again(oom, now, true);
        oom_settle(oom);
        if (oom->heard)
                (void)sd_event_source_set_enabled(oom->heard, SD_EVENT_ON);
        return 0;
}

/* Each event says no more than that a file is to be read again; until then the rest of them may pile up unread. */
static int on_heard(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct oom *oom = userdata;
        union {
                struct inotify_event first;
                char bytes[8192];
        } buffer;
        ssize_t n = read(fd, &buffer, sizeof(buffer));

        for (ssize_t at = 0; at < n;) {
                const struct inotify_event *event = (const void *)(buffer.bytes + at);

                for (size_t i = 0; i < oom->places.groups_n; i++) {
                        struct oom_group *group = oom->places.groups[i];

                        if (event->mask & IN_Q_OVERFLOW)
                                group->dirty = true;
                        if (group->watch != event->wd)
                                continue;
                        group->dirty = true;
                        if (event->mask & IN_IGNORED)
                                group->watch = -1;
                }
                at += (ssize_t)(sizeof(*event) + event->len);
        }
        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
        soon_at_most(oom, HEARD_AGAIN);
        return 0;
}

/* Near the machine's memory floor there are several a second, and a minute of readings has to fit. */
static bool follows_closely(usec_t at, usec_t last)
{
        return at >= last && at - last + NEAR_SLACK < NEAR_EVERY;
}

void oom_follow(struct oom *oom, const struct fact *fact)
{
        if (fact->kind == FACT_STARTED)
                (void)oom_places_begin(&oom->places, fact); /* one that finds no room is only not named */
        else if (fact->kind == FACT_ENDED || fact->kind == FACT_DIED)
                oom->machine.told += oom_places_end(&oom->places, fact);
        if (fact->kind != FACT_HOST || follows_closely(fact->at, oom->host_now.at))
                return;
        oom->host_now = *fact;
        oom->host_due = true;
        soon_at_most(oom, 0);
}

/* ---- life -------------------------------------------------------------------------------------------------------------- */

/* In a container /proc/vmstat counts what happens on all of the machine. */
static bool is_container(const struct proc *proc)
{
        struct stat st;

        return fstatat(proc->fd, "self/ns/pid", &st, 0) >= 0 && st.st_ino != INITIAL_PIDS;
}

static int add_events(struct oom *oom)
{
        int r = sd_event_add_time_relative(oom->event, &oom->timer, CLOCK_BOOTTIME, 0, PROCESS_SAMPLE_SLACK, on_timer,
                                           oom);

        if (r >= 0)
                r = sd_event_add_time_relative(oom->event, &oom->soon, CLOCK_BOOTTIME, 0, 1, on_soon, oom);
        if (r >= 0)
                r = sd_event_source_set_enabled(oom->soon, SD_EVENT_OFF);
        if (r >= 0 && oom->places.inotify >= 0)
                r = sd_event_add_io(oom->event, &oom->heard, oom->places.inotify, EPOLLIN, on_heard, oom);
        if (r >= 0 && oom->options.log >= 0)
                r = sd_event_add_io(oom->event, &oom->log, oom->options.log, EPOLLIN, on_log, oom);
        return r;
}

int oom_new(sd_event *event, const struct oom_options *options, struct oom **ret)
{
        _cleanup_(oom_freep) struct oom *oom = calloc(1, sizeof(*oom));
        int r;

        if (!oom) {
                close_fd(options->log);
                return -ENOMEM;
        }
        oom->event = sd_event_ref(event);
        oom->options = *options;
        oom->places.proc = options->proc;
        oom->places.cgroups = options->cgroups;
        oom->places.inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        oom->container = is_container(options->proc);
        oom->has_vmstat = !oom->container && headroom_kills(options->proc, &oom->vmstat) >= 0;
        r = add_events(oom);
        if (r < 0)
                return r;
        if (options->bus) {
                oom->watcher = (struct bus_watcher){ .up = on_bus_up, .down = on_bus_down, .self = oom };
                bus_watch(options->bus, &oom->watcher);
        }
        *ret = TAKE_PTR(oom);
        return 0;
}

struct oom *oom_free(struct oom *oom)
{
        if (!oom)
                return NULL;
        if (oom->watcher.self)
                bus_unwatch(oom->options.bus, &oom->watcher);
        oom->oomd = sd_bus_slot_unref(oom->oomd);
        sd_event_source_disable_unref(oom->timer);
        sd_event_source_disable_unref(oom->soon);
        sd_event_source_disable_unref(oom->log);
        sd_event_source_disable_unref(oom->heard);
        close_fd(oom->options.log);
        oom_places_done(&oom->places);
        sd_event_unref(oom->event);
        free(oom);
        return NULL;
}
