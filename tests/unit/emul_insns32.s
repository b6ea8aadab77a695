# SPDX-License-Identifier: GPL-2.0-only
	.code32
	.include "emul_common.inc"
	.include "emul_legacy.inc"
	mov (%bx,%si),%al; mov 1(%bp,%di),%ax; mov 0x1234(%si),%eax
	lcall $0x1234,$0x56789abc; ljmp $0x1234,$0x56789abc; ljmpw $0x1234,$0x5678; lcall *(%ebx); ljmp *0x12345678
	call *(%ebx); jmp *%ebx; pushl $0x12345678; jmp *0x12345678(,%eax,4); call *8(%ebx,%esi); mov 0x12345678,%eax; mov 0x12345678,%bl; data16 cpuid
	vmovups (%ebx,%ecx,4),%ymm2; vpermilps $1,%ymm1,%ymm2
