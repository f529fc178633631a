/* References: how one is taken and given back. The hot path of everything: no system call, no lock.
 *
 * Follows layout.h. Does not know how a unit comes to be hot: who does not find it asks the broker and looks
 * again. Invariant: am_unit.data is given out only after the record was seen unchanged, in the broker's
 * present epoch, with the unit's number in our page and the segment in our hold.
 */
#include <sched.h>

#include "client.h"
#include "kernel.h"

#define SPINS 200 /* the broker holds a version odd for about a microsecond */

static const _Atomic uint64_t *index_of(const struct am_view *view, unsigned log2)
{
    return (const _Atomic uint64_t *)((const uint8_t *)view->table + AM_INDEX_AT) + (1u << log2);
}

static const struct am_record *record_of(const struct am_view *view, uint32_t number)
{
    return (const struct am_record *)((const uint8_t *)view->table + AM_UNITS_AT) + number;
}

static void pause_a_little(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* How the broker learns what is used; a number lost between two threads does not matter. */
static void note_use(const struct am_view *view, uint32_t number)
{
    struct am_page *page = view->page;
    uint32_t at = atomic_load_explicit(&page->recent_at, memory_order_relaxed);
    atomic_store_explicit(&page->recent[at % AM_RECENT], number, memory_order_relaxed);
    atomic_store_explicit(&page->recent_at, at + 1, memory_order_relaxed);
}

/* Fill the unit from a reference that is already in page and hold. */
static enum am_taken found(const struct am_view *view, uint32_t slot, uint32_t number, uint64_t place,
                           uint64_t offset, uint64_t size, const am_id *id, am_unit *unit)
{
    unit->reference = slot;
    unit->number = number;
    unit->id = *id;
    unit->length = size >> 16;
    unit->type = (uint8_t)(size >> 8);
    unit->form = size >> 4 & 15;
    unit->existed = true;
    const struct am_mapping *mapping = &view->mappings[(uint32_t)place];
    if (atomic_load(&mapping->generation) != (uint32_t)(place >> 32))
        return AM_UNMAPPED;
    uint64_t bytes = atomic_load_explicit(&mapping->bytes, memory_order_acquire);
    if (offset > bytes || unit->length > bytes - offset)
        return AM_BROKEN;
    unit->data = atomic_load_explicit(&mapping->base, memory_order_acquire) + offset;
    return AM_TAKEN;
}

/* Look at one record with this slot. AM_MISSED with *tried false: nothing was written to the page. */
static enum am_taken try(struct am_client *client, const struct am_view *view, uint32_t slot, uint32_t number,
                         const uint64_t word[4], const am_id *id, am_unit *unit, bool *tried, bool *moving)
{
    const struct am_record *record = record_of(view, number);
    uint64_t version = atomic_load(&record->version);
    if (version & 1) {
        *moving = true;
        return AM_MISSED;
    }
    for (int n = 0; n < 4; n++)
        if (atomic_load_explicit(&record->id[n], memory_order_acquire) != word[n])
            return AM_MISSED;
    uint64_t place = atomic_load_explicit(&record->place, memory_order_acquire);
    uint64_t offset = atomic_load_explicit(&record->offset, memory_order_acquire);
    uint64_t size = atomic_load_explicit(&record->size, memory_order_acquire);
    if ((size & 15) != AM_STATE_HOT || (uint32_t)place >= AM_SEGMENTS || place >> 32 == 0)
        return AM_MISSED;
    *tried = true;
    am_say(client, &client->hold[slot], am_hold(view->serial, (uint32_t)place, AM_HOLD_HELD));
    am_say_slot(client, &view->page->slot[slot], number);
    am_order();
    if (atomic_load(&record->version) != version || atomic_load(&view->table->epoch) != view->welcome.epoch
        || atomic_load(&client->view) != view) {
        *moving = true;
        return AM_MISSED;
    }
    note_use(view, number);
    return found(view, slot, number, place, offset, size, id, unit);
}

static enum am_taken look(struct am_client *client, const am_id *id, am_unit *unit, bool *moving)
{
    uint32_t slot = am_slot_pop(client);
    if (slot == 0)
        return AM_NO_SLOT;
    const struct am_view *view = atomic_load(&client->view);
    enum am_taken taken = AM_MISSED;
    bool tried = false;
    if (view != NULL) {
        uint64_t word[4];
        memcpy(word, id->bytes, sizeof word);
        unsigned log2 = atomic_load_explicit(&view->table->index_log2, memory_order_acquire);
        uint32_t high = atomic_load_explicit(&view->table->unit_high, memory_order_acquire);
        if (log2 >= 6 && log2 < AM_INDEX_LOG2 && high <= AM_UNITS) {
            const _Atomic uint64_t *index = index_of(view, log2);
            uint64_t mask = (1ull << log2) - 1;
            for (uint64_t n = 0, at = word[0] & mask; n <= mask && !tried; n++, at = (at + 1) & mask) {
                uint64_t entry = atomic_load_explicit(&index[at], memory_order_acquire);
                if (entry == 0)
                    break;
                if (entry >> 32 == (uint32_t)word[1] && (uint32_t)entry < high)
                    taken = try(client, view, slot, (uint32_t)entry, word, id, unit, &tried, moving);
            }
        }
    }
    if (taken != AM_TAKEN && taken != AM_UNMAPPED)
        am_slot_give(client, slot);
    return taken;
}

enum am_taken am_take(struct am_client *client, const am_id *id, unsigned wait, am_unit *unit)
{
    for (;;) {
        bool moving = false;
        am_unit got;
        enum am_taken taken = look(client, id, &got, &moving);
        if (taken == AM_TAKEN || taken == AM_UNMAPPED)
            *unit = got;
        if (taken != AM_MISSED || !moving || wait-- == 0)
            return taken;
        pause_a_little();
    }
}

bool am_acquire_hot(struct am_client *client, const am_id *id, am_unit *unit)
{
    am_unit got;
    enum am_taken taken = am_take(client, id, 2, &got);
    if (taken == AM_TAKEN)
        *unit = got;
    else if (taken == AM_UNMAPPED)
        am_slot_give(client, got.reference);
    return taken == AM_TAKEN;
}

static int map_segment(struct am_client *client, struct am_view *view, uint32_t segment, uint32_t generation)
{
    struct am_segment_body body = {segment, generation};
    struct am_call call = {.operation = AM_OP_SEGMENT, .part = {{&body, sizeof body}}, .send_fd = -1};
    int status = am_wire_call(client, &call);
    if (status == 0 && call.answer_fd < 0)
        status = am_client_fail(AM_EPROTOCOL, "the broker sent no file for segment %u", segment);
    if (status == 0)
        status = am_view_map(client, view, segment, generation, call.answer_fd);
    am_wire_close(&call);
    return status;
}

/* Under `wire`: look in the table, and map the segment where that is all that is missing. 1: it is not there.
 */
int am_acquire_placed(struct am_client *client, const am_id *id, am_unit *unit)
{
    am_unit got;
    for (;;) {
        enum am_taken taken = am_take(client, id, SPINS, &got);
        int status = 0;
        if (taken == AM_TAKEN) {
            *unit = got;
            return 0;
        }
        if (taken == AM_MISSED)
            return 1;
        if (taken == AM_BROKEN)
            return am_client_fail(AM_EPROTOCOL, "the broker's table names bytes behind the end of a segment");
        if (taken == AM_NO_SLOT && (status = am_slots_more(client)) != 0)
            return status;
        if (taken == AM_NO_SLOT)
            continue;
        /* The reference keeps the segment while we ask for it; nobody changes the view while we have `wire`.
         */
        struct am_view *view = atomic_load(&client->view);
        const struct am_record *record = record_of(view, got.number);
        uint64_t place = atomic_load(&record->place), offset = atomic_load(&record->offset);
        status = map_segment(client, view, (uint32_t)place, (uint32_t)(place >> 32));
        const struct am_mapping *mapping = &view->mappings[(uint32_t)place];
        uint64_t bytes = atomic_load(&mapping->bytes);
        if (status == 0 && (offset > bytes || got.length > bytes - offset))
            status =
                am_client_fail(AM_EPROTOCOL, "the broker's table names bytes behind the end of a segment");
        if (status != 0) {
            am_slot_give(client, got.reference);
            return status;
        }
        got.data = atomic_load(&mapping->base) + offset;
        *unit = got;
        return 0;
    }
}

int am_acquire_asking(struct am_client *client, const am_id *id, am_unit *unit)
{
    int64_t until = am_clock_ms() + client->options.timeout_ms;
    for (;;) {
        pthread_mutex_lock(&client->wire);
        int status = am_acquire_placed(client, id, unit);
        if (status == 1) {
            struct am_call call = {.operation = AM_OP_ACQUIRE, .part = {{id, sizeof *id}}, .send_fd = -1};
            status = am_wire_call(client, &call);
            am_wire_close(&call);
            /* The broker keeps the unit where it is until our next request. */
            if (status == 0)
                status = am_acquire_placed(client, id, unit);
        }
        pthread_mutex_unlock(&client->wire);
        if (status == AM_EBUSY && am_clock_ms() < until)
            am_wire_rest(client);
        else if (status != 1)
            return status;
        else if (am_clock_ms() >= until)
            return am_client_fail(AM_EBUSY, "the unit was moved away again and again while it was asked for");
    }
}

int am_acquire(am_client *client, const am_id *id, am_unit *unit)
{
    if (client == NULL || id == NULL || unit == NULL)
        return am_client_fail(AM_EINVAL, "am_acquire takes a client, an id and a unit; one of them is NULL");
    if (client->kernel != NULL)
        return am_kernel_acquire(client, id, unit);
    return am_acquire_hot(client, id, unit) ? 0 : am_acquire_asking(client, id, unit);
}

void am_release(am_client *client, am_unit *unit)
{
    if (client == NULL || unit == NULL || unit->reference == 0)
        return;
    uint32_t slot = unit->reference;
    unit->reference = 0;
    unit->data = NULL;
    if (client->kernel != NULL) {
        am_kernel_release(client, slot);
        return;
    }
    if (slot >= AM_REFERENCES || atomic_load_explicit(&client->forked, memory_order_relaxed))
        return;
    uint64_t hold = atomic_load_explicit(&client->hold[slot], memory_order_relaxed);
    am_slot_give(client, slot);
    if (unit->length >= AM_LARGE)
        am_view_drop(client, hold);
    if (atomic_load_explicit(&client->retired, memory_order_relaxed) != 0
        && atomic_fetch_add(&client->swept, 1) % 256 == 255) {
        pthread_mutex_lock(&client->local);
        am_view_sweep(client);
        pthread_mutex_unlock(&client->local);
    }
}
