#include "heal/pm2.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "io/pm2_call.h"
#include "io/pm2_proc.h"

#define PATIENCE \
        (5 * USEC_PER_SEC) /* for a list; on top of twice the kill timeout for an order: the app has to begin again */
#define LOOK_AGAIN (250 * USEC_PER_MSEC)
#define ONLINE_WITHIN (15 * USEC_PER_SEC) /* before the next instance is rolled */
#define STOPS_MAX 5 /* of one instance: PM2 says yes to a stop that meets a death, and then begins the app again */

/* One errand under way: its instances one after the other. */
struct job {
        struct pm2_hand *hand;
        struct job *next_job;
        struct errand *errand;
        struct pm2_home *home;
        struct pm2_call *call;
        sd_event_source *wait;
        pid_t pid_before; /* of the instance at hand, to tell whether a call that got no answer was carried out */
        int64_t restarts_before;
        usec_t online_by;
        unsigned stops;                /* sent to the instance at hand */
        void (*look)(struct job *job); /* what the wait is for */
        size_t at, n;
        uint32_t ids[];
};

struct pm2_hand {
        sd_event *event;
        struct pm2_directory *directory;
        struct job *jobs;
        usec_t patience;
};

static void next_instance(struct job *job);
static void order(struct job *job);

static struct pm2_instance *instance_at(const struct job *job, size_t i)
{
        return pm2_directory_find(job->hand->directory, job->home, job->ids[i]);
}

static void release(struct job *job, bool still_ours)
{
        for (size_t i = 0; i < job->n; i++) {
                struct pm2_instance *instance = instance_at(job, i);

                if (!instance)
                        continue;
                instance->busy = false;
                instance->ours = still_ours;
        }
}

/* The end of the errand. The job is gone before `done` hears of it, so that it may begin another at once. */
static void finish(struct job *job, enum outcome outcome, const char *text)
{
        struct errand *errand = job->errand;
        struct job **link = &job->hand->jobs;
        char copy[PM2_TEXT_MAX];

        (void)text_copy_safe(copy, sizeof(copy), text);
        while (*link != job)
                link = &(*link)->next_job;
        *link = job->next_job;
        release(job, outcome == OUTCOME_TIMEOUT);
        pm2_call_free(job->call);
        sd_event_source_disable_unref(job->wait);
        free(job);

        errand->hand = NULL;
        errand->done(errand, outcome, copy);
}

static usec_t now(const struct job *job)
{
        uint64_t usec = 0;

        (void)sd_event_now(job->hand->event, CLOCK_MONOTONIC, &usec);
        return usec;
}

static int ask(struct job *job, enum pm2_request request, usec_t within, pm2_call_done done)
{
        struct pm2_question question = {
                .home = job->home->path,
                .owner = job->home->uid,
                .request = request,
                .pm_id = job->ids[job->at],
                .within = within,
        };

        job->call = pm2_call_free(job->call);
        return pm2_call_new(job->hand->event, &question, done, job, &job->call);
}

static void not_reached(struct job *job, int r)
{
        char text[PM2_TEXT_MAX];

        (void)snprintf(text, sizeof(text), "the PM2 daemon cannot be reached: %s", strerror(-r));
        finish(job, OUTCOME_FAILED, text);
}

static const struct pm2_app *row_of(const struct job *job, const struct pm2_reply *reply)
{
        for (size_t i = 0; i < reply->n_apps; i++)
                if (reply->apps[i].pm_id == job->ids[job->at])
                        return &reply->apps[i];
        return NULL;
}

/* ---- a call that got no answer: PM2 may have carried it out, and may yet ---- */

static bool is_proven(const struct job *job, const struct pm2_app *row)
{
        enum claimed claimed = pm2_claimed(row->status);

        switch (job->errand->action) {
        case ACTION_RESTART:
                return row->restarts > job->restarts_before ||
                       (claimed == CLAIMED_RUNNING && row->pid > 0 && row->pid != job->pid_before);
        case ACTION_STOP: return row->pid == 0 && (claimed == CLAIMED_STOPPED || claimed == CLAIMED_FAILED);
        case ACTION_START: return row->pid > 0 && (claimed == CLAIMED_RUNNING || claimed == CLAIMED_STARTING);
        default: return false;
        }
}

