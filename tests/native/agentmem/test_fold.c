/* Conversations of small messages: they are folded when idle, unfolded when wanted, and lose nothing by it,
 * whether the broker lives, dies or is switched off; when the power goes, durable ones are whole up to what
 * was written. The ropes are made as the client makes them. */
#include "kept_store.h"

#ifndef FIRST_POOL
#define FIRST_POOL 0 /* of 0 and 2 threads */
#define FIRST_KIND 0 /* of: without a disk, with one, durable */
#define ROUNDS 1
#endif

enum { TALKS = 5, MESSAGES = 400, LEAVES = 32 };

struct talk {
    struct am_realm *realm;
    struct am_agent *agent;
    struct am_reader *reader;
    char texts[MESSAGES][600];
    size_t lengths[MESSAGES];
    int count;
    am_piece pieces[MESSAGES]; /* of the root: full ropes of LEAVES pieces, then messages */
    size_t piece_count;
    am_id root;
    int safe; /* so many messages are on the disk */
};
static struct talk talks[TALKS];
static bool durable;

static struct am_placed publish(struct talk *talk, const void *bytes, size_t length, uint8_t form) {
    struct am_welcome keys;
    struct am_content content = {.length = length,
                                 .bytes = bytes,
                                 .fd = -1,
                                 .type = AM_CONVERSATION,
                                 .form = form,
                                 .private_space = true};
    struct am_placed placed = {0};
    am_agent_keys(talk->realm, talk->agent, &keys);
    am_unit_id(keys.space_key, AM_CONVERSATION, form, bytes, length, content.id.bytes);
    int status;
    while ((status = am_put(store, talk->agent, &content, &placed)) == AM_EBUSY)
        am_pool_finish(pool);
    CHECK(status == 0);
    return placed;
}

static am_piece rope_of(struct talk *talk, const am_piece *pieces, size_t count) {
    am_piece rope = {.type = AM_CONVERSATION, .form = AM_ROPE};
    rope.id = publish(talk, pieces, count * sizeof *pieces, AM_ROPE).id;
    for (size_t i = 0; i < count; i++) {
        rope.length += pieces[i].length;
        rope.messages += pieces[i].messages;
        rope.pieces += pieces[i].pieces;
    }
    return rope;
}

static void append(struct talk *talk) {
    if (talk->count == MESSAGES)
        return;
    char *text = talk->texts[talk->count];
    size_t length = 60 + draw(500);
    for (size_t at = 0; at < length; at += 20)
        snprintf(text + at, 40, "message %5d %5u, ", talk->count, draw(at % 60 ? 3 : 90000));
    talk->lengths[talk->count++] = length;
    am_piece piece = {.id = publish(talk, text, length, AM_RAW).id,
                      .length = length,
                      .messages = 1,
                      .pieces = 1,
                      .type = AM_CONVERSATION,
                      .form = AM_RAW,
                      .flags = AM_MESSAGE_START};
    am_id single = piece.id, before = talk->root;
    talk->pieces[talk->piece_count++] = piece;
    size_t full = 0;
    while (full < talk->piece_count && talk->pieces[full].form == AM_ROPE)
        full++;
    am_id below = {{0}};
    if (talk->piece_count - full == LEAVES) {
        talk->pieces[full] = rope_of(talk, talk->pieces + full, LEAVES);
        talk->piece_count = full + 1;
        below = talk->pieces[full].id;
    }
    talk->root = rope_of(talk, talk->pieces, talk->piece_count).id;
    CHECK(am_head_write(store, talk->agent, "talk", 4, &talk->root) == 0);
    CHECK(am_store_disown(store, talk->agent, &talk->root) ==
          0); /* the head keeps it, and it keeps the rest */
    am_store_disown(store, talk->agent, &single);
    if (below.bytes[0] | below.bytes[1])
        CHECK(am_store_disown(store, talk->agent, &below) == 0);
    (void)before;
}

/* The bytes of a unit, as a client reads them. */
static size_t fetch(struct talk *talk, const am_id *id, uint8_t *out, size_t room) {
    struct heard answer = {0};
    am_heat(store, talk->agent, id, heard, &answer);
    wait_for(&answer);
    CHECK(answer.status == 0 && answer.placed.length <= room);
    int fd;
    struct stat file;
    CHECK(am_segment_fd(store, talk->agent, answer.placed.segment, answer.placed.generation, &fd) == 0);
    CHECK(fstat(fd, &file) == 0);
    uint8_t *map = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED);
    memcpy(out, map + answer.placed.offset, answer.placed.length);
    munmap(map, (size_t)file.st_size);
    return answer.placed.length;
}

static int read_rope(struct talk *talk, const am_id *id, int at) {
    am_piece pieces[MESSAGES];
    uint8_t text[600];
    size_t count = fetch(talk, id, (uint8_t *)pieces, sizeof pieces) / sizeof *pieces;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].form == AM_ROPE) {
            at = read_rope(talk, &pieces[i].id, at);
            continue;
        }
        CHECK(at < talk->count && fetch(talk, &pieces[i].id, text, sizeof text) == talk->lengths[at]);
        CHECK(memcmp(text, talk->texts[at], talk->lengths[at]) == 0);
        at++;
    }
    return at;
}

static void read_all(struct talk *talk) {
    struct am_placed head;
    if (!talk->count)
        return;
    CHECK(am_head_read(store, talk->agent, "talk", 4, &head) == 0);
    CHECK(memcmp(&head.id, &talk->root, sizeof head.id) == 0);
    CHECK(read_rope(talk, &head.id, 0) == talk->count);
}

static void settle(int times) {
    for (int i = 0; i < times; i++) {
        clock_ms += 400000; /* past the age at which units go down */
        am_store_tick(store, 0);
        while (am_pool_pending(pool))
            am_pool_finish(pool);
    }
}

