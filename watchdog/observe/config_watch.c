#include "observe/config_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "io/cleanup.h"
#include "io/remote.h"

#define MASK                                                                                            \
        (IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | \
         IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK)

#define SELF_GONE (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)

int config_watch_init(struct config_watch *watch)
{
        watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        return watch->fd < 0 ? -errno : 0;
}

void config_watch_done(struct config_watch *watch)
{
        watch->fd = close_fd(watch->fd);
        for (uint32_t n = 0; n < watch->n; n++)
                free(watch->list[n].path);
        free(watch->list);
        watch->list = NULL;
        watch->n = watch->room = 0;
}

/* Where the descriptor is, or would be. */
static uint32_t place_of(const struct config_watch *watch, int wd)
{
        uint32_t low = 0, high = watch->n;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;

                if (watch->list[middle].wd < wd)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static int keep(struct config_watch *watch, uint32_t place, int wd, const char *path)
{
        char *copy = strdup(path);

        if (!copy)
                return -ENOMEM;
        if (watch->n == watch->room) {
                uint32_t room = watch->room ? 2 * watch->room : 16;
                void *list = realloc(watch->list, room * sizeof(*watch->list));

                if (!list) {
                        free(copy);
                        return -ENOMEM;
                }
                watch->list = list;
                watch->room = room;
        }
        memmove(watch->list + place + 1, watch->list + place, (watch->n - place) * sizeof(*watch->list));
        watch->list[place].wd = wd;
        watch->list[place].path = copy;
        watch->n++;
        return 0;
}

int config_watch_folder(struct config_watch *watch, const char *path)
{
        uint32_t place;
        int wd, r;

        if (watch->fd < 0)
                return -ENOSYS;
        if (remote_path(path))
                return -EOPNOTSUPP;
        wd = inotify_add_watch(watch->fd, path, MASK);
        if (wd < 0)
                return -errno;
        place = place_of(watch, wd);
        if (place < watch->n && watch->list[place].wd == wd) {
                if (strcmp(watch->list[place].path, path) == 0)
                        return 0;
                /* the same folder by two names: it is heard by the first, and the second must be looked at */
                return -EEXIST;
        }
        r = watch->n < CONFIG_WATCHES_MAX ? keep(watch, place, wd, path) : -ENOSPC;
        if (r < 0)
                (void)inotify_rm_watch(watch->fd, wd);
        return r;
}

static void forget(struct config_watch *watch, int wd)
{
        uint32_t place = place_of(watch, wd);

        if (place == watch->n || watch->list[place].wd != wd)
                return;
        free(watch->list[place].path);
        memmove(watch->list + place, watch->list + place + 1, (watch->n - place - 1) * sizeof(*watch->list));
        watch->n--;
}

static bool take_one(struct config_watch *watch, const struct inotify_event *event,
                     void (*heard)(void *self, const char *folder, const char *name, bool is_folder), void *self)
{
        uint32_t place = place_of(watch, event->wd);

        if (event->mask & IN_Q_OVERFLOW)
                return false;
        if (event->mask & IN_MOVE_SELF) /* its name is another's now */
                (void)inotify_rm_watch(watch->fd, event->wd);
        if (event->mask & IN_IGNORED)
                forget(watch, event->wd);
        if (event->mask & SELF_GONE)
                return false;
        if (event->len > 0 && place < watch->n && watch->list[place].wd == event->wd)
                heard(self, watch->list[place].path, event->name, event->mask & IN_ISDIR);
        return true;
}

bool config_watch_take(struct config_watch *watch,
                       void (*heard)(void *self, const char *folder, const char *name, bool is_folder), void *self)
{
        union {
                struct inotify_event first;
                char bytes[16384];
        } buffer;
        bool whole = true;
        ssize_t n = read(watch->fd, &buffer, sizeof(buffer));

        for (ssize_t at = 0; at < n;) {
                const struct inotify_event *event = (const void *)(buffer.bytes + at);

                whole &= take_one(watch, event, heard, self);
                at += (ssize_t)(sizeof(*event) + event->len);
        }
        return whole;
}
