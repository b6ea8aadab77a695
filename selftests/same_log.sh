#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The guest-hypervisor image prints the same log whether it runs undisturbed or not. Disturbed is, with
# moves: by a move to a new VM each time KVM_RUN returns, which is every fraction of a millisecond;
# no-memory: by allocations of KVM_RUN that fail by chance; it says ENOMEM then and is called again;
# threads: by KVM_RUN that is called by two threads in turn, each with an FS base of its own.
# TAP, a line a group and round.
#
# usage: same_log.sh moves L1_STATE IMAGE LEAST EXITS TESTS...
#        same_log.sh no-memory L1_STATE IMAGE PERCENT TESTS...
#        same_log.sh threads L1_STATE IMAGE LEAST TESTS...
# TESTS: a group, or tests of it, as the image takes them (vmx_state/timer,vmx_state/timer_hlt).
# LEAST: so many moves have to find L2 running, over all groups; when they do, is up to a timer and the speed of the
# machine, so all groups are moved again, at other times, until they did, at most ROUNDS times. EXITS: l1_state's -e.
# SLOW in the environment: the timer's times are so many times as long (l1_state's -t), and the image is patient.
ROUNDS=8
how=$1 vmm=$2 image=$3 amount=$4
shift 4

[ -c /dev/kvm ] || { echo "1..0 # SKIP no /dev/kvm"; exit 4; }
cpu= slow=${SLOW:-1} patient=${SLOW:+patient=1}
grep -q "QEMU TCG" /proc/cpuinfo && cpu=cpu=tcg
# A second is 100,000,000 instructions there, and a move costs as many as elsewhere.
grep -qi bochs /sys/class/dmi/id/*vendor /proc/cmdline 2> /dev/null && cpu=cpu=bochs slow=35

n=0 status=0

verdict() { # OK(0 or not) TEXT
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		status=1
	fi
}

alone() { # GROUP
	alone=alone.$(echo "$1" | tr / -)
	[ -f "$alone" ] || "$vmm" -q "$image" "tests=$1 cpus=1 seed=1 $cpu $patient" > "$alone" 2> "$alone.err"
}

disturbed() { # GROUP OPTION...
	group=$1
	shift
	timeout 300 "$vmm" "$@" "$image" "tests=$group cpus=1 seed=1 $cpu $patient" > disturbed.out 2> disturbed.err
}

# What l1_state says it did: "l1_state: N moves, M of them with L2", "l1_state: out of memory N times, M with L2"
said() { # PATTERN
	found=$(sed -n "s/^l1_state: .*$1.*/\1/p" disturbed.err)
	echo "${found:-0}"
}

compare() { # GROUP DISTURBANCES TEXT
	if [ "$2" -gt 0 ] && grep -q '^ok' "$alone" && cmp -s "$alone" disturbed.out; then
		verdict 0 "$1: $(grep -c '^ok' disturbed.out) tests, $3"
	else
		verdict 1 "$1: $3"
		sed 's/^/# /' "$alone.err" disturbed.err
		diff "$alone" disturbed.out | head -n 20 | sed 's/^/# /'
	fi
}

move() { # EXITS GROUP...
	exits=$1 in_l2=0 round=0
	shift
	while [ $round -lt $ROUNDS ] && [ $status = 0 ] && { [ $round = 0 ] || [ $in_l2 -lt "$amount" ]; }; do
		round=$((round + 1))
		for group; do
			alone "$group"
			disturbed "$group" -s $round -e "$exits" -f 1 -t "$slow"
			with_l2=$(said ', \([0-9]*\) of them')
			in_l2=$((in_l2 + with_l2))
			compare "$group" "$(said '\<\([0-9]*\) moves')" \
				"$(sed -n 's/^l1_state: \(.*moves.*\|.* odd .*\)/\1/p' disturbed.err | paste -sd ';' -)"
		done
	done
	verdict $((in_l2 < amount)) "$in_l2 moves with L2 in $round rounds, $amount wanted"
}

starve() { # GROUP...
	failed=0 in_l2=0
	for group; do
		alone "$group"
		disturbed "$group" -q -m "$amount"
		times=$(said 'out of memory \([0-9]*\) times') with_l2=$(said ' times, \([0-9]*\) with L2')
		failed=$((failed + times)) in_l2=$((in_l2 + with_l2))
		# Of one group alone nothing may have failed.
		compare "$group" 1 "out of memory $times times, $with_l2 with L2"
	done
	verdict $((in_l2 == 0 || failed <= in_l2)) "memory ran out $failed times, $in_l2 of them with L2"
}

alternate() { # GROUP...
	for group; do
		alone "$group"
		disturbed "$group" -T -t "$slow"
		turns=$(said '\<\([0-9]*\) turns')
		compare "$group" $((turns >= amount)) "$turns turns of two threads, $amount wanted"
	done
}

echo "TAP version 13"
case $how in
moves) move "$@" ;;
no-memory) starve "$@" ;;
threads) alternate "$@" ;;
*) echo "Bail out! same_log.sh: moves, no-memory or threads, not '$how'"; exit 1 ;;
esac
echo "1..$n"
exit $status
