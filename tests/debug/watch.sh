#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: watch.sh COMMAND...
#
# In a host with a debug kernel: run COMMAND, then ask kmemleak what it left behind, with the
# module loaded and again with it gone. Status 1 and the reports if the kernel had anything to say.

log=/tmp/watch.log
status=0

complain() { echo "not ok - $1"; status=1; }

# Objects have to be some seconds old, and a pointer may sit in a register at one scan.
leaks() {
	[ -w /sys/kernel/debug/kmemleak ] || return 0
	sleep 6
	echo scan > /sys/kernel/debug/kmemleak
	sleep 1
	echo scan > /sys/kernel/debug/kmemleak
	cat /sys/kernel/debug/kmemleak > /tmp/leaks
	[ -s /tmp/leaks ] || return 0
	complain "kmemleak, $1: $(grep -c '^unreferenced' /tmp/leaks) objects"
	head -n 60 /tmp/leaks
}

# What was lost before is not ours.
if [ -w /sys/kernel/debug/kmemleak ]; then
	echo scan > /sys/kernel/debug/kmemleak
	echo clear > /sys/kernel/debug/kmemleak
fi
[ -w /sys/kernel/debug/kcsan ] && echo on > /sys/kernel/debug/kcsan

"$@"
s=$?
[ $s = 0 ] || [ $s = 4 ] || complain "the command ended with status $s"

[ -w /sys/kernel/debug/kcsan ] && echo off > /sys/kernel/debug/kcsan
leaks "module loaded"
if [ -d /sys/module/nestor ]; then
	rmmod nestor || complain "the module does not unload"
	leaks "module gone"
fi

dmesg | sed '1,/lab: loading the module/d' > $log
if grep -n -E 'BUG:|WARNING|INFO: |UBSAN|KASAN|KCSAN|ODEBUG|suspicious|cut here|Call Trace|Oops|general protection|stall|lockup|inconsistent lock|possible (circular|recursive)|bad unlock|held lock|sleeping function|corruption|detected|Bad page' \
	$log > /tmp/reports; then
	complain "the kernel's log has reports:"
	first=$(head -n 1 /tmp/reports | cut -d: -f1)
	tail -n "+$((first > 3 ? first - 3 : 1))" $log | head -n 150
fi
[ $status = 0 ] && echo "ok - no report from the kernel"
exit $status
