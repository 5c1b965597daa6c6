#!/bin/bash
# `make demo`: the founding incident, played by 28 real agents under a real systemd and a real PM2 in a container.
#
# Twenty PM2 apps and eight services run well. Then two apps and a service begin to crash and their managers go on
# saying that all is fine. Governor comes, sees, puts them into quarantine and proves afterwards what it did, also when
# root rewrites the whole log with every key there is. Each step waits for its condition with a deadline and is checked;
# the first that does not happen ends the demo with status 1.
# shellcheck source=tests/live/bed.sh
set -u
demo=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PM2=/opt/pm2-7.0.4/node_modules/pm2/bin/pm2
services=(ferry harbor mill orchard press quarry smithy tannery)

# ---- telling -----------------------------------------------------------------------------------------------------------

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
        colour=always strong=$'\e[1m' faint=$'\e[2m' good=$'\e[32m' bad=$'\e[31m' plain=$'\e[0m'
else
        colour=never strong='' faint='' good='' bad='' plain=''
fi
act=0 said=''

act() {
        act=$((act + 1))
        printf '\n%s%d. %s%s\n' "$strong" $act "$*" "$plain"
        said=''
}

# A paragraph; one block of lines is parted from what is of another kind by an empty line.
part() {
        [ "$said" = "$1" ] || echo
        said=$1
}
say() {
        part words
        printf '%s\n' "$@" | fold -s -w 78 | sed 's/ *$//'
}
seen() {
        part seen
        printf '%s✓ %s%s\n' "$good" "$*" "$plain"
}
prompt() {
        part "prompt $*"
        printf '%s$ %s%s\n' "$faint" "$*" "$plain"
}

fail() {
        printf '\n%s✗ The demo failed in act %d: %s%s\n' "$bad" $act "$*" "$plain" >&2
        [ -z "${BED_LEADER[household]:-}" ] || bed_run journalctl -q --no-pager -n 30 -u governor >&2
        exit 1
}

# until SECONDS WHAT CONDITION...: waits for it, says that it came true, or fails.
until_seen() {
        local seconds=$1 what=$2
        shift 2
        bed_wait "$seconds" "$@" 2>/dev/null || fail "waited $seconds s in vain until $what"
        seen "$what"
}

# ---- asking the machine --------------------------------------------------------------------------------------------------

pm2() { bed_session env HOME=/root PM2_HOME=/root/.pm2 timeout 60 node $PM2 "$@"; }
ctl() { bed_run govctl --width 80 --color $colour "$@"; }

# As a person sees it on a terminal of 80 columns.
pm2_ls() {
        bed_session env HOME=/root PM2_HOME=/root/.pm2 TERM=xterm script -qec "stty cols 80 rows 60; node $PM2 ls" /dev/null |
                tr -d '\r' | if [ $colour = never ]; then sed 's/\x1b\[[0-9;]*m//g'; else cat; fi | grep -v 'host metrics'
}

pm2_says() { pm2 jlist | tail -n 1 | jq -e "$1" >/dev/null; }
governor_says() { bed_run govctl status --json | jq -e "$1" >/dev/null; }
died() { [ "$(bed_run cat "/srv/deaths/$1" | wc -l)" -ge "$2" ]; }
effective() { bed_run govctl status --json | jq -r --arg name "$1" '.agents[] | select(.name == $name).effective'; }
is_now() { [ "$(effective "$1")" = "$2" ]; }

# "NAME PID START" of every agent that nobody touched; a start time makes a pid unique.
healthy_ones() {
        local name pid
        {
                pm2 jlist | tail -n 1 | jq -r '.[] | "\(.name) \(.pid)"'
                for name in "${services[@]}"; do
                        echo "agent-$name $(bed_show "agent-$name" MainPID)"
                done
        } | grep -vE '^(lily|otto|agent-ferry) ' | sort | while read -r name pid; do
                echo "$name $pid $(bed_run cut -d' ' -f22 "/proc/$pid/stat")"
        done
}

# ---- the play ------------------------------------------------------------------------------------------------------------

