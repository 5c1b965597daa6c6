#!/bin/bash
# A bad deploy that loops is rolled back and the agent is healthy again; what a human may do with versions; starts that nobody announced.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

# Stands in the configuration, and must be told to nobody.
CONTENT=sk-fixture-config-77e1a0c93b52
LILY=systemd:zoo-lily.service
SVEN=pm2:root/sven
GOOD="{ \"ok\": true, \"api_key\": \"$CONTENT\", \"temperature\": 1 }"
BAD="{ \"ok\": false, \"api_key\": \"$CONTENT-new\", \"temperature\": 2 }"

the_machine_is_seen() {
        house
        bed_run mkdir -p /srv/lily/prompts /srv/rosa
        bed_write /srv/lily/config.json <<<"$GOOD"
        bed_write /srv/lily/prompts/a.md <<<hello
        bed_run chown 1234:1234 /srv/lily/config.json
        bed_run chmod 0640 /srv/lily/config.json
        bed_write /srv/agents/picky.js <<'AGENT'
const config = JSON.parse(require('fs').readFileSync(process.argv[2]));
if (!config.ok) process.exit(78);
setInterval(() => {}, 1000);
AGENT
        bed_service zoo-lily 'ExecStart=/usr/bin/node /srv/agents/picky.js /srv/lily/config.json' Restart=always RestartSec=1 \
                $'[Unit]\nStartLimitIntervalSec=0'
        bed_run systemctl start zoo-lily
        app rosa
        app sven
        bed_write /srv/rosa/config.json <<<"$GOOD"
        idle_services 6
        govern enforce <<'POLICY'
agents:
  - name: lily
    systemd: zoo-lily
    config: [ /srv/lily/config.json, "/srv/lily/prompts/**" ]
    heal: { ladder: [rollback, quarantine], backoff: { first: 1s, most: 2s }, proven_after: 3s }
  - { name: rosa, pm2: rosa, config: [ /srv/rosa/config.json ], heal: { ladder: [restart, quarantine], proven_after: 3s } }
  - { name: rest, systemd: "idle-*.service" }
  - { name: sven, pm2: sven }
POLICY
        bed_wait 20 status_says '[.agents[] | select(.effective == "running")] | length == 9'
        bed_run govctl deploy sven --reason 'release 1' -- true
}

versions_say() { bed_run govctl versions "$1" --json | jq -e "$2" >/dev/null; }
config_of() { bed_run cat "/srv/$1/config.json"; }
incident_of() { bed_run govctl incidents --all --json | jq -r --arg s "$1" --arg c "$2" '[.incidents[] | select(.agent == $s and .cause == $c)][0].id'; }
is_over() { incidents_say --arg s "$1" --arg c "$2" '[.incidents[] | select(.agent == $s and .cause == $c)] | length > 0 and all(.state == "resolved")'; }

a_configuration_is_proven_by_a_life_under_it() {
        bed_wait 40 versions_say zoo-lily '.versions | length == 1 and .[0].last_healthy and .[0].present and .[0].lacks == ""'
        records_say 'any(.action == "fact.version" and .subject == $s and .details.step == "healthy")' --arg s "$LILY"
        bed_run govctl versions zoo-lily | grep -q 'its configuration is version 1 already'
}

a_bad_deploy_that_loops_is_rolled_back() {
        bed_write /srv/release/config.json <<<"$BAD"
        bed_run chmod 0600 /srv/release/config.json
        bed_write /srv/release/prompts/new.md <<<bye
        # one program copies all of it: two that are late on a busy machine would make two versions
        bed_run govctl deploy zoo-lily --reason 'release 12' -- sh -c \
                'cp -r --preserve=mode /srv/release/. /srv/lily/; systemctl restart zoo-lily'
        bed_wait 40 is_named "$LILY" crash-loop
        bed_wait 40 is_over "$LILY" crash-loop
        bed_is "$GOOD" config_of lily
        bed_is '640 1234:1234' bed_run stat -c '%a %u:%g' /srv/lily/config.json
        ! bed_run test -e /srv/lily/prompts/new.md || bed_fail "a file of the bad release is still there"
        bed_is '' bed_run find /srv/lily -name '.governor*'
        bed_is active bed_run systemctl is-active zoo-lily
        versions_say zoo-lily '.versions[0].present and .versions[1].failed > 0 and .versions[1].differing == 2'
}

