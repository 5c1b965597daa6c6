#!/bin/bash
# `make demo` as a newcomer runs it: it plays to its end in time, fits 80 columns, keeps its colours to itself when told
# to, and leaves nothing behind.
# shellcheck source=tests/live/bed.sh
. "$(dirname "$0")/bed.sh"

it_plays_to_its_end() {
        local began=$SECONDS
        NO_COLOR=1 timeout 240 "$BED_TREE/tests/live/demo.sh" >"$BED_DIR/demo" 2>&1 || {
                tail -n 40 "$BED_DIR/demo"
                bed_fail "$(grep -m 1 '✗ The demo' "$BED_DIR/demo" || echo 'the demo ended with an error')"
        }
        [ $((SECONDS - began)) -lt 180 ] || bed_fail "it took $((SECONDS - began)) s"
        for act in 1 2 3 4 5 6 7 8; do
                grep -q "^$act\. " "$BED_DIR/demo" || bed_fail "act $act was not played"
        done
}

# An anchor is one line, however long the name of its log: it is to be copied whole.
it_fits_80_columns() {
        bed_is '' env LC_ALL=C.UTF-8 grep -E '^.{81,}' <(grep -v '^govaudit1 ' "$BED_DIR/demo")
}

no_colour_means_none() {
        ! grep -q $'\e' "$BED_DIR/demo" || bed_fail "there are escape sequences in it"
}

it_leaves_nothing() {
        bed_is '' pgrep -f "machine=bed-[0-9]*-household"
        ! ls -d "${TMPDIR:-/tmp}"/governor-bed.*/household.console 2>/dev/null || bed_fail "its folder is still there"
}

# A demo whose steps do not happen must say so: here there is no Governor to install.
it_fails_when_a_step_does_not_happen() {
        local status=0
        mkdir -p "$BED_DIR/empty/bin"
        (cd "$BED_TREE" && B=$(realpath --relative-to=. "$BED_DIR/empty") NO_COLOR=1 timeout 120 tests/live/demo.sh) >"$BED_DIR/failed" 2>&1 || status=$?
        [ $status = 1 ] || bed_fail "it ended with $status"
        grep -q '✗ The demo failed in act 3: it did not install' "$BED_DIR/failed"
}

bed_story it_plays_to_its_end
bed_story it_fits_80_columns
bed_story no_colour_means_none
bed_story it_leaves_nothing
bed_story it_fails_when_a_step_does_not_happen
