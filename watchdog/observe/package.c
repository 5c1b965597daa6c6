#include "observe/package.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "io/cleanup.h"

#define SOURCE "package"
#define LOG_DEFAULT "/var/log/dpkg.log"
#define PRIORITY (SD_EVENT_PRIORITY_NORMAL + 20)
#define TAIL_MAX (256 << 10) /* read at start, and at most a turn */
#define LINE_MAX_BYTES 512   /* longer ones are no lines of dpkg's */
#define SETTLE (300 * USEC_PER_MSEC)
#define AGAIN (5 * USEC_PER_SEC) /* where there is no log, or it cannot be watched */
#define TOLD_MAX 8               /* of one look, one by one; the others are counted */

struct package {
        sd_event *event;
        struct package_options options;
        char *log, *folder;
        const char *name; /* of the log within its folder */
        int fd;           /* the log as it was opened last; negative: none */
        ino_t inode;
        off_t at;
        char rest[LINE_MAX_BYTES]; /* a line whose end has not come yet */
        size_t rest_n;
        bool skipping;        /* ... and which is too long to be one */
        int inotify, watched; /* watched: the log itself, negative: not */
        sd_event_source *heard, *look;
        enum source_state state;
        struct package_line found[TOLD_MAX]; /* newest last */
        unsigned found_n;
        uint32_t more;
};

/* ---- a line -------------------------------------------------------------------------------------------------------------- */

/* Exactly so many digits, then the separator. */
static bool take_number(const char **at, const char *end, unsigned digits, char separator, int least, int most,
                        int *ret)
{
        int value = 0;

        if ((size_t)(end - *at) < digits + 1)
                return false;
        for (unsigned i = 0; i < digits; i++) {
                char c = (*at)[i];

                if (c < '0' || c > '9')
                        return false;
                value = value * 10 + (c - '0');
        }
        if ((*at)[digits] != separator || value < least || value > most)
                return false;
        *at += digits + 1;
        *ret = value;
        return true;
}

static bool take_time(const char **at, const char *end, struct package_line *line)
{
        return take_number(at, end, 4, '-', 1990, 9999, &line->year) &&
               take_number(at, end, 2, '-', 1, 12, &line->month) && take_number(at, end, 2, ' ', 1, 31, &line->day) &&
               take_number(at, end, 2, ':', 0, 23, &line->hour) && take_number(at, end, 2, ':', 0, 59, &line->minute) &&
               take_number(at, end, 2, ' ', 0, 60, &line->second);
}

/* A word up to the next blank or the end; false when there is none, or it does not fit. */
static bool take_word(const char **at, const char *end, char *to, size_t size)
{
        const char *blank = memchr(*at, ' ', (size_t)(end - *at));
        size_t length = (size_t)((blank ? blank : end) - *at);

        if (length == 0 || length >= size)
                return false;
        memcpy(to, *at, length);
        to[length] = '\0';
        *at += length + (blank != NULL);
        return true;
}

/* What Debian allows in names of packages and their architecture. */
static bool take_name(const char **at, const char *end, struct package_line *line)
{
        char word[PACKAGE_NAME_MAX + 32];
        size_t length;

        if (!take_word(at, end, word, sizeof(word)))
                return false;
        length = strcspn(word, ":");
        if (length < 2 || length >= sizeof(line->name) ||
            strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != length)
                return false;
        memcpy(line->name, word, length);
        line->name[length] = '\0';
        return true;
}

