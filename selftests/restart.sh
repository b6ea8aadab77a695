#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the lab's host, with the module loaded and L2s running: kexec. The next kernel runs this
# script anew (lab.stage=2): the host's init loaded the module, which refuses a CPU
# that still has the extension on; all CPUs are there; a guest's tests pass. Then the
# machine reboots while L2s run again; tests/restart sees how that ends.
#
# With VMM, the benchmarks' small one, the guests need not wait for firmware; else they run in QEMU.
#
# usage: restart.sh TESTS-TO-LEAVE-RUNNING TESTS-TO-PASS CPUS [VMM]

busy=$1 tests=$2 cpus=$3 vmm=$4
status=0
ok() {
	if [ "$2" = 0 ]; then echo "ok $1 $3"; else echo "not ok $1 $3"; status=1; fi
}
entries() { cat /sys/kernel/debug/nestor/nested_entries; }
# What the emulated CPU lacks no hypervisor can give.
cpu=
if grep -q "QEMU TCG" /proc/cpuinfo; then
	cpu=cpu=tcg
elif grep -qi bochs /sys/class/dmi/id/*vendor /proc/cmdline 2> /dev/null; then
	cpu=cpu=bochs
fi
guest() {
	if [ -n "$vmm" ]; then
		"$vmm" -m 64 -s "$cpus" l1.elf "tests=$1 cpus=$cpus exit=vmm $cpu" < /dev/null
	else
		sh run-l1.sh --accel kvm --smp "$cpus" --timeout 300 "$1"
	fi
}

# L2s run in the background from here on
start() {
	was=$(entries) tries=0
	guest "$busy" > /tmp/busy.tap 2>&1 &
	while [ "$(entries)" = "$was" ] && [ $tries -lt 6000 ]; do
		tries=$((tries + 1))
		usleep 20000
	done
	[ "$(entries)" != "$was" ]
}

# The guests' initramfs does not know Bochs's disks: add their modules in front.
initrd() {
	mkdir -p /tmp/more/modules
	for module in ata_piix sd_mod; do
		modprobe --show-depends $module
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r file; do
		cp "$file" /tmp/more/modules/
		basename "$file"
	done > /tmp/order
	(cd /tmp && cpio -id modules/order < "/lab/initrd-$1" 2> /dev/null)
	cat /tmp/order /tmp/modules/order | awk '!seen[$0]++' > /tmp/more/modules/order
	cp "/lab/initrd-$1" /tmp/initrd
	(cd /tmp/more && find . | cpio -o -H newc 2> /dev/null) >> /tmp/initrd
}

case $(cat /proc/cmdline) in
*lab.stage=2*)
	grep -q '^nestor ' /proc/modules
	ok 2 $? "the kernel after kexec loads the module"
	[ "$(grep -c '^processor' /proc/cpuinfo)" = "$cpus" ]
	ok 3 $? "it has $cpus CPUs"
	guest "$tests" > /tmp/tests.tap 2>&1
	s=$?
	grep -q '^ok' /tmp/tests.tap && ! grep -q '^not ok' /tmp/tests.tap || s=1
	[ $s = 0 ] || grep -E '^not ok|^#' /tmp/tests.tap | sed 's/^/# /'
	ok 4 $s "a guest hypervisor runs there: $tests"
	# The kernel complains of Bochs's XSAVE sizes at boot, with no module loaded.
	! dmesg | grep -E 'WARNING|BUG:|Oops|general protection' | grep -v fpu__init_system_xstate
	ok 5 $? "no complaint in the kernel log"
	start
	ok 6 $? "L2s run again"
	[ $status = 0 ] || exit 1
	# The last words need a moment on their way.
	sleep 2
	reboot -f ;;
*)
	# Loaded before L2s take the CPU's time, and without a checksum, which is most of the work.
	case $(uname -r) in
	6.1.*) series=6.1 ;;
	*) series=6.12 ;;
	esac
	case $LAB_HOST in
	svm) cp "/lab/initrd-$series" /tmp/initrd ;;
	*) initrd $series ;;
	esac
	kexec --no-checks -l "/lab/vmlinuz-$series" --initrd=/tmp/initrd \
		--command-line="$(cat /proc/cmdline) lab.stage=2" || exit 1
	start
	ok 1 $? "L2s run"
	echo "# kexec"
	sleep 2
	kexec -e ;;
esac
exit 1
