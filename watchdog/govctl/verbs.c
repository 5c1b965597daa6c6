#include "govctl/verbs.h"

#include <string.h>

#include "base/text.h"
#include "govctl/options.h"
#include "govctl/suggest.h"
#include "govctl/usage.h"

/* clang-format off */
const struct verb verbs[] = {
        { "status", "", 0, 0, ARGUMENT_NONE, TAKES_WATCH, true, true,
          "the machine and its agents at a glance (what govctl alone shows)",
          "Shows the machine, every agent with the state that its manager claims beside the one that is true, and one line of "
          "advice. Agents in trouble come first.",
          "govctl status --watch",
          run_status },
        { "agents", "[NAME]", 0, 1, ARGUMENT_AGENT, TAKES_ALWAYS, true, true,
          "all agents, or all that is known of one",
          "Without NAME lists the agents with their processes and rules; with NAME shows everything that is known of that one.",
          "govctl agents lily",
          run_agents },
        { "incidents", "", 0, 0, ARGUMENT_NONE, TAKES_ALL, true, true,
          "what is wrong now; --all: and what was",
          "Lists the open incidents with their cause, count and rule; with --all those that are over too.",
          "govctl incidents --all",
          run_incidents },
        { "why", "AGENT|INCIDENT", 1, 1, ARGUMENT_EITHER, TAKES_ALWAYS, false, true,
          "the story of an agent or incident: facts, rule, what followed",
          "Tells what was seen, which rule (file and line) was broken, what was done, what else was considered and why it was not "
          "done, and what comes next.",
          "govctl why inc-3",
          run_why },
        { "log", "[AGENT|INCIDENT]", 0, 1, ARGUMENT_EITHER, TAKES_ALL | TAKES_LOG | TAKES_STATE | TAKES_DB, false, false,
          "what was found and done, from the audit log; --follow: from now on",
          "Prints the audit log in sentences, oldest first. Bare facts are left out unless --all asks for them.",
          "govctl log lily --since 2h --follow",
          run_log },
        { "history", "AGENT|machine", 1, 1, ARGUMENT_AGENT, TAKES_SINCE | TAKES_ASCII | TAKES_STATE, false, false,
          "memory, CPU and restarts of an agent, drawn over time",
          "Draws what the agent, or the whole machine, used since then: a day by default, minutes; a week in steps of ten minutes; "
          "over a year in hours. Incidents are marked, for root those that only the audit log knows, too. Without a daemon root may "
          "read the file itself.",
          "govctl history lily --since 7d",
          run_history },
        { "replay", "", 0, 0, ARGUMENT_NONE, TAKES_STATE | TAKES_DB | TAKES_POLICY, true, false,
          "make the decisions of the audit log again from its facts",
          "Gives the recorded facts to a judge as they came, with the policy that the log holds, and compares what it decides with "
          "what was recorded. Needs no daemon. Ends with 3 when any decision differs, and with 7 when none could be compared.",
          "govctl replay --db copy.db",
          run_replay },
        { "restart", "AGENT", 1, 1, ARGUMENT_AGENT, TAKES_REASON, false, true,
          "restart an agent through its own manager, on the record",
          "Asks the daemon to restart the agent through its manager. The restart is recorded as yours and does not count as a death.",
          "govctl restart lily --reason 'new prompt'",
          run_restart },
        { "release", "AGENT", 1, 1, ARGUMENT_AGENT, TAKES_REASON, false, true,
          "let an agent out of quarantine",
          "Ends the quarantine and starts the agent. It is watched as in a trial: when it fails again it goes back.",
          "govctl release agent-oscar",
          run_release },
        { "acknowledge", "INCIDENT", 1, 1, ARGUMENT_INCIDENT, TAKES_REASON | TAKES_PROOF, false, true,
          "close an incident that you have dealt with",
          "Closes the incident in your name. It opens again under a new number when the cause is seen again.",
          "govctl acknowledge inc-1 --reason 'counter reset'",
          run_acknowledge },
        { "planned", "INCIDENT", 1, 1, ARGUMENT_INCIDENT, TAKES_REASON, false, true,
          "\"this was me\": a drift or a start that you wanted is closed",
          "Closes an incident of the cause config-drift, unit-drift or unannounced-start in your name. What it is about is right as it "
          "is now. It needs --reason.",
          "govctl planned inc-4 --reason 'new prompt, forgot the window'",
          run_planned },
        { "change open", "AGENT|PATTERN", 1, 1, ARGUMENT_AGENT, TAKES_REASON | TAKES_FOR, false, true,
          "announce a change: what happens meanwhile is planned",
          "Opens a change window for an agent, the files that its rule declares, its unit's files and what PM2 has of it, or for the "
          "files that match a pattern. Until it is closed or its time is over, changes of these are planned, and so are deaths and "
          "restarts of the agent. It needs --reason.",
          "govctl change open lily --reason 'new prompts' --for 15m",
          run_change_open },
        { "change close", "[AGENT|PATTERN|NUMBER]", 0, 1, ARGUMENT_AGENT, TAKES_ALWAYS, false, true,
          "end a change window; what changed is sealed as it is",
          "Looks at all that is declared once more, closes the window and says what changed in it. What changed in it is how it "
          "should be from now on. Without an argument closes the only one that is open.",
          "govctl change close lily",
          run_change_close },
        { "change list", "", 0, 0, ARGUMENT_NONE, TAKES_ALWAYS, false, true,
          "the change windows that are open",
          "Lists the open change windows: for what, until when, by whom and why.",
          "govctl change list",
          run_change_list },
        { "deploy", "AGENT -- COMMAND...", 2, 1000, ARGUMENT_AGENT, TAKES_REASON | TAKES_FOR, false, true,
          "run a command in a change window of the agent",
          "Opens a change window, runs the command as you, closes the window, and says what changed. Without --for the window lasts "
          "as long as the command; the daemon closes it should govctl be killed. Signals are passed on. The exit status of the "
          "command stands in the audit log. Ends with 1 when the command failed, and with 130 when it was interrupted.",
          "govctl deploy lily --reason 'release 12' -- ./deploy.sh lily",
          run_deploy },
        { "versions", "AGENT", 1, 1, ARGUMENT_AGENT, TAKES_ALWAYS, false, true,
          "what an agent's declared files were, and what was proven",
          "Lists the versions of the agent's configuration: all files together that its rule declares. A version is proven when a "
          "life that began under it lasted for proven_after without a finding. Says which one a rollback would go back to.",
          "govctl versions lily",
          run_versions },
        { "versions diff", "AGENT FROM TO", 3, 3, ARGUMENT_AGENT, TAKES_ALWAYS, false, true,
          "compare two versions, secrets left out",
          "Shows line by line what differs between two versions of the agent's configuration. Keys of known shapes, values of "
          "names such as TOKEN or password, and what looks like chance are shown as ***. Only for root.",
          "govctl versions diff lily 3 4",
          run_versions_diff },
        { "rollback", "AGENT", 1, 1, ARGUMENT_AGENT, TAKES_REASON | TAKES_TO, false, true,
          "put an agent's configuration back and restart it",
          "Puts the declared files back as they were in an earlier version, all or none, and restarts the agent. What is replaced "
          "stays in the vault as a version of its own, to compare or to go back to. It needs --reason.",
          "govctl rollback lily --to 3 --reason 'release 12 loops'",
          run_rollback },
        { "ask", "ACTION", 1, 1, ARGUMENT_NONE, TAKES_PARAM | TAKES_TIMEOUT | TAKES_REASON, false, true,
          "ask for an action before doing it; waits for the answer",
          "For agents, as any user, on the agents' socket. The policy's actions allow it, deny it, or leave it to a human; then it "
          "waits. Prints what was granted, which a human may have changed. Ends with 0 when it is granted, 4 when it is denied or "
          "rejected, and 7 when nobody answered in time. Actions that no rule names are denied.",
          "govctl ask trade --param usd=1500 --param symbol=ABC --timeout 5m",
          run_ask },
        { "withdraw", "REQUEST", 1, 1, ARGUMENT_NONE, TAKES_ALWAYS, false, true,
          "take back what you asked for",
          "For agents: takes back an open request of the same agent, or of the same user where the agent is not known.",
          "govctl withdraw req-7",
          run_withdraw },
        { "requests", "", 0, 0, ARGUMENT_NONE, TAKES_ALL, false, true,
          "what agents ask humans for; --all: and what they asked for before",
          "Lists the requests that wait for an answer: who asked, for what, and why a human is asked; with --all the newest of those "
          "that are over, too.",
          "govctl requests",
          run_requests },
        { "show", "REQUEST", 1, 1, ARGUMENT_REQUEST, TAKES_FULL, false, true,
          "one request whole",
          "Shows what is asked for, by whom, and what became of it. What looks like a secret is shown as ***; --full shows it to root.",
          "govctl show req-7",
          run_request_show },
        { "approve", "REQUEST", 1, 1, ARGUMENT_REQUEST, TAKES_REASON | TAKES_PROOF, false, true,
          "grant a request",
          "Grants the request as it is. It needs the signature of an enrolled approver: root alone approves nothing, because an agent "
          "may be root.",
          "govctl approve req-7 --reason 'checked'",
          run_approve },
        { "modify", "REQUEST", 1, 1, ARGUMENT_REQUEST, TAKES_PARAM | TAKES_REASON | TAKES_PROOF, false, true,
          "grant a request with other parameters",
          "Grants the request with the parameters that --param changes; the others stay. What the policy denies cannot be granted so "
          "either. It needs the signature of an enrolled approver.",
          "govctl modify req-7 --param usd=500",
          run_modify },
        { "reject", "REQUEST", 1, 1, ARGUMENT_REQUEST, TAKES_REASON, false, true,
          "deny a request",
          "Denies the request. Root may do that without an approver's proof.",
          "govctl reject req-7 --reason 'not today'",
          run_reject },
        { "limits", "AGENT", 1, 1, ARGUMENT_AGENT, TAKES_LIMITS | TAKES_REASON, false, true,
          "propose limits for an agent's unit; --apply: try them",
          "Proposes MemoryHigh, MemoryMax, MemorySwapMax, CPUQuota and OOMPolicy from the agent's class and from what it used, beside "
          "what systemd has in force now. With --apply they are written as a trial: they are taken back by themselves when its time is "
          "over, or as soon as the agent dies or is not well, unless you keep them. For a PM2 app prints how to give it a unit of its "
          "own.",
          "govctl limits agent-lily --apply",
          run_limits },
        { "harden", "AGENT", 1, 1, ARGUMENT_AGENT, TAKES_HARDEN | TAKES_POLICY, false, true,
          "propose a sandbox for an agent's unit",
          "Proposes what the agent's unit should be taken away, so that the agent can change only its own files and nobody acts for it "
          "outside, beside what its unit files say now, each with its reason. Nothing is changed; --drop-in prints the file to write. "
          "For a PM2 app prints how to give it a unit of its own.",
          "govctl harden agent-lily --guard /srv/lily/core",
          run_harden },
        { "keep", "AGENT|NUMBER", 1, 1, ARGUMENT_TRIAL, TAKES_REASON, false, true,
          "keep what is on trial",
          "Makes what is on trial permanent. Until then a reboot ends it too.",
          "govctl keep agent-lily",
          run_keep },
        { "undo", "AGENT|NUMBER", 1, 1, ARGUMENT_TRIAL, TAKES_REASON, false, true,
          "take back what is on trial, or was kept",
          "Takes it back at once: the trial of the agent, or what was kept of it, or the trial of that number.",
          "govctl undo agent-lily --reason 'too tight'",
          run_undo },
        { "trials", "", 0, 0, ARGUMENT_NONE, TAKES_ALL, false, true,
          "what is on trial, for how long, and what is kept; --all: and what was",
          "Lists what Governor changed on somebody's word: what is on trial and when that ends by itself, and what is kept; with --all "
          "the last of those that are over, and why.",
          "govctl trials",
          run_trials },
        { "discover", "", 0, 0, ARGUMENT_NONE, TAKES_STATE | TAKES_ROOT, false, true,
          "print what runs here as a policy file to keep",
          "Prints a policy, in observe mode, that names every agent found on this machine. For root it holds a ceiling for each "
          "agent that PM2 limits already (max_memory_restart) or that was seen running for a day.",
          "govctl discover >/etc/governor/policies.d/10-agents.yaml",
          run_discover },
        { "learn", "[AGENT]", 0, 1, ARGUMENT_AGENT, TAKES_SINCE | TAKES_STATE | TAKES_DB | TAKES_POLICY | TAKES_ROOT, false, false,
          "what the last days showed of each agent, and what to change for it",
          "Tells what was observed of each agent, three days back by default: its lives and how they ended, what it usually holds at "
          "its age and at most, CPU, findings and what they would have done. Then proposes changes of the policy as a difference, "
          "each with its reason. Nothing is changed. Needs no daemon, and root's rights. Ends with 7 while no agent was seen for a day.",
          "govctl learn lily --since 7d",
          run_learn },
        { "policy check", "[FILE...]", 0, 1000, ARGUMENT_FILE, TAKES_POLICY, true, false,
          "check policy files; all errors in one run",
          "Checks the files named, or else the installed ones, as the daemon would read them. Needs no daemon.",
          "govctl policy check 20-family.yaml",
          run_policy_check },
        { "policy show", "", 0, 0, ARGUMENT_NONE, TAKES_ORIGIN | TAKES_POLICY, false, false,
          "the policy in force; --origin: where each value was set",
          "Shows the policy that the daemon acts on, or without a daemon the one that it would read.",
          "govctl policy show --origin",
          run_policy_show },
        { "policy test", "FILE...", 1, 1000, ARGUMENT_FILE, TAKES_SINCE | TAKES_STATE | TAKES_DB, true, false,
          "what another policy would have done; nothing is changed",
          "Judges the recorded facts, and the sizes in the history, once more by the policy in these files and tells what would "
          "not have happened and what would: restarts, quarantines, denied actions. Needs no daemon. Ends with 3 when any of "
          "those is new.",
          "govctl policy test 20-family.yaml --since 7d",
          run_policy_test },
        { "reload", "", 0, 0, ARGUMENT_NONE, TAKES_PROOF, false, true,
          "read the policy again; a wrong one changes nothing",
          "Makes the daemon read its policy again. When there is any error it keeps the old one and the errors are printed. Where "
          "somebody approves, a policy that is looser needs a signature.",
          "govctl reload",
          run_reload },
        { "audit init", "", 0, 0, ARGUMENT_NONE, TAKES_STATE | TAKES_POLICY | TAKES_QR, false, false,
          "the anchor of the log's beginning, to keep elsewhere",
          "Prints the trust anchor, one line that fixes the log from its first record on, and on a terminal its QR code. Where "
          "there is no log yet it begins one, as governord does when it starts first.",
          "govctl audit init --qr",
          run_audit_init },
        { "audit verify", "", 0, 0, ARGUMENT_NONE, TAKES_VERIFY | TAKES_WITNESSES | TAKES_STATE | TAKES_DB, true, false,
          "prove that the audit log is whole",
          "Checks every record, the chain, the tree, the seals and the live key, of the log here, of a copy (--db) or of an export "
          "(--jsonl). Needs no daemon; one that runs must agree. Ends with 0 when the log is whole, 3 when it was tampered with, 1 "
          "when it cannot be read, 7 when nothing is wrong and not everything is proven.",
          "govctl audit verify --db copy.db --against anchors.txt",
          run_audit_verify },
        { "audit log", "[AGENT|INCIDENT]", 0, 1, ARGUMENT_EITHER, TAKES_LOG | TAKES_STATE | TAKES_DB, false, false,
          "the records themselves, as they are stored",
          "Prints raw record bodies, one a line, exactly as they were hashed, in the order of the log: all, or those that the "
          "options choose.",
          "govctl audit log lily --action 'agent.*' --outcome fail --since 7d",
          run_audit_log },
        { "audit show", "SEQ", 1, 1, ARGUMENT_NONE, TAKES_STATE | TAKES_DB, false, false,
          "one record whole: its words, hash, other half and seal",
          "Shows a record with its hash, which is its leaf in the tree too, the intent or outcome that belongs to it, and the "
          "checkpoint that covers it. With --json prints its body as it was hashed.",
          "govctl audit show 4711",
          run_audit_show },
        { "audit checkpoint", "", 0, 0, ARGUMENT_NONE, TAKES_ANCHOR | TAKES_STATE | TAKES_DB, false, false,
          "the newest checkpoint, to keep elsewhere",
          "Prints the newest checkpoint as the signed note that other tools and witnesses read, or as a one-line anchor. Kept "
          "elsewhere, it is what the log can be held against.",
          "govctl audit checkpoint --anchor",
          run_audit_checkpoint },
        { "audit seal", "", 0, 0, ARGUMENT_NONE, TAKES_NONCE | TAKES_ANCHOR, false, true,
          "seal now; --nonce: with an auditor's challenge",
          "Seals all that is recorded and prints the checkpoint. With --nonce the challenge is recorded first: a log that was cut "
          "before somebody stole its keys cannot answer.",
          "govctl audit seal --nonce $(openssl rand -hex 16)",
          run_audit_seal },
        { "audit export", "", 0, 0, ARGUMENT_NONE, TAKES_EXPORT | TAKES_STATE | TAKES_DB, false, false,
          "write the log as text files or tiles",
          "Writes the parts that the options name, all of one moment: records, checkpoints, subtrees, or tiles. With --json alone "
          "prints the records.",
          "govctl audit export --jsonl log.jsonl --checkpoints log.ckpt",
          run_audit_export },
        { "audit prove", "SEQ", 1, 1, ARGUMENT_NONE, TAKES_STATE | TAKES_DB, false, false,
          "a proof that a record stands in the log",
          "Prints a C2SP tlog-proof of the record, which holds the record and a checkpoint: whoever knows the key of the log can "
          "check it with nothing else.",
          "govctl audit prove 4711 >4711.proof",
          run_audit_prove },
        { "audit check-proof", "FILE|-", 1, 1, ARGUMENT_FILE, TAKES_LOG_KEY | TAKES_WITNESSES | TAKES_STATE | TAKES_DB, false, false,
          "check such a proof, anywhere",
          "Checks the proof against the key of its log, and against witnesses when they are named, and prints the record that it "
          "proves. Ends with 7 when it proves nothing.",
          "govctl audit check-proof 4711.proof --log vps1/governor/1f2e3d4c+16e802f0+AQb...",
          run_audit_check_proof },
        { "audit archive", "--before TIME", 0, 0, ARGUMENT_NONE, TAKES_ARCHIVE | TAKES_STATE, false, false,
          "move old records into an archive",
          "Verifies the log, writes the records that are older than TIME and than the retention of the log into an archive, verifies "
          "that, and begins the database anew without them. What stays still verifies from the first record. Without a daemon "
          "govctl does it itself.",
          "govctl audit archive --before 500d",
          run_audit_archive },
        { "audit rotate", "--reason TEXT", 0, 0, ARGUMENT_NONE, TAKES_REASON | TAKES_STATE | TAKES_POLICY | TAKES_QR, false, false,
          "end this log on purpose and begin a new one",
          "Sets the log aside whole and begins a new one that names its last checkpoint; prints the anchor of the new one. It needs "
          "--reason. Without a daemon govctl does it itself.",
          "govctl audit rotate --reason 'moved to another host'",
          run_audit_rotate },
        { "audit restored", "--reason TEXT", 0, 0, ARGUMENT_NONE, TAKES_REASON | TAKES_PROOF, false, true,
          "explain a broken log, such as after a snapshot",
          "Puts your explanation into the log and closes the incident that says that the log was broken. It needs --reason.",
          "govctl audit restored --reason 'snapshot of 2026-01-31 put back'",
          run_audit_restored },
        { "audit witness list", "", 0, 0, ARGUMENT_NONE, TAKES_ALWAYS, false, true,
          "who vouches for the log, and how far each has seen it",
          "Lists the witnesses with the size that each cosigned last, when, and how many sealed records it has not seen yet.",
          "govctl audit witness list",
          run_audit_witness_list },
        { "audit witness add", "VKEY URL", 2, 2, ARGUMENT_NONE, TAKES_ALWAYS, false, true,
          "let a witness vouch for the log",
          "Adds a witness by its C2SP verifier key and the URL that takes its checkpoints. It must know the key of this log too.",
          "govctl audit witness add w1.example+b1c3056e+BJp0... https://w1.example",
          run_audit_witness_add },
        { "audit witness remove", "NAME", 1, 1, ARGUMENT_WITNESS, TAKES_ALWAYS, false, true,
          "a witness is asked no more",
          "Takes a witness off the list. What it has cosigned stays in the log.",
          "govctl audit witness remove w1.example",
          run_audit_witness_remove },
        { "audit witness push", "[NAME]", 0, 1, ARGUMENT_WITNESS, TAKES_ALWAYS, false, true,
          "bring the newest checkpoint to the witnesses now",
          "Runs governor-courier(8) for each witness, or for one, and prints how it ended. A witness that has cosigned another "
          "history refuses, which is an incident.",
          "govctl audit witness push",
          run_audit_witness_push },
        { "approver list", "", 0, 0, ARGUMENT_NONE, TAKES_ALWAYS, false, true,
          "whose signature weakens Governor",
          "Lists the approvers with their keys, and whether a recovery is under way.",
          "govctl approver list",
          run_approver_list },
        { "approver add", "NAME", 1, 1, ARGUMENT_NONE, TAKES_ENROL | TAKES_PROOF, false, true,
          "let somebody approve: from then on weakening needs a signature",
          "Enrols a public key of OpenSSH (--key), ssh-ed25519 or sk-ssh-ed25519, whose secret half is best on another machine; or "
          "makes a key on this one under a passphrase, which does not stand up to an agent with root's rights. The first is free "
          "and prints a recovery code, once; every later one needs the signature of an approver.",
          "govctl approver add alice --key alice.pub",
          run_approver_add },
        { "approver remove", "NAME", 1, 1, ARGUMENT_NONE, TAKES_PROOF, false, true,
          "somebody may approve no more",
          "Takes an approver off the list, which needs the signature of one. Without any, Governor is guarded by root's rights only.",
          "govctl approver remove alice --sign-request",
          run_approver_remove },
        { "approver recover", "", 0, 0, ARGUMENT_NONE, TAKES_RECOVER, false, true,
          "when keys are lost: by the recovery code, or after 72 hours",
          "Removes all approvers, so that one can be enrolled anew: at once with the recovery code, or else after 72 hours in which the "
          "daemon runs. Every hour it is announced in the log and the journal, and anybody with root's rights may cancel it.",
          "govctl approver recover --code code.txt",
          run_approver_recover },
        { "doctor", "", 0, 0, ARGUMENT_NONE, TAKES_ROOT | TAKES_STATE | TAKES_POLICY, true, false,
          "what is set up wrongly here, each with the fix to paste",
          "Looks for settings of systemd, PM2 and Governor that will hurt one day. Changes nothing, needs no daemon and no rights, "
          "and says what it was not allowed to see.",
          "govctl doctor",
          run_doctor },
        { "safe-mode", "[on|off]", 0, 1, ARGUMENT_WORDS, TAKES_PROOF, false, true,
          "observe only, whatever the policy says; without a word: is it on?",
          "In safe mode Governor sees, judges and records, and does nothing. It enters it by itself after three crashes in 10 minutes.",
          "govctl safe-mode off",
          run_safe_mode },
        { "disarm", "--all", 0, 0, ARGUMENT_NONE, TAKES_ALL | TAKES_PROOF, false, true,
          "undo all that Governor has set up on this machine",
          "Stops all action until the policy is loaded again, and removes everything in the footprint file.",
          "govctl disarm --all",
          run_disarm },
        { "version", "", 0, 0, ARGUMENT_NONE, TAKES_ALWAYS, false, false,
          "versions of govctl and of the daemon",
          "Prints the version of govctl and, when it answers, of the daemon.",
          "govctl version",
          run_version },
        { "completion", "bash|zsh", 1, 1, ARGUMENT_WORDS, TAKES_ALWAYS, false, false,
          "print the completion for a shell",
          "Prints a script that completes verbs, options, agents, incidents and witnesses.",
          "source <(govctl completion bash)",
          run_completion },
        { "help", "[VERB]", 0, VERB_WORDS_MAX, ARGUMENT_VERB, TAKES_ALWAYS, false, false,
          "this list, or one verb explained",
          "Prints all verbs, or explains one.",
          "govctl help why",
          run_help },
};
/* clang-format on */

