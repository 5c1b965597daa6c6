#!/bin/bash
# An agent under PM2, started through governor-run: it works as before, and changes only what it may.
# shellcheck source=tests/live/bed.sh
. "$(dirname "$0")/bed.sh"

# The agent does what a line of its standing orders says, and writes down how that ended.
an_agent_and_what_it_must_not_touch() {
        bed_run useradd -m ida
        bed_run install -d -o ida /srv/ida /srv/ida/state /srv/ida/core /srv/ida/logs
        bed_write /srv/ida/core/rules.md <<<GOOD
        bed_write /srv/ida/agent.js <<'JS'
const fs = require('fs'), net = require('net'), { execFileSync } = require('child_process');
const results = {};
const attempt = (name, act) => { try { act(); results[name] = 'done'; } catch (e) { results[name] = e.code || 'failed'; } };
const rules = '/srv/ida/core/rules.md', mine = '/srv/ida/state/';
attempt('write', () => fs.writeFileSync(rules, 'EVIL'));
attempt('rename', () => { fs.writeFileSync(mine + 'evil', 'EVIL'); fs.renameSync(mine + 'evil', rules); });
attempt('unlink', () => fs.unlinkSync(rules));
attempt('truncate', () => fs.truncateSync(rules));
attempt('chmod', () => fs.chmodSync(rules, 0o777));
attempt('utimes', () => fs.utimesSync(rules, 0, 0));
attempt('folder', () => fs.renameSync('/srv/ida/core', mine + 'core'));
attempt('link', () => fs.linkSync(rules, mine + 'link'));
attempt('itself', () => fs.appendFileSync(__filename, '// EVIL'));
attempt('child', () => execFileSync('/bin/sh', ['-c', `echo EVIL >${rules}`], { stdio: 'ignore' }));
attempt('keys', () => fs.appendFileSync('/home/ida/.bashrc', 'evil'));
attempt('own', () => { fs.writeFileSync(mine + 'a', 'x'); fs.renameSync(mine + 'a', mine + 'b'); fs.mkdirSync(mine + 'd'); });
attempt('read', () => fs.readFileSync(rules));
const pm2 = net.connect('/home/ida/.pm2/rpc.sock');
const tell = (what) => { results.pm2 = what; fs.writeFileSync(mine + 'results', JSON.stringify(results)); process.send('ready'); };
pm2.on('connect', () => tell('done')).on('error', (e) => tell(e.code));
require('http').createServer((_, to) => to.end('here')).listen(3000, '127.0.0.1');
process.on('SIGINT', () => { fs.writeFileSync(mine + 'goodbye', 'said'); process.exit(0); });
JS
        bed_write /srv/ida/ida.config.js <<'JS'
module.exports = { apps: [ { name: 'ida', script: '/srv/ida/agent.js', wait_ready: true, listen_timeout: 20000,
        interpreter: '/opt/gov/bin/governor-run', interpreter_args: '--strict --write /srv/ida/state -- node',
        out_file: '/srv/ida/logs/out', error_file: '/srv/ida/logs/error' } ] };
JS
        bed_run chown ida /srv/ida/core/rules.md /srv/ida/agent.js
        bed_run stat -c '%i %a %s %Y %Z %h %U' /srv/ida/core/rules.md /srv/ida/agent.js >"$BED_DIR/before"
}

pm2_starts_it_and_it_works() {
        PM2_USER=ida bed_pm2 7 start /srv/ida/ida.config.js
        bed_wait 20 bed_run test -e /srv/ida/state/results
        bed_run cat /srv/ida/state/results >"$BED_DIR/results"
        PM2_USER=ida bed_pm2 7 jlist | sed -n '/^\[/p' | jq -e '.[0].pm2_env | .status == "online" and .restart_time == 0'
        jq -e '.own == "done" and .read == "done"' "$BED_DIR/results"
        bed_is here bed_run node -e 'require("http").get("http://127.0.0.1:3000/", (r) => r.pipe(process.stdout))'
        bed_is 'NoNewPrivs:	1' bed_run sh -c 'grep NoNewPrivs "/proc/$(pgrep -u ida -f agent.js)/status"'
}

nothing_it_tried_succeeded() {
        jq -e 'del(.own, .read) | length == 12 and all(.[]; . != "done")' "$BED_DIR/results"
        jq -e '.chmod == "EPERM" and .write == "EACCES" and .pm2 == "EAFNOSUPPORT"' "$BED_DIR/results"
        bed_is GOOD bed_run cat /srv/ida/core/rules.md
        bed_run stat -c '%i %a %s %Y %Z %h %U' /srv/ida/core/rules.md /srv/ida/agent.js >"$BED_DIR/after"
        cmp "$BED_DIR/before" "$BED_DIR/after"
        ! bed_run grep -q evil /home/ida/.bashrc || bed_fail "it changed its user's shell"
}

pm2_ends_it_in_peace() {
        PM2_USER=ida bed_pm2 7 stop ida
        bed_is said bed_run cat /srv/ida/state/goodbye
        bed_is 0 bed_run stat -c %s /srv/ida/logs/error
        PM2_USER=ida bed_pm2 7 kill
}

# as USER CMD...
as() { bed_run setpriv --reuid "$1" --regid "$1" --init-groups --inh-caps=-all env HOME=/ PATH="$BED_PATH" "${@:2}"; }

# All 43 ways to change a file, by its owner, who may change everything around it.
no_attack_of_the_canary_succeeds() {
        local user=$1 top=/srv/canary-$1
        bed_run install -d -o "$user" "/srv/nest-$user" && top=/srv/nest-$user/top
        as "$user" governor-canary --make "$top"
        as "$user" governor-run --write "/srv/nest-$user" --guard "$top/guarded" -- \
                governor-canary "$top/guarded/canary" --json --settle 0 >"$BED_DIR/canary" || cat "$BED_DIR/canary"
        jq -r '.attacks[] | select(.result != "prevented") | "\(.name): \(.result), \(.reason)"' "$BED_DIR/canary"
        jq -e '.succeeded == 0 and .restored == 0 and .["own-view"] == 0 and .prevented >= 32' "$BED_DIR/canary"
        # with its metadata allowed the owner can change that, and no content
        as "$user" governor-run --allow metadata --write "/srv/nest-$user" --guard "$top/guarded" -- \
                governor-canary "$top/guarded/canary" --json --settle 0 >"$BED_DIR/canary" || :
        jq -e '[.attacks[] | select(.result == "succeeded") | .changed] | all(test("content|gone|replaced") | not)' "$BED_DIR/canary"
}

# The container's filter, which its services have around them, refuses Landlock.
what_cannot_be_confined_is_said() {
        local status=0
        bed_unit /opt/gov/bin/governor-run true 2>"$BED_DIR/said"
        grep -q 'not confined: files: everything that this user may write' "$BED_DIR/said"
        bed_unit /opt/gov/bin/governor-run --strict touch /srv/started 2>"$BED_DIR/said" || status=$?
        [ $status = 125 ]
        grep -q 'not started, as --strict wants it' "$BED_DIR/said"
        bed_run test ! -e /srv/started
}

bed_boot one --system-call-filter='~landlock_create_ruleset'
bed_run /opt/gov/bin/governor-run --strict true || bed_skip "the kernel's Landlock is too old"
bed_story an_agent_and_what_it_must_not_touch
bed_story pm2_starts_it_and_it_works
bed_story nothing_it_tried_succeeded
bed_story pm2_ends_it_in_peace
bed_story no_attack_of_the_canary_succeeds ida
bed_story no_attack_of_the_canary_succeeds root
bed_story what_cannot_be_confined_is_said
