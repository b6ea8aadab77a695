#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run the guest-hypervisor image in QEMU and pass its TAP through. Exit status:
# 0 when the plan is complete and nothing is "not ok", 4 (kselftest's skip) when the
# image skipped everything, 1 otherwise.
#
# Algorithm: start QEMU with the console on stdout, keep a copy, and judge the
# copy, not QEMU's status: a machine that resets or hangs in the middle leaves an
# incomplete plan, and that is a failure however QEMU ended.

usage()
{
	cat <<USAGE
usage: run-l1.sh [--accel kvm|tcg|bochs] [--smp N] [--mem MB] [--cpu MODEL] [--timeout S]
                 [--expect-reset] [--goes-on] [--machine TYPE] [--host NAME] [--image FILE] [--qemu FILE]
                 [--seed N] [--patient] [TESTS]
TESTS: group or group/test, comma-separated, all (default), or list. --host names the home
whose known departures are skipped (kvm, tcg); by default that is tcg on bare TCG
and kvm where kvm_amd or kvm_intel holds /dev/kvm, else none are. --expect-reset is for
the tests of group fatal, one at a time: the machine must reset in the test. --goes-on is for those of
group vmx_fatal: it must reset, and the image that comes up again judges. --patient gives a test
nine minutes instead of nine seconds. --accel
bochs boots it by GRUB on Bochs (one CPU, whatever --smp says), whose --cpu is svm (the
default: AMD-V, zambezi), vmx (VT-x, corei7_skylake_x) or a model of Bochs.
USAGE
	exit 2
}

accel=kvm smp=1 mem=256 cpu= timeout=300 machine=q35 host= qemu=qemu-system-x86_64
dir=$(dirname "$0")
image=
tests=all
extra=
reset= goes_on= patient= noreboot=-no-reboot
seed=1

while [ $# -gt 0 ]; do
	case "$1" in
	--accel) accel=$2; shift ;;
	--expect-reset) reset=1 ;;
	--goes-on) goes_on=1 noreboot= ;;
	--patient) patient=patient=1 ;;
	--smp) smp=$2; shift ;;
	--mem) mem=$2; shift ;;
	--cpu) cpu=$2; shift ;;
	--timeout) timeout=$2; shift ;;
	--machine) machine=$2; shift ;;
	--host) host=$2; shift ;;
	--image) image=$2; shift ;;
	--qemu) qemu=$2; shift ;;
	--seed) seed=$2; shift ;;
	-*) usage ;;
	*) tests=$1 ;;
	esac
	shift
done

if [ -z "$image" ]; then
	for image in "$dir/l1.elf" "$dir/build/l1.elf"; do
		[ -f "$image" ] && break
	done
fi
[ -f "$image" ] || { echo "1..0 # SKIP no image: run make -C selftests first"; exit 4; }
[ "$accel" = bochs ] || command -v "$qemu" >/dev/null 2>&1 || { echo "1..0 # SKIP no $qemu"; exit 4; }
if [ "$accel" = bochs ]; then
	. "$dir/bochs.sh"
	missing=$(bochs_missing)
	[ -z "$missing" ] || { echo "1..0 # SKIP no $missing"; exit 4; }
	cpu=$(bochs_model "$cpu")
elif [ "$accel" = kvm ]; then
	[ -c /dev/kvm ] || { echo "1..0 # SKIP no /dev/kvm"; exit 4; }
	: "${cpu:=host}"
	for module in kvm_amd kvm_intel; do
		[ -z "$host" ] && [ -d /sys/module/$module ] && [ ! -d /sys/module/nestor ] && host=kvm
	done
else
	: "${cpu:=max}"
fi
[ -n "$host" ] && extra="host=$host"
extra="$extra $patient"
# Which emulator is the CPU below: what it lacks, no hypervisor on it can give.
if grep -q "QEMU TCG" /proc/cpuinfo; then
	extra="$extra cpu=tcg"
elif grep -qi bochs /sys/class/dmi/id/*vendor /proc/cmdline 2>/dev/null; then
	extra="$extra cpu=bochs"
fi

tmp=$(mktemp -d /tmp/run-l1.XXXXXX) || exit 1
out=$tmp/tap
trap 'rm -rf "$tmp"' EXIT INT TERM

run_qemu()
{
	timeout "$timeout" "$qemu" -accel "$accel" -cpu "$cpu" -M "$machine" -m "$mem" \
		-smp "$smp" -nodefaults -display none -serial stdio $noreboot \
		-kernel "$image" -device isa-debug-exit,iobase=0xf4 \
		-append "tests=$tests cpus=$smp seed=$seed $extra" </dev/null 2>&1
}

run_bochs()
{
	bochs_boot "$tmp" "$cpu" "$timeout" "$image" "tests=$tests seed=$seed host=bochs $patient" ||
		{ echo "# run-l1: grub-mkrescue failed"; return; }
	cat "$tmp/serial"
	# The last byte may still have been on its way when the power went.
	echo
	# What Bochs does not go on after; switching off is told that way too.
	grep -a PANIC "$tmp/log" | grep -v 'soft power off' | sed 's/^/# /'
}

if [ "$accel" = bochs ]; then
	run_bochs
else
	run_qemu
fi | tr -d '\r' | tee "$out"

plan=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$out" | head -n 1)
done=$(grep -c -E '^(not )?ok [0-9]+ ' "$out")
bad=$(grep -c '^not ok ' "$out")
if [ -z "$plan" ]; then
	echo "# run-l1: the image printed no plan"
	exit 1
fi
[ "$plan" -eq 0 ] && exit 4
if [ -n "$reset" ]; then
	grep -q '^ok .* # SKIP' "$out" && exit 4
	grep -q '^# expecting a reset' "$out" && [ "$done" -eq 0 ] && [ "$bad" -eq 0 ]
	exit
fi
if [ "$done" -ne "$plan" ]; then
	echo "# run-l1: only $done of $plan tests ended: the machine stopped"
	exit 1
fi
if [ -n "$goes_on" ] && ! grep -q '^# expecting a reset' "$out"; then
	echo "# run-l1: the machine did not reset"
	exit 1
fi
[ "$bad" -eq 0 ]
