/* BLAKE3 over a stream: chunks of 1 KiB are hashed side by side, their chaining values joined two by
 * two.
 *
 * It knows the tree, not how a block is compressed (blake3_paths.h). Invariant: the stack holds one
 * chaining value for each complete subtree to the left of `chunk`, largest first; the two halves of the
 * newest stay apart until more input comes, because the join at the root is made with another flag than
 * the joins below. */
#include "blake3.h"

#include "blake3_paths.h"

#include <string.h>

/* Chunks hashed before their values are joined. Values of one group stay in the first-level cache (8 KiB). */
#define GROUP 256u

static void start(struct am_blake3 *hash, const uint32_t key[8], uint8_t flags)
{
    memcpy(hash->key, key, sizeof hash->key);
    memcpy(hash->value, key, sizeof hash->value);
    hash->chunk = 0;
    hash->block_bytes = hash->blocks = hash->depth = 0;
    hash->flags = flags;
}

static const uint32_t initial[8] = {BLAKE3_IV0, BLAKE3_IV1, BLAKE3_IV2, BLAKE3_IV3,
                                    BLAKE3_IV4, BLAKE3_IV5, BLAKE3_IV6, BLAKE3_IV7};

void am_blake3_start(struct am_blake3 *hash)
{
    start(hash, initial, 0);
}

void am_blake3_start_keyed(struct am_blake3 *hash, const uint8_t key[32])
{
    uint32_t words[8];
    memcpy(words, key, sizeof words);
    start(hash, words, BLAKE3_KEYED);
}

void am_blake3_start_derive(struct am_blake3 *hash, const char *context)
{
    uint8_t key[32];
    start(hash, initial, BLAKE3_DERIVE_CONTEXT);
    am_blake3_update(hash, context, strlen(context));
    am_blake3_finish(hash, key);
    uint32_t words[8];
    memcpy(words, key, sizeof words);
    start(hash, words, BLAKE3_DERIVE_MATERIAL);
}

static void join(const struct am_blake3 *hash, const uint8_t pair[64], unsigned root, uint32_t out[8])
{
    uint32_t value[8];
    memcpy(value, hash->key, sizeof value);
    const struct blake3_flags flags = {(uint8_t)(hash->flags | BLAKE3_PARENT | root), 0, 0};
    blake3_run(value, pair, 1, BLAKE3_BLOCK, 0, flags);
    memcpy(out, value, sizeof value);
}

/* Join what is complete: as many values remain as the number of chunks has bits. */
static void settle(struct am_blake3 *hash)
{
    const unsigned complete = (unsigned)__builtin_popcountll(hash->chunk);
    for (; hash->depth > complete; hash->depth--)
        join(hash, (const uint8_t *)hash->stack[hash->depth - 2], 0, hash->stack[hash->depth - 2]);
}

static void push(struct am_blake3 *hash, const uint32_t value[8], uint64_t chunks)
{
    settle(hash);
    memcpy(hash->stack[hash->depth++], value, sizeof hash->stack[0]);
    hash->chunk += chunks;
}

/* `count` whole chunks, none across a multiple of GROUP; not the only chunk of the input. The first lies at
 * `first`, the others one behind the other at `rest`. */
static void add_chunks(struct am_blake3 *hash, const uint8_t *first, const uint8_t *rest, unsigned count)
{
    const struct blake3_path *path = blake3_path();
    const uint8_t *from[BLAKE3_LANES];
    uint32_t values[GROUP][8];
    const struct blake3_flags leaf = {hash->flags, BLAKE3_CHUNK_START, BLAKE3_CHUNK_END};
    for (unsigned i = 0, lanes; i < count; i += lanes) {
        lanes = count - i < path->lanes ? count - i : path->lanes;
        for (unsigned lane = 0; lane < lanes; lane++)
            from[lane] = i + lane == 0 ? first : rest + (size_t)(i + lane - 1) * BLAKE3_CHUNK;
        if (lanes == 1) { /* a lone chunk is quicker so than in one lane of many */
            memcpy(values[i], hash->key, sizeof values[i]);
            blake3_run(values[i], from[0], BLAKE3_CHUNK_BLOCKS, BLAKE3_BLOCK, hash->chunk + i, leaf);
        } else {
            path->many(from, lanes, BLAKE3_CHUNK_BLOCKS, hash->key, hash->chunk + i, 1, leaf, values + i);
        }
    }
    const struct blake3_flags parent = {(uint8_t)(hash->flags | BLAKE3_PARENT), 0, 0};
    for (unsigned at = 0, size; at < count; at += size) {
        /* The largest complete subtree that starts here. */
        for (size = 1; size * 2 <= count - at && hash->chunk % (size * 2) == 0; size *= 2)
            ;
        uint32_t (*tree)[8] = values + at;
        for (unsigned left = size; left > 2; left /= 2)
            for (unsigned i = 0, lanes; i < left / 2; i += lanes) {
                lanes = left / 2 - i < path->lanes ? left / 2 - i : path->lanes;
                for (unsigned lane = 0; lane < lanes; lane++)
                    from[lane] = (const uint8_t *)tree[2 * (i + lane)];
                path->many(from, lanes, 1, hash->key, 0, 0, parent, tree + i);
            }
        push(hash, tree[0], size > 1 ? size / 2 : 1);
        if (size > 1)
            push(hash, tree[1], size / 2);
    }
}

