#!/bin/bash
# An unprivileged user plays PM2: sockets where they do not belong, apps that are not his, floods. Nobody else is harmed.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

lily_is_governed() {
        house
        bed_run useradd -m mallory
        bed_cp "$BED_TREE/tests/live/strangers.js" /srv/
        app lily
        idle_apps 6
        service zoo-a
        bed_run systemctl start zoo-a
        govern enforce <<'POLICY'
agents:
  - { name: apps, pm2: "root/*", heal: { ladder: [restart, quarantine] } }
  - { name: strangers, pm2: "mallory/*", heal: { ladder: [restart, quarantine] } }
  - { name: services, systemd: "zoo-*.service", heal: { ladder: [restart, quarantine] } }
POLICY
        bed_wait 20 is_effectively lily running
}

# plays MANNER HOME: mallory's daemon.
plays() {
        bed_run systemctl stop "mallory-$1" 2>/dev/null || :
        bed_run systemd-run --quiet --collect --unit="mallory-$1" --uid=mallory node /srv/strangers.js "$2" "$1"
        bed_wait 10 bed_run test -S "$2/rpc.sock"
}
looks_again() { bed_run govctl reload >/dev/null; }
sources() { bed_run govctl status --json | jq -r '.sources[].name'; }
main_pid() { bed_show governor MainPID; }
rss() { bed_run awk '/^VmRSS/ { print $2 }' "/proc/$(main_pid)/status"; }
ticks() { bed_run awk '{ print $14 + $15 }' "/proc/$(main_pid)/stat"; }
# busy SECONDS: percent of one processor.
busy() { local a b; a=$(ticks); sleep "$1"; b=$(ticks); echo $(((b - a) / $1)); }
records_n() { records | wc -l; }

sockets_in_tmp_are_no_home_of_root() {
        plays lies /tmp
        looks_again
        bed_run systemctl restart governor
        bed_wait 20 is_effectively lily running
        [ "$(sources | grep -c 'root@/tmp')" = 0 ] || bed_fail "$(bed_run govctl status --json | jq -c .sources)"
        bed_run systemctl stop mallory-lies
        is_effectively lily running
}

a_link_to_the_home_of_root_is_no_second_home() {
        plays lies /home/mallory/link
        bed_run mv /home/mallory/link /home/mallory/real
        bed_run ln -s /root/.pm2 /home/mallory/link
        looks_again
        sleep 1
        [ "$(status_all | grep -c 'pm2:root/lily')" = 1 ] || bed_fail "$(status_all | grep root/)"
        bed_run systemctl stop mallory-lies
}
status_all() { { bed_run govctl status --json || :; } | jq -r '.agents[].id'; }
says_agent() { status_all | grep -q "$1"; }
# The others, by their ids: a stranger may make the short names ambiguous.
others_run() { status_says '[.agents[] | select(.id == ("pm2:root/lily", "systemd:zoo-a.service")) | .effective] == ["running", "running"]'; }
nobody_else_was_touched() {
        bed_is '' records_give 'map(select((.action | startswith("agent.")) and (.subject | startswith("pm2:mallory/") | not)))[]'
}

claims_about_others_touch_nobody() {
        local lily
        lily=$(pid_of_id pm2:root/lily)
        bed_run sh -c '{ echo 1; pgrep governord; pgrep dbus-daemon; cat /root/.pm2/pm2.pid; systemctl show -P MainPID zoo-a; echo '"$lily"'; } >/srv/victims'
        plays lies /home/mallory/.pm2
        bed_wait 20 says_agent mallory/ok
        # what it says of its own is taken up with itself, after the grace: it is asked to restart what it claims to have
        bed_wait 60 bed_run grep -q restart /home/mallory/.pm2/orders
        others_run
        nobody_else_was_touched
        bed_is "$lily" pid_of_id pm2:root/lily
        status_says '[.agents[] | select((.id | startswith("pm2:mallory/")) and .pid > 0 and .effective == "running")] == []'
        bed_run systemctl stop mallory-lies
}
pid_of_id() { { bed_run govctl status --json || :; } | jq -r --arg id "$1" '.agents[] | select(.id == $id).pid'; }

# it_costs_little MANNER: whatever comes, memory, processor and what is written stay bounded.
it_costs_little() {
        local records memory processor
        records=$(records_n)
        plays "$1" "/home/mallory/$1"
        looks_again
        processor=$(busy 10)
        memory=$(rss)
        records=$(($(records_n) - records))
        echo "$1: $processor % of a processor, $memory kB, $records records"
        [ "$memory" -lt 24000 ] || bed_fail "$1: $memory kB of memory"
        [ "$processor" -lt 30 ] || bed_fail "$1: $processor % of a processor"
        [ "$records" -lt 8000 ] || bed_fail "$1: $records records in ten seconds"
        others_run
        nobody_else_was_touched
        bed_run systemctl stop "mallory-$1"
}

bed_boot one
must lily_is_governed
bed_story sockets_in_tmp_are_no_home_of_root
bed_story a_link_to_the_home_of_root_is_no_second_home
bed_story claims_about_others_touch_nobody
bed_story it_costs_little lines
bed_story it_costs_little events
bed_story it_costs_little hangup
bed_story it_costs_little flood
bed_story it_costs_little many
bed_story the_log_verifies
