/* What some days of observing showed of each agent, and what of the policy that speaks for changing. Nothing is changed. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "govctl/field.h"
#include "govctl/learn.h"
#include "govctl/lesson.h"
#include "govctl/local_policy.h"
#include "govctl/machine.h"
#include "govctl/moment.h"
#include "govctl/propose.h"
#include "govctl/state.h"
#include "govctl/used.h"
#include "govctl/verbs.h"
#include "io/cleanup.h"
#include "io/history.h"

#define SINCE_DEFAULT (72 * USEC_PER_HOUR)
#define NEW_FILE "20-learned.yaml"

struct learn {
        struct call *call;
        const char *root, *word; /* of the one agent that was asked for, "" all */
        char history[PATH_MAX];
        usec_t since;
        int history_error;
        struct lessons lessons;
        struct machine machine;
        struct policy *policy;
        struct local_texts texts;
        const char *policy_error;
        struct pupil *pupils;
        size_t pupils_n;
        struct proposals proposals;
        bool failed; /* memory ended */
};

/* ---- who there is ----------------------------------------------------------------------------------------------------- */

static bool is_wanted(const struct learn *learn, const char *id)
{
        return agent_manager(id) != MANAGER_NONE && (learn->word[0] == '\0' || agent_answers_to(id, learn->word));
}

static void add_pupil(void *self, const char *id)
{
        struct learn *learn = self;
        struct pupil *pupils;

        for (size_t i = 0; i < learn->pupils_n; i++)
                if (strcmp(learn->pupils[i].id, id) == 0)
                        return;
        if (agent_manager(id) == MANAGER_NONE)
                return;
        pupils = reallocarray(learn->pupils, learn->pupils_n + 1, sizeof *pupils);
        if (!pupils) {
                learn->failed = true;
                return;
        }
        learn->pupils = pupils;
        pupils[learn->pupils_n] = (struct pupil){ .own_limit = machine_own_limit(&learn->machine, id) };
        text_copy(pupils[learn->pupils_n++].id, sizeof pupils->id, id);
}

static int by_id(const void *a, const void *b)
{
        return strcmp(((const struct pupil *)a)->id, ((const struct pupil *)b)->id);
}

/* Nothing was seen of it in that time: it is long gone. */
static bool is_there(const struct pupil *pupil)
{
        return pupil->used.until > 0 || (pupil->lesson && pupil->lesson->instances_n > 0);
}

static void look_at(struct learn *learn, struct pupil *pupil)
{
        int r = used_read(learn->history, pupil->id, learn->since, &pupil->used);

        if (r < 0 && r != -ENOENT)
                learn->history_error = r;
        pupil->lesson = lessons_find(&learn->lessons, pupil->id);
        pupil->rule = learn->policy ? policy_rule(learn->policy, pupil->id) : NULL;
}

static void gather(struct learn *learn)
{
        size_t kept = 0;

        learn->history_error = history_agents(learn->history, add_pupil, learn);
        for (size_t i = 0; i < learn->lessons.n; i++)
                add_pupil(learn, learn->lessons.list[i].id);
        for (size_t i = 0; i < learn->pupils_n; i++) {
                look_at(learn, &learn->pupils[i]);
                if (is_there(&learn->pupils[i]))
                        learn->pupils[kept++] = learn->pupils[i];
        }
        learn->pupils_n = kept;
        if (kept > 0)
                qsort(learn->pupils, kept, sizeof *learn->pupils, by_id);
}

/* ---- as JSON ------------------------------------------------------------------------------------------------------------ */

static json_t *ages_json(const struct lesson *lesson)
{
        json_t *list = json_array();
        struct habit_usual usual;
        usec_t from;

        for (unsigned age = 0; lesson && lesson->learned_known; age++) {
                if (!habit_age(&lesson->learned.habit, age, &from, &usual))
                        break;
                if (usual.lives + usual.days > 0)
                        json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:i, s:i}", "from_s",
                                                              (json_int_t)(from / USEC_PER_SEC), "low_bytes",
                                                              (json_int_t)usual.low_kib << 10, "high_bytes",
                                                              (json_int_t)usual.high_kib << 10, "lives",
                                                              (int)usual.lives, "days", (int)usual.days));
        }
        return list;
}

