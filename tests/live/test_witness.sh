#!/bin/bash
# Evidence leaves the machine: two witnesses that are no work of ours cosign the log, it keeps what they signed, and they
# refuse it when root rebuilds it or rolls it back, which on this machine alone nobody would see.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

state=/var/lib/governor
near=http://localhost:8101
far=https://127.0.0.1:8102

witness_js() { bed_run node /opt/src/tests/live/witness.js "/srv/witness/$1.json" "${@:2}"; }
verifier_key() { cat "$BED_DIR/$1.vkey"; }
push() { bed_run govctl audit witness push "$@"; }
witnesses_say() { bed_run govctl audit witness list --json | jq -e "$@" >/dev/null; }
quorum_of_two() { bed_run govctl audit verify --witness "$(verifier_key near)" --witness "$(verifier_key far)" --quorum 2 "$@"; }
genesis() { records | head -n 1 | jq -r ".details.$1"; }
origin() { genesis origin; }
sealed_size() { bed_run govctl audit witness list --json | jq .sealed_size; }

# ends_with CODE CMD...: with exactly that; what it said is in $BED_DIR/answer.
ends_with() {
        local status=0
        "${@:2}" >"$BED_DIR/answer" 2>&1 || status=$?
        [ "$status" = "$1" ] || bed_fail "'${*:2}' ended with $status, not $1: $(cat "$BED_DIR/answer")"
}
is_broken() { incidents_say '[.incidents[] | select(.cause == "audit-broken" and .state == "open")] | length == 1'; }
refusals() { records_give '[.[] | select(.action == "audit.refused").details.witness] | sort | join(" ")'; }
said() { grep -q "$1" "$BED_DIR/answer" || bed_fail "'$1' was not said: $(cat "$BED_DIR/answer")"; }

# A certificate that the bed trusts, for the second one.
certificate() {
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1 \
                -addext subjectAltName=IP:127.0.0.1 -keyout "$BED_DIR/key.pem" -out "$BED_DIR/cert.pem" 2>/dev/null
        bed_write /srv/witness/key.pem <"$BED_DIR/key.pem"
        bed_write /srv/witness/cert.pem <"$BED_DIR/cert.pem"
        bed_write /etc/ssl/certs/ca-certificates.crt <"$BED_DIR/cert.pem"
}

# serve NAME PORT [CERT KEY]
serve() {
        bed_service "witness-$1" "ExecStart=/usr/bin/node /opt/src/tests/live/witness.js /srv/witness/$1.json serve ${*:2}"
        bed_run systemctl restart "witness-$1"
        bed_wait 20 bed_run journalctl -q -u "witness-$1" -g 'listening on'
}

the_witness_of_these_tests_judges_as_the_specification_says() {
        bed_run node /opt/src/tests/live/witness_judges.js /opt/src/tests/data/audit/vectors.json
}

there_are_a_log_and_two_witnesses() {
        house
        govern observe <<<'agents: [ { name: none, systemd: "nosuch-*.service" } ]'
        bed_wait 20 governor_answers
        bed_run mkdir -p /srv/witness
        certificate
        witness_js near init near.example/w1 >"$BED_DIR/near.vkey"
        witness_js far init far.example/w2 >"$BED_DIR/far.vkey"
        serve near 8101
        serve far 8102 /srv/witness/cert.pem /srv/witness/key.pem
        bed_run govctl audit witness add "$(verifier_key near)" "$near"
        bed_run govctl audit witness add "$(verifier_key far)" "$far/"
        witnesses_say '.witnesses | map(.name) == ["near.example/w1", "far.example/w2"] and all(.last_size == 0)'
        bed_run grep -q "^$(verifier_key near) $near\$" /etc/governor/witnesses
}

a_witness_that_does_not_know_the_log_says_so() {
        ends_with 5 push
        said 'near.example/w1: unknown log'
        said 'far.example/w2: unknown log'
}

both_cosign_and_the_log_keeps_it() {
        witness_js near trust "$(genesis log_key)"
        witness_js far trust "$(genesis log_key)"
        push near.example/w1 | grep -q '^near.example/w1: cosigned: [0-9]* records, at 20'
        push
        witnesses_say '.witnesses | all(.last_size > 0 and .last_at > 0)'
        bed_is 2 bed_run sqlite3 -readonly "$state/audit.db" \
                "SELECT count(DISTINCT substr(line, 1, 12)) FROM cosig WHERE size = (SELECT max(size) FROM cosig)"
        the_log_verifies
}

