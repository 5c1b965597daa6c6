#!/bin/bash
# `make bench`: every part, or those named, one after the other; each prints a section, which replaces the one of the same
# heading in RESULTS.md.
#
#   tests/bench/run.sh [watching] [drift] [evidence] [guard] [attacks]
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
results=$here/RESULTS.md
section=$(mktemp)
trap 'rm -f "$section"' EXIT

# A section goes from its heading to the next one.
put_section() {
        awk -v section="$section" -v heading="$(head -n 1 "$section")" '
                function put() { while ((getline line <section) > 0) print line; done = 1 }
                /^# / { inside = $0 == heading; if (inside) { put(); if (rest) print "" } }
                !inside { print; rest = 1 }
                END { if (!done) { print ""; put() } }' "$results" | cat -s >"$results.new"
        mv "$results.new" "$results"
}

[ $# -gt 0 ] || set -- watching drift evidence guard attacks
for part; do
        "$here/$part.sh" >"$section"
        cat "$section"
        case $(head -c 2 "$section") in '# ') put_section ;; esac
done