static json_t *memory_json(const struct pupil *pupil)
{
        const struct used *used = &pupil->used;
        const struct memory_limits *limits = pupil->rule ? &pupil->rule->memory : &(struct memory_limits){ 0 };

        return json_pack("{s:s, s:I, s:I, s:I, s:b, s:I, s:I, s:o}", "of", memory_of_name(limits->of), "usual_bytes",
                         (json_int_t)used->usual_bytes, "p999_bytes", (json_int_t)used->p999_bytes, "most_bytes",
                         (json_int_t)used->most_bytes, "estimated", used->estimated, "ceiling_bytes",
                         (json_int_t)limits->ceiling_bytes, "own_limit_bytes", (json_int_t)pupil->own_limit, "by_age",
                         ages_json(pupil->lesson));
}

static json_t *ends_json(const struct lesson *lesson)
{
        json_t *list = json_array();

        for (unsigned i = 0; lesson && i < lesson->ends_n; i++) {
                const struct lesson_end *end = &lesson->ends[i];

                json_array_append_new(list,
                                      json_pack("{s:s, s:i, s:i, s:i, s:b, s:I}", "ending", ending_name(end->ending),
                                                "code", end->code, "signal", end->signal, "n", (int)end->n, "planned",
                                                !ending_is_death(end->ending), "at", (json_int_t)end->at));
        }
        return list;
}

/* The windows of its rule, and the most deaths that fell into one. */
static json_t *windows_json(const struct pupil *pupil)
{
        json_t *list = json_array();

        for (unsigned i = 0; pupil->rule && pupil->lesson && i < pupil->rule->restarts_n; i++) {
                const struct window *window = &pupil->rule->restarts[i];
                bool clean;

                json_array_append_new(list, json_pack("{s:I, s:i, s:i}", "within_s",
                                                      (json_int_t)(window->within / USEC_PER_SEC), "most",
                                                      (int)lesson_most_within(pupil->lesson, window->within, &clean),
                                                      "more_than", (int)window->more_than));
        }
        return list;
}

static json_t *findings_json(const struct lesson *lesson)
{
        json_t *list = json_array();

        for (unsigned cause = 1; lesson && cause < CAUSE_N; cause++) {
                const struct lesson_finding *finding = &lesson->findings[cause];

                if (finding->n > 0)
                        json_array_append_new(list, json_pack("{s:s, s:i, s:s, s:s, s:b}", "cause",
                                                              cause_name((enum cause)cause), "n", (int)finding->n,
                                                              "incident", finding->incident, "reason", finding->reason,
                                                              "open", finding->open));
        }
        return list;
}

static json_t *would_json(const struct lesson *lesson)
{
        static const char *const names[WOULD_N] = {
                [WOULD_RESTART] = "restart",
                [WOULD_QUARANTINE] = "quarantine",
        };
        json_t *list = json_array();

        for (unsigned would = 0; lesson && would < WOULD_N; would++)
                for (unsigned cause = 0; cause < CAUSE_N; cause++)
                        if (lesson->would[would][cause] > 0)
                                json_array_append_new(list, json_pack("{s:s, s:s, s:i}", "what", names[would], "cause",
                                                                      cause_name((enum cause)cause), "n",
                                                                      (int)lesson->would[would][cause]));
        return list;
}

static json_t *files_json(const struct lesson *lesson)
{
        json_t *list = json_array();

        for (unsigned i = 0; lesson && i < lesson->files_n; i++)
                json_array_append_new(list, json_string(lesson->files[i]));
        return list;
}

static json_t *rule_json(const struct rule *rule)
{
        if (!rule || !rule->origin.file || !rule->origin.file[0])
                return json_null();
        return json_pack("{s:s, s:s, s:i, s:s}", "name", rule->name, "file", rule->origin.file, "line",
                         (int)rule->origin.line, "mode", mode_name(rule->mode));
}

/* Lives that the log does not tell one by one are still counted in the samples. */
static json_t *pupil_json(const struct pupil *pupil)
{
        const struct lesson *lesson = pupil->lesson;
        uint64_t lives = lesson && lesson->lives > pupil->used.starts ? lesson->lives : pupil->used.starts;
        char name[AGENT_ID_MAX];

        agent_short_name(pupil->id, name);
        return json_pack(
                "{s:s, s:s, s:o, s:I, s:I, s:I, s:o, s:{s:i, s:i}, s:I, s:I, s:i, s:o, s:o, s:o, s:o, s:o, s:i}", "id",
                pupil->id, "name", name, "rule", rule_json(pupil->rule), "seen_from", (json_int_t)pupil->used.from,
                "seen_until", (json_int_t)pupil->used.until, "ran_s", (json_int_t)(pupil->used.ran / USEC_PER_SEC),
                "memory", memory_json(pupil), "cpu", "usual_permille", (int)pupil->used.cpu_usual, "p99_permille",
                (int)pupil->used.cpu_p99, "lives", (json_int_t)lives, "lives_told",
                (json_int_t)(lesson ? lesson->lives : 0), "deaths", (int)(lesson ? lesson->deaths_n : 0), "ends",
                ends_json(lesson), "windows", windows_json(pupil), "findings", findings_json(lesson), "would_have",
                would_json(lesson), "files", files_json(lesson), "files_more", (int)(lesson ? lesson->files_more : 0));
}

