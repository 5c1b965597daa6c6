#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/finding.h"
#include "io/cleanup.h"
#include "io/record.h"
#include "perform/chronicle.h"

#define RETRY_AFTER (5 * USEC_PER_SEC) /* while the chain cannot be written */

struct chronicle {
        struct audit *audit;
        char *state_dir;
        struct chronicle_options options;
        sd_event_source *turn;  /* end of each turn of the loop */
        sd_event_source *timer; /* next seal, or next try */
        bool healthy;
        uint64_t sealed_size; /* as it was told last */
        dev_t device;         /* the file that we write, so that its name cannot come to mean another one unseen */
        ino_t inode;
        bool full; /* the reserve is in use */
};

static int arm(struct chronicle *chronicle, usec_t boottime)
{
        sd_event_source_set_time(chronicle->timer, boottime);
        return sd_event_source_set_enabled(chronicle->timer,
                                           boottime == USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static void tell_trouble(struct chronicle *chronicle, int error, const char *what)
{
        if (chronicle->options.troubled)
                chronicle->options.troubled(chronicle->options.self, error, what);
}

static void tell(struct chronicle *chronicle, void (*what)(void *self))
{
        if (what)
                what(chronicle->options.self);
}

/* True when there is a seal that was not there before. */
static bool note_seal(struct chronicle *chronicle)
{
        const uint64_t before = chronicle->sealed_size;
        struct audit_head head;

        audit_head(chronicle->audit, &head);
        chronicle->sealed_size = head.sealed_size;
        return head.sealed_size != before;
}

static int look_at_file(const struct chronicle *chronicle, struct stat *ret)
{
        char path[PATH_MAX];

        snprintf(path, sizeof(path), "%s/audit.db", chronicle->state_dir);
        return stat(path, ret) < 0 ? -errno : 0;
}

static void remember_file(struct chronicle *chronicle)
{
        struct stat st;

        if (look_at_file(chronicle, &st) < 0)
                return;
        chronicle->device = st.st_dev;
        chronicle->inode = st.st_ino;
}

/* With the file deleted or exchanged SQLite goes on writing into what has no name any more. */
static bool is_exchanged(const struct chronicle *chronicle)
{
        struct stat st;
        int r = look_at_file(chronicle, &st);

        return r == -ENOENT || (r == 0 && (st.st_dev != chronicle->device || st.st_ino != chronicle->inode));
}

/* There is none, or the file is no longer the log that we wrote: it is set aside, and what waited goes into a new one. */
static int reopen(struct chronicle *chronicle)
{
        struct audit_options options = { .retention_days = chronicle->options.retention_days, .reason = "reopened" };
        struct audit_how how;
        int r;

        r = chronicle->audit ? audit_reopen(chronicle->audit, "reopened", &how)
                             : audit_open(chronicle->state_dir, &options, &chronicle->audit, &how);
        if (r < 0)
                return r;
        note_seal(chronicle);
        remember_file(chronicle);
        if (chronicle->options.reopened)
                chronicle->options.reopened(chronicle->options.self, &how);
        return r;
}

/* Once when it begins and once when it is over, not with each commit in between. */
static void note_written(struct chronicle *chronicle, bool full)
{
        bool was_well = chronicle->healthy && !chronicle->full;

        if (full && !chronicle->full)
                tell_trouble(chronicle, -ENOSPC, "the reserve of the audit log is in use");
        chronicle->healthy = true;
        chronicle->full = full;
        if (!was_well && !full && chronicle->options.recovered)
                chronicle->options.recovered(chronicle->options.self);
}

/* What a call came to that wrote to the chain, and all who have to know. */
static int take_result(struct chronicle *chronicle, int r)
{
        if (r < 0) {
                if (chronicle->healthy)
                        tell_trouble(chronicle, r, "the audit log cannot be written");
                chronicle->healthy = false;
                return r;
        }
        note_written(chronicle, audit_degraded(chronicle->audit));
        if (r & AUDIT_FOREIGN_WRITE) {
                tell_trouble(chronicle, 0, "another program wrote to the audit log");
                tell(chronicle, chronicle->options.touched);
        }
        if (r & AUDIT_KEY_FAULT)
                tell_trouble(chronicle, 0, "seal.key cannot be written: records are durable but not sealed");
        tell(chronicle, chronicle->options.committed);
        if (note_seal(chronicle))
                tell(chronicle, chronicle->options.sealed);
        return 0;
}

static int commit(struct chronicle *chronicle, unsigned flags)
{
        int r;

        if (!chronicle->audit)
                r = reopen(chronicle);
        else
                r = flags & AUDIT_SEAL && is_exchanged(chronicle) ? -EUCLEAN : audit_commit(chronicle->audit, flags);
        if (r == -EUCLEAN) {
                tell_trouble(chronicle, r, "the audit log on disk is not the one this daemon wrote");
                r = reopen(chronicle);
        }
        return take_result(chronicle, r);
}

static usec_t boottime_now(struct chronicle *chronicle)
{
        usec_t now = 0;

        sd_event_now(sd_event_source_get_event(chronicle->timer), CLOCK_BOOTTIME, &now);
        return now;
}

static void arm_next(struct chronicle *chronicle)
{
        usec_t due = chronicle->healthy && chronicle->audit ? audit_seal_deadline(chronicle->audit)
                                                            : boottime_now(chronicle) + RETRY_AFTER;

        arm(chronicle, due);
}

static int on_turn(sd_event_source *source, void *userdata)
{
        struct chronicle *chronicle = userdata;

        (void)source;
        if (!chronicle->healthy || !chronicle->audit || audit_pending_count(chronicle->audit) == 0)
                return 0;
        commit(chronicle, audit_seal_due(chronicle->audit, boottime_now(chronicle)) ? AUDIT_SEAL : 0);
        arm_next(chronicle);
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct chronicle *chronicle = userdata;

        (void)source, (void)usec;
        commit(chronicle, AUDIT_SEAL);
        arm_next(chronicle);
        return 0;
}

/* Governor may fail, the machine may not be left unwatched for that. */
static bool is_ill_disk(int r)
{
        return r == -ENOSPC || r == -EDQUOT || r == -EROFS || r == -EIO;
}

int chronicle_new(sd_event *event, const struct chronicle_options *options, struct audit_how *ret_how,
                  struct chronicle **ret)
{
        struct audit_options audit_options = { .retention_days = options->retention_days, .reason = options->reason };
        struct chronicle *chronicle = calloc(1, sizeof(*chronicle));
        int r;

        if (!chronicle)
                return -ENOMEM;
        chronicle->options = *options;
        chronicle->state_dir = strdup(options->state_dir);
        r = chronicle->state_dir ? audit_open(options->state_dir, &audit_options, &chronicle->audit, ret_how) : -ENOMEM;
        chronicle->healthy = r >= 0;
        if (r >= 0) {
                note_seal(chronicle);
                remember_file(chronicle);
        }
        if (is_ill_disk(r))
                r = 0;
        if (r >= 0)
                r = sd_event_add_post(event, &chronicle->turn, on_turn, chronicle);
        if (r >= 0) /* accuracy of a second: a seal may join a wakeup that happens anyway */
                r = sd_event_add_time(event, &chronicle->timer, CLOCK_BOOTTIME, USEC_INFINITY, USEC_PER_SEC, on_timer,
                                      chronicle);
        if (r < 0) {
                chronicle_free(chronicle);
                return r;
        }
        arm_next(chronicle);
        *ret = chronicle;
        return 0;
}

struct chronicle *chronicle_free(struct chronicle *chronicle)
{
        if (!chronicle)
                return NULL;
        chronicle->options.committed = chronicle->options.touched = NULL;
        if (chronicle->audit)
                audit_commit(chronicle->audit, AUDIT_SEAL);
        audit_close(chronicle->audit);
        sd_event_source_disable_unref(chronicle->turn);
        sd_event_source_disable_unref(chronicle->timer);
        free(chronicle->state_dir);
        free(chronicle);
        return NULL;
}

int chronicle_event_seq(struct chronicle *chronicle, const struct audit_entry *entry, uint64_t *ret_seq)
{
        return chronicle->audit ? audit_append(chronicle->audit, entry, ret_seq) : -EIO;
}

int chronicle_event(struct chronicle *chronicle, const struct audit_entry *entry)
{
        uint64_t seq;

        return chronicle_event_seq(chronicle, entry, &seq);
}

int chronicle_fact(struct chronicle *chronicle, const struct fact *fact)
{
        char verb[RECORD_VERB_MAX];
        _cleanup_(json_decrefp) json_t *details = record_of_fact(fact, verb);
        struct audit_entry entry = {
                .action = verb,
                .subject = fact->agent,
                .outcome = AUDIT_INFO,
                .details = details,
        };

        return chronicle_event(chronicle, &entry);
}

int chronicle_decision(struct chronicle *chronicle, const struct decision *decision, enum audit_outcome outcome,
                       const char *actor, uint64_t *ret_seq)
{
        char verb[RECORD_VERB_MAX], incident[INCIDENT_NAME_MAX] = "";
        _cleanup_(json_decrefp) json_t *details = record_of_decision(decision, verb);
        struct audit_entry entry = {
                .action = verb,
                .actor = actor,
                .subject = decision->agent,
                .incident = decision->incident ? incident_name(incident, decision->incident) : "",
                .outcome = outcome,
                .details = details,
        };

        return chronicle->audit ? audit_append(chronicle->audit, &entry, ret_seq) : -EIO;
}

/* What the chain's six outcomes make of ours. */
static enum audit_outcome outcome_in_chain(enum outcome outcome)
{
        switch (outcome) {
        case OUTCOME_OK: return AUDIT_OK;
        case OUTCOME_REFUSED: return AUDIT_DENIED;
        case OUTCOME_DRY: return AUDIT_INFO;
        case OUTCOME_TIMEOUT:
        case OUTCOME_UNKNOWN: return AUDIT_UNKNOWN;
        default: return AUDIT_FAIL;
        }
}

int chronicle_outcome(struct chronicle *chronicle, const struct fact *fact, uint64_t intent, uint64_t incident)
{
        char verb[RECORD_VERB_MAX], name[INCIDENT_NAME_MAX] = "";
        _cleanup_(json_decrefp) json_t *details = record_of_outcome(fact, intent);
        struct audit_entry entry = {
                .action = verb,
                .subject = fact->agent,
                .incident = incident ? incident_name(name, incident) : "",
                .outcome = outcome_in_chain(fact->outcome.outcome),
                .details = details,
        };

        action_verb(fact->outcome.action, verb);
        return chronicle_event(chronicle, &entry);
}

int chronicle_settle(struct chronicle *chronicle)
{
        int r = commit(chronicle, AUDIT_SEAL);

        arm_next(chronicle);
        return r;
}

int chronicle_seal_nonce(struct chronicle *chronicle, const char *nonce, const char *actor)
{
        int r = commit(chronicle, AUDIT_SEAL); /* what waits stands before it, in a file that is ours */

        if (r >= 0)
                r = audit_seal_nonce(chronicle->audit, nonce, actor);
        if (r != -EINVAL)
                r = take_result(chronicle, r);
        arm_next(chronicle);
        return r;
}

int chronicle_rotate(struct chronicle *chronicle, const char *reason, const char *actor, struct audit_how *ret_how)
{
        int r = commit(chronicle, AUDIT_SEAL);

        if (r >= 0)
                r = audit_rotate(chronicle->audit, reason, actor, ret_how);
        if (r >= 0)
                remember_file(chronicle);
        if (r >= 0 && chronicle->options.reopened)
                chronicle->options.reopened(chronicle->options.self, ret_how);
        r = take_result(chronicle, r);
        arm_next(chronicle);
        return r < 0 ? r : chronicle_settle(chronicle);
}

/* What failed here has changed nothing, unless the file itself could not be opened again. */
int chronicle_archive(struct chronicle *chronicle, const struct audit_archiving *archiving, const char *actor)
{
        int r = commit(chronicle, AUDIT_SEAL);

        if (r < 0)
                return r;
        r = audit_archive_commit(chronicle->audit, archiving, actor);
        if (r >= 0) {
                remember_file(chronicle);
                r = take_result(chronicle, r);
        } else if (audit_commit(chronicle->audit, 0) == -EUCLEAN) {
                commit(chronicle, AUDIT_SEAL);
        }
        arm_next(chronicle);
        return r;
}

int chronicle_cosign(struct chronicle *chronicle, uint64_t size, const char *vkey, const char *line)
{
        const struct audit_slice slice = { line, strlen(line) };

        return chronicle->audit ? audit_cosign(chronicle->audit, size, vkey, slice) : -EIO;
}

bool chronicle_healthy(const struct chronicle *chronicle)
{
        return chronicle->healthy && chronicle->audit && !audit_degraded(chronicle->audit);
}

void chronicle_head(const struct chronicle *chronicle, struct audit_head *ret)
{
        if (chronicle->audit)
                audit_head(chronicle->audit, ret);
}

const char *chronicle_last_note(const struct chronicle *chronicle)
{
        return chronicle->audit ? audit_last_note(chronicle->audit) : "";
}
