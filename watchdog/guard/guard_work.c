/* What the guard does in slices: looks at all that is sealed, and for what is new. */
#include <errno.h>
#include <string.h>

#include "base/path.h"
#include "base/text.h"
#include "guard/guard_inside.h"

#define SWEEP_STEPS 256 /* some microseconds each */
#define READ_STEPS 4    /* 256 KB each, from the disk */
#define SCAN_ENTRIES 256
#define SEAL_ENTRIES 4 /* each waits for the disk */

/* ---- all that is sealed ------------------------------------------------------------------------------------------------- */

static void left_out(struct guard *guard, const char *path, const char *why)
{
        guard->options.sink.left_out(guard->options.sink.self, path, why);
}

static void on_difference(void *self, const struct manifest_entry *entry, int r, const struct look_found *found)
{
        struct guard *guard = self;

        if (r == -EAGAIN)
                guard->sweep_again = true; /* it was written to while it was read, which is heard as well */
        else if (r < 0)
                left_out(guard, entry->path, strerror(-r));
        else
                guard_weigh(guard, entry, found, guard->sweep.depth == LOOK_AT_ALL, NULL);
}

static void begin_sweep(struct guard *guard, enum look_depth depth)
{
        guard->sweep = (struct look_sweep){
                .manifest = guard->manifest, .depth = depth, .differs = on_difference, .self = guard
        };
        guard->sweeping = look_sweep_begin(&guard->sweep) >= 0;
        if (!guard->sweeping)
                left_out(guard, "", "no memory to look at what is sealed");
}

/* What nobody watched while it was read is looked at once more; and what is new is looked for. */
static void begin_scan(struct guard *guard);

static void end_sweep(struct guard *guard)
{
        look_sweep_end(&guard->sweep);
        guard->sweeping = guard->away = false;
        if (!guard->scanning)
                begin_scan(guard);
}

/* ---- all that rules name ------------------------------------------------------------------------------------------------ */

static bool owns(void *self, struct manifest_entry *wanted)
{
        const struct guard *guard = self;
        const struct guard_rule *rule = &guard->rules[guard->scan_rule];

        if (guard_rule_of(guard, wanted->path) != guard->scan_rule)
                return false; /* an exception, or of a rule before this one */
        wanted->class = rule->class;
        wanted->rule = guard->scan_rule;
        wanted->immutable = true;
        return true;
}

static bool enters(void *self, const char *folder)
{
        const struct guard *guard = self;

        return !guard_rule_excepts(&guard->rules[guard->scan_rule], folder);
}

static void seal_one(struct guard *guard, const struct manifest_entry *wanted)
{
        struct seal_outcome outcome;
        char path[FILE_PATH_MAX];
        struct manifest_entry entry = *wanted;
        int r;

        text_copy(path, sizeof(path), wanted->path);
        entry.path = path;
        r = seal_take(&guard->sealer, &entry, &outcome);
        if (r < 0) {
                guard->unsealed[guard->scan_rule]++;
                left_out(guard, path, outcome.text[0] ? outcome.text : strerror(-r));
                return;
        }
        outcome.entry.path = path;
        guard_note(guard, &outcome.entry);
        guard_watch_entry(guard, &outcome.entry);
}

static void on_found(void *self, const struct manifest_entry *wanted, const struct stat *st)
{
        struct guard *guard = self;

        (void)st;
        if (guard->sealing)
                seal_one(guard, wanted);
        else
                guard_added(guard, wanted->path, wanted->rule, NULL);
}

static void on_folder(void *self, const char *path)
{
        struct guard *guard = self;
        const struct guard_rule *rule = &guard->rules[guard->scan_rule];
        const bool plain = path_is_plain(guard->scan.patterns[guard->scan.at]);
        struct manifest_entry wanted = { .path = path, .class = rule->class, .rule = guard->scan_rule };
        struct seal_outcome outcome;
        int r;

        if (!guard->sealing)
                return;
        wanted.immutable = rule->folders && !plain; /* a folder that holds one guarded file is others' as well */
        r = seal_folder(&guard->sealer, &wanted, &outcome);
        if (r < 0) {
                left_out(guard, path, outcome.text[0] ? outcome.text : strerror(-r));
                return;
        }
        outcome.entry.path = path;
        guard_note(guard, &outcome.entry);
        guard_watch_entry(guard, &outcome.entry);
}

