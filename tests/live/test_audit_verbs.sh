#!/bin/bash
# `govctl audit` beside a daemon that writes: anchors, checkpoints, seals, proofs, exports, a new log, and who may what.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

# status_of N COMMAND...: it ends with N.
status_of() {
        local want=$1 status=0
        shift
        "$@" >"$BED_DIR/out" 2>&1 || status=$?
        [ $status = "$want" ] || bed_fail "$* ended with $status, not $want: $(cat "$BED_DIR/out")"
}
says() { grep -qe "$1" "$BED_DIR/out" || bed_fail "'$1' is not in: $(cat "$BED_DIR/out")"; }
as_reader() { bed_run setpriv --reuid reader --regid reader --init-groups "$@"; }

a_daemon_writes_a_log() {
        house
        service zoo-1
        govern observe <<<'agents: [ { name: zoo, systemd: "zoo-*.service" } ]'
        bed_run systemctl start zoo-1
        bed_run useradd --groups governor reader
        bed_run useradd stranger
        bed_wait 20 governor_answers
}

the_anchor_of_the_beginning_fits_the_log() {
        bed_run govctl audit init >"$BED_DIR/genesis"
        [ "$(wc -l <"$BED_DIR/genesis")" = 1 ]
        grep -Eq '^govaudit1 [^ ]+/governor/[0-9a-f]{8} 1 [A-Za-z0-9+/]{43}=$' "$BED_DIR/genesis"
        status_of 0 bed_run govctl audit verify --against - <"$BED_DIR/genesis"
        says 'continues what was kept elsewhere'
}

a_verify_holds_the_file_against_the_daemons_memory() {
        status_of 0 bed_run govctl audit verify
        ! grep -q governord "$BED_DIR/out" || bed_fail "the daemon was not asked: $(cat "$BED_DIR/out")"
        says UNANCHORED
}

members_of_the_group_get_anchors_and_not_the_log() {
        as_reader govctl audit checkpoint --anchor >"$BED_DIR/pulled"
        bed_is "$(cat "$BED_DIR/genesis")" as_reader govctl audit init
        status_of 4 as_reader govctl audit show 0
        says sudo
        status_of 4 as_reader govctl audit seal
        status_of 4 as_reader govctl audit rotate --reason mine
        status_of 4 bed_run setpriv --reuid stranger --regid stranger --clear-groups govctl audit checkpoint
        status_of 0 bed_run govctl audit verify --against - <"$BED_DIR/pulled"
}

a_reader_verifies_a_copy() {
        bed_run sh -c 'mkdir -p /srv/copy && sqlite3 /var/lib/governor/audit.db ".backup /srv/copy/audit.db" && chmod -R a+rX /srv/copy'
        bed_write /srv/copy/anchors <"$BED_DIR/pulled"
        status_of 0 as_reader govctl audit verify --db /srv/copy/audit.db --against /srv/copy/anchors
        status_of 0 as_reader govctl audit log --db /srv/copy/audit.db
        status_of 4 as_reader govctl audit verify
}

a_nonce_is_answered_by_a_seal() {
        local nonce
        nonce=$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
        bed_run govctl audit seal --nonce "$nonce" >"$BED_DIR/note"
        # shellcheck disable=SC2016 # jq's variable
        records_say 'any(.action == "audit.nonce" and (.details | tostring | contains($n)))' --arg n "$nonce"
        status_of 0 bed_run govctl audit verify --against - <"$BED_DIR/note"
        status_of 2 bed_run govctl audit seal --nonce xyz
}

a_record_is_proven_to_someone_who_has_only_the_key() {
        local key
        key=$(bed_run govctl audit show 0 --json | jq -r .details.log_key)
        bed_run govctl audit prove 1 | bed_write /srv/copy/1.proof
        status_of 0 as_reader govctl audit check-proof /srv/copy/1.proof --log "$key"
        says '^PROVEN: record 1 of '
        bed_run sed -i '3s/1/0/' /srv/copy/1.proof
        status_of 7 as_reader govctl audit check-proof /srv/copy/1.proof --log "$key"
}

an_export_of_a_log_that_grows_fits_together() {
        bed_run govctl audit export --jsonl /srv/copy/a.jsonl --checkpoints /srv/copy/a.ckpt --subtree /srv/copy/a.subtree
        bed_run chmod a+r /srv/copy/a.jsonl /srv/copy/a.ckpt /srv/copy/a.subtree
        status_of 0 as_reader govctl audit verify --jsonl /srv/copy/a.jsonl --checkpoints /srv/copy/a.ckpt \
                --subtree /srv/copy/a.subtree --against /srv/copy/anchors
        bed_run govctl audit export --tiles /srv/copy/tiles
        bed_run test -s /srv/copy/tiles/checkpoint
}

