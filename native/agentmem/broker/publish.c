/* See server.h: PUBLISH. The id is computed here from the bytes themselves; what the client says it is
 * only serves to find the client's mistakes.
 *
 * A descriptor is believed only when it is a memfd that nobody can write to, shrink or grow any more; then
 * what was hashed is what will be mapped. It is read with pread and not through a mapping: holes stay
 * holes instead of taking memory, and no fault can end the broker whatever the descriptor is. Bytes being
 * hashed at a time are bounded by the hot tier's size, which a larger unit could not enter anyway. */
#include "server.h"

#include "blake3.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#define WANTED (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)
#define READ_AT_ONCE (256u << 10)

struct hashing {
    struct am_job job;
    struct am_ask *ask;
    struct am_content content;
    am_id claimed;
    uint8_t key[32];
    int error; /* errno of the worker */
};

/* Into the store, under the id that was found. true: the store has taken the descriptor. */
static bool put(const struct am_ask *ask, const struct am_content *content, const am_id *claimed)
{
    static const am_id none;
    struct am_connection *own = ask->connection;
    if (memcmp(claimed, &none, sizeof none) != 0 && memcmp(claimed, &content->id, sizeof none) != 0) {
        char said[AM_ID_TEXT], is[AM_ID_TEXT];
        own->server->counts.lies++;
        am_refuse(ask, AM_EINVAL, "the unit is said to be %s and is %s", am_id_text(claimed, said),
                  am_id_text(&content->id, is));
        return false;
    }
    struct am_placed placed = {0};
    const int status = am_put(own->server->store, own->member->agent, content, &placed);
    am_answer_placed(ask, status, &placed);
    return status == AM_OK && content->fd >= 0 && !placed.existed;
}

static void hash(struct am_job *job)
{
    struct hashing *own = (struct hashing *)job;
    const uint8_t before[8] = {own->content.type, own->content.form};
    struct am_blake3 state;
    uint8_t *part = malloc(READ_AT_ONCE);
    uint64_t at = 0;
    am_blake3_start_keyed(&state, own->key);
    am_blake3_update(&state, before, sizeof before);
    while (part && at < own->content.length) {
        const uint64_t left = own->content.length - at;
        const ssize_t bytes =
            pread(own->content.fd, part, left < READ_AT_ONCE ? left : READ_AT_ONCE, (off_t)at);
        if (bytes <= 0 && !(bytes < 0 && errno == EINTR)) {
            own->error = bytes ? errno : EIO;
            break;
        }
        if (bytes > 0) {
            am_blake3_update(&state, part, (size_t)bytes);
            at += (uint64_t)bytes;
        }
    }
    if (!part)
        own->error = ENOMEM;
    free(part);
    am_blake3_finish(&state, own->content.id.bytes);
}

static void hashed(struct am_job *job)
{
    struct hashing *own = (struct hashing *)job;
    struct am_server *server = own->ask->connection->server;
    server->hashing_bytes -= own->content.length;
    bool taken = false;
    if (own->error)
        am_refuse(own->ask, own->error == ENOMEM ? AM_ENOMEM : AM_EINVAL, "the memfd cannot be read: %s",
                  strerror(own->error));
    else
        taken = put(own->ask, &own->content, &own->claimed);
    if (!taken)
        close(own->content.fd);
    server->touched = true;
    am_ask_end(own->ask);
    explicit_bzero(own, sizeof *own);
    free(own);
}

/* What the descriptor must be; refused otherwise. */
static int examine(const struct am_ask *ask, int fd, uint64_t length)
{
    struct am_server *server = ask->connection->server;
    const uint64_t most = server->start->options->hot;
    struct stat is;
    struct statfs on;
    const int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || fstatfs(fd, &on) != 0 || on.f_type != TMPFS_MAGIC) {
        am_refuse(ask, AM_ESEALS,
                  "the descriptor is not a memfd; make one with memfd_create(MFD_ALLOW_SEALING)");
        return AM_ESEALS;
    }
    if ((seals & WANTED) != WANTED) {
        am_refuse(ask, AM_ESEALS,
                  "the memfd has the seals 0x%x; it needs 0x%x (F_SEAL_SHRINK, F_SEAL_GROW and "
                  "F_SEAL_WRITE; unmap it first)",
                  seals, WANTED);
        return AM_ESEALS;
    }
    if (fstat(fd, &is) != 0 || (uint64_t)is.st_size != length) {
        am_refuse(ask, AM_ESIZE, "the unit is said to have %llu bytes, the memfd has %lld",
                  (unsigned long long)length, (long long)is.st_size);
        return AM_ESIZE;
    }
    if (length > most) {
        am_refuse(ask, AM_ENOMEM, "a unit of %llu bytes does not fit into the hot tier of %llu (--hot)",
                  (unsigned long long)length, (unsigned long long)most);
        return AM_ENOMEM;
    }
    if (server->hashing_bytes + length > most) {
        am_refuse(ask, AM_EBUSY, "%llu bytes are being hashed; try again",
                  (unsigned long long)server->hashing_bytes);
        return AM_EBUSY;
    }
    return AM_OK;
}

static void publish_descriptor(const struct am_ask *ask, struct am_content *content, const uint8_t key[32],
                               const am_id *claimed)
{
    struct am_server *server = ask->connection->server;
    if (examine(ask, content->fd, content->length) != AM_OK) {
        close(content->fd);
        return;
    }
    struct hashing *own = calloc(1, sizeof *own);
    struct am_ask *kept = own ? am_ask_keep(ask, sizeof *kept) : NULL;
    if (!kept) {
        if (!own)
            am_refuse(ask, AM_ENOMEM, "the broker has no memory for the request; try again");
        free(own);
        close(content->fd);
        return;
    }
    own->job.run = hash;
    own->job.done = hashed;
    own->ask = kept;
    own->content = *content;
    own->claimed = *claimed;
    memcpy(own->key, key, sizeof own->key);
    server->hashing_bytes += content->length;
    if (am_pool_submit(server->pool, &own->job) == AM_OK)
        return;
    server->hashing_bytes -= content->length;
    am_refuse(ask, AM_EBUSY, "the broker's workers have all they can hold; try again");
    close(content->fd);
    am_ask_end(kept);
    free(own);
}

void am_publish_request(const struct am_ask *ask, const struct am_checked *said, int descriptor)
{
    const struct am_connection *own = ask->connection;
    const uint8_t *key = said->publish.private_space ? own->welcome.space_key : own->welcome.realm_key;
    struct am_content content = {.length = said->publish.length, .bytes = said->bytes, .fd = descriptor,
                                 .type = said->publish.type, .form = said->publish.form,
                                 .private_space = said->publish.private_space};
    if (descriptor >= 0) {
        publish_descriptor(ask, &content, key, &said->id);
        return;
    }
    am_unit_id(key, content.type, content.form, content.bytes, content.length, content.id.bytes);
    put(ask, &content, &said->id);
}
