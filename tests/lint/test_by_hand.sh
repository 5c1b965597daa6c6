#!/bin/bash
# governor-audit(5) shows how to verify a log with a shell and OpenSSL alone. What it shows is run here on a new log.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
govctl=$top/${B:-build}/bin/govctl
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

mandoc -T utf8 -O width=200 "$top/man/governor-audit.5" | sed 's/.\x08//g' |
        awk '/^ *line\(\) \{/ { on = 1 } /Step 1 prints/ { on = 0 } on' >by_hand
"$govctl" audit init --state state >/dev/null &&
        "$govctl" audit export --state state --jsonl log.jsonl --checkpoints log.ckpt || exit 1

# says SENTENCE HASHES: the example ends well and prints four hashes, HASHES of them different.
failed=0
says() {
        bash -eu by_hand >said 2>&1
        if grep -q '^Signature Verified Successfully' said && [ "$(grep -Eo '[0-9a-f]{64}' said | wc -l)" = 4 ] &&
                [ "$(grep -Eo '[0-9a-f]{64}' said | sort -u | wc -l)" = "$2" ]; then
                echo "ok $1"
        else
                echo "not ok $1"
                sed 's/^/# /' said
                failed=1
        fi
}
says a_log_is_verified_by_hand 2
sed -i '1s/"outcome":"ok"/"outcome":"no"/' log.jsonl
says an_edit_is_found_by_hand 4
exit $failed
