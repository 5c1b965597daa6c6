#!/bin/bash
# The managers themselves are killed, hung, updated and restarted: Governor sees it, says so, sees again and accuses nobody.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

the_machine_is_seen() {
        local name
        house
        bed_run useradd -m mila
        bed_write /etc/systemd/system/pm2-root.service <<'UNIT'
[Service]
Type=forking
Environment=PM2_HOME=/root/.pm2 HOME=/root
PIDFile=/root/.pm2/pm2.pid
Restart=always
RestartSec=100ms
OOMPolicy=continue
ExecStart=/usr/bin/node /opt/pm2-7.0.4/node_modules/pm2/bin/pm2 resurrect
UNIT
        for name in lily rosa otto emil ida; do
                app $name
        done
        app_pm2 save >/dev/null
        app_pm2 kill >/dev/null
        bed_run systemctl daemon-reload
        bed_run systemctl start pm2-root
        for name in mina mona; do
                PM2_USER=mila app $name
        done
        for name in x y z; do
                service zoo-$name
                bed_run systemctl start zoo-$name
        done
        govern enforce <<'POLICY'
agents:
  - { name: apps, pm2: "*", heal: { ladder: [restart, quarantine] } }
  - { name: services, systemd: "zoo-*.service", heal: { ladder: [restart, quarantine] } }
POLICY
        bed_wait 20 all_run
}

all_run() { status_says '[.agents[] | select(.effective == "running" and .pid > 0)] | length == 10'; }
all_see() { status_says '[.sources[] | select(.state != "seeing" and .state != "absent")] | length == 0'; }
source_was() { records_say 'any(.action == "fact.source" and (.details.name | startswith($n)) and .details.state == $s and .ms >= $at)' \
        --arg n "$1" --arg s "$2" --argjson at "$3"; }
now() { bed_run date +%s%3N; }
god() { bed_run cat "$1/.pm2/pm2.pid"; }

pm2_is_killed() {
        local at pid
        at=$(now)
        pid=$(god /root)
        bed_run kill -KILL "$pid"
        bed_wait 20 '[ "$(god /root)" != '"$pid"' ]'
        bed_wait 20 source_was pm2:root blind "$at" || bed_wait 1 source_was pm2:root absent "$at"
        bed_wait 30 all_run
        bed_wait 10 all_see
}

pm2_hangs() {
        local at pid
        at=$(now)
        pid=$(god /home/mila)
        bed_run kill -STOP "$pid"
        bed_wait 60 source_was pm2:mila blind "$at"
        bed_run kill -CONT "$pid"
        bed_wait 60 source_was pm2:mila seeing "$at"
        bed_wait 30 all_run
}

pm2_is_updated() {
        local pid
        pid=$(god /home/mila)
        PM2_USER=mila app_pm2 update >/dev/null
        bed_wait 20 '[ "$(god /home/mila)" != '"$pid"' ]'
        bed_wait 40 all_run
        bed_wait 10 all_see
}

dbus_is_restarted() {
        local at
        at=$(now)
        bed_run systemctl restart dbus
        bed_wait 20 source_was systemd seeing "$at"
        bed_wait 20 all_run
        bed_wait 10 all_see
}

systemd_reexecutes_itself() {
        bed_run systemctl daemon-reexec
        bed_wait 20 all_run
        bed_wait 10 all_see
}

systemd_reloads_in_a_storm() {
        bed_run sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do systemctl daemon-reload; done'
        bed_wait 20 all_run
        bed_wait 10 all_see
}

nobody_was_touched() {
        records_say '[.[] | select(.action | startswith("agent."))] | length == 0' ||
                bed_fail "$(records_give 'map(select(.action | startswith("agent.")))[0]')"
}

# After all that it still sees: a real loop under each manager is found.
and_a_real_loop_is_still_found() {
        # what an updated PM2 brings up again is given time to settle
        bed_wait 90 records_say 'all(.[] | select(.action == "fact.planned"); .details.until < now * 1000000)'
        break_in 1000 lily zoo-x mina
        is_named_within 15000 pm2:root/lily crash-loop lily 1
        is_named_within 15000 systemd:zoo-x.service crash-loop zoo-x 1
        is_named_within 15000 pm2:mila/mina crash-loop mina 1
}

bed_boot one
must the_machine_is_seen
bed_story pm2_is_killed
bed_story pm2_hangs
bed_story pm2_is_updated
bed_story dbus_is_restarted
bed_story systemd_reexecutes_itself
bed_story systemd_reloads_in_a_storm
bed_story nothing_was_found
bed_story nobody_was_touched
bed_story and_a_real_loop_is_still_found
bed_story the_log_verifies
bed_story no_secret_is_told
