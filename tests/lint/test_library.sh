#!/bin/bash
# Others can use libgovaudit: what `make install` puts there is all that a program of a few lines needs to verify an export.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${B:-build}
govctl=$top/$build/bin/govctl
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
check() { # SENTENCE COMMAND...
        local sentence=$1
        shift
        if "$@" >"$work/said" 2>&1; then
                echo "ok $sentence"
        else
                echo "not ok $sentence"
                sed 's/^/# /' "$work/said"
                failed=1
        fi
}

(cd "$top" && B=$build DESTDIR=$work/root PREFIX=/usr units/install.sh install) || exit 1
cd "$work" || exit 1
"$govctl" audit init --state state >/dev/null &&
        "$govctl" audit export --state state --jsonl log.jsonl --checkpoints log.ckpt || exit 1
sed 's/start/stop!/' log.jsonl >edited.jsonl

cat >verify.c <<'END'
#include <governor/audit.h>
int main(int n, char **words)
{
        struct audit_verify_options options = { .jsonl = words[1], .checkpoints = words[2] };
        static struct audit_report report;

        audit_verify(&options, &report);
        for (size_t i = 0; i < report.n_findings; i++)
                printf("%s: %s\n", report.findings[i].code, report.findings[i].detail);
        return n == 3 ? report.exit_code : 2;
}
END

compile() {
        export PKG_CONFIG_PATH=$work/root/usr/lib/pkgconfig
        # shellcheck disable=SC2046 # lists of words
        "${CC:-cc}" -Wall -Wextra -Werror -o verify verify.c $(pkg-config --define-prefix --cflags --libs govaudit)
}
is_tampered() {
        ./verify edited.jsonl log.ckpt
        [ $? = 3 ]
}
check a_program_of_a_few_lines_is_built_from_what_is_installed compile
check it_accepts_an_export_that_nobody_touched ./verify log.jsonl log.ckpt
check it_refuses_one_that_was_edited is_tampered
exit $failed
