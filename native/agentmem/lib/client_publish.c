/* Storing content: what is known already is only referred to; what is new goes to the broker, in the message
 * when it is small, as a sealed memfd when it is large.
 *
 * Does not know what content means. Invariant: on success the unit is stored and owned by the agent before
 * the call returns (a silent OWN could come too late for a unit that nobody else owns any more); on failure
 * nothing of it is left here. The id is computed here to find what is known; the broker computes its own.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "blake3.h"
#include "client.h"
#include "kernel.h"

int am_client_key(const struct am_client *client, bool private_space, uint8_t key[32])
{
    struct am_client *own = (struct am_client *)(uintptr_t)client;
    if (atomic_load(&own->forked))
        return am_client_fail(AM_EFORKED,
                              "this client was made in the parent of a fork; connect again in the child");
    if (client->kernel != NULL)
        return am_kernel_lacks("keys for its clients to name units with");
    pthread_mutex_lock(&own->local);
    const struct am_welcome *welcome = &own->views->welcome;
    memcpy(key, private_space ? welcome->space_key : welcome->realm_key, 32);
    pthread_mutex_unlock(&own->local);
    return 0;
}

static int check(const struct am_client *client, int type, const void *data, uint64_t length)
{
    if (client == NULL || (data == NULL && length > 0))
        return am_client_fail(AM_EINVAL, "a publish needs a client and %llu bytes; one of them is NULL",
                              (unsigned long long)length);
    if (type < AM_CONVERSATION || type > AM_KV_PAGE)
        return am_client_fail(AM_ETYPE, "%d is not a type of unit; types go from %d to %d", type,
                              AM_CONVERSATION, AM_KV_PAGE);
    if (length > AM_LARGEST_UNIT)
        return am_client_fail(AM_ESIZE, "%llu bytes are more than a unit may have (%llu)",
                              (unsigned long long)length, (unsigned long long)AM_LARGEST_UNIT);
    return 0;
}

static bool is_private(int type, uint32_t flags)
{
    return flags & AM_PRIVATE || (type == AM_CONVERSATION && !(flags & AM_SHARED));
}

int am_identify(const am_client *client, int type, const void *data, uint64_t length, bool private_space,
                am_id *id)
{
    uint8_t key[32];
    int status = check(client, type, data, length);
    if (status == 0 && id == NULL)
        status = am_client_fail(AM_EINVAL, "am_identify needs a place for the id");
    if (status == 0 && client->kernel != NULL)
        return am_kernel_identify((struct am_client *)(uintptr_t)client, type, data, length, private_space,
                                  id);
    if (status == 0)
        status = am_client_key(client, private_space, key);
    if (status == 0)
        am_unit_id(key, (uint8_t)type, AM_RAW, data, length, id->bytes);
    return status;
}

/* Under `wire`: send it, take the reference while the broker holds the unit for us. 1: moved since, ask for
 * it. */
static int send_content(struct am_client *client, const struct am_publish_body *body, const void *data,
                        int fd, bool refer, am_unit *unit, struct am_placed *placed)
{
    struct am_call call = {.operation = AM_OP_PUBLISH,
                           .send_fd = fd,
                           .part = {{body, sizeof *body}, {data, fd < 0 ? body->length : 0}}};
    pthread_mutex_lock(&client->wire);
    int status = am_wire_call(client, &call);
    am_wire_close(&call);
    if (status == 0 && call.answer_bytes != sizeof *placed)
        status =
            am_client_fail(AM_EPROTOCOL, "the broker answered a publish with %zu bytes", call.answer_bytes);
    if (status == 0) {
        memcpy(placed, client->packet, sizeof *placed);
        if (refer)
            status = am_acquire_placed(client, &placed->id, unit);
    }
    pthread_mutex_unlock(&client->wire);
    return status;
}

static int store(struct am_client *client, const struct am_publish_body *body, const void *data, int fd,
                 bool refer, am_unit *unit, enum am_origin *origin)
{
    int64_t until = am_clock_ms() + client->options.timeout_ms;
    struct am_placed placed;
    for (;;) {
        int status = send_content(client, body, data, fd, refer, unit, &placed);
        if (status == 1)
            status = am_acquire_asking(client, &placed.id, unit);
        if (status == 0) {
            unit->existed = placed.existed != 0;
            *origin = placed.existed ? AM_FOUND_ASKING : AM_MADE;
            if (!refer)
                *unit = (am_unit){.length = placed.length,
                                  .id = placed.id,
                                  .type = placed.type,
                                  .form = placed.form,
                                  .existed = placed.existed != 0,
                                  .number = placed.number};
        }
        if (status != AM_EBUSY || am_clock_ms() >= until)
            return status;
        am_wire_rest(client);
    }
}

int am_publish_piece(struct am_client *client, int type, int form, const void *data, uint64_t length,
                     uint32_t flags, am_unit *unit, enum am_origin *origin)
{
    uint8_t key[32];
    struct am_publish_body body = {.length = length,
                                   .type = (uint8_t)type,
                                   .form = (uint8_t)form,
                                   .private_space = is_private(type, flags)};
    int status = am_client_key(client, body.private_space, key);
    if (status != 0)
        return status;
    am_unit_id(key, body.type, body.form, data, length, body.id.bytes);
    *origin = AM_FOUND;
    if (am_acquire_hot(client, &body.id, unit))
        return 0;
    int fd = -1;
    if (length > AM_INLINE) {
        fd = am_file_new(length);
        status = fd < 0 ? fd : am_file_fill(fd, data, length);
        if (status == 0)
            status = am_file_seal(fd);
    }
    if (status == 0)
        status = store(client, &body, data, fd, !(flags & AM_NO_REFERENCE), unit, origin);
    if (fd >= 0)
        close(fd);
    return status;
}

