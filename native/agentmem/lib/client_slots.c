/* The slots of a client's page: which are free, and how one is given back.
 *
 * Does not know what a reference refers to. Invariant: a slot is either in the free list, with a hold of 0
 * and zero in the page, or in the hands of exactly one thread or am_unit. The list is a stack whose head
 * carries a count of changes, so that a slot that left and came back between a load and a swap is not taken
 * for one that stayed.
 */
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/membarrier.h>

#include "client.h"

#define MORE 64u /* slots made at a time: the broker scans what was made */

bool am_barrier_register(void)
{
#if defined(__SANITIZE_THREAD__)
    return false; /* TSan sees fences and atomics, not what the kernel does for us */
#else
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
#endif
}

void am_barrier(struct am_client *client)
{
    if (!client->fences)
        syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
    atomic_fetch_add(&client->barriers, 1);
}

/* While am_reconnect has the list: wait until it is done. */
static void wait_open(struct am_client *client)
{
    pthread_mutex_lock(&client->local);
    pthread_mutex_unlock(&client->local);
}

static void push(struct am_client *client, uint32_t slot)
{
    uint64_t head = atomic_load(&client->free);
    for (;;) {
        if ((uint32_t)head == AM_SLOTS_CLOSED) {
            wait_open(client);
            head = atomic_load(&client->free);
            continue;
        }
        atomic_store_explicit(&client->next[slot], (uint32_t)head, memory_order_relaxed);
        uint64_t then = ((head >> 32) + 1) << 32 | slot;
        if (atomic_compare_exchange_weak(&client->free, &head, then))
            return;
    }
}

uint32_t am_slot_pop(struct am_client *client)
{
    uint64_t head = atomic_load(&client->free);
    for (;;) {
        uint32_t slot = (uint32_t)head;
        if (slot == 0)
            return 0;
        if (slot == AM_SLOTS_CLOSED) {
            wait_open(client);
            head = atomic_load(&client->free);
            continue;
        }
        uint32_t behind = atomic_load_explicit(&client->next[slot], memory_order_relaxed);
        if (!atomic_compare_exchange_weak(&client->free, &head, ((head >> 32) + 1) << 32 | behind))
            continue;
        am_say(client, &client->hold[slot], AM_HOLD_BUSY);
        am_order();
        return slot;
    }
}

void am_slot_give(struct am_client *client, uint32_t slot)
{
    /* Said before looking which view is current: am_reconnect either sees it, or we see its view. */
    uint64_t was = atomic_load_explicit(&client->hold[slot], memory_order_relaxed);
    if (was != AM_HOLD_BUSY) {
        am_say(client, &client->hold[slot], (was & ~(uint64_t)0xff) | AM_HOLD_RELEASING);
        am_order();
    }
    struct am_view *view = atomic_load(&client->view);
    if (view != NULL)
        atomic_store_explicit(&view->page->slot[slot], 0, memory_order_release);
    atomic_store_explicit(&client->hold[slot], 0, memory_order_release);
    push(client, slot);
}

int am_slots_more(struct am_client *client)
{
    pthread_mutex_lock(&client->local);
    uint32_t from = atomic_load(&client->slots), to = from + MORE;
    struct am_view *view = atomic_load(&client->view);
    int status = 0;
    if ((uint32_t)atomic_load(&client->free) != 0)
        to = from; /* another thread made some, or one came back */
    else if (view == NULL)
        status = am_client_fail(AM_EFORKED,
                                "this client was made in the parent of a fork; connect again in the child");
    else if (to > AM_REFERENCES)
        status = am_client_fail(AM_EQUOTA, "all %u references of this client are held; release some",
                                AM_REFERENCES - 1);
    else
        /* Before any of them is used: the broker reads this first. */
        am_say_slot(client, &view->page->high, to);
    if (status == 0)
        atomic_store(&client->slots, to);
    pthread_mutex_unlock(&client->local);
    for (uint32_t slot = to; status == 0 && slot-- > from;)
        if (slot != 0)
            push(client, slot);
    return status;
}
