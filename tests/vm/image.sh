#!/bin/bash
# Makes what a test VM boots: Debian's own cloud kernel, an initial file system that finds the disk, and the root disk.
#
#   tests/vm/image.sh TESTBED
#
# TESTBED/vm/kernel, initrd and root.ext4, from TESTBED's root, node and npm and from Debian's archive. The kernel is unpacked,
# never installed. The root file system is the containers', with Node, PM2 and the kernel's modules, and without the services
# that look for hardware which a VM does not have. What changes with each build (Governor, the tests) is on a disk of its own,
# see vm.sh.
set -eu

testbed=$1
to=$testbed/vm
work=$(mktemp -d "$to.work.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
architecture=$(dpkg --print-architecture)

# Of a disk, a console and the line in: what the kernel has built in needs no module.
modules="virtio_pci virtio_mmio virtio_blk virtio_console virtio-rng"

# Devices come from the kernel alone (there is no udev), so nothing may wait for one.
masked="serial-getty@.service getty@.service getty-static.service systemd-remount-fs.service systemd-modules-load.service
        systemd-binfmt.service proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount kmod-static-nodes.service
        modprobe@.service dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount
        sys-kernel-config.mount sys-fs-fuse-connections.mount systemd-update-utmp.service
        systemd-update-utmp-runlevel.service systemd-random-seed.service systemd-sysusers.service
        systemd-tmpfiles-setup-dev.service systemd-ask-password-wall.path systemd-ask-password-console.path"

# The packages come from bookworm whatever runs here: mmdebstrap has an apt that knows just that.
fetch() {
        cat >"$work/fetch" <<-'HOOK'
		set -eu
		export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG
		kernel=$(apt-cache depends "linux-image-cloud-$ARCHITECTURE" | awk '$1 == "Depends:" { print $2; exit }')
		cd "$WORK"
		apt-get -q download "$kernel" busybox-static systemd-oomd
	HOOK
        WORK=$work ARCHITECTURE=$architecture \
                mmdebstrap --quiet --variant=custom --extract-hook="sh $work/fetch" bookworm "$work/nothing"
        for package in "$work"/{linux-image,busybox}*.deb; do
                dpkg-deb -x "$package" "$work/unpacked"
        done
        dpkg-deb -x "$work"/systemd-oomd*.deb "$work/oomd"
        version=$(basename "$work"/unpacked/lib/modules/*)
        depmod -b "$work/unpacked" "$version"
}

make_root() {
        local disk=$work/root name
        cp -a "$testbed/root" "$disk"
        rm "$disk/usr/bin/node"
        cp -a "$testbed/node/node_modules/node/bin/node" "$disk/usr/bin/node"
        for name in "$testbed"/npm/pm2-*; do
                mkdir "$disk/opt/${name##*/}"
                cp -a "$name/node_modules" "$disk/opt/${name##*/}/"
        done
        mkdir -p "$disk/usr/lib/modules" "$disk/opt/src"
        cp -a "$work/unpacked/lib/modules/$version" "$disk/usr/lib/modules/"
        # systemd-oomd, with nothing that would start it
        rm -rf "$work"/oomd/usr/lib/systemd/system/*.d
        tar -C "$work/oomd" -cf - . | tar -C "$disk" --keep-directory-symlink -xf -
        systemd-sysusers --root="$disk" systemd-oom.conf
        for name in $masked; do
                ln -sf /dev/null "$disk/etc/systemd/system/$name"
        done
        ln -sf /lib/systemd/system/multi-user.target "$disk/etc/systemd/system/default.target"
        # a part of the system, not somebody's agent
        ln -s ../vm-line.service "$disk/usr/lib/systemd/system/sysinit.target.wants/"
        cat >"$disk/usr/lib/systemd/system/vm-line.service" <<-'UNIT'
		[Unit]
		Description=What the test has to say
		DefaultDependencies=no
		[Service]
		ExecStart=/opt/gov/tests/vm/inside
		OOMScoreAdjust=-1000
		OOMPolicy=continue
	UNIT
        mke2fs -q -t ext4 -L root -d "$disk" -E lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0 "$work/root.ext4" 4G
}

make_initrd() {
        local disk=$work/initrd.d name n=10
        mkdir -p "$disk"/{bin,dev,proc,root,tree,modules}
        cp "$work/unpacked/bin/busybox" "$disk/bin/"
        # each after what it needs, as modprobe would; the number keeps them in that order
        for name in $modules; do
                modprobe -d "$work/unpacked" -S "$version" --show-depends "$name" | awk '$1 == "insmod" { print $2 }'
        done | awk '!seen[$0]++' | while read -r name; do
                cp "$name" "$disk/modules/$n-${name##*/}"
                n=$((n + 1))
        done
        cat >"$disk/init" <<-'INIT'
		#!/bin/busybox sh
		b=/bin/busybox
		$b mount -t devtmpfs dev /dev
		$b mount -t proc proc /proc
		for module in /modules/*; do $b insmod "$module"; done
		$b mount -t ext4 /dev/vda /root
		$b mount -t ext4 -o ro /dev/vdb /tree
		$b mount --bind /tree/gov /root/opt/gov
		$b mount --bind /tree/src /root/opt/src
		$b umount /tree
		$b umount /proc
		$b mount --move /dev /root/dev
		exec $b switch_root /root /lib/systemd/systemd
	INIT
        chmod +x "$disk/init"
        (cd "$disk" && find . | cpio -o -H newc --quiet --owner=0:0) >"$work/initrd"
}

fetch
make_root
make_initrd
cp "$work"/unpacked/boot/vmlinuz-* "$work/kernel"
rm -rf "$to"
mkdir "$to"
mv "$work"/{kernel,initrd,root.ext4} "$to/"
