#include "judge/files.h"

#include <string.h>

#include "base/text.h"
#include "judge/change.h"
#include "judge/file_words.h"
#include "judge/incidents.h"

#define COUNTED_WITHIN (10 * USEC_PER_MINUTE)
#define HELD_EVERY USEC_PER_MINUTE
#define AGAIN_AFTER USEC_PER_MINUTE /* a restore that failed is tried again */
#define QUIET USEC_PER_HOUR
#define TOLD_EACH 10 /* from then on only the 100th, 1,000th ... is told */
#define TOGETHER 16  /* files of a rule at the same time that make one act of them */
#define DECISIONS_WANTED 3

/* ---- finding ---------------------------------------------------------------------------------------------------------- */

static const struct file_rule *rule_named(const struct judge *judge, const char *name)
{
        for (unsigned n = 0; n < judge->policy->files_n; n++)
                if (strcmp(judge->policy->files[n].name, name) == 0)
                        return &judge->policy->files[n];
        return NULL;
}

static struct breach *find_breach(struct judge *judge, const char *rule, enum cause cause)
{
        for (unsigned n = 0; n < BREACHES_MAX; n++)
                if (judge->breaches[n].cause == cause && strcmp(judge->breaches[n].rule, rule) == 0)
                        return &judge->breaches[n];
        return NULL;
}

/* NULL when all slots are taken: then it is restored all the same, and stands in the log, without an incident. */
static struct breach *breach_of(struct judge *judge, const struct file_rule *rule, enum cause cause)
{
        struct breach *breach = find_breach(judge, rule->name, cause);

        for (unsigned n = 0; n < BREACHES_MAX && !breach; n++)
                if (!*judge->breaches[n].rule) {
                        breach = &judge->breaches[n];
                        *breach = (struct breach){ .cause = cause, .incident = NOBODY };
                        text_copy(breach->rule, sizeof(breach->rule), rule->name);
                }
        return breach;
}

static struct guarded *find_guarded(struct judge *judge, const char *path)
{
        for (unsigned n = 0; n < GUARDED_MAX; n++)
                if (*path && strcmp(judge->guarded[n].path, path) == 0)
                        return &judge->guarded[n];
        return NULL;
}

static bool is_busy(const struct guarded *guarded)
{
        return guarded->due > 0 || guarded->ordered > 0;
}

/* A free slot, else that of the file that has been left alone the longest; NULL when every one has something to be done. */
static struct guarded *free_guarded(struct judge *judge)
{
        struct guarded *found = NULL;

        for (unsigned n = 0; n < GUARDED_MAX; n++) {
                struct guarded *guarded = &judge->guarded[n];

                if (!*guarded->path)
                        return guarded;
                if (!is_busy(guarded) && (!found || guarded->last < found->last))
                        found = guarded;
        }
        return found;
}

/* `path` may be the rule's name: all of its files together. */
static struct guarded *guarded_of(struct judge *judge, const struct file_rule *rule, const char *path)
{
        struct guarded *guarded = find_guarded(judge, path);

        if (!guarded && (guarded = free_guarded(judge))) {
                *guarded = (struct guarded){ .last = judge->now };
                text_copy(guarded->path, sizeof(guarded->path), path);
        }
        if (guarded)
                text_copy(guarded->rule, sizeof(guarded->rule), rule->name);
        return guarded;
}

static bool is_whole(const struct guarded *guarded)
{
        return strcmp(guarded->path, guarded->rule) == 0;
}

const struct file_rule *files_rule_of(const struct judge *judge, uint32_t incident)
{
        for (unsigned n = 0; n < BREACHES_MAX; n++)
                if (*judge->breaches[n].rule && judge->breaches[n].incident == incident)
                        return rule_named(judge, judge->breaches[n].rule);
        return NULL;
}

/* ---- in words --------------------------------------------------------------------------------------------------------- */

static bool given(const char *text)
{
        return text && *text;
}