it_grows_and_they_follow() {
        local before
        before=$(bed_run govctl audit witness list --json | jq '.witnesses[0].last_size')
        bed_wait 30 '[ "$(sealed_size)" -gt '"$before"' ]'
        push
        witnesses_say ".witnesses | all(.last_size > $before)"
        bed_run govctl audit witness list | grep -q '^near.example/w1 *[0-9]* *[0-9]'
}

verify_takes_them_as_anchors() {
        local stranger
        stranger=$(jq -r .witness.vkey "$BED_TREE/tests/data/audit/vectors.json")
        ends_with 0 quorum_of_two --json
        said '"anchored": *true'
        ends_with 7 bed_run govctl audit verify --witness "$(verifier_key near)" --witness "$stranger" --quorum 2
        said NO_ANCHOR
}

one_that_is_down_does_not_keep_the_other_from_it() {
        bed_run systemctl stop witness-near
        ends_with 6 push
        said 'near.example/w1: unreachable'
        said 'far.example/w2: cosigned'
        bed_run systemctl start witness-near
        bed_wait 20 push
}

a_certificate_that_is_not_trusted_is_refused() {
        bed_run mv /etc/ssl/certs/ca-certificates.crt /srv/witness/trusted
        bed_write /etc/ssl/certs/ca-certificates.crt </dev/null
        ends_with 6 bed_run env SSL_CERT_FILE=/srv/witness/cert.pem CURL_CA_BUNDLE=/srv/witness/cert.pem \
                govctl audit witness push far.example/w2
        said 'not proven to be the witness'
        bed_run mv /srv/witness/trusted /etc/ssl/certs/ca-certificates.crt
        push far.example/w2
}

the_courier_is_nobody_else() {
        local calls=/srv/calls
        bed_run strace -f -o $calls -e trace=setgroups,setresgid,setresuid,prctl,connect \
                governor-courier --push-checkpoint $near
        bed_run grep -q 'setgroups(0, NULL) *= 0' $calls
        # not one connection before the last privilege is gone, and none of them by root
        bed_run awk '/PR_SET_NO_NEW_PRIVS/ { bound = 1 } /connect\(/ && !bound { early = 1 } END { exit early || !bound }' $calls
        bed_run su -s /bin/sh governor-courier -c 'test ! -r /var/lib/governor/audit.db && ! govctl audit log'
        ends_with 4 bed_run su -s /bin/sh governor-courier -c 'govctl --socket /run/governor/courier.sock reload'
        ends_with 4 bed_run su -s /bin/sh nobody -c "governor-courier --push-checkpoint $near"
}

the_service_pushes_by_itself() {
        local before
        before=$(bed_run govctl audit witness list --json | jq '.witnesses[1].last_size')
        bed_wait 30 '[ "$(sealed_size)" -gt '"$before"' ]'
        bed_run systemctl start governor-courier.service
        bed_is success bed_show governor-courier Result
        witnesses_say ".witnesses | all(.last_size > $before)"
        bed_run journalctl -q -u governor-courier -g 'far.example/w2: cosigned'
}

# Who ordered things here becomes somebody else, in every record, under fresh seals and the log's own signature.
root_rebuilds_the_log_with_every_key() {
        ends_with 0 quorum_of_two
        bed_run systemctl stop governor
        bed_run cp -a $state /srv/honest
        records | grep -q '"actor":"uid:0 pid'
        bed_run node /opt/src/tests/live/rebuild.js $state 'uid:0 ' 'uid:1000 '
        records | grep -q '"actor":"uid:1000 pid'
        the_log_verifies
}

without_its_witnesses_nobody_would_know() {
        bed_run systemctl start governor
        bed_wait 30 governor_answers
        the_log_verifies
        ends_with 7 quorum_of_two
        said NO_ANCHOR
        ends_with 1 push
        said 'near.example/w1: REFUSED, A FORK'
        said 'far.example/w2: REFUSED, A FORK'
}

# Not in the journal alone: whoever asks for the state of the machine is told, once for each witness.
the_daemon_makes_an_incident_of_it() {
        bed_wait 10 is_broken
        bed_is 'far.example/w2 near.example/w1' refusals
        ends_with 1 push
        bed_is 'far.example/w2 near.example/w1' refusals
        is_broken
        ends_with 3 bed_run govctl --width 200
        said 'audit-broken: a witness refuses the log: near.example/w1: REFUSED, A FORK'
        ends_with 0 bed_run govctl audit witness list
        said 'near.example/w1 .*refused it'
        bed_run govctl log --action audit.refused --width 200 | grep -q 'a witness refuses the log: far.example/w2: REFUSED'
        bed_run systemctl restart governor
        bed_wait 30 governor_answers
        is_broken || bed_fail "a restart closed the incident"
        ends_with 1 push
        bed_is 'far.example/w2 near.example/w1' refusals
        bed_run govctl audit restored --reason 'an exercise'
        ! is_broken || bed_fail "the incident is still open"
}

