#!/bin/bash
# What README.md tells a newcomer to type works: each command of its `console` blocks is run, in their order. `make check`
# and `make quick`, which run this or what runs beside it, are only asked what they would do; `make demo` has a test of its
# own.
# shellcheck source=tests/live/bed.sh
. "$(dirname "$0")/bed.sh"
unset TALLY

commands() { awk '/^```console$/ { inside = 1; next } /^```/ { inside = 0 } inside && sub(/^\$ /, "")' "$BED_TREE/README.md"; }

# Here, in the tree itself.
here() { (cd "$BED_TREE" && B=${BED_BUILD#"$BED_TREE"/} timeout 120 bash -c "$1"); }

# On another machine, where Governor may be installed. It has no compiler and needs none: all is built. It needs no sudo.
there() {
        bed_run env -C /opt/src bash -c '
                sudo() { "$@"; }
                make() { [ $# = 0 ] || env B=/opt/gov "${@:2}" units/install.sh "$1"; }
                '"$1"
}

it_works() {
        local status=0
        case $1 in
        'make demo' | 'make check' | 'make quick') here "make -n ${1#make } >/dev/null" ;;
        'make run '* | 'make help' | make) here "$1" ;;
        *govctl*) there "$1" || status=$? ;;
        *) there "$1" ;;
        esac
        # 3 is a finding, and news rather than a failure
        [ $status = 0 ] || [ $status = 3 ]
}

there_are_commands() { [ "$(commands | wc -l)" -ge 8 ]; }

# The picture of the policy is a policy.
its_policy_is_right() {
        awk '/^```yaml$/ { inside = 1; next } /^```/ { inside = 0 } inside' "$BED_TREE/README.md" | bed_write /srv/readme.yaml
        bed_run /opt/gov/bin/govctl policy check /srv/readme.yaml
}

what_it_names_is_there() {
        local path
        for path in $(grep -oE '`[a-z]+(/[a-zA-Z.]+)*/`|\]\([a-zA-Z/.]+\)' "$BED_TREE/README.md" | tr -d '`]()' | sort -u); do
                [ -e "$BED_TREE/$path" ] || [ -e "$BED_TREE/watchdog/$path" ] || bed_fail "README.md names $path, which is not there"
        done
}

bed_boot readme
bed_story there_are_commands
while read -r command; do
        bed_story it_works "$command"
done < <(commands)
bed_story its_policy_is_right
bed_story what_it_names_is_there
