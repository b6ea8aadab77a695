/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NESTOR_CORE_HOST_WORK_H
#define NESTOR_CORE_HOST_WORK_H

/*
 * host_work() - let others run and do the task work of this thread, if either waits; may sleep.
 * -EINTR: a signal is pending
 */
int host_work(void);

#endif
