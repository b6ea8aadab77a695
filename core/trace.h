/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints.  Names of checks are static strings and are copied, so a trace outlives the module. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM nestor

#if !defined(NESTOR_CORE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define NESTOR_CORE_TRACE_H

#include <linux/tracepoint.h>

#include "core/vcpu.h"
#include "core/verdict.h"

#ifndef NESTOR_TRACE_EVENT_INFO
#define NESTOR_TRACE_EVENT_INFO
/* The event whose delivery the exit interrupted, as EXITINTINFO has it: valid, type, vector. */
static inline u32 trace_event_info(const struct guest_event *ev)
{
	return ev->valid ? BIT(31) | (u32)ev->type << 8 | ev->vector : 0;
}
#endif

/* Every exit of the CPU, of L1 and L2 alike. */
TRACE_EVENT(nestor_exit,
	TP_PROTO(struct nestor_vcpu *vcpu),
	TP_ARGS(vcpu),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(bool, l2)
		__field(u16, reason)
		__field(u16, index)
		__field(u64, raw)
		__field(u64, rip)
		__field(u64, info1)
		__field(u64, info2)
		__field(u32, event)
	),
	TP_fast_assign(
		__entry->id = vcpu->id;
		__entry->l2 = vcpu_in_l2(vcpu);
		__entry->reason = vcpu->run->exit.reason;
		__entry->index = vcpu->run->exit.index;
		__entry->raw = vcpu->run->exit.raw;
		__entry->rip = vcpu->run->rip;
		__entry->info1 = vcpu->run->exit.info1;
		__entry->info2 = vcpu->run->exit.info2;
		__entry->event = trace_event_info(&vcpu->run->exit.vectoring);
	),
	TP_printk("vcpu %u L%u reason %u/%u raw 0x%llx rip 0x%llx info1 0x%llx info2 0x%llx event 0x%x",
		  __entry->id, __entry->l2 ? 2 : 1, __entry->reason, __entry->index,
		  __entry->raw, __entry->rip, __entry->info1, __entry->info2,
		  __entry->event)
);

/* L1 entered L2; @block is L1's control block. */
TRACE_EVENT(nestor_nested_entry,
	TP_PROTO(struct nestor_vcpu *vcpu, u64 block, u64 l1_rip, u64 inject),
	TP_ARGS(vcpu, block, l1_rip, inject),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u64, block)
		__field(u64, l1_rip)
		__field(u64, rip)
		__field(u64, inject)
	),
	TP_fast_assign(
		__entry->id = vcpu->id;
		__entry->block = block;
		__entry->l1_rip = l1_rip;
		__entry->rip = vcpu->run->rip;
		__entry->inject = inject;
	),
	TP_printk("vcpu %u block 0x%llx L1 rip 0x%llx L2 rip 0x%llx inject 0x%llx",
		  __entry->id, __entry->block, __entry->l1_rip, __entry->rip, __entry->inject)
);

/* An exit went to L1; @code and the rest are what L1 reads. */
TRACE_EVENT(nestor_nested_exit,
	TP_PROTO(struct nestor_vcpu *vcpu, u64 l2_rip, u64 code, u64 info1, u64 info2,
		 u64 int_info),
	TP_ARGS(vcpu, l2_rip, code, info1, info2, int_info),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u64, l2_rip)
		__field(u64, code)
		__field(u64, info1)
		__field(u64, info2)
		__field(u64, int_info)
	),
	TP_fast_assign(
		__entry->id = vcpu->id;
		__entry->l2_rip = l2_rip;
		__entry->code = code;
		__entry->info1 = info1;
		__entry->info2 = info2;
		__entry->int_info = int_info;
	),
	TP_printk("vcpu %u L2 rip 0x%llx code 0x%llx info1 0x%llx info2 0x%llx int_info 0x%llx",
		  __entry->id, __entry->l2_rip, __entry->code, __entry->info1,
		  __entry->info2, __entry->int_info)
);

/* A nested entry failed: the same as NESTOR_GET_VERDICTS returns. */
TRACE_EVENT(nestor_verdict,
	TP_PROTO(struct nestor_vcpu *vcpu, const struct verdict *v, u64 rip),
	TP_ARGS(vcpu, v, rip),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u32, check)
		__array(char, name, 48)
		__field(u32, field)
		__field(u64, outcome)
		__field(u64, value)
		__field(u64, aux)
		__field(u64, rip)
	),
	TP_fast_assign(
		__entry->id = vcpu->id;
		__entry->check = v->check;
		strscpy(__entry->name, v->name ? v->name : "none", sizeof(__entry->name));
		__entry->field = v->field;
		__entry->outcome = v->outcome;
		__entry->value = v->value;
		__entry->aux = v->aux;
		__entry->rip = rip;
	),
	TP_printk("vcpu %u check %s (%u) field 0x%x value 0x%llx aux 0x%llx outcome 0x%llx rip 0x%llx",
		  __entry->id, __entry->name, __entry->check, __entry->field,
		  __entry->value, __entry->aux, __entry->outcome, __entry->rip)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