static void on_left_out(void *self, const char *pattern, const char *why)
{
        const struct guard *guard = self;

        if (guard->sealing)
                guard->options.sink.left_out(guard->options.sink.self, pattern, why);
}

/* Goes on to the next rule that is armed; false: that was the last. */
static bool next_rule(struct guard *guard)
{
        while (guard->scan_rule < guard->rules_n && !guard->rules[guard->scan_rule].armed)
                guard->scan_rule++;
        if (guard->scan_rule >= guard->rules_n)
                return false;
        guard->scan = (struct scan){ .patterns = guard->rules[guard->scan_rule].patterns,
                                     .patterns_n = guard->rules[guard->scan_rule].patterns_n,
                                     .manifest = guard->manifest,
                                     .owns = owns,
                                     .enters = enters,
                                     .found = on_found,
                                     .folder = on_folder,
                                     .left_out = on_left_out,
                                     .self = guard };
        guard->sealing = guard->arming[guard->scan_rule];
        if (guard->sealing)
                guard->unsealed[guard->scan_rule] = 0;
        scan_begin(&guard->scan);
        return true;
}

static void begin_scan(struct guard *guard)
{
        guard->scan_rule = 0;
        guard->scanning = next_rule(guard);
}

static void scan_more(struct guard *guard)
{
        if (scan_on(&guard->scan, guard->sealing ? SEAL_ENTRIES : SCAN_ENTRIES))
                return;
        scan_end(&guard->scan);
        if (guard->sealing) {
                guard->arming[guard->scan_rule] = false;
                guard->options.sink.armed(guard->options.sink.self, guard->scan_rule,
                                          guard->unsealed[guard->scan_rule]);
        }
        guard->scan_rule++;
        guard->scanning = next_rule(guard);
}

/* ---- the calls ---------------------------------------------------------------------------------------------------------- */

usec_t guard_sweep_due(const struct guard *guard)
{
        const usec_t again = usec_add(guard->swept_at, GUARD_SWEEP_LEAST);

        return guard->sweep_again && again < guard->sweep_at ? again : guard->sweep_at;
}

void guard_work(struct guard *guard)
{
        if (!guard->sweeping && !guard->scanning) {
                if (guard_is_arming(guard))
                        begin_scan(guard);
                else if (guard->read_at <= guard->now)
                        guard_sweep(guard, LOOK_AT_ALL, guard->now);
                else if (guard_sweep_due(guard) <= guard->now)
                        guard_sweep(guard, LOOK_AT_STAT, guard->now);
        }
        if (guard->sweeping &&
            !look_sweep_on(&guard->sweep, guard->sweep.depth == LOOK_AT_ALL ? READ_STEPS : SWEEP_STEPS))
                end_sweep(guard);
        else if (!guard->sweeping && guard->scanning)
                scan_more(guard);
}

void guard_work_stop(struct guard *guard)
{
        if (guard->sweeping)
                look_sweep_end(&guard->sweep);
        if (guard->scanning)
                scan_end(&guard->scan);
        guard->sweeping = guard->scanning = false;
}

/* One that reads all is not cut short by one that does not. */
void guard_sweep(struct guard *guard, enum look_depth depth, usec_t now)
{
        guard->now = now;
        if (guard->sweeping && guard->sweep.depth >= depth) {
                guard->sweep_again = true;
                return;
        }
        if (guard->sweeping)
                look_sweep_end(&guard->sweep);
        guard->sweep_again = false;
        guard->swept_at = now;
        guard->sweep_at = usec_add(now, GUARD_SWEEP_EVERY);
        if (depth == LOOK_AT_ALL)
                guard->read_at = usec_add(now, GUARD_READ_EVERY);
        begin_sweep(guard, depth);
}

int guard_arm(struct guard *guard, uint32_t rule, usec_t now)
{
        if (rule >= guard->rules_n || !guard->rules[rule].armed)
                return -EINVAL;
        guard->now = now;
        guard->arming[rule] = true;
        return 0;
}
