#!/bin/bash
# The daemon's side of the evidence: what it answers, rotates, sets aside and verifies, while observing and healing go on.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

state=/var/lib/governor
witness=witness.example/w1+b1c3056e+BJp0jI2O9cW0iVUWIylpI5ibCH171BGV0Gw84InNsJin

# ask METHOD [PARAMS]: the result, or the error, as the control socket gives it. SOCKET and COURIER (run as it) may be set.
ask() {
        local as=()
        [ -z "${COURIER:-}" ] || as=(setpriv --reuid governor-courier --regid nogroup --clear-groups)
        bed_run "${as[@]}" node -e '
                const [path, method, params] = process.argv.slice(1);
                const socket = require("net").connect(path);
                let text = "";
                socket.write(JSON.stringify({ id: 1, method, params: JSON.parse(params) }) + "\n");
                socket.on("error", error => { console.log(JSON.stringify(error.code)); process.exit(); });
                socket.on("data", data => {
                        text += data;
                        if (!text.endsWith("\n")) return;
                        const answer = JSON.parse(text);
                        console.log(JSON.stringify(answer.result ?? answer.error));
                        process.exit();
                });' "${SOCKET:-/run/governor/governor.sock}" "$1" "${2:-{\}}"
}
answers() { ask "$1" "$2" | jq -e "$3" >/dev/null || bed_fail "$1 $2 answers $(ask "$1" "$2")"; }

in_quarantine() { is_effectively "$1" quarantined && agent_says "$1" '.quarantined and .pid == 0'; }
is_broken() { incidents_say '[.incidents[] | select(.cause == "audit-broken" and .state == "open")] | length > 0'; }
verified_since() { records_say 'any(.action == "audit.verified" and .ms >= $since)' --argjson since "$1"; }
start_again() { bed_run systemctl start governor && bed_wait 20 governor_answers; }

# Somebody else commits to the file; the daemon sees it before its next record, and has everything verified.
touch_the_log() { bed_run sqlite3 $state/audit.db 'PRAGMA user_version = 1'; ask audit-seal '{"nonce":"00112233445566778899aabbccddeeff"}' >/dev/null; }

the_machine_is_seen() {
        local name
        house
        for name in zoo-x zoo-y zoo-1 zoo-2 zoo-3 zoo-4 zoo-5 zoo-6; do
                service $name
                bed_run systemctl start $name
        done
        service vital-1 Restart=no
        bed_run systemctl start vital-1
        govern enforce <<'POLICY'
machine: { actions: { at_most: 64, within: 10m } }
agents:
  - { name: zoo, systemd: "zoo-*.service", heal: { ladder: [quarantine], trial_after: 1h } }
  - { name: vital, systemd: "vital-*.service", critical: true, heal: { ladder: [restart] } }
POLICY
        bed_wait 20 'status_says "[.agents[] | select(.effective == \"running\")] | length == 9"'
}

the_head_is_told_and_a_nonce_is_sealed() {
        answers audit-head '{}' '.size > 0 and .anchor == "govaudit1 \(.origin) \(.size) \(.root)" and (.genesis_anchor | startswith("govaudit1 "))'
        ask audit-seal '{"nonce":"c0ffee00c0ffee00c0ffee00c0ffee00"}' >"$BED_DIR/sealed"
        records_say 'any(.action == "audit.nonce" and .details.nonce == "c0ffee00c0ffee00c0ffee00c0ffee00")'
        jq -e '(.anchor | split(" ")[1:] | join("\n")) as $text | .note | startswith($text + "\n")' "$BED_DIR/sealed"
        answers audit-seal '{"nonce":"no"}' '.data.exit == 2'
}

each_seal_is_in_the_journal() {
        local anchor
        anchor=$(jq -r .anchor "$BED_DIR/sealed")
        bed_wait 25 '[ "$(bed_run journalctl -q -u governor -o cat --output-fields=GOVERNOR_ANCHOR -o json | jq -r "select(.GOVERNOR_ANCHOR).GOVERNOR_ANCHOR | split(\" \")[2] | tonumber" | sort -n | tail -n 1)" -ge '"$(echo "$anchor" | cut -d' ' -f3)"' ]'
}

status_says_how_far_it_can_be_trusted() {
        status_says '.machine.audit | .anchored.unanchored and .anchored.trust == "journald" and .set_aside == null and (.genesis_anchor | length > 0)'
        bed_run govctl status >"$BED_DIR/told" || [ $? = 3 ]
        bed_run govctl doctor >>"$BED_DIR/told" || [ $? = 3 ]
        bed_is 2 grep -c UNANCHORED "$BED_DIR/told"
}

