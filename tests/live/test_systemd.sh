#!/bin/bash
# What systemd does to services is told as facts: every row of what was measured of it.
# shellcheck source=tests/live/bed.sh
. "$(dirname "$0")/bed.sh"

# begin_facts [ARG...]: the observers in the bed; what they tell goes to $FACTS, orders to descriptor 7.
begin_facts() {
        FACTS=$BED_DIR/facts.$BASHPID
        mkfifo "$FACTS.orders"
        bed_run /opt/gov/tests/live/facts "$@" <"$FACTS.orders" >"$FACTS" 2>&1 &
        FACTS_PID=$!
        exec 7>"$FACTS.orders"
        bed_wait 5 told 'source - systemd seeing'
}
end_facts() {
        exec 7>&-
        wait "$FACTS_PID" || :
}

# told PATTERN: a line after the last mark matches. mark: what was told until now does not count any more.
told() { tail -n "+$((${MARK:-0} + 1))" "$FACTS" | grep -qE "$1"; }
mark() { MARK=$(wc -l <"$FACTS"); }
count() { tail -n "+$((${MARK:-0} + 1))" "$FACTS" | grep -cE "$1"; }
never() { ! told "$1" || bed_fail "told against expectation: $1: $(tail -n "+$((${MARK:-0} + 1))" "$FACTS" | grep -E "$1" | head -n 1)"; }
field() { tail -n "+$((${MARK:-0} + 1))" "$FACTS" | grep -E "$1" | tail -n 1 | grep -oE "$2=[0-9]+" | cut -d= -f2; }

shows() { cat "$FACTS" >&2; false; }

a_service_that_exits_is_told_with_its_code() {
        begin_facts
        bed_service exits 'ExecStart=/bin/sh -c "sleep 0.5; exit 3"' 'Restart=always' 'RestartSec=300ms'
        bed_run systemctl start exits
        bed_wait 10 '[ "$(count "ended systemd:exits.service .* exit code=3")" -ge 3 ]' || shows
        [ "$(count "started systemd:exits.service .* by-itself")" -ge 2 ] || shows
        never 'exits.service (failed|stopped) '
        told "agent systemd:exits.service waiting 'activating/auto-restart' pid=0 .* result=exit-code" || shows
        bed_run systemctl stop exits
        bed_wait 5 told "exits.service stopped 'inactive/dead'" || shows
        end_facts
}

a_signal_is_told_within_milliseconds() {
        local pid killed died
        bed_service killed 'ExecStart=/bin/sleep inf' 'Restart=always' '[Unit]' 'StartLimitIntervalSec=0'
        begin_facts
        bed_run systemctl start killed
        bed_wait 5 told 'started systemd:killed.service' || shows
        for _ in 1 2 3 4 5; do
                pid=$(field 'started systemd:killed.service' pid)
                mark
                killed=$(bed_run bash -c 'now=$EPOCHREALTIME; kill -KILL '"$pid"'; echo $now')
                bed_wait 5 told "ended systemd:killed.service pid=$pid .* signal code=0 signal=9" || shows
                bed_wait 5 told "started systemd:killed.service .* by-itself" || shows
                died=$(tail -n "+$((MARK + 1))" "$FACTS" | grep -m 1 -E "(died|ended) systemd:killed.service pid=$pid " | cut -d' ' -f1)
                echo "$((${died/./} - ${killed/[.,]/}))" >>"$BED_DIR/latency"
        done
        end_facts
}

a_human_restart_is_not_a_death() {
        bed_service human 'ExecStart=/bin/sleep inf' 'Restart=always'
        bed_run systemctl start human
        begin_facts
        bed_run systemctl restart human
        bed_wait 5 told 'ended systemd:human.service .* manual' || shows
        bed_wait 5 told 'started systemd:human.service .* ordered' || shows
        never 'ended systemd:human.service .* (exit|signal|unknown) code'
        mark
        bed_run systemctl stop human
        bed_wait 5 told 'ended systemd:human.service .* manual' || shows
        bed_wait 5 told "human.service stopped" || shows
        mark
        bed_run systemctl start human
        bed_wait 5 told 'started systemd:human.service .* ordered' || shows
        mark
        bed_run systemctl kill -s KILL human
        bed_wait 5 told 'ended systemd:human.service .* signal code=0 signal=9' || shows
        end_facts
}

a_restart_during_the_wait_is_told_as_ordered() {
        bed_service waits 'ExecStart=/bin/sleep inf' 'Restart=always' 'RestartSec=30'
        begin_facts
        bed_run systemctl start waits
        bed_wait 5 told 'started systemd:waits.service' || shows
        bed_run systemctl kill -s KILL waits
        bed_wait 5 told 'waits.service waiting' || shows
        mark
        bed_run systemctl restart waits
        bed_wait 5 told 'started systemd:waits.service .* ordered' || shows
        end_facts
}

