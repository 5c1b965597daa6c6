# shellcheck shell=bash
# What real PM2 daemons do and what is done to them is told as facts, and the hand works on them. The tests
# test_pm2_VERSION.sh source this file and call `tell VERSION`; with STORY=name only that one is told.
# shellcheck source=tests/live/bed.sh
. "$(dirname "${BASH_SOURCE[0]}")/bed.sh"

SECRET=sk-FAKE-live-1f0c # in every app's environment; must appear nowhere in what is told

# ---- the daemon of version $V, and who watches it -----------------------------------------------------------------------

use() {
        V=$1
        export PM2_HOME=/home/v$V/.pm2
        AGENT=pm2:root
        SUFFIX=@$PM2_HOME
        bed_run mkdir -p "$PM2_HOME" /root/.pm2
}

pm2() { bed_pm2 "$V" "$@" >/dev/null; }
god() { bed_run cat "$PM2_HOME/pm2.pid"; }
has_god() { bed_run kill -0 "$(god)"; }

# begin_watch [HOME...]: the observer of these homes, else of all that it finds, and the hand; what they tell goes to
# $FACTS, orders to descriptor 7.
begin_watch() {
        FACTS=$BED_DIR/facts.$BASHPID MARK=0
        rm -f "$FACTS" "$FACTS.orders"
        mkfifo "$FACTS.orders"
        bed_run /opt/gov/tests/live/pm2_watch "$@" <"$FACTS.orders" >"$FACTS" 2>&1 &
        WATCH=$!
        exec 7>"$FACTS.orders"
        bed_wait 5 told 'source'
}

end_watch() {
        exec 7>&-
        kill "$WATCH" 2>/dev/null || :
        wait "$WATCH" 2>/dev/null || :
        ! grep -q FAKE "$FACTS" || bed_fail "a secret was told"
}

since() { tail -n "+$((MARK + 1))" "$FACTS"; }
told() { since | grep -qE -- "$1"; }
mark() { MARK=$(wc -l <"$FACTS"); }
count() { since | grep -cE -- "$1" || :; }
never() { ! told "$1" || bed_fail "told against expectation: $(since | grep -E -- "$1" | head -n 1)"; }
wait_told() { bed_wait "${2:-5}" told "$1" || { since >&2; bed_fail "never told: $1"; }; }
order() { echo "$*" >&7; }
started() { since | grep -E "started $AGENT/$1$SUFFIX " | tail -n 1 | grep -oE 'pid=[0-9]+' | cut -d= -f2; }

app() { # NAME SCRIPT [PM2-OPTION...]
        mark
        bed_write "/srv/$1.js" <<<"$2"
        API_KEY=$SECRET pm2_with_secret start "/srv/$1.js" --name "$1" "${@:3}"
        wait_told "started $AGENT/$1$SUFFIX #[0-9]+ pid=[0-9]"
}
pm2_with_secret() { bed_run env PM2_HOME="$PM2_HOME" API_KEY="$SECRET" timeout 60 node "$(cli)" "$@" >/dev/null; }
cli() { bed_run bash -c "ls /opt/pm2-$V*/node_modules/pm2/bin/pm2"; }
remove() { pm2 delete "$@"; }

IDLE='setInterval(() => {}, 1000)'

# ---- stories -----------------------------------------------------------------------------------------------------------

every_request_leaves_the_daemon_alive() {
        local before
        begin_watch "$PM2_HOME"
        app lily "$IDLE"
        app pair "$IDLE" -i 2
        before=$(god)
        for verb in restart stop start restart; do
                for name in lily pair; do
                        mark
                        order "$verb" "$AGENT/$name$SUFFIX"
                        wait_told "outcome $AGENT/$name$SUFFIX $verb=ok" 20
                done
        done
        mark
        order start "$AGENT/lily$SUFFIX"
        wait_told "start=ok"
        for request in 0 1 2 3 4 5 6; do # the whole table: ping, version, list, restart, stop, start, reload
                mark
                order ask $request "$(since_id pair)"
                wait_told '^answer 0( |$)' 15
                never refused
                mark
                order ask $request 99999
                wait_told '^answer 0( |$)' 15
        done
        bed_is "$before" god
        has_god || bed_fail "the daemon is gone"
        remove lily pair
        end_watch
}

what_the_hand_does_is_ours() {
        begin_watch "$PM2_HOME"
        app lily "$IDLE"
        mark
        order restart "$AGENT/lily$SUFFIX"
        wait_told "ended .*ending=governor"
        wait_told "started $AGENT/lily"
        wait_told "restart=ok"
        never 'ending=(manual|exit|signal|unknown)'
        mark
        order restart "$AGENT/lily$SUFFIX" "$(since_id lily)" 1 1
        wait_told 'restart=stale'
        order stop "$AGENT/rose$SUFFIX"
        wait_told 'refused stop'
        remove lily
        end_watch
}
since_id() { grep -oE "started $AGENT/$1$SUFFIX #[0-9]+" "$FACTS" | tail -n 1 | grep -oE '[0-9]+$'; }

