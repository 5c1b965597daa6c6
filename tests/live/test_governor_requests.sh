#!/bin/bash
# Agents of any user ask for actions: allowed, denied, answered by a human or by nobody, through a restart, and believed only as far as the log says so.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

TRADER=systemd:zoo-trader.service

the_machine_is_seen() {
        house
        bed_run useradd --system trader
        bed_run install -d -o trader /srv/trader
        bed_run mkfifo -m 0666 /srv/trader/orders
        # Whatever is written to it the agent asks for; what came of it stands in a file, with the exit status.
        bed_write /srv/agents/trader.sh <<'AGENT'
#!/bin/bash
while :; do
        read -r order </srv/trader/orders || continue
        # shellcheck disable=SC2086 # words
        govctl ask $order --json >/srv/trader/answer.new
        echo $? >/srv/trader/status
        mv /srv/trader/answer.new /srv/trader/answer
done
AGENT
        bed_service zoo-trader 'ExecStart=/bin/bash /srv/agents/trader.sh' User=trader Restart=always RestartSec=1
        bed_run systemctl start zoo-trader
        govern enforce <<'POLICY'
agents: [ { name: zoo, systemd: "zoo-*" } ]
actions:
  - { name: trade, ask_above: { usd: 1000 }, deny_above: { usd: 10000 }, approve: { within: 5m } }
  - { name: quick, approve: { within: 2s } }
  - { name: withdraw, approve: { by: [phone], phone_despite_root: true, within: 5m } }
POLICY
        bed_wait 20 status_says '.agents[] | select(.name == "zoo-trader").effective == "running"'
}

