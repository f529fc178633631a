/* Unit numbers of a realm: which are free, and the heap arrays that run beside them. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

static void *grown(void *old, size_t from, size_t to, size_t each) {
    uint8_t *made = realloc(old, to * each);
    if (made)
        memset(made + from * each, 0, (to - from) * each);
    return made;
}

int am_numbers_room(struct am_realm *realm, uint32_t high) {
    if (high < realm->room)
        return 0;
    uint32_t room = realm->room ? realm->room : 256;
    while (room <= high)
        room *= 2;
    uint8_t *flag = grown(realm->flag, realm->room, room, 1);
    realm->flag = flag ? flag : realm->flag;
    uint16_t *pins = grown(realm->pins, realm->room, room, sizeof *pins);
    realm->pins = pins ? pins : realm->pins;
    uint8_t *awake = grown(realm->awake, realm->room, room, 1);
    realm->awake = awake ? awake : realm->awake;
    struct am_sketch *sketch = grown(realm->sketch, realm->room, room, sizeof *sketch);
    realm->sketch = sketch ? sketch : realm->sketch;
    if (!flag || !pins || !awake || !sketch)
        return am_fail(realm->store, AM_ENOMEM, "no memory for %u units", room);
    realm->room = room;
    return 0;
}

int am_number_take(struct am_realm *realm, uint32_t *number) {
    if (realm->free_count) {
        *number = realm->free_number[--realm->free_count];
        return 0;
    }
    uint32_t high = atomic_load(&realm->header->unit_high);
    if (high >= AM_UNITS)
        return am_fail(realm->store, AM_ENOMEM, "%u units in one realm, which is the limit", AM_UNITS - 1);
    int status = am_numbers_room(realm, high + 1);
    if (status)
        return status;
    *number = high;
    atomic_store_explicit(&realm->header->unit_high, high + 1, memory_order_release);
    return 0;
}

void am_number_give(struct am_realm *realm, uint32_t number) {
    if (realm->free_count == realm->free_room) {
        uint32_t room = realm->free_room ? realm->free_room * 2 : 256;
        uint32_t *made = realloc(realm->free_number, room * sizeof *made);
        if (!made)
            return; /* the number is not used again before the next start: 128 bytes are lost, nothing else */
        realm->free_number = made;
        realm->free_room = room;
    }
    realm->free_number[realm->free_count++] = number;
}