a_household_of_28_agents() {
        act "A small server: 20 agents under PM2, 8 under systemd"
        bed_run mkdir -p /srv/agents /srv/faults /srv/births /srv/deaths
        bed_cp "$demo/demo/agent.js" "$demo/demo/ecosystem.config.js" /srv/agents/
        for name in "${services[@]}"; do
                { echo '[Service]'
                        echo "ExecStart=/usr/bin/node /srv/agents/agent.js agent-$name"
                        printf '%s\n' Restart=always RestartSec=1; } | bed_write "/etc/systemd/system/agent-$name.service"
        done
        bed_run systemctl daemon-reload
        bed_run sh -c 'for name; do systemctl start "agent-$name" || exit; done' sh "${services[@]}" || fail "a service did not start"
        pm2 start /srv/agents/ecosystem.config.js >/dev/null || fail "pm2 did not start the apps"
        until_seen 20 "pm2 says that 20 of 20 apps are online" pm2_says 'map(select(.pm2_env.status == "online")) | length == 20'
        until_seen 10 "systemd says that 8 of 8 services are active" \
                '[ "$(bed_run systemctl is-active "agent-*" | grep -c ^active)" = 8 ]'
        say "They run for a while, as agents do. (PM2 gives up on an app that dies in its first 16 seconds; after that it restarts for ever.)"
        until_seen 30 "all of them have been up for 17 seconds" \
                pm2_says '(now * 1000) as $now | all(.[]; $now - .pm2_env.pm_uptime > 17000)'
        healthy_ones >"$BED_DIR/before"
        [ "$(wc -l <"$BED_DIR/before")" = 25 ] || fail "there are not 25 healthy agents to compare with"
}

three_begin_to_crash() {
        act "Night. Three of them break, and nobody is told"
        say "lily's key expires: she lives for 3 seconds, dies, and PM2 starts her again." \
                "otto's config is cut in half: he dies at once, several times a second." \
                "agent-ferry loses its upstream: 3 seconds a life, Restart=always."
        for fault in lily:3000 agent-ferry:3000 otto:1; do
                bed_write "/srv/faults/${fault%:*}" <<<"${fault#*:}"
        done
        until_seen 30 "lily died 4 times" died lily 4
        until_seen 30 "agent-ferry died 3 times" died agent-ferry 3
        until_seen 30 "otto died 50 times" died otto 50
        say "This is what the owner of this server sees in the morning:"
        prompt pm2 ls
        pm2_ls
        prompt systemctl is-active agent-ferry
        # in the second between two lives it says "activating", which is no alarm to anybody either
        bed_wait 10 bed_run systemctl is-active agent-ferry
        bed_run systemctl is-active agent-ferry
        pm2_says 'map(select(.pm2_env.status == "online" or .pm2_env.status == "launching")) | length == 20' ||
                pm2_says 'map(select(.pm2_env.status == "online")) | length >= 18' || fail "pm2 noticed, which it never does"
        say "Everything is \"online\". Restarts have been mistaken for health."
}

governor_comes() {
        act "Governor comes. Without any policy it only looks"
        bed_run env B=/opt/gov bash /opt/src/units/install.sh install >/dev/null 2>&1 || fail "it did not install"
        prompt systemctl start governor
        bed_run systemctl start governor || fail "governor.service did not start"
        until_seen 20 "lily is called crash-looping" is_now lily crash-looping
        until_seen 20 "otto is called hot-looping" is_now otto hot-looping
        until_seen 20 "agent-ferry is called crash-looping" is_now agent-ferry crash-looping
        prompt govctl status
        ctl status
        [ $? = 3 ] || fail "govctl status did not exit with 3, its word for a finding"
        governor_says '[.agents[] | select((.claimed | test("^(online|active)")) and .effective == "running")] | length == 25' ||
                fail "govctl does not call the 25 others running"
        say "CLAIMED is what the manager says, EFFECTIVE is what is true."
}

it_may_act() {
        act "The owner writes a policy: Governor may act"
        bed_write /etc/governor/policies.d/10-household.yaml <<'POLICY'
mode: enforce
agents:
  - name: apps
    pm2: "*"
    heal: { ladder: [restart, quarantine], backoff: { first: 2s, most: 1m } }
  - name: services
    systemd: "agent-*.service"
    heal: { ladder: [restart, quarantine], backoff: { first: 2s, most: 1m } }
POLICY
        prompt cat /etc/governor/policies.d/10-household.yaml
        bed_run cat /etc/governor/policies.d/10-household.yaml
        prompt govctl reload
        ctl reload || fail "the policy was refused"
        say "One slowed restart for each, in case that heals it. It does not:"
        for name in lily otto agent-ferry; do
                until_seen 60 "$name is in quarantine" is_now $name quarantined
        done
        until_seen 5 "pm2 agrees: lily and otto are stopped" \
                pm2_says 'map(select(.name == "lily" or .name == "otto").pm2_env.status) == ["stopped", "stopped"]'
        until_seen 5 "systemd agrees: agent-ferry is inactive" '[ "$(bed_run systemctl is-active agent-ferry)" = inactive ]'
        prompt "govctl status"
        ctl status | sed -n 1,12p
        echo "  ..."
        healthy_ones >"$BED_DIR/after"
        cmp -s "$BED_DIR/before" "$BED_DIR/after" || fail "a healthy agent was touched: $(diff "$BED_DIR/before" "$BED_DIR/after")"
        seen "the 25 healthy agents are the same processes as before: same pid, same start"
}