const size_t verbs_n = sizeof verbs / sizeof verbs[0];

/* The first `n` words with spaces between them, cut where they are longer than any verb. */
#define WORDS_MAX 128
static char *join(const char *const *words, unsigned n, char buffer[WORDS_MAX])
{
        buffer[0] = '\0';
        for (unsigned i = 0; i < n; i++)
                text_append(buffer, WORDS_MAX, "%s%s", i > 0 ? " " : "", words[i]);
        return buffer;
}

const struct verb *verb_find(const char *const *words, unsigned n, unsigned *ret_taken)
{
        char typed[WORDS_MAX];

        for (unsigned taken = n < VERB_WORDS_MAX ? n : VERB_WORDS_MAX; taken > 0; taken--) {
                join(words, taken, typed);
                for (size_t i = 0; i < verbs_n; i++)
                        if (strcmp(verbs[i].name, typed) == 0) {
                                *ret_taken = taken;
                                return &verbs[i];
                        }
        }
        return NULL;
}

bool verb_is_of(const struct verb *verb, const char *const *words, unsigned n)
{
        char first[WORDS_MAX];

        return text_starts(verb->name, join(words, n, first)) && verb->name[strlen(first)] == ' ';
}

/* "check, show" for "policy", each once; false when no longer verb begins with these words. */
static bool family_of(const char *const *words, unsigned n, char *members, size_t size)
{
        char first[WORDS_MAX], last[WORDS_MAX] = "";

        members[0] = '\0';
        for (size_t i = 0; i < verbs_n; i++) {
                char member[WORDS_MAX];

                if (!verb_is_of(&verbs[i], words, n))
                        continue;
                text_copy(member, sizeof member, verbs[i].name + strlen(join(words, n, first)) + 1);
                member[strcspn(member, " ")] = '\0';
                if (strcmp(member, last) != 0) /* rows of a family stand together */
                        text_append(members, size, "%s%s", members[0] ? ", " : "", member);
                text_copy(last, sizeof last, member);
        }
        return members[0] != '\0';
}

