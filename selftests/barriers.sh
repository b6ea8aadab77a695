#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Whatever ends L2, a branch-prediction barrier comes before L1 runs again: in a lab host with nestor,
# run the guest-hypervisor image's rows and hold the barriers against the nested exits.
# TAP.  usage: barriers.sh BENCH-VMM IMAGE
stats=/sys/kernel/debug/nestor

count()
{
	cat $stats/$1
}

n=0 status=0
check()
{
	n=$((n + 1))
	if [ "$2" -ge "$3" ]; then
		echo "ok $n - $1: $2 barriers, $3 nested exits"
	else
		echo "not ok $n - $1: $2 barriers, $3 nested exits"
		status=1
	fi
}

[ -r $stats/predictor_barriers ] || { echo "1..0 # SKIP no nestor"; exit 4; }
rows="svm/trip svm/inject-eoi svm/turn-4"
grep -qw vmx /proc/cpuinfo && rows="vmx/trip vmx/inject-eoi vmx/turn-4"
echo "1..3"
for row in $rows; do
	b=$(count predictor_barriers) e=$(count nested_exits)
	"$1" "$2" "bench=$row" > /dev/null || { echo "Bail out! $row does not run"; exit 1; }
	exits=$(($(count nested_exits) - e))
	[ "$exits" -gt 100 ] || { echo "Bail out! $row had $exits nested exits"; exit 1; }
	check "$row" $(($(count predictor_barriers) - b)) "$exits"
done
exit $status
