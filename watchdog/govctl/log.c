/* What was found and done, from the audit log. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/agent.h"
#include "base/finding.h"
#include "base/text.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/interrupt.h"
#include "govctl/moment.h"
#include "govctl/options.h"
#include "govctl/state.h"
#include "govctl/suggest.h"
#include "govctl/verbs.h"
#include "govctl/words.h"
#include "io/cleanup.h"

#define LINES_DEFAULT 50

/* Which records are shown. */
struct filter {
        const char *about; /* agent or incident as typed, "" for all */
        bool all, raw;
        usec_t since, until;
        const char *action; /* NULL: any; a pattern */
        int outcome;        /* -1: any */
        uint64_t lines;     /* 0: no limit */
};

static enum code take_times(struct call *call, struct filter *filter)
{
        const char *since = call->options.since, *until = call->options.until;

        if (since && !moment_parse_typed(since, call->page.now, &filter->since))
                return call_complain(call, CODE_USAGE, "--since takes a time", since,
                                     "govctl log --since 10m, --since 14:30, or --since 2026-01-31T14:30");
        if (until && !moment_parse_typed(until, call->page.now, &filter->until))
                return call_complain(call, CODE_USAGE, "--until takes a time", until,
                                     "govctl log --until 10m, --until 14:30, or --until 2026-01-31T14:30");
        return CODE_OK;
}

static enum code take_outcome(struct call *call, struct filter *filter)
{
        const char *names[AUDIT_OUTCOME_N], *typed = call->options.outcome;
        char what[128], next[128];

        if (!typed)
                return CODE_OK;
        for (int i = 0; i < AUDIT_OUTCOME_N; i++) {
                names[i] = audit_outcome_name((enum audit_outcome)i);
                if (strcmp(names[i], typed) == 0) {
                        filter->outcome = i;
                        return CODE_OK;
                }
        }

        const char *near = suggest(typed, names, AUDIT_OUTCOME_N);

        snprintf(what, sizeof what, "there is no outcome '%.40s'", typed);
        snprintf(next, sizeof next, near ? "did you mean: --outcome %s" : "govctl log --outcome fail", near);
        return call_complain(call, CODE_USAGE, what, "outcomes are pending, ok, fail, denied, unknown, info", next);
}

static enum code filter_make(struct call *call, bool raw, struct filter *ret)
{
        struct filter filter = {
                .about = call_argument(call),
                .all = call->options.all || raw,
                .raw = raw,
                .until = USEC_INFINITY,
                .action = call->options.action,
                .outcome = -1,
                .lines = LINES_DEFAULT,
        };
        enum code code = take_times(call, &filter);

        if (code == CODE_OK)
                code = take_outcome(call, &filter);
        /* a script wants the whole log, and whoever says since when wants all since then */
        if (raw || call->options.json || call->options.since)
                filter.lines = 0;
        if (code == CODE_OK)
                code = options_number(call, "lines", call->options.lines, 0, 1000000000, &filter.lines);
        *ret = filter;
        return code;
}

/* What a record is chosen by. */
struct seen {
        char action[64], subject[512], incident[64], ts[40];
        int outcome; /* -1: none that is known */
};

static void seen_of_json(const json_t *record, struct seen *ret)
{
        const char *outcome = field_text(record, "outcome");

        text_copy(ret->action, sizeof ret->action, field_text(record, "action"));
        text_copy(ret->subject, sizeof ret->subject, field_text(record, "subject"));
        text_copy(ret->incident, sizeof ret->incident, field_text(record, "incident"));
        text_copy(ret->ts, sizeof ret->ts, field_text(record, "ts"));
        ret->outcome = -1;
        for (int i = 0; i < AUDIT_OUTCOME_N; i++)
                if (strcmp(audit_outcome_name((enum audit_outcome)i), outcome) == 0)
                        ret->outcome = i;
}

/* False where the slice is not the text itself: escaped, or longer than anything we look for. */
static bool copy_plain(char *to, size_t size, struct audit_slice from)
{
        if (from.length >= size || memchr(from.text, '\\', from.length))
                return false;
        memcpy(to, from.text, from.length);
        to[from.length] = '\0';
        return true;
}

