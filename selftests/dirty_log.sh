#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The dirty log has every page that is written while L1 runs L2s: a VMM keeps a copy of the guest's
# memory by it, as a live migration does, and compares in the end.  TAP.
#
# usage: dirty_log.sh BENCH-VMM IMAGE TESTS [CPUS]

vmm=$1 image=$2 tests=$3 cpus=${4:-1}

# What the emulated CPU lacks no hypervisor can give.
args=
if grep -q "QEMU TCG" /proc/cpuinfo; then
	args=cpu=tcg
elif grep -qi bochs /sys/class/dmi/id/*vendor /proc/cmdline 2> /dev/null; then
	args=cpu=bochs
fi

out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
"$vmm" -d -m 64 -s "$cpus" "$image" "tests=$tests cpus=$cpus exit=vmm $args" > "$out" 2>&1
status=$?
grep -E '^(not ok|#)' "$out" | sed 's/^/# /'
# A round before the first L2 is not enough.
rounds=$(sed -n 's/^# dirty log: \([0-9]*\) rounds.*/\1/p' "$out")
if [ "$status" = 0 ] && [ "${rounds:-0}" -ge 3 ]; then
	echo "ok 1 - nothing is missed by the dirty log: $tests"
	exit 0
fi
echo "# bench-vmm ended with status $status"
echo "not ok 1 - nothing is missed by the dirty log: $tests"
exit 1
