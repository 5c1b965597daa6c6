/* What agents ask for: judged at once, or kept in the outbox until somebody answers or nobody did in time. */
#include "requests.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "governor_inside.h"
#include "io/cleanup.h"
#include "io/file.h"
#include "io/log.h"
#include "judge/verdict.h"
#include "observers.h"
#include "orders.h"
#include "views.h"

#define WAIT_MOST 600 /* seconds that one call waits for an answer */
#define TRY_AGAIN_AFTER (5 * USEC_PER_SEC)

/* ---- the outbox ------------------------------------------------------------------------------------------------------------- */

static void tell_outbox(struct governor *governor, int error)
{
        char why[192] = "";
        struct fact fact = {
                .kind = FACT_SOURCE,
                .at = clock_now(&governor->clock),
                .agent = "",
                .source = { .name = "outbox", .state = error < 0 ? SOURCE_BLIND : SOURCE_SEEING, .why = why },
        };

        if (error < 0)
                snprintf(why, sizeof(why), "requests of agents are refused: outbox.db cannot be used: %s",
                         error == -EUCLEAN ? "it is damaged" : strerror(-error));
        governor_take(governor, &fact);
}

static void record_lost(struct governor *governor)
{
        json_auto_t *details =
                json_pack("{s:s}", "why", "outbox.db was damaged or not ours: it is outbox.db.damaged now");
        struct audit_entry entry = { .action = "approval.lost", .outcome = AUDIT_FAIL, .details = details };

        log_warning("outbox.db was damaged: it is outbox.db.damaged now, and requests that waited in it are lost");
        chronicle_event(governor->chronicle, &entry);
}

static int open_outbox(struct governor *governor)
{
        struct requests *requests = &governor->requests;
        int r = outbox_open(requests->path, &requests->outbox);

        if (r == OUTBOX_SET_ASIDE)
                record_lost(governor);
        return r < 0 ? r : 0;
}

/* It failed within the run: what is damaged is set aside and begun anew, of the rest is said why. */
static void note_failure(struct governor *governor, int error)
{
        struct requests *requests = &governor->requests;
        int r = error;

        if (error == -EUCLEAN) {
                requests->outbox = outbox_close(requests->outbox);
                r = open_outbox(governor);
        }
        if (r < 0)
                tell_outbox(governor, r);
}

static json_t *refuse_outbox(struct governor *governor, struct control_error *error, int r)
{
        note_failure(governor, r);
        return control_refuse(error, r == -EBUSY ? 7 : 1, r == -EBUSY ? "the same again in a moment" : "govctl status",
                              "requests cannot be kept: outbox.db: %s", strerror(-r));
}

/* It may have been a full disk when it was tried last. */
static bool has_outbox(struct governor *governor, struct control_error *error)
{
        int r = governor->requests.outbox ? 0 : open_outbox(governor);

        if (r < 0) {
                control_refuse(error, 1, "govctl status", "requests cannot be kept: outbox.db: %s", strerror(-r));
                return false;
        }
        return true;
}

static void keep_one(void *self, const struct request *request)
{
        struct kept_request *kept = self;

        kept->request = *request;
        text_copy(kept->action, sizeof(kept->action), request->action);
        text_copy(kept->params, sizeof(kept->params), request->params);
        text_copy(kept->reason, sizeof(kept->reason), request->reason);
        text_copy(kept->agent, sizeof(kept->agent), request->agent);
        text_copy(kept->exe, sizeof(kept->exe), request->exe);
        text_copy(kept->rule, sizeof(kept->rule), request->rule);
        text_copy(kept->why, sizeof(kept->why), request->why);
        text_copy(kept->by, sizeof(kept->by), request->by);
        text_copy(kept->answer, sizeof(kept->answer), request->answer);
        text_copy(kept->granted, sizeof(kept->granted), request->granted);
}

/* The texts of the request are those beside it. */
static void own_texts(struct kept_request *kept)
{
        struct request *request = &kept->request;

        request->action = kept->action;
        request->params = kept->params;
        request->reason = kept->reason;
        request->agent = kept->agent;
        request->exe = kept->exe;
        request->rule = kept->rule;
        request->why = kept->why;
        request->by = kept->by;
        request->answer = kept->answer;
        request->granted = kept->granted;
}

