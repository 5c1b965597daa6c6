#!/bin/bash
# Each check can fail: it accepts a good small tree and refuses it with one thing wrong.
set -u
lint=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
tree=$work/tree

good_tree() {
        rm -rf "$tree"
        mkdir -p "$tree"/{audit,man,tests/lint,build/watchdog/judge} "$tree"/watchdog/{base,io,judge,perform}
        cp "$lint/../../.clang-format" "$tree/"
        cat >"$tree/watchdog/base/fact.h" <<-'END'
		#pragma once

		int base_fact(int value);
		END
        cat >"$tree/watchdog/judge/judge.c" <<-'END'
		#include <string.h>

		#include "base/fact.h"

		static const char *const names[] = { "a", "b" };

		int judge_step(const char *name);
		int judge_step(const char *name)
		{
		        return strcmp(name, names[0]) ? base_fact(1) : 0;
		}
		END
        cat >"$tree/watchdog/perform/perform.c" <<-'END'
		#include "audit/audit.h"
		#include "io/file.h"
		END
        echo '#pragma once' | tee "$tree/watchdog/io/file.h" >"$tree/audit/audit.h"
        printf '#!/bin/sh\necho "$1"\n' >"$tree/tests/x.sh"
        cat >"$tree/man/x.1" <<-'END'
		.Dd January 1, 2026
		.Dt X 1
		.Os
		.Sh NAME
		.Nm x
		.Nd does x
		.Sh DESCRIPTION
		Does x.
		END
}

# a tree that does not compile keeps its old object
compile() { gcc -O2 -fPIE -fstack-protector-strong -I"$tree/watchdog" -c "$tree/watchdog/judge/judge.c" -o "$tree/build/watchdog/judge/judge.o" 2>/dev/null || :; }
judge() { cat >>"$tree/watchdog/judge/judge.c"; }
line_first() { sed -i "1i $2" "$tree/$1"; }

# refuses CHECK SENTENCE: the tree as it is now must fail; accepts: must pass
refuses() {
        compile
        if B=build "$lint/$1" "$tree" >"$work/said" 2>&1; then told "not ok" "$2" ": $1 passed"; else told ok "$2"; fi
        [ -s "$work/said" ] || told "not ok" "${2}_and_says_so" ": $1 said nothing"
        good_tree
}
accepts() {
        compile
        if B=build "$lint/$1" "$tree" >"$work/said" 2>&1; then told ok "$2"; else told "not ok" "$2" ": $(head -n 3 "$work/said" | tr '\n' ' ')"; fi
}
told() {
        echo "$1 $2${3:-}"
        [ "$1" = ok ] || failed=1
}

good_tree
for check in rooms pure format shell man names; do
        accepts check-$check "check_${check}_accepts_a_good_tree"
done

line_first watchdog/judge/judge.c '#include "io/file.h"'
refuses check-rooms the_judge_may_not_include_io
line_first watchdog/base/fact.h '#include "judge/judge.h"'
refuses check-rooms nothing_includes_what_stands_above_it
line_first watchdog/perform/perform.c '#  include <sqlite3.h>'
refuses check-rooms only_some_rooms_may_include_sqlite
line_first audit/audit.h '#include "io/file.h"'
refuses check-rooms the_audit_library_stands_alone
line_first watchdog/perform/perform.c '#include "audit/chain.h"'
refuses check-rooms the_audit_library_is_used_by_its_public_header
line_first watchdog/perform/perform.c '#include "../base/fact.h"'
refuses check-rooms includes_never_go_up
mkdir "$tree/watchdog/cellar"
touch "$tree/watchdog/cellar/cellar.h"
refuses check-rooms a_folder_without_a_row_is_refused

judge <<<'#include <time.h>
long judge_now(void); long judge_now(void) { return time(NULL); }'
refuses check-pure a_clock_in_the_judge_is_refused
judge <<<'#include <stdlib.h>
void *judge_new(void); void *judge_new(void) { return malloc(8); }'
refuses check-pure an_allocator_in_the_judge_is_refused
judge <<<'#include <stdio.h>
void judge_say(void); void judge_say(void) { puts("x"); }'
refuses check-pure a_log_call_in_the_judge_is_refused
judge <<<'int judge_count(void); int judge_count(void) { static int n; return n++; }'
refuses check-pure a_static_counter_is_refused
judge <<<'extern int judge_set; int judge_set = 3;'
refuses check-pure writable_data_is_refused

judge <<<'int   badly( void );'
refuses check-format bad_layout_is_refused
printf '#!/bin/sh\nrm $1\n' >"$tree/tests/x.sh"
refuses check-shell an_unquoted_variable_is_refused
printf '.Sh\n.Xx\n' >>"$tree/man/x.1"
refuses check-man a_broken_man_page_is_refused
printf '.Xr governor-nowhere 7\n' >>"$tree/man/x.1"
refuses check-man a_page_of_ours_that_is_not_there_is_refused
printf 'see /%s/here\n' work >"$tree/tests/notes"
refuses check-names a_path_of_this_machine_is_refused

exit $failed
