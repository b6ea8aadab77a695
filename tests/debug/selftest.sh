#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: selftest.sh MODULE
#
# In a host with a kernel with sanitizers: load the faulty MODULE for each fault that this kernel
# is to see, and look whether report.sh finds it. TAP.

dir=$(dirname "$0") module=$1
. "$dir/report.sh"
export REPORT_LINES=400

nr=0 status=0
verdict() {
	nr=$((nr + 1))
	if [ "$1" = 0 ]; then echo "ok $nr $2"; else echo "not ok $nr $2"; status=1; fi
}

# sees FAULT WORDS: a report of it, with these words
sees() {
	mark
	insmod "$module" what="$1" || echo "# insmod: status $?"
	rmmod faulty
	if reports > /tmp/said; then
		verdict 1 "$1: reported"
	else
		if grep -q -E "$2" /tmp/said; then
			verdict 0 "$1: reported as '$2'"
		else
			verdict 1 "$1: reported as '$2'"
			head -n 30 /tmp/said
		fi
	fi
}

mark
insmod "$module" && rmmod faulty && reports
verdict $? "no fault, no report"

if [ -w /sys/kernel/debug/kcsan ]; then
	echo on > /sys/kernel/debug/kcsan
	sanitizers
	verdict $? "KCSAN is on"
	sees race 'KCSAN: data-race'
	sees sleep 'sleeping function called from invalid context'
	sees warn 'WARNING: CPU'
	echo off > /sys/kernel/debug/kcsan
	! sanitizers > /dev/null
	verdict $? "off is not taken for on"
else
	sanitizers
	verdict $? "kmemleak and lockdep are on"
	leaks_begin
	leaks
	verdict $? "nothing lost, no leak"
	insmod "$module" what=lost && rmmod faulty
	! leaks > /tmp/said
	verdict $? "lost: found by kmemleak"
	sees sleep 'sleeping function called from invalid context'
	sees rcu 'suspicious RCU usage'
	sees warn 'WARNING: CPU'
	sees shift 'UBSAN: shift-out-of-bounds'
	sees bounds 'UBSAN: array-index-out-of-bounds'
	# It looks no further once it has complained, nor when memory has been written over.
	sees order 'possible circular locking dependency'
	! sanitizers > /dev/null
	verdict $? "lockdep is off after that, and this is seen"
	sees heap 'KASAN: slab-out-of-bounds'
	sees freed 'KASAN: slab-use-after-free'
	sees stack 'KASAN: stack-out-of-bounds'
	sees vmalloc 'KASAN: vmalloc-out-of-bounds'
	sees list 'list_add double add'
	sees timer 'ODEBUG: free active'
fi
echo "1..$nr"
exit $status
