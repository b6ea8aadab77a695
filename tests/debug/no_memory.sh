#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Allocations of KVM_RUN fail by chance, which says ENOMEM then and is called again: the guest-hypervisor image prints what it
# prints undisturbed. TAP, a line a group.
#
# usage: no_memory.sh L1_STATE IMAGE PERCENT GROUP...
vmm=$1 image=$2 percent=$3
shift 3

cpu=
grep -q "QEMU TCG" /proc/cpuinfo && cpu=cpu=tcg
n=0 status=0 failed=0 in_l2=0
for group; do
	n=$((n + 1))
	"$vmm" -q "$image" "tests=$group cpus=1 seed=1 $cpu" > alone.out 2> alone.err
	timeout 300 "$vmm" -q -m "$percent" "$image" "tests=$group cpus=1 seed=1 $cpu" > failed.out 2> failed.err
	# "l1_state: out of memory N times, M with L2"
	times=$(sed -n 's/.*out of memory \([0-9]*\) times.*/\1/p' failed.err)
	l2=$(sed -n 's/.*times, \([0-9]*\) with L2.*/\1/p' failed.err)
	failed=$((failed + ${times:-0})) in_l2=$((in_l2 + ${l2:-0}))
	if grep -q '^ok' alone.out && cmp -s alone.out failed.out; then
		echo "ok $n - $group: $(grep -c '^ok' failed.out) tests, out of memory ${times:-0} times, ${l2:-0} with L2"
	else
		echo "not ok $n - $group"
		cat alone.err failed.err | sed 's/^/# /'
		diff alone.out failed.out | head -n 20 | sed 's/^/# /'
		status=1
	fi
done
n=$((n + 1))
if [ $in_l2 -gt 0 ] && [ $failed -gt $in_l2 ]; then
	echo "ok $n - memory ran out with L1 and with L2"
else
	echo "not ok $n - memory ran out $failed times, $in_l2 of them with L2"
	status=1
fi
echo "1..$n"
exit $status
