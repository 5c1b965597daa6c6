#!/bin/bash
# `make check`: sets up, builds and runs every tier, also when an earlier one failed, and counts them all.
# Before the end it names the slowest programs and what failed. The last line is `N passed, N failed`. PARTS="unit trace" runs just those.
set -u

TALLY=$(mktemp)
TIMES=$(mktemp)
FAILED=$(mktemp)
export TALLY TIMES FAILED
trap 'rm -f "$TALLY" "$TIMES" "$FAILED"' EXIT
make=(make --no-print-directory)

# A part that ends badly without having counted a failure (it did not compile, say) is one failure.
part() {
        local before after rc=0 start=$SECONDS
        echo "== $1"
        before=$(awk '{ n += $3 } END { print n + 0 }' "$TALLY")
        "${make[@]}" -j"$(nproc)" "$1" </dev/null || rc=$?
        after=$(awk '{ n += $3 } END { print n + 0 }' "$TALLY")
        if [ $rc != 0 ] && [ "$before" = "$after" ]; then
                echo "failed  $1 ended with status $rc" | tee -a "$FAILED"
                echo "$1 0 1" >>"$TALLY"
        fi
        echo "== $1: $((SECONDS - start)) s"
}

for name in ${PARTS:-setup all unit trace lint sim asan corpora live vm}; do
        part "$name"
done

sort -rn "$TIMES" | awk '$1 >= 10 && NR <= 10 { printf "%7.1f s  %s\n", $1 / 10, $2 }'
cat "$FAILED"
awk '{ passed += $2; failed += $3 } END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 }' "$TALLY"
