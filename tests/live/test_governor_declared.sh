#!/bin/bash
# What units, PM2 and the policy declare: a change is found within a second, told key by key and without any secret, unless
# somebody announced it; and what is on disk and not in force is told as that.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

LILY=systemd:zoo-lily.service
UNIT=/etc/systemd/system/zoo-lily.service
ETC=/etc/systemd/system

the_machine_is_seen() {
        house
        service zoo-lily $'[Unit]\nStartLimitIntervalSec=0'
        bed_service zoo-ant@ 'ExecStart=/bin/sleep inf' Nice=1
        bed_service stranger 'ExecStart=/bin/sleep inf'
        bed_run systemctl start zoo-lily zoo-ant@1 zoo-ant@2 stranger
        govern enforce <<'POLICY'
agents:
  - { name: zoo, systemd: "zoo-*.service" }
POLICY
        bed_wait 20 status_says '[.agents[] | select(.effective == "running")] | length == 3'
        bed_wait 10 units_are_sealed 3
}

units_are_sealed() { [ "$(bed_run grep -c '^p zoo-.*service$' /var/lib/governor/units.manifest)" = "$1" ]; }
# tells FACT-FILTER SINCE: when a fact.config that passes the jq filter was recorded at or after that, in ms; nothing if none was.
tells() { records_give "map(select(.action == \"fact.config\" and .ms >= $2) | select(.details | $1))[0].ms // empty"; }
is_told() { [ -n "$(tells "$@")" ]; }
# within_a_second SINCE FACT-FILTER: the change at SINCE (ms) was told soon enough.
within_a_second() {
        local at
        bed_wait 10 is_told "$2" "$1"
        at=$(tells "$2" "$1")
        echo "told after $((at - $1)) ms: $2"
        [ $((at - $1)) -le 1000 ]
}
# The reason of the newest decision about an incident.
change_file() { bed_run sed -i "$2" "$1"; }

# ---- units -------------------------------------------------------------------------------------------------------------

an_edit_of_a_unit_is_found_within_a_second() {
        local edited
        edited=$(now_ms)
        change_file $UNIT 's/Restart=always/Restart=no/; s/OPENAI_API_KEY=.*/OPENAI_API_KEY=sk-other-'"$SECRET"'/'
        within_a_second "$edited" '.of == "unit" and .change == "changed" and .path == "'$UNIT'"'
        bed_wait 5 has_open $LILY unit-drift 1
        why_says "$(id_of $LILY unit-drift)" 'Environment changed, Restart=always -> no'
        bed_wait 10 is_told '.change == "pending"' "$edited"
        bed_run systemctl daemon-reload
        bed_wait 10 is_told '.change == "loaded"' "$edited"
        has_open $LILY unit-drift 1
}

this_was_me_seals_a_unit() {
        bed_run govctl planned "$(id_of $LILY unit-drift)" --reason 'no restarts'
        has_open $LILY unit-drift 0
        records_say 'any(.action == "fact.config" and .details.of == "unit" and .details.change == "sealed")'
}

a_drop_in_in_a_new_folder_is_found_within_a_second() {
        local edited
        edited=$(now_ms)
        bed_write $UNIT.d/10-more.conf <<<$'[Service]\nMemoryMax=1G\nLoadCredential=token:/etc/token'
        within_a_second "$edited" '.change == "added" and .path == "'$UNIT.d/10-more.conf'"'
        bed_run rm -r $UNIT.d
        within_a_second "$edited" '.change == "restored" and .path == "'$UNIT.d/10-more.conf'"'
        bed_wait 10 has_open $LILY unit-drift 0
}

a_property_that_was_set_is_found() {
        local edited
        edited=$(now_ms)
        bed_run systemctl set-property zoo-lily TasksMax=99
        within_a_second "$edited" '.change == "added" and (.path | endswith("system.control/zoo-lily.service.d/50-TasksMax.conf"))'
        bed_run systemctl set-property zoo-lily TasksMax=98
        bed_wait 10 is_told '.what == "TasksMax=98 added"' "$edited"
        bed_run systemctl revert zoo-lily
        bed_wait 10 has_open $LILY unit-drift 0
}

a_template_is_nobodys_own() {
        local edited
        edited=$(now_ms)
        change_file $ETC/zoo-ant@.service s/Nice=1/Nice=2/
        within_a_second "$edited" '.what == "Nice=1 -> 2"'
        bed_wait 5 has_open "" unit-drift 1
        change_file $ETC/zoo-ant@.service s/Nice=2/Nice=1/
        bed_wait 10 has_open "" unit-drift 0
}

a_mask_is_told() {
        local edited
        edited=$(now_ms)
        bed_run ln -s /dev/null $ETC/zoo-ant@2.service
        within_a_second "$edited" '.change == "added" and (.what | startswith("masked"))'
        bed_run rm $ETC/zoo-ant@2.service
        bed_wait 10 has_open systemd:zoo-ant@2.service unit-drift 0
}

an_edit_of_a_unit_in_a_window_is_silent() {
        local edited
        bed_run govctl change open zoo-lily --reason 'nicer' --for 10m
        edited=$(now_ms)
        bed_write $UNIT.d/20-window.conf <<<$'[Service]\nNice=3'
        within_a_second "$edited" '.what == "Nice=3 added"'
        change_file $UNIT 's/RestartSec=1/RestartSec=2/'
        bed_run systemctl daemon-reload
        bed_run govctl change close zoo-lily >"$BED_DIR/closed"
        grep -q "changed $UNIT: RestartSec=1 -> 2" "$BED_DIR/closed"
        grep -q "added $UNIT.d/20-window.conf: Nice=3 added" "$BED_DIR/closed"
        has_open $LILY unit-drift 0
}

