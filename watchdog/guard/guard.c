#include "guard/guard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "guard/guard_inside.h"

/* ---- its state ---------------------------------------------------------------------------------------------------------- */

static int listen_to(struct guard *guard, int fd, uint32_t events)
{
        struct epoll_event event = { .events = events, .data.fd = fd };

        return epoll_ctl(guard->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int load(struct guard *guard)
{
        uint8_t digest[DIGEST_SIZE];
        const int r = manifest_load(guard->options.manifest, &guard->manifest, digest);

        return r == -ENOENT ? manifest_new(&guard->manifest) : r;
}

/* Without the book, or the table of mounts, it guards with less, and its state says so. */
static int open_eyes(struct guard *guard)
{
        int r = watch_new(&guard->watch);

        if (r >= 0)
                r = listen_to(guard, watch_fd(guard->watch), EPOLLIN);
        if (r < 0)
                return r;
        if (mounts_new(guard->options.mounts, &guard->mounts) >= 0)
                r = listen_to(guard, mounts_fd(guard->mounts), EPOLLPRI);
        if (r >= 0 && who_book_new(guard->options.proc, &guard->book) >= 0)
                r = listen_to(guard, who_book_fd(guard->book), EPOLLIN);
        return r;
}

int guard_new(const struct guard_options *options, struct guard **ret)
{
        _cleanup_(guard_freep) struct guard *guard = calloc(1, sizeof(*guard));
        int r;

        if (!guard)
                return -ENOMEM;
        guard->options = *options;
        guard->sweep_at = guard->read_at = USEC_INFINITY;
        guard->epoll = epoll_create1(EPOLL_CLOEXEC);
        if (guard->epoll < 0)
                return -errno;
        guard->troubles = calloc(GUARD_BREACHES_MAX, sizeof(*guard->troubles));
        if (!guard->troubles)
                return -ENOMEM;
        r = load(guard);
        if (r >= 0)
                r = open_eyes(guard);
        if (r < 0)
                return r;
        guard->sealer = (struct sealer){
                .vault = options->vault, .manifest = guard->manifest, .mark = options->mark, .self = options->mark_self
        };
        *ret = TAKE_PTR(guard);
        return 0;
}

struct guard *guard_free(struct guard *guard)
{
        if (!guard)
                return NULL;
        guard_work_stop(guard);
        who_book_free(guard->book);
        mounts_free(guard->mounts);
        watch_free(guard->watch);
        manifest_free(guard->manifest);
        free(guard->troubles);
        close_fd(guard->epoll);
        free(guard);
        return NULL;
}

const struct manifest *guard_manifest(const struct guard *guard)
{
        return guard->manifest;
}

void guard_get_state(const struct guard *guard, struct guard_state *ret)
{
        struct watch_state watch;

        watch_state(guard->watch, &watch);
        *ret = (struct guard_state){ .entries = manifest_count(guard->manifest),
                                     .places = watch.places,
                                     .by_inotify = watch.by_inotify,
                                     .untold = guard->untold,
                                     .fanotify = watch.fanotify,
                                     .names_pids = watch.names_pids,
                                     .knows_the_dead = guard->book != NULL,
                                     .sees_mounts = guard->mounts != NULL,
                                     .watch_error = watch.why };
        for (uint32_t n = 0; n < GUARD_BREACHES_MAX; n++) {
                ret->holding += guard->troubles[n].used && guard->troubles[n].holding;
                ret->open += guard->troubles[n].used && !guard->troubles[n].holding;
        }
}

/* ---- breaches ----------------------------------------------------------------------------------------------------------- */

struct trouble *guard_trouble(struct guard *guard, const char *path)
{
        const uint32_t hash = text_hash(path);

        for (uint32_t n = 0; n < GUARD_BREACHES_MAX; n++) {
                struct trouble *trouble = &guard->troubles[n];

                if (trouble->used && trouble->hash == hash && strcmp(trouble->path, path) == 0)
                        return trouble;
        }
        return NULL;
}

void guard_forget(struct trouble *trouble)
{
        trouble->used = trouble->holding = false;
}

static struct trouble *open_trouble(struct guard *guard, const char *path, uint32_t rule)
{
        for (uint32_t n = 0; n < GUARD_BREACHES_MAX; n++) {
                struct trouble *trouble = &guard->troubles[n];

                if (trouble->used)
                        continue;
                *trouble = (struct trouble){ .rule = rule, .hash = text_hash(path) };
                trouble->used = text_copy(trouble->path, sizeof(trouble->path), path);
                if (!trouble->used)
                        break; /* no entry has so long a path; a new file may */
                return trouble;
        }
        guard->untold++;
        return NULL;
}

static uint32_t count_troubles(const struct guard *guard, uint32_t rule)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < GUARD_BREACHES_MAX; i++)
                n += guard->troubles[i].used && guard->troubles[i].rule == rule;
        return n;
}