static void say_writer(const struct fact *fact, char writer[WRITER_MAX])
{
        char name[AGENT_ID_MAX], exe[64];

        writer[0] = '\0';
        if (fact->file.by == FILE_BY_UNKNOWN || fact->file.by >= FILE_BY_N) {
                text_append(writer, WRITER_MAX, "somebody who is not known");
                return;
        }
        text_copy_safe(exe, sizeof(exe), given(fact->file.exe) ? fact->file.exe : "an unknown program");
        text_append(writer, WRITER_MAX, "%s", exe);
        if (fact->file.pid > 0 && fact->file.writer != UINT32_MAX)
                text_append(writer, WRITER_MAX, " (pid %d, uid %u)", (int)fact->file.pid, fact->file.writer);
        else if (fact->file.pid > 0)
                text_append(writer, WRITER_MAX, " (pid %d)", (int)fact->file.pid);
        if (!given(fact->agent))
                return;
        agent_short_name(fact->agent, name);
        text_append(writer, WRITER_MAX, " of %s", name);
}

static void say_path(char reason[REASON_MAX], const char *path)
{
        const char *tail = file_words_tail(path);

        text_append(reason, REASON_MAX, "%s%s", tail == path ? "" : "...", tail);
}

static void say_difference(char reason[REASON_MAX], const struct fact *fact)
{
        const struct file_difference difference = {
                .digest = fact->file.digest ? fact->file.digest : "",
                .sealed = fact->file.sealed ? fact->file.sealed : "",
                .size = fact->file.size,
                .sealed_size = fact->file.sealed_size,
                .mode = fact->file.mode,
                .sealed_mode = fact->file.sealed_mode,
                .uid = fact->file.uid,
                .sealed_uid = fact->file.sealed_uid,
                .gid = fact->file.gid,
                .sealed_gid = fact->file.sealed_gid,
        };

        if (fact->file.event == FILE_CHANGED)
                file_words_difference(reason, &difference);
        if (given(fact->file.what))
                text_append(reason, REASON_MAX, "; it is %s", fact->file.what);
        if (fact->file.differing > 1)
                text_append(reason, REASON_MAX, "; %u of the rule's files are not as they were sealed",
                            fact->file.differing);
}

static void say_change(const struct fact *fact, const char *writer, char reason[REASON_MAX])
{
        static const char *const words[FILE_EVENT_N] = {
                [FILE_CHANGED] = "was changed", [FILE_REMOVED] = "was removed",    [FILE_ADDED] = "was added",
                [FILE_MOVED] = "was moved",     [FILE_BOUND] = "was mounted over",
        };

        reason[0] = '\0';
        say_path(reason, fact->file.path);
        text_append(reason, REASON_MAX, " %s by %s", words[fact->file.event], writer);
        say_difference(reason, fact);
}

static void say_held(const struct guarded *guarded, char reason[REASON_MAX])
{
        reason[0] = '\0';
        if (is_whole(guarded))
                text_append(reason, REASON_MAX, "its files were restored");
        else
                say_path(reason, guarded->path);
        text_append(reason, REASON_MAX, "%s %d times in 10m: a loop of %s; from now on once a minute",
                    is_whole(guarded) ? "" : " was restored", RESTORES_MOST, guarded->writer);
}

/* ---- taking ----------------------------------------------------------------------------------------------------------- */

static void sooner(struct judge *judge, usec_t at)
{
        if (at < judge->machine_due)
                judge->machine_due = at;
}

static bool is_worth_telling(uint64_t before, uint64_t now)
{
        uint64_t power = TOLD_EACH;

        while (power <= before)
                power *= 10;
        return now <= TOLD_EACH || power <= now;
}

/* Counts, and says whether its reason is to be written anew. */
static bool count(struct judge *judge, struct breach *breach, uint64_t times)
{
        uint64_t before = breach->count;

        breach->count += times > 0 ? times : 1;
        breach->last = judge->now;
        if (!is_worth_telling(before, breach->count))
                return false;
        return breach->news = true;
}

/* Somebody may be at work on protected files, and which of them are so is for a look at each: they are not taken together. */
static bool may_be_at_work(const struct judge *judge, const struct file_rule *rule)
{
        return rule->kind == FILE_PROTECTED && change_is_open_for_files(judge, judge->now);
}

