#!/bin/bash
# A machine that is below its memory floor whatever is done: who is restarted, in which order, and what is said of the others.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

BIG=pm2:root/big MID=systemd:zoo-mid.service HOG=pm2:root/hog SEEN=pm2:root/seen

# Megabytes that its first life holds; each later one holds nothing.
holds() { bed_write "/srv/agents/holds-$1" <<<"$2"; }

a_crowded_machine_is_governed() {
        house
        bed_write /srv/agents/holder.js <<'JS'
// Holds as many megabytes as /srv/agents/holds-NAME says, for one life: what a restart frees is free from then on.
const fs = require('fs'), name = process.argv[2] || process.env.name, file = `/srv/agents/holds-${name}`;
const held = [];
try {
        for (let mb = Number(fs.readFileSync(file, 'utf8')); mb > 0; mb--)
                held.push(Buffer.alloc(1 << 20, 1));
        if (name !== 'hog')
                fs.unlinkSync(file);
} catch {}
setInterval(() => held.length, 1 << 30);
JS
        local name
        for name in hog big seen; do
                bed_write "/srv/agents/$name.config.js" <<<"module.exports = { apps: [ { name: '$name', script: '/srv/agents/holder.js' } ] };"
        done
        holds hog 250 && holds big 150 && holds seen 120 && holds zoo-mid 90
        for name in hog big seen; do
                app_pm2 start "/srv/agents/$name.config.js" >/dev/null
        done
        bed_service zoo-mid "ExecStart=/usr/bin/node /srv/agents/holder.js zoo-mid" Restart=always RestartSec=1
        bed_run systemctl start zoo-mid
        # all the memory there is but 64 MB: more than can ever be free
        floor=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) - 65536))
        govern enforce <<POLICY
machine: { memory_floor: ${floor}K }
agents:
  - { name: hog, pm2: hog, critical: true }
  - { name: seen, pm2: seen, mode: observe }
  - { name: apps, pm2: "*" }
  - { name: units, systemd: "zoo-*" }
POLICY
        bed_wait 20 status_says '[.agents[] | select(.effective == "running")] | length == 4'
}

is_below() { status_says '.machine.memory_floor.below and .machine.memory_floor.incident != null'; }

it_is_below_its_floor() {
        bed_wait 40 is_below
        incidents_say 'any(.incidents[]; .cause == "memory-floor" and .agent == "" and .state == "open")'
        records_say 'any(.action == "finding.memory-floor" and .subject == "" and .details.state == "open" and
                (.details.reason | test("^MemAvailable .* below the floor of ")))'
        bed_run govctl status | grep -q 'below its floor'
}

# flushed SUBJECT [OUTCOME]: when it was restarted for the floor, in milliseconds; nothing if it was not.
flushed() {
        records_give 'map(select(.subject == $s and .action == "agent.restart" and .details.purpose == "flush" and
                .outcome == $o)) | map(.ms)[]' --arg s "$1" --arg o "${2:-ok}"
}
was_flushed() { [ -n "$(flushed "$@")" ]; }
# What it said last, when all that may be restarted was.
last_word() { records_give 'map(select(.action == "finding.memory-floor" and .details.state == "worsen"))[-1].details.reason // ""'; }
tells_that_nothing_more_can_be_freed() { [[ $(last_word) = 'nothing more can be freed: '* ]] && was_flushed $MID; }

the_largest_are_restarted_one_after_the_other() {
        bed_wait 60 was_flushed $BIG
        bed_wait 40 was_flushed $MID
        [ "$(flushed $BIG)" -lt "$(flushed $MID)" ] || bed_fail "the smaller one came first"
        # between the two the first was looked at: what it freed, and what it holds now
        records_say '[.[] | select(.action == "finding.memory-floor" and .details.state == "worsen" and
                (.details.reason | test("^big was restarted: MemAvailable .* were expected; it holds [0-9.]+M now$")))][0].ms < $mid' \
                --argjson mid "$(flushed $MID)"
        records_say 'map(select(.details.purpose == "flush" and .outcome == "pending")) | length >= 2 and
                all(.details.cause == "memory-floor" and .details.rule == "machine.memory_floor" and .details.rule_line == 2 and
                        .incident != null and (.details.reason | contains("a restart frees about")))'
}

