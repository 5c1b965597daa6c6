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
#include "govctl/state.h"
#include "govctl/verbs.h"
#include "govctl/words.h"
#include "io/cleanup.h"

#define LINES_DEFAULT 50

/* Which records are shown. */
struct filter {
        const char *about; /* agent or incident as typed, "" for all */
        bool all, raw;
        usec_t since;
        uint64_t lines; /* 0: no limit */
};

static enum code filter_make(struct call *call, bool raw, struct filter *ret)
{
        struct filter filter = {
                .about = call_argument(call), .all = call->options.all || raw, .raw = raw, .lines = LINES_DEFAULT
        };
        const char *lines = call->options.lines, *since = call->options.since;

        /* a script wants the whole log, and whoever says since when wants all since then */
        if (raw || call->options.json || since)
                filter.lines = 0;
        if (lines) {
                char *end;

                filter.lines = strtoull(lines, &end, 10);
                if (end == lines || *end)
                        return call_complain(call, CODE_USAGE, "--lines takes a number", lines,
                                             "govctl log --lines 100");
        }
        if (since && !moment_parse_typed(since, call->page.now, &filter.since))
                return call_complain(call, CODE_USAGE, "--since takes a time", since,
                                     "govctl log --since 10m, --since 14:30, or --since 2026-01-31T14:30");
        *ret = filter;
        return CODE_OK;
}

static bool about_fits(const struct filter *filter, const char *subject, const char *incident)
{
        if (filter->about[0] == '\0')
                return true;
        if (incident_from_name(filter->about) != 0)
                return strcmp(incident, filter->about) == 0;
        return strcmp(subject, filter->about) == 0 ||
               (agent_manager(subject) != MANAGER_NONE && agent_answers_to(subject, filter->about));
}

static bool filter_takes(const struct filter *filter, const json_t *record)
{
        if (!filter->all && record_is_noise(record))
                return false;
        if (filter->since > moment_of(field(record, "ts")))
                return false;
        return about_fits(filter, field_text(record, "subject"), field_text(record, "incident"));
}

/* `body` is printed as it was hashed; a record that came over the socket has none and is written anew. */
static void show(struct call *call, const struct filter *filter, const json_t *record, const char *body, size_t length)
{
        if (!filter->raw && !call->options.json) {
                record_show(&call->page, record);
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
                json_auto_t *record = json_loadb(item.body, item.length, 0, NULL);

                if (record && filter_takes(filter, record)) {
                        found++;
                        *ret = item.seq;
                }
                if (record && filter->since > moment_of(field(record, "ts")))
                        break; /* older ones only lie further back */
        }
        return r < 0 ? r : 0;
}

/* Shows what is stored; `*ret_next` is the number of the first record not shown yet. */
static int show_stored(struct call *call, struct audit_reader *reader, const struct filter *filter, uint64_t *ret_next)
{
        struct audit_range range = { .to = UINT64_MAX };
        struct audit_item item;
        int r = find_begin(reader, filter, &range.from);

        if (r >= 0)
                r = audit_reader_seek(reader, &range);
        while (r >= 0 && (r = audit_reader_next(reader, &item)) > 0) {
                json_auto_t *record = json_loadb(item.body, item.length, 0, NULL);

                *ret_next = item.seq + 1;
                if (record && filter_takes(filter, record))
                        show(call, filter, record, item.body, item.length);
                if (ferror(call->page.out))
                        return -EPIPE;
        }
        return r;
}

static enum code follow(struct call *call, struct daemon *daemon, const struct filter *filter, uint64_t next)
{
        _cleanup_close_ int interrupt = interrupt_open();

        for (;;) {
                json_auto_t *push = NULL;
                int woken, r;

                fflush(call->page.out);
                if (ferror(call->page.out))
                        return CODE_OK; /* whoever read it has gone */
                woken = daemon_waiting(daemon) ? 1 : interrupt_wait(interrupt, daemon_fd(daemon), USEC_INFINITY);
                if (woken == 2)
                        return CODE_INTERRUPTED;
                if (woken == 0)
                        continue;
                r = daemon_next(daemon, DAEMON_ANSWER, &push);
                if (r < 0)
                        return call_complain(call, CODE_UNREACHABLE, "governord hung up", "it was stopped or restarted",
                                             "systemctl status governor.service");
                const json_t *record = field(push, "params");

                if (!record || strcmp(field_text(push, "method"), "record") != 0)
                        continue;
                if ((uint64_t)field_number(record, "seq") < next || !filter_takes(filter, record))
                        continue;
                page_renew(&call->page);
                show(call, filter, record, NULL, 0);
        }
}

static enum code run(struct call *call, bool raw)
{
        _cleanup_(daemon_closep) struct daemon *daemon = NULL;
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
        json_auto_t *subscribed = NULL;
        struct filter filter;
        uint64_t next = 0;
        enum code code = filter_make(call, raw, &filter);

        /* subscribed first and read then: what happens in between comes twice and is shown once, never lost */
        if (code == CODE_OK && call->options.follow)
                code = daemon_open(call, &daemon);
        if (code == CODE_OK && daemon)
                code = daemon_ask(call, daemon, "subscribe", NULL, DAEMON_ANSWER, &subscribed);
        if (code == CODE_OK)
                code = state_open_log(call, &reader);
        /* a reader of the group may follow, the past is root's */
        if (code == CODE_DENIED && daemon)
                return follow(call, daemon, &filter, 0);
        if (code != CODE_OK)
                return code;

        int r = show_stored(call, reader, &filter, &next);

        reader = audit_reader_close(reader); /* its snapshot would keep the daemon's log from shrinking */

        if (r == -EPIPE)
                return CODE_OK;
        if (r < 0)
                return call_complain(call, CODE_FAILURE, "cannot read the audit log to its end", strerror(-r),
                                     "govctl audit verify");
        return daemon ? follow(call, daemon, &filter, next) : CODE_OK;
}

enum code run_log(struct call *call)
{
        return run(call, false);
}

enum code run_audit_log(struct call *call)
{
        return run(call, true);
}
