#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a lab host without the module: loading refuses, with its own errno and one
# line that names cause and remedy.
#
# usage: refuse.sh ERRNO-TEXT PATTERN [MODULE-TO-LOAD-FIRST]

want=$1 pattern=$2 first=$3
ko=/lab/nestor.ko
n=0
status=0
ok() {
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n $2"; else echo "not ok $n $2"; status=1; fi
}

echo "1..${PLAN:-5}"
if [ -n "$first" ]; then
	modprobe "$first" || { echo "Bail out! cannot load $first"; exit 1; }
fi
dmesg -c > /dev/null
said=$(insmod $ko kvm_alias=1 2>&1)
[ $? != 0 ]
ok $? "loading is refused"
echo "# $said"
echo "$said" | grep -qF "$want"
ok $? "errno: $want"
dmesg | sed 's/^/# /'
# busybox's insmod tries a second time, by the older system call.
[ "$(dmesg | sed 's/^\[[^]]*\] //' | grep 'nestor: not loaded' | sort -u | wc -l)" = 1 ]
ok $? "one line in the kernel log"
dmesg | grep 'nestor: not loaded' | grep 'remedy: ' | grep -q "$pattern"
ok $? "it names cause and remedy ($pattern)"
[ ! -e /dev/nestor ] && [ ! -e /sys/module/nestor ]
ok $? "nothing is left"
exit $status