enum code verb_complain_unknown(const struct call *call, const char *const *words, unsigned n)
{
        const char *names[64], *near;
        char typed[WORDS_MAX], family[WORDS_MAX], members[256], what[WORDS_MAX + 32], why[512], next[512];
        unsigned known = 0;

        _Static_assert(sizeof members < sizeof why - WORDS_MAX, "why holds a family and its members");
        while (known < n && known < VERB_WORDS_MAX - 1 && family_of(words, known + 1, members, sizeof members))
                known++;
        join(words, known < n ? known + 1 : n, typed);
        snprintf(what, sizeof what, "unknown verb '%s'", typed);
        snprintf(why, sizeof why, "there is no such verb");
        snprintf(next, sizeof next, "govctl help");
        if (known > 0 && known == n)
                snprintf(what, sizeof what, "'%s' is the beginning of a verb", typed);
        if (known > 0) {
                family_of(words, known, members, sizeof members);
                snprintf(why, sizeof why, "%s needs one of: %s", join(words, known, family), members);
                snprintf(next, sizeof next, "govctl %s --help", family);
        }
        for (size_t i = 0; i < verbs_n; i++)
                names[i] = verbs[i].name;
        near = known < n ? suggest(typed, names, verbs_n) : NULL;
        if (near)
                snprintf(next, sizeof next, "did you mean: govctl %s", near);
        return call_complain(call, CODE_USAGE, what, why, next);
}

