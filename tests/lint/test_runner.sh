#!/bin/bash
# The runner counts what programs say and notices what they do not say.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
n=0

# counts EXPECTED SENTENCE: the script on stdin is the one program; EXPECTED is the last line
counts() {
        local last status=0
        n=$((n + 1))
        cat >"$work/$n"
        chmod +x "$work/$n"
        last=$(cd "$top" && TALLY='' TIMES=$work/times FAILED=$work/failed B=$work TEST_SECONDS=1 tests/runner.sh "${tier:-unit}" "$work/$n" 2>&1) || status=$?
        last=${last##*$'\n'}
        if [ "$last" != "$1" ]; then
                echo "not ok $2: expected '$1', got '$last'"
                failed=1
        elif [[ $1 == *' 0 failed' && $status != 0 || $1 != *' 0 failed' && $status = 0 ]]; then
                echo "not ok $2: ended with $status"
                failed=1
        else
                echo "ok $2"
        fi
}

counts '2 passed, 0 failed' tap_is_understood <<<'#!/bin/sh
printf "1..2\nok 1 - one\nok 2 - two\n"'
counts '1 passed, 1 failed' a_failed_test_is_counted <<<'#!/bin/sh
printf "1..2\nok 1 - one\nnot ok 2 - two\n"; exit 1'
counts '1 passed, 1 failed' a_failed_test_counts_without_a_bad_status <<<'#!/bin/sh
printf "ok one\nnot ok two: why\n"'
counts '1 passed, 0 failed' silence_and_a_good_status_is_one_test <<<'#!/bin/sh
echo nothing to say'
counts '0 passed, 1 failed' silence_and_a_bad_status_is_a_failure <<<'#!/bin/sh
exit 3'
counts '1 passed, 1 failed' a_crash_after_good_tests_is_a_failure <<<'#!/bin/sh
echo ok one; kill -SEGV $$'
counts '1 passed, 1 failed' a_plan_that_was_not_kept_is_a_failure <<<'#!/bin/sh
printf "1..2\nok 1 - one\n"'
counts '0 passed, 1 failed' a_program_that_hangs_is_ended_and_a_failure <<<'#!/bin/sh
sleep 60'
if grep -qE "^1[0-9] unit/$n\$" "$work/times"; then
        echo "ok it_says_how_long_that_took"
else
        echo "not ok it_says_how_long_that_took: $(cat "$work/times")"
        failed=1
fi
if grep -qxF "failed  unit/2" "$work/failed" && grep -qF '| not ok two: why' "$work/failed" && ! grep -q unit/1 "$work/failed"; then
        echo "ok what_failed_is_kept_with_the_reason"
else
        echo "not ok what_failed_is_kept_with_the_reason: $(cat "$work/failed")"
        failed=1
fi
if [ "$(id -u)" = 0 ] && grep -q '^VERSION_ID="12"' /etc/os-release; then
        counts '1 passed, 1 failed' a_skip_is_a_failure_where_everything_can_be_had <<<'#!/bin/sh
printf "ok one\nskip two: no root\n"'
else
        counts '1 passed, 0 failed' a_skip_is_named_where_not_everything_can_be_had <<<'#!/bin/sh
printf "ok one\nskip two: no root\n"'
fi

# The first waits for what the second leaves, and is shown before it all the same.
printf '#!/bin/sh\nuntil [ -e %s ]; do sleep 0.01; done; echo ok one\n' "$work/left" >"$work/first"
printf '#!/bin/sh\ntouch %s; echo ok two\n' "$work/left" >"$work/second"
chmod +x "$work/first" "$work/second"
told=$(cd "$top" && TALLY='' TIMES='' FAILED='' JOBS=2 B=$work TEST_SECONDS=10 tests/runner.sh unit "$work/first" "$work/second" 2>&1)
if [[ $told == *first:\ one*second:\ two*'2 passed, 0 failed' ]]; then
        echo "ok several_run_at_a_time_and_are_shown_in_their_order"
else
        echo "not ok several_run_at_a_time_and_are_shown_in_their_order: $told"
        failed=1
fi

# Only tests of whole machines, which measure times, get a second try; one that fails alone too has failed.
tier=live
mark=$work/mark
counts '1 passed, 0 failed' a_live_test_that_failed_beside_others_is_judged_alone <<<"#!/bin/sh
[ -e $mark ] && echo ok one && exit 0
touch $mark; echo not ok one: crowded; exit 1"
counts '0 passed, 1 failed' a_live_test_that_fails_alone_too_has_failed <<<'#!/bin/sh
echo not ok one: broken; exit 1'

exit $failed
