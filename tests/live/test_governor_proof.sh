#!/bin/bash
# Once somebody is enrolled, what weakens Governor needs a signature that root alone cannot make. An agent that is root tries.
# The humans of this test sign on the host, with the real ssh-keygen; their secret keys are never in the bed.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"
command -v ssh-keygen >/dev/null || bed_skip "no ssh-keygen"

approvers=/var/lib/governor/keys/approvers
signing() { ssh-keygen -q -Y sign -n governor -f "$keys/$1" 2>/dev/null; }
refused() { # refused WORDS COMMAND...: with status 4, and these words
        local r=0 said
        said=$("${@:2}" 2>&1) || r=$?
        [[ $r == 4 && $said == *"$1"* ]] || bed_fail "status $r: $said"
}
# signed WHO VERB...: as the man page has it: print, sign elsewhere, hand in.
signed() {
        bed_run govctl "${@:2}" --sign-request >"$keys/text" 2>/dev/null || return
        signing "$1" <"$keys/text" >"$keys/text.sig"
        bed_run govctl "${@:2}" --signature - <"$keys/text.sig"
}
disarmed() { status_says ".machine.disarmed == $1" >/dev/null; }
restart_governor() { bed_run systemctl restart governor && bed_wait 20 governor_answers; }
records_of() { records_give "map(select(.action == \"$1\")) | length"; }

governor_runs() {
        mkdir -p "$keys"
        for name in alice bob mallory; do
                ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$keys/$name"
                bed_write "/root/$name.pub" <"$keys/$name.pub"
        done
        govern observe <<<'agents: []'
        bed_wait 20 governor_answers
}

before_anyone_is_enrolled_all_is_as_it_was() {
        bed_run govctl doctor | grep 'guarded by uid 0 only' || bed_fail "doctor does not say who guards"
        bed_run govctl disarm --all
        disarmed true || bed_fail "not disarmed"
        bed_run govctl reload
        restart_governor
}

the_first_approver_is_free_and_gets_a_code_once() {
        bed_run govctl approver add alice --key /root/alice.pub >"$keys/said"
        grep -oE '([0-9a-f]{4}-){9}[0-9a-f]{4}' "$keys/said" >"$keys/code" || bed_fail "no code: $(cat "$keys/said")"
        bed_run govctl approver list | grep "alice.*$(ssh-keygen -lf "$keys/alice.pub" | cut -d' ' -f2)" ||
                bed_fail "alice is not listed"
        bed_run test "$(bed_run stat -c %a:%u $approvers)" = 600:0
        ! bed_run grep -rqs "$(cat "$keys/code")" /var/lib/governor /var/log /run/governor || bed_fail "the code is kept"
        records_say 'any(.action == "approval.enrolled" and .details.name == "alice")' || bed_fail "not recorded"
        status_says '.machine.approvers | .enrolled == 1 and .elsewhere == 1' >/dev/null || bed_fail "status does not say so"
}

root_alone_weakens_nothing() {
        refused "needs an approver's signature" bed_run govctl disarm --all
        refused "needs an approver's signature" bed_run govctl safe-mode on
        refused "needs an approver's signature" bed_run govctl approver add mallory --key /root/mallory.pub
        refused "needs an approver's signature" bed_run govctl approver remove alice
        refused "needs an approver's signature" bed_run govctl audit restored --reason mine
        disarmed false || bed_fail "disarmed"
        status_says '.machine.safe_mode == false' >/dev/null || bed_fail "in safe mode"
        records_say 'map(select(.action == "approval.refused" and .outcome == "denied")) | length == 5' ||
                bed_fail "$(records_of approval.refused) refusals on record"
        bed_run govctl safe-mode off
}

a_forged_signature_is_refused() {
        bed_run govctl disarm --all --sign-request >"$keys/text" 2>/dev/null
        signing mallory <"$keys/text" >"$keys/forged"
        refused 'none of the approvers' bed_run govctl disarm --all --signature - <"$keys/forged"
        echo 'disarm, please' | signing alice >"$keys/forged"
        refused 'for no text that waits' bed_run govctl disarm --all --signature - <"$keys/forged"
        ssh-keygen -q -Y sign -n file -f "$keys/alice" <"$keys/text" >"$keys/forged" 2>/dev/null
        refused 'made for something else' bed_run govctl disarm --all --signature - <"$keys/forged"
        refused 'no SSH signature' bed_run govctl disarm --all --signature - <<<'yes'
        disarmed false || bed_fail "disarmed"
}

an_approver_signs_and_it_is_done() {
        signed alice disarm --all || bed_fail "refused"
        disarmed true || bed_fail "not disarmed"
        records_say 'map(select(.action == "approval.given")) | length == 1 and .[0].details.approver == "alice"' ||
                bed_fail "not recorded"
        # who has the log and alice's key needs nobody else to see that it was she
        records_give 'map(select(.action == "approval.given"))[0].details.text' | head -c -1 >"$keys/recorded"
        records_give 'map(select(.action == "approval.given"))[0].details.signature' >"$keys/recorded.sig"
        echo "alice $(cat "$keys/alice.pub")" >"$keys/allowed"
        ssh-keygen -q -Y verify -f "$keys/allowed" -I alice -n governor -s "$keys/recorded.sig" <"$keys/recorded" ||
                bed_fail "the record does not prove it"
        bed_run govctl reload
        restart_governor
        disarmed false || bed_fail "still disarmed"
}

