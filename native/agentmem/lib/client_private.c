/* A mapping of one unit that its reader may write to without anybody seeing it (MAP_PRIVATE), for runtimes
 * that hand out buffers they cannot protect: a write to a read-only page ends node.
 *
 * Not part of agentmem.h. Invariant: the mapping covers the unit's pages alone, so that a page copied by a
 * write hides no other unit; the caller keeps its reference for as long as the mapping lives.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"

/* The module maps nothing writable, not even privately: a copy. */
static int copy(const am_unit *unit, struct am_private *private_map)
{
    void *at = unit->reference != 0 && unit->data != NULL
                   ? mmap(NULL, unit->length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                   : MAP_FAILED;
    if (at == MAP_FAILED)
        return am_client_fail(AM_ENOMEM, "no memory for a copy of a unit of %llu bytes",
                              (unsigned long long)unit->length);
    memcpy(at, unit->data, unit->length);
    *private_map = (struct am_private){.at = at, .length = unit->length, .data = at};
    return 0;
}

int am_private_map(struct am_client *client, const am_unit *unit, struct am_private *private_map)
{
    if (client->kernel != NULL)
        return copy(unit, private_map);
    pthread_mutex_lock(&client->wire);
    uint64_t hold = unit->reference != 0 ? atomic_load(&client->hold[unit->reference]) : 0;
    struct am_view *view = client->views;
    /* A unit of a connection before this one: its segment has no number here. */
    if (atomic_load(&client->forked) || view == NULL || hold >> 32 != view->serial) {
        pthread_mutex_unlock(&client->wire);
        return am_client_fail(AM_EBROKER, "the unit was acquired before the connection was made again");
    }
    uint32_t segment = (uint32_t)(hold >> 8) & (AM_SEGMENTS - 1);
    const struct am_mapping *mapping = &view->mappings[segment];
    struct am_segment_body body = {segment, atomic_load(&mapping->generation)};
    uint64_t offset = (uint64_t)(unit->data - atomic_load(&mapping->base)), from = offset & ~4095ull;
    struct am_call call = {.operation = AM_OP_SEGMENT, .part = {{&body, sizeof body}}, .send_fd = -1};
    int status = am_wire_call(client, &call);
    if (status == 0 && call.answer_fd < 0)
        status = am_client_fail(AM_EPROTOCOL, "the broker sent no file for segment %u", segment);
    if (status == 0) {
        size_t length = (size_t)(offset - from + unit->length);
        void *at = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, call.answer_fd,
                        (off_t)from);
        if (at == MAP_FAILED)
            status = am_client_fail(AM_ENOMEM, "cannot map %zu bytes: %m", length);
        else
            *private_map =
                (struct am_private){.at = at, .length = length, .data = (uint8_t *)at + (offset - from)};
    }
    am_wire_close(&call);
    pthread_mutex_unlock(&client->wire);
    return status;
}

void am_private_unmap(struct am_private *private_map)
{
    if (private_map->at != NULL)
        munmap(private_map->at, private_map->length);
    private_map->at = NULL;
}
