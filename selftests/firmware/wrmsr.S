/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An option ROM that writes one MSR of the boot CPU, as firmware that disables and
 * locks a virtualisation extension does.  The firmware that runs it calls offset 3 in
 * real mode.  INDEX and VALUE come from the Makefile; fix-rom pads the image to
 * whole blocks of 512 bytes and makes the sum of all bytes 0.
 */
	.code16
	.globl _start
_start:
	.byte 0x55, 0xaa
	.byte 1				/* blocks of 512 bytes */
	pushfl
	pushal
	movl $INDEX, %ecx
	movl $(VALUE & 0xffffffff), %eax
	movl $(VALUE >> 32), %edx
	wrmsr
	popal
	popfl
	lretw