a_cluster_is_rolled_one_instance_at_a_time() {
        begin_watch "$PM2_HOME"
        app pair "$IDLE" -i 3
        wait_told 'started .*' && bed_wait 10 '[ "$(count "started $AGENT/pair")" = 3 ]'
        mark
        order restart "$AGENT/pair$SUFFIX"
        wait_told 'restart=ok' 20
        bed_wait 10 '[ "$(count "started $AGENT/pair")" = 3 ]'
        # never two down at once: each end is followed by its instance's return before the next end
        since | awk '/ ended /{ if (down) exit 1; down = $4 } / agent .*(starting|running)/{ if ($4 == down) down = "" }' ||
                bed_fail "two instances were down at once"
        [ "$(count 'ended .*ending=governor')" = 3 ] || bed_fail "not three ends of ours"
        remove pair
        end_watch
}

a_death_is_told_with_its_cause() {
        begin_watch "$PM2_HOME"
        app lily "$IDLE"
        for signal in KILL TERM SEGV; do
                pid=$(started lily)
                mark
                bed_run kill -s "$signal" "$pid"
                wait_told "ended $AGENT/lily$SUFFIX #[0-9]+ pid=$pid ending=signal .*signal=$(kill -l "$signal")"
                wait_told "started $AGENT/lily"
                never ' ordered$'
        done
        app fails 'setTimeout(() => process.exit(3), 700)'
        wait_told "ended $AGENT/fails$SUFFIX .*ending=exit code=3"
        bed_wait 10 '[ "$(count "started $AGENT/fails")" -ge 3 ]'
        remove lily fails
        end_watch
}

what_people_order_is_manual() {
        begin_watch "$PM2_HOME"
        app lily "$IDLE"
        app pair "$IDLE" -i 2
        mark
        pm2 restart lily
        wait_told "ended $AGENT/lily$SUFFIX .*ending=manual"
        wait_told "started $AGENT/lily$SUFFIX .* ordered"
        mark
        pm2 stop lily
        wait_told "ended $AGENT/lily$SUFFIX .*ending=manual"
        wait_told "agent $AGENT/lily$SUFFIX .*claimed=stopped"
        mark
        pm2 start lily
        wait_told "started $AGENT/lily$SUFFIX .* ordered"
        mark
        pm2 reload pair
        bed_wait 15 '[ "$(count "started $AGENT/pair")" = 2 ]'
        [ "$(count "ended $AGENT/pair.*ending=reload")" = 2 ] || bed_fail "a reload is told otherwise: $(since)"
        mark
        remove lily pair
        wait_told "agent $AGENT/lily$SUFFIX .*claimed=gone"
        wait_told "agent $AGENT/pair$SUFFIX .*claimed=gone"
        end_watch
        ! grep -E 'ending=(exit|signal|unknown)' "$FACTS" || bed_fail "an order was taken for a death"
}

a_hot_loop_is_told_blow_by_blow() {
        local restarts
        begin_watch "$PM2_HOME"
        app hot 'setTimeout(() => process.exit(1), 20)' --max-restarts 1000000
        bed_wait 20 '[ "$(count "ended $AGENT/hot.*ending=exit code=1")" -ge 25 ]'
        pm2 stop hot
        wait_told "agent $AGENT/hot$SUFFIX .*claimed=stopped" 15
        restarts=$(since | grep -oE "agent $AGENT/hot$SUFFIX .* restarts=[0-9]+" | tail -n 1 | grep -oE '[0-9]+$')
        [ "$(count "ended $AGENT/hot.*ending=exit")" -ge "$restarts" ] || bed_fail "$restarts restarts, $(count "ended.*exit") told"
        remove hot
        end_watch
}

what_waits_in_vain_and_what_gave_up_is_told() {
        begin_watch "$PM2_HOME"
        mark
        bed_write /srv/gives-up.js <<<'process.exit(2)'
        pm2 start /srv/gives-up.js --name gives-up --max-restarts 3
        wait_told "agent $AGENT/gives-up$SUFFIX .*claimed=failed word=\"errored\"" 15
        bed_write /srv/waits.js <<<'process.exit(2)'
        pm2 start /srv/waits.js --name waits --restart-delay 60000
        wait_told "agent $AGENT/waits$SUFFIX .*claimed=waiting word=\"waiting restart\"" 10
        remove gives-up waits
        end_watch
}

a_hung_daemon_is_blind_and_its_late_restart_is_ours() {
        local pid
        begin_watch "$PM2_HOME"
        app lily "$IDLE"
        pid=$(started lily)
        mark
        bed_run kill -STOP "$(god)"
        order restart "$AGENT/lily$SUFFIX"
        wait_told 'restart=timeout' 20
        wait_told 'state=blind .*SIGSTOP' 20
        bed_run kill -CONT "$(god)"
        wait_told 'state=seeing' 20
        wait_told "ended $AGENT/lily$SUFFIX #[0-9]+ pid=$pid ending=governor" 10
        [ "$(count "ended $AGENT/lily")" = 1 ] || bed_fail "restarted more than once"
        remove lily
        end_watch
}