/* What was to be restored when a window opened is now for who opened it to say; the look at all files after it tells the rest. */
static bool is_left_alone(const struct judge *judge, const struct guarded *guarded, const struct file_rule *rule)
{
        if (!may_be_at_work(judge, rule))
                return false;
        return is_whole(guarded) || change_covers_path(judge, guarded->path, judge->now);
}

static bool is_change(enum file_event event)
{
        return event == FILE_CHANGED || event == FILE_REMOVED || event == FILE_ADDED || event == FILE_MOVED ||
               event == FILE_BOUND;
}

static bool is_planned(const struct judge *judge, const struct file_rule *rule, const struct fact *fact)
{
        return rule->kind == FILE_PROTECTED && change_covers_path(judge, fact->file.path, fact->at);
}

/* How many of the rule's files are to be restored, or are being restored, one by one. */
static unsigned busy_of(const struct judge *judge, const char *rule)
{
        unsigned n = 0;

        for (unsigned i = 0; i < GUARDED_MAX; i++)
                n += is_busy(&judge->guarded[i]) && strcmp(judge->guarded[i].rule, rule) == 0;
        return n;
}

/* What is to be restored together is not restored one by one besides; what is under way ends by itself. */
static void join(struct judge *judge, const char *rule)
{
        for (unsigned n = 0; n < GUARDED_MAX; n++)
                if (strcmp(judge->guarded[n].rule, rule) == 0 && !is_whole(&judge->guarded[n]))
                        judge->guarded[n].due = 0;
}

/* The file, or all of its rule when it is one of many; NULL when there is no room for it and it has to be told again. */
static struct guarded *wanted(struct judge *judge, const struct file_rule *rule, const char *path)
{
        struct guarded *whole = find_guarded(judge, rule->name), *guarded;

        if (whole && is_busy(whole))
                return whole;
        guarded = find_guarded(judge, path);
        if (guarded && is_busy(guarded))
                return guarded;
        if (busy_of(judge, rule->name) < TOGETHER && (guarded = guarded_of(judge, rule, path)))
                return guarded;
        if (may_be_at_work(judge, rule))
                return guarded_of(judge, rule, path);
        join(judge, rule->name);
        return guarded_of(judge, rule, rule->name);
}

static void take_change(struct judge *judge, const struct file_rule *rule, const struct fact *fact)
{
        struct guarded *guarded = wanted(judge, rule, fact->file.path);
        struct breach *breach = breach_of(judge, rule, CAUSE_GUARD_CHANGE);
        char writer[WRITER_MAX];

        say_writer(fact, writer);
        if (guarded) {
                guarded->last = judge->now;
                text_copy(guarded->writer, sizeof(guarded->writer), writer);
                if (guarded->ordered > 0)
                        guarded->again = true;
                else if (guarded->due == 0)
                        guarded->due = judge->now;
        }
        if (breach) {
                breach->differing = fact->file.differing > 0 ? fact->file.differing : 1;
                if (count(judge, breach, fact->file.times))
                        say_change(fact, writer, breach->reason);
        }
        sooner(judge, judge->now);
}

static void take_denied(struct judge *judge, const struct file_rule *rule, const struct fact *fact)
{
        struct breach *breach = breach_of(judge, rule, CAUSE_GUARD_DENIED);
        char writer[WRITER_MAX];

        if (!breach || !count(judge, breach, fact->file.times))
                return sooner(judge, judge->now);
        say_writer(fact, writer);
        breach->reason[0] = '\0';
        say_path(breach->reason, fact->file.path);
        text_append(breach->reason, REASON_MAX, ": a change by %s was refused", writer);
        sooner(judge, judge->now);
}

static void take_back(struct judge *judge, const struct file_rule *rule, const struct fact *fact)
{
        struct guarded *guarded = find_guarded(judge, fact->file.path);
        struct breach *breach = find_breach(judge, rule->name, CAUSE_GUARD_CHANGE);

        if (guarded)
                guarded->again = false, guarded->due = 0;
        for (unsigned n = 0; fact->file.differing == 0 && n < GUARDED_MAX; n++)
                if (strcmp(judge->guarded[n].rule, rule->name) == 0)
                        judge->guarded[n].again = false, judge->guarded[n].due = 0;
        if (breach)
                breach->differing = fact->file.differing;
        sooner(judge, judge->now);
}

