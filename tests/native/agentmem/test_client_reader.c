/* Readers without a lock against a broker that changes everything under them.
 *
 * The broker here is a minimal one of this test's own, written after layout.h: it inserts, moves away, brings
 * back elsewhere, frees, reuses numbers, grows the index and renews segments, in random order. Content
 * follows from the id, and a freed range is scribbled over at once, so a reader that is let into a unit which
 * moves sees wrong bytes. Under TSan (am_client_reader_tsan) every such access is a race besides. Argument:
 * how many changes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/membarrier.h>

#include "client.h"

enum { IDS = 300, NUMBERS = 200, SEGMENTS = 4, CELLS = 64, CELL = 512, READERS = 2, HELD = 8, NONE = 0xffff };

static struct am_header *table;
static struct am_page *page;
static struct am_client *client;
static uint8_t *memory[SEGMENTS];
static _Atomic int stop, failures;
static _Atomic uint64_t hits;

struct place {
    uint16_t segment, cell;
};
static struct {
    uint32_t number;
    uint16_t segment, cell;
} unit_of[IDS];                         /* number 0: not there; segment NONE: away */
static uint16_t owner[SEGMENTS][CELLS]; /* id + 1 */
static uint32_t free_numbers[NUMBERS], free_count;
static uint64_t seed = 88172645463325252ull;
static unsigned long changed, renewed;

static uint64_t random_of(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* Few tags and few beginnings, so that chains are long and tags collide. */
static am_id id_of(unsigned n)
{
    uint64_t word[4] = {n % 37 * 0x9e3779b97f4a7c15ull, n % 5, n, ~(uint64_t)n};
    am_id id;
    memcpy(&id, word, sizeof id);
    return id;
}

static uint64_t length_of(unsigned n)
{
    return n * 31 % (CELL - 1) + 1;
}

static uint8_t byte_of(unsigned n, size_t at)
{
    return (uint8_t)(n * 7 + at * 13 + 1);
}

static struct am_record *record(uint32_t number)
{
    return (struct am_record *)((uint8_t *)table + AM_UNITS_AT) + number;
}

static _Atomic uint64_t *region(unsigned log2)
{
    return (_Atomic uint64_t *)((uint8_t *)table + AM_INDEX_AT) + (1u << log2);
}

static _Atomic uint32_t *generation(unsigned segment)
{
    return (_Atomic uint32_t *)((uint8_t *)table + AM_SEGMENTS_AT) + segment;
}

static void insert_into(unsigned log2, const am_id *id, uint32_t number)
{
    uint64_t word[2], mask = (1ull << log2) - 1;
    memcpy(word, id, sizeof word);
    uint64_t at = word[0] & mask;
    while (atomic_load(&region(log2)[at]) != 0)
        at = (at + 1) & mask;
    atomic_store(&region(log2)[at], word[1] << 32 | number);
}

static void remove_from_index(const am_id *id, uint32_t number)
{
    unsigned log2 = atomic_load(&table->index_log2);
    uint64_t word[2], mask = (1ull << log2) - 1;
    memcpy(word, id, sizeof word);
    uint64_t hole = word[0] & mask;
    while ((uint32_t)atomic_load(&region(log2)[hole]) != number)
        hole = (hole + 1) & mask;
    for (uint64_t at = (hole + 1) & mask;; at = (at + 1) & mask) {
        uint64_t entry = atomic_load(&region(log2)[at]);
        if (entry == 0)
            break;
        uint64_t home = atomic_load(&record((uint32_t)entry)->id[0]) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            atomic_store(&region(log2)[hole], entry);
            hole = at;
        }
    }
    atomic_store(&region(log2)[hole], 0);
}

static void grow_index(void)
{
    unsigned log2 = atomic_load(&table->index_log2);
    if (log2 > 11)
        return;
    for (unsigned n = 0; n < IDS; n++)
        if (unit_of[n].number != 0) {
            am_id id = id_of(n);
            insert_into(log2 + 1, &id, unit_of[n].number);
        }
    atomic_store(&table->index_log2, log2 + 1);
    for (uint64_t at = 0; at < 1ull << log2; at++)
        atomic_store(&region(log2)[at], 0);
}

/* Make the version odd and look whether anybody holds it. */
static bool begin_change(uint32_t number)
{
    struct am_record *changed = record(number);
    atomic_fetch_add(&changed->version, 1);
    if (!client->fences)
        syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
    for (uint32_t slot = 1, high = atomic_load(&page->high); slot < high; slot++)
        if (atomic_load(&page->slot[slot]) == number) {
            atomic_fetch_add(&changed->version, 1);
            return false;
        }
    return true;
}

