#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# CPUs that go and come, and suspend, while L1 runs L2s on all of them: the guest's
# tests go on and pass. On AMD-V the module is loaded then where somebody has set EFER.SVME.
#
# RUN is run-l1.sh, for QEMU, or the benchmarks' small VMM, which has no firmware to wait for.
#
# CPUs go and come until the tests end, at most CYCLES times.
#
# usage: power.sh IMAGE RUN [NESTOR.KO [TESTS [CYCLES]]]

image=$1 run=$2 ko=${3:-/lab/nestor.ko} tests=${4:-tlb,smp,npf} cycles=${5:-10}

echo "TAP version 13"
skip() { echo "1..0 # SKIP $1"; exit 4; }
[ -c /dev/kvm ] || skip "no /dev/kvm"
[ -f "$image" ] || skip "no image"
[ -w /sys/devices/system/cpu/cpu1/online ] || skip "one CPU only"

status=0 nr=0
ok() {
	nr=$((nr + 1))
	if [ "$1" = 0 ]; then echo "ok $nr $2"; else echo "not ok $nr $2"; status=1; fi
}
skipped() { nr=$((nr + 1)); echo "ok $nr $1 # SKIP $2"; }
entries() { cat /sys/kernel/debug/nestor/nested_entries; }

# start: the guest-hypervisor image in the background, once it runs L2s
start() {
	was=$(entries)
	case $run in
	*.sh) sh "$run" --accel kvm --smp 2 --image "$image" --timeout 300 "$tests" ;;
	*) "$run" -m 64 -s 2 "$image" "tests=$tests cpus=2 exit=vmm $cpu" ;;
	esac > /tmp/power.tap 2>&1 < /dev/null &
	vmm=$!
	tries=0
	while [ "$(entries)" = "$was" ] && [ $tries -lt 3000 ]; do
		tries=$((tries + 1))
		usleep 20000
	done
}

running() {
	case $(sed 's/.*) //; s/ .*//' /proc/$vmm/stat 2> /dev/null) in
	Z | '') return 1 ;;
	esac
}

# the guest's tests have all ended, and well
ended() {
	wait $vmm
	s=$?
	grep -q '^ok' /tmp/power.tap && ! grep -q '^not ok' /tmp/power.tap || s=1
	[ $s = 0 ] || grep -E '^not ok|^#' /tmp/power.tap | sed 's/^/# /'
	ok $s "$1"
}

# What the emulated CPU lacks no hypervisor can give.
cpu=
if grep -q "QEMU TCG" /proc/cpuinfo; then
	cpu=cpu=tcg
elif grep -qi bochs /sys/class/dmi/id/*vendor /proc/cmdline 2> /dev/null; then
	cpu=cpu=bochs
fi

# A guest without firmware is soon done.
case $run in *.sh) nap=100000 ;; *) nap=20000 ;; esac

start
good=0 n=0
while [ $n -lt "$cycles" ] && running; do
	n=$((n + 1))
	echo 0 > /sys/devices/system/cpu/cpu1/online || good=1
	usleep $nap
	echo 1 > /sys/devices/system/cpu/cpu1/online || good=1
	usleep $nap
done
echo "# $n times"
[ $n -gt 0 ] || good=1
ok $good "cpu1 goes and comes while L2s run"
ended "the guest did not notice"

alarm=/sys/class/rtc/rtc0/wakealarm
if grep -q deep /sys/power/mem_sleep 2> /dev/null && [ -w $alarm ]; then
	start
	echo deep > /sys/power/mem_sleep
	echo +4 > $alarm
	echo mem > /sys/power/state
	ok $? "suspend to memory and resume while L2s run"
	ended "the guest goes on"
else
	skipped "suspend" "this host has no suspend to memory, or no clock that wakes it"
fi

# Whoever has SVME set runs a hypervisor that we know nothing of.
if ! grep -qw svm /proc/cpuinfo; then
	skipped "EFER.SVME" "no AMD-V"
elif rmmod nestor && modprobe msr 2> /dev/null && [ -w /dev/cpu/0/msr ]; then
	efer=$((0xc0000080))
	old=$(dd if=/dev/cpu/0/msr bs=8 count=1 skip=$efer iflag=skip_bytes 2> /dev/null |
		od -An -tu8 | tr -d ' ')
	set_efer() {
		v=$1 bytes=
		for i in 1 2 3 4 5 6 7 8; do
			bytes="$bytes\\$(printf %03o $((v & 255)))"
			v=$((v >> 8))
		done
		# shellcheck disable=SC2059
		printf "$bytes" | dd of=/dev/cpu/0/msr bs=8 count=1 seek=$efer oflag=seek_bytes 2> /dev/null
	}
	set_efer $((old | 1 << 12))
	why=$(insmod "$ko" 2>&1)
	case $why in
	*busy*) ok 0 "refused while EFER.SVME is set" ;;
	*) echo "# $why"; ok 1 "refused while EFER.SVME is set" ;;
	esac
	dmesg | tail -n 3 | grep -q 'hypervisor is already running'
	ok $? "and the log says why"
	set_efer "$old"
	insmod "$ko" nested=0
	ok $? "it loads once the bit is clear"
	rmmod nestor
else
	skipped "EFER.SVME" "no msr driver"
fi
# The kernel complains of Bochs's XSAVE sizes at boot, with no module loaded.
! dmesg | grep -E 'WARNING|BUG:|Oops|general protection' | grep -v fpu__init_system_xstate
ok $? "no complaint in the kernel log"
echo "1..$nr"
exit $status