static void on_proof(void *self, int result, const struct pm2_reply *reply)
{
        struct job *job = self;
        const struct pm2_app *row = result < 0 || reply->failed ? NULL : row_of(job, reply);

        if (row && is_proven(job, row)) {
                job->at++;
                next_instance(job);
        } else if (result < 0) {
                finish(job, OUTCOME_TIMEOUT, "the PM2 daemon does not answer");
        } else {
                finish(job, OUTCOME_TIMEOUT, "no answer in time, and PM2's list does not show it done");
        }
}

static void look_for_proof(struct job *job)
{
        int r = ask(job, PM2_LIST, job->hand->patience, on_proof);

        if (r < 0)
                finish(job, OUTCOME_TIMEOUT, "no answer in time, and the PM2 daemon cannot be reached any more");
}

/* ---- a look at the list a moment later ---- */

static int on_wait(sd_event_source *source, uint64_t usec, void *self)
{
        struct job *job = self;

        job->look(job);
        return 0;
}

static void look_later(struct job *job, void (*look)(struct job *job))
{
        int r;

        job->look = look;
        job->wait = sd_event_source_disable_unref(job->wait);
        r = sd_event_add_time_relative(job->hand->event, &job->wait, CLOCK_MONOTONIC, LOOK_AGAIN, 50 * USEC_PER_MSEC,
                                       on_wait, job);
        if (r < 0)
                finish(job, OUTCOME_FAILED, "out of memory; what came of it was not looked at");
}

/* ---- an instance that was stopped: believed when the list shows it down ---- */

static void on_stopped_list(void *self, int result, const struct pm2_reply *reply)
{
        struct job *job = self;
        const struct pm2_app *row = result < 0 || reply->failed ? NULL : row_of(job, reply);

        if (result == -ETIMEDOUT) {
                finish(job, OUTCOME_TIMEOUT, "PM2 stopped it, and no longer answers what became of that");
        } else if (!row || row->pid == 0) {
                job->at++;
                next_instance(job);
        } else if (job->stops < STOPS_MAX) {
                order(job);
        } else {
                finish(job, OUTCOME_FAILED, "PM2 begins it again after each stop");
        }
}

static void look_stopped(struct job *job)
{
        int r = ask(job, PM2_LIST, job->hand->patience, on_stopped_list);

        if (r < 0)
                not_reached(job, r);
}

/* ---- an instance that was ordered to begin: the next one is left in peace until it is online ---- */

static void look_online(struct job *job);

static void on_online_list(void *self, int result, const struct pm2_reply *reply)
{
        struct job *job = self;
        const struct pm2_app *row = result < 0 || reply->failed ? NULL : row_of(job, reply);
        enum claimed claimed = row ? pm2_claimed(row->status) : CLAIMED_GONE;
        char text[PM2_TEXT_MAX];

        if (claimed == CLAIMED_RUNNING) {
                job->at++;
                next_instance(job);
        } else if (claimed != CLAIMED_GONE && claimed != CLAIMED_FAILED && now(job) < job->online_by) {
                look_later(job, look_online);
        } else {
                (void)snprintf(text, sizeof(text), "instance %u did not come online; the rest was left alone",
                               job->ids[job->at]);
                finish(job, OUTCOME_FAILED, text);
        }
}

static void look_online(struct job *job)
{
        int r = ask(job, PM2_LIST, job->hand->patience, on_online_list);

        if (r < 0)
                not_reached(job, r);
}

/* ---- the order itself ---- */

static bool is_refusal(const struct job *job, const struct pm2_reply *reply)
{
        if (!reply->failed)
                return false;
        return job->errand->action != ACTION_START || (strcmp(reply->text, "process already online") != 0 &&
                                                       strcmp(reply->text, "process already started") != 0);
}

static void on_order(void *self, int result, const struct pm2_reply *reply)
{
        struct job *job = self;

        if (result == -ETIMEDOUT || result == -ECONNRESET) {
                look_for_proof(job);
        } else if (result < 0) {
                not_reached(job, result);
        } else if (is_refusal(job, reply)) {
                finish(job, OUTCOME_FAILED, reply->text);
        } else if (job->errand->action == ACTION_STOP) {
                look_later(job, look_stopped);
        } else if (job->at + 1 < job->n) {
                job->online_by = now(job) + ONLINE_WITHIN;
                look_online(job);
        } else {
                job->at++;
                next_instance(job);
        }
}

static enum pm2_request request_of(enum action action)
{
        switch (action) {
        case ACTION_STOP: return PM2_STOP;
        case ACTION_START: return PM2_START;
        default: return PM2_RESTART;
        }
}