static void attach(void) {
    for (int n = 0; n < TALKS; n++) {
        char name[24];
        snprintf(name, sizeof name, "talk-%d", n);
        CHECK(am_realm_open(store, "r", 1, &talks[n].realm) == 0);
        CHECK(am_agent_open(store, talks[n].realm, name, strlen(name), durable, 50,
                            durable ? 0 : (int32_t)getpid(), 0, &talks[n].agent) == 0);
        CHECK(am_reader_open(store, talks[n].realm, talks[n].agent, &talks[n].reader) == 0);
    }
}

/* The power goes: every talk is whole as far as it had come on the disk, and goes on from there. */
static void cut(void) {
    am_store_close(store, false);
    for (size_t i = 0; i < kept_count; i++)
        close(kept[i].fd);
    kept_count = 0;
    open_store(true);
    CHECK(am_store_check(store, stderr) == 0);
    attach();
    for (int n = 0; n < TALKS; n++) {
        struct talk *talk = &talks[n];
        struct am_placed head;
        bool there = am_head_read(store, talk->agent, "talk", 4, &head) == 0;
        talk->count = there ? read_rope(talk, &head.id, 0) : 0;
        CHECK(talk->count >= talk->safe);
        talk->safe = talk->count;
        talk->piece_count = 0;
        if (there) {
            talk->root = head.id;
            talk->piece_count = fetch(talk, &head.id, (uint8_t *)talk->pieces, sizeof talk->pieces) /
                                sizeof *talk->pieces;
        }
    }
}

static void run(bool disk, int steps) {
    memset(talks, 0, sizeof talks);
    open_store(disk);
    attach();
    for (int step = 0; step < steps; step++) {
        struct talk *talk = &talks[draw(TALKS)];
        uint32_t what = draw(30);
        if (what < 22)
            append(talk);
        else if (what == 22)
            read_all(talk);
        else if (what == 23)
            CHECK(am_agent_set(store, talk->agent, draw(2) ? AM_PAUSED : AM_ACTIVE, UINT32_MAX) == 0);
        else if (what == 24)
            settle(1);
        else if (what == 25 && talk->count) { /* one message, by its id, wherever it is */
            struct am_welcome keys;
            uint8_t text[600];
            int i = (int)draw((uint32_t)talk->count);
            am_id id;
            am_agent_keys(talk->realm, talk->agent, &keys);
            am_unit_id(keys.space_key, AM_CONVERSATION, AM_RAW, talk->texts[i], talk->lengths[i], id.bytes);
            CHECK(fetch(talk, &id, text, sizeof text) == talk->lengths[i]);
            CHECK(memcmp(text, talk->texts[i], talk->lengths[i]) == 0);
        } else if (what == 26 && draw(8) == 0) {
            dies(disk);
            attach();
        } else if (what == 27 && durable && draw(8) == 0) {
            off();
            open_store(disk);
            CHECK(am_store_check(store, stderr) == 0);
            attach();
            for (int n = 0; n < TALKS; n++)
                talks[n].safe = talks[n].count;
        } else if (what == 29 && durable && draw(8) == 0) {
            cut();
        } else if (what == 28) {
            am_store_tick(store, (int)draw(3));
        }
        am_pool_finish(pool);
        clock_ms += draw(20000);
        if (step % 61 == 0)
            CHECK(am_store_check(store, stderr) == 0);
    }
    for (int n = 0; n < TALKS; n++)
        read_all(&talks[n]);
    CHECK(am_store_check(store, stderr) == 0);
    uint64_t said = 0;
    for (int n = 0; n < TALKS; n++)
        for (int i = 0; i < talks[n].count; i++)
            said += talks[n].lengths[i];
    settle(4);
    CHECK(am_store_check(store, stderr) == 0);
    struct am_store_figures figures;
    am_store_figures(store, &figures);
    if (getenv("SHOW"))
        fprintf(stderr, "said %llu units %llu table %llu segments %llu warm %llu cold %llu hot units %llu\n",
                (unsigned long long)said, (unsigned long long)figures.units,
                (unsigned long long)figures.table_bytes, (unsigned long long)figures.segment_bytes,
                (unsigned long long)figures.tier[AM_WARM].stored_bytes,
                (unsigned long long)figures.tier[AM_COLD].stored_bytes,
                (unsigned long long)figures.tier[AM_HOT].units);
    CHECK(figures.broken == 0);
    CHECK(disk || figures.units < TALKS * MESSAGES / 8); /* ropes, and what a restart left single */
    for (int n = 0; n < TALKS; n++)
        CHECK(am_agent_disown_all(store, talks[n].agent) == 0);
    settle(durable ? 8 : 1); /* what is on its way to the disk goes there first */
    am_store_figures(store, &figures);
    CHECK(figures.units == 0 && am_store_check(store, stderr) == 0);
    off();
}

int main(int argc, char **argv) {
    seed = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
    CHECK(mkdtemp(folder));
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s/*", folder);
    int rounds = argc > 2 ? atoi(argv[2]) : 0; /* many and long ones, to look for what is rare */
    for (int round = 0; round < (rounds ? rounds : ROUNDS); round++, seed++)
        for (unsigned threads = FIRST_POOL; threads < 3; threads += 2) {
            random_state = seed * 0x9e3779b97f4a7c15ull + 1;
            CHECK(am_pool_create(threads, 1024, &pool) == 0);
            for (int kind = FIRST_KIND; kind < 3; kind++) {
                durable = kind == 2;
                run(kind > 0, rounds || !kind ? 1200 : durable ? 800 : 400);
                CHECK(system(command) == 0);
            }
            am_pool_free(pool);
        }
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) != 0;
}