static bool take_version(const char **at, const char *end, char version[PACKAGE_VERSION_MAX])
{
        if (!take_word(at, end, version, PACKAGE_VERSION_MAX))
                return false;
        if (strcmp(version, "<none>") == 0)
                version[0] = '\0';
        return version[strspn(version, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-:~")] == '\0';
}

bool package_parse(const char *text, size_t length, struct package_line *ret)
{
        static const struct {
                const char *word;
                enum package_change change;
        } words[] = { { "install", PACKAGE_INSTALLED },
                      { "upgrade", PACKAGE_UPGRADED },
                      { "remove", PACKAGE_REMOVED },
                      { "purge", PACKAGE_REMOVED } };
        struct package_line line = { .change = PACKAGE_NONE };
        const char *at = text, *end = text + length;
        char word[16];

        if (length > LINE_MAX_BYTES || !take_time(&at, end, &line) || !take_word(&at, end, word, sizeof(word)))
                return false;
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (strcmp(words[i].word, word) == 0)
                        line.change = words[i].change;
        if (line.change == PACKAGE_NONE || !take_name(&at, end, &line) || !take_version(&at, end, line.before) ||
            !take_version(&at, end, line.after) || at != end)
                return false;
        if (line.change == PACKAGE_REMOVED && !line.before[0])
                return false; /* a purge of what was removed before: only its configuration goes */
        *ret = line;
        return true;
}

/* ---- telling ------------------------------------------------------------------------------------------------------------- */

static void tell_source(struct package *package, enum source_state state, const char *why)
{
        struct fact fact = {
                .kind = FACT_SOURCE,
                .at = clock_now(package->options.clock),
                .agent = "",
                .source = { .name = SOURCE, .state = state, .why = why },
        };

        if (package->state == state)
                return;
        package->state = state;
        package->options.sink.take(package->options.sink.self, &fact);
}

/* In judge time, which is near the real one; never in the future. */
static usec_t time_of(const struct package_line *line, usec_t now)
{
        struct tm tm = { .tm_year = line->year - 1900,
                         .tm_mon = line->month - 1,
                         .tm_mday = line->day,
                         .tm_hour = line->hour,
                         .tm_min = line->minute,
                         .tm_sec = line->second,
                         .tm_isdst = -1 };
        time_t when = mktime(&tm);
        struct timespec real;
        usec_t ago;

        clock_gettime(CLOCK_REALTIME, &real);
        if (when < 0 || when >= real.tv_sec)
                return now;
        ago = (usec_t)(real.tv_sec - when) * USEC_PER_SEC;
        return usec_since(now, ago);
}

/* The newest of a run are named, the others counted. */
static void find(struct package *package, const struct package_line *line)
{
        if (time_of(line, clock_now(package->options.clock)) + USEC_PER_SEC < package->options.since)
                return;
        if (package->found_n == TOLD_MAX) {
                memmove(package->found, package->found + 1, (TOLD_MAX - 1) * sizeof(*package->found));
                package->found_n--;
                package->more++;
        }
        package->found[package->found_n++] = *line;
}

static void tell_found(struct package *package)
{
        for (unsigned n = 0; n < package->found_n; n++) {
                const struct package_line *line = &package->found[n];
                usec_t now = clock_now(package->options.clock);
                struct fact fact = {
                        .kind = FACT_PACKAGE,
                        .at = now,
                        .agent = "",
                        .package = { .change = line->change,
                                     .name = line->name,
                                     .before = line->before,
                                     .after = line->after,
                                     .since = time_of(line, now),
                                     .more = n + 1 == package->found_n ? package->more : 0 },
                };

                package->options.sink.take(package->options.sink.self, &fact);
        }
        package->found_n = 0;
        package->more = 0;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

static void take_line(struct package *package, const char *line, size_t length)
{
        struct package_line parsed;

        if (package_parse(line, length, &parsed))
                find(package, &parsed);
}

/* Lines come in any pieces. */
static void take_bytes(struct package *package, const char *bytes, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                if (bytes[i] == '\n') {
                        if (!package->skipping)
                                take_line(package, package->rest, package->rest_n);
                        package->skipping = false;
                        package->rest_n = 0;
                } else if (package->rest_n == sizeof(package->rest)) {
                        package->skipping = true;
                } else if (!package->skipping) {
                        package->rest[package->rest_n++] = bytes[i];
                }
        }
}

static void read_on(struct package *package)
{
        char bytes[8192];
        size_t read = 0;
        ssize_t n = 1;

        while (package->fd >= 0 && n > 0 && read < TAIL_MAX) {
                n = pread(package->fd, bytes, sizeof(bytes), package->at);
                if (n <= 0)
                        break;
                package->at += n;
                read += (size_t)n;
                take_bytes(package, bytes, (size_t)n);
        }
        tell_found(package);
        if (read >= TAIL_MAX) { /* there may be more: another turn's */
                (void)sd_event_source_set_time_relative(package->look, SETTLE);
                (void)sd_event_source_set_enabled(package->look, SD_EVENT_ONESHOT);
        }
}

static void begin_at(struct package *package, off_t at)
{
        package->at = at;
        package->rest_n = 0;
        package->skipping = at > 0; /* the line in whose middle we begin is not whole */
}

static void let_go(struct package *package)
{
        package->fd = close_fd(package->fd);
        if (package->watched >= 0)
                (void)inotify_rm_watch(package->inotify, package->watched);
        package->watched = -1;
}

/* `from_start`: it is the successor of one that was read to its end. */
static int open_log(struct package *package, bool from_start)
{
        struct stat st;
        int fd = open(package->log, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                int r = fd < 0 ? -errno : -EBADF;

                close_fd(fd);
                return r;
        }
        let_go(package);
        package->fd = fd;
        package->inode = st.st_ino;
        begin_at(package, from_start || st.st_size < TAIL_MAX ? 0 : st.st_size - TAIL_MAX);
        package->watched = package->inotify < 0
                                   ? -1
                                   : inotify_add_watch(package->inotify, package->log,
                                                       IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB);
        return 0;
}

/* Rotated: another file has the name. Cut: what there was is gone. */
static bool is_still_it(struct package *package)
{
        struct stat st;

        if (lstat(package->log, &st) < 0 || st.st_ino != package->inode)
                return false;
        if (st.st_size < package->at)
                begin_at(package, 0);
        return true;
}

static void look(struct package *package)
{
        bool known = package->fd >= 0;
        int r = 0;

        if (known) {
                bool same = is_still_it(package);

                read_on(package);
                if (same)
                        return;
        }
        r = open_log(package, known || package->state == SOURCE_ABSENT);
        if (r >= 0) {
                tell_source(package, SOURCE_SEEING, "");
                read_on(package);
        } else if (r == -ENOENT) { /* between two of them, or on a machine without dpkg */
                tell_source(package, SOURCE_ABSENT, "there is no dpkg.log");
        } else {
                tell_source(package, SOURCE_BLIND, "dpkg.log cannot be read");
        }
}

static int on_look(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct package *package = userdata;

        (void)source, (void)usec;
        look(package);
        if (package->inotify < 0 || (package->fd >= 0 && package->watched < 0)) {
                (void)sd_event_source_set_time_relative(package->look, AGAIN);
                (void)sd_event_source_set_enabled(package->look, SD_EVENT_ONESHOT);
        }
        return 0;
}

/* ---- hearing ------------------------------------------------------------------------------------------------------------- */

/* Only what is about the log: its folder has others, which are written to all the time. */
static bool is_about_log(const struct package *package, const struct inotify_event *event)
{
        if (event->mask & IN_Q_OVERFLOW || event->wd == package->watched)
                return true;
        return event->len > 0 && strcmp(event->name, package->name) == 0;
}

/* dpkg writes a line at a time: it is read when it has been quiet for a moment. */
static int on_heard(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct package *package = userdata;
        char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
        bool about = false;
        ssize_t n;

        (void)source, (void)events;
        while ((n = read(fd, buffer, sizeof(buffer))) > 0)
                for (char *at = buffer; at < buffer + n;) {
                        const struct inotify_event *event = (const struct inotify_event *)(const void *)at;

                        about |= is_about_log(package, event);
                        if (event->wd == package->watched && event->mask & IN_IGNORED)
                                package->watched = -1;
                        at += sizeof(*event) + event->len;
                }
        if (about) {
                (void)sd_event_source_set_time_relative(package->look, SETTLE);
                (void)sd_event_source_set_enabled(package->look, SD_EVENT_ONESHOT);
        }
        return 0;
}

static int listen(struct package *package)
{
        int r;

        package->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (package->inotify < 0)
                return 0; /* it is looked at now and then */
        if (inotify_add_watch(package->inotify, package->folder, IN_CREATE | IN_MOVED_TO) < 0) {
                package->inotify = close_fd(package->inotify);
                return 0;
        }
        r = sd_event_add_io(package->event, &package->heard, package->inotify, EPOLLIN, on_heard, package);
        return r < 0 ? r : sd_event_source_set_priority(package->heard, PRIORITY);
}

/* ---- life ---------------------------------------------------------------------------------------------------------------- */

static int name_log(struct package *package)
{
        const char *log = package->options.log ? package->options.log : LOG_DEFAULT;
        char *slash;

        package->log = strdup(log);
        package->folder = strdup(log);
        slash = package->folder ? strrchr(package->folder, '/') : NULL;
        if (!package->log || !slash)
                return package->log && package->folder ? -EINVAL : -ENOMEM;
        *slash = '\0';
        package->name = strrchr(package->log, '/') + 1;
        return 0;
}

DEFINE_CLEANUP_FUNC(struct package *, package_free);

int package_new(sd_event *event, const struct package_options *options, struct package **ret)
{
        _cleanup_(package_freep) struct package *package = calloc(1, sizeof(*package));
        int r;

        if (!package)
                return -ENOMEM;
        package->event = sd_event_ref(event);
        package->options = *options;
        package->fd = package->inotify = package->watched = -1;
        r = name_log(package);
        if (r >= 0)
                r = listen(package);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &package->look, CLOCK_BOOTTIME, 0, USEC_PER_MSEC, on_look,
                                               package);
        if (r >= 0)
                r = sd_event_source_set_priority(package->look, PRIORITY);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(package);
        return 0;
}

struct package *package_free(struct package *package)
{
        if (!package)
                return NULL;
        sd_event_source_disable_unref(package->heard);
        sd_event_source_disable_unref(package->look);
        close_fd(package->fd);
        close_fd(package->inotify);
        sd_event_unref(package->event);
        free(package->log);
        free(package->folder);
        free(package);
        return NULL;
}