a_window_that_ends_before_it_was_loaded_is_told() {
        bed_run govctl change open zoo-lily --reason 'and forgets to reload' --for 10m
        bed_write $UNIT.d/30-forgotten.conf <<<$'[Service]\nNice=4'
        bed_run govctl change close zoo-lily
        bed_wait 10 has_open $LILY unit-drift 1
        why_says "$(id_of $LILY unit-drift)" 'is not in force until systemctl daemon-reload'
        bed_run systemctl daemon-reload
        bed_wait 10 has_open $LILY unit-drift 0
}

strangers_units_are_nobodys_business() {
        local edited
        edited=$(now_ms)
        change_file $ETC/stranger.service 's/inf/1000/'
        bed_write $UNIT.d/40-ours.conf <<<$'[Service]\nNice=5'
        within_a_second "$edited" '.path == "'$UNIT.d/40-ours.conf'"'
        ! is_told '.path | test("stranger")' 0 || bed_fail "a stranger's unit is told"
        bed_run rm $UNIT.d/40-ours.conf
        bed_wait 10 has_open $LILY unit-drift 0
}

what_changed_while_the_daemon_was_down_is_found_at_start() {
        bed_run systemctl stop governor
        change_file $UNIT 's/RestartSec=2/RestartSec=5/'
        bed_run systemctl start governor
        bed_wait 20 has_open $LILY unit-drift 1
        why_says "$(id_of $LILY unit-drift)" 'RestartSec=2 -> 5'
        change_file $UNIT 's/RestartSec=5/RestartSec=2/'
        bed_run systemctl daemon-reload
        bed_wait 10 has_open $LILY unit-drift 0
}

an_edit_of_a_unit_is_found_within_a_second_without_inotify() {
        local edited
        bed_write $ETC/governor.service.d/deaf.conf <<<$'[Service]\nSystemCallFilter=~inotify_init1:ENOSYS'
        bed_run systemctl daemon-reload
        bed_run systemctl restart governor
        bed_wait 20 governor_answers
        bed_wait 20 is_effectively zoo-lily running
        ! bed_run sh -c "ls -l /proc/$(bed_show governor MainPID)/fd" | grep inotify || bed_fail "it has inotify"
        edited=$(now_ms)
        bed_write $UNIT.d/50-deaf.conf <<<$'[Service]\nNice=6'
        within_a_second "$edited" '.path == "'$UNIT.d/50-deaf.conf'"'
        bed_run rm $UNIT.d/50-deaf.conf $ETC/governor.service.d/deaf.conf
        bed_wait 10 has_open $LILY unit-drift 0
        bed_run systemctl daemon-reload
        bed_run systemctl restart governor
        bed_wait 20 governor_answers
}

# ---- the policy --------------------------------------------------------------------------------------------------------

POLICY=/etc/governor/policies.d/10-test.yaml

a_policy_that_is_not_loaded_is_told_until_it_is() {
        bed_run sh -c "echo '# more' >>$POLICY"
        bed_wait 20 has_open "" config-drift 1
        why_says "$(id_of "" config-drift)" "$POLICY was changed"
        why_says "$(id_of "" config-drift)" 'is not in force: govctl reload'
        bed_run govctl reload
        bed_wait 10 has_open "" config-drift 0
        records_say 'any(.action == "fact.config" and .details.of == "policy" and .details.change == "loaded")'
}

a_policy_with_an_error_says_so() {
        bed_run sh -c "echo 'agentz: 1' >>$POLICY"
        bed_wait 20 has_open "" config-drift 1
        why_says "$(id_of "" config-drift)" 'it has 1 error'
        ! bed_run govctl reload || bed_fail "it was loaded"
        has_open "" config-drift 1
        change_file $POLICY '/agentz/d'
        bed_wait 20 has_open "" config-drift 0
}

a_policy_that_is_wrong_from_the_start_is_told() {
        bed_run sh -c "echo 'agentz: 1' >>$POLICY"
        bed_run systemctl restart governor
        bed_wait 20 has_open "" config-drift 1
        why_says "$(id_of "" config-drift)" 'is not in force: it has 1 error'
        change_file $POLICY '/agentz/d'
        bed_run govctl reload
        bed_wait 10 has_open "" config-drift 0
}

bed_boot one
must the_machine_is_seen
bed_story an_edit_of_a_unit_is_found_within_a_second
bed_story this_was_me_seals_a_unit
bed_story a_drop_in_in_a_new_folder_is_found_within_a_second
bed_story a_property_that_was_set_is_found
bed_story a_template_is_nobodys_own
bed_story a_mask_is_told
bed_story an_edit_of_a_unit_in_a_window_is_silent
bed_story a_window_that_ends_before_it_was_loaded_is_told
bed_story strangers_units_are_nobodys_business
bed_story what_changed_while_the_daemon_was_down_is_found_at_start
bed_story an_edit_of_a_unit_is_found_within_a_second_without_inotify
bed_story a_policy_that_is_not_loaded_is_told_until_it_is
bed_story a_policy_with_an_error_says_so
bed_story a_policy_that_is_wrong_from_the_start_is_told
bed_story the_log_verifies
bed_story no_secret_is_told
