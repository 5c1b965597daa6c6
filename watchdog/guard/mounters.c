#include "guard/mounters.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/cleanup.h"
#include "io/straight.h"

/* The C library's headers may be older than the kernel. */
#ifndef FAN_REPORT_MNT
#define FAN_REPORT_MNT 0x00004000
#endif
#ifndef FAN_MARK_MNTNS
#define FAN_MARK_MNTNS 0x00000110
#endif
#ifndef FAN_MNT_ATTACH
#define FAN_MNT_ATTACH 0x01000000
#endif
#define INFO_TYPE_MNT 7
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000U
#endif

#define KEPT 64

struct info_mount {
        struct fanotify_event_info_header header;
        uint64_t id; /* never given to another mount, unlike the one in the table */
};

struct mounters {
        int fd;
        unsigned next;
        struct {
                uint64_t id;
                pid_t pid;
        } list[KEPT];
};

int mounters_new(struct mounters **ret)
{
        _cleanup_close_ int space = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
        _cleanup_close_ int fd = -EBADF;
        struct mounters *mounters;

        if (space < 0)
                return -errno;
        fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_MNT | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_MNTNS, FAN_MNT_ATTACH, space, NULL) < 0)
                return -errno;
        mounters = calloc(1, sizeof(*mounters));
        if (!mounters)
                return -ENOMEM;
        mounters->fd = TAKE_FD(fd);
        *ret = mounters;
        return 0;
}

struct mounters *mounters_free(struct mounters *mounters)
{
        if (mounters)
                close_fd(mounters->fd);
        free(mounters);
        return NULL;
}

static void take_event(struct mounters *mounters, const struct fanotify_event_metadata *event, const char *bytes)
{
        struct info_mount info;

        if (event->pid <= 0 || event->event_len < event->metadata_len + sizeof(info))
                return;
        memcpy(&info, bytes + event->metadata_len, sizeof(info));
        if (info.header.info_type != INFO_TYPE_MNT)
                return;
        mounters->list[mounters->next].id = info.id;
        mounters->list[mounters->next].pid = event->pid;
        mounters->next = (mounters->next + 1) % KEPT;
}

void mounters_take(struct mounters *mounters)
{
        struct fanotify_event_metadata event;
        char buffer[4096];
        ssize_t n;

        while (mounters && (n = read(mounters->fd, buffer, sizeof(buffer))) > 0)
                for (const char *at = buffer, *end = at + n; (size_t)(end - at) >= sizeof(event);
                     at += event.event_len) {
                        memcpy(&event, at, sizeof(event));
                        if (!FAN_EVENT_OK(&event, end - at))
                                break;
                        take_event(mounters, &event, at);
                }
}

pid_t mounters_find(const struct mounters *mounters, const char *point)
{
        _cleanup_close_ int fd = mounters ? straight_open(point, O_PATH) : -EBADF;
        struct statx stx;

        if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE, &stx) < 0 ||
            !(stx.stx_mask & STATX_MNT_ID_UNIQUE))
                return 0;
        for (unsigned n = 0; n < KEPT; n++)
                if (mounters->list[n].pid > 0 && mounters->list[n].id == stx.stx_mnt_id)
                        return mounters->list[n].pid;
        return 0;
}