a_signature_is_not_taken_twice() {
        refused 'for no text that waits' bed_run govctl disarm --all --signature - <"$keys/text.sig"
        signed alice approver add bob --key /root/bob.pub || bed_fail "bob is not enrolled"
        signed bob approver remove bob || bed_fail "bob is not removed"
        refused 'none of the approvers' bed_run govctl approver remove bob --signature - <"$keys/text.sig"
        bed_run govctl disarm --all --sign-request >"$keys/text" 2>/dev/null
        signing alice <"$keys/text" >"$keys/text.sig"
        refused 'for no text that waits' bed_run govctl safe-mode on --signature - <"$keys/text.sig"
        restart_governor
        refused 'for no text that waits' bed_run govctl disarm --all --signature - <"$keys/text.sig"
}

# Enrolled by hand: while the daemon runs, and while it does not.
mallory_edits_the_list() {
        local line
        line="approver mallory 1 uid:0 $(cut -d' ' -f1,2 "$keys/mallory.pub")"
        bed_run sh -c "echo '$line' >>$approvers"
        refused 'none of the approvers' signed mallory disarm --all
        ! bed_run grep -q mallory $approvers || bed_fail "mallory is listed"
        bed_run systemctl stop governor
        bed_run sh -c "echo '$line' >$approvers"
        bed_run systemctl start governor
        bed_wait 20 governor_answers
        refused 'none of the approvers' signed mallory disarm --all
        bed_run govctl doctor | grep 'was not written by Governor' || bed_fail "doctor does not tell"
        bed_run systemctl stop governor
        bed_run rm $approvers
        bed_run systemctl start governor
        bed_wait 20 governor_answers
        refused "needs an approver's signature" bed_run govctl approver add mallory --key /root/mallory.pub
        bed_run grep -q "^approver alice" $approvers || bed_fail "alice is gone"
        [ "$(records_of approval.edited)" = 3 ] || bed_fail "$(records_of approval.edited) edits on record"
        signed alice disarm --all || bed_fail "alice may not approve any more"
        bed_run govctl reload
        restart_governor
}

# A rule that acts became one that looks on: by the socket, by SIGHUP, by a restart, and with what was kept taken away too.
enforces() { status_says '.machine.policy.held == '"$1"' and .machine.policy.rules == 1' >/dev/null && bed_run govctl policy show | grep -q 'mode: enforce'; }
a_looser_policy_does_not_rule() {
        policy enforce <<<'agents: [ { name: zoo, systemd: "zoo-*.service" } ]' || bed_fail "a stricter policy is refused"
        enforces false || bed_fail "it does not rule"
        refused "needs an approver's signature" policy observe <<<'agents: [ { name: zoo, systemd: "zoo-*.service" } ]'
        enforces false || bed_fail "by the socket"
        bed_run systemctl reload governor 2>/dev/null || bed_kill governor HUP
        bed_wait 10 records_say 'any(.action == "policy.load" and (.details.text | startswith("refused: it is looser")))'
        enforces false || bed_fail "by SIGHUP"
        restart_governor
        enforces true || bed_fail "by a restart"
        bed_write /etc/governor/policies.d/10-test.yaml <<<'mode: [broken'
        restart_governor
        enforces true || bed_fail "by an error in it"
        bed_run sh -c 'echo "mode: observe" >/var/lib/governor/keys/ruling/governor.yaml'
        restart_governor
        enforces true || bed_fail "by writing over what was kept"
        bed_run rm -r /var/lib/governor/keys/ruling
        restart_governor
        enforces true || bed_fail "by taking away what was kept"
        bed_run govctl doctor | grep 'what is on disk does not rule' || bed_fail "doctor does not tell"
}

what_was_signed_is_what_is_loaded() {
        refused "needs an approver's signature" policy observe <<<'agents: [ { name: zoo, systemd: "zoo-*.service" } ]'
        bed_run govctl reload --sign-request >"$keys/text" 2>/dev/null
        grep 'looser in this' "$keys/text" || bed_fail "the text does not say that it is looser"
        grep 'zoo' "$keys/text" || bed_fail "the text does not say in what"
        signing alice <"$keys/text" >"$keys/text.sig"
        bed_write /etc/governor/policies.d/10-test.yaml <<<'mode: observe'
        refused 'for no text that waits' bed_run govctl reload --signature - <"$keys/text.sig"
        bed_write /etc/governor/policies.d/10-test.yaml <<<'{ mode: observe, agents: [ { name: zoo, systemd: "zoo-*.service" } ] }'
        bed_run govctl reload --signature - <"$keys/text.sig" || bed_fail "the signed one is refused"
        bed_run govctl policy show | grep -q 'mode: observe' || bed_fail "it does not rule"
        restart_governor
        status_says '.machine.policy.held == false' >/dev/null || bed_fail "not after a restart"
        bed_run govctl policy show | grep -q 'mode: observe' || bed_fail "the old one is back"
}