what_was_freed_is_told() {
        bed_wait 20 records_say 'any(.action == "finding.memory-floor" and (.details.reason // "" | startswith("zoo-mid was restarted")))'
        # a new life of an idle node app is far smaller than what the old ones held
        records_say '[.[] | select(.action == "fact.weight" and .subject == $s) | .details.frees_bytes] | .[0] > 150000000 and .[-1] < 60000000' \
                --arg s $BIG
        records_say '[.[] | select(.action == "fact.weight" and .subject == $s) | .details.frees_bytes] | .[0] > 90000000 and .[-1] < 60000000' \
                --arg s $MID
}

an_observed_one_is_only_told() {
        bed_wait 40 was_flushed $SEEN info
        is_effectively seen running
        agent_says seen '.restarts == 0'
        ! was_flushed $SEEN || bed_fail "it was restarted"
}

a_critical_hog_is_reported_and_not_touched() {
        bed_wait 60 tells_that_nothing_more_can_be_freed
        records_say 'any(.subject == $s and .action == "agent.restart" and .outcome == "denied" and .details.withheld == "critical" and
                (.details.reason | test("^hog holds 2[0-9.]+M: critical, not touched$")))' --arg s $HOG
        agent_says hog '.restarts == 0'
        ! was_flushed $HOG || bed_fail "it was restarted"
        last_word
        [[ $(last_word) = *'hog holds 2'*': critical, not touched'* ]]
}

why_tells_the_story() {
        local incident
        incident=$(bed_run govctl incidents --json | jq -r '.incidents[] | select(.cause == "memory-floor").id')
        bed_run govctl why "$incident" --width 200 | tee "$BED_DIR/why"
        grep -q 'Rule /etc/governor/policies.d/10-test.yaml:2' "$BED_DIR/why"
        grep -q 'big: restarting it for the memory floor' "$BED_DIR/why"
        grep -q 'hog holds .*: critical, not touched' "$BED_DIR/why"
        grep -q 'By itself: who may be restarted is looked at again' "$BED_DIR/why"
        bed_run govctl doctor --width 200 >"$BED_DIR/doctor" || [ $? = 3 ]
        grep -q 'the memory floor is most of the machine' "$BED_DIR/doctor"
}

history_marks_it() {
        bed_run govctl history big --json | jq -e 'any(.incidents[]; .cause == "memory-floor")' >/dev/null
        bed_run govctl history machine --json | jq -e 'any(.incidents[]; .cause == "memory-floor")' >/dev/null
        bed_run govctl history hog --json | jq -e '.incidents == []' >/dev/null
}

nobody_is_restarted_twice() {
        [ "$(flushed $BIG | wc -l)" = 1 ] && [ "$(flushed $MID | wc -l)" = 1 ]
}

it_is_over_when_the_floor_is_gone() {
        policy enforce <<<'agents: [ { name: apps, pm2: "*" }, { name: units, systemd: "zoo-*" } ]'
        bed_wait 90 incidents_say 'any(.incidents[]; .cause == "memory-floor" and .state == "resolved" and
                (.evidence[0] | startswith("there is no floor any more; 2 restarts")))'
}

bed_boot one
must a_crowded_machine_is_governed
bed_story it_is_below_its_floor
bed_story the_largest_are_restarted_one_after_the_other
bed_story what_was_freed_is_told
bed_story an_observed_one_is_only_told
bed_story a_critical_hog_is_reported_and_not_touched
bed_story why_tells_the_story
bed_story history_marks_it
bed_story nobody_is_restarted_twice
bed_story it_is_over_when_the_floor_is_gone
bed_story no_secret_is_told
bed_story the_log_verifies
