#!/bin/bash
# Real node agents with real garbage, judged in a time that runs ahead: the one that leaks, the one that jumps and the life
# that is larger than those before it are found, and teeth, warm-ups and children are not.
# shellcheck source=tests/live/bed.sh
. "$(dirname "$0")/bed.sh"

# 15 hours of theirs are less than a minute of ours.
agents_live_for_hours() {
        bed_run /opt/gov/tests/live/sizes /usr/bin/node /opt/src/tests/live/sizes.js 15 >"$BED_DIR/sizes"
        cat "$BED_DIR/sizes"
        grep -qx "done" "$BED_DIR/sizes"
}

# found AGENT: what was found of it, without when and how much.
found() { grep "^$1 " "$BED_DIR/sizes" | grep -oE '^[^ ]+ [^ ]+ (found|over)' || :; }

a_leak_is_found() { bed_is 'leak memory-leak found' found leak; }
a_jump_is_found() {
        bed_is 'jump memory-drift found' found jump
        grep -q '^jump .* its tree jumped from ' "$BED_DIR/sizes"
}
a_life_larger_than_usual_is_found_in_its_first_minutes() {
        bed_is 'reborn memory-drift found' found reborn
        grep -q '^reborn .* at the age of 10m; usual is .* (9 lives)' "$BED_DIR/sizes"
}
teeth_are_no_finding() { bed_is '' found sawtooth; }
a_warm_up_is_no_finding() { bed_is '' found warm-up; }
a_child_is_no_finding() { bed_is '' found child; }

bed_boot one
bed_story agents_live_for_hours
[ "$BED_FAILED" = 0 ] || exit 1
bed_story a_leak_is_found
bed_story a_jump_is_found
bed_story a_life_larger_than_usual_is_found_in_its_first_minutes
bed_story teeth_are_no_finding
bed_story a_warm_up_is_no_finding
bed_story a_child_is_no_finding