# type_on_terminal TEXT... -- COMMAND...: what a person types at each question that ends in ": ".
type_on_terminal() {
        bed_run python3 /root/type.py "$@"
}

people_have_terminals() {
        bed_write /root/type.py <<'PYTHON'
import os, sys
at = sys.argv.index("--")
answers, command = sys.argv[1:at], sys.argv[at + 1:]
pid, tty = os.forkpty()
if pid == 0:
    os.execvp(command[0], command)
seen = b""
while True:
    try:
        more = os.read(tty, 4096)
    except OSError:
        break
    if not more:
        break
    sys.stdout.buffer.write(more)
    seen += more
    if seen.endswith(b": ") and answers:
        seen = b""
        os.write(tty, answers.pop(0).encode() + b"\n")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PYTHON
}

a_passphrase_that_is_guessed_soon_is_not_taken() {
        local said r=0
        said=$(type_on_terminal short -- govctl approver add carol --passphrase) || r=$?
        [[ $r == 2 && $said == *'too short'* ]] || bed_fail "status $r: $said"
        r=0
        said=$(type_on_terminal 'correct horse battery' 'another horse' -- govctl approver add carol --passphrase) || r=$?
        [[ $r == 2 && $said == *'not the same'* ]] || bed_fail "status $r: $said"
        said=$(bed_run govctl approver add carol --passphrase --sign-request 2>&1) && bed_fail "taken"
        [[ $said == *'new each time'* ]] || bed_fail "$said"
}

the_recovery_code_removes_all() {
        refused 'not the recovery code' bed_run govctl approver recover --code - <<<'0000-0000'
        bed_run govctl approver recover
        status_says '.machine.approvers.recovery_hours == 72' >/dev/null || bed_fail "no recovery under way"
        restart_governor
        status_says '.machine.approvers.recovery_hours == 72' >/dev/null || bed_fail "forgotten in a restart"
        bed_run govctl approver recover --cancel
        status_says '.machine.approvers.recovery_hours == null' >/dev/null || bed_fail "not cancelled"
        bed_run govctl approver recover --code - <"$keys/code"
        status_says '.machine.approvers.enrolled == 0' >/dev/null || bed_fail "somebody is left"
        ! bed_run test -e $approvers || bed_fail "the file is left"
        restart_governor
        status_says '.machine.approvers.enrolled == 0' >/dev/null || bed_fail "somebody came back"
}

with_a_passphrase_alone_root_is_asked_for_it() {
        local said r=0
        type_on_terminal 'correct horse battery' 'correct horse battery' -- govctl approver add carol --passphrase ||
                bed_fail "carol is not enrolled"
        bed_run govctl doctor | grep 'every key that approves is on this machine' || bed_fail "doctor does not tell"
        said=$(type_on_terminal 'something else here' -- govctl disarm --all) || r=$?
        [[ $r == 4 && $said == *'not the passphrase'* ]] || bed_fail "status $r: $said"
        said=$(type_on_terminal 'correct horse battery' -- govctl disarm --all) || bed_fail "$said"
        [[ $said != *'correct horse'* ]] || bed_fail "the passphrase is seen"
        disarmed true || bed_fail "not disarmed"
        ! bed_run grep -rqs 'correct horse' /var/lib/governor /var/log/journal /run/log/journal || bed_fail "it is kept"
        restart_governor
        bed_run govctl approver list | grep 'carol.*passphrase' || bed_fail "carol is gone after a restart"
}

# Her log was taken away too: the file that is there still guards, and it is said that nothing proves it.
a_lost_log_opens_no_door() {
        policy enforce <<<'agents: [ { name: zoo, systemd: "zoo-*.service" } ]' || bed_fail "a stricter policy is refused"
        bed_run systemctl stop governor
        bed_write /etc/governor/policies.d/10-test.yaml <<<'mode: observe'
        bed_run sh -c 'rm /var/lib/governor/audit.db*'
        bed_run systemctl start governor
        bed_wait 20 governor_answers
        refused "needs an approver's signature" bed_run govctl safe-mode on
        status_says '.machine.approvers.why | contains("the audit log is new")' >/dev/null || bed_fail "it is not told"
        enforces true || bed_fail "a looser policy rules"
}

bed_boot one
keys=$BED_DIR/keys
must governor_runs
bed_story before_anyone_is_enrolled_all_is_as_it_was
must the_first_approver_is_free_and_gets_a_code_once
bed_story root_alone_weakens_nothing
bed_story a_forged_signature_is_refused
bed_story an_approver_signs_and_it_is_done
bed_story a_signature_is_not_taken_twice
bed_story mallory_edits_the_list
bed_story a_looser_policy_does_not_rule
bed_story what_was_signed_is_what_is_loaded
must people_have_terminals
bed_story a_passphrase_that_is_guessed_soon_is_not_taken
bed_story the_recovery_code_removes_all
bed_story with_a_passphrase_alone_root_is_asked_for_it
bed_story the_log_verifies
bed_story a_lost_log_opens_no_door