the_story_is_told() {
        local why
        why=$(bed_run govctl why "$(incident_of "$LILY" crash-loop)" --width 400; bed_run govctl why zoo-lily --width 400)
        echo "$why"
        grep -q 'after the deploy by uid:0 (release 12), in which /srv/lily' <<<"$why"
        grep -q 'putting its configuration back: back to version 1 of its configuration, proven' <<<"$why"
        grep -q 'configuration put back: 1 file put back, 1 moved away' <<<"$why"
        grep -q 'healthy: up for .*, with version 1 of its configuration back' <<<"$why"
        grep -q 'Last deploy: .* by uid:0 pid:[0-9]*: release 12; exit status 0' <<<"$why"
        grep -q 'govctl versions zoo-lily' <<<"$why"
        records_say 'any(.action == "agent.rollback" and .outcome == "pending" and .details.version == 1) and any(.action == "agent.rollback" and .outcome == "ok")'
}

# What our own hand did is no drift; what somebody then does is.
what_was_put_back_is_sealed() {
        bed_is 0 records_give '[.[] | select(.action == "finding.config-drift")] | length'
        records_say 'any(.action == "fact.config" and .details.change == "restored")'
}

what_differs_is_shown_without_secrets() {
        local diff
        diff=$(bed_run govctl versions diff zoo-lily 1 2)
        grep -q '^-{ "ok": true, "api_key": "\*\*\*", "temperature": 1 }$' <<<"$diff" || bed_fail "$diff"
        grep -q '^+{ "ok": false, "api_key": "\*\*\*", "temperature": 2 }$' <<<"$diff" || bed_fail "$diff"
        grep -q '/srv/lily/prompts/new.md was added' <<<"$diff"
        grep -q 'shown as \*\*\*' <<<"$diff"
        ! grep -q "$CONTENT" <<<"$diff" || bed_fail "a secret is shown"
}

a_human_goes_to_any_version_and_back() {
        bed_run govctl versions zoo-lily
        ! bed_run govctl rollback zoo-lily --to 2 2>"$BED_DIR/refused" || bed_fail "a rollback without a reason"
        grep -q 'reason' "$BED_DIR/refused"
        bed_run govctl rollback zoo-lily --to 2 --reason 'look at it' | grep -q '2 files put back'
        bed_is "$BAD" config_of lily
        bed_run govctl rollback zoo-lily --reason 'seen enough' | grep -q '1 file put back, 1 moved away'
        bed_is "$GOOD" config_of lily
        ! bed_run govctl rollback zoo-lily --reason again 2>"$BED_DIR/refused" || bed_fail "a rollback to where we are"
        grep -q 'version 1 already' "$BED_DIR/refused"
        bed_wait 30 is_effectively zoo-lily running
}

# A folder in the place of a file: nothing is changed, and the next rung follows.
what_cannot_be_put_back_is_said() {
        bed_run mv /srv/lily/config.json /srv/lily/aside.json
        bed_run mkdir /srv/lily/config.json
        ! bed_run govctl rollback zoo-lily --to 2 --reason 'cannot' 2>"$BED_DIR/refused" || bed_fail "it was put back over a folder"
        cat "$BED_DIR/refused"
        grep -q 'is a folder now\|could not be kept\|was changed meanwhile' "$BED_DIR/refused"
        bed_run rmdir /srv/lily/config.json
        bed_run mv /srv/lily/aside.json /srv/lily/config.json
}

