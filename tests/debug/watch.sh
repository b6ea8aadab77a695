#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: watch.sh COMMAND...
#
# In a host with a kernel with sanitizers: run COMMAND, ask kmemleak what it left behind, with the
# module loaded and again with it gone, and look at the kernel's log. TAP; the reports are
# comments.

dir=$(dirname "$0")
. "$dir/report.sh"

status=0
verdict() {
	if [ "$1" = 0 ]; then echo "ok 9000 $2"; else echo "not ok 9000 $2"; status=1; fi
}

# The log has what loading the module said, too.
marker="lab: loading the module"
leaks_begin
[ -w /sys/kernel/debug/kcsan ] && echo on > /sys/kernel/debug/kcsan
sanitizers
verdict $? "the sanitizers are on"

"$@"
ended=$?
[ $ended = 0 ] || [ $ended = 4 ]
verdict $? "the command ended with status $ended"

sanitizers
verdict $? "the sanitizers still are"
[ -w /sys/kernel/debug/kcsan ] && echo off > /sys/kernel/debug/kcsan
leaks
verdict $? "kmemleak finds nothing with the VMs gone"
if [ -d /sys/module/nestor ]; then
	rmmod nestor
	verdict $? "the module unloads"
	leaks
	verdict $? "kmemleak finds nothing with the module gone"
fi
reports
verdict $? "no report in the kernel's log"
exit $status
