#!/bin/bash
# What govctl harden proposes holds: an agent that tries to reach beyond its own files reaches nothing, and works on.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

DROP_IN=/etc/systemd/system/zoo-ida.service.d/60-governor-harden.conf

# The agent tries whatever facts and reports say agents have tried, each attempt a line, then lives on and keeps a log open.
an_agent_and_what_it_tries() {
        bed_run useradd -m ida
        for agent in ida ada; do
                bed_run install -d -o ida /srv/$agent /srv/$agent/core /srv/$agent/state
                bed_write /srv/$agent/core/rules.md <<<GOOD
                bed_run chown ida /srv/$agent/core/rules.md
        done
        bed_run setpriv --reuid ida --regid ida --clear-groups governor-canary --make /srv/ida/canary
        bed_write /srv/immutable <<<GOOD
        bed_run chattr +i /srv/immutable
        bed_write /srv/attack.sh <<'SH'
#!/bin/bash
# attack.sh FOLDER: writes to FOLDER/state/results what could be done, a word each
cd "$1" || exit
governor=$(cat /srv/governor.pid)
group=/sys/fs/cgroup/$(cat /srv/governor.group)
exec 3>>state/log
: >state/results.new
try() { local name=$1; shift; ! timeout 5 "$@" >/dev/null 2>&1 </dev/null || echo "$name" >>state/results.new; }
write() { try "$1" bash -c 'echo EVIL >"$0"' "$2"; }
try work bash -c 'echo x >state/mine && mv state/mine state/renamed'
write write core/rules.md
try chmod chmod 777 core/rules.md
try times touch -d yesterday core/rules.md
try link ln core/rules.md state/link
try folder mv core state/core
try remove rm core/rules.md
write itself /srv/attack.sh
write drop_in /etc/systemd/system/zoo-evil.service
write cron /etc/cron.d/evil
write preload /etc/ld.so.preload
try unflag chattr -i /srv/immutable
try bind mount --bind state core
try namespace unshare -Urm true
try enter nsenter -t 1 -m true
try device mknod state/disk b 8 0
write memory "/proc/$governor/mem"
write cgroup_kill "$group/cgroup.kill"
write cgroup_freeze "$group/cgroup.freeze"
try kill kill -0 "$governor"
try manager systemd-run --quiet true
try stop systemctl stop zoo-victim
try control bash -c 'govctl incidents'
try log cat /var/lib/governor/audit.db
try pm2 node -e 'require("net").connect("/home/ida/.pm2/rpc.sock").on("connect", () => process.exit(0)).on("error", () => process.exit(1))'
governor-canary "$1/canary/guarded/canary" --json --settle 0 >state/canary
mv state/results.new state/results
exec sleep inf
SH
        bed_service zoo-victim 'ExecStart=sleep inf'
        bed_service zoo-ida User=ida 'ExecStart=/bin/bash /srv/attack.sh /srv/ida' "Environment=PATH=$BED_PATH"
        # as root, and not hardened, it would take the bed apart
        bed_service zoo-ada "ExecStart=/bin/bash -c 'test -e /srv/hardened || exec sleep inf; exec bash /srv/attack.sh /srv/ada'" "Environment=PATH=$BED_PATH"
        PM2_USER=ida bed_pm2 7 ping
        govern observe <<'POLICY'
agents: [ { name: zoo, systemd: "zoo-*.service" }, { name: apps, pm2: "*" } ]
files: [ { name: rules, rule: untouchable, paths: [ "/srv/*/core/**", "/srv/*/canary/guarded/", /etc/hosts ] } ]
POLICY
        bed_write /srv/governor.pid <<<"$(bed_show governor MainPID)"
        bed_write /srv/governor.group <<<"$(bed_show governor ControlGroup)"
        bed_run systemctl start zoo-victim
}

# attacked UNIT FOLDER: starts it anew and waits until it has tried everything; what it wrote is put right again.
attacked() {
        bed_run rm -f "$2/state/results"
        bed_run systemctl restart "$1"
        bed_wait 60 bed_run test -e "$2/state/results"
        bed_run cat "$2/state/results" >"$BED_DIR/results"
        cat "$BED_DIR/results"
}

# Not one of the 43 ways to change a file by its owner.
the_canary_is_safe() {
        bed_run cat "$1/state/canary" >"$BED_DIR/canary"
        jq -r '.attacks[] | select(.result != "prevented") | "\(.name): \(.result), \(.reason)"' "$BED_DIR/canary"
        jq -e '.succeeded == 0 and .restored == 0 and .["own-view"] == 0 and .prevented >= 32' "$BED_DIR/canary"
}

could() { grep -qx "$1" "$BED_DIR/results"; }