a_deploy_passes_signals_on_and_ends_with_its_govctl() {
        ! bed_run govctl deploy rosa --reason 'self' -- sh -c 'kill -INT $$' 2>"$BED_DIR/failed" || bed_fail "an interrupted deploy ends with 0"
        bed_run sh -c 'govctl deploy rosa -- sh -c "kill -INT \$\$"; echo $?' 2>/dev/null | grep -q '^130$'
        bed_run sh -c 'govctl deploy rosa --reason long -- sh -c "trap \"echo told >/srv/told; exit 3\" TERM; echo \$PPID >/srv/pid; while :; do sleep 0.1; done" & wait' &
        bed_wait 20 bed_run test -s /srv/pid
        bed_run sh -c 'kill -TERM $(cat /srv/pid)'
        bed_wait 20 bed_run test -s /srv/told
        bed_wait 20 records_say 'any(.action == "change.close" and .details.reason == "long" and .details.exit == 3)'
        bed_run rm /srv/pid
        bed_run sh -c 'govctl deploy rosa --reason killed -- sh -c "echo \$PPID >/srv/pid; sleep 600" & wait' &
        bed_wait 20 bed_run test -s /srv/pid
        bed_run sh -c 'kill -KILL $(cat /srv/pid)'
        bed_wait 20 records_say 'any(.action == "change.close" and .details.reason == "killed" and (.details.why | test("left before its end")))'
        bed_run govctl change list | grep -q 'No change window is open'
}

# Sven was deployed at the beginning; what is started within a minute of that would belong to it.
a_start_that_nobody_announced_is_found() {
        bed_wait 70 the_deploy_of_sven_is_over
        app_pm2 restart sven >/dev/null
        bed_wait 20 is_named "$SVEN" unannounced-start
        bed_run govctl why sven --width 400 | grep -q 'pm2 says that a start was ordered .* ago; nobody announced it, and the last deploy was 1m .* before that'
        bed_run govctl planned "$(incident_of "$SVEN" unannounced-start)" --reason 'it was me' | grep -q 'closed as planned'
        is_over "$SVEN" unannounced-start
}
the_deploy_of_sven_is_over() {
        bed_run sh -c "[ \$((\$(date +%s) - $(bed_run govctl agents sven --json | jq '.agents[0].deploy.until / 1000000 | floor'))) -gt 62 ]"
}

a_start_while_governor_was_away_is_found_too() {
        bed_run systemctl stop governor
        app_pm2 restart sven >/dev/null
        [ "$(bed_show zoo-lily MainPID)" -gt 0 ] && bed_run kill -KILL "$(bed_show zoo-lily MainPID)"
        bed_run systemctl start governor
        bed_wait 40 records_say 'any(.action == "finding.unannounced-start" and (.details.reason | test("while Governor was away")))'
        bed_is 2 records_give '[.[] | select(.action == "finding.unannounced-start" and .details.state == "open")] | length'
}

no_content_is_told() {
        bed_is '' bed_run grep -rlaF --exclude-dir=vault "$CONTENT" /var/lib/governor /run/governor
        ! bed_run journalctl -q --no-pager -u governor | grep -qF "$CONTENT" || bed_fail "content stands in the journal"
        bed_is '700 root' bed_run stat -c '%a %U' /var/lib/governor/vault
        bed_is '' bed_run find /var/lib/governor/vault -type f -not -perm 600
}

bed_boot one
must the_machine_is_seen
bed_story a_configuration_is_proven_by_a_life_under_it
bed_story a_bad_deploy_that_loops_is_rolled_back
bed_story the_story_is_told
bed_story what_was_put_back_is_sealed
bed_story what_differs_is_shown_without_secrets
bed_story a_human_goes_to_any_version_and_back
bed_story what_cannot_be_put_back_is_said
bed_story a_deploy_passes_signals_on_and_ends_with_its_govctl
bed_story a_start_that_nobody_announced_is_found
bed_story a_start_while_governor_was_away_is_found_too
bed_story no_content_is_told
bed_story the_log_verifies
bed_story no_secret_is_told
