/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: /sys/kernel/tracing/events/agentmem. Numbers and names only: no address of the
 * kernel and no id, which would tell what is stored.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM agentmem

#if !defined(AGENTMEM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define AGENTMEM_TRACE_H

#include <linux/tracepoint.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define agentmem_assign_name() __assign_str(realm)
#else
#define agentmem_assign_name() __assign_str(realm, realm)
#endif

DECLARE_EVENT_CLASS(agentmem_unit,
	TP_PROTO(const char *realm, u32 number, u8 type, u64 length),
	TP_ARGS(realm, number, type, length),
	TP_STRUCT__entry(__string(realm, realm) __field(u32, number) __field(u8, type)
			 __field(u64, length)),
	TP_fast_assign(agentmem_assign_name(); __entry->number = number; __entry->type = type;
		       __entry->length = length;),
	TP_printk("realm=%s unit=%u type=%u length=%llu", __get_str(realm), __entry->number,
		  __entry->type, __entry->length)
);

#define AGENTMEM_UNIT_EVENT(name)						\
	DEFINE_EVENT(agentmem_unit, name,					\
		TP_PROTO(const char *realm, u32 number, u8 type, u64 length),	\
		TP_ARGS(realm, number, type, length))
AGENTMEM_UNIT_EVENT(agentmem_acquire);
AGENTMEM_UNIT_EVENT(agentmem_restore);
AGENTMEM_UNIT_EVENT(agentmem_drop);
AGENTMEM_UNIT_EVENT(agentmem_free);

DECLARE_EVENT_CLASS(agentmem_unit_with,
	TP_PROTO(const char *realm, u32 number, u8 type, u64 length, u64 with),
	TP_ARGS(realm, number, type, length, with),
	TP_STRUCT__entry(__string(realm, realm) __field(u32, number) __field(u8, type)
			 __field(u64, length) __field(u64, with)),
	TP_fast_assign(agentmem_assign_name(); __entry->number = number; __entry->type = type;
		       __entry->length = length; __entry->with = with;),
	TP_printk("realm=%s unit=%u type=%u length=%llu with=%llu", __get_str(realm),
		  __entry->number, __entry->type, __entry->length, __entry->with)
);

/* with: 1 when the content was there already. */
DEFINE_EVENT(agentmem_unit_with, agentmem_publish,
	TP_PROTO(const char *realm, u32 number, u8 type, u64 length, u64 with),
	TP_ARGS(realm, number, type, length, with));
/* with: bytes when compressed. */
DEFINE_EVENT(agentmem_unit_with, agentmem_cool,
	TP_PROTO(const char *realm, u32 number, u8 type, u64 length, u64 with),
	TP_ARGS(realm, number, type, length, with));

TRACE_EVENT(agentmem_state,
	TP_PROTO(const char *realm, u32 agent, u32 state),
	TP_ARGS(realm, agent, state),
	TP_STRUCT__entry(__string(realm, realm) __field(u32, agent) __field(u32, state)),
	TP_fast_assign(agentmem_assign_name(); __entry->agent = agent; __entry->state = state;),
	TP_printk("realm=%s agent=%u state=%u", __get_str(realm), __entry->agent, __entry->state)
);

TRACE_EVENT(agentmem_shrink,
	TP_PROTO(unsigned long wanted, unsigned long gave),
	TP_ARGS(wanted, gave),
	TP_STRUCT__entry(__field(unsigned long, wanted) __field(unsigned long, gave)),
	TP_fast_assign(__entry->wanted = wanted; __entry->gave = gave;),
	TP_printk("wanted=%lu gave=%lu", __entry->wanted, __entry->gave)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