static void compress(struct am_blake3 *hash, const uint8_t *data, size_t blocks, uint8_t last)
{
    const struct blake3_flags flags = {hash->flags, hash->blocks == 0 ? BLAKE3_CHUNK_START : 0, last};
    blake3_run(hash->value, data, blocks, BLAKE3_BLOCK, hash->chunk, flags);
    hash->blocks = (uint8_t)(hash->blocks + blocks);
}

/* Bytes for the chunk that is begun; how many were taken. Its last block waits: it may be the root. */
static size_t fill_chunk(struct am_blake3 *hash, const uint8_t *data, size_t length)
{
    size_t taken = 0;
    if (hash->block_bytes == BLAKE3_BLOCK) {
        compress(hash, hash->block, 1, 0);
        hash->block_bytes = 0;
    }
    if (hash->block_bytes == 0) {
        size_t blocks = (length - 1) / BLAKE3_BLOCK;
        if (blocks > BLAKE3_CHUNK_BLOCKS - 1u - hash->blocks)
            blocks = BLAKE3_CHUNK_BLOCKS - 1u - hash->blocks;
        if (blocks > 0)
            compress(hash, data, blocks, 0);
        taken = blocks * BLAKE3_BLOCK;
    }
    size_t rest = length - taken;
    if (rest > BLAKE3_BLOCK - hash->block_bytes)
        rest = BLAKE3_BLOCK - hash->block_bytes;
    memcpy(hash->block + hash->block_bytes, data + taken, rest);
    hash->block_bytes = (uint8_t)(hash->block_bytes + rest);
    return taken + rest;
}

void am_blake3_update(struct am_blake3 *hash, const void *data, size_t length)
{
    const uint8_t *bytes = data;
    while (length > 0) {
        size_t taken;
        if (hash->block_bytes == BLAKE3_BLOCK && hash->blocks == BLAKE3_CHUNK_BLOCKS - 1) {
            compress(hash, hash->block, 1, BLAKE3_CHUNK_END);
            push(hash, hash->value, 1);
            memcpy(hash->value, hash->key, sizeof hash->value);
            hash->block_bytes = hash->blocks = 0;
        }
        const size_t group = GROUP - hash->chunk % GROUP, whole = length / BLAKE3_CHUNK;
        const unsigned chunks = (unsigned)(whole < group ? whole : group);
        if (hash->block_bytes == 0 && hash->blocks == 0 && (chunks > 1 || (chunks == 1 && hash->chunk > 0))) {
            add_chunks(hash, bytes, bytes + BLAKE3_CHUNK, chunks);
            taken = (size_t)chunks * BLAKE3_CHUNK;
        } else {
            settle(hash);
            taken = fill_chunk(hash, bytes, length);
        }
        bytes += taken;
        length -= taken;
    }
}

void am_blake3_finish(const struct am_blake3 *hash, uint8_t out[32])
{
    uint8_t pair[BLAKE3_BLOCK] = {0};
    uint32_t value[8];
    unsigned depth = hash->depth;
    if (hash->block_bytes == 0 && hash->blocks == 0 && hash->chunk > 0) {
        depth -= 2; /* the input ended with a whole subtree, whose halves are on the stack */
        memcpy(pair, hash->stack[depth], sizeof pair);
        join(hash, pair, depth == 0 ? BLAKE3_ROOT : 0, value);
    } else {
        const unsigned root = depth == 0 ? BLAKE3_ROOT : 0;
        const struct blake3_flags flags = {hash->flags, hash->blocks == 0 ? BLAKE3_CHUNK_START : 0,
                                           (uint8_t)(BLAKE3_CHUNK_END | root)};
        memcpy(value, hash->value, sizeof value);
        memcpy(pair, hash->block, hash->block_bytes);
        blake3_run(value, pair, 1, hash->block_bytes, hash->chunk, flags);
    }
    while (depth-- > 0) {
        memcpy(pair, hash->stack[depth], sizeof value);
        memcpy(pair + sizeof value, value, sizeof value);
        join(hash, pair, depth == 0 ? BLAKE3_ROOT : 0, value);
    }
    memcpy(out, value, sizeof value);
}

void am_unit_id(const uint8_t key[32], uint8_t type, uint8_t form, const void *data, size_t length,
                uint8_t out[32])
{
    const uint8_t prefix[8] = {type, form};
    const size_t begun = BLAKE3_CHUNK - sizeof prefix; /* of the content, in the first chunk */
    size_t taken = 0;
    struct am_blake3 hash;
    am_blake3_start_keyed(&hash, key);
    if (length >= begun + BLAKE3_CHUNK) { /* all chunks side by side, though the prefix shifts them */
        uint8_t first[BLAKE3_CHUNK];
        memcpy(first, prefix, sizeof prefix);
        memcpy(first + sizeof prefix, data, begun);
        const size_t chunks = 1 + (length - begun) / BLAKE3_CHUNK;
        const unsigned count = (unsigned)(chunks < GROUP ? chunks : GROUP);
        add_chunks(&hash, first, (const uint8_t *)data + begun, count);
        taken = (size_t)count * BLAKE3_CHUNK - sizeof prefix;
    } else {
        am_blake3_update(&hash, prefix, sizeof prefix);
    }
    if (length > taken)
        am_blake3_update(&hash, (const uint8_t *)data + taken, length - taken);
    am_blake3_finish(&hash, out);
}
