#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: gcov.sh COMMAND...
#
# In a host whose kernel has gcov, with a module that is built for it: run COMMAND, then print the module's counters, a tar archive in
# base64, after a line "gcov:".
"$@"
status=$?
mkdir /tmp/gcov
# The files of debugfs have no size: tar would store nothing.
find /sys/kernel/debug/gcov -name '*.gcda' | while IFS= read -r f; do
	mkdir -p "/tmp/gcov/$(dirname "${f#/sys/kernel/debug/gcov/}")"
	cat "$f" > "/tmp/gcov/${f#/sys/kernel/debug/gcov/}"
done
echo "gcov:"
tar -c -C /tmp/gcov . | gzip | base64
exit $status
