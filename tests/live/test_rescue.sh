#!/bin/bash
# rescue.sh takes back what the footprint lists, with no daemon and no database.
# shellcheck source=tests/live/bed.sh
. "$(dirname "$0")/bed.sh"

rescue() { bed_run env PATH=/srv/bin:/usr/sbin:/usr/bin:/sbin:/bin sh /opt/src/units/rescue.sh "$@"; }

footprint() {
        { echo '# What Governor did'; printf '%s\n' "$@"; } | bed_write /var/lib/governor/footprint
}

a_machine_without_a_footprint_needs_nothing() {
        bed_is '' rescue
}

a_quarantined_unit_is_started() {
        bed_service agent-x 'ExecStart=/bin/sleep inf'
        footprint 'stopped systemd:agent-x.service'
        bed_is 'rescue: stopped systemd:agent-x.service' rescue
        bed_is active bed_run systemctl is-active agent-x
        bed_run test ! -e /var/lib/governor/footprint
}

a_quarantined_app_is_started_as_its_user() {
        bed_run useradd -m mila
        bed_write /srv/app.js <<<'setInterval(() => {}, 1000);'
        PM2_USER=mila bed_pm2 7 start /srv/app.js --name 'odd name'
        PM2_USER=mila bed_pm2 7 stop 'odd name'
        bed_run ln -s /opt/pm2-7.0.4/node_modules/pm2/bin/pm2 /usr/bin/pm2
        footprint 'stopped pm2:mila/odd name@/home/mila/.pm2'
        rescue
        PM2_USER=mila bed_pm2 7 jlist | tail -n 1 | jq -e '.[0].pm2_env.status == "online"'
        bed_run test ! -e /root/.pm2
}

what_cannot_be_undone_stays_and_is_said() {
        local status=0
        footprint 'stopped systemd:agent-x.service' 'stopped systemd:nosuch.service' 'stopped pm2:nobody/x' 'bent /etc/spoon'
        rescue >"$BED_DIR/told" || status=$?
        [ $status = 1 ]
        grep -q "systemctl start 'nosuch.service'" "$BED_DIR/told"
        grep -q "as nobody type: PM2_HOME=.* pm2 start 'x'" "$BED_DIR/told"
        bed_is $'# What Governor did\nstopped systemd:nosuch.service\nstopped pm2:nobody/x\nbent /etc/spoon' \
                bed_run cat /var/lib/governor/footprint
}

a_dry_run_only_tells() {
        bed_run systemctl stop agent-x
        footprint 'stopped systemd:agent-x.service'
        bed_is 'rescue: stopped systemd:agent-x.service' rescue --dry-run
        bed_is inactive bed_run systemctl is-active agent-x
        bed_run test -e /var/lib/governor/footprint
}

bed_boot one
bed_story a_machine_without_a_footprint_needs_nothing
bed_story a_quarantined_unit_is_started
bed_story a_quarantined_app_is_started_as_its_user
bed_story what_cannot_be_undone_stays_and_is_said
bed_story a_dry_run_only_tells
