# SPDX-License-Identifier: GPL-2.0-only
# To be sourced: how the scripts of this folder boot an image on the bare CPU of Bochs.

# bochs_model CPU: print Bochs's model for svm (the default), vmx or a model of Bochs
bochs_model()
{
	case "$1" in
	''|svm) echo zambezi ;;
	vmx) echo corei7_skylake_x ;;
	*) echo "$1" ;;
	esac
}

# bochs_missing: print what this machine lacks for it, nothing when all is there
bochs_missing()
{
	for tool in bochs grub-mkrescue; do
		command -v $tool >/dev/null 2>&1 || { echo $tool; return; }
	done
}

# bochs_boot DIR MODEL SECONDS IMAGE COMMAND-LINE [MODULE]: GRUB loads IMAGE (multiboot) from a CD
# made in DIR. Afterwards DIR/serial has what the image wrote, DIR/e9 what it wrote to that port, which is faster,
# and DIR/log what Bochs said.
bochs_boot()
{
	mkdir -p "$1/iso/boot/grub"
	cp "$4" "$1/iso/boot/l1.elf"
	[ -z "$6" ] || cp "$6" "$1/iso/boot/module"
	cat >"$1/iso/boot/grub/grub.cfg" <<GRUB
set timeout=0
multiboot /boot/l1.elf $5
${6:+module /boot/module}
boot
GRUB
	cat >"$1/rc" <<RC
cpu: model=$2, ips=100000000, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest=256, host=256
romimage: file=/usr/share/bochs/BIOS-bochs-latest, options=fastboot
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
display_library: rfb, options="timeout=0"
clock: sync=none
com1: enabled=1, mode=file, dev=$1/serial
port_e9_hack: enabled=1
ata1-master: type=cdrom, path=$1/l1.iso, status=inserted
boot: cdrom
panic: action=fatal
error: action=ignore
info: action=ignore
sound: driver=dummy
log: $1/log
RC
	grub-mkrescue -o "$1/l1.iso" "$1/iso" >/dev/null 2>&1 || return
	: >"$1/serial"
	echo c | timeout "$3" bochs -q -f "$1/rc" >"$1/e9" 2>/dev/null
	return 0
}