static json_t *agents_json(const struct learn *learn)
{
        json_t *list = json_array();

        for (size_t i = 0; i < learn->pupils_n; i++)
                if (is_wanted(learn, learn->pupils[i].id))
                        json_array_append_new(list, pupil_json(&learn->pupils[i]));
        return list;
}

static json_t *proposals_json(const struct proposals *proposals)
{
        json_t *list = json_array();

        for (size_t i = 0; i < proposals->n; i++) {
                const struct proposal *proposal = &proposals->list[i];

                json_array_append_new(list,
                                      json_pack("{s:o, s:s, s:s, s:s, s:s, s:b}", "rule", rule_json(proposal->rule),
                                                "key", proposal->key, "value", proposal->value, "was", proposal->was,
                                                "why", proposal->why, "by_hand", proposal->by_hand));
        }
        return list;
}

static json_t *postponed_json(const struct proposals *proposals)
{
        json_t *list = json_array();

        for (size_t i = 0; i < proposals->postponed_n; i++)
                json_array_append_new(list, json_pack("{s:o, s:s}", "rule", rule_json(proposals->postponed[i].rule),
                                                      "why", proposals->postponed[i].why));
        return list;
}

/* The longest that any agent was seen running. */
static usec_t longest(const struct learn *learn)
{
        usec_t ran = 0;

        for (size_t i = 0; i < learn->pupils_n; i++)
                ran = learn->pupils[i].used.ran > ran ? learn->pupils[i].used.ran : ran;
        return ran;
}

static json_t *report_json(const struct learn *learn)
{
        usec_t ran = longest(learn);
        bool enough = ran >= USED_ENOUGH;
        json_t *enough_at =
                enough ? json_null() : json_integer((json_int_t)(learn->call->page.now + USED_ENOUGH - ran));
        const struct lesson *machine = lessons_find(&learn->lessons, "");

        return json_pack("{s:i, s:I, s:I, s:b, s:o, s:o, s:o, s:s?, s:s?, s:s?, s:o, s:o, s:s}", "schema_version", 1,
                         "since", (json_int_t)learn->since, "until", (json_int_t)learn->call->page.now, "enough",
                         enough, "enough_at", enough_at, "agents", agents_json(learn), "machine_files",
                         files_json(machine), "history_error",
                         learn->history_error < 0 ? strerror(-learn->history_error) : NULL, "policy_error",
                         learn->policy_error, "proposals_error", learn->proposals.mistake, "proposals",
                         proposals_json(&learn->proposals), "postponed", postponed_json(&learn->proposals), "diff",
                         learn->proposals.diff ? learn->proposals.diff : "");
}

/* ---- what to propose ------------------------------------------------------------------------------------------------------ */

static void keep_wanted(struct learn *learn)
{
        size_t kept = 0;

        for (size_t i = 0; i < learn->pupils_n; i++)
                if (is_wanted(learn, learn->pupils[i].id))
                        learn->pupils[kept++] = learn->pupils[i];
        learn->pupils_n = kept;
}

/* Of one agent its rule alone. A class is shared by agents that nobody asked for: what they need counts all the same. */
static int propose(struct learn *learn)
{
        const struct draft_of of = { learn->policy, learn->texts.list, learn->texts.n, learn->root };
        const struct rule *only = NULL;
        char path[PATH_MAX + 32];

        if (learn->policy_error)
                return 0;
        if (!learn->policy->discovered) {
                for (size_t i = 0; learn->word[0] && i < learn->pupils_n; i++)
                        if (is_wanted(learn, learn->pupils[i].id))
                                only = learn->pupils[i].rule;
                if (learn->word[0] && !only)
                        return 0; /* no rule owns it */
                return propose_changes(&of, only, learn->pupils, learn->pupils_n, &learn->proposals);
        }
        keep_wanted(learn);
        snprintf(path, sizeof path, "%s/" NEW_FILE, local_policies(learn->call));
        return propose_file(path, learn->pupils, learn->pupils_n, &learn->proposals);
}

