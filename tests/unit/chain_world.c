#include "chain_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "io/record.h"
#include "recall.h"

#define COMMIT_EVERY 500

static uint64_t world_clock(void *userdata)
{
        const struct world *world = userdata;

        return world->now;
}

uint64_t chain_world_append(struct chain_world *chain, const char *action, const char *subject, uint64_t incident,
                            enum audit_outcome outcome, json_t *details)
{
        char name[INCIDENT_NAME_MAX] = "";
        struct audit_entry entry = { .action = action,
                                     .subject = subject,
                                     .incident = incident ? incident_name(name, incident) : "",
                                     .outcome = outcome,
                                     .details = details };
        uint64_t seq = 0;

        assert_non_null(details);
        if (!chain->silent)
                assert_int_equal(audit_append(chain->audit, &entry, &seq), 0);
        json_decref(details);
        if (audit_pending_count(chain->audit) >= COMMIT_EVERY)
                assert_true(audit_commit(chain->audit, 0) >= 0);
        return seq;
}

/* The outcome belongs to the oldest intent of its kind that waits: the world carries out its orders in their order. */
static uint64_t take_intent(struct chain_world *chain, enum action action)
{
        uint64_t intent;
        unsigned n = 0;

        while (n < chain->intents_n && chain->intents[n].action != action)
                n++;
        if (n == chain->intents_n)
                return 0;
        intent = chain->intents[n].seq;
        memmove(&chain->intents[n], &chain->intents[n + 1], (--chain->intents_n - n) * sizeof *chain->intents);
        return intent;
}

static void append_outcome(struct chain_world *chain, const struct fact *fact)
{
        char verb[ACTION_VERB_MAX];
        uint64_t intent = take_intent(chain, fact->outcome.action);

        action_verb(fact->outcome.action, verb);
        chain_world_append(chain, verb, fact->agent, 0, AUDIT_OK, record_of_outcome(fact, intent));
}

static void on_sent(struct world *world, const struct fact *fact, bool material)
{
        struct chain_world *chain = world->self;
        char verb[RECORD_VERB_MAX];
        json_t *details;

        if (fact->kind == FACT_OUTCOME)
                append_outcome(chain, fact);
        if (!material || fact->kind == FACT_TICK || fact->kind == FACT_OUTCOME)
                return;
        details = record_of_fact(fact, verb);
        chain_world_append(chain, verb, fact->agent, 0, AUDIT_INFO, details);
}

static void on_decided(struct world *world, const struct decision *decision)
{
        struct chain_world *chain = world->self;
        enum audit_outcome outcome = decision->kind == DECIDE_ACT        ? AUDIT_PENDING
                                     : decision->kind == DECIDE_WITHHOLD ? AUDIT_DENIED
                                                                         : AUDIT_INFO;
        char verb[RECORD_VERB_MAX];
        json_t *details = record_of_decision(decision, verb);
        uint64_t seq = chain_world_append(chain, verb, decision->agent, decision->incident, outcome, details);

        if (decision->kind == DECIDE_ACT && chain->intents_n < sizeof chain->intents / sizeof *chain->intents)
                chain->intents[chain->intents_n++] = (struct chain_intent){ seq, decision->action };
}

static void take_policy(struct chain_world *chain, const char *yaml)
{
        struct policy_messages messages = { 0 };
        struct policy *old = chain->policy;

        assert_int_equal(policy_load_text("governor.yaml", yaml, strlen(yaml), &chain->policy, &messages), 0);
        policy_messages_done(&messages);
        chain->yaml = yaml;
        chain->world.policy = *chain->policy;
        if (chain->world.judge)
                judge_set_policy(chain->world.judge, &chain->world.policy);
        policy_free(old);
}

void chain_world_open(struct chain_world *chain, usec_t now, const char *yaml)
{
        struct audit_options options = {
                .host = "vps1",
                .clock = { .realtime_usec = world_clock,
                           .boottime_usec = world_clock,
                           .boot_id = "00000000000000000000000000000000",
                           .userdata = &chain->world },
                .no_ballast = true,
        };

        *chain = (struct chain_world){ .yaml = yaml, .directory = "/tmp/chain-world-XXXXXX" };
        world_init(&chain->world, 7);
        take_policy(chain, yaml);
        chain->world.now = chain->world.began = now;
        chain->world.limits = judge_limits_for(64);
        chain->world.self = chain;
        chain->world.sent = on_sent;
        chain->world.decided = on_decided;
        assert_non_null(mkdtemp(chain->directory));
        assert_int_equal(audit_open(chain->directory, &options, &chain->audit, NULL), 0);
        world_judge(&chain->world);
}