/* The value of --width or --color, where it says something of its own. */
static enum code take_appearance(struct call *call)
{
        const char *when = call->options.colour, *width = call->options.width;

        if (when && strcmp(when, "always") != 0 && strcmp(when, "never") != 0 && strcmp(when, "auto") != 0)
                return call_complain(call, CODE_USAGE, "--color takes always, never or auto", when,
                                     "govctl --color never");
        if (when && strcmp(when, "auto") != 0)
                call->page.colour = strcmp(when, "always") == 0;
        if (width) {
                unsigned columns = 0;

                if (sscanf(width, "%u", &columns) != 1 || columns < 40 || columns > 1000)
                        return call_complain(call, CODE_USAGE, "--width takes a number from 40 to 1000", width,
                                             "govctl --width 100");
                call->page.width = columns;
                call->page.width_chosen = true;
        }
        return CODE_OK;
}

static enum code check_arguments(const struct call *call)
{
        const struct verb *verb = call->verb;
        char what[160], next[160];

        if (call->arguments_n >= verb->least && call->arguments_n <= verb->most)
                return CODE_OK;
        snprintf(next, sizeof next, "usage: govctl %s%s%s", verb->name, verb->arguments[0] ? " " : "", verb->arguments);
        if (call->arguments_n < verb->least)
                snprintf(what, sizeof what, "%s needs %s", verb->name, verb->arguments);
        else
                snprintf(what, sizeof what, "%s: one argument too many: '%.80s'", verb->name,
                         call->arguments[verb->most]);
        return call_complain(call, CODE_USAGE, what, verb->help, next);
}

