# SPDX-License-Identifier: GPL-2.0-only
	.code64
	.include "emul_common.inc"
	mov %cr0,%rax; mov %cr8,%r9; mov %rax,%cr8; mov %r15,%cr3; mov %dr7,%r8; mov %rax,%dr6; mov %cr4,%rbx; mov %rdx,%cr0
	swapgs; sysretl; sysexitl; sgdt (%rbx); sidt (%r9); lgdt (%rbx); lidt 0x12(%rip); sysretq; iretq; rdfsbase %rax; wrgsbase %r9; rdpid %rax; rdrand %rax; rdseed %r10; rdrand %r9d
	xsaves64 (%rbx); xrstors64 (%r9); smsw %rax; sldt %r8; str %rax; invlpg (%rax,%r12,8); invlpg 0x1234(%rip); invlpga
	invept (%rbx),%rax; invvpid 8(%r9),%rax; invpcid (%r9),%r10; vmread %rax,%rcx; vmread %r9,(%rbx); vmwrite (%rbx),%r9; vmwrite %rax,%rdx
	vmptrld (%r9); vmxon 0x12(%rbp); vmclear 0x12345678(%rsp); vmptrst (%r12); umonitor %rax; umonitor %r9d; mov $0x1122334455667788,%rax; mov $0x1122334455667788,%r9
	mov $-1,%rax; mov $1,%r8d; movabs 0x1122334455667788,%rax; movabs %al,0x1122334455667788; movabs %eax,0x1122334455667788; addr32 mov 0x12345678,%eax
	mov (%rax),%rbx; mov (%r8),%r9; mov 1(%r12),%rax; mov 0x12345678(%r13,%r14,8),%r15; mov 0x12345678,%eax; mov 0x1234(%rip),%eax; mov 0x1234(%eip),%eax; mov (%rbp),%al; mov (%r13),%al
	mov %spl,(%rbx); mov %ah,(%rbx); mov %sil,%dil; movslq (%rbx),%rax; movslq %ecx,%r9; movzbl (%r9),%r10d; movzbq (%rbx),%rax; movswq (%rbx),%rax
	movbe (%rbx),%rax; movbe %r9,(%r10); movnti %rax,(%rbx); movnti %r9d,(%r10); xchg %r8,%rax; xchg %rax,(%rbx); lock cmpxchg16b (%rbx); cmpxchg16b (%r9); xadd %r9,(%r10); lock xadd %rax,(%rbx)
	addq $0x12345678,(%rbx); addq $1,(%r9); add %r9,(%r10); testq $0x12345678,(%rbx); shlq $3,(%rbx); btq $3,(%rbx); bts %r9,(%r10); shld $3,%r9,(%r10); imul $0x12345678,(%r9),%r10
	push %r9; pop %r10; push $0x12345678; pushq (%r9); popq (%r10); pushw (%rbx); pop 0x1234(%rip); call *(%r9); jmp *0x1234(%rip); call *%rax; jmp *%r9; ljmp *(%rbx); lcall *(%r9)
	call .+0x200; jmp .+0x2000; je .+0x2000; jmp .+2; jrcxz .+4; jecxz .+4; movsq; stosq; lodsq; cmpsq; scasq; rep movsq; rep stosq; addr32 rep movsb; cqto; cltq; lretq; pushfq; popfq; leave; enter $16,$0
	movq %rax,%xmm9; movq %xmm9,(%r10); movdqu (%r9),%xmm10; movaps %xmm9,(%r10,%r11,2); movq %r9,%mm1; movnti %rax,(%r9); vmovdqu (%r9),%ymm10; vmovdqa %ymm10,(%r9,%r10,4); vmovq %rax,%xmm9; vmovq (%r9),%xmm10
	vmovdqu64 (%r9),%zmm20; vmovdqa64 %zmm31,(%r10); vpaddd (%r9),%zmm20,%zmm30; vpgatherdd (%r9,%zmm20,4),%zmm30{%k1}; vpermq $1,(%r9),%ymm10; vpcmpb $1,(%r9),%zmm20,%k1
	vaddsh (%r9),%xmm20,%xmm21; vfmadd132ph (%r9),%zmm20,%zmm21; tdpbf16ps %tmm1,%tmm2,%tmm3; ldtilecfg (%r9); tileloadd (%r9,%r10,1),%tmm1; andn (%r9),%r10,%r11; rorx $3,(%r9),%r10; mulx (%r9),%r10,%r11
	bextr $0x12345678,(%r9),%r10; vpcmov %xmm1,(%r9),%xmm2,%xmm3; vprotb (%r9),%xmm10,%xmm11; clflush (%r9); clwb 0x1234(%rip); prefetchnta (%r9,%r10,2); nopw 0x1234(%rax,%rax,1); nopw %cs:0x0(%rax,%rax,1)
	nopw %cs:0x0(%rax,%rax,1); endbr64; rdsspq %rax; incsspq %rax; senduipi %rax; uiret; clui; stui; testui; enqcmd (%rbx),%rax; movdir64b (%rbx),%rax; wrssq %rax,(%rbx); ptwriteq (%rbx)
	rex.w cpuid; rex.wrxb rdmsr; rex.w hlt; rex.w vmrun; rex.b xchg %eax,%eax; gs mov 0x28,%rax; fs mov %rax,(%rbx); mov %fs:0x28,%rax; mov %gs:(%r9),%al
