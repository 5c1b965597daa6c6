#!/bin/bash
# What PM2 5, 6 and 7 have of an app: another environment, other arguments or limits are found within a second and told without
# any value; nothing that leaves the app as it was is taken for a change.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

VERSIONS='5.4.3 6.0.14 7.0.4'

# Each version has a user of its own: a home, a daemon and the same two apps.
user_of() { echo "u${1%%.*}"; }
with() { PM2=$1 PM2_USER=$(user_of "$1") app_pm2 "${@:2}" >/dev/null; }
lily_of() { echo "pm2:$(user_of "$1")/lily"; }
pack_of() { echo "pm2:$(user_of "$1")/pack"; }

# with_each FUNCTION: for each version, all at the same time: the pm2 command takes its time.
with_each() {
        local version pids=() pid failed=0
        for version in $VERSIONS; do
                "$1" "$version" &
                pids+=($!)
        done
        for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
        [ $failed = 0 ]
}

# ecosystem VERSION [MEMBERS]: the file that declares its apps; MEMBERS are lily's.
ecosystem() {
        bed_write "/srv/agents/$1.config.js" <<<"module.exports = { apps: [
                { name: 'lily', script: '/srv/agents/app.js', args: ['--key', '$SECRET'], env: { MOOD: 'good' }, ${2:-} },
                { name: 'pack', script: '/srv/agents/app.js', exec_mode: 'cluster', instances: 2 } ] };"
}

# key TEXT: what follows the key in the environment of each pm2 command from now on.
key() { bed_write /srv/agents/secret <<<"export OPENAI_API_KEY=$SECRET$1"; }

begin_apps() {
        bed_run useradd --create-home "$(user_of "$1")"
        ecosystem "$1"
        with "$1" start "/srv/agents/$1.config.js"
}

the_machine_is_seen() {
        house
        bed_write /srv/agents/app.js <<<'setInterval(() => {}, 1000);'
        with_each begin_apps
        govern enforce <<<'agents: [ { name: apps, pm2: "*" } ]'
        bed_wait 30 all_run
        bed_wait 30 apps_are_sealed 6
}

all_run() { status_says '[.agents[] | select(.effective == "running")] | length == 6'; }
apps_are_sealed() { [ "$(bed_run grep -c '^f [0-9a-f].* pm2:' /var/lib/governor/apps.manifest)" = "$1" ]; }
# tells AGENT FILTER SINCE: when such a fact was recorded, in ms; nothing if none was.
tells() { records_give "map(select(.action == \"fact.config\" and .subject == \$s and .ms >= $3) | select(.details | $2))[0].ms // empty" --arg s "$1"; }
is_told() { [ -n "$(tells "$@")" ]; }
count_told() { records_give 'map(select(.action == "fact.config" and .details.of == "app")) | length'; }
# within_a_second SINCE AGENT FILTER: told soon enough after PM2 began the app anew; what its command does before is its own time.
within_a_second() {
        local at began
        bed_wait 20 is_told "$2" "$3" "$1"
        at=$(tells "$2" "$3" "$1")
        began=$(records_give 'map(select(.action == "fact.started" and .subject == $s and .ms >= $m))[0].ms' --arg s "$2" --argjson m "$1")
        echo "$2 told $((at - began)) ms after it was begun: $3"
        [ $((at - began)) -le 1000 ]
}

# What people do every day and what PM2 does by itself, with nothing changed.
every_day() {
        with "$1" restart lily --update-env
        with "$1" reload pack --update-env
        with "$1" start "/srv/agents/$1.config.js"
        bed_run sh -c "kill -9 \$(cat /home/$(user_of "$1")/.pm2/pids/lily-*.pid)"
        with "$1" save
        with "$1" kill
        with "$1" resurrect
}

# The list of a daemon that was brought back is believed when that is ten seconds old.
is_old() {
        local version
        for version in $VERSIONS; do
                [ $(($(now_ms) - $(bed_run date +%s%3N -r "/home/$(user_of "$version")/.pm2/pm2.pid"))) -ge 11000 ] || return
        done
}

nothing_that_leaves_an_app_as_it_was_is_told() {
        with_each every_day
        bed_wait 40 all_run
        bed_wait 20 is_old
        # a window that is closed waits until all of PM2 was listed
        bed_run govctl change open '/nowhere/**' --reason look >/dev/null
        bed_run govctl change close >/dev/null
        bed_is 0 count_told
}

change_key() { with "$1" restart lily --update-env; }

another_environment_is_found_within_a_second() {
        local version since
        since=$(now_ms)
        key "-other DEBUG=$SECRET"
        with_each change_key
        for version in $VERSIONS; do
                within_a_second "$since" "$(lily_of "$version")" '.what == "env DEBUG added, env OPENAI_API_KEY: other value"'
                has_open "$(lily_of "$version")" unit-drift 1
        done
        why_says "$(id_of "$(lily_of 7)" unit-drift)" 'what PM2 has of it was changed: env DEBUG added, env OPENAI_API_KEY: other value'
}

this_was_me_seals_the_app() {
        local version
        for version in $VERSIONS; do
                bed_run govctl planned "$(id_of "$(lily_of "$version")" unit-drift)" --reason 'another key'
                has_open "$(lily_of "$version")" unit-drift 0
        done
}

change_file() {
        ecosystem "$1" "max_memory_restart: '300M', autorestart: false"
        with "$1" start "/srv/agents/$1.config.js" --only lily
}

another_file_is_told_key_by_key() {
        local version since
        since=$(now_ms)
        with_each change_file
        for version in $VERSIONS; do
                bed_wait 10 is_told "$(lily_of "$version")" '(.what | contains("autorestart=false added")) and
                        (.what | contains("max_memory_restart=314572800 added"))' "$since"
        done
}

a_deploy_is_silent_and_sealed() {
        local version
        for version in $VERSIONS; do
                bed_run govctl planned "$(id_of "$(lily_of "$version")" unit-drift)" --reason 'limits'
                bed_run govctl change open "$(lily_of "$version")" --reason 'mood' --for 10m
        done
        key "-other DEBUG=$SECRET MOOD=$SECRET"
        with_each change_key
        for version in $VERSIONS; do
                bed_run govctl change close "$(lily_of "$version")" >"$BED_DIR/closed"
                grep -q "changed $(lily_of "$version"): env MOOD: other value" "$BED_DIR/closed"
                has_open "$(lily_of "$version")" unit-drift 0
        done
}

three_of_pack() { with "$1" scale pack 3; }

another_number_of_instances_is_told() {
        local version
        with_each three_of_pack
        for version in $VERSIONS; do
                bed_wait 20 has_open "$(pack_of "$version")" unit-drift 1
                why_says "$(id_of "$(pack_of "$version")" unit-drift)" 'instances 2 -> 3'
        done
}

what_changed_while_the_daemon_was_down_is_found_at_start() {
        bed_run systemctl stop governor
        key -down
        with 7.0.4 restart lily --update-env
        bed_run systemctl start governor
        bed_wait 30 has_open pm2:u7/lily unit-drift 1
        why_says "$(id_of pm2:u7/lily unit-drift)" 'env OPENAI_API_KEY: other value'
}

bed_boot one
must the_machine_is_seen
bed_story nothing_that_leaves_an_app_as_it_was_is_told
bed_story another_environment_is_found_within_a_second
bed_story this_was_me_seals_the_app
bed_story another_file_is_told_key_by_key
bed_story a_deploy_is_silent_and_sealed
bed_story another_number_of_instances_is_told
bed_story what_changed_while_the_daemon_was_down_is_found_at_start
bed_story the_log_verifies
bed_story no_secret_is_told
