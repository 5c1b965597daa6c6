#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "io/cleanup.h"
#include "observe/oom_inside.h"

#define ANCESTORS_MAX 32

/* ---- cgroups ----------------------------------------------------------------------------------------------------------- */

/* Down to the unit: what a service does below its own cgroup is its own affair. False: it is in none. */
static bool cut_to_unit(char *cgroup)
{
        char unit[PROC_UNIT_MAX], *at, *end = NULL;
        size_t n;

        if (proc_unit_of_cgroup(cgroup, unit) < 0)
                return false;
        n = strlen(unit);
        for (at = cgroup; (at = strchr(at, '/')); at++)
                if (strncmp(at + 1, unit, n) == 0 && (at[1 + n] == '/' || at[1 + n] == '\0'))
                        end = at + 1 + n;
        if (end)
                *end = '\0';
        return end != NULL;
}

static ino_t inode_of(const struct oom_places *places, const char *path)
{
        struct stat st;

        if (!places->cgroups || places->cgroups->fd < 0)
                return 0;
        return fstatat(places->cgroups->fd, path + (*path == '/'), &st, 0) < 0 ? 0 : st.st_ino;
}

static int watch_group(const struct oom_places *places, const char *path)
{
        char events[PROC_CGROUP_MAX + 64];

        if (places->inotify < 0 || !places->cgroups || places->cgroups->fd < 0)
                return -1;
        snprintf(events, sizeof(events), "/proc/self/fd/%d/%s/memory.events", places->cgroups->fd,
                 path + (*path == '/'));
        return inotify_add_watch(places->inotify, events, IN_MODIFY);
}

/* A unit that is started anew may have a new cgroup by the old name: then its counters begin at 0 again. */
static void notice_inode(const struct oom_places *places, struct oom_group *group)
{
        ino_t inode = inode_of(places, group->path);

        if (inode == 0 || inode == group->inode)
                return;
        group->inode = inode;
        group->events = (struct headroom_events){ 0 };
        group->kills = (struct oom_account){ 0 };
        group->limit_at = 0;
        group->watch = watch_group(places, group->path);
}

void oom_group_read(const struct oom_places *places, struct oom_group *group)
{
        struct headroom_events events;

        notice_inode(places, group);
        group->dirty = false;
        if (headroom_events(places->cgroups, group->path, &events) < 0)
                return;
        if (events.oom_kill > group->events.oom_kill) {
                group->kills.seen += events.oom_kill - group->events.oom_kill;
                group->at_limit = events.oom > group->events.oom;
        }
        group->events = events;
}

static int make_room(void **list, size_t n, size_t *space, size_t size)
{
        size_t more = *space ? *space * 2 : 32;
        void *grown;

        if (n < *space)
                return 0;
        grown = reallocarray(*list, more, size);
        if (!grown)
                return -ENOMEM;
        *list = grown;
        *space = more;
        return 0;
}

/* What was counted before we came is nobody's news. */
static int add_group(struct oom_places *places, const char *path, struct oom_group **ret)
{
        struct oom_group *group;
        void *list = places->groups;
        int r = make_room(&list, places->groups_n, &places->groups_space, sizeof(*places->groups));

        places->groups = list;
        group = r < 0 ? NULL : calloc(1, sizeof(*group));
        if (!group || !(group->path = strdup(path))) {
                free(group);
                return -ENOMEM;
        }
        group->limit = HEADROOM_NO_LIMIT;
        group->inode = inode_of(places, path);
        group->watch = watch_group(places, path);
        (void)headroom_events(places->cgroups, path, &group->events);
        places->groups[places->groups_n++] = group;
        *ret = group;
        return 0;
}

struct oom_group *oom_places_group(const struct oom_places *places, const char *cgroup)
{
        for (size_t i = 0; i < places->groups_n; i++)
                if (path_is_within(cgroup, places->groups[i]->path))
                        return places->groups[i];
        return NULL;
}

