#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "observe/pm2_inside.h"

static void tell_stray(const struct pm2_stray *stray, enum stray what)
{
        struct fact fact = {
                .kind = FACT_STRAY,
                .agent = stray->agent,
                .instance = stray->pm_id,
                .stray = { .stray = what, .pid = stray->pid, .start = stray->start },
        };

        pm2_tell(stray->pm2, &fact);
}

static void forget(struct pm2_stray *stray)
{
        sd_event_source_disable_unref(stray->gone);
        free(stray);
}

static void over(struct pm2 *pm2, size_t i)
{
        struct pm2_stray *stray = pm2->strays[i];

        pm2->strays[i] = pm2->strays[--pm2->n_strays];
        tell_stray(stray, STRAY_OVER);
        forget(stray);
}

static int on_gone(sd_event_source *source, int fd, uint32_t events, void *self)
{
        struct pm2_stray *stray = self;
        struct pm2 *pm2 = stray->pm2;

        for (size_t i = 0; i < pm2->n_strays; i++)
                if (pm2->strays[i] == stray) {
                        over(pm2, i);
                        break;
                }
        return 0;
}

/* Its end is told by the kernel; where that is not to be had, the next scan finds out. */
static void watch_stray(struct pm2_stray *stray)
{
        int fd = (int)syscall(SYS_pidfd_open, stray->pid, 0);

        if (fd < 0)
                return;
        if (sd_event_add_io(stray->pm2->event, &stray->gone, fd, EPOLLIN, on_gone, stray) < 0)
                (void)close_fd(fd);
        else
                (void)sd_event_source_set_io_fd_own(stray->gone, true);
}

static struct pm2_stray *known(const struct pm2 *pm2, pid_t pid, uint64_t start)
{
        for (size_t i = 0; i < pm2->n_strays; i++)
                if (pm2->strays[i]->pid == pid && pm2->strays[i]->start == start)
                        return pm2->strays[i];
        return NULL;
}

static struct pm2_stray *add(struct pm2 *pm2, pid_t pid, uint64_t start)
{
        struct pm2_stray **strays = reallocarray(pm2->strays, pm2->n_strays + 1, sizeof(struct pm2_stray *));
        struct pm2_stray *stray;

        if (!strays)
                return NULL;
        pm2->strays = strays;
        stray = calloc(1, sizeof(*stray));
        if (!stray)
                return NULL;
        *stray = (struct pm2_stray){ .pid = pid, .start = start, .pm2 = pm2 };
        pm2->strays[pm2->n_strays++] = stray;
        watch_stray(stray);
        return stray;
}

static const struct pm2_watch *watch_of(const struct pm2 *pm2, const char *home)
{
        for (size_t i = 0; i < pm2->n_watches; i++)
                if (strcmp(pm2->watches[i]->home->path, home) == 0)
                        return pm2->watches[i];
        return NULL;
}

static bool is_daemon(const struct pm2 *pm2, pid_t pid)
{
        for (size_t i = 0; i < pm2->n_watches; i++)
                if (pm2->watches[i]->home->god == pid)
                        return true;
        return false;
}

/* Anybody can put these words into his environment: only the home's owner's are believed. */
static bool is_owners(pid_t pid, uid_t owner)
{
        char path[32];
        struct stat st;

        (void)snprintf(path, sizeof(path), "/proc/%d", pid);
        return stat(path, &st) == 0 && st.st_uid == owner;
}

/* Whether the daemon runs the agent itself, by another process than this one. */
static bool runs_too(const struct pm2 *pm2, const struct pm2_watch *watch, const char *agent, pid_t pid)
{
        const struct pm2_instance *instance;

        for (size_t i = 0; (instance = pm2_directory_nth(pm2->options.directory, agent, i)); i++)
                if (watch->fd >= 0 && instance->up && instance->pid > 0 && instance->pid != pid)
                        return true;
        return false;
}

static bool is_listed(const struct pm2 *pm2, const struct pm2_watch *watch, pid_t pid, uint64_t start)
{
        const struct pm2_directory *directory = pm2->options.directory;

        for (size_t i = 0; watch->fd >= 0 && i < directory->n_instances; i++)
                if (directory->instances[i]->pid == pid && directory->instances[i]->start == start)
                        return true;
        return false;
}

/*
 * A fork app leads its own session; its children inherit its environment but not that, so a helper that outlives its app is
 * not taken for the app. One that was given a session of its own is told by its parent, which has the words as well.
 */
static int look_at(void *self, pid_t pid)
{
        struct pm2 *pm2 = self;
        const struct proc *proc = &pm2->options.directory->proc;
        const struct pm2_watch *watch;
        struct pm2_proc_app app, parent;
        struct pm2_stray *stray;
        struct proc_stat stat;
        enum stray what;

        if (getsid(pid) != pid || proc_stat(proc, pid, &stat) < 0 || stat.state == 'Z' || is_daemon(pm2, pid) ||
            is_daemon(pm2, stat.parent))
                return 0;
        if (pm2_proc_app(proc, pid, &app) < 0 || (stat.parent > 1 && pm2_proc_app(proc, stat.parent, &parent) == 0))
                return 0;
        watch = watch_of(pm2, app.home);
        if (!watch || !is_owners(pid, watch->home->uid) || is_listed(pm2, watch, pid, stat.start))
                return 0;

        stray = known(pm2, pid, stat.start);
        if (!stray)
                stray = add(pm2, pid, stat.start);
        if (!stray)
                return 0;
        stray->seen = true;
        stray->pm_id = app.pm_id;
        pm2_agent_id(watch->home, app.name, stray->agent);
        what = runs_too(pm2, watch, stray->agent, pid) ? STRAY_DUPLICATE : STRAY_ORPHAN;
        if (stray->stray != what)
                tell_stray(stray, what);
        stray->stray = what;
        return 0;
}

void pm2_strays_scan(struct pm2 *pm2)
{
        for (size_t i = 0; i < pm2->n_strays; i++)
                pm2->strays[i]->seen = false;
        (void)proc_each(&pm2->options.directory->proc, look_at, pm2);
        for (size_t i = pm2->n_strays; i-- > 0;)
                if (!pm2->strays[i]->seen)
                        over(pm2, i);
}

void pm2_strays_done(struct pm2 *pm2)
{
        for (size_t i = 0; i < pm2->n_strays; i++)
                forget(pm2->strays[i]);
        free(pm2->strays);
}
