#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# QEMU migrates the guest-hypervisor image to a file and goes on from it in another QEMU, again
# and again, and the image prints what it prints undisturbed. TAP.
#
# usage: migrate.sh IMAGE LEAST ARGS
# LEAST: so many migrations have to find L2 running; the stream says whether one did
# ARGS: the image's arguments; of the lines of a benchmark the time is left out
image=$1 least=$2 args=$3

[ -c /dev/kvm ] || { echo "1..0 # SKIP no /dev/kvm"; exit 4; }
extra=
grep -q "QEMU TCG" /proc/cpuinfo && extra=cpu=tcg
grep -qi bochs /sys/class/dmi/id/*vendor /proc/cmdline 2> /dev/null && extra=cpu=bochs
tmp=$(mktemp -d /tmp/migrate.XXXXXX) || exit 1
trap 'rm -rf "$tmp"' EXIT INT TERM
mkfifo "$tmp/monitor"
# QEMU ends when the image does, and nobody reads the monitor then.
trap '' PIPE

# $1: where the console goes; then more of QEMU's options
machine()
{
	serial=$1
	shift
	qemu-system-x86_64 -accel kvm -cpu host -M q35 -m 256 -smp 1 -nodefaults -display none \
		-serial "file:$serial" -no-reboot -kernel "$image" \
		-device isa-debug-exit,iobase=0xf4 \
		-append "$args cpus=1 seed=1 $extra" "$@"
}

# One QEMU from the file of the last one to the next file; 0: there is more to do
leg()
{
	if [ "$1" = 0 ]; then set -- "$1"; else set -- "$1" -incoming "exec:cat $tmp/stream"; fi
	n=$1
	shift
	machine "$tmp/serial.$n" -monitor stdio "$@" < "$tmp/monitor" > "$tmp/monitor.out" 2>&1 &
	qemu=$!
	exec 3> "$tmp/monitor"
	tries=0
	until grep -q 'status: running' "$tmp/monitor.out" || [ $tries = 100 ]; do
		kill -0 "$qemu" 2> /dev/null || break
		echo 'info status' >&3 2> /dev/null
		sleep 0.1
		tries=$((tries + 1))
	done
	# Where it is interrupted is to vary.
	sleep "0.$((10 + n * 37 % 60))"
	{ echo "migrate \"exec:cat > $tmp/next\""; echo quit; } >&3 2> /dev/null
	exec 3>&-
	wait "$qemu"
}

# "bench NAME OPS TIME"
time_off()
{
	tr -d '\r' | sed 's/^\(bench [^ ]* [0-9]*\) .*/\1/'
}

echo "TAP version 13"
machine "$tmp/alone" -monitor none < /dev/null > "$tmp/alone.out" 2>&1
n=0 with_l2=0
while leg "$n"; do
	n=$((n + 1))
	mv "$tmp/next" "$tmp/stream" || break
	if grep -aqE 'kvm_nested_state/(svm|vmx/vmcs12)' "$tmp/stream"; then
		with_l2=$((with_l2 + 1))
	fi
	[ "$n" -lt 200 ] || break
done
i=0
while [ $i -le $n ]; do
	cat "$tmp/serial.$i"
	i=$((i + 1))
done | time_off > "$tmp/moved"
time_off < "$tmp/alone" > "$tmp/expected"
lines=$(grep -cE '^(ok|bench)' "$tmp/expected")
if [ "$lines" -gt 0 ] && cmp -s "$tmp/expected" "$tmp/moved"; then
	echo "ok 1 - $args: $lines lines are the same, with $n migrations"
else
	echo "not ok 1 - $args, $n migrations"
	sed 's/^/# /' "$tmp/monitor.out" "$tmp/alone.out"
	diff "$tmp/expected" "$tmp/moved" | head -n 20 | sed 's/^/# /'
fi
if [ "$with_l2" -ge "$least" ]; then
	echo "ok 2 - $with_l2 migrations while L2 ran"
else
	echo "not ok 2 - only $with_l2 migrations while L2 ran, $least wanted"
fi
echo 1..2