static void tell(struct guard *guard, struct guard_breach *breach, const struct who *who)
{
        breach->differing = count_troubles(guard, breach->rule);
        breach->away = guard->away;
        if (who)
                breach->who = *who;
        guard->options.sink.breach(guard->options.sink.self, breach);
}

static bool is_bound(const struct guard *guard, const char *path)
{
        for (unsigned n = 0; n < guard->overs_n; n++)
                if (path_is_within(path, guard->overs[n].point))
                        return true;
        return false;
}

static enum guard_event event_of(const struct guard *guard, const char *path, unsigned differences)
{
        if (differences & LOOK_MOUNTED || is_bound(guard, path))
                return GUARD_BOUND;
        return differences & (LOOK_GONE | LOOK_UNREACHED) ? GUARD_REMOVED : GUARD_CHANGED;
}

/* Somebody put it back, before we did. */
static void is_as_sealed(struct guard *guard, const struct manifest_entry *entry, const struct who *who)
{
        struct trouble *trouble = guard_trouble(guard, entry->path);
        struct guard_breach breach = {
                .event = GUARD_BACK, .path = entry->path, .rule = entry->rule, .sealed = entry, .found = entry
        };

        if (!trouble || trouble->holding)
                return; /* the end of what is held tells */
        guard_forget(trouble);
        tell(guard, &breach, who);
}

static void is_breached(struct guard *guard, const struct manifest_entry *entry, struct guard_breach *breach,
                        const struct who *who)
{
        struct trouble *trouble = guard_trouble(guard, entry->path);

        if (trouble && trouble->holding)
                guard_hold_again(guard, trouble);
        else if (!trouble && open_trouble(guard, entry->path, entry->rule))
                tell(guard, breach, who);
}

void guard_weigh(struct guard *guard, const struct manifest_entry *entry, const struct look_found *found, bool read,
                 const struct who *who)
{
        char path[FILE_PATH_MAX];
        struct manifest_entry sealed = *entry, now = found->now;
        struct guard_breach breach = { .differences = found->differences, .content_read = read, .rule = entry->rule };

        /* whoever is told may change the manifest, in which `entry` may be */
        text_copy(path, sizeof(path), entry->path);
        sealed.path = now.path = path;
        if (look_is_breach(found->differences)) {
                breach.event = event_of(guard, path, found->differences);
                breach.path = path;
                breach.sealed = &sealed;
                breach.found = &now;
                is_breached(guard, &sealed, &breach, who);
                return;
        }
        if (found->differences & LOOK_CHANGED && !read) {
                guard_check(guard, &sealed, who);
                return;
        }
        if (found->differences != 0 && read)
                guard_note(guard, &now); /* touched, or the same disk under another number */
        is_as_sealed(guard, &sealed, who);
}

/* What stat(2) cannot tell the content does: it has the size that was sealed, so this never takes long. */
void guard_check(struct guard *guard, const struct manifest_entry *entry, const struct who *who)
{
        struct look_found found;
        int r = look_at(entry, LOOK_AT_STAT, &found);
        bool read = false;

        if (r >= 0 && found.differences & LOOK_CHANGED && !look_is_breach(found.differences)) {
                r = look_at(entry, LOOK_AT_ALL, &found);
                read = true;
        }
        if (r >= 0)
                guard_weigh(guard, entry, &found, read, who);
        else
                guard->sweep_again = true; /* it is being written to: that will be heard, and else found */
}

void guard_added(struct guard *guard, const char *path, uint32_t rule, const struct who *who)
{
        struct trouble *trouble = guard_trouble(guard, path);
        struct manifest_entry found = { .path = path };
        struct guard_breach breach = { .event = GUARD_ADDED, .path = path, .rule = rule, .found = &found };
        struct stat st;

        if (guard->arming[rule] || guard->unsealed[rule] > 0)
                return; /* it may have been there before it was guarded */
        if (lstat(path, &st) < 0 || S_ISDIR(st.st_mode))
                return;
        if (trouble && trouble->holding) {
                guard_hold_again(guard, trouble);
                return;
        }
        if (trouble)
                return;
        trouble = open_trouble(guard, path, rule);
        if (!trouble)
                return;
        trouble->added = true;
        file_state_take(&found.state, &st);
        tell(guard, &breach, who);
}

/* ---- mounts ------------------------------------------------------------------------------------------------------------- */

