/* A restore that lasts. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "guard/evict.h"
#include "guard/guard_inside.h"
#include "io/straight.h"

/* ---- the hand ----------------------------------------------------------------------------------------------------------- */

static bool is_open_failure(int r)
{
        return r < 0 && r != -EAGAIN;
}

/* Takes away what was mounted over the path, the newest first: it can only be under the others. */
static int detach_over(struct guard *guard, const char *path)
{
        int r = 0;

        for (unsigned n = guard->overs_n; n-- > 0;) {
                if (!path_is_within(path, guard->overs[n].point))
                        continue;
                r = mounts_detach(&guard->overs[n]);
                if (r < 0 && r != -ESTALE)
                        return r;
                guard->overs_n--;
                memmove(&guard->overs[n], &guard->overs[n + 1], (guard->overs_n - n) * sizeof(guard->overs[0]));
        }
        return 0;
}

static int make_folder(const char *path)
{
        char above[FILE_PATH_MAX];
        const char *slash = strrchr(path, '/');
        _cleanup_close_ int fd = -1;

        path_folder(path, above);
        fd = straight_open(above, O_PATH | O_DIRECTORY);
        if (fd < 0)
                return fd;
        return mkdirat(fd, slash + 1, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* A folder is put back in place: what is in it is others'. Its extended attributes are not known here. */
static int put_folder_back(struct guard *guard, const struct manifest_entry *entry, struct seal_outcome *outcome)
{
        _cleanup_close_ int fd = straight_open(entry->path, O_RDONLY | O_DIRECTORY);
        int r;

        if (fd == -ENOENT) {
                r = make_folder(entry->path);
                if (r < 0)
                        return r;
                fd = straight_open(entry->path, O_RDONLY | O_DIRECTORY);
        }
        if (fd < 0)
                return fd;
        r = seal_lift(entry->path);
        if (r >= 0 && fchown(fd, entry->state.uid, entry->state.gid) < 0)
                r = -errno;
        if (r >= 0 && fchmod(fd, entry->state.mode & 07777) < 0)
                r = -errno;
        if (r < 0)
                return r;
        r = seal_folder(&guard->sealer, entry, outcome);
        if (r >= 0 && memcmp(outcome->entry.attributes, entry->attributes, DIGEST_SIZE) != 0)
                outcome->notes |= SEAL_ATTRIBUTES;
        return r;
}

static int put_added_back(struct guard *guard, struct trouble *trouble)
{
        struct file_state found = { 0 };
        const int r = evict_file(guard->options.vault, trouble->path, &found);

        if (r == -ENOENT)
                return 0; /* whoever made it took it away */
        if (r >= 0) {
                trouble->outcome.found = found;
                trouble->outcome.kept = true;
        }
        return r;
}

static int put_entry_back(struct guard *guard, struct trouble *trouble)
{
        const struct manifest_entry *sealed = manifest_find(guard->manifest, trouble->path);
        struct manifest_entry entry;
        struct look_found found;
        int r;

        if (!sealed)
                return -ENOENT;
        entry = *sealed;
        entry.path = trouble->path;
        r = detach_over(guard, entry.path);
        if (r < 0)
                return r;
        if (look_at(&entry, LOOK_AT_STAT, &found) == 0 && found.differences == 0)
                return 0;
        r = manifest_is_folder(&entry) ? put_folder_back(guard, &entry, &trouble->outcome)
                                       : seal_restore(&guard->sealer, &entry, &trouble->outcome);
        if (r < 0)
                return r;
        trouble->outcome.entry.path = trouble->path;
        guard_note(guard, &trouble->outcome.entry);
        guard_watch_entry(guard, &trouble->outcome.entry);
        return 0;
}

static void put_back(struct guard *guard, struct trouble *trouble)
{
        trouble->r = trouble->added ? put_added_back(guard, trouble) : put_entry_back(guard, trouble);
        trouble->times += trouble->r >= 0;
        trouble->last = guard->now;
        trouble->quiet_at = usec_add(guard->now, GUARD_QUIET);
}

/* ---- its end ------------------------------------------------------------------------------------------------------------ */

/* What a restore left beside the file is kept, and the file is safe from a power cut. */
static void settle(struct guard *guard, struct trouble *trouble)
{
        const struct manifest_entry *sealed = manifest_find(guard->manifest, trouble->path);
        struct manifest_entry entry;

        if (!sealed || manifest_is_folder(sealed))
                return;
        entry = *sealed;
        entry.path = trouble->path;
        seal_settle(&guard->sealer, &entry, &trouble->outcome);
}

static void finish(struct guard *guard, struct trouble *trouble)
{
        const struct guard_sink *sink = &guard->options.sink;
        struct guard_restored told;

        if (!trouble->added)
                settle(guard, trouble);
        told = (struct guard_restored){ .path = trouble->path,
                                        .rule = trouble->rule,
                                        .r = trouble->r,
                                        .times = trouble->times,
                                        .took = usec_since(trouble->last, trouble->since),
                                        .cut = trouble->cut,
                                        .kept = trouble->outcome.kept,
                                        .found = trouble->outcome.found,
                                        .notes = trouble->outcome.notes,
                                        .text = trouble->outcome.text };
        trouble->holding = false;
        sink->restored(sink->self, &told);
        if (told.r >= 0)
                guard_forget(trouble);
}

/* Whether it is as it was sealed, read past the cache: the last word before that is told. */
static bool is_well(struct guard *guard, struct trouble *trouble)
{
        const struct manifest_entry *sealed = manifest_find(guard->manifest, trouble->path);
        struct manifest_entry entry;
        struct look_found found;

        if (trouble->added)
                return trouble->r >= 0;
        if (!sealed)
                return true;
        entry = *sealed;
        entry.path = trouble->path;
        return look_at(&entry, LOOK_AT_ALL, &found) == 0 && !look_is_breach(found.differences);
}

static bool is_over(const struct guard *guard, const struct trouble *trouble)
{
        return usec_since(guard->now, trouble->since) >= GUARD_HOLD_MOST;
}

static void became_quiet(struct guard *guard, struct trouble *trouble)
{
        if (!is_open_failure(trouble->r) && !is_well(guard, trouble)) {
                trouble->cut = is_over(guard, trouble);
                if (!trouble->cut) {
                        put_back(guard, trouble);
                        return;
                }
                trouble->r = -EAGAIN;
        }
        finish(guard, trouble);
}

/* ---- the calls ---------------------------------------------------------------------------------------------------------- */

void guard_hold_again(struct guard *guard, struct trouble *trouble)
{
        put_back(guard, trouble);
        if (is_over(guard, trouble)) {
                trouble->cut = true;
                finish(guard, trouble);
        }
}

void guard_hold_tick(struct guard *guard)
{
        for (uint32_t n = 0; n < GUARD_BREACHES_MAX; n++) {
                struct trouble *trouble = &guard->troubles[n];

                if (trouble->used && trouble->holding && trouble->quiet_at <= guard->now)
                        became_quiet(guard, trouble);
        }
}

usec_t guard_hold_deadline(const struct guard *guard)
{
        usec_t deadline = USEC_INFINITY;

        for (uint32_t n = 0; n < GUARD_BREACHES_MAX; n++)
                if (guard->troubles[n].used && guard->troubles[n].holding && guard->troubles[n].quiet_at < deadline)
                        deadline = guard->troubles[n].quiet_at;
        return deadline;
}

static void begin_hold(struct guard *guard, struct trouble *trouble)
{
        if (trouble->holding)
                return;
        trouble->holding = true;
        trouble->cut = false;
        trouble->since = guard->now;
        trouble->times = 0;
        trouble->outcome = (struct seal_outcome){ 0 };
        put_back(guard, trouble);
}

int guard_restore(struct guard *guard, const char *path, usec_t now)
{
        const struct manifest_entry *entry = manifest_find(guard->manifest, path);
        struct trouble *trouble = guard_trouble(guard, path);

        guard->now = now;
        if (!trouble && !entry)
                return -ENOENT;
        if (!trouble) {
                guard_check(guard, entry, NULL);
                trouble = guard_trouble(guard, path);
                if (!trouble)
                        return 0; /* it is as it was sealed, or the breach has no room and is told later */
        }
        begin_hold(guard, trouble);
        return 0;
}

uint32_t guard_restore_rule(struct guard *guard, uint32_t rule, usec_t now)
{
        uint32_t done = 0;

        guard->now = now;
        for (uint32_t n = 0; n < GUARD_BREACHES_MAX; n++) {
                struct trouble *trouble = &guard->troubles[n];

                if (!trouble->used || trouble->holding || trouble->rule != rule)
                        continue;
                begin_hold(guard, trouble);
                done++;
        }
        return done;
}
