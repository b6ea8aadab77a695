/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What nestor offers a VMM beyond the ABI of <linux/kvm.h>.
 *
 * The ioctls have a magic number of their own ('N', numbers 0xa0 and up), so
 * that they can never collide with one of KVM's.  Each argument carries its
 * version and size; reserved fields have to be 0 on input and are 0 on output.
 */
#ifndef _UAPI_LINUX_NESTOR_H
#define _UAPI_LINUX_NESTOR_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define NESTORIO	'N'

#define NESTOR_VERDICTS_VERSION	1
#define NESTOR_MAX_VERDICTS	16
#define NESTOR_CHECK_NAME_LEN	48

/**
 * struct nestor_verdict - one nested entry that failed, and on what
 * @seq: number of this failure on this vCPU, counted from 1
 * @time_ns: when, in nanoseconds of the host's CLOCK_MONOTONIC
 * @rip: RIP of L1's instruction (VMRUN, VMLAUNCH, VMRESUME)
 * @exit_code: what L1 was told: with AMD-V the exit code (VMEXIT_INVALID is ~0)
 * @value: value found in the field at fault
 * @aux: second value, of checks on a pair of fields; else 0
 * @check: number of the check; the numbers of a release are stable within it
 * @field: offset of the field in the VMCB, or the encoding of the VMCS field
 * @name: name of the check, NUL-terminated; the names are stable
 * @reserved: 0
 */
struct nestor_verdict {
	__u64 seq;
	__u64 time_ns;
	__u64 rip;
	__u64 exit_code;
	__u64 value;
	__u64 aux;
	__u32 check;
	__u32 field;
	char name[NESTOR_CHECK_NAME_LEN];
	__u64 reserved[2];
};

/**
 * struct nestor_verdicts - argument of NESTOR_GET_VERDICTS
 * @version: in: NESTOR_VERDICTS_VERSION
 * @size: in: sizeof(struct nestor_verdicts)
 * @flags: in: 0
 * @nr: out: how many of @entry are filled, 0 to NESTOR_MAX_VERDICTS
 * @total: out: failures of this vCPU so far, those that were overwritten included
 * @reserved: in: 0
 * @entry: out: the last failures, oldest first
 */
struct nestor_verdicts {
	__u32 version;
	__u32 size;
	__u32 flags;
	__u32 nr;
	__u64 total;
	__u64 reserved[4];
	struct nestor_verdict entry[NESTOR_MAX_VERDICTS];
};

/*
 * NESTOR_GET_VERDICTS - vCPU ioctl: the last nested entries that failed.
 *
 * Returns 0, or -1 with errno EINVAL (version, size, flags or a reserved field),
 * EFAULT (bad address).  Waits while the vCPU runs, as other vCPU ioctls do.
 */
#define NESTOR_GET_VERDICTS	_IOWR(NESTORIO, 0xa0, struct nestor_verdicts)

#endif