the_start_limit_is_named() {
        bed_service limited 'ExecStart=/bin/false' 'Restart=always' 'RestartSec=100ms'
        bed_service limitedzero 'ExecStart=/bin/true' 'Restart=always' 'RestartSec=100ms'
        bed_service healthy 'ExecStart=/bin/sleep inf'
        begin_facts
        bed_run systemctl start limited limitedzero healthy || :
        bed_wait 10 told "limited.service failed 'failed/failed' pid=0 restarts=5 result=start-limit-hit" || shows
        bed_wait 10 told "limitedzero.service failed 'failed/failed' pid=0 restarts=5 result=start-limit-hit" || shows
        [ "$(count "ended systemd:limited.service .* exit code=1")" -ge 3 ] || shows
        for _ in 1 2 3 4 5 6; do bed_run systemctl restart healthy || :; done
        bed_wait 10 told "healthy.service failed 'failed/failed' pid=0 restarts=0 result=start-limit-hit" || shows
        never 'ended systemd:healthy.service .* (exit|signal|unknown) code'
        end_facts
}

dependents_are_told_with_their_ties() {
        bed_write /etc/systemd/system/base.service <<<$'[Service]\nExecStart=/bin/sleep inf\nRestart=always\nRestartSec=1'
        bed_write /etc/systemd/system/dependent.service <<<$'[Unit]\nRequires=base.service\nAfter=base.service\n[Service]\nExecStart=/bin/sleep inf\nRestart=always'
        bed_write /etc/systemd/system/bound.service <<<$'[Unit]\nBindsTo=base.service\nAfter=base.service\n[Service]\nExecStart=/bin/sleep inf\nRestart=always'
        bed_run systemctl daemon-reload
        bed_run systemctl start base dependent bound
        begin_facts
        bed_wait 5 told 'depends systemd:dependent.service requires systemd:base.service' || shows
        bed_wait 5 told 'depends systemd:bound.service binds-to systemd:base.service' || shows
        bed_run systemctl kill -s KILL base
        bed_wait 5 told 'ended systemd:base.service .* signal=9' || shows
        bed_wait 5 told 'ended systemd:dependent.service .* manual' || shows
        bed_wait 5 told 'started systemd:dependent.service' || shows
        bed_wait 5 told 'ended systemd:bound.service .* manual' || shows
        bed_wait 5 told "bound.service stopped 'inactive/dead'" || shows
        end_facts
}

the_watchdog_and_timeouts_are_causes() {
        bed_service dog 'Type=notify' 'NotifyAccess=all' 'ExecStart=/bin/sh -c "systemd-notify --ready; exec sleep inf"' 'WatchdogSec=1' 'Restart=always' 'RestartSec=200ms'
        bed_service late 'ExecStart=/bin/sleep inf' 'RuntimeMaxSec=1'
        begin_facts
        bed_run systemctl start dog late
        bed_wait 15 told 'ended systemd:dog.service .* watchdog' || shows
        bed_wait 15 told 'ended systemd:late.service .* timeout' || shows
        bed_run systemctl stop dog
        end_facts
}

a_reset_counter_is_a_new_baseline() {
        bed_service counted 'ExecStart=/bin/sleep inf' 'Restart=always'
        bed_run systemctl start counted
        bed_run systemctl kill -s KILL counted
        bed_wait 5 '[ "$(bed_show counted NRestarts)" = 1 ]'
        bed_wait 5 bed_run systemctl is-active counted
        begin_facts
        bed_wait 5 told "counted.service running 'active/running' pid=[0-9]* restarts=1 result= first" || shows
        mark
        bed_run systemctl reset-failed counted # not signalled by itself
        bed_run systemctl kill -s KILL counted
        bed_wait 5 told "counted.service waiting 'activating/auto-restart' pid=0 restarts=0" || shows
        bed_wait 5 told "started systemd:counted.service .* by-itself" || shows
        bed_wait 5 told "counted.service running 'active/running' pid=[0-9]* restarts=1 result=$" || shows
        end_facts
}

a_storm_of_reloads_changes_nothing() {
        bed_service calm 'ExecStart=/bin/sleep inf' 'Restart=always'
        bed_run systemctl start calm
        begin_facts calm.service
        bed_wait 5 told 'calm.service running' || shows
        mark
        for _ in {1..30}; do bed_run systemctl daemon-reload; done
        bed_run systemctl kill -s KILL calm
        bed_wait 5 told 'started systemd:calm.service .* by-itself' || shows
        [ "$(count 'ended')" = 1 ] || shows
        never 'gone'
        never 'first'
        never 'source'
        end_facts
}