static int read_policy(struct learn *learn)
{
        int r = local_texts(learn->call, learn->root, &learn->texts);

        learn->policy = r < 0 ? NULL : local_policy(learn->call, learn->root);
        if (r < 0)
                learn->policy_error = strerror(-r);
        else if (!learn->policy)
                learn->policy_error = "it has errors";
        return r == -ENOMEM ? r : 0;
}

/* ---- the verb ------------------------------------------------------------------------------------------------------------- */

static enum code check_word(const struct learn *learn)
{
        char candidates[512] = "", what[AGENT_ID_MAX + 32];
        unsigned found = 0;

        if (learn->word[0] == '\0')
                return CODE_OK;
        for (size_t i = 0; i < learn->pupils_n; i++)
                if (is_wanted(learn, learn->pupils[i].id))
                        text_append(candidates, sizeof candidates, "%s%s", found++ ? ", " : "", learn->pupils[i].id);
        snprintf(what, sizeof what, found ? "'%.200s' is ambiguous" : "nothing was seen of '%.200s'", learn->word);
        if (found == 0)
                return call_complain(learn->call, CODE_NOT_FOUND, what,
                                     "neither samples nor records of that time name it",
                                     "govctl learn --since 30d, or: govctl agents");
        return found == 1 ? CODE_OK
                          : call_complain(learn->call, CODE_USAGE, what, candidates, "govctl learn with one of these");
}

static void tell_next(const struct learn *learn)
{
        struct call *call = learn->call;

        if (!learn->proposals.diff || !learn->proposals.diff[0])
                return;
        call_tell(call, "Nothing was changed. To take it over, as it is or with an editor:");
        call_tell(call, "  govctl learn | patch -d / -p0     (or: git -C / apply -p0)");
        call_tell(call, "  govctl policy check; govctl policy test FILE... --since 72h; govctl reload");
}

static enum code answer(struct learn *learn)
{
        enum code code = check_word(learn);
        json_auto_t *report = NULL;
        int r;

        if (code != CODE_OK)
                return code;
        r = propose(learn);
        if (r == -ENOMEM || learn->failed)
                return call_out_of_memory(learn->call);
        if (r < 0)
                return call_complain(learn->call, CODE_FAILURE, "nothing can be proposed for the policy", strerror(-r),
                                     "govctl policy check");
        report = report_json(learn);
        if (!report)
                return call_out_of_memory(learn->call);
        code = field_true(report, "enough") ? CODE_OK : CODE_PENDING;
        if (learn->call->options.json)
                return call_print_json(learn->call, report, code);
        learn_show(&learn->call->page, report);
        tell_next(learn);
        return code;
}

static enum code run(struct learn *learn, struct audit_reader *audit)
{
        struct call *call = learn->call;
        int r = lessons_read(audit, learn->since, &learn->lessons);

        if (r == -ENOMEM || (r >= 0 && read_policy(learn) < 0))
                return call_out_of_memory(call);
        if (r < 0)
                return call_complain(call, CODE_FAILURE, "cannot read the audit log to its end", strerror(-r),
                                     "govctl audit verify");
        if (learn->lessons.first == 0)
                return call_complain(call, CODE_PENDING, "there is nothing to learn from",
                                     "the log holds no run of the daemon", "govctl log");
        gather(learn);
        return answer(learn);
}

enum code run_learn(struct call *call)
{
        _cleanup_(audit_reader_closep) struct audit_reader *audit = NULL;
        struct learn learn = { .call = call,
                               .word = call_argument(call),
                               .root = call->options.root ? call->options.root : "/" };
        enum code code;

        learn.since = call->page.now > SINCE_DEFAULT ? call->page.now - SINCE_DEFAULT : 0;
        if (call->options.since && !moment_parse_typed(call->options.since, call->page.now, &learn.since))
                return call_complain(call, CODE_USAGE, "--since takes a time", call->options.since,
                                     "govctl learn --since 72h");
        code = state_open_log(call, &audit);
        if (code != CODE_OK)
                return code;
        snprintf(learn.history, sizeof learn.history, "%s/history.db", state_directory(call));
        (void)machine_read_homes(&learn.machine, learn.root, NULL);
        code = run(&learn, audit);
        proposals_done(&learn.proposals);
        lessons_done(&learn.lessons);
        local_texts_done(&learn.texts);
        policy_free(learn.policy);
        machine_done(&learn.machine);
        free(learn.pupils);
        return code;
}
