/* A client that holds units in more segments than it likes to have mapped.
 *
 * Mapping one more must not interrupt every processor once for each segment in use (a client of 410 segments
 * did so 73,000 times), must unmap what nobody holds, and must leave what is held.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"

enum { SEGMENTS = 3 * AM_MAPPED, KEPT = 7 };

static struct am_client *client;
static int failures;

static void expect(bool right, const char *what, unsigned long long got)
{
    if (!right) {
        fprintf(stderr, "%s: %llu\n", what, got);
        failures++;
    }
}

static void map(uint32_t segment)
{
    int fd = memfd_create("segment", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 4096) != 0 || am_view_map(client, client->views, segment, 1, fd) != 0) {
        fprintf(stderr, "segment %u was not mapped: %s\n", segment, am_error());
        failures++;
    }
    close(fd);
}

static bool mapped(uint32_t segment)
{
    return atomic_load(&client->views->mappings[segment].generation) != 0;
}

static void *room(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

int main(void)
{
    struct am_header *table = room(AM_TABLE_BYTES);
    struct am_page *page = room(sizeof *page);
    if (table == NULL || page == NULL)
        return 1;
    table->magic = AM_MAGIC;
    table->layout = AM_LAYOUT;
    if (am_client_create(&client) != 0 || am_client_attach(client, table, page) != 0) {
        fprintf(stderr, "no client: %s\n", am_error());
        return 1;
    }
    uint32_t slot[SEGMENTS];
    uint64_t before = atomic_load(&client->barriers);
    for (uint32_t segment = 0; segment < SEGMENTS; segment++) {
        while ((slot[segment] = am_slot_pop(client)) == 0)
            if (am_slots_more(client) != 0)
                return 1;
        atomic_store(&client->hold[slot[segment]], am_hold(client->views->serial, segment, AM_HOLD_HELD));
        map(segment);
    }
    uint64_t made = atomic_load(&client->barriers) - before;
    expect(made == 0, "barriers while everything is held", made);
    expect(client->views->mapped_count == SEGMENTS, "segments mapped", client->views->mapped_count);

    for (uint32_t segment = 0; segment < SEGMENTS; segment++)
        if (segment != KEPT)
            am_slot_give(client, slot[segment]);
    map(SEGMENTS);
    expect(client->views->mapped_count == AM_MAPPED, "segments mapped when one is held",
           client->views->mapped_count);
    expect(mapped(KEPT), "the held one is unmapped", KEPT);
    expect(mapped(SEGMENTS), "the new one is not mapped", SEGMENTS);
    am_slot_give(client, slot[KEPT]);
    am_close(client);
    return failures != 0;
}
