/* Giving a private unit away: one unit by one request, a rope piece by piece.
 *
 * The broker shares units; a rope's bytes name its pieces, which have other ids elsewhere, so the rope is
 * made anew over the shared pieces. Invariant: what this stored on its way is owned by the rope above it
 * alone; after a failure some pieces may be shared already and are let go again.
 */
#include <stdlib.h>

#include "client.h"
#include "kernel.h"

#define DEEPEST 8

static int share_one(am_client *client, const am_id *id, const char *agent, struct am_placed *placed)
{
    struct am_call call = {.operation = AM_OP_SHARE,
                           .send_fd = -1,
                           .part = {{id, sizeof *id}, {agent, agent != NULL ? strlen(agent) : 0}}};
    int status = am_wire_ask(client, &call, placed, sizeof *placed);
    am_wire_close(&call);
    return status;
}

static int share_rope(am_client *client, const am_unit *rope, int depth, am_id *shared, bool *made);

/* *made: this call stored it, and the agent owns it for that. */
static int share_any(am_client *client, const am_id *id, int form, int depth, am_id *shared, bool *made)
{
    struct am_placed placed;
    am_unit rope;
    if (form != AM_ROPE) {
        int status = share_one(client, id, NULL, &placed);
        if (status == 0) {
            *shared = placed.id;
            *made = !placed.existed;
        }
        return status;
    }
    if (depth == DEEPEST)
        return am_client_fail(AM_ECORRUPT, "a rope of more than %d levels", DEEPEST);
    int status = am_acquire(client, id, &rope);
    if (status != 0)
        return status;
    status = share_rope(client, &rope, depth, shared, made);
    am_release(client, &rope);
    return status;
}

static int share_rope(am_client *client, const am_unit *rope, int depth, am_id *shared, bool *made)
{
    size_t count = rope->length / sizeof(am_piece), done = 0;
    am_piece *pieces = malloc(rope->length + sizeof *pieces);
    bool *fresh = calloc(count + 1, sizeof *fresh);
    int status =
        pieces != NULL && fresh != NULL ? 0 : am_client_fail(AM_ENOMEM, "no memory for a rope's pieces");
    if (status == 0)
        memcpy(pieces, rope->data, count * sizeof *pieces);
    while (status == 0 && done < count) {
        am_id there;
        status = share_any(client, &pieces[done].id, pieces[done].form, depth + 1, &there, &fresh[done]);
        if (status == 0)
            pieces[done++].id = there;
    }
    if (status == 0) {
        enum am_origin origin;
        am_unit unit = {0};
        status = am_publish_piece(client, rope->type, AM_ROPE, pieces, count * sizeof *pieces, AM_SHARED,
                                  &unit, &origin);
        if (status == 0 && origin == AM_FOUND)
            status = am_own(client, &unit.id);
        if (status == 0) {
            *shared = unit.id;
            *made = origin == AM_MADE;
        }
        am_release(client, &unit);
    }
    for (size_t n = 0; n < done; n++)
        if (fresh[n])
            am_wire_tell(client, AM_OP_DISOWN, &pieces[n].id, sizeof pieces[n].id);
    free(fresh);
    free(pieces);
    return status;
}

int am_share(am_client *client, const am_id *id, const char *agent, am_id *shared)
{
    if (client == NULL || id == NULL)
        return am_client_fail(AM_EINVAL, "am_share needs a client and an id, not NULL");
    if (agent != NULL && strlen(agent) >= AM_NAME_BYTES)
        return am_client_fail(AM_EINVAL, "the agent's name has %zu bytes, the longest allowed is %d",
                              strlen(agent), AM_NAME_BYTES - 1);
    if (client->kernel != NULL)
        return am_kernel_lacks("sharing of private units");
    am_unit unit;
    int status = am_acquire(client, id, &unit);
    if (status != 0)
        return status;
    am_id there;
    bool made;
    struct am_placed placed;
    if (unit.form == AM_ROPE && agent == NULL) {
        status = share_rope(client, &unit, 0, &there, &made);
    } else {
        status = share_one(client, id, agent, &placed);
        there = placed.id;
    }
    am_release(client, &unit);
    if (status == 0 && shared != NULL)
        *shared = there;
    return status;
}