static void take_level(struct judge *judge, const struct file_rule *rule, const struct fact *fact)
{
        bool less = fact->file.level < fact->file.before || fact->file.level == FILE_LEVEL_NONE;
        struct breach *breach = find_breach(judge, rule->name, CAUSE_GUARD_LEVEL);

        if (breach && fact->file.level >= breach->was && fact->file.level != FILE_LEVEL_NONE) {
                breach->over = true;
        } else if (less && (breach = breach_of(judge, rule, CAUSE_GUARD_LEVEL))) {
                if (breach->count == 0)
                        breach->was = fact->file.before;
                breach->over = false;
                count(judge, breach, 1);
                breach->news = true;
                breach->reason[0] = '\0';
                if (fact->file.level == FILE_LEVEL_NONE)
                        text_append(breach->reason, REASON_MAX, "its files cannot be guarded");
                else
                        text_append(breach->reason, REASON_MAX, "its files are guarded at level %s only, before at %s",
                                    file_level_name(fact->file.level), file_level_name(fact->file.before));
                if (given(fact->file.why))
                        text_append(breach->reason, REASON_MAX, ": %s", fact->file.why);
        }
        sooner(judge, judge->now);
}

void files_take(struct judge *judge, const struct fact *fact)
{
        bool level = fact->file.event == FILE_LEVEL;
        const struct file_rule *rule = NULL;

        if (level && fact->file.rule)
                rule = rule_named(judge, fact->file.rule);
        else if (!level && given(fact->file.path))
                rule = policy_file_rule(judge->policy, fact->file.path);
        if (!rule || fact->file.event == FILE_EVENT_NONE || fact->file.event >= FILE_EVENT_N)
                return;
        judge->material = true;
        if (level)
                take_level(judge, rule, fact);
        else if (fact->file.event == FILE_BACK)
                take_back(judge, rule, fact);
        else if (fact->file.event == FILE_DENIED)
                take_denied(judge, rule, fact);
        else if (is_change(fact->file.event) && !is_planned(judge, rule, fact))
                take_change(judge, rule, fact);
}

/* ---- what came of it -------------------------------------------------------------------------------------------------- */

/* What was changed meanwhile is not as the hand left it; what was changed before all of the rule was restored is. */
static void done(struct judge *judge, struct guarded *guarded, struct breach *breach)
{
        bool again = guarded->again, whole = is_whole(guarded);

        for (unsigned n = 0; whole && n < GUARDED_MAX; n++)
                if (strcmp(judge->guarded[n].rule, guarded->rule) == 0)
                        judge->guarded[n].again = false, judge->guarded[n].due = 0;
        guarded->again = false;
        if (again)
                guarded->due = judge->now;
        else if (breach && whole)
                breach->differing = 0;
        else if (breach && breach->differing > 0)
                breach->differing--;
}

static void failed(struct judge *judge, struct guarded *guarded, struct breach *breach, const char *text)
{
        const struct file_rule *rule = rule_named(judge, guarded->rule);

        guarded->due = rule && !is_left_alone(judge, guarded, rule) ? judge->now + AGAIN_AFTER : 0;
        guarded->again = false;
        if (!breach || !count(judge, breach, 1))
                return;
        breach->reason[0] = '\0';
        if (is_whole(guarded))
                text_append(breach->reason, REASON_MAX, "its files");
        else
                say_path(breach->reason, guarded->path);
        text_append(breach->reason, REASON_MAX, " could not be restored: %s", given(text) ? text : "nobody said why");
}

void files_outcome(struct judge *judge, const struct fact *fact)
{
        struct guarded *guarded = given(fact->outcome.path) ? find_guarded(judge, fact->outcome.path) : NULL;
        struct breach *breach = guarded ? find_breach(judge, guarded->rule, CAUSE_GUARD_CHANGE) : NULL;

        judge->material = true;
        if (!guarded)
                return;
        guarded->ordered = 0;
        guarded->last = judge->now;
        switch (fact->outcome.outcome) {
        case OUTCOME_OK: done(judge, guarded, breach); break;
        case OUTCOME_DRY: break;
        case OUTCOME_UNKNOWN: break; /* how it is, the look at all files after an absence tells */
        default: failed(judge, guarded, breach, fact->outcome.text); break;
        }
        sooner(judge, judge->now);
}