/* Straight from the stored bytes, ten times as fast as by way of JSON. */
static bool seen_of_body(const struct audit_item *item, struct seen *ret)
{
        struct audit_view view;

        if (audit_view(item->body, item->length, &view) < 0)
                return false;
        ret->outcome = (int)view.outcome;
        return copy_plain(ret->action, sizeof ret->action, view.action) &&
               copy_plain(ret->subject, sizeof ret->subject, view.subject) &&
               copy_plain(ret->incident, sizeof ret->incident, view.incident) &&
               copy_plain(ret->ts, sizeof ret->ts, view.ts);
}

static bool about_fits(const struct filter *filter, const struct seen *seen)
{
        if (filter->about[0] == '\0')
                return true;
        if (incident_from_name(filter->about) != 0)
                return strcmp(seen->incident, filter->about) == 0;
        return strcmp(seen->subject, filter->about) == 0 ||
               (agent_manager(seen->subject) != MANAGER_NONE && agent_answers_to(seen->subject, filter->about));
}

static bool time_fits(const struct filter *filter, const struct seen *seen)
{
        usec_t at;

        if (filter->since == 0 && filter->until == USEC_INFINITY)
                return true;
        at = moment_parse_utc(seen->ts);
        return at >= filter->since && at <= filter->until;
}

static bool filter_takes(const struct filter *filter, const struct seen *seen)
{
        if (filter->outcome >= 0 && seen->outcome != filter->outcome)
                return false;
        if (filter->action && !text_glob(filter->action, seen->action))
                return false;
        return about_fits(filter, seen) && time_fits(filter, seen);
}

/* Chosen, and loud enough for sentences; `*ret_record` is its JSON where that was needed. */
static bool filter_takes_item(const struct filter *filter, const struct audit_item *item, json_t **ret_record)
{
        json_auto_t *record = NULL;
        struct seen seen;
        bool plain = seen_of_body(item, &seen);

        if (plain && !filter_takes(filter, &seen))
                return false;
        if (plain && filter->raw)
                return true;
        record = json_loadb(item->body, item->length, 0, NULL);
        if (!plain) {
                seen_of_json(record, &seen);
                if (!filter_takes(filter, &seen))
                        return false;
        }
        if (!filter->all && record_is_noise(record))
                return false;
        *ret_record = TAKE_PTR(record);
        return true;
}

/* `body` is printed as it was hashed; a record that came over the socket has none and is written anew. */
static void show(struct call *call, const struct filter *filter, const json_t *record, const char *body, size_t length)
{
        if (!filter->raw && !call->options.json) {
                if (record)
                        record_show(&call->page, record);
                else
                        page_wrap(&call->page, TINT_BAD, 2, "here lies a record that is none: govctl audit verify");
                return;
        }
        if (body)
                fwrite(body, 1, length, call->page.out);
        else
                json_dumpf(record, call->page.out, JSON_COMPACT | JSON_SORT_KEYS);
        fputc('\n', call->page.out);
}

/* Where the newest `lines` records that fit begin. */
static int find_begin(struct audit_reader *reader, const struct filter *filter, uint64_t *ret)
{
        struct audit_range range = { .to = UINT64_MAX, .newest_first = true };
        struct audit_item item;
        uint64_t found = 0;
        int r;

        *ret = 0;
        if (filter->lines == 0)
                return 0;
        r = audit_reader_seek(reader, &range);
        while (r >= 0 && found < filter->lines && (r = audit_reader_next(reader, &item)) > 0) {
                json_auto_t *record = NULL;

                if (!filter_takes_item(filter, &item, &record))
                        continue;
                found++;
                *ret = item.seq;
        }
        return r < 0 ? r : 0;
}

/* Shows what is stored from `from` on; `*ret_next` is the number of the first record not shown yet. */
static int show_range(struct call *call, struct audit_reader *reader, const struct filter *filter, uint64_t from,
                      uint64_t *ret_next)
{
        const struct audit_range range = { .from = from, .to = UINT64_MAX };
        struct audit_item item;
        int r = audit_reader_seek(reader, &range);

        while (r >= 0 && (r = audit_reader_next(reader, &item)) > 0) {
                json_auto_t *record = NULL;

                *ret_next = item.seq + 1;
                if (filter_takes_item(filter, &item, &record))
                        show(call, filter, record, item.body, item.length);
                if (ferror(call->page.out))
                        return -EPIPE;
        }
        return r;
}