# A courier in foreign hands can say that a witness refuses, which costs a human a look, and fills nothing.
a_courier_cannot_cry_wolf_twice() {
        local socket=/run/governor/courier.sock
        courier_asks() { bed_run setpriv --reuid governor-courier --regid nogroup --clear-groups node -e '
                const socket = require("net").connect("'$socket'");
                socket.write(process.argv[1] + "\n");
                socket.on("data", data => { console.log(String(data)); process.exit(); });' \
                "{\"id\":1,\"method\":\"witness-refused\",\"params\":$1}" | jq -c 'del(.id, .jsonrpc)'; }
        courier_asks '{"name":"nobody","size":1,"text":"x"}' | jq -e '.error.data.exit == 5'
        courier_asks '{"name":"near.example/w1","size":1000000000,"text":"x"}' | jq -e '.error.data.exit == 5'
        bed_is 'far.example/w2 near.example/w1' refusals
        courier_asks '{"name":"near.example/w1","size":1,"text":"again"}' | jq -e .result
        bed_is 'far.example/w2 near.example/w1' refusals
}

the_honest_log_goes_on() {
        bed_run systemctl stop governor
        bed_run sh -c "rm -rf $state && cp -a /srv/honest $state"
        bed_run systemctl start governor
        bed_wait 30 governor_answers
        push
        bed_is '' refusals
        ends_with 0 quorum_of_two
}

# The whole of it, keys too: on this machine alone nothing is wrong then.
root_rolls_the_log_back() {
        bed_run systemctl stop governor
        bed_run cp -a $state /srv/snapshot
        bed_run systemctl start governor
        bed_wait 30 governor_answers
        push
        bed_run systemctl stop governor
        bed_keep_logs
        bed_run sh -c "rm -rf $state/audit.db* $state/keys && cp -a /srv/snapshot/audit.db* /srv/snapshot/keys $state/"
        the_log_verifies
        bed_run systemctl start governor
        bed_wait 30 governor_answers
        the_log_verifies
}

the_witnesses_refuse_it_at_once() {
        ends_with 1 push
        said 'near.example/w1: REFUSED'
        said 'far.example/w2: REFUSED'
}

grown_past() { [ "$(sealed_size)" -gt "$1" ] || { bed_run systemctl restart governor && bed_wait 30 governor_answers && false; }; }

however_long_it_goes_on() {
        local seen
        seen=$(witness_js near seen "$(origin)" | cut -d' ' -f1)
        bed_wait 60 grown_past "$seen"
        ends_with 1 push
        said 'near.example/w1: REFUSED, A FORK'
        said 'far.example/w2: REFUSED, A FORK'
        ! bed_run systemctl start governor-courier.service || bed_fail "the service does not fail"
        bed_run journalctl -q -u governor-courier -p alert -g 'REFUSED, A FORK'
}

what_they_saw_convicts_it() {
        echo "govaudit1 $(origin) $(witness_js near seen "$(origin)")" | bed_write /srv/anchor
        ends_with 3 bed_run govctl audit verify --against /srv/anchor
        said ANCHOR_MISMATCH
}

bed_boot one
must there_are_a_log_and_two_witnesses
bed_story the_witness_of_these_tests_judges_as_the_specification_says
bed_story a_witness_that_does_not_know_the_log_says_so
bed_story both_cosign_and_the_log_keeps_it
bed_story it_grows_and_they_follow
bed_story verify_takes_them_as_anchors
bed_story one_that_is_down_does_not_keep_the_other_from_it
bed_story a_certificate_that_is_not_trusted_is_refused
bed_story the_courier_is_nobody_else
bed_story the_service_pushes_by_itself
bed_story root_rebuilds_the_log_with_every_key
bed_story without_its_witnesses_nobody_would_know
bed_story the_daemon_makes_an_incident_of_it
bed_story a_courier_cannot_cry_wolf_twice
bed_story the_honest_log_goes_on
bed_story root_rolls_the_log_back
bed_story the_witnesses_refuse_it_at_once
bed_story however_long_it_goes_on
bed_story what_they_saw_convicts_it
bed_story no_secret_is_told
