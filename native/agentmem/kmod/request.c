// SPDX-License-Identifier: GPL-2.0
/*
 * A request comes in and its answer goes out. Knows sizes and the head, not what is asked. The
 * struct is read once, so nothing that was checked changes; after AM_OK the whole of it goes back,
 * after an error only its head.
 */
#include "inside.h"

#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

int am_refuse(struct agentmem_head *head, size_t about, int why)
{
	head->about = about;
	return why;
}

/* A reference that the program never hears of would stay until it ends. */
static void undo(struct am_client *client, unsigned int number, const void *request)
{
	const struct agentmem_placed *placed = NULL;

	if (number == _IOC_NR(AGENTMEM_PUBLISH))
		placed = &((const struct agentmem_publish *)request)->placed;
	else if (number == _IOC_NR(AGENTMEM_ACQUIRE))
		placed = &((const struct agentmem_acquire *)request)->placed;
	if (placed && placed->reference)
		am_client_release(client, placed->reference);
}

static int answer(struct am_client *client, unsigned int number, struct agentmem_head *head)
{
	if (head->abi != AGENTMEM_ABI)
		return am_refuse(head, offsetof(struct agentmem_head, abi), AM_EPROTOCOL);
	if (head->spare)
		return am_refuse(head, offsetof(struct agentmem_head, spare), AM_EINVAL);
	/* Pairs with attach in calls.c. */
	if (am_calls[number].attached && !smp_load_acquire(&client->agent))
		return AM_EPROTOCOL;
	return am_calls[number].answer(client, head);
}

long am_request(struct am_client *client, unsigned int command, void __user *to)
{
	const unsigned int theirs = _IOC_SIZE(command);
	unsigned int number = _IOC_NR(command);
	struct agentmem_head *head;
	size_t ours, back;
	long error;

	if (_IOC_TYPE(command) != AGENTMEM_MAGIC || _IOC_DIR(command) != (_IOC_READ | _IOC_WRITE) ||
	    number >= am_calls_count)
		return -ENOTTY;
	number = array_index_nospec(number, am_calls_count);
	ours = am_calls[number].bytes;
	if (theirs < ours)
		return -EINVAL;
	head = kzalloc(ours, GFP_KERNEL);
	if (!head)
		return -ENOMEM;
	error = copy_struct_from_user(head, ours, to, theirs);
	if (!error && head->bytes != theirs)
		error = -EINVAL;
	if (error)
		goto out;
	head->about = 0;
	head->status = answer(client, number, head);
	if (head->status == AM_INTERRUPTED) {
		error = -EINTR;
		goto out;
	}
	back = head->status ? sizeof(*head) : min_t(size_t, ours, theirs);
	if (copy_to_user(to, head, back)) {
		error = -EFAULT;
		if (!head->status)
			undo(client, number, head);
	}
out:
	kfree_sensitive(head);
	return error;
}
