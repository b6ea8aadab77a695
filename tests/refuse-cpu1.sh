#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest with two CPUs: what firmware left disabled on the second one only.  The module
# is refused as a whole, and the first CPU is as it was found.

modprobe msr || { echo "Bail out! no msr driver"; exit 1; }
# VM_CR: SVMDIS and LOCK
wrmsr -p 1 0xc0010114 0x18
[ "$(rdmsr -p 1 0xc0010114)" = 18 ] || { echo "Bail out! VM_CR of CPU 1 was not written"; exit 1; }
# On CPU 0 throughout: the second CPU would tell of itself.
PLAN=6 taskset 1 sh refuse.sh 'Permission denied' 'disabled.*on one of the CPUs'
status=$?
# EFER: SVME is bit 12
[ $((0x$(rdmsr -p 0 0xc0000080) & 0x1000)) = 0 ]
s=$?
[ $s = 0 ] && echo "ok 6 CPU 0 has EFER.SVME clear" || echo "not ok 6 CPU 0 has EFER.SVME clear"
[ $s = 0 ] && exit $status
exit 1
