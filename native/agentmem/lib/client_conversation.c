/* A conversation: a tree of ropes under a head, appended to without rewriting what stands before.
 *
 * The root holds, in order, full ropes (256 leaves, 256 of those, and so on, the largest first) and the
 * leaves that do not fill one yet: an append writes the block, a root of at most 255 entries a level, and
 * moves the head. Does not know what the blocks say. Invariants: the head names a whole conversation before
 * and after every append, whatever fails between; in memory lies one root, never the content; what an append
 * stored on the way is owned by the rope above it and by nobody else when it returns.
 */
#include <stdlib.h>

#include "client.h"
#include "kernel.h"

#define LEAVES 256u
#define DEEPEST 8 /* 256^4 leaves are more than a piece can count */

struct am_conversation {
    am_client *client;
    pthread_mutex_t lock;
    char name[AM_NAME_BYTES];
    am_id root;       /* zero: nothing was appended yet */
    am_piece *pieces; /* of the root */
    size_t count;
    uint64_t leaves, messages, bytes;
};

static bool same(const am_id *a, const am_id *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static void take_root(struct am_conversation *conversation, am_piece *pieces, size_t count, const am_id *root)
{
    free(conversation->pieces);
    conversation->pieces = pieces;
    conversation->count = count;
    conversation->root = *root;
    conversation->leaves = conversation->messages = conversation->bytes = 0;
    for (size_t n = 0; n < count; n++) {
        conversation->leaves += pieces[n].pieces;
        conversation->messages += pieces[n].messages;
        conversation->bytes += pieces[n].length;
    }
}

static int acquire_rope(am_client *client, const am_id *id, am_unit *unit)
{
    int status = am_acquire(client, id, unit);
    if (status != 0)
        return status;
    if (unit->form == AM_ROPE && unit->length % sizeof(am_piece) == 0)
        return 0;
    am_release(client, unit);
    return am_client_fail(AM_ETYPE, "the unit is not a rope, so it is no conversation");
}

/* Read the root again where the head names another. */
static int refresh(struct am_conversation *conversation)
{
    am_id id;
    int status = am_head_get(conversation->client, conversation->name, &id);
    if (status == AM_ENOTFOUND) {
        static const am_id none;
        take_root(conversation, NULL, 0, &none);
        return 0;
    }
    if (status != 0 || same(&id, &conversation->root))
        return status;
    am_unit unit;
    status = acquire_rope(conversation->client, &id, &unit);
    if (status != 0)
        return status;
    am_piece *pieces = malloc(unit.length + sizeof *pieces);
    if (pieces != NULL) {
        memcpy(pieces, unit.data, unit.length);
        take_root(conversation, pieces, unit.length / sizeof *pieces, &id);
    }
    am_release(conversation->client, &unit);
    return pieces != NULL ? 0 : am_client_fail(AM_ENOMEM, "no memory for a conversation's root");
}

int am_conversation_open(am_client *client, const char *name, am_conversation **conversation)
{
    if (client == NULL || name == NULL || conversation == NULL)
        return am_client_fail(AM_EINVAL,
                              "am_conversation_open needs a client, a name and a place; one of them is NULL");
    if (name[0] == '\0' || strlen(name) >= AM_NAME_BYTES)
        return am_client_fail(AM_EINVAL, "a conversation's name has 1 to %d bytes, this has %zu",
                              AM_NAME_BYTES - 1, strlen(name));
    if (client->kernel != NULL)
        return am_kernel_lacks("conversations");
    struct am_conversation *made = calloc(1, sizeof *made);
    if (made == NULL)
        return am_client_fail(AM_ENOMEM, "no memory for a conversation");
    made->client = client;
    strcpy(made->name, name);
    pthread_mutex_init(&made->lock, NULL);
    int status = refresh(made);
    if (status != 0)
        am_conversation_close(made);
    else
        *conversation = made;
    return status;
}

void am_conversation_close(am_conversation *conversation)
{
    if (conversation == NULL)
        return;
    pthread_mutex_destroy(&conversation->lock);
    free(conversation->pieces);
    free(conversation);
}

/* What one append stored on its way. */
struct step {
    am_unit unit;
    enum am_origin origin;
};
struct steps {
    struct step step[DEEPEST + 2];
    size_t count;
};

/* A reference to the piece where it is known already. */
static int find_piece(am_client *client, int type, const void *data, uint64_t length, am_unit *unit)
{
    am_id id;
    const int status = am_identify(client, type, data, length, type == AM_CONVERSATION, &id);
    return status != 0 ? status : am_acquire(client, &id, unit);
}

static int keep(struct am_conversation *conversation, struct steps *steps, int type, int form, const void *data,
                uint64_t length, am_piece *piece)
{
    struct step *step = &steps->step[steps->count];
    *step = (struct step){0};
    int status = AM_ENOTFOUND;
    /* A publish owns what is there already, too, and nobody can tell whether this agent had owned it before. */
    if (form == AM_RAW && (status = find_piece(conversation->client, type, data, length, &step->unit)) == 0)
        step->origin = AM_FOUND;
    if (status == AM_ENOTFOUND)
        status = am_publish_piece(conversation->client, type, form, data, length, 0, &step->unit, &step->origin);
    if (status != 0)
        return status;
    steps->count++;
    *piece = (am_piece){
        .id = step->unit.id, .length = length, .pieces = 1, .type = (uint8_t)type, .form = (uint8_t)form};
    return 0;
}

/* Ropes and head hold what they need; let go of the rest. */
static void let_go(struct am_conversation *conversation, struct steps *steps)
{
    while (steps->count > 0) {
        struct step *step = &steps->step[--steps->count];
        if (step->origin == AM_MADE)
            am_wire_tell(conversation->client, AM_OP_DISOWN, &step->unit.id, sizeof step->unit.id);
        am_release(conversation->client, &step->unit);
    }
}

/* 256 entries of one size at the end become one rope of them, as often as that is so. */
static int fold(struct am_conversation *conversation, struct steps *steps, am_piece *pieces, size_t *count)
{
    for (;;) {
        size_t alike = 0;
        while (alike < *count && alike < LEAVES
               && pieces[*count - 1 - alike].pieces == pieces[*count - 1].pieces)
            alike++;
        if (alike < LEAVES)
            return 0;
        am_piece *first = pieces + *count - LEAVES, rope;
        int status =
            keep(conversation, steps, AM_CONVERSATION, AM_ROPE, first, LEAVES * sizeof *first, &rope);
        if (status != 0)
            return status;
        rope.length = rope.pieces = 0;
        for (size_t n = 0; n < LEAVES; n++) {
            rope.length += first[n].length;
            rope.messages += first[n].messages;
            rope.pieces += first[n].pieces;
        }
        *first = rope;
        *count -= LEAVES - 1;
    }
}

static int append(struct am_conversation *conversation, int type, const void *data, uint64_t length,
                  bool starts)
{
    struct steps steps = {.count = 0};
    am_piece leaf, root;
    size_t count = conversation->count;
    am_piece *pieces = malloc((count + 1) * sizeof *pieces);
    if (pieces == NULL)
        return am_client_fail(AM_ENOMEM, "no memory for a conversation's root");
    int status = keep(conversation, &steps, type, AM_RAW, data, length, &leaf);
    if (status == 0) {
        leaf.messages = starts;
        leaf.flags = starts ? AM_MESSAGE_START : 0;
        if (count > 0)
            memcpy(pieces, conversation->pieces, count * sizeof *pieces);
        pieces[count++] = leaf;
        status = fold(conversation, &steps, pieces, &count);
    }
    if (status == 0)
        status = keep(conversation, &steps, AM_CONVERSATION, AM_ROPE, pieces, count * sizeof *pieces, &root);
    if (status == 0)
        status = am_head_set(conversation->client, conversation->name, &root.id);
    if (status == 0)
        take_root(conversation, pieces, count, &root.id);
    else
        free(pieces);
    let_go(conversation, &steps);
    return status;
}

int am_conversation_append(am_conversation *conversation, int type, const void *data, uint64_t length,
                           bool starts)
{
    if (conversation == NULL || (data == NULL && length > 0))
        return am_client_fail(
            AM_EINVAL, "am_conversation_append needs a conversation and its bytes; one of them is NULL");
    if (type < AM_CONVERSATION || type > AM_KV_PAGE)
        return am_client_fail(AM_ETYPE, "%d is not a type of unit; types go from %d to %d", type,
                              AM_CONVERSATION, AM_KV_PAGE);
    if (length > AM_LARGEST_UNIT)
        return am_client_fail(AM_ESIZE, "%llu bytes are more than a unit may have",
                              (unsigned long long)length);
    pthread_mutex_lock(&conversation->lock);
    int status = AM_ENOTFOUND;
    /* Another writer of this head may move it between our look and our root, and what stood below the old one
     * goes. */
    for (int attempt = 0; attempt < 3 && status == AM_ENOTFOUND; attempt++) {
        status = refresh(conversation);
        if (status == 0 && conversation->leaves >= UINT32_MAX - LEAVES)
            status = am_client_fail(AM_ESIZE, "the conversation has %llu pieces; begin another",
                                    (unsigned long long)conversation->leaves);
        if (status == 0)
            status = append(conversation, type, data, length, starts);
    }
    pthread_mutex_unlock(&conversation->lock);
    return status;
}

/* The n-th leaf, or the leaf that starts the n-th message, and its number among the leaves. */
static int find(struct am_conversation *conversation, uint64_t n, bool by_message, am_piece *piece,
                uint64_t *number)
{
    const am_piece *pieces = conversation->pieces;
    size_t count = conversation->count;
    am_unit rope = {0};
    *number = 0;
    for (int depth = 0; depth < DEEPEST; depth++) {
        size_t at = 0;
        uint64_t weight = 0;
        for (; at < count; at++) {
            weight = by_message ? pieces[at].messages : pieces[at].pieces;
            if (n < weight)
                break;
            n -= weight;
            *number += pieces[at].pieces;
        }
        am_piece found = at < count ? pieces[at] : (am_piece){0};
        am_release(conversation->client, &rope);
        if (at == count)
            break;
        if (found.form != AM_ROPE) {
            *piece = found;
            return 0;
        }
        int status = acquire_rope(conversation->client, &found.id, &rope);
        if (status != 0)
            return status;
        pieces = (const am_piece *)rope.data;
        count = rope.length / sizeof *pieces;
    }
    am_release(conversation->client, &rope);
    return am_client_fail(AM_ECORRUPT, "a rope of the conversation %s counts other pieces than it has",
                          conversation->name);
}

int am_conversation_piece(am_conversation *conversation, uint64_t n, am_piece *piece)
{
    if (conversation == NULL || piece == NULL)
        return am_client_fail(AM_EINVAL,
                              "am_conversation_piece needs a conversation and a place for the piece");
    pthread_mutex_lock(&conversation->lock);
    uint64_t number;
    int status = n < conversation->leaves
                     ? find(conversation, n, false, piece, &number)
                     : am_client_fail(AM_ENOTFOUND, "piece %llu of a conversation that has %llu",
                                      (unsigned long long)n, (unsigned long long)conversation->leaves);
    pthread_mutex_unlock(&conversation->lock);
    return status;
}

int am_conversation_message(am_conversation *conversation, uint64_t n, uint64_t *first, uint64_t *last)
{
    if (conversation == NULL || first == NULL || last == NULL)
        return am_client_fail(AM_EINVAL, "am_conversation_message needs a conversation and two places");
    pthread_mutex_lock(&conversation->lock);
    am_piece piece;
    uint64_t from = 0, to = conversation->leaves;
    int status = n < conversation->messages
                     ? find(conversation, n, true, &piece, &from)
                     : am_client_fail(AM_ENOTFOUND, "message %llu of a conversation that has %llu",
                                      (unsigned long long)n, (unsigned long long)conversation->messages);
    if (status == 0 && n + 1 < conversation->messages)
        status = find(conversation, n + 1, true, &piece, &to);
    pthread_mutex_unlock(&conversation->lock);
    if (status == 0) {
        *first = from;
        *last = to;
    }
    return status;
}

/* One number, or the root's id, as it is between two appends. */
static uint64_t locked(const am_conversation *conversation, const uint64_t *figure)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&conversation->lock;
    pthread_mutex_lock(lock);
    uint64_t value = *figure;
    pthread_mutex_unlock(lock);
    return value;
}

uint64_t am_conversation_messages(const am_conversation *conversation)
{
    return locked(conversation, &conversation->messages);
}

uint64_t am_conversation_pieces(const am_conversation *conversation)
{
    return locked(conversation, &conversation->leaves);
}

uint64_t am_conversation_length(const am_conversation *conversation)
{
    return locked(conversation, &conversation->bytes);
}

int am_conversation_id(const am_conversation *conversation, am_id *id)
{
    if (conversation == NULL || id == NULL)
        return am_client_fail(AM_EINVAL, "am_conversation_id needs a conversation and a place for the id");
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&conversation->lock;
    pthread_mutex_lock(lock);
    int status = conversation->count > 0
                     ? 0
                     : am_client_fail(AM_ENOTFOUND, "the conversation %s is empty, so it has no id",
                                      conversation->name);
    if (status == 0)
        *id = conversation->root;
    pthread_mutex_unlock(lock);
    return status;
}
