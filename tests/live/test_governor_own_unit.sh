#!/bin/bash
# A PM2 app gets no limits inside of its daemon's control group; what govctl prints instead gives it a unit that has them.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

an_app_of_a_user_runs() {
        house
        bed_run useradd -m mila
        bed_run ln -s /opt/pm2-7.0.4/node_modules/pm2/bin/pm2 /usr/bin/pm2
        bed_write /home/mila/app.js <<'JS'
require('fs').writeFileSync('/srv/births/odd', JSON.stringify([ process.argv.slice(2), process.execArgv, process.cwd(),
        process.getuid(), process.env.MODE, process.env.OPENAI_API_KEY ]));
setInterval(() => {}, 1000);
JS
        bed_write /home/mila/eco.config.js <<JS
module.exports = { apps: [ { name: 'odd name', script: '/home/mila/app.js', args: [ '--model', 'a b', '--n=\$HOME%q', "it's \"\\\\" ],
        node_args: '--max-old-space-size=128', cwd: '/home/mila', kill_timeout: 4000,
        env: { OPENAI_API_KEY: '$SECRET', MODE: 'x "y" \\\\ \$z \`w\`\nnext' } } ] };
JS
        PM2_USER=mila bed_pm2 7 start /home/mila/eco.config.js >/dev/null
        PM2_USER=mila bed_pm2 7 save >/dev/null
        govern enforce <<'POLICY'
classes: { thin: { memory: { ceiling: 200M } } }
agents:
  - { name: apps, pm2: "*", class: thin }
  - { name: units, systemd: "agent-*", class: thin }
POLICY
        bed_wait 20 is_effectively 'odd name' running
        bed_wait 10 bed_run test -s /srv/births/odd
        bed_run mv /srv/births/odd /srv/births/in-pm2
}

it_is_told_how_and_no_value_is_told() {
        bed_run govctl limits 'odd name' >"$BED_DIR/script" 2>"$BED_DIR/said"
        grep -q 'all apps of one PM2 live in one control group' "$BED_DIR/said"
        grep -qx 'User=mila' "$BED_DIR/script"
        grep -q 'OPENAI_API_KEY' "$BED_DIR/script"
        ! grep -q "$SECRET" "$BED_DIR/script" || bed_fail "the value of a variable is printed"
        bed_run govctl limits 'odd name' --json | jq -e '.environment | contains(["MODE", "OPENAI_API_KEY"]) and (index("HOME") | not)'
}

what_is_printed_does_it() {
        bed_write /root/script <"$BED_DIR/script"
        bed_run bash -eu /root/script >/dev/null
        bed_is active bed_run systemctl is-active agent-odd-name
        bed_wait 10 bed_run test -s /srv/births/odd
        bed_run cmp /srv/births/in-pm2 /srv/births/odd
        bed_is '600 root' bed_run stat -c '%a %U' /etc/agent-odd-name.env
        bed_is '' bed_run systemd-analyze verify --man=no /etc/systemd/system/agent-odd-name.service
        PM2_USER=mila bed_pm2 7 jlist | tail -n 1 | jq -e 'length == 0'
}

the_unit_can_be_limited() {
        bed_wait 20 is_effectively agent-odd-name running
        bed_run govctl limits agent-odd-name --apply >/dev/null
        bed_is $((276 * 1048576)) bed_show agent-odd-name MemoryMax
        bed_run govctl undo agent-odd-name >/dev/null
        bed_is infinity bed_show agent-odd-name MemoryMax
}

# mila writes what root will paste: it stays within mila's rights.
a_list_that_lies_gains_nothing() {
        bed_write /home/mila/.pm2/dump.pm2 <<<'[ { "name": "lies", "pm_exec_path": "/bin/sh", "pm_cwd": "/\nUser=root", "exec_interpreter": "none",
                "username": "root", "uid": "root", "args": [ "-c", "x\nUser=root" ], "env": { "A|B)/e;id": 1, "OK": 2 } },
                { "name": "calm", "pm_exec_path": "/bin/sleep", "pm_cwd": "/", "exec_interpreter": "none", "username": "root", "uid": 0,
                "args": [ "inf\nUser=root" ], "env": { "A|B)/e;id": 1, "OK": 2 } } ]'
        local name
        for name in lies calm; do
                PM2_USER=mila bed_pm2 7 start /bin/sleep --name $name --interpreter none -- inf >/dev/null
                bed_wait 10 is_effectively $name running
        done
        ! bed_run govctl limits lies >"$BED_DIR/script" 2>"$BED_DIR/said" || bed_fail "$(cat "$BED_DIR/script")"
        grep -q 'no unit can be made of what PM2 has saved' "$BED_DIR/said"
        bed_run govctl limits calm >"$BED_DIR/script" 2>/dev/null
        grep -qx 'User=mila' "$BED_DIR/script"
        ! grep -qE '^User=root|B\)|;id' "$BED_DIR/script" || bed_fail "$(cat "$BED_DIR/script")"
}

bed_boot one
must an_app_of_a_user_runs
bed_story it_is_told_how_and_no_value_is_told
bed_story what_is_printed_does_it
bed_story the_unit_can_be_limited
bed_story a_list_that_lies_gains_nothing
bed_story no_secret_is_told
