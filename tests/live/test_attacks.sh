#!/bin/bash
# Every file attack as root, as the owner and as a stranger, on ext4 and tmpfs, against the guards that the kernel has without a
# daemon: each stops exactly what it is known to stop. `make matrix` does the same on more file systems.
# shellcheck source=tests/matrix/field.sh
. "$(dirname "$0")/../matrix/field.sh"
# shellcheck source=tests/matrix/stories.sh
. "$FIELD_TREE/tests/matrix/stories.sh"

canary() { "$FIELD_BUILD/bin/governor-canary" "$@"; }

# As a user does it by hand.
the_canary_says_what_a_flag_is_worth() {
        local file status=0
        field_use ext4
        file=$(canary --make "$FIELD_DIR/ext4/canary")
        chattr +i "$file"
        canary "$file" --json >"$BED_DIR/results" || status=$?
        bed_is 3 echo $status
        jq -e '.prevented == 38 and (.attacks | length) == 43' "$BED_DIR/results"
        bed_is 'rename-folder bind-over unseal-write' \
                jq -r '[.attacks[] | select(.result == "succeeded").name] | join(" ")' "$BED_DIR/results"
        lsattr "$file" | grep -q '^----i' || bed_fail "the flag was not put back"
        canary --remove "$file"
}

tell_stories ext4 tmpfs
bed_story the_canary_says_what_a_flag_is_worth
bed_story nothing_is_left ext4