static void order(struct job *job)
{
        const struct pm2_instance *instance = instance_at(job, job->at);
        usec_t kill_timeout = instance ? instance->kill_timeout : 0;
        int r = ask(job, request_of(job->errand->action), 2 * kill_timeout + job->hand->patience, on_order);

        job->stops++;
        if (r < 0)
                not_reached(job, r);
}

/* The incarnation that the decision is about must still be the one that is there. */
static bool is_stale(const struct job *job)
{
        const struct errand *errand = job->errand;

        if (errand->pid <= 0)
                return false;
        if (!pm2_proc_lives(&job->hand->directory->proc, errand->pid, errand->start))
                return true;
        for (size_t i = 0; i < job->n; i++) {
                const struct pm2_instance *instance = instance_at(job, i);

                if (instance && instance->pid == errand->pid && instance->start == errand->start)
                        return false;
        }
        return true;
}

static void next_instance(struct job *job)
{
        const struct pm2_instance *instance;

        if (job->at == job->n) {
                finish(job, OUTCOME_OK, "");
                return;
        }
        instance = instance_at(job, job->at);
        if (!instance || (job->at == 0 && is_stale(job))) {
                finish(job, OUTCOME_STALE,
                       instance ? "another incarnation runs by now" : "PM2 does not list it any more");
                return;
        }

        job->pid_before = instance->claimed_pid > 0 ? instance->claimed_pid : instance->pid;
        job->restarts_before = instance->restarts;
        job->stops = 0;
        order(job);
}

static int on_begin(sd_event_source *source, void *self)
{
        struct job *job = self;

        job->wait = sd_event_source_disable_unref(job->wait);
        next_instance(job);
        return 0;
}

/* The instances that the errand means, all of one home; 0 when there are none. */
static size_t count_instances(const struct pm2_directory *directory, const struct errand *errand, bool *ret_busy)
{
        const struct pm2_instance *instance;
        size_t n = 0;

        *ret_busy = false;
        for (size_t i = 0; (instance = pm2_directory_nth(directory, errand->agent, i)); i++)
                if (errand->instance == INSTANCE_ALL || errand->instance == instance->pm_id) {
                        n++;
                        *ret_busy |= instance->busy;
                }
        return n;
}

static void take_instances(struct job *job)
{
        struct pm2_instance *instance;

        for (size_t i = 0; (instance = pm2_directory_nth(job->hand->directory, job->errand->agent, i)); i++) {
                if (job->errand->instance != INSTANCE_ALL && job->errand->instance != instance->pm_id)
                        continue;
                job->home = instance->home;
                job->ids[job->n++] = instance->pm_id;
                instance->busy = true;
                instance->ours = true;
        }
}

int pm2_hand_act(void *self, struct errand *errand)
{
        struct pm2_hand *hand = self;
        struct job *job;
        bool busy;
        size_t n;
        int r;

        if (errand->action != ACTION_RESTART && errand->action != ACTION_STOP && errand->action != ACTION_START)
                return -EOPNOTSUPP;
        n = count_instances(hand->directory, errand, &busy);
        if (n == 0)
                return -ENOENT;
        if (busy)
                return -EBUSY;

        job = calloc(1, sizeof(*job) + n * sizeof(*job->ids));
        if (!job)
                return -ENOMEM;
        job->hand = hand;
        job->errand = errand;
        r = sd_event_add_defer(hand->event, &job->wait, on_begin, job); /* `done` must not be called from in here */
        if (r < 0) {
                free(job);
                return r;
        }
        take_instances(job);
        job->next_job = hand->jobs;
        hand->jobs = job;
        errand->hand = job;
        return 0;
}

int pm2_hand_new(sd_event *event, struct pm2_directory *directory, struct pm2_hand **ret)
{
        struct pm2_hand *hand = calloc(1, sizeof(*hand));

        if (!hand)
                return -ENOMEM;
        hand->event = sd_event_ref(event);
        hand->directory = directory;
        hand->patience = PATIENCE;
        *ret = hand;
        return 0;
}

void pm2_hand_set_patience(struct pm2_hand *hand, usec_t patience)
{
        hand->patience = patience;
}

struct pm2_hand *pm2_hand_free(struct pm2_hand *hand)
{
        if (!hand)
                return NULL;

        while (hand->jobs)
                finish(hand->jobs, OUTCOME_UNKNOWN, "Governor ended before PM2 answered");
        sd_event_unref(hand->event);
        free(hand);
        return NULL;
}
