#!/bin/bash
# A declared file that changes is found within a second, unless somebody announced it; then it is sealed, and so are restarts.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

# Where what is declared lies: content that must be told to nobody.
CONTENT=sk-fixture-content-51b2

the_machine_is_seen() {
        house
        bed_run mkdir -p /srv/lily/prompts
        bed_write /srv/lily/config.json <<<"{ \"key\": \"$CONTENT\" }"
        bed_write /srv/lily/prompts/a.md <<<hello
        service zoo-lily $'[Unit]\nStartLimitIntervalSec=0'
        bed_run systemctl start zoo-lily
        app rosa
        bed_write /srv/rosa.json <<<{}
        govern enforce <<'POLICY'
agents:
  - { name: lily, systemd: zoo-lily, config: [ /srv/lily/config.json, "/srv/lily/prompts/**" ] }
  - { name: rosa, pm2: rosa, config: [ /srv/rosa.json ] }
POLICY
        bed_wait 20 status_says '[.agents[] | select(.effective == "running")] | length == 2'
        bed_wait 10 is_sealed /srv/lily/prompts/a.md
        bed_wait 10 is_sealed /srv/rosa.json
}

LILY=systemd:zoo-lily.service
ROSA=pm2:root/rosa

is_sealed() { bed_run grep -q "^f [0-9a-f].* $1\$" /var/lib/governor/config.manifest; }
# drifts_of SUBJECT: how many of its drifts are open.
drifts_of() { bed_run govctl incidents --json | jq --arg s "$1" '[.incidents[] | select(.agent == $s and .cause == "config-drift")] | length'; }
has_drifts() { [ "$(drifts_of "$1")" = "$2" ]; }
drift_of() { bed_run govctl incidents --json | jq -r --arg s "$1" '.incidents[] | select(.agent == $s and .cause == "config-drift").id'; }
changes_of() { records_give 'map(select(.action == "fact.config" and .details.path == $p)) | length' --arg p "$1"; }
saw_changes() { [ "$(changes_of "$1")" -ge "$2" ]; }

an_edit_outside_a_window_is_found_within_a_second() {
        local edited named
        edited=$(now_ms)
        bed_write /srv/lily/config.json <<<"{ \"key\": \"$CONTENT\", \"temperature\": 2 }"
        bed_wait 10 is_named "$LILY" config-drift
        named=$(named_at "$LILY" config-drift)
        echo "found after $((named - edited)) ms"
        [ $((named - edited)) -le 1000 ]
        bed_run govctl why "$(drift_of "$LILY")" | grep -q '/srv/lily/config.json was changed'
}

this_was_me_closes_and_seals_it() {
        bed_run govctl planned "$(drift_of "$LILY")" --reason 'hotter' | grep -q 'closed as planned'
        has_drifts "$LILY" 0
        records_say 'any(.action == "finding.config-drift" and .details.state == "resolve" and .details.reason == "planned, says a human")'
        records_say 'any(.action == "fact.config" and .details.change == "sealed")'
}

a_mode_is_found_too() {
        bed_run chmod 0600 /srv/rosa.json
        bed_wait 5 has_drifts "$ROSA" 1
        bed_run chmod 0644 /srv/rosa.json
        bed_wait 5 has_drifts "$ROSA" 0
}

the_same_edit_inside_a_window_is_silent() {
        local before
        before=$(changes_of /srv/lily/config.json)
        bed_run govctl change open zoo-lily --reason 'cooler' --for 10m
        bed_write /srv/lily/config.json <<<"{ \"key\": \"$CONTENT\", \"temperature\": 0 }"
        bed_wait 15 saw_changes /srv/lily/config.json $((before + 1))
        bed_write /srv/lily/prompts/deep/b.md <<<there
        bed_run govctl change close zoo-lily | grep -q 'added /srv/lily/prompts/deep/b.md'
        has_drifts "$LILY" 0
        records_say 'any(.action == "change.open" and .subject == $s) and any(.action == "change.close" and .details.changed == 2)' --arg s "$LILY"
}

a_window_survives_the_daemon() {
        bed_run govctl change open '/srv/lily/prompts/**' --reason 'new words' --for 10m
        bed_run systemctl restart governor
        bed_wait 20 governor_answers
        bed_run govctl change list | grep -q 'new words'
        bed_write /srv/lily/prompts/a.md <<<'good morning'
        bed_run govctl change close | grep -q 'changed /srv/lily/prompts/a.md'
        has_drifts "$LILY" 0
}

restarts_inside_a_window_are_planned() {
        local i before
        bed_run govctl change open zoo-lily --reason 'restarts' --for 10m
        for i in 1 2 3 4; do
                before=$(pid_of zoo-lily)
                bed_run kill -KILL "$(bed_show zoo-lily MainPID)"
                bed_wait 20 '[ "$(pid_of zoo-lily)" != '"$before"' ] && is_effectively zoo-lily running'
        done
        bed_run govctl change close zoo-lily
        agent_says zoo-lily '[.incarnations[]] | add == 0'
}