as_stranger() { bed_run setpriv --reuid nobody --regid nogroup --clear-groups "$@"; }
# the_agent_asks WORD...: the agent itself does, in its own unit; it may have to wait for the answer.
the_agent_asks() {
        bed_run rm -f /srv/trader/answer
        bed_run sh -c "echo '$*' >/srv/trader/orders"
}
is_answered() { bed_run test -e /srv/trader/answer; }
answer_says() { bed_run cat /srv/trader/answer | jq -e "$@" >/dev/null; }
open_request() { bed_run govctl requests --json | jq -er '.requests[0].request'; }
# A story is told in a shell of its own: what is asked for stands in a file.
asked() { cat "$BED_DIR/request"; }
number() { sed s/req-// "$BED_DIR/request"; }
# status_of STATUS COMMAND...
status_of() {
        local wanted=$1 status=0
        shift
        "$@" >"$BED_DIR/got" 2>"$BED_DIR/told" || status=$?
        [ "$status" = "$wanted" ] || bed_fail "$* ended with $status, not $wanted: $(cat "$BED_DIR/got" "$BED_DIR/told")"
}

the_policy_answers_at_once() {
        status_of 0 as_stranger govctl ask trade --param usd=1000 --param symbol=ABC
        grep -q '^req-[0-9]* allowed$' "$BED_DIR/got" && grep -qx 'symbol=ABC' "$BED_DIR/got"
        status_of 4 as_stranger govctl ask trade --param usd=10000.01
        grep -q 'usd 10000.01 is more than 10000' "$BED_DIR/told"
        status_of 4 as_stranger govctl ask trade --param usd=much
        status_of 4 as_stranger govctl ask trade
        status_of 4 as_stranger govctl ask wire --param usd=1
        grep -q 'no rule of the policy names this action' "$BED_DIR/told"
        status_of 2 as_stranger govctl ask 'rm -rf'
        records_say 'any(.action == "approval.allowed" and .subject == "" and .details.act == "trade" and .details.parameters.usd == "1000")'
        records_say 'any(.action == "approval.denied" and .outcome == "denied" and .details.act == "wire")'
}

nobody_answers_and_that_means_no() {
        status_of 7 as_stranger govctl ask quick
        grep -q 'nobody answered in time' "$BED_DIR/told"
        records_say 'any(.action == "approval.expired" and .details.act == "quick")'
}

the_kernel_says_which_agent_asks() {
        the_agent_asks "trade --param usd=1500 --param api_key=$SECRET --reason better"
        bed_wait 10 open_request
        open_request >"$BED_DIR/request"
        bed_run govctl show "$(asked)" --json | jq -e --arg t "$TRADER" '.agent == $t and .params.api_key == "***" and .state == "open" and (has("doubt") | not)'
        bed_run govctl show "$(asked)" --full | grep -q "api_key=$SECRET"
        status_of 4 as_stranger govctl withdraw "$(asked)"
        grep -q 'was asked for by another agent' "$BED_DIR/told"
        status_of 4 bed_run govctl withdraw "$(asked)"
}

root_alone_approves_nothing() {
        status_of 4 bed_run govctl approve "$(asked)"
        grep -q 'no approver is enrolled' "$BED_DIR/told"
        status_of 4 bed_run govctl modify "$(asked)" --param usd=1
        status_of 4 as_stranger env GOVERNOR_SOCKET=/run/governor-agent/ask.sock govctl approve "$(asked)"
        status_of 4 as_stranger env GOVERNOR_SOCKET=/run/governor-agent/ask.sock govctl requests
        bed_is open bed_run sh -c "govctl show $(asked) --json | jq -r .state"
}

an_answer_reaches_whoever_waits_through_a_restart() {
        bed_run systemctl restart governor
        bed_wait 20 governor_answers
        bed_run govctl reject "$(asked)" --reason 'not today'
        bed_wait 20 is_answered
        # shellcheck disable=SC2016 # jq's
        answer_says --arg r "$(asked)" '.request == $r and .state == "rejected" and .granted == false and .answer == "not today"'
        bed_is 4 bed_run cat /srv/trader/status
}

the_answer_proves_itself_to_whoever_has_the_key_of_the_log() {
        bed_run sh -c 'jq -j .proof /srv/trader/answer >/srv/trader/proof'
        bed_run govctl audit check-proof /srv/trader/proof --json >"$BED_DIR/proven"
        jq -e --arg r "$(number)" '.. | objects | select(.action? == "approval.rejected") | (.details.number | tostring) == $r' "$BED_DIR/proven"
        bed_is "$(jq -r '.. | objects | select(.action? == "approval.rejected").details.digest' "$BED_DIR/proven")" digest_of_answer
}
digest_of_answer() {
        bed_run cat /srv/trader/answer | jq -jS '.action + "\n" + (.params | tojson)' | sha256sum | cut -d' ' -f1
}

an_approval_written_into_the_outbox_is_not_believed() {
        the_agent_asks 'trade --param usd=2000'
        bed_wait 10 open_request
        open_request >"$BED_DIR/request"
        bed_run systemctl stop governor
        cp "$(bed_root)/var/lib/governor/outbox.db" "$BED_DIR/outbox.db"
        sqlite3 "$BED_DIR/outbox.db" \
                "UPDATE request SET state = 3, by = 'ada', answered = 1, answer_seq = asked_seq WHERE number = $(number)"
        cp "$BED_DIR/outbox.db" "$(bed_root)/var/lib/governor/outbox.db"
        bed_run systemctl start governor
        bed_wait 20 governor_answers
        bed_run govctl show "$(asked)" | grep -q 'the audit log does not say of'
        bed_wait 20 is_answered
        bed_run test ! -s /srv/trader/answer || bed_fail "a forged approval was handed on"
        bed_is 1 bed_run cat /srv/trader/status
}

a_damaged_outbox_is_begun_anew_and_that_is_said() {
        bed_run systemctl stop governor
        bed_run sh -c 'echo nonsense >/var/lib/governor/outbox.db'
        bed_run systemctl start governor
        bed_wait 20 governor_answers
        bed_run test -e /var/lib/governor/outbox.db.damaged
        records_say 'any(.action == "approval.lost")'
        status_of 0 as_stranger govctl ask trade --param usd=1
}

who_asks_without_end_waits_and_nobody_else_does() {
        # shellcheck disable=SC2016 # the other shell's
        bed_run setpriv --reuid nobody --regid nogroup --clear-groups sh -c \
                'for i in $(seq 60); do govctl ask wire >/dev/null 2>&1; echo $?; done' | sort | uniq -c >"$BED_DIR/codes"
        grep -q ' 4$' "$BED_DIR/codes" || bed_fail "$(cat "$BED_DIR/codes")"
        grep -q ' 7$' "$BED_DIR/codes" || bed_fail "$(cat "$BED_DIR/codes")"
        governor_answers
        the_agent_asks 'trade --param usd=5'
        bed_wait 10 is_answered
        answer_says '.granted and .state == "allowed" and .granted_params.usd == "5"'
}

# The human signs on the host, with the real ssh-keygen.
signed() {
        bed_run govctl "$@" --sign-request >"$BED_DIR/text" 2>/dev/null || return
        ssh-keygen -q -Y sign -n governor -f "$BED_DIR/alice" <"$BED_DIR/text" >"$BED_DIR/text.sig" 2>/dev/null
        bed_run govctl "$@" --signature - <"$BED_DIR/text.sig"
}
it_asks_for_1500() {
        the_agent_asks "trade --param usd=1500 --param api_key=$SECRET --reason better"
        bed_wait 10 open_request
        open_request >"$BED_DIR/request"
}

an_approver_grants_it_and_the_agent_gets_it() {
        ssh-keygen -q -t ed25519 -N '' -C alice -f "$BED_DIR/alice"
        bed_write /root/alice.pub <"$BED_DIR/alice.pub"
        bed_run govctl approver add alice --key /root/alice.pub >/dev/null
        it_asks_for_1500
        status_of 4 bed_run govctl approve "$(asked)"
        grep -q "needs an approver's signature" "$BED_DIR/told"
        status_of 4 bed_run govctl modify "$(asked)" --param usd=1
        signed approve "$(asked)" || bed_fail "the signature is refused"
        grep -q '"usd": "1500"' "$BED_DIR/text" || bed_fail "the text does not say what is granted"
        bed_wait 20 is_answered
        # shellcheck disable=SC2016 # jq's
        answer_says --arg s "$SECRET" '.granted and .by == "approver:alice" and .granted_params.usd == "1500" and .granted_params.api_key == $s'
}

an_approver_grants_less() {
        local first
        it_asks_for_1500
        first=$(asked)
        bed_run govctl approve "$first" --sign-request >"$BED_DIR/text" 2>/dev/null
        ssh-keygen -q -Y sign -n governor -f "$BED_DIR/alice" <"$BED_DIR/text" >"$BED_DIR/other.sig" 2>/dev/null
        status_of 4 bed_run govctl modify "$first" --param usd=9000 --signature - <"$BED_DIR/other.sig"
        signed modify "$first" --param usd=1200 || bed_fail "the signature is refused"
        bed_wait 20 is_answered
        answer_says '.state == "modified" and .granted_params.usd == "1200"'
        it_asks_for_1500
        status_of 4 bed_run govctl approve "$(asked)" --signature - <"$BED_DIR/other.sig"
        bed_run govctl reject "$(asked)"
}

what_no_key_may_approve_is_approved_by_none() {
        the_agent_asks withdraw
        bed_wait 10 open_request
        open_request >"$BED_DIR/request"
        ! signed approve "$(asked)" 2>"$BED_DIR/told" || bed_fail "it is approved"
        grep -q 'its rule lets no key approve it' "$BED_DIR/told" || bed_fail "$(cat "$BED_DIR/told")"
        bed_run govctl reject "$(asked)"
}

no_secret_is_told() {
        ! records | grep -q "$SECRET" || bed_fail "the audit log holds a secret"
        ! bed_run journalctl -u governor | grep -q "$SECRET" || bed_fail "the journal holds a secret"
        the_log_verifies
}

bed_boot one
must the_machine_is_seen
bed_story the_policy_answers_at_once
bed_story nobody_answers_and_that_means_no
must the_kernel_says_which_agent_asks
bed_story root_alone_approves_nothing
must an_answer_reaches_whoever_waits_through_a_restart
bed_story the_answer_proves_itself_to_whoever_has_the_key_of_the_log
bed_story an_approval_written_into_the_outbox_is_not_believed
bed_story a_damaged_outbox_is_begun_anew_and_that_is_said
bed_story who_asks_without_end_waits_and_nobody_else_does
must an_approver_grants_it_and_the_agent_gets_it
bed_story an_approver_grants_less
bed_story what_no_key_may_approve_is_approved_by_none
bed_story no_secret_is_told