it_explains_itself() {
        act "Why?"
        prompt govctl why lily
        ctl why lily || fail "govctl why failed"
        bed_run govctl why lily --json | jq -e '.incident.cause == "crash-loop" and (.story | length > 3)' >/dev/null ||
                fail "the story of lily is not told"
}

it_can_prove_it() {
        local status=0
        act "Every step is in a sealed log. Is it whole?"
        bed_run govctl replay >/dev/null || fail "the decisions do not follow from the facts"
        prompt govctl audit verify
        ctl audit verify || fail "the audit log does not verify"
        say "Now somebody who would rather have had a quiet night edits a copy of it, past the triggers that forbid this:"
        prompt "sqlite3 night.db \"UPDATE record SET body = replace(body, 'otto', 'anna')\""
        bed_run /opt/src/tests/live/demo/tamper.sh /var/lib/governor /srv/night.db || fail "the copy could not be edited"
        prompt "govctl audit verify --db night.db"
        ctl audit verify --db /srv/night.db | head -n 8
        bed_run govctl audit verify --db /srv/night.db >/dev/null || status=$?
        [ $status = 3 ] || fail "the edited copy was not caught: govctl audit verify ended with $status instead of 3"
        seen "caught"
}

one_is_mended() {
        act "The owner mends lily and lets her out"
        bed_run rm /srv/faults/lily
        prompt "govctl release lily --reason 'new key'"
        ctl release lily --reason 'new key' || fail "lily was not released"
        until_seen 30 "lily is running and her incident is resolved" \
                'is_now lily running && bed_run govctl incidents --all --json | jq -e "[.incidents[] | select(.agent == \"pm2:root/lily\" and .cause == \"crash-loop\")] | length > 0 and all(.state == \"resolved\")"'
        bed_run govctl audit verify >/dev/null || fail "the audit log does not verify at the end"
}

verify_exits() {
        local wanted=$1 status=0
        shift
        prompt "govctl audit verify${*:+ $*}"
        ctl audit verify "$@" || status=$?
        [ $status = "$wanted" ] || fail "govctl audit verify ended with $status instead of $wanted"
}

root_rewrites_history() {
        act "Last, somebody with root, every key and all the time in the world"
        say "This morning the owner kept one line of the log where root of this server cannot change it, on the phone:"
        prompt govctl audit checkpoint --anchor
        ctl audit checkpoint --anchor | bed_write /srv/phone
        bed_run cat /srv/phone
        say "Now root stops Governor and builds the whole log anew without otto: each record, each hash, each signature."
        prompt systemctl stop governor
        bed_run systemctl stop governor
        prompt rebuild /var/lib/governor otto anna
        bed_run node /opt/src/tests/live/rebuild.js /var/lib/governor otto anna || fail "the log could not be rebuilt"
        ! bed_run govctl audit log | grep -q otto || fail "otto is still in the log"
        say "No log on one machine alone can withstand that. It fits perfectly:"
        verify_exits 0
        say "But not the line on the phone:"
        verify_exits 3 --against /srv/phone
        seen "caught"
}

# ---- the stage -----------------------------------------------------------------------------------------------------------

if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || { echo "make demo needs root, for the container; type: sudo make demo" >&2; exit 1; }
        exec sudo B="${B:-build}" TESTBED="${TESTBED:-}" NO_COLOR="${NO_COLOR:-}" TERM="${TERM:-dumb}" "$0"
fi
[ -n "${TESTBED:-}" ] || unset TESTBED
if [ ! -e "${TESTBED:-/var/cache/governor-testbed}/done/root" ] || ! command -v systemd-nspawn >/dev/null; then
        echo "make demo: there is no test bed yet; type: make setup" >&2
        exit 1
fi
. "$demo/bed.sh"

began=$SECONDS
BED_REPLAY=no # it was, before root rewrote the log
say "A container with Debian 12, systemd and PM2 7 is booted; nothing of your machine takes part."
bed_boot household
a_household_of_28_agents
three_begin_to_crash
governor_comes
it_may_act
it_explains_itself
it_can_prove_it
one_is_mended
root_rewrites_history
printf '\n%sThe demo took %d seconds and leaves nothing. Next: make run, for this machine.%s\n' \
        "$strong" $((SECONDS - began)) "$plain"