static void free_group(struct oom_places *places, size_t at)
{
        struct oom_group *group = places->groups[at];

        if (group->watch >= 0)
                (void)inotify_rm_watch(places->inotify, group->watch);
        free(group->path);
        free(group);
        places->groups[at] = places->groups[--places->groups_n];
}

/* ---- lives ------------------------------------------------------------------------------------------------------------- */

static struct oom_life *find_life(const struct oom_places *places, pid_t pid)
{
        struct oom_life *found = NULL;

        for (size_t i = 0; i < places->lives_n; i++)
                if (places->lives[i].pid == pid && (!found || places->lives[i].over == 0))
                        found = &places->lives[i];
        return found;
}

static void free_life(struct oom_places *places, size_t at)
{
        struct oom_life *life = &places->lives[at];

        if (life->group)
                life->group->lives--;
        free(life->agent);
        places->lives[at] = places->lives[--places->lives_n];
}

static void push_out_oldest(struct oom_places *places)
{
        size_t oldest = SIZE_MAX;

        for (size_t i = 0; i < places->lives_n; i++)
                if (places->lives[i].over > 0 &&
                    (oldest == SIZE_MAX || places->lives[i].over < places->lives[oldest].over))
                        oldest = i;
        if (oldest != SIZE_MAX)
                free_life(places, oldest);
}

/* A service that systemd has just forked may not be in its own cgroup yet. */
static bool is_at_home(const char *agent, const char *cgroup)
{
        const char *unit = agent + strlen("systemd:");

        return agent_manager(agent) != MANAGER_SYSTEMD || strcmp(strrchr(cgroup, '/') + 1, unit) == 0;
}

/* The unit's cgroup that it lives in, made known. */
static void settle_in(struct oom_places *places, struct oom_life *life)
{
        char cgroup[PROC_CGROUP_MAX];
        struct oom_group *group;

        if (proc_cgroup(places->proc, life->pid, cgroup) < 0 || !cut_to_unit(cgroup) ||
            !is_at_home(life->agent, cgroup))
                return;
        group = oom_places_group(places, cgroup);
        if (group)
                oom_group_read(places, group);
        else if (add_group(places, cgroup, &group) < 0)
                return;
        life->group = group;
        group->lives++;
}

int oom_places_begin(struct oom_places *places, const struct fact *fact)
{
        struct oom_life *life = find_life(places, fact->started.pid);
        void *list = places->lives;
        int r;

        if (fact->started.pid <= 0 || !fact->agent || !*fact->agent)
                return 0;
        if (life && life->over == 0 && life->start == fact->started.start && strcmp(life->agent, fact->agent) == 0)
                return 0;
        if (places->lives_n == OOM_LIVES_MAX)
                push_out_oldest(places);
        r = places->lives_n == OOM_LIVES_MAX
                    ? -ENOSPC
                    : make_room(&list, places->lives_n, &places->lives_space, sizeof(*places->lives));
        places->lives = list;
        if (r < 0)
                return r;
        life = &places->lives[places->lives_n];
        *life = (struct oom_life){ .agent = strdup(fact->agent),
                                   .instance = fact->instance,
                                   .pid = fact->started.pid,
                                   .start = fact->started.start };
        if (!life->agent)
                return -ENOMEM;
        places->lives_n++;
        settle_in(places, life);
        return 0;
}

bool oom_places_end(struct oom_places *places, const struct fact *fact)
{
        bool said = false;

        for (size_t i = 0; i < places->lives_n; i++) {
                struct oom_life *life = &places->lives[i];

                if (life->pid != fact->ended.pid || strcmp(life->agent, fact->agent) != 0 ||
                    (fact->ended.start != 0 && life->start != 0 && life->start != fact->ended.start))
                        continue;
                if (life->over == 0)
                        life->over = fact->at;
                life->killed |= fact->ended.signal == 9 || fact->ended.ending == ENDING_OOM;
                if (fact->ended.ending == ENDING_OOM && !life->named && !life->said)
                        said = life->said = true;
        }
        return said;
}

