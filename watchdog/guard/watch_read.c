#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/text.h"
#include "guard/watch_inside.h"

/* Read in one go at most: 64 KiB each, a few hundred events. */
#define ROUNDS 16

struct names {
        uint64_t fanotify;
        uint32_t inotify;
        unsigned what;
};

/* clang-format off */
static const struct names names[] = {
        { FAN_MODIFY,      IN_MODIFY,      WATCH_WRITTEN },
        { FAN_CLOSE_WRITE, IN_CLOSE_WRITE, WATCH_WRITTEN },
        { FAN_ATTRIB,      IN_ATTRIB,      WATCH_ATTRIBUTES },
        { FAN_CREATE,      IN_CREATE,      WATCH_CREATED },
        { FAN_DELETE,      IN_DELETE,      WATCH_REMOVED },
        { FAN_MOVED_FROM,  IN_MOVED_FROM,  WATCH_MOVED_AWAY },
        { FAN_MOVED_TO,    IN_MOVED_TO,    WATCH_MOVED_HERE },
        { FAN_DELETE_SELF, IN_DELETE_SELF, WATCH_GONE },
        { FAN_MOVE_SELF,   IN_MOVE_SELF,   WATCH_GONE },
        { 0,               IN_IGNORED,     WATCH_GONE },
        { 0,               IN_UNMOUNT,     WATCH_GONE },
};
/* clang-format on */

static unsigned what_of(uint64_t fanotify, uint32_t inotify)
{
        unsigned what = 0;

        for (unsigned n = 0; n < sizeof(names) / sizeof(names[0]); n++)
                if (fanotify & names[n].fanotify || inotify & names[n].inotify)
                        what |= names[n].what;
        return what;
}

/* The same path may come by two ways, of the folder and of the file itself. */
static void note(struct watch *watch, const char *folder, const char *name, unsigned what)
{
        struct told *told = &watch->told[watch->told_n];

        if (what == 0)
                return;
        if (watch->told_n == TOLD_MAX) {
                watch->told_cut = true;
                return;
        }
        if (text_copy(told->path, sizeof(told->path), folder) && *name)
                text_append(told->path, sizeof(told->path), "%s%s", strcmp(folder, "/") == 0 ? "" : "/", name);
        told->what = what;
        for (struct told *other = watch->told; other < told; other++)
                if (strcmp(other->path, told->path) == 0) {
                        other->what |= what;
                        return;
                }
        watch->told_n++;
}

/* A name in a folder; "." or none is the folder itself. What becomes of it itself is told only of what is watched itself. */
static void note_name(struct watch *watch, const struct identity *folder, const char *name, unsigned what)
{
        bool itself = !*name || strcmp(name, ".") == 0;

        for (struct place *place = places_known(&watch->places, folder); place; place = places_next(place, folder)) {
                place->gone |= itself && what & WATCH_GONE;
                note(watch, place->path, itself ? "" : name, itself ? what : what & WATCH_EXCEPT_GONE);
        }
}

static void tell(struct watch *watch, const struct watch_sink *sink, struct watch_event *event)
{
        for (unsigned n = 0; n < watch->told_n; n++) {
                event->path = watch->told[n].path;
                event->what = watch->told[n].what;
                sink->changed(sink->self, event);
        }
        if (watch->told_cut)
                sink->lost(sink->self, watch->emptied, event->at);
        watch->told_n = 0;
        watch->told_cut = false;
}

/* Of fanotify's event, as far as it is understood. */
struct parts {
        const struct fanotify_event_info_fid *name, *child, *from, *to;
        int pidfd;
};

static void take_part(struct parts *parts, const struct fanotify_event_info_header *header)
{
        const struct fanotify_event_info_fid *fid = (const void *)header;

        switch (header->info_type) {
        case FAN_EVENT_INFO_TYPE_DFID_NAME:
        case FAN_EVENT_INFO_TYPE_DFID: parts->name = fid; break;
        case FAN_EVENT_INFO_TYPE_FID: parts->child = fid; break;
        case FAN_EVENT_INFO_TYPE_OLD_DFID_NAME: parts->from = fid; break;
        case FAN_EVENT_INFO_TYPE_NEW_DFID_NAME: parts->to = fid; break;
        case FAN_EVENT_INFO_TYPE_PIDFD:
                parts->pidfd = ((const struct fanotify_event_info_pidfd *)(const void *)header)->pidfd;
                break;
        default: break;
        }
}

static void take_parts(struct parts *parts, const char *at, const char *end)
{
        *parts = (struct parts){ .pidfd = FAN_NOPIDFD };
        while ((size_t)(end - at) >= sizeof(struct fanotify_event_info_header)) {
                const struct fanotify_event_info_header *header = (const void *)at;

                if (header->len < sizeof(*header) || header->len > end - at)
                        return;
                take_part(parts, header);
                at += header->len;
        }
}