# The name is the witness's and the key is not.
a_line_of_another_key_is_none_of_its_lines() {
        local line
        line="— witness.example/w1 $(head -c 76 /dev/zero | base64 -w 0)"
        answers cosign "{\"size\":1,\"line\":\"$line\"}" \
                '.data.exit == 4 and .message == "this is not a cosignature by '"'witness.example/w1'"'"'
        records_say 'all(.action != "audit.anchor")'
}

witnesses_are_kept_in_a_file_of_their_own() {
        ask witness-add "{\"vkey\":\"$witness\",\"url\":\"https://witness.example/\"}" >/dev/null
        bed_run grep -qx "$witness https://witness.example/" /etc/governor/witnesses
        bed_is 644 bed_run stat -c %a /etc/governor/witnesses
        answers witnesses '{}' '.witnesses == [{"name":"witness.example/w1","vkey":"'"$witness"'","url":"https://witness.example/","last_size":0,"last_at":0,"refused_at":0}]'
        records_say 'any(.action == "audit.witness" and .details.change == "add" and .details.name == "witness.example/w1")'
        status_says '.machine.audit.anchored.unanchored == false'
        { bed_run govctl status || [ $? = 3 ]; } | grep -q 'NOT WITNESSED'
        bed_run systemctl restart governor
        bed_wait 20 governor_answers
        answers witnesses '{}' '.witnesses | length == 1'
        a_line_of_another_key_is_none_of_its_lines
        records_say '[.[] | select(.action == "audit.witness")] | length == 1'
        echo "nonsense https://x/" | bed_write /etc/governor/witnesses
        bed_run govctl reload
        answers witnesses '{}' '(.witnesses | length == 1) and (.why | startswith("/etc/governor/witnesses:1: "))'
        bed_wait 5 'bed_run journalctl -q -u governor -o cat | grep -q "/etc/governor/witnesses:1: not a verifier key"'
        answers witness-remove '{"name":"witness.example/w1"}' '.data.exit == 1'
        bed_run rm /etc/governor/witnesses
        bed_run govctl reload
        records_say 'any(.action == "audit.witness" and .details.change == "removed from the file")'
        answers witnesses '{}' '.witnesses == []'
}

the_courier_has_its_own_socket_when_there_is_one() {
        bed_run userdel governor-courier
        bed_run systemctl restart governor
        bed_wait 20 governor_answers
        bed_run test ! -e /run/governor/courier.sock
        bed_run systemd-sysusers
        bed_run systemctl restart governor
        bed_wait 20 governor_answers
        bed_is '600 governor-courier' bed_run stat -c '%a %U' /run/governor/courier.sock
        local COURIER=yes SOCKET=/run/governor/courier.sock
        answers audit-head '{}' '.size > 0'
        answers witnesses '{}' '.witnesses == []'
        answers status '{}' '.data.exit == 4'
        answers audit-seal '{}' '.data.exit == 4'
        SOCKET=/run/governor/governor.sock answers audit-head '{}' '. == "EACCES"'
}

# A rotation ends the log and nothing else: who is down stays down, and is still known after a restart.
quarantine_outlives_a_rotation() {
        local pid
        break_in 500 zoo-x
        bed_wait 60 in_quarantine zoo-x
        ask audit-rotate '{"reason":"the disk moves"}' >"$BED_DIR/rotated"
        jq -e '.set_aside and (.genesis_anchor | startswith("govaudit1 "))' "$BED_DIR/rotated"
        in_quarantine zoo-x
        the_log_verifies
        bed_run govctl audit verify --db "$(jq -r .set_aside "$BED_DIR/rotated")/audit.db"
        answers audit-head '{}' ".genesis_anchor == \"$(jq -r .genesis_anchor "$BED_DIR/rotated")\""
        records_say '.[0].details.prev_log != "" and any(.action == "judge.start")'
        ! is_broken || bed_fail "a rotation on purpose is no incident"
        bed_run systemctl restart governor
        bed_wait 20 governor_answers
        bed_wait 10 in_quarantine zoo-x
        pid=$(bed_show governor MainPID)
        bed_run kill -KILL "$pid"
        bed_wait 20 '[ "$(bed_show governor MainPID)" != '"$pid"' ] && governor_answers'
        bed_wait 10 in_quarantine zoo-x
        mend zoo-x
        bed_run govctl release zoo-x
        bed_wait 30 is_effectively zoo-x running
}