static void end_change(uint32_t number)
{
    atomic_fetch_add(&record(number)->version, 1);
}

static void leave_cell(unsigned n)
{
    memset(memory[unit_of[n].segment] + unit_of[n].cell * CELL, 0xee, CELL);
    owner[unit_of[n].segment][unit_of[n].cell] = 0;
    unit_of[n].segment = NONE;
}

/* One segment at a time takes nothing new, so that it runs empty and may be renewed. */
static unsigned closed(void)
{
    return changed / 10000 % SEGMENTS;
}

static bool take_cell(unsigned n)
{
    for (int tries = 0; tries < 20; tries++) {
        unsigned segment = random_of(&seed) % SEGMENTS, cell = random_of(&seed) % CELLS;
        if (owner[segment][cell] != 0 || segment == closed())
            continue;
        owner[segment][cell] = (uint16_t)(n + 1);
        unit_of[n].segment = (uint16_t)segment;
        unit_of[n].cell = (uint16_t)cell;
        for (size_t at = 0; at < length_of(n); at++)
            memory[segment][cell * CELL + at] = byte_of(n, at);
        return true;
    }
    return false;
}

/* All words of a record whose version is odd. */
static void write_record(unsigned n, int state)
{
    struct am_record *written = record(unit_of[n].number);
    am_id id = id_of(n);
    uint64_t word[4];
    memcpy(word, &id, sizeof word);
    for (int at = 0; at < 4; at++)
        atomic_store_explicit(&written->id[at], word[at], memory_order_relaxed);
    bool hot = state == AM_STATE_HOT;
    uint64_t place =
        hot ? unit_of[n].segment | (uint64_t)atomic_load(generation(unit_of[n].segment)) << 32 : 0;
    atomic_store_explicit(&written->place, place, memory_order_relaxed);
    atomic_store_explicit(&written->offset, hot ? unit_of[n].cell * (uint64_t)CELL : 0, memory_order_relaxed);
    atomic_store_explicit(&written->size,
                          length_of(n) << 16 | AM_TOOL_DEF << 8 | AM_RAW << 4 | (unsigned)state,
                          memory_order_relaxed);
}

static void renew_segment(void)
{
    for (int cell = 0; cell < CELLS; cell++)
        if (owner[closed()][cell] != 0)
            return;
    atomic_fetch_add(generation(closed()), 1);
    renewed++;
}

static void change(void)
{
    unsigned n = random_of(&seed) % IDS, what = random_of(&seed) % 1000;
    changed++;
    if (what == 0 && random_of(&seed) % 50 == 0)
        grow_index();
    else if (what < 20)
        renew_segment();
    else if (unit_of[n].number == 0) { /* new */
        if (free_count == 0 || !take_cell(n))
            return;
        unit_of[n].number = free_numbers[--free_count];
        atomic_fetch_add(&record(unit_of[n].number)->version, 1);
        write_record(n, AM_STATE_HOT);
        end_change(unit_of[n].number);
        am_id id = id_of(n);
        insert_into(atomic_load(&table->index_log2), &id, unit_of[n].number);
    } else if (unit_of[n].segment == NONE) { /* back from the warm tier */
        atomic_fetch_add(&record(unit_of[n].number)->version, 1);
        write_record(n, take_cell(n) ? AM_STATE_HOT : AM_STATE_AWAY);
        end_change(unit_of[n].number);
    } else if (begin_change(unit_of[n].number)) {
        leave_cell(n);
        uint32_t number = unit_of[n].number;
        if (what & 1) { /* away */
            write_record(n, AM_STATE_AWAY);
        } else { /* freed */
            am_id id = id_of(n);
            remove_from_index(&id, number);
            atomic_store(&record(number)->size, AM_STATE_FREE);
            unit_of[n].number = 0;
            free_numbers[free_count++] = number;
        }
        end_change(number);
    }
}

static void verify(unsigned n, const am_unit *unit)
{
    bool good = unit->length == length_of(n) && unit->type == AM_TOOL_DEF && unit->form == AM_RAW;
    for (size_t at = 0; good && at < unit->length; at++)
        good = unit->data[at] == byte_of(n, at);
    if (!good) {
        fprintf(stderr, "unit %u is not what its id says\n", n);
        atomic_fetch_add(&failures, 1);
    }
}