reexec_is_survived() {
        bed_service lasting 'ExecStart=/bin/sleep inf' 'Restart=always'
        bed_run systemctl start lasting
        begin_facts lasting.service
        bed_wait 5 told 'lasting.service running' || shows
        mark
        bed_run systemctl daemon-reexec
        bed_run systemctl kill -s KILL lasting
        bed_wait 5 told 'ended systemd:lasting.service .* signal=9' || shows
        bed_wait 5 told 'started systemd:lasting.service .* by-itself' || shows
        end_facts
}

a_dbus_restart_is_survived_and_told() {
        bed_service bussed 'ExecStart=/bin/sleep inf' 'Restart=always'
        bed_run systemctl start bussed
        begin_facts bussed.service
        bed_wait 5 told 'bussed.service running' || shows
        mark
        bed_run systemctl restart dbus
        bed_wait 5 told 'source - systemd blind' || shows
        bed_wait 5 told 'source - systemd seeing' || shows
        never '(started|ended|died) '
        bed_run systemctl kill -s KILL bussed
        bed_wait 5 told 'started systemd:bussed.service .* by-itself' || shows
        end_facts
}

without_dbus_systemd_is_still_seen() {
        bed_service private 'ExecStart=/bin/sleep inf' 'Restart=always'
        bed_run systemctl start private
        bed_run systemctl stop dbus.socket dbus.service
        begin_facts
        bed_wait 5 told 'private.service running' || shows
        bed_run systemctl kill -s KILL private
        bed_wait 5 told 'ended systemd:private.service .* signal=9' || shows
        bed_wait 5 told 'started systemd:private.service .* by-itself' || shows
        echo "restart private.service" >&7
        bed_wait 5 told 'outcome restart systemd:private.service ok' || shows
        bed_run systemctl daemon-reexec
        bed_run systemctl start dbus.socket dbus.service
        bed_wait 10 '[ "$(count "source - systemd seeing")" = 2 ]' || shows
        end_facts
}

a_new_unit_is_seen_and_a_removed_one_is_gone() {
        begin_facts
        bed_service fleeting 'ExecStart=/bin/sleep inf'
        bed_run systemctl start fleeting
        bed_wait 5 told 'agent systemd:fleeting.service running .* first' || shows
        bed_run systemctl stop fleeting
        bed_wait 5 told 'fleeting.service stopped' || shows
        bed_run rm /etc/systemd/system/fleeting.service
        bed_run systemctl daemon-reload
        bed_wait 5 told "fleeting.service gone" || shows
        never 'systemd:(dbus|systemd-|getty)'
        end_facts
}

a_transient_agent_is_seen_each_time() {
        begin_facts
        bed_run systemd-run --quiet --unit=agent-passing sleep 1
        bed_wait 5 told 'agent systemd:agent-passing.service running .* first' || shows
        bed_wait 5 told 'agent-passing.service gone' || shows
        mark
        bed_run systemd-run --quiet --unit=agent-passing sleep 1
        bed_wait 5 told 'agent systemd:agent-passing.service running .* first' || shows
        bed_wait 5 told 'ended systemd:agent-passing.service .* exit code=0' || shows
        end_facts
}

a_package_service_taken_over_by_its_administrator_is_seen() {
        bed_write /lib/systemd/system/packed.service <<<$'[Service]\nExecStart=/bin/sleep inf'
        bed_run systemctl daemon-reload
        bed_run systemctl start packed
        begin_facts
        bed_service packed 'ExecStart=/bin/sleep inf'
        bed_wait 5 told 'agent systemd:packed.service running .* first' || shows
        end_facts
}

the_hand_restarts_stops_and_starts() {
        local pid start
        bed_service handled 'ExecStart=/bin/sleep inf'
        bed_run systemctl start handled
        begin_facts
        bed_wait 5 told 'started systemd:handled.service' || shows
        pid=$(field 'started systemd:handled' pid) start=$(field 'started systemd:handled' start)
        echo "restart handled.service $pid $start" >&7
        bed_wait 5 told 'outcome restart systemd:handled.service ok' || shows
        echo "restart handled.service $pid $start" >&7
        bed_wait 5 told 'outcome restart systemd:handled.service stale' || shows
        mark
        # more often than systemd's start limit allows: forgiven each time
        for _ in 1 2 3 4 5 6 7; do echo "restart handled.service" >&7; done
        bed_wait 10 '[ "$(count "outcome restart systemd:handled.service ok")" = 7 ]' || shows
        bed_is active bed_run systemctl is-active handled
        mark
        echo "stop handled.service" >&7
        bed_wait 5 told 'outcome stop systemd:handled.service ok' || shows
        bed_is inactive bed_run systemctl is-active handled
        echo "start handled.service" >&7
        bed_wait 5 told 'outcome start systemd:handled.service ok' || shows
        bed_is active bed_run systemctl is-active handled
        echo "restart missing.service" >&7
        bed_wait 5 told 'outcome restart systemd:missing.service failed Unit missing.service not found' || shows
        never 'ended systemd:handled.service .* (exit|signal|unknown) code'
        end_facts
}

