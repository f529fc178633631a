/* What a client of the module does with units: publish, acquire, own. Each is one call; content is copied by
 * the kernel, which computes the id itself.
 *
 * Invariant: on an error nothing is held, and what a publish owned already stays owned, as agentmem.h has it
 * for content that was there before.
 */
#include <stdio.h>

#include "kernel.h"

static void fill(am_unit *unit, const struct agentmem_placed *placed)
{
    *unit = (am_unit){.length = placed->length,
                      .type = placed->type,
                      .form = placed->form,
                      .existed = placed->existed != 0,
                      .number = placed->number};
    memcpy(unit->id.bytes, placed->id, sizeof unit->id.bytes);
}

/* Under `file`: the reference that the module has given. */
static int hold(struct am_client *client, const struct agentmem_placed *placed, am_unit *unit)
{
    am_unit got;
    fill(&got, placed);
    const int status = am_held_take(client, placed, &got);
    if (status == 0)
        *unit = got;
    return status;
}

int am_kernel_identify(struct am_client *client, int type, const void *data, uint64_t length,
                       bool private_space, am_id *id)
{
    struct agentmem_identify request = {.data = (uintptr_t)data,
                                        .length = length,
                                        .type = (uint32_t)type,
                                        .flags = private_space ? AGENTMEM_PRIVATE : AGENTMEM_SHARED};
    const int status = AM_KERNEL_ASK(client, AGENTMEM_IDENTIFY, &request, "identify content");
    if (status == 0)
        memcpy(id->bytes, request.id, sizeof id->bytes);
    return status;
}

int am_kernel_acquire(struct am_client *client, const am_id *id, am_unit *unit)
{
    struct agentmem_acquire request;
    memcpy(request.id, id->bytes, sizeof request.id);
    int status = am_kernel_enter(client);
    if (status != 0)
        return status;
    status = am_kernel_call(client->fd, AGENTMEM_ACQUIRE, &request, sizeof request, "acquire a unit");
    if (status == 0)
        status = hold(client, &request.placed, unit);
    am_kernel_leave(client);
    return status;
}

void am_kernel_release(struct am_client *client, uint32_t place)
{
    if (atomic_load(&client->forked))
        return;
    pthread_rwlock_rdlock(&client->kernel->file);
    am_held_give(client, place);
    pthread_rwlock_unlock(&client->kernel->file);
}

static int refused(int status, const struct agentmem_publish *request, uint32_t references)
{
    const unsigned long long length = request->length;
    if (status == AM_ESIZE)
        return am_client_fail(status, "a unit of %llu bytes: the module takes 1 to %llu", length,
                              AGENTMEM_LARGEST_UNIT);
    if (status == AM_EINVAL && request->head.about == offsetof(struct agentmem_publish, data))
        return am_client_fail(status, "the %llu bytes to publish cannot be read", length);
    if (status == AM_EINVAL)
        return am_client_fail(status,
                              "flags 0x%x of a publish: there are AM_PRIVATE, AM_SHARED, AM_NO_REFERENCE",
                              request->flags);
    if (status == AM_EQUOTA && request->head.about == 0)
        return am_client_fail(
            status,
            "the agent owns as much as it may, or this client holds all its %u references; disown "
            "or release some",
            references);
    return status;
}

int am_kernel_publish(struct am_client *client, int type, const void *data, uint64_t length, uint32_t flags,
                      am_unit *unit)
{
    struct agentmem_publish request = {
        .data = (uintptr_t)data, .length = length, .type = (uint32_t)type, .form = AM_RAW, .flags = flags};
    char what[64];
    snprintf(what, sizeof what, "publish %llu bytes", (unsigned long long)length);
    int status = am_kernel_enter(client);
    if (status != 0)
        return status;
    if (flags & ~(AM_PRIVATE | AM_SHARED | AM_NO_REFERENCE)) /* those below are the module's own */
        status = refused(AM_EINVAL, &request, 0);
    else
        status = am_kernel_call(client->fd, AGENTMEM_PUBLISH, &request, sizeof request, what);
    if (status == 0 && flags & AM_NO_REFERENCE)
        fill(unit, &request.placed);
    else if (status == 0)
        status = hold(client, &request.placed, unit);
    else
        refused(status, &request, client->kernel->references);
    am_kernel_leave(client);
    return status;
}

static int about_unit(struct am_client *client, unsigned long call, const am_id *id, uint32_t importance,
                      const char *what)
{
    struct agentmem_unit request = {.importance = importance};
    memcpy(request.id, id->bytes, sizeof request.id);
    return AM_KERNEL_ASK(client, call, &request, what);
}

int am_kernel_own(struct am_client *client, const am_id *id)
{
    return about_unit(client, AGENTMEM_OWN, id, 0, "own a unit");
}

int am_kernel_disown(struct am_client *client, const am_id *id)
{
    const int status = about_unit(client, AGENTMEM_DISOWN, id, 0, "disown a unit");
    if (status == AM_ENOTFOUND)
        am_client_fail(status, "agent %s does not own this unit", client->agent);
    return status;
}

int am_kernel_mark(struct am_client *client, const am_id *id, uint32_t importance)
{
    return about_unit(client, AGENTMEM_MARK, id, importance, "mark a unit");
}

int am_kernel_heat(struct am_client *client, const am_id *id)
{
    struct agentmem_acquire request;
    memcpy(request.id, id->bytes, sizeof request.id);
    int status = am_kernel_enter(client);
    if (status != 0)
        return status;
    status = am_kernel_call(client->fd, AGENTMEM_ACQUIRE, &request, sizeof request, "restore a unit");
    if (status == 0) {
        struct agentmem_release back = {.reference = request.placed.reference};
        status = am_kernel_call(client->fd, AGENTMEM_RELEASE, &back, sizeof back, "release a reference");
    }
    am_kernel_leave(client);
    return status;
}