as_it_is_it_can_do_much() {
        attacked zoo-ida /srv/ida
        bed_run cat /srv/ida/state/canary | jq -e '.succeeded > 20'
        could work && could write && could chmod && could remove && could pm2
        ! could kill || bed_fail "a user may signal root"
        bed_run sh -c 'rm -rf /srv/ida/state/core; mkdir -p /srv/ida/core; echo GOOD >/srv/ida/core/rules.md; chown -R ida /srv/ida'
        bed_wait 20 is_effectively zoo-ida running
}

a_proposal_changes_nothing() {
        bed_run govctl harden zoo-ida --width 200 >"$BED_DIR/proposal"
        grep -q 'ProtectSystem.*strict' "$BED_DIR/proposal"
        grep -q 'ReadWritePaths.*/srv/ida/state' "$BED_DIR/proposal" # its log is open there
        grep -q 'User.*ida.*as it is' "$BED_DIR/proposal"
        grep -q 'D-Bus stays open to it' "$BED_DIR/proposal"
        bed_run govctl harden zoo-ida --write /srv/ida --drop-in 2>&1 | grep -qx 'ReadOnlyPaths=/srv/ida/core /srv/ida/canary/guarded' # as the policy says
        bed_run test ! -e "$DROP_IN"
}

hardened_it_can_do_nothing_but_work() {
        bed_run sh -c "mkdir -p '${DROP_IN%/*}' && govctl harden zoo-ida --write /srv/ida --drop-in >'$DROP_IN'"
        bed_run systemctl daemon-reload
        bed_run systemd-analyze verify --man=no zoo-ida.service
        attacked zoo-ida /srv/ida
        bed_is work cat "$BED_DIR/results"
        the_canary_is_safe /srv/ida
        bed_is GOOD bed_run cat /srv/ida/core/rules.md
        bed_run systemd-analyze security --threshold=30 --no-pager zoo-ida.service >/dev/null
        bed_run systemctl is-active zoo-victim
        bed_wait 20 is_effectively zoo-ida running
}

what_is_there_already_is_not_proposed_again() {
        bed_run govctl harden zoo-ida --write /srv/ida --json |
                jq -e '[.settings[] | select(.same | not)] == [] and (.root | not)'
        bed_write "${DROP_IN%/*}/override.conf" <<<$'[Service]\nProtectSystem=no'
        bed_run govctl harden zoo-ida --write /srv/ida | grep -q 'ProtectSystem=no in .*override.conf:2 has the last word'
        bed_run rm "${DROP_IN%/*}/override.conf"
}

taken_back_nothing_is_left() {
        bed_run rm -r "${DROP_IN%/*}"
        bed_run systemctl daemon-reload
        bed_is no bed_show zoo-ida NoNewPrivileges
        attacked zoo-ida /srv/ida
        could write && could pm2
}

# What is said of root is so: it can signal what else is root's, and nothing more.
of_root_it_is_said_what_remains() {
        local file=/etc/systemd/system/zoo-ada.service.d/60-governor-harden.conf
        bed_run systemctl start zoo-ada
        bed_wait 20 is_effectively zoo-ada running
        bed_run mkdir -p "${file%/*}"
        bed_run sh -c 'chown -R root /srv/ada; governor-canary --make /srv/ada/canary; touch /srv/hardened'
        bed_run govctl harden zoo-ada --write /srv/ada --drop-in >"$BED_DIR/drop_in" 2>"$BED_DIR/said"
        grep -q 'it could kill and debug other processes of root, Governor too' "$BED_DIR/said"
        grep -q 'InaccessiblePaths=.*system_bus_socket' "$BED_DIR/drop_in"
        bed_write "$file" <"$BED_DIR/drop_in"
        bed_run systemctl daemon-reload
        attacked zoo-ada /srv/ada
        bed_is $'work\nkill' cat "$BED_DIR/results"
        the_canary_is_safe /srv/ada
}

an_app_has_no_unit_to_harden() {
        local status=0
        app lily
        bed_wait 20 is_effectively lily running
        bed_run govctl harden lily 2>"$BED_DIR/said" || status=$?
        [ $status = 4 ]
        grep -q 'let PM2 start it through governor-run' "$BED_DIR/said"
}

bed_boot one
house
bed_story an_agent_and_what_it_tries
bed_story as_it_is_it_can_do_much
bed_story a_proposal_changes_nothing
bed_story hardened_it_can_do_nothing_but_work
bed_story what_is_there_already_is_not_proposed_again
bed_story taken_back_nothing_is_left
bed_story of_root_it_is_said_what_remains
bed_story an_app_has_no_unit_to_harden
