# shellcheck shell=bash
# What tests/live/test_attacks.sh and tests/matrix/test_matrix.sh tell, on few file systems and on all of them.
# shellcheck source=tests/live/bed.sh
. "$FIELD_TREE/tests/live/bed.sh"

# Exactly the attacks succeed that are known to, every other one has an answer, and none was forgotten.
attacks_end_as_known() { # FS WHO GUARD
        local ends=$BED_DIR/$1.$2.$3
        field_use "$1"
        if ! field_has "$3"; then
                echo "# $1 has no flags on this kernel: there is no such guard"
                return 0
        fi
        field_attack "$2" "$3" >"$ends"
        bed_is 43 grep -c . "$ends"
        field_open "$2" "$3" >"$ends.known"
        awk -F '\t' '$2 == "succeeded" { print $1 }' "$ends" | sort >"$ends.open"
        diff "$ends.known" "$ends.open" >"$ends.diff" || bed_fail "known and not so (<), so and not known (>): $(grep '^[<>]' "$ends.diff" | tr '\n' ' ')"
        bed_is '' awk -F '\t' '$2 == "impossible" && $3 == ""' "$ends"
}

# Nothing of an attack is left where it was made, and no mount anywhere.
nothing_is_left() {
        field_use "$1"
        bed_is '' find "$FIELD_DIR/$1" -mindepth 1 -not -name lost+found -not -path '*/lost+found/*'
        bed_is 1 grep -c " $FIELD_DIR/$1 " /proc/self/mounts
}

tell_stories() { # FS...
        local fs who guard
        field_begin
        trap 'field_clear; bed_clean' EXIT
        for fs in "$@"; do
                field_make "$fs"
                for who in root owner stranger; do
                        for guard in $FIELD_GUARDS; do
                                bed_story attacks_end_as_known "$fs" "$who" "$guard"
                        done
                done
                bed_story nothing_is_left "$fs"
        done
}