void files_window(struct judge *judge)
{
        for (unsigned n = 0; n < GUARDED_MAX; n++) {
                struct guarded *guarded = &judge->guarded[n];
                const struct file_rule *rule = *guarded->path ? rule_named(judge, guarded->rule) : NULL;

                if (rule && is_left_alone(judge, guarded, rule))
                        guarded->due = 0, guarded->again = false;
        }
}

void files_resumed(struct judge *judge)
{
        for (unsigned n = 0; n < GUARDED_MAX; n++)
                judge->guarded[n].ordered = 0, judge->guarded[n].again = false;
}

/* ---- looking ---------------------------------------------------------------------------------------------------------- */

static struct decision *decide_on(struct judge *judge, enum decision_kind kind, const struct guarded *guarded,
                                  const struct file_rule *rule, const struct breach *breach)
{
        struct decision *decision = decide(judge, kind, NULL, NULL, breach ? breach->incident : NOBODY);

        decision->cause = CAUSE_GUARD_CHANGE;
        decision->action = ACTION_RESTORE;
        decision->purpose = PURPOSE_GUARD;
        decision->enforce = rule->mode == MODE_ENFORCE && !only_observes(judge);
        decision->safety = true;
        decision->path = guarded->path;
        decision->rule = rule->name;
        decision->rule_file = rule->origin.file ? rule->origin.file : "";
        decision->rule_line = rule->origin.line;
        judge->material = true;
        return decision;
}

/* What it tells is told by its rule's name, which machine incidents do not know. */
static void name_rule(struct judge *judge, const struct file_rule *rule)
{
        struct decision *decision = &judge->decisions->list[judge->decisions->n - 1];

        decision->rule = rule->name;
        decision->rule_file = rule->origin.file ? rule->origin.file : "";
        decision->rule_line = rule->origin.line;
        decision->enforce = rule->mode == MODE_ENFORCE && !only_observes(judge);
}

static void tell(struct judge *judge, struct breach *breach, const struct file_rule *rule)
{
        breach->news = false;
        if (rule->on_breach == BREACH_RECORD)
                return;
        if (breach->incident == NOBODY) {
                breach->incident = incident_open(judge, NULL, NULL, breach->cause, breach->count, breach->reason);
        } else {
                judge->incidents[breach->incident].count = breach->count;
                incident_worsen(judge, NULL, NULL, breach->incident, breach->reason);
        }
        name_rule(judge, rule);
}

/* When the file may be restored again: now, or a minute after the last time when that was too often. */
static usec_t may_at(const struct judge *judge, const struct guarded *guarded)
{
        usec_t oldest = guarded->times[guarded->next],
               newest = guarded->times[(guarded->next + RESTORES_MOST - 1) % RESTORES_MOST];

        if (oldest == 0 || usec_since(judge->now, oldest) >= COUNTED_WITHIN || newest + HELD_EVERY <= judge->now)
                return judge->now;
        return newest + HELD_EVERY;
}

static void hold(struct judge *judge, struct guarded *guarded, const struct file_rule *rule, struct breach *breach,
                 usec_t until)
{
        struct decision *decision;

        guarded->due = until;
        if (guarded->held)
                return;
        guarded->held = true;
        decision = decide_on(judge, DECIDE_WITHHOLD, guarded, rule, breach);
        decision->withheld = WITHHELD_COOLING;
        say_held(guarded, decision->reason);
        if (!breach)
                return;
        text_copy(breach->reason, sizeof(breach->reason), decision->reason);
        tell(judge, breach, rule);
}