static void append_policy(struct chain_world *chain)
{
        char *text = NULL;

        if (!chain->yaml)
                return;
        assert_int_equal(policy_judged(chain->policy, &text), 0);
        chain_world_append(chain, "policy.text", "policy", 0, AUDIT_INFO,
                           json_pack("{s:i, s:i, s:s}", "part", 1, "parts", 1, "yaml", text));
        free(text);
}

static void append_start(struct chain_world *chain, bool again)
{
        struct remembered scratch;
        struct fact fact;
        uint32_t cursor = 0;
        json_int_t memory = 0;

        while (judge_remember(chain->world.judge, &cursor, &scratch, &fact))
                memory++;
        cursor = 0;
        chain_world_append(chain, "judge.start", "judge", 0, AUDIT_INFO,
                           json_pack("{s:I, s:b, s:i, s:s, s:b, s:I, s:I}", "at", (json_int_t)chain->world.now, "again",
                                     again, "agents_max", 64, "policy", "0123", "safe_mode", 0, "seed",
                                     (json_int_t)chain->world.seed, "memory", memory));
        append_policy(chain);
        while (judge_remember(chain->world.judge, &cursor, &scratch, &fact)) {
                char verb[RECORD_VERB_MAX];
                json_t *details;

                fact.at = chain->world.now;
                details = record_of_fact(&fact, verb);
                chain_world_append(chain, verb, fact.agent, 0, AUDIT_INFO, details);
        }
}

void chain_world_begin(struct chain_world *chain, bool again)
{
        if (!again) {
                judge_resume(chain->world.judge, chain->world.now);
                world_remember(&chain->world);
        }
        append_start(chain, again);
}

void chain_world_load(struct chain_world *chain, const char *yaml)
{
        const struct fact tick = { .kind = FACT_TICK, .agent = "" };

        world_send(&chain->world, &tick);
        chain_world_append(chain, "policy.load", "policy", 0, AUDIT_OK, json_pack("{s:s}", "text", "loaded"));
        take_policy(chain, yaml);
        append_start(chain, true);
}

static void close_intent(void *self, const struct open_intent *intent)
{
        struct chain_world *chain = self;
        struct fact fact = { .kind = FACT_OUTCOME,
                             .manager = agent_manager(intent->agent),
                             .agent = intent->agent,
                             .instance = intent->instance,
                             .outcome = { intent->action, intent->purpose, OUTCOME_UNKNOWN, "", intent->trial,
                                          intent->path } };

        chain->intents[0] = (struct chain_intent){ intent->seq, intent->action };
        chain->intents_n = 1;
        world_send(&chain->world, &fact);
}

void chain_world_return(struct chain_world *chain)
{
        struct world *world = &chain->world;
        struct recall recall = { .from = UINT64_MAX };
        char database[96];

        chain->silent = false;
        assert_true(audit_commit(chain->audit, 0) >= 0);
        snprintf(database, sizeof database, "%s/audit.db", chain->directory);
        assert_int_equal(recall_look_back(database, &recall), 0);
        world->away = false;
        world->queue_n = world->cut_off_n = 0;
        chain->intents_n = 0;
        world_judge(world);
        assert_true(recall_live(database, &recall, world->judge, &recall.last) >= 0);
        judge_resume(world->judge, world->now);
        append_start(chain, false);
        assert_int_equal(recall_open_intents(database, recall.from, close_intent, chain), 0);
        world_listen(world);
}

void chain_world_end(struct chain_world *chain)
{
        chain_world_append(chain, "judge.stop", "judge", 0, AUDIT_INFO,
                           json_pack("{s:I}", "at", (json_int_t)chain->world.now));
}

void chain_world_settle(struct chain_world *chain)
{
        assert_true(audit_commit(chain->audit, AUDIT_SEAL) >= 0);
}

void chain_world_close(struct chain_world *chain)
{
        char command[96];

        audit_close(chain->audit);
        world_done(&chain->world);
        policy_free(chain->policy);
        snprintf(command, sizeof command, "rm -rf '%s'", chain->directory);
        assert_int_equal(system(command), 0);
}
