#include "heal/rollback.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "heal/restore.h"

#define BOTH_MAX (RESTORE_TEXT_MAX + 256) /* what came of the files, and of the restart */

/* One errand on its way: read the two versions, prepare file by file, put in place, restart. */
struct job {
        struct rollback_hand *hand;
        struct errand *errand;
        struct job *next;
        struct version from, to;
        struct restore *restore;
        sd_event_source *step;
        struct errand restart;
        char text[RESTORE_TEXT_MAX];
};

struct rollback_hand {
        sd_event *event;
        struct rollback_options options;
        struct job *jobs;
};

/* ---- the end ------------------------------------------------------------------------------------------------------------ */

static void job_unlink(struct job *job)
{
        struct job **at = &job->hand->jobs;

        while (*at != job)
                at = &(*at)->next;
        *at = job->next;
}

/* The job is gone before `done` hears of it, so that it may begin another at once. */
static void finish(struct job *job, enum outcome outcome, const char *text)
{
        struct errand *errand = job->errand;
        char copy[BOTH_MAX];

        text_copy_safe(copy, sizeof(copy), text);
        job_unlink(job);
        sd_event_source_disable_unref(job->step);
        restore_free(job->restore);
        version_done(&job->from);
        version_done(&job->to);
        free(job);
        errand->hand = NULL;
        errand->done(errand, outcome, copy);
}

/* ---- the restart -------------------------------------------------------------------------------------------------------- */

static void on_restarted(struct errand *restart, enum outcome outcome, const char *text)
{
        struct job *job = restart->self;
        char both[BOTH_MAX];

        text_copy(both, sizeof(both), job->text);
        if (outcome != OUTCOME_OK)
                text_append(both, sizeof(both), "; the restart: %s", text && *text ? text : outcome_name(outcome));
        finish(job, outcome, both);
}

/* Whichever incarnation runs: what it has read is what was bad. */
static void restart(struct job *job)
{
        const struct hands *hands = &job->hand->options.hands[agent_manager(job->errand->agent)];
        char both[BOTH_MAX];
        int r = -EOPNOTSUPP;

        job->restart = (struct errand){
                .agent = job->errand->agent,
                .instance = job->errand->instance,
                .action = ACTION_RESTART,
                .done = on_restarted,
                .self = job,
        };
        if (hands->act)
                r = hands->act(hands->self, &job->restart);
        if (r >= 0)
                return;
        text_copy(both, sizeof(both), job->text);
        text_append(both, sizeof(both), "; it could not be restarted: %s", strerror(-r));
        finish(job, OUTCOME_FAILED, both);
}

/* ---- the files ---------------------------------------------------------------------------------------------------------- */

static int begin(struct job *job)
{
        struct vault *vault = job->hand->options.vault;
        int r = version_get(vault, job->errand->to, &job->to);

        if (r >= 0)
                r = version_get(vault, job->errand->from, &job->from);
        if (r >= 0)
                r = restore_new(vault, &job->from, &job->to, &job->restore);
        if (r == -E2BIG)
                snprintf(job->text, sizeof(job->text), "more than %u files differ: nothing was changed",
                         RESTORE_FILES_MAX);
        else if (r < 0)
                snprintf(job->text, sizeof(job->text), "what the version was cannot be read from the vault: %s",
                         r == -EBADMSG ? "it is damaged" : strerror(-r));
        return r;
}

static void on_changed(void *self, const char *path, const struct file_state *now)
{
        const struct job *job = self;

        if (job->hand->options.changed)
                job->hand->options.changed(job->hand->options.self, path, now);
}

static int commit(struct job *job)
{
        int r = restore_commit(job->restore);

        restore_each(job->restore, on_changed, job);
        if (job->hand->options.changed_all)
                job->hand->options.changed_all(job->hand->options.self);
        text_copy_safe(job->text, sizeof(job->text), restore_text(job->restore));
        return r;
}

/* One thing a turn: whatever else is due is not kept waiting by many files. */
static int on_step(sd_event_source *source, void *userdata)
{
        struct job *job = userdata;
        int r;

        (void)source;
        if (!job->restore) {
                r = begin(job);
                if (r < 0)
                        finish(job, OUTCOME_FAILED, job->text);
                return 0;
        }
        r = restore_prepare(job->restore);
        if (r > 0)
                return 0;
        if (r < 0)
                text_copy_safe(job->text, sizeof(job->text), restore_text(job->restore));
        else
                r = commit(job);
        sd_event_source_set_enabled(job->step, SD_EVENT_OFF);
        if (r < 0)
                finish(job, r == -ESTALE ? OUTCOME_STALE : OUTCOME_FAILED, job->text);
        else
                restart(job);
        return 0;
}

int rollback_hand_act(void *self, struct errand *errand)
{
        struct rollback_hand *hand = self;
        struct job *job;
        int r;

        if (errand->action != ACTION_ROLLBACK || !errand->from || !errand->to)
                return -EINVAL;
        if (!hand->options.vault)
                return -ENODEV;
        for (job = hand->jobs; job; job = job->next)
                if (strcmp(job->errand->agent, errand->agent) == 0)
                        return -EBUSY;
        job = calloc(1, sizeof(*job));
        if (!job)
                return -ENOMEM;
        job->hand = hand;
        job->errand = errand;
        r = sd_event_add_defer(hand->event, &job->step, on_step, job);
        if (r >= 0)
                r = sd_event_source_set_enabled(job->step, SD_EVENT_ON);
        if (r < 0) {
                sd_event_source_disable_unref(job->step);
                free(job);
                return r;
        }
        job->next = hand->jobs;
        hand->jobs = job;
        errand->hand = job;
        return 0;
}

int rollback_hand_new(sd_event *event, const struct rollback_options *options, struct rollback_hand **ret)
{
        struct rollback_hand *hand = calloc(1, sizeof(*hand));

        if (!hand)
                return -ENOMEM;
        hand->event = sd_event_ref(event);
        hand->options = *options;
        *ret = hand;
        return 0;
}

/* The managers' hands are gone by now, and with them each restart that they had. */
struct rollback_hand *rollback_hand_free(struct rollback_hand *hand)
{
        if (!hand)
                return NULL;
        while (hand->jobs)
                finish(hand->jobs, OUTCOME_UNKNOWN, "Governor ended before it was done");
        sd_event_unref(hand->event);
        free(hand);
        return NULL;
}
