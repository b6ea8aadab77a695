#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run cases of the oracle (selftests/l1/oracle) on one machine and print the image's log.
# When the machine dies in a case, "X CASE" is printed and the next one follows in a new
# machine.  Status 0 when all were run, 1 when the machine died too often, 4 when it cannot run.

usage()
{
	cat <<USAGE
usage: run-oracle.sh [--accel kvm|tcg|bochs] [--cpu MODEL] [--image FILE] [--timeout S]
                     [--list FILE] [--from N] [--cases N] [--deaths N] [--stream] [ARGUMENT...]
ARGUMENTs go to the image: seed=N profile=WORD,WORD verbose=1 most=N. --list has the cases
with their hashes, 16 bytes each; --deaths is how many a run goes on after (default 20).
"P CASE" says that all is there of the cases before it; with --stream, slow, each case is
announced before it runs, so that the last word of a host that died is what killed it.
USAGE
	exit 2
}

accel=kvm cpu= timeout=300 list= from=0 cases= deaths=20 stream=
dir=$(dirname "$0")
image=

while [ $# -gt 0 ]; do
	case "$1" in
	--accel) accel=$2; shift ;;
	--cpu) cpu=$2; shift ;;
	--image) image=$2; shift ;;
	--timeout) timeout=$2; shift ;;
	--list) list=$2; shift ;;
	--from) from=$2; shift ;;
	--cases) cases=$2; shift ;;
	--deaths) deaths=$2; shift ;;
	--stream) stream=1 ;;
	-*) usage ;;
	*) break ;;
	esac
	shift
done

if [ -z "$image" ]; then
	for image in "$dir/l1.elf" "$dir/build/l1.elf"; do
		[ -f "$image" ] && break
	done
fi
[ -f "$image" ] || { echo "# no image: run make -C selftests first"; exit 4; }
if [ "$accel" = kvm ]; then
	[ -c /dev/kvm ] || { echo "# no /dev/kvm"; exit 4; }
	: "${cpu:=host}"
elif [ "$accel" = bochs ]; then
	. "$dir/bochs.sh"
	missing=$(bochs_missing)
	[ -z "$missing" ] || { echo "# no $missing"; exit 4; }
	cpu=$(bochs_model "$cpu")
fi
: "${cpu:=max}"
first=$from
: "${cases:=1000}"
[ -n "$list" ] && cases=$(($(wc -c < "$list") / 16))

tmp=$(mktemp -d /tmp/run-oracle.XXXXXX) || exit 1
machine=
trap '[ -n "$machine" ] && kill -9 "$machine" 2>/dev/null; rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM HUP

# The first line of the log, which lies in the memory of the machine, which is a file.
head_line()
{
	dd if="$tmp/ram" bs=64 skip=2097152 count=1 2>/dev/null | head -n 1 | tr -d '\0'
}

# Without leading zeros
plain()
{
	echo "$1" | sed 's/^0*\(.\)/\1/'
}

# Print what has come to the log since last time. "oracle BYTES CASE ENDED", when it is not half written.
show_log()
{
	head=$(head_line)
	[ "$head" = "$(head_line)" ] || return
	# shellcheck disable=SC2086
	set -- $head
	[ "$1" = oracle ] && [ $# = 4 ] || return
	used=$(plain "$2") current=$(plain "$3") ended=$4
	[ "$used" -gt "$shown" ] || return
	dd if="$tmp/ram" bs=4096 skip=$((32769 + shown / 4096)) count=$((used / 4096 - shown / 4096 + 1)) \
		2>/dev/null | tail -c +$((shown % 4096 + 1)) | head -c $((used - shown))
	shown=$used
	echo "P $current"
}

# Wait for the machine; end it when for 12 seconds it has been in the same case.
watch_qemu()
{
	last=none same=0 waited=0
	while kill -0 "$1" 2>/dev/null; do
		sleep 2
		waited=$((waited + 2)) same=$((same + 2))
		if [ -n "$stream" ]; then now=$(wc -c < "$tmp/serial"); else now=$(head_line); fi
		[ "$now" = "$last" ] || same=0
		last=$now
		[ -n "$stream" ] || [ $((waited % 4)) != 0 ] || show_log
		if [ "$same" -ge 12 ] || [ "$waited" -ge "$timeout" ]; then
			kill -9 "$1" 2>/dev/null
		fi
	done
	wait "$1" 2>/dev/null
}

run_qemu()
{
	rm -f "$tmp/ram"
	: > "$tmp/serial"
	log=ram line=file,id=c,path=$tmp/serial
	[ -z "$stream" ] || log=serial line=stdio,id=c,logfile=$tmp/serial
	qemu-system-x86_64 -accel "$accel" -cpu "$cpu" -M q35,memory-backend=m -m 256 \
		-object memory-backend-file,id=m,size=256M,mem-path="$tmp/ram",share=on \
		-nodefaults -display none -chardev "$line" -serial chardev:c -no-reboot \
		-kernel "$image" ${list:+-initrd "$list"} -device isa-debug-exit,iobase=0xf4 \
		-append "oracle=1 log=$log cpus=1 from=$from cases=$((first + cases - from)) $*" \
		< /dev/null 2> "$tmp/said" &
	machine=$!
	shown=0 current=$from ended=0
	watch_qemu "$machine"
	machine=
	if [ -n "$stream" ]; then
		ended=$(grep -c '^T ' "$tmp/serial")
		current=$(grep '^P ' "$tmp/serial" | tail -n 1 | tr -d '\r' | cut -d ' ' -f 2)
		[ -n "$current" ] && return
	fi
	case "$(head_line)" in
	"oracle "*) ;;
	*) echo "# no log:"; tail -n 3 "$tmp/serial" "$tmp/said"; return 1 ;;
	esac
	show_log
	# What there is of the case in which it died
	[ "$ended" != 0 ] || dd if="$tmp/ram" bs=4096 skip=$((32769 + shown / 4096)) count=1 2>/dev/null |
		tail -c +$((shown % 4096 + 1)) | tr -d '\0'
}

run_bochs()
{
	bochs_boot "$tmp" "$cpu" "$timeout" "$image" \
		"oracle=1 log=e9 from=$from cases=$((first + cases - from)) host=bochs $*" "$list" ||
		{ echo "# grub-mkrescue failed"; return 1; }
	tr -d '\r' < "$tmp/serial" | grep '^#'
	sed '1,/^# oracle$/d' "$tmp/e9" > "$tmp/said"
	cat "$tmp/said"
	ended=$(grep -a -c '^T ' "$tmp/said")
	current=$(grep -a '^P ' "$tmp/said" | tail -n 1 | cut -d ' ' -f 2)
	[ -n "$current" ]
}

died=0
while :; do
	if [ "$accel" = bochs ]; then run_bochs "$@"; else run_qemu "$@"; fi || exit 1
	[ "$ended" != 0 ] && exit 0
	printf '\nX %s\n' "$current"
	died=$((died + 1)) from=$((current + 1))
	[ "$died" -le "$deaths" ] && [ "$from" -lt $((first + cases)) ] || exit 1
done
