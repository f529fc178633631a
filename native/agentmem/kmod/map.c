// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings: a unit's own pages in a process, read-only for ever. Knows nothing of agents. A mapping
 * holds and pins its unit by itself; neither mprotect nor a debugger can write through it.
 */
#include "inside.h"

#include <linux/mm.h>
#include <linux/vmalloc.h>

#define WITHIN ((1ul << AM_REFERENCE_SHIFT) - 1)

static void open(struct vm_area_struct *area)
{
	struct am_unit *unit = area->vm_private_data;

	am_unit_hold(unit);
	am_unit_pin_again(unit);
}

static void close(struct vm_area_struct *area)
{
	struct am_unit *unit = area->vm_private_data;

	am_unit_unpin(unit);
	am_unit_put(unit);
}

static vm_fault_t fault(struct vm_fault *at)
{
	struct am_unit *unit = at->vma->vm_private_data;
	u64 byte = (u64)(at->pgoff & WITHIN) << PAGE_SHIFT;

	if (byte >= unit->length)
		return VM_FAULT_SIGBUS;
	at->page = vmalloc_to_page(unit->hot + byte);
	get_page(at->page);
	return 0;
}

static const struct vm_operations_struct operations = {
	.open = open, .close = close, .fault = fault,
};

int am_map(struct file *file, struct vm_area_struct *area)
{
	const vm_flags_t never = VM_WRITE | VM_MAYWRITE | VM_EXEC | VM_MAYEXEC;
	const vm_flags_t always = VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY;
	u64 from = (u64)(area->vm_pgoff & WITHIN) << PAGE_SHIFT;
	u64 bytes = area->vm_end - area->vm_start;
	unsigned long reference = area->vm_pgoff >> AM_REFERENCE_SHIFT;
	struct am_unit *unit;
	int status;

	if (area->vm_flags & (VM_WRITE | VM_EXEC))
		return -EACCES;
	unit = reference <= U32_MAX ? am_client_unit(file->private_data, reference) : NULL;
	if (!unit)
		return -EINVAL;
	status = from + bytes > PAGE_ALIGN(unit->length) ? AM_EINVAL : am_unit_pin(unit);
	if (status) {
		am_unit_put(unit);
		return status == AM_EINVAL ? -EINVAL : status == AM_INTERRUPTED ? -EINTR : -ENOMEM;
	}
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_mod(area, always, never);
#else
	area->vm_flags = (area->vm_flags | always) & ~never;
#endif
	area->vm_private_data = unit;
	area->vm_ops = &operations;
	return 0;
}