an_edited_export_is_a_finding() {
        bed_run sed -i '2s/"actor":"governor"/"actor":"somebody"/' /srv/copy/a.jsonl
        status_of 3 bed_run govctl audit verify --jsonl /srv/copy/a.jsonl --checkpoints /srv/copy/a.ckpt --json
        jq -e '.verdict == "TAMPERED" and .exit == 3 and (.findings | length > 0)' "$BED_DIR/out" >/dev/null
}

the_log_is_followed_by_what_is_asked_for() {
        # shellcheck disable=SC2016 # expanded in the bed
        bed_run timeout 20 sh -c 'govctl audit log --follow --action audit.nonce -n 1 | {
                read -r first; govctl audit seal --nonce 00112233445566778899 >/dev/null; read -r second; echo "$second"; }' \
                >"$BED_DIR/followed" || :
        grep -q 00112233445566778899 "$BED_DIR/followed" || bed_fail "what came was: $(cat "$BED_DIR/followed")"
}

a_rotated_log_is_kept_whole_and_the_next_one_begins() {
        local old
        old=$(bed_run govctl audit init)
        bed_run govctl audit rotate --reason 'a live test' >"$BED_DIR/genesis"
        bed_run govctl audit init | cmp - "$BED_DIR/genesis"
        [ "$(cat "$BED_DIR/genesis")" != "$old" ]
        bed_wait 20 governor_answers
        status_of 0 bed_run govctl audit verify --against - <"$BED_DIR/genesis"
        status_of 7 bed_run govctl audit verify --against - <<<"$old"
        says NO_ANCHOR
}

# The new log counts from 0 again, and nobody who follows it waits for the old numbers to come up.
who_follows_hears_of_the_new_log() {
        # shellcheck disable=SC2016 # expanded in the bed
        bed_run timeout 20 sh -c 'govctl audit log --follow -n 1 2>/srv/copy/talk | {
                read -r first; govctl audit rotate --reason "somebody follows" >/dev/null
                while read -r line; do printf "%s\n" "$line"; case $line in *judge.start*) break ;; esac; done; }' >"$BED_DIR/followed" || :
        bed_run grep -q 'a new one begins' /srv/copy/talk
        grep -q '"action":"audit.genesis".*"seq":0,' "$BED_DIR/followed" || bed_fail "what came was: $(cat "$BED_DIR/followed")"
        grep -q '"action":"judge.start"' "$BED_DIR/followed"
}

what_is_young_is_not_archived() {
        status_of 2 bed_run govctl audit archive
        status_of 5 bed_run govctl audit archive --before 1d
        says 'govctl audit'
        status_of 0 bed_run govctl audit verify
}

without_a_daemon_the_verbs_still_work() {
        bed_run systemctl stop governor
        status_of 0 bed_run govctl audit verify
        says 'governord does not run'
        status_of 0 bed_run govctl audit checkpoint
        status_of 0 bed_run govctl audit show 1
        status_of 6 bed_run govctl audit seal
        status_of 0 bed_run govctl audit rotate --reason 'no daemon'
        status_of 0 bed_run govctl audit verify
        status_of 5 bed_run govctl audit archive --before 1d
        bed_run systemctl start governor
        bed_wait 20 governor_answers
        status_of 0 bed_run govctl audit verify
}

what_was_broken_is_explained_by_a_human() {
        bed_run systemctl stop governor
        bed_run rm /var/lib/governor/keys/seal.key
        status_of 3 bed_run govctl audit verify
        says KEY_MISSING
        bed_run systemctl start governor
        bed_wait 20 'incidents_say ".incidents | any(.cause == \"audit-broken\" and .state == \"open\")"'
        status_of 2 bed_run govctl audit restored
        status_of 0 bed_run govctl audit restored --reason 'a live test took the key'
        bed_wait 20 'incidents_say ".incidents | any(.cause == \"audit-broken\" and .state == \"resolved\")"'
        records_say 'any(.action == "audit.restored")'
        status_of 0 bed_run govctl audit verify
}

bed_boot one
must a_daemon_writes_a_log
must the_anchor_of_the_beginning_fits_the_log
bed_story a_verify_holds_the_file_against_the_daemons_memory
bed_story members_of_the_group_get_anchors_and_not_the_log
bed_story a_reader_verifies_a_copy
bed_story a_nonce_is_answered_by_a_seal
bed_story a_record_is_proven_to_someone_who_has_only_the_key
bed_story an_export_of_a_log_that_grows_fits_together
bed_story an_edited_export_is_a_finding
bed_story the_log_is_followed_by_what_is_asked_for
bed_story a_rotated_log_is_kept_whole_and_the_next_one_begins
bed_story who_follows_hears_of_the_new_log
bed_story what_is_young_is_not_archived
bed_story without_a_daemon_the_verbs_still_work
bed_story what_was_broken_is_explained_by_a_human
