#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Load and unload the module over and over, a VM in between now and then: each time
# /dev/nestor comes and goes, memory stays, and the kernel log has no complaint.
#
# usage: load_unload.sh [NESTOR.KO [ROUNDS]]

ko=${1:-${NESTOR_KO:-nestor.ko}}
rounds=${2:-200}
dir=$(dirname "$0")

echo "TAP version 13"
skip() { echo "1..0 # SKIP $1"; exit 4; }
[ "$(id -u)" = 0 ] || skip "needs root"
[ -f "$ko" ] || skip "there is no $ko (first argument, or NESTOR_KO)"
if [ -d /sys/module/nestor ]; then
	rmmod nestor || skip "nestor is in use"
	reload=1
fi

nr=0
failed=0
ok() {
	nr=$((nr + 1))
	if [ "$1" = 0 ]; then echo "ok $nr $2"; else echo "not ok $nr $2"; failed=1; fi
}
# Pages on a CPU's own free lists (tens of MiB) are free, too, and not in MemAvailable.
available() {
	awk '/^MemAvailable:/ { kib = $2 } $1 == "count:" { kib += 4 * $2 } END { print kib }' \
		/proc/meminfo /proc/zoneinfo
}
complaints() { dmesg | grep -cE 'WARNING|BUG:|Oops|general protection|refcount|leak'; }

cycle() {
	insmod "$ko" && [ -c /dev/nestor ] || return 1
	if [ $(($1 % 10)) = 0 ] && [ -x "$dir/test_vm" ]; then
		"$dir/test_vm" /dev/nestor > /dev/null || return 1
	fi
	rmmod nestor && [ ! -e /sys/module/nestor ]
}

n=0
bad=0
noise=$(complaints)
while [ $n -lt 5 ]; do cycle $n || bad=1; n=$((n + 1)); done
before=$(available)
n=0
while [ $n -lt "$rounds" ]; do cycle $n || { bad=1; break; }; n=$((n + 1)); done
sleep 1
after=$(available)
ok $bad "$n times loaded and unloaded"
echo "# $before KiB available before, $after after"
[ $((before - after)) -lt 2048 ]; ok $? "memory is back"
[ "$(complaints)" = "$noise" ]; ok $? "no complaint in the kernel log"

# A module in use stays: its VM holds it.
if insmod "$ko"; then
	if [ -x "$dir/test_kill" ]; then
		setsid "$dir/test_kill" /dev/nestor 1000 > /dev/null & pid=$!
		sleep 2
		rmmod nestor 2> /dev/null; [ $? != 0 ]; ok $? "rmmod is refused while a VM exists"
		# Its VMMs, too.
		kill -9 "-$pid"
		wait "$pid" 2> /dev/null
		n=0
		while [ "$(cat /sys/module/nestor/refcnt)" != 0 ] && [ $n -lt 50 ]; do
			n=$((n + 1))
			usleep 100000
		done
	fi
	rmmod nestor; ok $? "and works when it is gone"
fi

# A stock KVM that comes later finds the extension taken. It must not come while /dev/kvm is
# nestor's: the kvm module of Debian's 6.1 that fails to register its device leaves a
# pointer into itself behind. The other order is tests/refuse.sh's.
case $(grep -m1 -o -w -e svm -e vmx /proc/cpuinfo) in
svm) vendor=kvm_amd ;;
*) vendor=kvm_intel ;;
esac
if [ ! -e /dev/kvm ] && insmod "$ko"; then
	if modprobe $vendor 2> /dev/null; then
		"$dir/test_vm" /dev/kvm > /dev/null 2>&1
		[ $? != 0 ]; ok $? "$vendor makes no VM beside nestor"
		"$dir/test_vm" /dev/nestor > /dev/null
		ok $? "and nestor's VMs do not notice"
		modprobe -r $vendor
	fi
	rmmod nestor
	[ "$(complaints)" = "$noise" ]; ok $? "no complaint in the kernel log"
fi
if [ -n "$reload" ]; then
	insmod "$ko"
fi
echo "1..$nr"
exit $failed
