#!/bin/bash
# The doctor on a real machine: what it finds is so, what it prints mends it, and looking changes nothing.
# shellcheck source=tests/live/bed.sh
. "$(dirname "$0")/bed.sh"

SECRET=sk-fixture-0123456789abcdef # no real key: nothing may ever show it

doctor() { bed_run env LANG=C.UTF-8 govctl doctor "$@"; }

# Findings of one check, as "subject" lines.
subjects() { doctor --json | jq -r --arg check "$1" '.findings[] | select(.check == $check).subject'; }

# Pastes the fix of one check into a root shell, as a person would.
paste_fix() {
        doctor --json | jq -r --arg check "$1" '.findings[] | select(.check == $check).fix' >"$BED_DIR/fix"
        bed_cp "$BED_DIR/fix" /srv/fix
        bed_run sh /srv/fix
}

a_machine_with_every_mistake() {
        bed_run useradd --create-home bob
        bed_service base 'ExecStart=/bin/sleep inf' 'Restart=always' 'RestartSec=200ms' 'User=bob'
        bed_service dependent 'ExecStart=/bin/sleep inf' 'Restart=always' 'RestartSec=30' 'User=bob' \
                '[Unit]' 'BindsTo=base.service' 'After=base.service'
        bed_service lily 'ExecStart=/bin/sleep inf' 'Restart=always'
        bed_write /srv/app.js <<<'setInterval(() => {}, 1000);'
        bed_write /srv/ecosystem.json <<END
{ "apps": [ { "name": "tamara", "script": "/srv/app.js", "max_restarts": 10, "env": { "OPENAI_API_KEY": "$SECRET" } } ] }
END
        PM2_USER=bob bed_pm2 7 start /srv/ecosystem.json
        PM2_USER=bob bed_pm2 7 save
        bed_pm2 7 startup systemd -u bob --hp /home/bob
        bed_run chmod 755 /home/bob
        bed_run test -s /home/bob/.pm2/dump.pm2
}

everything_is_found() {
        local status=0
        doctor --json >"$BED_DIR/findings" || status=$?
        [ $status = 3 ]
        jq -e '.schema_version == 1' "$BED_DIR/findings"
        bed_is dependent.service subjects start-limit
        bed_is dependent.service subjects binds-to
        bed_is pm2-bob.service subjects pm2-unit
        bed_is /home/bob/.pm2 subjects pm2-outside
        bed_is pm2:bob/tamara subjects pm2-max-restarts
        bed_is /home/bob/.pm2 subjects pm2-secrets
        bed_is lily.service subjects unit-root
        bed_is governor subjects daemon
        bed_is '' subjects pm2-second-god
        bed_is '' subjects pm2-stale
        bed_is '' subjects pm2-no-unit
}

no_secret_is_shown() {
        bed_run grep -q "$SECRET" /home/bob/.pm2/dump.pm2
        ! doctor 2>&1 | grep -q "$SECRET" || bed_fail "the doctor shows a secret"
        ! doctor --json 2>&1 | grep -q "$SECRET" || bed_fail "the doctor's JSON holds a secret"
}

fingerprint() {
        bed_run sh -c 'find /etc /srv /home/bob/.pm2 -xdev -type f ! -name "*.log" -exec sha256sum {} + | sort -k 2; pgrep -c .' |
                sha256sum
}

looking_changes_nothing() {
        local before
        before=$(fingerprint)
        doctor >/dev/null || [ $? = 3 ]
        [ "$before" = "$(fingerprint)" ]
}

# Spawned helpers would be seen here: the doctor only reads.
nothing_is_spawned() {
        bed_run strace -f -qq -e trace=execve,fork,vfork,clone,clone3 -o /srv/calls govctl doctor >/dev/null || [ $? = 3 ]
        bed_is 1 grep -c . "$(bed_root)/srv/calls" # its own execve
        bed_run rm /srv/calls
}

anybody_may_ask() {
        local status=0
        bed_run setpriv --reuid nobody --regid nogroup --clear-groups env LANG=C.UTF-8 govctl doctor >"$BED_DIR/nobody" || status=$?
        [ $status = 3 ]
        grep -q 'dependent.service: its start limit' "$BED_DIR/nobody"
        bed_run chmod 700 /home/bob
        bed_run setpriv --reuid nobody --regid nogroup --clear-groups env LANG=C.UTF-8 govctl doctor >"$BED_DIR/nobody" || [ $? = 3 ]
        grep -A 3 'Not looked at' "$BED_DIR/nobody" | grep -q /home/bob/.pm2
        bed_run chmod 755 /home/bob
}

