#!/bin/bash
# Thirty planned restarts of healthy agents, of every kind that people and machines do, raise nothing.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

the_machine_is_seen() {
        local name
        house
        for name in x y z; do
                service zoo-$name $'[Unit]\nStartLimitIntervalSec=0'
                bed_run systemctl start zoo-$name
        done
        for name in lily rosa; do
                app $name
        done
        app pair 'instances: 2'
        govern enforce <<'POLICY'
agents:
  - { name: apps, pm2: "*", heal: { ladder: [restart, quarantine] } }
  - { name: services, systemd: "zoo-*.service", heal: { ladder: [restart, quarantine] } }
POLICY
        bed_wait 20 all_run
}

all_run() { status_says '[.agents[] | select(.effective == "running")] | length == 6'; }

# The restart has happened and was seen: Governor knows the new pid.
is_seen_anew() { [ "$(pid_of "$1")" != "$2" ] && is_effectively "$1" running; }

# again NAME COMMAND...: restarts the agent and waits until Governor saw it.
again() {
        local before
        before=$(pid_of "$1")
        "${@:2}" >/dev/null
        bed_wait 15 is_seen_anew "$1" "$before"
}

restarts_by_systemctl_are_planned() { # 8
        local i
        for i in 1 2 3 4 5; do
                again zoo-x bed_run systemctl restart zoo-x
        done
        again zoo-x bed_run systemctl try-restart zoo-x
        again zoo-y bed_run sh -c 'systemctl stop zoo-y; systemctl start zoo-y'
        again zoo-y bed_run systemctl reload-or-restart zoo-y
}

restarts_by_pm2_are_planned() { # 8
        local i
        for i in 1 2 3 4; do
                again lily app_pm2 restart lily
        done
        again lily app_pm2 reload lily
        again lily app_pm2 restart lily --update-env
        again rosa sh_stop_start rosa
        again rosa app_pm2 reload rosa
}
sh_stop_start() { app_pm2 stop "$1" && app_pm2 start "$1"; }

a_cluster_is_rolled() { # 3 x 2
        local i
        for i in 1 2 3; do
                again pair app_pm2 reload pair
        done
}

a_reset_counter_is_no_news() { # 2
        app_pm2 reset lily >/dev/null
        app_pm2 reset all >/dev/null
        again rosa app_pm2 restart rosa
}

daemon_reloads_are_no_news() { # 3
        local i
        for i in 1 2 3; do
                bed_run systemctl daemon-reload
        done
        again zoo-z bed_run systemctl restart zoo-z
}

# What dies while dpkg holds its lock is being upgraded.
a_package_run_explains_deaths() { # 3
        local i
        bed_run install -D -m 0640 /dev/null /var/lib/dpkg/lock-frontend
        bed_run systemctl restart governor
        bed_wait 20 all_run
        bed_run systemd-run -q --unit=dpkg-run python3 -c 'import fcntl, time
f = open("/var/lib/dpkg/lock-frontend", "w"); fcntl.lockf(f, fcntl.LOCK_EX); time.sleep(600)'
        bed_wait 10 records_say 'any(.action == "fact.planned" and .details.by == "dpkg")' || echo "no fact.planned yet"
        for i in 1 2 3; do
                again zoo-z bed_run kill -TERM "$(bed_show zoo-z MainPID)"
        done
        bed_run systemctl stop dpkg-run
}

a_timetable_is_planned() { # 4 by PM2's own cron
        app clock "cron_restart: '*/4 * * * * *'"
        bed_wait 40 '[ "$(bed_run cat /srv/births/clock | wc -l)" -ge 5 ]'
        app_pm2 delete clock >/dev/null
}

nothing_counts_as_a_death() {
        status_says '[.agents[] | select(.name != "clock") | .incarnations | add] | add == 0' ||
                bed_fail "$(bed_run govctl status --json | jq -c '[.agents[] | { name, incarnations }]')"
        records_say '[.[] | select(.action | startswith("agent."))] | length == 0'
}

# Nobody signals what happened while the daemon was down, and systemd forgets a unit that is stopped.
what_became_of_whom_while_we_were_away_is_seen() {
        bed_run systemctl stop governor
        bed_run systemctl stop zoo-x zoo-y
        bed_run rm /etc/systemd/system/zoo-y.service
        bed_run systemctl daemon-reload
        app_pm2 delete rosa >/dev/null
        app_pm2 scale pair 1 >/dev/null
        bed_run systemctl start governor
        bed_wait 30 is_effectively zoo-x stopped
        bed_wait 30 status_says '[.agents[].name] | index("rosa") == null and index("zoo-y") == null'
        bed_wait 30 agent_says pair '.instances == 1'
        bed_wait 30 is_effectively zoo-z running
        bed_run systemctl start zoo-x
        bed_wait 30 is_effectively zoo-x running
}

bed_boot one
must the_machine_is_seen
bed_story restarts_by_systemctl_are_planned
bed_story restarts_by_pm2_are_planned
bed_story a_cluster_is_rolled
bed_story a_reset_counter_is_no_news
bed_story daemon_reloads_are_no_news
bed_story a_package_run_explains_deaths
bed_story a_timetable_is_planned
bed_story nothing_was_found
bed_story nothing_counts_as_a_death
bed_story what_became_of_whom_while_we_were_away_is_seen
bed_story the_log_verifies
bed_story no_secret_is_told
