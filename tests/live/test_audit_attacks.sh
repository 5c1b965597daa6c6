#!/bin/bash
# What attackers try, on a database that the daemon wrote: each gets the exit code and the findings that governor-audit(5) gives
# it, from govctl and from a verifier that shares no code with it (outside.js).
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

govctl=$BED_BUILD/bin/govctl
node=$BED_CACHE/node/node_modules/node/bin/node
here=$BED_TREE/tests/live
at='' # the copy that is attacked
early='' late='' # records of nonces, see a_log_is_written

# ---- a log of the daemon's ---------------------------------------------------------------------------------------------------

# keep NAME: a copy of the state directory as it is.
keep() {
        mkdir "$BED_DIR/$1"
        cp -a "$(bed_root)/var/lib/governor/." "$BED_DIR/$1/"
        rm -rf "$BED_DIR/$1/audit.ballast" "$BED_DIR/$1/audit.db-shm"
}

head_anchor() { bed_run govctl audit checkpoint | sed -n '1,3p' | paste -sd' ' | sed 's/^/govaudit1 /'; }

nonce_after() { sqlite3 "$BED_DIR/base/audit.db" "SELECT min(seq) FROM record WHERE seq>=$1 AND body LIKE '%\"action\":\"audit.nonce\"%'"; }

# Agents die and are restarted, auditors ask; it is killed, started and stopped in between.
a_log_is_written() {
        local name
        house
        for name in zoo-a zoo-b; do
                service $name
                bed_run systemctl start $name
        done
        govern enforce <<'POLICY'
agents:
  - { name: zoo, systemd: "zoo-*.service" }
POLICY
        bed_wait 20 governor_answers
        bed_run govctl audit init | grep -m 1 -o 'govaudit1 .*' >"$BED_DIR/genesis"
        break_in 200 zoo-a
        # shellcheck disable=SC2016 # the bed's shell expands it
        bed_run bash -c 'for i in {1..160}; do govctl audit seal --nonce $(printf %032x $i) >/dev/null || exit; done'
        bed_run kill -KILL "$(bed_show governor MainPID)"
        bed_wait 20 governor_answers
        bed_run systemctl stop governor
        keep snapshot
        bed_run systemctl start governor
        bed_wait 20 governor_answers
        # shellcheck disable=SC2016 # the bed's shell expands it
        bed_run bash -c 'for i in {200..330}; do govctl audit seal --nonce $(printf %032x $i) >/dev/null || exit; done'
        head_anchor >"$BED_DIR/head"
        bed_run kill -STOP "$(bed_show governor MainPID)"
        keep killed
        bed_run kill -CONT "$(bed_show governor MainPID)"
        bed_run systemctl stop governor
        keep base
        size=$(sqlite3 "$BED_DIR/base/audit.db" 'SELECT max(seq)+1 FROM record')
        epochs=$(sqlite3 "$BED_DIR/base/audit.db" 'SELECT max(epoch)+1 FROM checkpoint')
        echo "$size records, $epochs seals; $(cat "$BED_DIR/genesis"); $(cat "$BED_DIR/head")"
        [ "$size" -gt 280 ]
        # nothing but a nonce's record holds the word that most forgeries change; which ones these are depends on the machine
        echo "size=$size epochs=$epochs early=$(nonce_after 100) late=$(nonce_after 300)" >"$BED_DIR/facts"
}

# ---- judging -------------------------------------------------------------------------------------------------------------------

attack() {
        at=$BED_DIR/attacked
        rm -rf "$at"
        cp -a "$BED_DIR/${1:-base}" "$at"
}

forge() { "$node" "$here/forge.js" "$at" "$@"; }
sql() { sqlite3 "$at/audit.db" "$1"; }