static int show_stored(struct call *call, struct audit_reader *reader, const struct filter *filter, uint64_t *ret_next)
{
        uint64_t from = 0;
        int r = find_begin(reader, filter, &from);

        return r < 0 ? r : show_range(call, reader, filter, from, ret_next);
}

/* ---- what is to come ---- */

struct following {
        struct rpc *daemon;
        const struct filter *filter;
        uint64_t next; /* records before this one were shown */
        bool readable; /* the log itself, not only what the daemon tells of it */
};

/* A body is printed as it was hashed, and only the log has that: what comes over the socket was written anew. */
static int show_new(struct call *call, struct following *following)
{
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
        char path[PATH_MAX];
        int r = state_try_log(call, path, &reader);

        return r < 0 ? r : show_range(call, reader, following->filter, following->next, &following->next);
}

/* A log that was rotated or set aside counts from 0 again, and its own first record is the news of it. */
static void notice_new_log(struct call *call, struct following *following, const json_t *record)
{
        if (field_number(record, "seq") != 0 || following->next == 0 ||
            strcmp(field_text(record, "action"), "audit.genesis") != 0)
                return;
        following->next = 0;
        call_tell(call, "the log has ended, and a new one begins: govctl audit show 0");
}

static void show_told(struct call *call, struct following *following, const json_t *record)
{
        const struct filter *filter = following->filter;
        uint64_t seq = (uint64_t)field_number(record, "seq");
        struct seen seen;

        notice_new_log(call, following, record);
        seen_of_json(record, &seen);
        if (seq < following->next || !filter_takes(filter, &seen) || (!filter->all && record_is_noise(record)))
                return;
        page_renew(&call->page);
        if (following->readable && (filter->raw || call->options.json) && show_new(call, following) >= 0)
                return;
        show(call, filter, record, NULL, 0);
}

static enum code follow(struct call *call, struct following *following)
{
        _cleanup_close_ int interrupt = interrupt_open();
        struct rpc *daemon = following->daemon;

        for (;;) {
                json_auto_t *push = NULL;
                int woken, r;

                fflush(call->page.out);
                if (ferror(call->page.out))
                        return CODE_OK; /* whoever read it has gone */
                woken = rpc_waiting(daemon) ? 1 : interrupt_wait(interrupt, rpc_fd(daemon), USEC_INFINITY);
                if (woken == 2)
                        return CODE_INTERRUPTED;
                if (woken == 0)
                        continue;
                r = rpc_next(daemon, DAEMON_ANSWER, &push);
                if (r < 0)
                        return call_complain(call, CODE_UNREACHABLE, "governord hung up", "it was stopped or restarted",
                                             "systemctl status governor.service");
                if (strcmp(field_text(push, "method"), "record") == 0 && field(push, "params"))
                        show_told(call, following, field(push, "params"));
        }
}

static enum code run(struct call *call, bool raw)
{
        _cleanup_(rpc_closep) struct rpc *daemon = NULL;
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
        json_auto_t *subscribed = NULL;
        struct filter filter;
        struct following following = { .filter = &filter };
        enum code code = filter_make(call, raw, &filter);

        /* subscribed first and read then: what happens in between comes twice and is shown once, never lost */
        if (code == CODE_OK && call->options.follow)
                code = daemon_open(call, &daemon);
        if (code == CODE_OK && daemon)
                code = daemon_ask(call, daemon, "subscribe", NULL, DAEMON_ANSWER, &subscribed);
        if (code == CODE_OK)
                code = state_open_log(call, &reader);
        following.daemon = daemon;
        /* a reader of the group may follow, the past is root's */
        if (code == CODE_DENIED && daemon)
                return follow(call, &following);
        if (code != CODE_OK)
                return code;

        int r = show_stored(call, reader, &filter, &following.next);

        reader = audit_reader_close(reader); /* its snapshot would keep the daemon's log from shrinking */

        if (r == -EPIPE)
                return CODE_OK;
        if (r < 0)
                return call_complain(call, CODE_FAILURE, "cannot read the audit log to its end", strerror(-r),
                                     "govctl audit verify");
        following.readable = true;
        return daemon ? follow(call, &following) : CODE_OK;
}

enum code run_log(struct call *call)
{
        return run(call, false);
}

enum code run_audit_log(struct call *call)
{
        return run(call, true);
}