a_second_daemon_cannot_write_the_log() {
        local status=0
        bed_run timeout 20 /opt/gov/bin/governord --state $state --runtime /run/other >"$BED_DIR/second" 2>&1 || status=$?
        [ $status = 1 ] || bed_fail "it ended with $status"
        grep -q "Another governord writes the audit log" "$BED_DIR/second"
        the_log_verifies
}

# Even a daemon that somebody runs for himself: its memory is none of his other programs' business.
no_key_is_read_out_of_its_memory() {
        bed_run grep -q 'Max core file size *0 *0 ' "/proc/$(bed_show governor MainPID)/limits"
        bed_run mkdir -m 0777 /srv/own
        bed_service own 'User=nobody' 'ExecStart=/opt/gov/bin/governord --observe --config /srv/own/none.yaml --policies /srv/own/none --state /srv/own/state --runtime /srv/own/run'
        bed_run systemctl start own
        bed_wait 20 bed_run govctl --socket /srv/own/run/governor.sock audit witness list
        bed_is root bed_run stat -c %U "/proc/$(bed_show own MainPID)/mem"
        ! bed_run setpriv --reuid nobody --clear-groups head -c 1 "/proc/$(bed_show own MainPID)/environ" || bed_fail "its user can look into it"
        bed_run govctl audit verify --state /srv/own/state --socket /srv/own/run/governor.sock
        bed_run systemctl stop own
}

a_foreign_write_is_seen_and_everything_verified() {
        local since
        since=$(now_ms)
        touch_the_log
        bed_wait 10 records_say 'any(.action == "audit.foreign_write")'
        bed_wait 20 verified_since "$since"
        records_say 'map(select(.action == "audit.verified"))[-1].details | .verdict == "OK" and .why == "another program wrote to the log"'
        bed_wait 10 is_broken
        ask audit-restored '{"reason":"it was me, with sqlite3"}' >/dev/null
        ! is_broken || bed_fail "the incident is still open"
        records_say 'any(.action == "audit.restored" and .details.reason == "it was me, with sqlite3")'
}

# set_aside_says FINDING: the last start gave the old log up for this, an incident says so, and healing goes on.
set_aside_says() {
        local name=$2
        records_say 'map(select(.action == "audit.start"))[-1].details.set_aside.finding == $f or (map(select(.action == "audit.start"))[0].details.set_aside.finding == $f)' --arg f "$1" ||
                bed_fail "the start says $(records_give 'map(select(.action == "audit.start").details)')"
        records_say '.[0].details.prev_log != ""'
        status_says '.machine.audit.set_aside | startswith("/var/lib/governor/set-aside/")'
        bed_wait 10 is_broken
        break_in 500 "$name"
        bed_wait 60 in_quarantine "$name"
        mend "$name"
        bed_run govctl release "$name"
        bed_wait 30 is_effectively "$name" running
        the_log_verifies
}

# It stays open until a human explains it, and what was explained does not come back with the next start.
a_human_explains_it() {
        bed_run systemctl restart governor
        bed_wait 20 governor_answers
        is_broken || bed_fail "a restart closed the incident"
        ask audit-restored "{\"reason\":\"$1\"}" >/dev/null
        bed_wait 5 '! is_broken'
        bed_run systemctl restart governor
        bed_wait 20 governor_answers
        ! is_broken || bed_fail "a restart opened the incident again"
}

an_older_copy_is_set_aside() {
        bed_run systemctl stop governor
        bed_run cp -a $state/audit.db /srv/older.db
        start_again
        bed_run systemctl stop governor
        bed_keep_logs
        bed_run sh -c "rm -f $state/audit.db-wal $state/audit.db-shm; cp -a /srv/older.db $state/audit.db"
        start_again
        set_aside_says KEY_AHEAD zoo-1
        a_human_explains_it 'an old copy was put back'
}

a_missing_key_sets_the_log_aside() {
        bed_run systemctl stop governor
        bed_run rm $state/keys/seal.key
        start_again
        set_aside_says KEY_MISSING zoo-2
        a_human_explains_it 'the key was deleted'
}

a_tampered_tail_is_set_aside() {
        bed_run systemctl stop governor
        bed_keep_logs
        bed_run sqlite3 $state/audit.db "DROP TRIGGER record_no_update; UPDATE record SET body = replace(body, 'zoo-', 'too-') WHERE seq = (SELECT max(seq) FROM record WHERE body LIKE '%zoo-%');
                CREATE TRIGGER record_no_update BEFORE UPDATE ON record BEGIN SELECT RAISE(ABORT,'append-only'); END;"
        start_again
        ask audit-seal '{}' >/dev/null
        touch_the_log
        bed_wait 20 is_broken
        ask audit-restored '{"reason":"the tail was changed"}' >/dev/null
}