# verdict EXIT "CODES" [KEY] [ANCHORS] [OPTION VALUE]...: what both say; KEY `detached` leaves the key out.
verdict() {
        local exit=$1 codes=$2 anchors=${4:-} options=(--db "$at/audit.db") ours theirs
        [ "${3:-key}" = detached ] || options+=(--key "$at/keys/seal.key")
        options+=("${@:5}")
        ours=$("$govctl" audit verify --json "${options[@]}" ${anchors:+--against "$anchors"} >"$BED_DIR/report.json" || :
                jq -r '"\(.exit) \([.findings[].code] | unique | join(" "))"' "$BED_DIR/report.json")
        theirs=$("$node" "$here/outside.js" "${options[@]}" ${anchors:+--anchors "$anchors"} | jq -r '"\(.exit) \(.codes | join(" "))"')
        echo "govctl: $ours; outside: $theirs"
        [ "$ours" = "$exit $codes" ] || bed_fail "expected $exit $codes, got $ours"
        # a wrong record spoils the subtree over it too, of which govctl speaks only when the root was right
        [[ $codes == *SUBTREE* ]] || theirs=${theirs// SUBTREE_MISMATCH/}
        [ "$ours" = "$theirs" ] || bed_fail "govctl says $ours, the other verifier $theirs"
}

# finding CODE FIELD VALUE: of the report of the last verdict.
finding() { jq -e --arg code "$1" 'any(.findings[] | select(.code == $code); .'"$2 == $3)" "$BED_DIR/report.json" >/dev/null || bed_fail "no $1 with $2 $3: $(jq -c .findings "$BED_DIR/report.json")"; }

# ---- records -------------------------------------------------------------------------------------------------------------------

the_log_is_whole() {
        attack
        verdict 0 ''
        verdict 0 '' key "$BED_DIR/genesis"
        verdict 0 '' detached "$BED_DIR/head"
        attack snapshot
        verdict 0 '' key "$BED_DIR/genesis"
}

an_edited_record() {
        attack
        forge sql "UPDATE record SET body=replace(body,'audit.nonce','audit.nonsc') WHERE seq=$early"
        verdict 3 'PREV_MISMATCH ROOT_MISMATCH'
        finding PREV_MISMATCH seq $((early + 1))
}

a_deleted_record() {
        attack
        forge sql 'DELETE FROM record WHERE seq=100'
        verdict 3 SEQ_GAP
        finding SEQ_GAP seq 100
}

an_inserted_record() {
        attack
        forge sql "UPDATE record SET seq=seq+100000 WHERE seq>=300; INSERT INTO record SELECT 300, body FROM record WHERE seq=299;
                UPDATE record SET seq=seq-99999 WHERE seq>100000"
        verdict 3 'PREV_MISMATCH ROOT_MISMATCH SEQ_ORDER'
        finding SEQ_ORDER seq 300
}

reordered_records() {
        attack
        forge sql "CREATE TEMP TABLE t AS SELECT * FROM record WHERE seq IN (50, 51);
                UPDATE record SET body=(SELECT body FROM t WHERE t.seq=101-record.seq) WHERE seq IN (50, 51)"
        verdict 3 'PREV_MISMATCH ROOT_MISMATCH SEQ_ORDER'
        finding SEQ_ORDER seq 50
}

bodies_in_other_clothes() {
        local edit
        for edit in "replace(body, '\"actor\":', '\"actor\": ')" 'body || char(10)' 'body || char(13, 10)' "' ' || body" \
                "CAST(body || x'00' AS TEXT)" "CAST(substr(body,1,20) || x'00' || substr(body,21) AS TEXT)" \
                "replace(body, '\"details\":{', '\"details\":{\"nonce\":\"1\",')" "replace(body, 'audit.', 'audit\\u002e')" \
                "replace(body, '\"v\":1', '\"v\":1.0')" "CAST(replace(body, 'audit.nonce', x'eda080') AS TEXT)" \
                "CAST(replace(body, 'audit.nonce', x'c0ae') AS TEXT)" "''"; do
                attack
                forge sql "UPDATE record SET body=$edit WHERE seq=$early"
                verdict 3 'NOT_CANONICAL PREV_MISMATCH ROOT_MISMATCH'
                finding NOT_CANONICAL seq "$early"
        done
}

a_log_chained_again() {
        attack
        forge sql "UPDATE record SET body=replace(body,'audit.nonce','audit.nonsc') WHERE seq=$late"
        forge rechain "$late"
        verdict 3 ROOT_MISMATCH
}

# ---- seals ---------------------------------------------------------------------------------------------------------------------

# Both current keys seal only what comes after; what was sealed has keys that are gone.
a_log_chained_and_sealed_again_with_stolen_keys() {
        local epoch seq
        attack
        # none but a nonce holds the word, and not every late record is one
        seq=$(sql "SELECT max(seq) FROM record WHERE seq<=$((size - 20)) AND body LIKE '%\"action\":\"audit.nonce\"%'")
        epoch=$(sql "SELECT min(epoch) FROM checkpoint WHERE size>$seq")
        forge sql "UPDATE record SET body=replace(body,'audit.nonce','audit.nonsc') WHERE seq=$seq"
        forge rechain "$seq" reseal "$epoch"
        verdict 3 SEAL_SIG
        finding SEAL_SIG epoch "$epoch"
        verdict 3 'ANCHOR_MISMATCH SEAL_SIG' detached "$BED_DIR/head"
        cp "$BED_DIR/base/keys/seal.key" "$at/keys/seal.key"
        verdict 3 'KEY_MISMATCH SEAL_SIG'
}

a_root_replaced_with_a_stolen_log_key() {
        attack
        forge root 40
        verdict 3 'ROOT_MISMATCH SEAL_SIG'
        finding SEAL_SIG epoch 40
}

a_tail_cut_under_its_checkpoints() {
        attack
        forge sql "DELETE FROM record WHERE seq>=$((size - 5))"
        verdict 3 CKPT_BEYOND_END
}

a_tail_cut_with_its_checkpoints() {
        attack
        forge sql "DELETE FROM checkpoint WHERE epoch>=$((epochs - 5));
                DELETE FROM record WHERE seq>=(SELECT max(size) FROM checkpoint)"
        verdict 3 KEY_AHEAD
        verdict 0 '' detached
        verdict 0 '' detached "$BED_DIR/genesis"
        verdict 3 ANCHOR_AHEAD detached "$BED_DIR/head"
}

an_older_valid_copy() {
        attack snapshot
        cp "$BED_DIR/base/keys/seal.key" "$at/keys/seal.key"
        verdict 3 KEY_AHEAD
        verdict 0 '' detached
}

# Database and key together: only what was kept elsewhere can tell.
a_snapshot_of_the_machine() {
        attack snapshot
        verdict 0 ''
        verdict 3 ANCHOR_AHEAD key "$BED_DIR/head"
}

a_fork_past_an_anchor() {
        attack snapshot
        forge extend 300 extend 5
        verdict 0 ''
        verdict 0 '' key "$BED_DIR/genesis"
        verdict 3 ANCHOR_MISMATCH key "$BED_DIR/head"
        cp "$BED_DIR/base/keys/seal.key" "$at/keys/seal.key"
        verdict 3 KEY_AHEAD
}

a_log_rebuilt_with_every_key() {
        attack
        "$node" "$here/rebuild.js" "$at" audit.nonce audit.nonsc
        verdict 0 ''
        verdict 3 ANCHOR_MISMATCH key "$BED_DIR/genesis"
        cp "$BED_DIR/base/keys/seal.key" "$at/keys/seal.key"
        verdict 3 KEY_MISMATCH
}

seals_stripped() {
        attack
        forge sql "UPDATE checkpoint SET note=substr(note, 1, instr(note, '/seal ') - length(substr(note, 1, instr(note, char(10)) - 1)) - 3) WHERE epoch>0"
        verdict 3 BAD_NOTE
        attack
        forge sql "UPDATE checkpoint SET note=replace(note, '/seal ', '/sael ') WHERE epoch=20"
        verdict 3 BAD_NOTE
        finding BAD_NOTE epoch 20
}

checkpoints_deleted() {
        attack
        forge sql 'DELETE FROM checkpoint WHERE epoch=17'
        verdict 3 EPOCH_GAP
        finding EPOCH_GAP epoch 18
        forge sql 'DELETE FROM checkpoint'
        verdict 3 'EPOCH_GAP KEY_AHEAD'
        verdict 3 EPOCH_GAP detached
}

checkpoints_replaced() {
        attack
        forge sql 'DELETE FROM checkpoint WHERE epoch=17; UPDATE checkpoint SET epoch=epoch-1 WHERE epoch>17'
        verdict 3 'EPOCH_GAP SEAL_SIG' detached
        attack
        forge sql 'UPDATE checkpoint SET (size, note)=(SELECT size, note FROM checkpoint WHERE epoch=16) WHERE epoch=17'
        verdict 3 'EPOCH_GAP SEAL_SIG SIZE_ORDER'
        attack
        forge sql 'UPDATE checkpoint SET size=size+1 WHERE epoch=17'
        verdict 3 BAD_NOTE
}

# ---- the file ------------------------------------------------------------------------------------------------------------------

another_schema() {
        local change
        for change in 'CREATE INDEX i ON record(body)' 'CREATE TABLE notes(x)' 'CREATE VIEW v AS SELECT 1' ANALYZE \
                'CREATE TRIGGER t AFTER INSERT ON record BEGIN SELECT 1; END' 'DROP TRIGGER record_next' \
                "DROP TRIGGER cosig_no_update; CREATE TRIGGER cosig_no_update BEFORE UPDATE ON cosig BEGIN SELECT 1; END" \
                'DROP TRIGGER record_no_delete; DROP TRIGGER record_no_update; DROP TRIGGER record_next;
                        ALTER TABLE record RENAME TO hidden; CREATE VIEW record AS SELECT * FROM hidden'; do
                attack
                sql "$change"
                verdict 3 SCHEMA
        done
}

# page_of TEXT: the page of the file that holds it.
page_of() { echo $(($(grep -abo -m 1 "$1" "$at/audit.db" | head -n 1 | cut -d: -f1) / 4096)); }
smash() { head -c 4096 /dev/zero | tr '\0' '\245' | dd of="$at/audit.db" bs=4096 seek="$1" conv=notrunc status=none; }

smashed_pages() {
        attack
        smash "$(page_of '"seq":200,')"
        verdict 1 CORRUPT
        attack
        smash 0
        verdict 1 CORRUPT
        attack
        truncate -s 30000 "$at/audit.db"
        verdict 1 CORRUPT
}

an_edit_behind_damage() {
        attack
        forge sql "UPDATE record SET body=replace(body,'audit.nonce','audit.nonsc') WHERE seq=$late"
        smash "$(page_of '"seq":200,')"
        verdict 3 'CORRUPT PREV_MISMATCH ROOT_MISMATCH'
        finding PREV_MISMATCH seq $((late + 1))
}

an_edit_behind_another_version() {
        attack
        forge sql "PRAGMA user_version=2; UPDATE record SET body=replace(body,'audit.nonce','audit.nonsc') WHERE seq=$early"
        verdict 3 'PREV_MISMATCH ROOT_MISMATCH SCHEMA'
        attack
        forge sql 'PRAGMA application_id=0'
        verdict 3 SCHEMA
}

forged_subtrees() {
        attack
        forge sql "UPDATE subtree SET hash=zeroblob(32) WHERE level=8 AND idx=0"
        verdict 3 SUBTREE_MISMATCH
        attack
        forge sql 'DELETE FROM subtree'
        verdict 3 SUBTREE_MISMATCH
        attack
        sql "INSERT INTO subtree VALUES(8, 7, zeroblob(32))"
        verdict 3 SUBTREE_MISMATCH
}

dishonest_pruning() {
        attack
        forge sql 'DELETE FROM record WHERE seq BETWEEN 1 AND 255'
        verdict 3 SEQ_GAP
        attack
        forge prune 256 # with both stolen keys
        verdict 3 PRUNE_EARLY
}

every_sql_write_with_the_triggers_in_place() {
        local attempt
        attack
        for attempt in "UPDATE record SET body='x' WHERE seq=1" 'DELETE FROM record WHERE seq=2' \
                "INSERT OR REPLACE INTO record(seq, body) VALUES(1, 'x')" "REPLACE INTO record(seq, body) VALUES(0, 'x')" \
                "INSERT INTO record(seq, body) VALUES(99999, 'x')" 'UPDATE OR REPLACE record SET seq=1 WHERE seq=2' \
                "INSERT INTO record(seq, body) VALUES(1, 'x') ON CONFLICT DO UPDATE SET body='x'" \
                "UPDATE checkpoint SET note='x'" 'DELETE FROM checkpoint' "INSERT OR REPLACE INTO checkpoint VALUES(1, 2, 'x')" \
                "INSERT OR REPLACE INTO subtree VALUES(8, 0, x'00')" "UPDATE subtree SET hash=x'00'" 'DELETE FROM subtree' \
                "UPDATE cosig SET line=''; INSERT INTO record SELECT 5, 'x'"; do
                ! sql "$attempt" 2>/dev/null || bed_fail "accepted: $attempt"
        done
        verdict 0 ''
}

# ---- the key -------------------------------------------------------------------------------------------------------------------

the_key_is_gone() {
        attack
        : >"$at/keys/seal.key"
        verdict 3 KEY_MISSING
        rm "$at/keys/seal.key"
        verdict 5 NOT_FOUND
        "$govctl" audit verify --json --state "$at" >"$BED_DIR/report.json" || [ $? = 3 ]
        finding KEY_MISSING epoch null
}

another_key_in_its_place() {
        attack
        forge sql 'DELETE FROM cosig'
        "$node" "$here/rebuild.js" "$at" audit.nonce audit.nonsc >/dev/null
        cp "$BED_DIR/base/audit.db" "$at/audit.db"
        rm -f "$at"/audit.db-*
        verdict 3 KEY_MISMATCH
}

an_erased_key_put_back() {
        attack
        cp "$BED_DIR/snapshot/keys/seal.key" "$at/keys/seal.key"
        verdict 3 KEY_BEHIND
}

# ---- age and the wal -----------------------------------------------------------------------------------------------------------

a_stale_copy() {
        attack
        verdict 0 '' detached '' --max-age 3600 --at "$(date -u -d '30 seconds' +%FT%TZ)"
        verdict 7 STALE detached '' --max-age 60 --at "$(date -u -d '1 hour' +%FT%TZ)"
}

a_wal_deleted_after_a_kill() {
        attack killed
        [ -s "$at/audit.db-wal" ]
        verdict 0 ''
        attack killed
        rm "$at/audit.db-wal"
        verdict 3 KEY_AHEAD
}

two_daemons() {
        bed_run systemctl start governor
        bed_wait 20 governor_answers
        ! bed_run timeout 20 /usr/local/bin/governord >"$BED_DIR/second" 2>&1 || bed_fail "a second daemon runs"
        cat "$BED_DIR/second"
        governor_answers
        the_log_verifies
}

bed_boot one
must a_log_is_written
# shellcheck source=/dev/null
. "$BED_DIR/facts"
for story in the_log_is_whole an_edited_record a_deleted_record an_inserted_record reordered_records bodies_in_other_clothes \
        a_log_chained_again a_log_chained_and_sealed_again_with_stolen_keys a_root_replaced_with_a_stolen_log_key \
        a_tail_cut_under_its_checkpoints a_tail_cut_with_its_checkpoints an_older_valid_copy a_snapshot_of_the_machine \
        a_fork_past_an_anchor a_log_rebuilt_with_every_key seals_stripped checkpoints_deleted checkpoints_replaced \
        another_schema smashed_pages an_edit_behind_damage an_edit_behind_another_version forged_subtrees dishonest_pruning \
        every_sql_write_with_the_triggers_in_place the_key_is_gone another_key_in_its_place an_erased_key_put_back \
        a_stale_copy a_wal_deleted_after_a_kill two_daemons; do
        bed_story "$story"
done
