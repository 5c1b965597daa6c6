#!/bin/bash
# Many units begin at once: all of them are seen within seconds, and what does not fit is said.
# shellcheck source=tests/live/governed.sh
. "$(dirname "$0")/governed.sh"

a_crowd_is_seen_at_once() {
        house
        bed_service 'mass-@' 'ExecStart=/bin/sleep 1000'
        govern enforce <<<'agents: [ { name: mass, systemd: "mass-*.service" } ]'
        bed_wait 10 governor_answers
        bed_run sh -c 'systemctl start --no-block $(seq -f "mass-@%g" 1 300)'
        bed_wait 15 agents_are 300
}
agents_are() { status_says "(.agents | length) == $1"; }

what_does_not_fit_is_said() {
        bed_run sh -c 'systemctl start --no-block $(seq -f "mass-@%g" 301 600)'
        bed_wait 20 agents_are 512
        bed_wait 10 incidents_say 'any(.incidents[]; .cause == "blind" and .state == "open")'
}

bed_boot one
bed_story a_crowd_is_seen_at_once
bed_story what_does_not_fit_is_said
bed_story the_log_verifies