bool request_find(struct governor *governor, const struct control_request *request, struct kept_request *ret,
                  struct control_error *error)
{
        const char *name = json_string_value(json_object_get(request->params, "request"));
        uint64_t number = request_from_name(name);
        char safe[64];
        int r;

        if (!has_outbox(governor, error))
                return false;
        r = number ? outbox_get(governor->requests.outbox, number, keep_one, ret) : -ENOENT;
        text_copy_safe(safe, sizeof(safe), name);
        if (r == -ENOENT)
                control_refuse(error, 5, "govctl requests --all", "there is no request '%s'", safe);
        else if (r < 0)
                refuse_outbox(governor, error, r);
        if (r >= 0)
                own_texts(ret);
        return r >= 0;
}

/* ---- who waits --------------------------------------------------------------------------------------------------------------- */

static void arm(struct governor *governor)
{
        struct requests *requests = &governor->requests;
        usec_t next = USEC_INFINITY, expires;
        uint64_t number;

        if (requests->outbox && outbox_first_to_expire(requests->outbox, &number, &expires) == 0)
                next = expires;
        for (unsigned i = 0; i < REQUEST_WAITERS_MAX; i++)
                if (requests->waiters[i].number && requests->waiters[i].until < next)
                        next = requests->waiters[i].until;
        sd_event_source_set_time(requests->timer, clock_boottime(&governor->clock, next));
        sd_event_source_set_enabled(requests->timer, next == USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static void answer_waiters(struct governor *governor, const struct request *request)
{
        json_t *view = NULL;

        for (unsigned i = 0; i < REQUEST_WAITERS_MAX; i++) {
                struct request_waiter waiter = governor->requests.waiters[i];

                if (waiter.number != request->number)
                        continue;
                governor->requests.waiters[i] = (struct request_waiter){ .number = 0 };
                if (!view)
                        view = request_answer(governor, request);
                control_answer(governor->control, &waiter.ticket, json_incref(view), NULL);
        }
        json_decref(view);
}

bool request_conclude(struct governor *governor, struct kept_request *kept, enum request_state state, const char *by,
                      const char *reason, const char *granted, struct control_error *error)
{
        struct request *request = &kept->request;
        int r;

        request->state = state;
        request->answered = clock_now(&governor->clock);
        text_copy(kept->by, sizeof(kept->by), by);
        text_copy(kept->answer, sizeof(kept->answer), reason);
        text_copy(kept->granted, sizeof(kept->granted), granted);
        r = request_record(governor, request, by, &request->answer_seq);
        if (r < 0) {
                control_refuse(error, 1, "govctl status",
                               "nothing is answered while the audit log cannot be written: %s", strerror(-r));
                return false;
        }
        r = outbox_answer(governor->requests.outbox, request);
        answer_waiters(governor, request); /* the log holds it */
        arm(governor);
        if (r < 0)
                refuse_outbox(governor, error, r);
        return r >= 0;
}

static void look_at_waiters(struct governor *governor, usec_t now)
{
        for (unsigned i = 0; i < REQUEST_WAITERS_MAX; i++) {
                struct request_waiter *waiter = &governor->requests.waiters[i];
                struct kept_request kept;

                if (!waiter->number || waiter->until > now)
                        continue;
                if (governor->requests.outbox &&
                    outbox_get(governor->requests.outbox, waiter->number, keep_one, &kept) >= 0) {
                        own_texts(&kept);
                        answer_waiters(governor, &kept.request); /* all who wait for it: they ask again */
                        continue;
                }
                struct control_error error = { .exit_code = 1, .why = "the request is not there any more" };
                struct control_ticket ticket = waiter->ticket;

                *waiter = (struct request_waiter){ .number = 0 };
                control_answer(governor->control, &ticket, NULL, &error);
        }
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct governor *governor = userdata;
        struct requests *requests = &governor->requests;
        struct control_error error;
        struct kept_request kept;
        usec_t now = clock_now(&governor->clock), expires;
        uint64_t number;

        (void)source, (void)usec;
        while (requests->outbox && outbox_first_to_expire(requests->outbox, &number, &expires) == 0 && expires <= now) {
                if (outbox_get(requests->outbox, number, keep_one, &kept) < 0)
                        break;
                own_texts(&kept);
                if (!request_conclude(governor, &kept, REQUEST_EXPIRED, "governor", "nobody answered in time", "",
                                      &error)) {
                        sd_event_source_set_time(requests->timer,
                                                 clock_boottime(&governor->clock, now + TRY_AGAIN_AFTER));
                        return sd_event_source_set_enabled(requests->timer, SD_EVENT_ONESHOT);
                }
        }
        look_at_waiters(governor, now);
        arm(governor);
        return 0;
}

void requests_left(struct governor *governor, unsigned client, uint64_t generation)
{
        for (unsigned i = 0; i < REQUEST_WAITERS_MAX; i++) {
                struct request_waiter *waiter = &governor->requests.waiters[i];

                if (!waiter->number || waiter->ticket.client != client || waiter->ticket.generation != generation)
                        continue;
                json_decref(waiter->ticket.id);
                *waiter = (struct request_waiter){ .number = 0 };
        }
}

/* ---- who asks ----------------------------------------------------------------------------------------------------------------- */

/* Whether the process that connected is still the one behind its number; without a pidfd nobody can say that it is not. */
static bool is_still_there(const struct control_request *request)
{
        struct pollfd poll_fd = { .fd = request->pidfd, .events = POLLIN };

        return request->pidfd < 0 || poll(&poll_fd, 1, 0) == 0;
}

/* The agent that the asker belongs to, and what it runs; "" where that cannot be told. */
static void identify(struct governor *governor, const struct control_request *request, char agent[AGENT_ID_MAX],
                     char *exe, size_t size)
{
        observers_agent_of(governor->observers, request->pid, agent);
        if (!observers_exe_of(governor->observers, request->pid, exe, size))
                exe[0] = '\0';
        if (is_still_there(request))
                return;
        agent[0] = '\0'; /* what was read may be about somebody else */
        exe[0] = '\0';
}

/* Another process of the same agent, and of nobody else; of unknown ones another of the same user. */
static bool is_its_own(struct governor *governor, const struct control_request *request, const struct request *asked,
                       struct control_error *error)
{
        char agent[AGENT_ID_MAX], exe[256], name[REQUEST_NAME_MAX];

        identify(governor, request, agent, exe, sizeof(exe));
        if (request->uid == asked->uid && strcmp(agent, asked->agent) == 0)
                return true;
        control_refuse(error, 4, "govctl requests, as an operator", "%s was asked for by another agent",
                       request_name(name, asked->number));
        return false;
}

/* ---- asking ------------------------------------------------------------------------------------------------------------------- */

static unsigned parameters_of(const json_t *params, struct parameter ret[REQUEST_PARAMETERS_MAX])
{
        unsigned n = 0;
        const char *key;
        json_t *value;

        json_object_foreach ((json_t *)(uintptr_t)params, key, value)
                if (n < REQUEST_PARAMETERS_MAX && json_is_string(value))
                        ret[n++] = (struct parameter){ key, json_string_value(value) };
        return n;
}

static void judge_it(const struct governor *governor, const char *action, const char *params, struct judged *ret)
{
        struct parameter parameters[REQUEST_PARAMETERS_MAX];
        json_auto_t *object = json_loads(params, 0, NULL);

        verdict_of(governor->policy, action, parameters, parameters_of(object, parameters), ret);
}

/* Fills in what is asked for; false with an error when it makes no sense. */
static bool take_asked(struct governor *governor, const struct control_request *request, struct kept_request *kept,
                       struct control_error *error)
{
        const char *action = json_string_value(json_object_get(request->params, "action"));
        char safe[96];

        text_copy_safe(safe, sizeof(safe), action);
        if (!request_is_name(action, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-",
                             REQUEST_ACTION_MAX - 1)) {
                control_refuse(error, 2, "govctl ask trade --param usd=1500",
                               "'%s' is no name of an action: 1 to 64 letters, digits, '.', '_' and '-'", safe);
                return false;
        }
        if (!request_params(json_object_get(request->params, "params"), kept->params, error))
                return false;
        text_copy(kept->action, sizeof(kept->action), action);
        request_text(request->params, "reason", kept->reason, sizeof(kept->reason));
        identify(governor, request, kept->agent, kept->exe, sizeof(kept->exe));
        kept->rule[0] = kept->why[0] = kept->by[0] = kept->answer[0] = kept->granted[0] = '\0';
        kept->request = (struct request){ .uid = request->uid, .pid = request->pid };
        own_texts(kept);
        return true;
}

/* How long it may wait: as long as its rule says, or shorter where the asker wants that. */
static usec_t patience_of(const struct action_rule *rule, const struct control_request *request)
{
        json_int_t seconds = json_integer_value(json_object_get(request->params, "seconds"));
        usec_t within = rule->approve.within;

        return seconds > 0 && (usec_t)seconds < within / USEC_PER_SEC ? (usec_t)seconds * USEC_PER_SEC : within;
}

/* Puts the verdict into the request; what is decided is decided by the policy. */
static void take_verdict(const struct judged *judged, const struct control_request *request, usec_t now,
                         struct kept_request *kept)
{
        struct request *asked = &kept->request;

        text_copy(kept->why, sizeof(kept->why), judged->why);
        if (judged->rule)
                snprintf(kept->rule, sizeof(kept->rule), "%.300s:%u", judged->rule->origin.file,
                         judged->rule->origin.line);
        asked->created = now;
        asked->state = judged->verdict == VERDICT_ALLOWED  ? REQUEST_ALLOWED
                       : judged->verdict == VERDICT_DENIED ? REQUEST_DENIED
                                                           : REQUEST_OPEN;
        asked->expires = asked->state == REQUEST_OPEN ? now + patience_of(judged->rule, request) : now;
        if (asked->state == REQUEST_OPEN)
                return;
        asked->answered = now;
        text_copy(kept->by, sizeof(kept->by), "policy");
}

/* A place among the open ones and a number; false with an error. */
static bool has_room(struct governor *governor, struct kept_request *kept, struct control_error *error)
{
        struct outbox *outbox = governor->requests.outbox;
        struct audit_head head = { 0 };
        int r = kept->request.state == REQUEST_OPEN ? outbox_room(outbox, kept->agent, kept->request.uid) : 0;

        chronicle_head(governor->chronicle, &head);
        if (r >= 0)
                r = outbox_next(outbox, head.size + 1, &kept->request.number);
        if (r == -EDQUOT)
                control_refuse(error, 7, "govctl withdraw REQUEST",
                               "%d requests of this agent wait for an answer already", OUTBOX_OPEN_OF_ONE);
        else if (r == -ENOBUFS)
                control_refuse(error, 7, "the same again later", "%d requests wait for an answer already",
                               OUTBOX_OPEN_MAX);
        else if (r < 0)
                refuse_outbox(governor, error, r);
        return r >= 0;
}

json_t *request_ask(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        struct kept_request kept;
        struct request *asked = &kept.request;
        struct judged judged;
        char who[64];
        int r;

        if (!has_outbox(governor, error) || !take_asked(governor, request, &kept, error))
                return NULL;
        judge_it(governor, kept.action, kept.params, &judged);
        take_verdict(&judged, request, clock_now(&governor->clock), &kept);
        if (!has_room(governor, &kept, error))
                return NULL;
        order_from(request, who);
        r = request_record(governor, asked, who, &asked->asked_seq);
        if (r < 0)
                return control_refuse(error, 1, "govctl status",
                                      "nothing is allowed while the audit log cannot be written: %s", strerror(-r));
        if (asked->state != REQUEST_OPEN)
                asked->answer_seq = asked->asked_seq;
        r = outbox_add(governor->requests.outbox, asked);
        if (r < 0)
                return refuse_outbox(governor, error, r);
        arm(governor);
        return request_answer(governor, asked);
}

static json_t *wait_for_it(struct governor *governor, const struct control_request *request, uint64_t number,
                           struct control_error *error)
{
        json_int_t seconds = json_integer_value(json_object_get(request->params, "wait"));
        struct request_waiter *free_one = NULL;

        for (unsigned i = 0; i < REQUEST_WAITERS_MAX; i++) {
                struct request_waiter *waiter = &governor->requests.waiters[i];

                if (!waiter->number)
                        free_one = waiter;
                else if (waiter->ticket.client == request->later->client &&
                         waiter->ticket.generation == request->later->generation)
                        return control_refuse(error, 2, "another connection", "this connection waits already");
        }
        if (!free_one)
                return control_refuse(error, 7, "the same again later", "too many wait already");
        *free_one = (struct request_waiter){
                .ticket = *request->later,
                .number = number,
                .until = clock_now(&governor->clock) + (usec_t)seconds * USEC_PER_SEC,
        };
        error->later = true;
        arm(governor);
        return NULL;
}

json_t *request_state(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        json_int_t seconds = json_integer_value(json_object_get(request->params, "wait"));
        struct kept_request kept;

        if (seconds < 0 || seconds > WAIT_MOST)
                return control_refuse(error, 2, "\"wait\": 60", "one can wait for 1 to %d seconds", WAIT_MOST);
        if (!request_find(governor, request, &kept, error) || !is_its_own(governor, request, &kept.request, error) ||
            !request_is_vouched_for(governor, &kept.request, error))
                return NULL;
        if (kept.request.state == REQUEST_OPEN && seconds > 0)
                return wait_for_it(governor, request, kept.request.number, error);
        return request_answer(governor, &kept.request);
}

json_t *request_withdraw(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        struct kept_request kept;
        char who[64];

        if (!request_find(governor, request, &kept, error) || !is_its_own(governor, request, &kept.request, error))
                return NULL;
        if (kept.request.state != REQUEST_OPEN)
                return control_refuse(error, 1, "govctl requests --all", "it is %s already",
                                      request_state_name(kept.request.state));
        order_from(request, who);
        if (!request_conclude(governor, &kept, REQUEST_WITHDRAWN, who, "", "", error))
                return NULL;
        return request_answer(governor, &kept.request);
}

/* ---- beginning and end --------------------------------------------------------------------------------------------------------- */

int requests_new(struct governor *governor)
{
        const char *runtime = governor->options.runtime;
        bool usual = strcmp(runtime, "/run/governor") == 0;
        _cleanup_free_ char *folder = NULL;
        int r;

        if (asprintf(&governor->requests.path, "%s/outbox.db", governor->options.state) < 0 ||
            asprintf(&folder, "%s%s", runtime, usual ? "-agent" : "/agent") < 0 ||
            asprintf(&governor->requests.socket, "%s/ask.sock", folder) < 0)
                return -ENOMEM;
        r = file_make_directory(folder, 0755);
        if (r >= 0 && chmod(folder, 0755) < 0) /* whatever the umask is: agents of any user pass through it */
                r = -errno;
        if (r < 0)
                log_ignored(r, "Cannot make the agents' folder '%s'", folder);
        return sd_event_add_time(governor->event, &governor->requests.timer, CLOCK_BOOTTIME, USEC_INFINITY,
                                 100 * USEC_PER_MSEC, on_timer, governor);
}

void requests_begin(struct governor *governor)
{
        tell_outbox(governor, open_outbox(governor));
        arm(governor);
}

void requests_end(struct governor *governor)
{
        struct requests *requests = &governor->requests;

        for (unsigned i = 0; i < REQUEST_WAITERS_MAX; i++)
                json_decref(requests->waiters[i].ticket.id);
        sd_event_source_disable_unref(requests->timer);
        outbox_close(requests->outbox);
        free(requests->path);
        free(requests->socket);
        *requests = (struct requests){ .outbox = NULL };
}