void oom_places_sweep(struct oom_places *places, usec_t now)
{
        for (size_t i = places->lives_n; i-- > 0;)
                if (places->lives[i].over > 0 && usec_since(now, places->lives[i].over) > OOM_LIVED)
                        free_life(places, i);
                else if (places->lives[i].over == 0 && !places->lives[i].group)
                        settle_in(places, &places->lives[i]);
        for (size_t i = places->groups_n; i-- > 0;)
                if (places->groups[i]->lives == 0 && !places->groups[i]->readings.close)
                        free_group(places, i);
}

void oom_places_done(struct oom_places *places)
{
        while (places->lives_n > 0)
                free_life(places, places->lives_n - 1);
        while (places->groups_n > 0)
                free_group(places, places->groups_n - 1);
        free(places->lives);
        free(places->groups);
        places->inotify = close_fd(places->inotify);
}

struct oom_life *oom_places_owner(const struct oom_places *places, pid_t pid)
{
        struct oom_life *life = find_life(places, pid);
        struct proc_stat stat;

        for (unsigned n = 0; !life && n < ANCESTORS_MAX && pid > 1; n++) {
                if (proc_stat(places->proc, pid, &stat) < 0)
                        return NULL;
                pid = stat.parent;
                life = find_life(places, pid);
                if (life && life->over > 0)
                        life = NULL; /* somebody else's by now */
        }
        return life;
}

struct oom_life *oom_places_service(const struct oom_places *places, const struct oom_group *group)
{
        for (size_t i = places->lives_n; i-- > 0;)
                if (places->lives[i].group == group && agent_manager(places->lives[i].agent) == MANAGER_SYSTEMD)
                        return &places->lives[i];
        return NULL;
}

struct oom_life *oom_places_killed(const struct oom_places *places, const struct oom_group *group, usec_t since)
{
        struct oom_life *found = NULL;

        for (size_t i = 0; i < places->lives_n; i++) {
                struct oom_life *life = &places->lives[i];

                if (life->group != group || life->over < since || !life->killed || life->named)
                        continue;
                if (found)
                        return NULL;
                found = life;
        }
        return found;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------------- */

uint64_t oom_account_settle(struct oom_account *account, usec_t now, usec_t patience, usec_t *next)
{
        uint64_t missing = account->seen > account->told ? account->seen - account->told : 0;

        if (account->seen == account->told) {
                account->apart = 0;
                return 0;
        }
        if (account->apart == 0)
                account->apart = now;
        if (usec_since(now, account->apart) < patience) {
                if (account->apart + patience < *next)
                        *next = account->apart + patience;
                return 0;
        }
        account->told = account->seen; /* also where more was told than will ever be counted */
        account->apart = 0;
        return missing;
}

void oom_readings_add(struct oom_readings *readings, usec_t at, uint64_t bytes, uint64_t pushes)
{
        if (readings->n == OOM_READINGS)
                memmove(readings->list, readings->list + 1, --readings->n * sizeof(*readings->list));
        readings->list[readings->n].at = at;
        readings->list[readings->n].bytes = bytes;
        readings->list[readings->n++].pushes = pushes;
}

void oom_readings_tell(const struct oom_readings *readings, struct fact *fact)
{
        unsigned last = readings->n - 1, first = last;
        uint64_t pushes;

        while (first > 0 && usec_since(readings->list[last].at, readings->list[first - 1].at) <= USEC_PER_MINUTE)
                first--;
        pushes = readings->list[last].pushes - readings->list[first].pushes;
        fact->oom.held_bytes = readings->list[last].bytes;
        fact->oom.before = usec_since(readings->list[last].at, readings->list[first].at);
        fact->oom.before_bytes = readings->list[first].bytes;
        fact->oom.pushes = readings->list[last].pushes < readings->list[first].pushes ? 0
                           : pushes < UINT32_MAX                                      ? (uint32_t)pushes
                                                                                      : UINT32_MAX;
}