# An exchange under the running daemon, which goes on writing into a file without a name: the next seal notices.
an_exchange_while_it_runs_is_seen_with_the_next_seal() {
        bed_run cp -a $state/audit.db /srv/other.db
        bed_run mv /srv/other.db $state/audit.db
        ask audit-seal '{"nonce":"00112233445566778899aabbccddeeff"}' >/dev/null
        bed_wait 20 is_broken
        bed_wait 10 the_log_verifies
        status_says '.machine.audit.healthy'
        ask audit-restored '{"reason":"the file was exchanged"}' >/dev/null
        bed_wait 5 '! is_broken'
}

a_log_deleted_while_it_runs_is_begun_anew() {
        bed_run sh -c "rm -f $state/audit.db*"
        ask audit-seal '{"nonce":"00112233445566778899aabbccddeeff"}' >/dev/null
        bed_wait 20 is_broken
        bed_wait 10 the_log_verifies
        ask audit-restored '{"reason":"the file was deleted"}' >/dev/null
        bed_wait 5 '! is_broken'
}

# A week's records leave the log while it is written; who follows it misses none, and what stays verifies.
old_records_are_archived_while_it_runs() {
        local before since nonces='[.[] | select(.action == "audit.nonce" and (.details.nonce | startswith("a0a1a2a3a4a5a6a7"))).details.nonce]'
        bed_run systemctl stop governor
        bed_keep_logs
        bed_run rm -rf $state
        bed_run mkdir -m 0700 $state
        bed_run /opt/gov/tests/live/old_log $state 3000 5
        start_again
        before=$(date -u +%FT%TZ)
        answers audit-archive '{"before":"yesterday"}' '.data.exit == 2'
        answers audit-archive '{"before":"2020-01-01T00:00:00Z"}' '.data.exit == 5'
        # shellcheck disable=SC2016 # expanded in the bed
        bed_run sh -c 'i=1000
                until [ -e /srv/archived ]; do govctl audit seal --nonce a0a1a2a3a4a5a6a7$i >/dev/null || exit; i=$((i + 1)); done
                echo $i >/srv/archived' &
        bed_wait 10 records_say "$nonces | length > 0"
        bed_run govctl audit archive --before "$before" --json >"$BED_DIR/archived"
        bed_run touch /srv/archived
        wait $!
        records_say "$nonces | length == $(bed_run cat /srv/archived) - 1000 and . == sort"
        records_say 'map(.action) | index("audit.nonce") < index("audit.archive") and (.[index("audit.archive"):] | index("audit.nonce"))'
        jq -e '.from == 0 and .to == 2816' "$BED_DIR/archived" || bed_fail "$(cat "$BED_DIR/archived")"
        bed_run test -s "$(jq -r .file "$BED_DIR/archived").jsonl"
        the_log_verifies
        bed_run govctl audit verify --archive "$(jq -r .file "$BED_DIR/archived").jsonl"
        records_say 'any(.action == "audit.archive" and .details.to == 2816)'
        records_say '.[0].seq == 0 and .[1].seq == 2816'
        ! is_broken || bed_fail "an archive is no incident"
        since=$(now_ms)
        touch_the_log
        bed_wait 20 verified_since "$since"
        records_say 'map(select(.action == "audit.verified"))[-1].details.verdict == "OK"'
        ask audit-restored '{"reason":"sqlite3, again"}' >/dev/null
        bed_run systemctl restart governor
        bed_wait 20 governor_answers
        the_log_verifies
        bed_wait 10 status_says '[.agents[] | select(.effective == "running")] | length == 9'
}

# The log says since when a witness is waited for, so that a restart does not begin the day anew.
a_day_without_any_witness_is_an_incident() {
        bed_run systemctl stop governor
        bed_keep_logs
        bed_run rm -rf $state
        bed_run mkdir -m 0700 $state
        bed_write /etc/governor/witnesses <<<"$witness https://witness.example/"
        bed_run /opt/gov/tests/live/old_log $state 10 2 $witness
        start_again
        bed_wait 20 incidents_say '[.incidents[] | select(.cause == "blind" and .state == "open" and (.evidence[0] | contains("24 hours")))] | length == 1'
        records_say 'any(.action == "audit.anchor" and .outcome == "fail" and .details.channel == "witness")'
        records_say '[.[] | select(.action == "audit.witness")] == []'
        status_says '.machine.audit.anchored | .overdue and .trust == "journald"'
        bed_run rm /etc/governor/witnesses
        bed_run govctl reload
        bed_wait 20 incidents_say '[.incidents[] | select(.cause == "blind" and .state == "open")] == []'
}

