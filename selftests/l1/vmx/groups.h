/* SPDX-License-Identifier: GPL-2.0-only */
/* One line a group of VT-x tests, in the order they run. */
GROUP(insn)
GROUP(fault)
GROUP(fields)
GROUP(exits)
GROUP(l2vmx)
GROUP(crdr)
GROUP(io)
GROUP(ctl_checks)
GROUP(event_checks)
GROUP(host_checks)
