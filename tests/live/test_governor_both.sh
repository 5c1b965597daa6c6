#!/bin/bash
# A PM2 app inside a Type=forking unit whose ExecStart is `pm2 start` is one agent, counted once by whoever counts.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

the_machine_is_seen() {
        house
        bed_write /etc/systemd/system/agent-pair.service <<UNIT
[Service]
Type=forking
Environment=PM2_HOME=/srv/pair HOME=/root OPENAI_API_KEY=$SECRET
PIDFile=/srv/pair/pm2.pid
Restart=always
ExecStart=/usr/bin/node /opt/pm2-7.0.4/node_modules/pm2/bin/pm2 start /srv/agents/agent.js --name pair
ExecStop=/usr/bin/node /opt/pm2-7.0.4/node_modules/pm2/bin/pm2 kill
UNIT
        bed_run systemctl daemon-reload
        bed_run systemctl start agent-pair
        idle_apps 6
        govern observe <<'POLICY'
agents:
  - { name: apps, pm2: "*", restarts: [ { more_than: 4, within: 10m }, { more_than: 40, within: 24h } ] }
  - { name: services, systemd: "agent-*.service", restarts: [ { more_than: 4, within: 10m }, { more_than: 40, within: 24h } ] }
POLICY
        bed_wait 20 agent_says pair '.effective == "running"'
}

it_is_one_agent() {
        status_says '[.agents[] | select(.name | test("pair"))] | length == 1' ||
                bed_fail "$(bed_run govctl status --json | jq -c '[.agents[] | select(.name | test("pair"))]')"
        agent_says pair '.manager == "pm2" and .via == "agent-pair.service"' ||
                bed_fail "$(bed_run govctl status --json | jq -c '.agents[] | select(.name == "pair")')"
}

each_death_counts_once() {
        local n
        break_in 700 pair
        bed_wait 30 died pair 7
        mend pair
        bed_wait 20 is_alive_again
        n=$(bed_run cat /srv/deaths/pair | wc -l)
        bed_wait 10 agent_says pair ".incarnations[\"24h\"] == $n and .restarts == $n" ||
                bed_fail "$n deaths, but: $(bed_run govctl status --json | jq -c '.agents[] | select(.name == "pair")')"
}
is_alive_again() { agent_says pair '.pid > 0' && bed_run kill -0 "$(pid_of pair)" && [ "$(bed_run cat /srv/births/pair | wc -l)" -gt "$(bed_run cat /srv/deaths/pair | wc -l)" ]; }

there_is_one_incident() {
        incidents_say '[.incidents[] | select(.agent | test("pair"))] | length == 1 and .[0].cause == "crash-loop" and (.[0].agent | startswith("pm2:root/pair"))' ||
                bed_fail "$(bed_run govctl incidents --all --json)"
}

bed_boot one
must the_machine_is_seen
bed_story it_is_one_agent
bed_story each_death_counts_once
bed_story there_is_one_incident
bed_story the_log_verifies
bed_story no_secret_is_told
