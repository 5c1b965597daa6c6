#!/bin/bash
# What each guard of a file prevents: every attack, as root, owner and stranger, on five file systems. Prints a section of
# RESULTS.md; run.sh calls it. `make matrix` checks the same and prints no table.
# shellcheck source=tests/matrix/field.sh
. "$(dirname "$0")/../matrix/field.sh"
set -eu
kinds='ext4 tmpfs xfs btrfs overlay'

field_begin
trap field_clear EXIT

for kind in $kinds; do
        field_make "$kind"
        for who in root owner stranger; do
                for guard in $FIELD_GUARDS; do
                        echo "bench: $kind, $who, $guard" >&2
                        field_has "$guard" || continue
                        field_attack "$who" "$guard" | sed "s/^/$kind\t$who\t$guard\t/"
                done
        done
done >"$FIELD_DIR/ends"

cpu() { awk -F ': ' '/^model name/ { print $2; exit }' /proc/cpuinfo | sed 's/ Processor$//'; }
cat <<END
# File attacks

Made by \`make bench BENCH=attacks\` on $(date -I), commit $(git -C "$FIELD_TREE" rev-parse --short HEAD):
$(nproc) CPUs, $(cpu), Linux $(uname -r).
\`governor-canary --list\` says what each attack does. What came of it is what others see afterwards, not what the attacker was told.

P prevented, p prevented because it could not even get ready, - succeeded, o only the attacker sees something else,
n not possible there. Where one file system differs from most, it is named.

sealed is \`chattr +i\` on the file, sealed-folder on its folder too; hand is Governor's seal, a fresh inode that is immutable in an
immutable folder; read-only is what \`ReadOnlyPaths=\` does to a unit; governor-run confines the attacker. None is a daemon: what
is mounted over the file or written below the file system only a daemon can find.

As root:

| attack | $(echo "$FIELD_GUARDS" | sed 's/ / | /g') |
|---|$(echo "$FIELD_GUARDS" | sed 's/[^ ]* */---|/g')
END
awk -F '\t' -v guards="$FIELD_GUARDS" -v kinds="$kinds" '
        BEGIN {
                letter["prevented"] = "P"; letter["beforehand"] = "p"; letter["succeeded"] = "-"
                letter["own-view"] = "o"; letter["impossible"] = "n"
                columns = split(guards, guard, " "); fields = split(kinds, kind, " ")
        }
        $2 == "root" { if (!($4 in seen)) order[++rows] = $4; seen[$4]; end[$4, $3, $1] = letter[$5] }
        # the letter that most file systems have, then those that have another
        function cell(attack, at,   i, n, most, all, others) {
                split("", n); most = all = others = ""
                for (i = 1; i <= fields; i++) n[end[attack, at, kind[i]]]++
                for (i in n) if (i != "" && (most == "" || n[i] > n[most])) most = i
                for (i = 1; i <= fields; i++) {
                        all = end[attack, at, kind[i]]
                        if (all != "" && all != most) others = others (others == "" ? "" : ", ") kind[i] " " all
                }
                return most (others == "" ? "" : " (" others ")")
        }
        END {
                for (r = 1; r <= rows; r++) {
                        printf "| %s |", order[r]
                        for (c = 1; c <= columns; c++) printf " %s |", cell(order[r], guard[c])
                        print ""
                }
        }' "$FIELD_DIR/ends"
cat <<END

How many attacks succeed, of the 43, by who makes them; in brackets those of which only the attacker sees anything:

| who | file system | $(echo "$FIELD_GUARDS" | sed 's/ / | /g') |
|---|---|$(echo "$FIELD_GUARDS" | sed 's/[^ ]* */---:|/g')
END
awk -F '\t' -v guards="$FIELD_GUARDS" -v kinds="$kinds" '
        BEGIN { columns = split(guards, guard, " "); fields = split(kinds, kind, " "); split("root owner stranger", who, " ") }
        { tried[$2, $1, $3] = 1 }
        $5 == "succeeded" { open[$2, $1, $3]++ }
        $5 == "own-view" { own[$2, $1, $3]++ }
        END {
                for (w = 1; w <= 3; w++) for (k = 1; k <= fields; k++) {
                        printf "| %s | %s |", who[w], kind[k]
                        for (c = 1; c <= columns; c++) {
                                at = who[w] SUBSEP kind[k] SUBSEP guard[c]
                                printf " %s |", !tried[at] ? "no such guard" : open[at] + 0 (own[at] ? " (" own[at] ")" : "")
                        }
                        print ""
                }
        }' "$FIELD_DIR/ends"