/* A mount that was there before us is over a file, or it is where a file system belongs. */
static bool is_over(const struct guard *guard, const char *point)
{
        const struct manifest_entry *entry = manifest_find(guard->manifest, point);

        if (entry)
                return guard->saw_mounts || !manifest_is_folder(entry);
        for (uint32_t n = 0; guard->saw_mounts && n < manifest_count(guard->manifest); n++)
                if (path_is_within(manifest_at(guard->manifest, n)->path, point))
                        return true;
        return false;
}

static void on_mount(void *self, const struct mount *mount)
{
        struct guard *guard = self;

        if (!is_over(guard, mount->point))
                return;
        if (guard->overs_n == OVERS_MAX)
                memmove(&guard->overs[0], &guard->overs[1], --guard->overs_n * sizeof(guard->overs[0]));
        guard->overs[guard->overs_n++] = *mount;
        guard->sweep_again = true;
}

static void on_unmount(void *self, const char *point)
{
        struct guard *guard = self;
        unsigned kept = 0;

        for (unsigned n = 0; n < guard->overs_n; n++)
                if (strcmp(guard->overs[n].point, point) != 0)
                        guard->overs[kept++] = guard->overs[n];
        if (kept != guard->overs_n)
                guard->sweep_again = true;
        guard->overs_n = kept;
}

static void take_mounts(struct guard *guard)
{
        const struct mounts_sink sink = { .came = on_mount, .went = on_unmount, .self = guard };
        int r;

        if (!guard->mounts)
                return;
        r = mounts_take(guard->mounts, &sink);
        if (r < 0)
                guard->options.sink.left_out(guard->options.sink.self, guard->options.mounts, strerror(-r));
        guard->saw_mounts = true;
}

/* ---- rules and the manifest --------------------------------------------------------------------------------------------- */

bool guard_rule_excepts(const struct guard_rule *rule, const char *path)
{
        for (uint32_t n = 0; n < rule->excepts_n; n++)
                if (path_excepted(rule->excepts[n], path))
                        return true;
        return false;
}

static bool rule_has(const struct guard_rule *rule, const char *path)
{
        if (guard_rule_excepts(rule, path))
                return false;
        for (uint32_t n = 0; n < rule->patterns_n; n++)
                if (path_glob(rule->patterns[n], path))
                        return true;
        return false;
}

uint32_t guard_rule_of(const struct guard *guard, const char *path)
{
        uint32_t n = 0;

        while (n < guard->rules_n && !(guard->rules[n].armed && rule_has(&guard->rules[n], path)))
                n++;
        return n;
}

bool guard_is_arming(const struct guard *guard)
{
        for (uint32_t n = 0; n < guard->rules_n; n++)
                if (guard->arming[n])
                        return true;
        return false;
}

void guard_note(struct guard *guard, const struct manifest_entry *entry)
{
        const int r = manifest_set(guard->manifest, entry);

        guard->dirty = true;
        if (r < 0)
                guard->options.sink.left_out(guard->options.sink.self, entry->path, strerror(-r));
}

static void save(struct guard *guard)
{
        const struct guard_sink *sink = &guard->options.sink;
        uint8_t digest[DIGEST_SIZE];
        int r;

        if (!guard->dirty || guard->scanning || guard_is_arming(guard))
                return;
        r = manifest_save(guard->manifest, guard->options.manifest, digest);
        if (r < 0) {
                sink->left_out(sink->self, guard->options.manifest, strerror(-r));
                return;
        }
        guard->dirty = false;
        sink->sealed(sink->self, manifest_count(guard->manifest), digest);
}

/* All files of a folder are heard with one mark; of a folder of others just its names. */
static enum watch_role role_of(const struct guard *guard, const struct manifest_entry *entry)
{
        const struct guard_rule *rule = &guard->rules[entry->rule];

        if (!manifest_is_folder(entry))
                return WATCH_FILE;
        for (uint32_t n = 0; n < rule->patterns_n; n++)
                if (!path_is_plain(rule->patterns[n]) && path_may_lead(rule->patterns[n], entry->path))
                        return WATCH_FOLDER;
        return WATCH_NAMES;
}

void guard_watch_entry(struct guard *guard, const struct manifest_entry *entry)
{
        int r = 0;

        if (entry->rule < guard->rules_n)
                r = watch_add(guard->watch, entry->path, role_of(guard, entry));
        if (r >= 0 && manifest_is_folder(entry))
                r = watch_add_above(guard->watch, entry->path);
        if (r < 0 && r != -ENOENT && r != -ENOTDIR && r != -ELOOP) /* those are breaches, which a look tells */
                guard->options.sink.left_out(guard->options.sink.self, entry->path, strerror(-r));
}