/* A publish owns by itself; what was found in the table is owned now, while our reference keeps it. */
static int own_found(struct am_client *client, uint32_t flags, am_unit *unit, enum am_origin origin)
{
    int status = origin == AM_FOUND ? am_own(client, &unit->id) : 0;
    if (status != 0 || flags & AM_NO_REFERENCE)
        am_release(client, unit);
    return status;
}

static int publish(struct am_client *client, int type, int form, const void *data, uint64_t length,
                   uint32_t flags, am_unit *unit)
{
    am_unit got = {0};
    enum am_origin origin;
    int status = am_publish_piece(client, type, form, data, length, flags, &got, &origin);
    if (status == 0)
        status = own_found(client, flags, &got, origin);
    if (status == 0)
        *unit = got;
    return status;
}

int am_publish(am_client *client, int type, const void *data, uint64_t length, uint32_t flags, am_unit *unit)
{
    int status = check(client, type, data, length);
    if (status == 0 && unit == NULL)
        status = am_client_fail(AM_EINVAL, "am_publish needs a place for the unit");
    if (status == 0 && flags & AM_PRIVATE && flags & AM_SHARED)
        status = am_client_fail(AM_EINVAL, "a unit is either private or shared, and both were asked for");
    if (status != 0)
        return status;
    return client->kernel != NULL ? am_kernel_publish(client, type, data, length, flags, unit)
                                  : publish(client, type, AM_RAW, data, length, flags, unit);
}

int am_rope(am_client *client, int type, const am_piece *pieces, size_t count, uint32_t flags, am_unit *rope)
{
    int status = check(client, type, pieces, count * sizeof *pieces);
    if (status == 0 && rope == NULL)
        status = am_client_fail(AM_EINVAL, "am_rope needs a place for the unit");
    if (status == 0 && client->kernel != NULL)
        return am_kernel_lacks("ropes");
    return status != 0 ? status : publish(client, type, AM_ROPE, pieces, count * sizeof *pieces, flags, rope);
}

int am_buffer_create(am_client *client, uint64_t length, am_buffer *buffer)
{
    if (client == NULL || buffer == NULL || length == 0)
        return am_client_fail(AM_EINVAL,
                              "am_buffer_create needs a client, a length above 0 and a place for the buffer");
    if (length > AM_LARGEST_UNIT)
        return am_client_fail(AM_ESIZE, "%llu bytes are more than a unit may have (%llu)",
                              (unsigned long long)length, (unsigned long long)AM_LARGEST_UNIT);
    int fd = am_file_new(length);
    if (fd < 0)
        return fd;
    uint8_t *data = am_file_map(fd, length);
    if (data == NULL) {
        close(fd);
        return am_client_fail(AM_ENOMEM, "no memory for a buffer of %llu bytes: %m",
                              (unsigned long long)length);
    }
    *buffer = (am_buffer){.data = data, .length = length, .fd = fd};
    return 0;
}

void am_buffer_discard(am_buffer *buffer)
{
    if (buffer == NULL || buffer->data == NULL)
        return;
    munmap(buffer->data, buffer->length);
    close(buffer->fd);
    *buffer = (am_buffer){.fd = -1};
}

int am_buffer_publish(am_client *client, int type, am_buffer *buffer, uint32_t flags, am_unit *unit)
{
    if (buffer == NULL || buffer->data == NULL || unit == NULL)
        return am_client_fail(
            AM_EINVAL, "am_buffer_publish needs a buffer of am_buffer_create and a place for the unit");
    uint8_t key[32];
    enum am_origin origin = AM_FOUND;
    struct am_publish_body body = {.length = buffer->length,
                                   .type = (uint8_t)type,
                                   .form = AM_RAW,
                                   .private_space = is_private(type, flags)};
    am_unit got = {0};
    int status = check(client, type, buffer->data, buffer->length);
    if (status == 0 && client->kernel != NULL) {
        status = am_kernel_publish(client, type, buffer->data, buffer->length, flags, unit);
        if (status == 0)
            am_buffer_discard(buffer); /* the module has copied it */
        return status;
    }
    if (status == 0)
        status = am_client_key(client, body.private_space, key);
    if (status != 0)
        return status;
    am_unit_id(key, body.type, AM_RAW, buffer->data, buffer->length, body.id.bytes);
    if (!am_acquire_hot(client, &body.id, &got)) {
        /* The seal wants no writable mapping; on failure the buffer gets it back where that is still
         * possible. */
        munmap(buffer->data, buffer->length);
        status = am_file_seal(buffer->fd);
        if (status == 0)
            status = store(client, &body, NULL, buffer->fd, !(flags & AM_NO_REFERENCE), &got, &origin);
        buffer->data = am_view_map_fd(buffer->fd, buffer->length, PROT_READ, true);
    }
    if (status == 0)
        status = own_found(client, flags, &got, origin);
    if (status != 0)
        return status;
    *unit = got;
    am_buffer_discard(buffer);
    return 0;
}
