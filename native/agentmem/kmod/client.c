// SPDX-License-Identifier: GPL-2.0
/*
 * A client: one open file, attached to one agent, with its references. Knows nothing of ioctls. A
 * reference holds its unit once and pins it once; closing the file gives all of them back.
 */
#include "inside.h"

#include <linux/slab.h>

struct am_client *am_client_new(kuid_t user)
{
	struct am_client *client = kzalloc(sizeof(*client), GFP_KERNEL_ACCOUNT);

	if (!client)
		return NULL;
	client->user = user;
	mutex_init(&client->attaching);
	xa_init_flags(&client->references, XA_FLAGS_ALLOC1);
	return client;
}

static void drop(struct am_client *client, struct am_unit *unit)
{
	atomic64_dec(&client->agent->references);
	am_unit_unpin(unit);
	am_unit_put(unit);
}

void am_client_free(struct am_client *client)
{
	struct am_unit *unit;
	unsigned long reference;

	xa_for_each(&client->references, reference, unit) {
		drop(client, unit);
		cond_resched();
	}
	xa_destroy(&client->references);
	if (client->agent)
		am_agent_leave(client->agent);
	mutex_destroy(&client->attaching);
	kfree(client);
}

/* Say where a unit is and, if wanted, take a reference of it. */
int am_client_place(struct am_client *client, struct am_unit *unit, bool existed, bool refer,
		    struct agentmem_placed *placed)
{
	u32 reference = 0;
	int status, error;

	if (refer) {
		status = am_unit_pin(unit);
		if (status)
			return status;
		am_unit_hold(unit);
		atomic64_inc(&client->agent->references);
		error = xa_alloc(&client->references, &reference, unit,
				 XA_LIMIT(1, am_references_most), GFP_KERNEL_ACCOUNT);
		if (error) {
			drop(client, unit);
			return error == -EBUSY ? AM_EQUOTA : AM_ENOMEM;
		}
	}
	memset(placed, 0, sizeof(*placed));
	memcpy(placed->id, unit->id, AM_ID);
	placed->length = unit->length;
	placed->offset = (u64)reference << 32;
	placed->number = unit->number;
	placed->reference = reference;
	placed->type = unit->type;
	placed->form = AM_RAW;
	placed->existed = existed;
	spin_lock(&am_lock);
	placed->tier = unit->hot ? AM_HOT : AM_WARM;
	spin_unlock(&am_lock);
	return AM_OK;
}

/* What a reference stands for, held; NULL. */
struct am_unit *am_client_unit(struct am_client *client, u32 reference)
{
	struct am_unit *unit;

	xa_lock(&client->references);
	unit = xa_load(&client->references, reference);
	if (unit)
		am_unit_hold(unit);
	xa_unlock(&client->references);
	return unit;
}

int am_client_release(struct am_client *client, u32 reference)
{
	struct am_unit *unit = xa_erase(&client->references, reference);

	if (!unit)
		return AM_ENOTFOUND;
	drop(client, unit);
	return AM_OK;
}