static enum code run_chosen(struct call *call)
{
        enum code code = take_appearance(call);

        if (code == CODE_OK && call->options.help)
                return usage_verb(call, call->verb);
        if (code == CODE_OK && call->options.version)
                return run_version(call);
        if (code == CODE_OK)
                code = check_arguments(call);
        return code == CODE_OK ? call->verb->run(call) : code;
}

/* Words that are no verb are no reason not to explain, as in `govctl audit --help`, nor to answer as a script wants it. */
static enum code run_unknown(struct call *call, const char *const *words, unsigned n, int argc, char **argv)
{
        for (int i = 0; i < argc; i++) {
                call->options.help |= strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
                call->options.json |= strcmp(argv[i], "--json") == 0 || strcmp(argv[i], "-j") == 0;
        }
        return call->options.help ? usage_words(call, words, n) : verb_complain_unknown(call, words, n);
}

/* Options before the verb are those that every verb takes; `govctl --watch` is `govctl status --watch`. */
enum code verb_run(struct call *call, int argc, char **argv)
{
        unsigned taken = 0;
        int first = 1;
        enum code code = options_take(call, TAKES_WATCH, true, argc, argv, &first);

        if (code != CODE_OK)
                return code;
        call->verb = &verbs[0];
        if (first < argc) {
                const char *const *words = (const char *const *)argv + first;
                unsigned n = 0;

                while (n < VERB_WORDS_MAX && first + (int)n < argc && words[n][0] != '-')
                        n++;
                call->verb = verb_find(words, n, &taken);
                if (!call->verb)
                        return run_unknown(call, words, n, argc - first - (int)n, argv + first + n);
        } else if (call->options.help)
                return usage_all(call);

        /* getopt skips argv[0], which here is the last word of the verb */
        int skip = taken > 0 ? first + (int)taken - 1 : first - 1;

        code = options_take(call, call->verb->takes, false, argc - skip, argv + skip, &first);
        if (code != CODE_OK)
                return code;
        call->arguments = (const char *const *)argv + skip + first;
        call->arguments_n = (unsigned)(argc - skip - first);
        return run_chosen(call);
}