why_of() { doctor --json | jq -r --arg check "$1" --arg subject "$2" '.findings[] | select(.check == $check and .subject == $subject) | .what + ": " + .why'; }

# Dump and daemon are compared by what stands for the values in them.
the_saved_list_is_held_against_the_one_that_runs() {
        bed_is '' subjects pm2-saved
        PM2_USER=bob bed_pm2 7 start /srv/app.js --name extra
        why_of pm2-saved /home/bob/.pm2 | grep -q 'would not start: extra'
        bed_run sed -i "s/$SECRET/sk-fixture-other/" /srv/ecosystem.json
        PM2_USER=bob bed_pm2 7 restart /srv/ecosystem.json --update-env
        why_of pm2-saved pm2:bob/tamara | grep -q 'Since then: env OPENAI_API_KEY: other value'
        ! doctor 2>&1 | grep -q sk-fixture || bed_fail "the doctor shows a secret"
        PM2_USER=bob bed_pm2 7 delete tamara
        why_of pm2-saved /home/bob/.pm2 | grep -q 'would start: tamara'
        PM2_USER=bob bed_pm2 7 delete extra
        bed_run sed -i "s/sk-fixture-other/$SECRET/" /srv/ecosystem.json
        PM2_USER=bob bed_pm2 7 start /srv/ecosystem.json
        bed_is '' subjects pm2-saved
}

the_bound_service_stays_down_before_the_fix() {
        bed_run systemctl start dependent
        bed_run systemctl kill -s KILL base
        bed_wait 5 '[ "$(bed_show base NRestarts)" -ge 1 ]'
        bed_wait 5 '[ "$(bed_show base ActiveState)" = active ]'
        bed_is inactive bed_show dependent ActiveState
}

the_bound_service_comes_back_after_the_fix() {
        paste_fix binds-to
        bed_is '' subjects binds-to
        bed_wait 5 '[ "$(bed_show dependent ActiveState)" = active ]'
        bed_run systemctl kill -s KILL base
        bed_wait 5 '[ "$(bed_show base NRestarts)" -ge 2 ]'
        bed_wait 5 '[ "$(bed_show dependent ActiveState)" = active ]'
}

the_start_limit_can_be_reached_after_the_fix() {
        paste_fix start-limit
        bed_is '' subjects start-limit
        bed_is 4min bed_show dependent StartLimitIntervalUSec
}

the_pm2_unit_is_mended_and_takes_its_daemon_back() {
        paste_fix pm2-unit
        bed_is '' subjects pm2-unit
        bed_is always bed_show pm2-bob Restart
        bed_is continue bed_show pm2-bob OOMPolicy
        bed_show pm2-bob ExecStop | grep -q MAINPID
        bed_run ln -sf "$(bed_run sh -c 'ls -d /opt/pm2-7*' | head -n 1)/node_modules/pm2/bin/pm2" /usr/local/bin/pm2
        paste_fix pm2-outside
        bed_wait 20 '[ "$(bed_show pm2-bob ActiveState)" = active ]'
        bed_wait 20 '[ -z "$(subjects pm2-outside)" ]'
        bed_is '' subjects pm2-second-god
        grep -q pm2-bob.service "$(bed_root)/proc/$(bed_run cat /home/bob/.pm2/pm2.pid)/cgroup"
}

the_secrets_are_closed_after_the_fix() {
        paste_fix pm2-secrets
        bed_is '' subjects pm2-secrets
}

a_dead_daemon_leaves_traces_that_the_fix_removes() {
        bed_run systemctl mask --runtime pm2-bob.service
        bed_run sh -c 'kill -KILL "$(cat /home/bob/.pm2/pm2.pid)"'
        bed_wait 10 '! bed_run pgrep -f "God Daemon"'
        bed_is /home/bob/.pm2 subjects pm2-stale
        bed_run systemctl unmask --runtime pm2-bob.service
        paste_fix pm2-stale
        bed_is '' subjects pm2-stale
        bed_wait 20 '[ "$(bed_show pm2-bob ActiveState)" = active ]'
        bed_is '' subjects pm2-outside
}

bed_boot one
bed_story a_machine_with_every_mistake
bed_story everything_is_found
bed_story no_secret_is_shown
bed_story looking_changes_nothing
bed_story nothing_is_spawned
bed_story anybody_may_ask
bed_story the_saved_list_is_held_against_the_one_that_runs
bed_story the_bound_service_stays_down_before_the_fix
bed_story the_bound_service_comes_back_after_the_fix
bed_story the_start_limit_can_be_reached_after_the_fix
bed_story the_pm2_unit_is_mended_and_takes_its_daemon_back
bed_story the_secrets_are_closed_after_the_fix
bed_story a_dead_daemon_leaves_traces_that_the_fix_removes
