#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The guest-hypervisor image prints the same log whether it runs undisturbed or is moved to a new VM
# each time KVM_RUN returns, which is every fraction of a millisecond. TAP, a line a group.
#
# usage: nested_state.sh L1_STATE IMAGE LEAST EXITS GROUP...
# LEAST: so many moves have to find L2 running, over all groups; EXITS: l1_state's -e
vmm=$1 image=$2 least=$3 exits=$4
shift 4

[ -c /dev/kvm ] || { echo "1..0 # SKIP no /dev/kvm"; exit 4; }
cpu= slow=1
grep -q "QEMU TCG" /proc/cpuinfo && cpu=cpu=tcg
# A second is 100,000,000 instructions there, and a move costs as many as elsewhere.
grep -qi bochs /sys/class/dmi/id/*vendor /proc/cmdline 2> /dev/null && cpu=cpu=bochs slow=35
echo "TAP version 13"
n=0 status=0 in_l2=0
for group; do
	n=$((n + 1))
	"$vmm" -q "$image" "tests=$group cpus=1 seed=1 $cpu" > alone.out 2> alone.err
	timeout 300 "$vmm" -e "$exits" -f 1 -t $slow "$image" "tests=$group cpus=1 seed=1 $cpu" > moved.out 2> moved.err
	# "l1_state: N moves, M of them with L2"
	moves=$(sed -n 's/.*: \([0-9]*\) moves.*/\1/p' moved.err)
	l2=$(sed -n 's/.*, \([0-9]*\) of them.*/\1/p' moved.err)
	in_l2=$((in_l2 + ${l2:-0}))
	odd=$(sed -n 's/^l1_state: \([0-9]* odd .*\)/\1/p' moved.err)
	if grep -q '^ok' alone.out && [ "${moves:-0}" -gt 0 ] && cmp -s alone.out moved.out; then
		echo "ok $n - $group: $(grep -c '^ok' moved.out) tests, $moves moves, $l2 with L2; $odd"
	else
		echo "not ok $n - $group"
		cat alone.err moved.err | sed 's/^/# /'
		diff alone.out moved.out | head -n 20 | sed 's/^/# /'
		status=1
	fi
done
n=$((n + 1))
if [ $in_l2 -ge "$least" ]; then
	echo "ok $n - $in_l2 moves with L2"
else
	echo "not ok $n - only $in_l2 moves with L2, $least wanted"
	status=1
fi
echo "1..$n"
exit $status