static void restore(struct judge *judge, struct guarded *guarded, const struct file_rule *rule, struct breach *breach)
{
        struct decision *decision;

        guarded->due = 0;
        guarded->ordered = judge->now;
        if (usec_since(judge->now, guarded->times[guarded->next]) >= COUNTED_WITHIN)
                guarded->held = false;
        guarded->times[guarded->next] = judge->now;
        guarded->next = (guarded->next + 1) % RESTORES_MOST;
        decision = decide_on(judge, DECIDE_ACT, guarded, rule, breach);
        if (is_whole(guarded))
                text_append(decision->reason, REASON_MAX, "all of the rule's files, of which many were changed, by %s",
                            guarded->writer);
        else
                text_append(decision->reason, REASON_MAX, "changed by %s", guarded->writer);
}

/* True when it decided something. */
static bool look_at_guarded(struct judge *judge, struct guarded *guarded, usec_t *due)
{
        const struct file_rule *rule = rule_named(judge, guarded->rule);
        struct breach *breach = find_breach(judge, guarded->rule, CAUSE_GUARD_CHANGE);
        usec_t at;

        if (!rule) { /* of a policy that is no more */
                *guarded = (struct guarded){ .last = 0 };
                return false;
        }
        if (guarded->due == 0)
                return false;
        if (guarded->due > judge->now) {
                *due = guarded->due < *due ? guarded->due : *due;
                return false;
        }
        if (is_left_alone(judge, guarded, rule)) {
                guarded->due = 0;
                return false;
        }
        if (breach && breach->news)
                tell(judge, breach, rule);
        at = may_at(judge, guarded);
        if (at > judge->now)
                hold(judge, guarded, rule, breach, at);
        else
                restore(judge, guarded, rule, breach);
        return true;
}

/* Whether nothing of it goes on. */
static bool is_calm(const struct judge *judge, const struct breach *breach)
{
        if (breach->cause != CAUSE_GUARD_CHANGE)
                return true;
        for (unsigned n = 0; n < GUARDED_MAX; n++)
                if (strcmp(judge->guarded[n].rule, breach->rule) == 0 && is_busy(&judge->guarded[n]))
                        return false;
        return breach->differing == 0;
}

static bool end(struct judge *judge, struct breach *breach, const char *reason)
{
        uint32_t incident = breach->incident;
        const struct file_rule *rule = rule_named(judge, breach->rule);

        *breach = (struct breach){ .incident = NOBODY };
        if (incident == NOBODY)
                return false;
        incident_resolve(judge, incident, reason);
        if (rule)
                name_rule(judge, rule);
        return true;
}

static bool look_at_breach(struct judge *judge, struct breach *breach, usec_t *due)
{
        const struct file_rule *rule = rule_named(judge, breach->rule);

        if (!rule)
                return end(judge, breach, "no rule guards these files any more");
        if (breach->news) {
                tell(judge, breach, rule);
                return true;
        }
        if (breach->cause == CAUSE_GUARD_LEVEL)
                return breach->over && end(judge, breach, "its files are guarded as well as before");
        if (!is_calm(judge, breach))
                return false;
        if (breach->last + QUIET <= judge->now)
                return end(judge, breach,
                           breach->cause == CAUSE_GUARD_DENIED ? "nobody tried for 1h"
                                                               : "every file is as it was sealed, and was for 1h");
        *due = breach->last + QUIET < *due ? breach->last + QUIET : *due;
        return false;
}

void files_look(struct judge *judge, usec_t *due)
{
        bool decided = judge->decisions->n + DECISIONS_WANTED > DECISIONS_MAX;

        for (unsigned n = 0; n < GUARDED_MAX && !decided; n++)
                if (*judge->guarded[n].path)
                        decided = look_at_guarded(judge, &judge->guarded[n], due);
        for (unsigned n = 0; n < BREACHES_MAX && !decided; n++)
                if (*judge->breaches[n].rule)
                        decided = look_at_breach(judge, &judge->breaches[n], due);
        if (decided)
                *due = judge->now;
}

void files_forget(struct judge *judge, uint32_t incident)
{
        for (unsigned n = 0; n < BREACHES_MAX; n++)
                if (*judge->breaches[n].rule && judge->breaches[n].incident == incident)
                        judge->breaches[n].incident = NOBODY;
}