# What cannot be looked at is not what was found good.
a_file_of_anchors_that_is_wrong_is_blindness() {
        echo "govaudit1 this is not an anchor" | bed_write /etc/governor/anchors
        touch_the_log
        bed_wait 20 status_says '[.sources[] | select(.name == "audit verify" and .state == "blind" and (.why | contains("/etc/governor/anchors:1")))] | length == 1'
        bed_run rm /etc/governor/anchors
        ask audit-restored '{"reason":"sqlite3, again"}' >/dev/null
}

# Database and keys of an earlier day fit each other: only what was kept elsewhere tells.
a_snapshot_put_back_is_found_by_an_anchor() {
        local since anchor
        bed_keep_logs
        bed_run rm -rf /etc/governor/anchors $state/set-aside
        ask audit-rotate '{"reason":"a new log for this story"}' >/dev/null
        bed_run systemctl stop governor
        bed_run cp -a $state /srv/snapshot
        start_again
        anchor=$(ask audit-seal '{"nonce":"00112233445566778899aabbccddeeff"}' | jq -r .anchor)
        bed_run systemctl stop governor
        bed_keep_logs
        bed_run sh -c "rm -rf $state/* && cp -a /srv/snapshot/. $state/"
        bed_write /etc/governor/anchors <<<"$anchor"
        start_again
        ! is_broken || bed_fail "it cannot be known yet"
        since=$(now_ms)
        touch_the_log
        bed_wait 20 verified_since "$since"
        records_say 'map(select(.action == "audit.verified"))[-1].details | .verdict == "TAMPERED" and (.findings | any(test("^(ANCHOR_AHEAD|ANCHOR_MISMATCH|FORK)")))' ||
                bed_fail "$(records_give 'map(select(.action == "audit.verified"))[-1].details')"
        bed_wait 10 is_broken
        bed_run rm /etc/governor/anchors
        ask audit-restored '{"reason":"a snapshot of the VM was put back"}' >/dev/null
        ! is_broken
}

fill() { bed_run sh -c "cat /dev/zero >>$state/full || :" 2>/dev/null; }

# Not even the reserve is left: what is dead and critical is brought up nevertheless, and its record comes late.
a_full_disk_keeps_nobody_dead() {
        local pid
        bed_run systemctl stop governor
        bed_run mount -t tmpfs -o size=24m,mode=0700 governor-small $state
        start_again
        bed_wait 20 agent_says vital-1 '.effective == "running"'
        fill
        ask audit-seal '{"nonce":"00112233445566778899aabbccddeeff"}' >/dev/null
        fill
        bed_wait 20 'ask audit-seal "{\"nonce\":\"00112233445566778899aabbccddeeff\"}" | jq -e .data.exit'
        status_says '.machine.audit.healthy == false'
        pid=$(bed_show vital-1 MainPID)
        bed_run kill -KILL "$pid"
        bed_wait 40 '[ "$(bed_show vital-1 ActiveState)" = active ]'
        status_says '.machine.audit.healthy == false' || bed_fail "the log could be written meanwhile"
        bed_run rm $state/full
        bed_wait 60 status_says '.machine.audit.healthy'
        the_log_verifies
        records_say 'any((.action | IN("agent.start", "agent.restart")) and .subject == "systemd:vital-1.service" and .details.late == true)'
        bed_run systemctl stop governor
        bed_keep_logs
        bed_run umount $state
        start_again
}

bed_boot one
must the_machine_is_seen
bed_story the_head_is_told_and_a_nonce_is_sealed
bed_story each_seal_is_in_the_journal
bed_story status_says_how_far_it_can_be_trusted
bed_story witnesses_are_kept_in_a_file_of_their_own
bed_story the_courier_has_its_own_socket_when_there_is_one
bed_story quarantine_outlives_a_rotation
bed_story a_second_daemon_cannot_write_the_log
bed_story no_key_is_read_out_of_its_memory
bed_story a_foreign_write_is_seen_and_everything_verified
bed_story an_older_copy_is_set_aside
bed_story a_missing_key_sets_the_log_aside
bed_story a_tampered_tail_is_set_aside
bed_story an_exchange_while_it_runs_is_seen_with_the_next_seal
bed_story a_log_deleted_while_it_runs_is_begun_anew
bed_story old_records_are_archived_while_it_runs
bed_story a_day_without_any_witness_is_an_incident
bed_story a_file_of_anchors_that_is_wrong_is_blindness
bed_story a_snapshot_put_back_is_found_by_an_anchor
bed_story a_full_disk_keeps_nobody_dead
bed_story no_secret_is_told
