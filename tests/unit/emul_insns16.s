# SPDX-License-Identifier: GPL-2.0-only
	.code16
	.include "emul_common.inc"
	.include "emul_legacy.inc"
	mov (%bx,%si),%al; mov 1(%bp,%di),%ax; mov 0x1234(%si),%eax; mov 0x1234,%bx; mov (%bp),%al; mov -1(%di),%al
	mov 0x1234(%bx),%cl; invlpg (%bx); invlpg 0x1234; lgdt (%bx); lidt 0x1234; lmsw (%bx); vmptrld 0x12(%bx)
	mov %al,0x1234; mov 0x1234,%ax; mov %cs:(%bx),%al; mov %eax,%fs:0x12(%bx,%si)
	lcall $0x1234,$0x5678; ljmp $0x1234,$0x5678; ljmpl $0x1234,$0x56789abc; lcall *(%bx); ljmp *0x1234
	call *(%bx); jmp *%bx; call .+0x200; jmp *0x1234(%si); pushw 2(%bx); popw 0x1234; in $0x71,%al