int guard_set_rules(struct guard *guard, const struct guard_rule *rules, uint32_t n, usec_t now)
{
        if (n > GUARD_RULES_MAX)
                return -E2BIG;
        guard->now = now;
        guard_work_stop(guard);
        memset(guard->arming, 0, sizeof(guard->arming));
        memset(guard->unsealed, 0, sizeof(guard->unsealed));
        guard->rules = rules;
        guard->rules_n = n;
        for (uint32_t i = 0; i < manifest_count(guard->manifest); i++)
                guard_watch_entry(guard, manifest_at(guard->manifest, i));
        take_mounts(guard);
        guard_sweep(guard, LOOK_AT_ALL, now);
        guard->away = true;
        return 0;
}

int guard_disarm(struct guard *guard, uint32_t rule)
{
        int r = 0;

        guard_work_stop(guard);
        for (uint32_t n = manifest_count(guard->manifest); n-- > 0;) {
                const struct manifest_entry *entry = manifest_at(guard->manifest, n);
                struct trouble *trouble = guard_trouble(guard, entry->path);
                int lifted;

                if (entry->rule != rule)
                        continue;
                lifted = seal_lift(entry->path);
                r = r < 0 ? r : lifted;
                if (trouble)
                        guard_forget(trouble);
                watch_drop(guard->watch, entry->path);
                (void)manifest_drop(guard->manifest, entry->path);
                guard->dirty = true;
        }
        guard->sweep_again = true; /* what was stopped above, if it was */
        save(guard);
        return r;
}

/* ---- what is heard ------------------------------------------------------------------------------------------------------ */

static void learn_who(struct guard *guard, const struct watch_event *event, struct who *ret)
{
        *ret = (struct who){ .source = WHO_UNKNOWN };
        switch (event->teller) {
        case WATCH_UNTOLD:
        case WATCH_OUTSIDE: return;
        case WATCH_ENDED:
                ret->source = WHO_EVENT;
                ret->pid = event->pid;
                break;
        case WATCH_UNHELD:
        case WATCH_HELD: who_read(guard->options.proc, event->pid, event->pidfd, ret); break;
        }
        who_book_fill(guard->book, ret);
}

/* A folder that came or went may have taken any number of files with it. */
static bool moves_many(const struct watch_event *event)
{
        return event->what & WATCH_GONE || (event->is_folder && event->what & WATCH_EXCEPT_GONE & ~WATCH_ATTRIBUTES);
}

static void on_event(void *self, const struct watch_event *event)
{
        struct guard *guard = self;
        const struct manifest_entry *entry = manifest_find(guard->manifest, event->path);
        struct who who;
        uint32_t rule;

        if (event->own)
                return;
        learn_who(guard, event, &who);
        if (moves_many(event))
                guard->sweep_again = true;
        if (entry) {
                guard_check(guard, entry, &who);
                return;
        }
        rule = guard_rule_of(guard, event->path);
        if (!event->is_folder && rule < guard->rules_n && !text_starts(strrchr(event->path, '/') + 1, SCAN_OWN_NAMES))
                guard_added(guard, event->path, rule, &who);
}

static void on_lost(void *self, usec_t from, usec_t to)
{
        struct guard *guard = self;

        guard->options.sink.gap(guard->options.sink.self, from, to);
        guard_sweep(guard, LOOK_AT_STAT, guard->now);
}

/* ---- the loop ----------------------------------------------------------------------------------------------------------- */

int guard_fd(const struct guard *guard)
{
        return guard->epoll;
}

static bool has(const struct epoll_event *events, int n, int fd)
{
        while (n-- > 0)
                if (events[n].data.fd == fd)
                        return true;
        return false;
}

/* Who lived is read first: an event may be of somebody who is dead by now. */
void guard_take(struct guard *guard, usec_t now)
{
        const struct watch_sink sink = { .changed = on_event, .lost = on_lost, .self = guard };
        struct epoll_event ready[3];
        const int n = epoll_wait(guard->epoll, ready, 3, 0);

        guard->now = now;
        if (guard->book && has(ready, n, who_book_fd(guard->book)))
                who_book_take(guard->book);
        if (has(ready, n, watch_fd(guard->watch)))
                watch_take(guard->watch, now, &sink);
        if (guard->mounts && has(ready, n, mounts_fd(guard->mounts)))
                take_mounts(guard);
}

usec_t guard_deadline(const struct guard *guard)
{
        usec_t deadline = guard_hold_deadline(guard);

        if (guard->sweeping || guard->scanning || guard_is_arming(guard))
                return guard->now;
        if (guard_sweep_due(guard) < deadline)
                deadline = guard_sweep_due(guard);
        return guard->read_at < deadline ? guard->read_at : deadline;
}

void guard_tick(struct guard *guard, usec_t now)
{
        guard->now = now;
        guard_hold_tick(guard);
        guard_work(guard);
        save(guard);
}