/* Identity of the file or folder in this part; the name behind it, "" for none. */
static const char *read_fid(const struct fanotify_event_info_fid *fid, struct identity *ret)
{
        const struct file_handle *handle = (const void *)fid->handle;
        const char *end = (const char *)fid + fid->hdr.len, *name;

        if (handle->handle_bytes > 128 || (const char *)handle->f_handle + handle->handle_bytes > end)
                return NULL;
        identity_of_handle(ret, &fid->fsid, handle->f_handle, handle->handle_bytes, handle->handle_type);
        name = (const char *)handle->f_handle + handle->handle_bytes;
        return name < end && memchr(name, '\0', (size_t)(end - name)) ? name : "";
}

static void note_part(struct watch *watch, const struct fanotify_event_info_fid *fid, unsigned what)
{
        struct identity identity;
        const char *name = fid ? read_fid(fid, &identity) : NULL;

        if (name)
                note_name(watch, &identity, name, what);
}

/* The kernel tells apart a process that is no more (or never was in our namespace) from one that it could not hold. */
static enum watch_teller teller_of(const struct watch *watch, pid_t pid, int pidfd)
{
        if (pid <= 0)
                return watch->names_pids ? WATCH_OUTSIDE : WATCH_UNTOLD;
        if (pidfd >= 0)
                return WATCH_HELD;
        return watch->holds_pids && pidfd == FAN_NOPIDFD ? WATCH_ENDED : WATCH_UNHELD;
}

static void take_event(struct watch *watch, const struct fanotify_event_metadata *meta, const char *bytes, usec_t now,
                       const struct watch_sink *sink)
{
        unsigned what = what_of(meta->mask, 0);
        struct watch_event event = { .at = now, .is_folder = meta->mask & FAN_ONDIR, .own = meta->pid == watch->self };
        _cleanup_close_ int pidfd = -EBADF;
        struct parts parts;

        if (meta->mask & FAN_Q_OVERFLOW) {
                sink->lost(sink->self, watch->emptied, now);
                return;
        }
        take_parts(&parts, bytes + meta->metadata_len, bytes + meta->event_len);
        pidfd = parts.pidfd;
        event.teller = teller_of(watch, meta->pid, pidfd);
        event.pid = meta->pid > 0 ? meta->pid : 0;
        event.pidfd = pidfd;
        note_part(watch, parts.name, what);
        note_part(watch, parts.from, WATCH_MOVED_AWAY);
        note_part(watch, parts.to, WATCH_MOVED_HERE);
        note_part(watch, parts.child, what);
        tell(watch, sink, &event);
}

/* Events lie at multiples of four, which is not enough for what they are: each is copied. */
static void take_fanotify(struct watch *watch, ssize_t size, usec_t now, const struct watch_sink *sink)
{
        const char *at = watch->buffer.bytes, *end = at + size;
        struct fanotify_event_metadata meta;

        for (; (size_t)(end - at) >= sizeof(meta); at += meta.event_len) {
                memcpy(&meta, at, sizeof(meta));
                if (meta.vers != FANOTIFY_METADATA_VERSION || !FAN_EVENT_OK(&meta, end - at)) {
                        sink->lost(sink->self, watch->emptied, now);
                        return;
                }
                take_event(watch, &meta, at, now, sink);
        }
}

static void take_inotify(struct watch *watch, ssize_t size, usec_t now, const struct watch_sink *sink)
{
        const struct inotify_event *heard;
        struct identity identity;

        for (ssize_t at = 0; at < size; at += (ssize_t)(sizeof(*heard) + heard->len)) {
                struct watch_event event = { .at = now, .teller = WATCH_UNTOLD, .pidfd = -EBADF };

                heard = (const void *)(watch->buffer.bytes + at);
                if (heard->mask & IN_Q_OVERFLOW) {
                        sink->lost(sink->self, watch->emptied, now);
                        continue;
                }
                event.is_folder = heard->mask & IN_ISDIR;
                identity_of_descriptor(&identity, heard->wd);
                note_name(watch, &identity, heard->len > 0 ? heard->name : "", what_of(0, heard->mask));
                tell(watch, sink, &event);
        }
}

/* Whether nothing waits there any more. */
static bool drain(struct watch *watch, int fd, usec_t now, const struct watch_sink *sink,
                  void (*take)(struct watch *, ssize_t, usec_t, const struct watch_sink *))
{
        for (unsigned n = 0; fd >= 0 && n < ROUNDS; n++) {
                ssize_t size = read(fd, watch->buffer.bytes, sizeof(watch->buffer));

                if (size <= 0)
                        return size == 0 || errno != EINTR;
                take(watch, size, now, sink);
        }
        return fd < 0;
}

void watch_take(struct watch *watch, usec_t now, const struct watch_sink *sink)
{
        bool fanotify = drain(watch, watch->fanotify, now, sink, take_fanotify);
        bool inotify = drain(watch, watch->inotify, now, sink, take_inotify);

        if (fanotify && inotify)
                watch->emptied = now;
}