a_frozen_service_is_told() {
        bed_service cold 'ExecStart=/bin/sleep inf'
        bed_run systemctl start cold
        bed_run systemctl freeze cold
        begin_facts cold.service
        bed_wait 5 told "cold.service frozen 'active/running'" || shows
        mark
        bed_run systemctl thaw cold
        bed_run systemctl daemon-reload # the next look
        bed_wait 5 told "cold.service running 'active/running'" || shows
        mark
        bed_run systemctl freeze cold
        bed_run systemctl daemon-reload
        bed_wait 5 told "cold.service frozen 'active/running'" || shows
        bed_run systemctl thaw cold
        end_facts
}

a_hung_dbus_is_left_for_systemds_own_socket() {
        bed_service hung 'ExecStart=/bin/sleep inf' 'Restart=always'
        bed_run systemctl start hung
        begin_facts hung.service
        bed_wait 5 told 'started systemd:hung.service' || shows
        mark
        bed_run pkill -STOP -x dbus-daemon
        bed_run sh -c "kill -KILL $(bed_show hung MainPID)"
        bed_wait 5 told 'died systemd:hung.service .* signal code=0 signal=9' || shows
        echo "restart hung.service" >&7
        bed_wait 25 told 'outcome restart systemd:hung.service timeout' || shows
        bed_wait 80 told 'source - systemd blind' || shows
        bed_wait 10 told 'source - systemd seeing' || shows
        bed_wait 5 told 'started systemd:hung.service .* by-itself' || shows
        bed_run pkill -CONT -x dbus-daemon
        end_facts
}

many_services_are_all_seen() {
        local i
        for i in {1..200}; do
                bed_write "/etc/systemd/system/many-$i.service" <<<$'[Service]\nExecStart=/bin/sleep inf'
        done
        bed_run systemctl daemon-reload
        bed_run systemctl start many-{1..200}
        begin_facts 'many-*.service' # dbus-daemon lets no more than 128 calls wait
        bed_wait 10 '[ "$(count "agent systemd:many-[0-9]*.service running .* first")" = 200 ]' || shows
        bed_run systemctl stop many-{1..200}
        bed_wait 20 '[ "$(count "ended systemd:many-[0-9]*.service .* manual")" = 200 ]' || shows
        never 'ended .* (exit|signal|unknown) code'
        end_facts
}

a_package_run_is_announced() {
        bed_service packaged 'ExecStart=/bin/sleep inf'
        bed_run systemctl start packaged
        bed_run touch /var/lib/dpkg/lock-frontend
        begin_facts
        bed_wait 5 told 'started systemd:packaged' || shows
        # as apt does, with fcntl(); struct flock of 64-bit machines
        bed_run perl -e 'use Fcntl; open F, ">>", "/var/lib/dpkg/lock-frontend" or die;
                my $lock = pack("s s x4 q q i x4", F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $lock) or die; sleep 30' &
        bed_wait 5 told 'planned - package dpkg' || shows
        bed_run systemctl restart packaged
        bed_wait 5 told 'ended systemd:packaged.service .* package' || shows
        bed_run pkill -x perl
        end_facts
}

bed_boot one
for name in a_service_that_exits_is_told_with_its_code a_signal_is_told_within_milliseconds a_human_restart_is_not_a_death \
        a_restart_during_the_wait_is_told_as_ordered the_start_limit_is_named dependents_are_told_with_their_ties \
        the_watchdog_and_timeouts_are_causes a_reset_counter_is_a_new_baseline a_storm_of_reloads_changes_nothing \
        reexec_is_survived a_dbus_restart_is_survived_and_told a_new_unit_is_seen_and_a_removed_one_is_gone \
        a_transient_agent_is_seen_each_time a_package_service_taken_over_by_its_administrator_is_seen \
        the_hand_restarts_stops_and_starts a_frozen_service_is_told many_services_are_all_seen a_package_run_is_announced a_hung_dbus_is_left_for_systemds_own_socket \
        without_dbus_systemd_is_still_seen; do
        bed_story $name
done
echo "# from kill -9 to the first fact, in microseconds: $(tr '\n' ' ' <"$BED_DIR/latency")"
