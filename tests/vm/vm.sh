# shellcheck shell=bash
# The VM test bed: Debian's own kernel with memory of a size that is said, real cgroup v2, an ext4 root, power that can be cut.
#
# A VM test is tests/vm/test_NOUN.sh. It sources this file and tells stories with the very words of ../live/bed.sh, which this
# file sources; governed.sh, sourced after it, works here too. What is different:
#
#       bed_boot NAME [MEMORY [QEMU-OPTION...]]         512M unless said; the disk is NAME's
#       bed_stop | bed_cut; bed_boot NAME               powers off or cuts the power, and on again: the disk is kept
#
# A cut loses what the VM had in memory, as a power cut does; what it had handed to its disk is kept, flushed or not.
#
# It is QEMU without any help from the processor, so that it does the same everywhere: a boot takes about 10 seconds on a quiet
# machine and everything in it some ten times as long as in a container. Few stories to a VM, and deadlines to match.
# Needs no root. VM_CPUS (2) and VM_ACCELERATOR (tcg) may be set. Everything dies with the test.
BED_PREPARES=no
# shellcheck source=tests/live/bed.sh
. "$(dirname "${BASH_SOURCE[0]}")/../live/bed.sh"

PM2_SECONDS=${PM2_SECONDS:-180}
case $(uname -m) in
aarch64) VM_QEMU=(qemu-system-aarch64 -machine "virt,gic-version=max,accel=${VM_ACCELERATOR:-tcg}") VM_CONSOLE=ttyAMA0 ;;
*) VM_QEMU=("qemu-system-$(uname -m)" -machine "pc,accel=${VM_ACCELERATOR:-tcg}") VM_CONSOLE=ttyS0 ;;
esac

vm_prepare() {
        command -v "${VM_QEMU[0]}" >/dev/null || bed_skip "there is no ${VM_QEMU[0]}; type: make setup"
        [ -e "$BED_CACHE/done/vm" ] || bed_skip "there is no VM image in $BED_CACHE; type: make setup"
        [ -x "$BED_BUILD/tests/vm/outside" ] || bed_skip "tests/vm is not built; type: make vm"
        bed_begin
        vm_make_tree
}

# The disk with what is built here: /opt/gov and /opt/src in the VM, never written to.
vm_make_tree() {
        local tree=$BED_DIR/tree file
        mkdir -p "$tree/gov/tests" "$tree/src"
        tar -C "$BED_TREE" --exclude=./.git --exclude='./build*' --exclude=./tests/fuzz/corpus -cf - . | tar -C "$tree/src" -xf -
        cp -a "$BED_BUILD/bin" "$BED_BUILD"/*.a "$tree/gov/"
        for file in "$BED_BUILD"/tests/{live,vm}/*; do
                [[ $file == *.[do] || ! -x $file ]] || install -D -t "$tree/gov/tests/$(basename "${file%/*}")" "$file"
        done
        mke2fs -q -t ext4 -O ^has_journal -d "$tree" -E root_owner=0:0 "$BED_DIR/tree.ext4" $(($(du -sk "$tree" | cut -f 1) * 3 / 2 + 8192))k >/dev/null
        rm -rf "$tree"
}

bed_boot() {
        local name=$1 memory=${2:-512M} port ports=()
        local disk=$BED_DIR/$name.qcow2 log=$BED_DIR/$name.console
        [ -e "$disk" ] || qemu-img create -q -f qcow2 -F raw -b "$(realpath "$BED_CACHE/vm/root.ext4")" "$disk"
        for port in {1..8}; do
                ports+=(-chardev "socket,id=line$port,server=on,wait=off,path=$BED_DIR/$name.line.$port"
                        -device "virtserialport,chardev=line$port,nr=$port")
        done
        # A flush reaches the file of the host and goes no further: it is QEMU that is killed here, not the host.
        setpriv --pdeathsig KILL "${VM_QEMU[@]}" -cpu max -smp "${VM_CPUS:-2}" -m "$memory" \
                -nodefaults -no-user-config -display none -no-reboot -serial stdio \
                -kernel "$BED_CACHE/vm/kernel" -initrd "$BED_CACHE/vm/initrd" \
                -append "console=$VM_CONSOLE quiet panic=-1 mitigations=off" \
                -blockdev "driver=qcow2,node-name=disk,file.driver=file,file.filename=$disk,file.cache.no-flush=on" \
                -blockdev "driver=raw,node-name=tree,read-only=on,file.driver=file,file.filename=$BED_DIR/tree.ext4" \
                -device virtio-blk-pci,drive=disk -device virtio-blk-pci,drive=tree \
                -device virtio-rng-pci -device virtio-serial-pci "${ports[@]}" "${@:3}" \
                </dev/null >"$log" 2>&1 {BED_LOCK}<&- &
        BED_NSPAWN[$name]=$!
        BED_NOW=$name
        bed_wait 120 bed_is_up && return
        tail -n 40 "$log" >&2
        bed_fail "the VM '$name' did not boot"
}

# The kernel's and systemd's own words are in BED_DIR/NAME.console.
bed_is_up() {
        kill -0 "${BED_NSPAWN[$BED_NOW]}" 2>/dev/null || {
                BED_GIVE_UP="QEMU ended by itself"
                return 1
        }
        timeout 10 "$BED_BUILD/tests/vm/outside" "$BED_DIR/$BED_NOW.line" systemctl is-system-running </dev/null 2>/dev/null |
                grep -qxE 'running|degraded' || return
        BED_LEADER[$BED_NOW]=${BED_NSPAWN[$BED_NOW]}
}

bed_stop() {
        [ -z "${BED_LEADER[$BED_NOW]:-}" ] || bed_run systemctl poweroff </dev/null || :
        bed_wait 60 "! kill -0 ${BED_NSPAWN[$BED_NOW]}" || bed_fail "the VM '$BED_NOW' did not power off"
        bed_cut
}

bed_cut() {
        kill -KILL "${BED_NSPAWN[$BED_NOW]}" 2>/dev/null || :
        wait "${BED_NSPAWN[$BED_NOW]}" 2>/dev/null || :
        unset "BED_NSPAWN[$BED_NOW]" "BED_LEADER[$BED_NOW]"
}

# All of its input is taken, as ssh does: `bed_run ... </dev/null` where a loop reads on.
bed_run() {
        "$BED_BUILD/tests/vm/outside" "$BED_DIR/$BED_NOW.line" env -i PATH=$BED_PATH HOME=/root LANG=C.UTF-8 TERM=dumb "$@"
}

bed_write() { bed_run install -D -m 0644 /dev/stdin "$1"; }

bed_cp() {
        local file options=()
        for file in "${@:1:$#-1}"; do
                file=$(realpath -s "$file")
                options+=(-C "${file%/*}" "${file##*/}")
        done
        tar -cf - "${options[@]}" | bed_run sh -c 'd=$(mktemp -d) && tar -xf - -C "$d" && cp -a -- "$d"/* "$1"; rm -r "$d"' sh "${!#}"
}

bed_root() { bed_fail "the files of a VM are not to be seen from outside; use bed_run"; }

# Its logs cannot be looked for from outside: a test tells the story below.
bed_replay() { :; }

# The decisions of its log, made again from its facts, are the same; the beds of tests/live/ are replayed by themselves.
the_decisions_follow() { bed_run govctl replay --width 160; }

vm_prepare
