/* SPDX-License-Identifier: GPL-2.0-only */
/* Task switches in software. */
#ifndef NESTOR_CORE_TASK_H
#define NESTOR_CORE_TASK_H

#include "core/vcpu.h"

/* EXITINFO2 of EXIT_TASK_SWITCH (APM vol. 2, "Task Switches"); neither: CALL, or an event */
#define TASK_BY_IRET	BIT_ULL(36)
#define TASK_BY_JMP	BIT_ULL(38)

/** handle_task_switch() - EXIT_TASK_SWITCH of the current run; sleepable, vm->srcu held */
enum run_action handle_task_switch(struct nestor_vcpu *vcpu);

#endif