a_killed_daemon_takes_its_apps_along_and_comes_back() {
        begin_watch "$PM2_HOME"
        app lily "$IDLE"
        app pair "$IDLE" -i 2
        pm2 save
        mark
        bed_run kill -KILL "$(god)"
        wait_told 'state=blind .*died' 2
        bed_wait 10 '[ "$(count "ended .*ending=manager")" = 3 ]'
        never 'planned'
        mark
        pm2 resurrect
        wait_told 'state=seeing'
        bed_wait 10 '[ "$(count "started $AGENT/")" = 3 ]'
        never ' ordered$'
        never 'claimed=gone'
        remove lily pair
        end_watch
}

an_update_is_planned() {
        begin_watch "$PM2_HOME"
        app lily "$IDLE"
        mark
        pm2 update
        wait_told "planned $AGENT/lily$SUFFIX .*ending=manager" 20
        wait_told 'state=seeing' 20
        wait_told "started $AGENT/lily" 20
        never 'ending=(exit|signal|unknown)'
        remove lily
        end_watch
}

a_survivor_of_its_daemon_is_an_orphan_and_then_a_duplicate() {
        local pid
        begin_watch "$PM2_HOME"
        mark
        bed_run env PM2_HOME="$PM2_HOME" timeout 60 node "$(cli)" start /bin/sleep --name quiet --interpreter none -- 1000 >/dev/null
        wait_told "started $AGENT/quiet"
        pid=$(started quiet)
        pm2 save
        mark
        bed_run kill -KILL "$(god)"
        wait_told "stray $AGENT/quiet$SUFFIX .*stray=orphan pid=$pid" 20
        pm2 resurrect
        wait_told "stray $AGENT/quiet$SUFFIX .*stray=duplicate pid=$pid" 20
        bed_run kill -KILL "$pid"
        wait_told "stray $AGENT/quiet$SUFFIX .*stray=over pid=$pid" 2
        remove quiet
        end_watch
}

PM2s_own_restarts_are_no_deaths() {
        begin_watch "$PM2_HOME"
        app eats 'const a = []; setInterval(() => a.push(Buffer.alloc(4 << 20, 1)), 100)' --max-memory-restart 100M
        app timed "$IDLE" --cron-restart '*/3 * * * * *'
        wait_told "ended $AGENT/timed$SUFFIX .*ending=cron" 10
        wait_told "ended $AGENT/eats$SUFFIX .*ending=memory-limit" 45
        never 'ending=(exit|signal|unknown)'
        remove eats timed
        end_watch
}

homes_are_found_by_themselves_and_told_apart() {
        bed_run useradd --create-home bob
        begin_watch "$PM2_HOME"
        app lily "$IDLE"
        end_watch
        begin_watch
        wait_told "started $AGENT/lily$SUFFIX #"
        PM2_HOME='' PM2_USER=bob pm2 start /srv/lily.js --name lily
        wait_told 'source pm2:bob@/home/bob/.pm2 state=seeing' 5
        wait_told 'started pm2:bob/lily #0' 5
        order restart pm2:bob/lily
        wait_told 'outcome pm2:bob/lily restart=ok' 10
        PM2_HOME='' PM2_USER=bob pm2 kill
        wait_told 'planned pm2:bob/lily'
        never "ended $AGENT/lily"
        remove lily
        end_watch
}

watching_costs_next_to_nothing() {
        local before after
        begin_watch "$PM2_HOME"
        app agent "$IDLE" -i 28
        bed_wait 30 '[ "$(count "started $AGENT/agent")" = 28 ]'
        order relist
        sleep 2
        mark
        order usage
        wait_told usage
        before=$(since | grep -oE 'cpu_us=[0-9]+' | tail -n 1 | cut -d= -f2)
        sleep 60 # a minute of doing nothing is what is measured
        mark
        order usage
        wait_told usage
        after=$(since | grep -oE 'cpu_us=[0-9]+' | tail -n 1 | cut -d= -f2)
        echo "28 agents: $((after - before)) us CPU a minute"
        [ $((after - before)) -lt 10000 ] || bed_fail "$((after - before)) us CPU a minute"
        remove agent
        end_watch
}

tell() {
        local story stories=(
                every_request_leaves_the_daemon_alive
                what_the_hand_does_is_ours
                a_cluster_is_rolled_one_instance_at_a_time
                a_death_is_told_with_its_cause
                what_people_order_is_manual
                a_hot_loop_is_told_blow_by_blow
                what_waits_in_vain_and_what_gave_up_is_told
                a_hung_daemon_is_blind_and_its_late_restart_is_ours
                a_killed_daemon_takes_its_apps_along_and_comes_back
                an_update_is_planned
                a_survivor_of_its_daemon_is_an_orphan_and_then_a_duplicate
                PM2s_own_restarts_are_no_deaths
        )
        [ "$1" != 7 ] || stories+=(homes_are_found_by_themselves_and_told_apart watching_costs_next_to_nothing)
        bed_boot "pm2-$1"
        use "$1"
        for story in "${stories[@]}"; do
                [ "${STORY:-$story}" != "$story" ] || bed_story "$story"
        done
}