static bool acquire(unsigned n, am_unit *unit)
{
    am_id id = id_of(n);
    enum am_taken taken = am_take(client, &id, 0, unit);
    if (taken == AM_NO_SLOT)
        am_slots_more(client);
    if (taken == AM_BROKEN) {
        fprintf(stderr, "unit %u lies outside its segment\n", n);
        atomic_fetch_add(&failures, 1);
    }
    if (taken
        == AM_UNMAPPED) { /* the reference keeps the segment; note its new generation, as am_view_map would */
        uint64_t place = atomic_load(&record(unit->number)->place);
        pthread_mutex_lock(&client->local);
        am_view_note(client->views, (uint32_t)place, (uint32_t)(place >> 32), memory[(uint32_t)place],
                     CELL * CELLS);
        pthread_mutex_unlock(&client->local);
        unit->length = 0;
        am_release(client, unit);
    }
    return taken == AM_TAKEN;
}

static void *read_on(void *argument)
{
    uint64_t state = (uint64_t)(uintptr_t)argument * 0x9e3779b97f4a7c15ull | 1;
    am_unit held[HELD] = {{0}};
    unsigned which[HELD] = {0};
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        unsigned at = random_of(&state) % HELD, n = random_of(&state) % IDS;
        if (held[at].reference != 0) {
            verify(which[at], &held[at]);
            am_release(client, &held[at]);
        }
        if (acquire(n, &held[at])) {
            which[at] = n;
            verify(n, &held[at]);
            atomic_fetch_add_explicit(&hits, 1, memory_order_relaxed);
        }
    }
    for (int at = 0; at < HELD; at++)
        am_release(client, &held[at]);
    return NULL;
}

static void *room(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        abort();
    return at;
}

int main(int argc, char **argv)
{
    long changes = argc > 1 ? atol(argv[1]) : 1000000;
    table = room(AM_TABLE_BYTES);
    page = room(sizeof *page);
    table->magic = AM_MAGIC;
    table->layout = AM_LAYOUT;
    atomic_store(&table->epoch, 7);
    atomic_store(&table->index_log2, AM_INDEX_FIRST_LOG2);
    atomic_store(&table->unit_high, NUMBERS + 1);
    for (uint32_t n = 0; n < NUMBERS; n++)
        free_numbers[free_count++] = n + 1;
    for (unsigned segment = 0; segment < SEGMENTS; segment++) {
        memory[segment] = room(CELL * CELLS);
        atomic_store(generation(segment), 1);
    }
    if (am_client_create(&client) != 0 || am_client_attach(client, table, page) != 0) {
        fprintf(stderr, "no client: %s\n", am_error());
        return 1;
    }
    pthread_t readers[READERS];
    for (uintptr_t n = 0; n < READERS; n++)
        pthread_create(&readers[n], NULL, read_on, (void *)(n + 1));
    for (long n = 0; n < changes; n++)
        change();
    atomic_store(&stop, 1);
    for (int n = 0; n < READERS; n++)
        pthread_join(readers[n], NULL);

    /* Now that it is quiet: what is hot is found, what is not is not, and no reference is left. */
    unsigned hot = 0;
    for (unsigned n = 0; n < IDS; n++) {
        am_unit unit = {0};
        bool expected = unit_of[n].number != 0 && unit_of[n].segment != NONE,
             got = acquire(n, &unit) || acquire(n, &unit);
        hot += expected;
        if (got != expected) {
            fprintf(stderr, "unit %u is %s, and was %s\n", n, expected ? "hot" : "away",
                    got ? "found" : "missed");
            atomic_fetch_add(&failures, 1);
        }
        if (got)
            verify(n, &unit);
        am_release(client, &unit);
    }
    for (uint32_t slot = 0; slot < atomic_load(&page->high); slot++)
        if (atomic_load(&page->slot[slot]) != 0 || atomic_load(&client->hold[slot]) != 0) {
            fprintf(stderr, "slot %u was not given back\n", slot);
            atomic_fetch_add(&failures, 1);
        }
    printf("%ld changes, %lu segments renewed, %llu references taken, %u units hot at the end, %s\n", changes,
           renewed, (unsigned long long)atomic_load(&hits), hot,
           client->fences ? "full fences" : "membarrier");
    if (atomic_load(&hits) == 0 || hot == 0 || (renewed == 0 && changes > 100000)) {
        fprintf(stderr, "nothing was read: the test tested nothing\n");
        return 1;
    }
    am_close(client);
    return atomic_load(&failures) != 0;
}
