#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# kill -9 of a VMM whose L1 is running L2s, over and over: nothing stays behind.
# The VMM is the benchmarks' small one, which has no firmware to wait for. Each round
# waits for the guest-hypervisor image's first VMRUN, however long a slow machine
# takes to get there, and lets it run a little longer or shorter, so that it dies in
# different places. In the end one VM is left running, but not with LEAVE=no.
#
# usage: nested_kill.sh VMM IMAGE [ROUNDS [TESTS [VMM-OPTION...]]]

vmm=${1:-./bench-vmm} image=${2:-l1.elf} rounds=${3:-200} tests=${4:-tlb,smp,npf}
[ $# -gt 4 ] && shift 4 || set --

echo "TAP version 13"
skip() { echo "1..0 # SKIP $1"; exit 4; }
[ -c /dev/kvm ] || skip "no /dev/kvm"
[ -x "$vmm" ] || skip "no VMM $vmm"
[ -f "$image" ] || skip "no image $image"
[ -r /sys/kernel/debug/nestor/nested_entries ] || skip "nestor is not loaded, or no debugfs"

status=0
nr=0
ok() {
	nr=$((nr + 1))
	if [ "$1" = 0 ]; then echo "ok $nr $2"; else echo "not ok $nr $2"; status=1; fi
}
# Pages on a CPU's own free lists (tens of MiB) are free, too, and not in MemAvailable.
available() {
	awk '/^MemAvailable:/ { kib = $2 } $1 == "count:" { kib += 4 * $2 } END { print kib }' \
		/proc/meminfo /proc/zoneinfo
}
entries() { read -r count < /sys/kernel/debug/nestor/nested_entries; echo "$count"; }

round() {
	was=$(entries) tries=0
	"$vmm" -s 2 -m 64 "$@" "$image" "tests=$tests cpus=2" < /dev/null > /dev/null 2>&1 &
	pid=$!
	while [ "$(entries)" = "$was" ] && [ $tries -lt 3000 ] && kill -0 $pid 2>/dev/null; do
		tries=$((tries + 1))
		usleep 10000
	done
	[ "$(entries)" = "$was" ] || nested=$((nested + 1))
	usleep $((delay * pause))
	# It is killed, and has not ended by itself.
	kill -9 $pid 2>/dev/null || early=$((early + 1))
	wait $pid 2>/dev/null
}

echo "1..4"
# The first rounds fill caches that stay; they are not the measure.
[ "$rounds" -lt 100 ] && pause=2000 || pause=20000
delay=19 warm=5
[ "$rounds" -ge 10 ] || delay=4 warm=2
n=0 nested=0 early=0
while [ $n -lt $warm ]; do
	n=$((n + 1))
	round "$@"
done
echo 3 > /proc/sys/vm/drop_caches
sleep 1
before=$(available)
start=$(entries)
n=0 nested=0 early=0
while [ $n -lt "$rounds" ]; do
	n=$((n + 1)) delay=$((n % 20))
	round "$@"
done
tries=0
while [ "$(cat /sys/module/nestor/refcnt)" != 0 ] && [ $tries -lt 50 ]; do
	tries=$((tries + 1))
	usleep 100000
done
[ "$(cat /sys/module/nestor/refcnt)" = 0 ]
ok $? "no VM is left after $rounds kills"
ran=$(($(entries) - start))
echo "# $nested VMs, $ran nested entries"
[ $early = 0 ] || echo "# $early ended before they were killed"
[ $nested = "$rounds" ] && [ $early = 0 ]
ok $? "each killed VM ran nested"
echo 3 > /proc/sys/vm/drop_caches
sleep 1
lost=$((before - $(available)))
echo "# $lost KiB less memory"
# The counter itself wavers by some hundred KiB; KASAN keeps freed objects, a 32nd of the memory at most.
most=2048
if grep -q ' kasan_quarantine_reduce' /proc/kallsyms; then
	most=$((most + $(awk '/^MemTotal:/ { print $2 }' /proc/meminfo) / 32))
	echo "# of which $most KiB may be in KASAN's quarantine"
fi
[ $lost -lt $most ]
ok $? "free memory is back"
# The kernel complains of Bochs's XSAVE sizes at boot, with no module loaded.
! dmesg | grep -E 'WARNING|BUG:|Oops|general protection' | grep -v fpu__init_system_xstate
ok $? "no complaint in the kernel log"
[ "$LEAVE" = no ] && exit $status
# The lab sees whether its host powers off while L2s run.
was=$(entries) tries=0
"$vmm" -s 2 -m 64 "$@" "$image" "tests=$tests cpus=2" < /dev/null > /dev/null 2>&1 &
while [ "$(entries)" = "$was" ] && [ $tries -lt 3000 ]; do
	tries=$((tries + 1))
	usleep 10000
done
exit $status