a_deploy_says_what_changed_and_keeps_the_exit_status() {
        bed_run govctl deploy rosa --reason 'release 12' -- sh -c 'echo "{ }" >/srv/rosa.json' | grep -q 'changed /srv/rosa.json'
        has_drifts "$ROSA" 0
        records_say 'any(.action == "change.close" and .details.exit == 0 and .details.reason == "release 12")'
        ! bed_run govctl deploy rosa -- sh -c 'exit 7' 2>"$BED_DIR/failed" || bed_fail "a deploy that failed ends with 0"
        grep -q 'exit status was 7' "$BED_DIR/failed"
        records_say 'any(.action == "change.close" and .details.exit == 7)'
}

what_changed_while_the_daemon_was_down_is_found_at_start() {
        bed_run systemctl stop governor
        bed_run rm /srv/rosa.json
        bed_run systemctl start governor
        bed_wait 20 has_drifts "$ROSA" 1
        bed_run govctl incidents --json | jq -e '.incidents[] | select(.cause == "config-drift").reason | test("was removed")' ||
                bed_run govctl why "$(drift_of "$ROSA")" | grep -q 'was removed'
}

a_fifo_and_a_loop_under_a_pattern_stop_nobody() {
        bed_run mkfifo /srv/lily/prompts/fifo
        bed_run ln -s . /srv/lily/prompts/loop
        bed_wait 10 has_drifts "$LILY" 1
        bed_run rm /srv/lily/prompts/fifo /srv/lily/prompts/loop
        bed_wait 15 has_drifts "$LILY" 0
}

a_mount_that_vanishes_takes_its_files_along() {
        bed_run govctl change open '/srv/lily/prompts/**' --reason 'another disk' --for 10m
        bed_run mkdir /srv/lily/prompts/disk
        bed_run mount -t tmpfs none /srv/lily/prompts/disk
        bed_write /srv/lily/prompts/disk/c.md <<<'on a disk'
        bed_run govctl change close | grep -q 'added /srv/lily/prompts/disk/c.md'
        has_drifts "$LILY" 0
        bed_run umount -l /srv/lily/prompts/disk
        bed_wait 10 has_drifts "$LILY" 1
        bed_run govctl why "$(drift_of "$LILY")" | grep -q 'disk/c.md was removed'
        bed_run govctl planned "$(drift_of "$LILY")" --reason 'the disk is gone'
        has_drifts "$LILY" 0
}

# Whatever inotify is good for: the kernel has none from here on.
an_edit_is_found_within_a_second_without_inotify() {
        local edited named
        bed_write /etc/systemd/system/governor.service.d/deaf.conf <<<$'[Service]\nSystemCallFilter=~inotify_init1:ENOSYS'
        bed_run systemctl daemon-reload
        bed_run systemctl restart governor
        bed_wait 20 governor_answers
        bed_wait 20 is_effectively zoo-lily running
        ! bed_run sh -c "ls -l /proc/$(bed_show governor MainPID)/fd" | grep inotify || bed_fail "it has inotify"
        edited=$(now_ms)
        bed_write /srv/lily/config.json <<<"{ \"key\": \"$CONTENT\", \"temperature\": 1 }"
        bed_wait 10 is_named "$LILY" config-drift "$edited"
        named=$(named_at "$LILY" config-drift "$edited")
        echo "found without inotify after $((named - edited)) ms"
        [ $((named - edited)) -le 1000 ]
        bed_run govctl planned "$(drift_of "$LILY")" --reason 'warmer'
        bed_run govctl change open zoo-lily --reason 'colder' --for 10m
        bed_write /srv/lily/prompts/a.md <<<'good evening'
        bed_run govctl change close | grep -q 'changed /srv/lily/prompts/a.md'
        has_drifts "$LILY" 0
}

no_content_is_told() {
        bed_is '' bed_run grep -rlaF --exclude-dir=vault "$CONTENT" /var/lib/governor /run/governor
        ! bed_run journalctl -q --no-pager -u governor | grep -qF "$CONTENT" || bed_fail "content stands in the journal"
}

bed_boot one
must the_machine_is_seen
bed_story an_edit_outside_a_window_is_found_within_a_second
bed_story this_was_me_closes_and_seals_it
bed_story a_mode_is_found_too
bed_story the_same_edit_inside_a_window_is_silent
bed_story a_window_survives_the_daemon
bed_story restarts_inside_a_window_are_planned
bed_story a_deploy_says_what_changed_and_keeps_the_exit_status
bed_story what_changed_while_the_daemon_was_down_is_found_at_start
bed_story a_fifo_and_a_loop_under_a_pattern_stop_nobody
bed_story a_mount_that_vanishes_takes_its_files_along
bed_story an_edit_is_found_within_a_second_without_inotify
bed_story no_content_is_told
bed_story the_log_verifies
bed_story no_secret_is_told
