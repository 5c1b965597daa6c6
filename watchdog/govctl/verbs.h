#pragma once
/* The verbs of govctl as one table: parsing, usage, completion and the man page's test read the same rows. */
#include <stddef.h>

#include "govctl/call.h"

/* What an argument names, so that a shell can complete it. */
enum argument_kind {
        ARGUMENT_NONE,
        ARGUMENT_AGENT,
        ARGUMENT_INCIDENT,
        ARGUMENT_EITHER,
        ARGUMENT_WITNESS,
        ARGUMENT_TRIAL, /* or its agent */
        ARGUMENT_REQUEST,
        ARGUMENT_FILE,
        ARGUMENT_VERB,
        ARGUMENT_WORDS, /* one of the words in `arguments`, as "on|off" */
};

struct verb {
        const char *name;      /* one word, two or three */
        const char *arguments; /* as usage shows them, "" for none */
        unsigned least, most;
        enum argument_kind kind;
        unsigned takes;    /* option sets of options.h */
        bool finds;        /* may end with CODE_FINDING */
        bool daemon;       /* asks the daemon and cannot do without */
        const char *help;  /* one line */
        const char *about; /* what the man page says in more words */
        const char *example;
        enum code (*run)(struct call *call);
};

extern const struct verb verbs[];
extern const size_t verbs_n;

#define VERB_WORDS_MAX 3

/* The verb that the first of these words name and how many of them it took; NULL when they name none. */
const struct verb *verb_find(const char *const *words, unsigned n, unsigned *ret_taken);

/* Whether the verb begins with these words and has more. */
bool verb_is_of(const struct verb *verb, const char *const *words, unsigned n);

/* Complains about words that name no verb. */
enum code verb_complain_unknown(const struct call *call, const char *const *words, unsigned n);

/* Parses the arguments into the call and runs it: all of govctl, once its streams are set. */
enum code verb_run(struct call *call, int argc, char **argv);

/* One a verb or family of them, each in the file of its name. */
enum code run_status(struct call *call);
enum code run_agents(struct call *call);
enum code run_discover(struct call *call);
enum code run_learn(struct call *call);
enum code run_incidents(struct call *call);
enum code run_why(struct call *call);
enum code run_log(struct call *call);
enum code run_restart(struct call *call);
enum code run_release(struct call *call);
enum code run_acknowledge(struct call *call);
enum code run_planned(struct call *call);
enum code run_change_open(struct call *call);
enum code run_change_close(struct call *call);
enum code run_change_list(struct call *call);
enum code run_deploy(struct call *call);
enum code run_limits(struct call *call);
enum code run_harden(struct call *call);
enum code run_keep(struct call *call);
enum code run_undo(struct call *call);
enum code run_trials(struct call *call);
enum code run_versions(struct call *call);
enum code run_versions_diff(struct call *call);
enum code run_rollback(struct call *call);
enum code run_ask(struct call *call);
enum code run_withdraw(struct call *call);
enum code run_requests(struct call *call);
enum code run_request_show(struct call *call);
enum code run_approve(struct call *call);
enum code run_modify(struct call *call);
enum code run_reject(struct call *call);
enum code run_reload(struct call *call);
enum code run_safe_mode(struct call *call);
enum code run_disarm(struct call *call);
enum code run_history(struct call *call);
enum code run_policy_test(struct call *call);
enum code run_replay(struct call *call);
enum code run_policy_check(struct call *call);
enum code run_policy_show(struct call *call);
enum code run_audit_init(struct call *call);
enum code run_audit_verify(struct call *call);
enum code run_audit_log(struct call *call);
enum code run_audit_show(struct call *call);
enum code run_audit_checkpoint(struct call *call);
enum code run_audit_seal(struct call *call);
enum code run_audit_export(struct call *call);
enum code run_audit_prove(struct call *call);
enum code run_audit_check_proof(struct call *call);
enum code run_audit_archive(struct call *call);
enum code run_audit_rotate(struct call *call);
enum code run_audit_restored(struct call *call);
enum code run_audit_witness_list(struct call *call);
enum code run_audit_witness_add(struct call *call);
enum code run_audit_witness_remove(struct call *call);
enum code run_audit_witness_push(struct call *call);
enum code run_approver_list(struct call *call);
enum code run_approver_add(struct call *call);
enum code run_approver_remove(struct call *call);
enum code run_approver_recover(struct call *call);
enum code run_doctor(struct call *call);
enum code run_version(struct call *call);
enum code run_completion(struct call *call);
enum code run_help(struct call *call);
