/* Clients' pages, and the question whether a unit is in use. See layout.h for why the answer can be trusted.
 */
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void link_reader(struct am_store *store, struct am_realm *realm, struct am_agent *agent,
                        struct am_reader *reader) {
    reader->realm = realm;
    reader->agent = agent;
    reader->next = realm->readers;
    realm->readers = reader;
    store->readers++;
}

int am_reader_open(struct am_store *store, struct am_realm *realm, struct am_agent *agent,
                   struct am_reader **out) {
    struct am_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return am_fail(store, AM_ENOMEM, "no memory for a client");
    int status = am_memfd(store, "agentmem-page", sizeof(struct am_page),
                          F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, &reader->fd);
    if (!status && !(reader->page = am_map_fd(reader->fd, sizeof(struct am_page), true))) {
        status = am_fail(store, AM_ENOMEM, "a client's page cannot be mapped: %s", strerror(errno));
        close(reader->fd);
    }
    if (status) {
        free(reader);
        return status;
    }
    reader->number = ++store->reader_numbers;
    link_reader(store, realm, agent, reader);
    am_keep(store, AM_KEPT_PAGE, realm->number, reader->number, agent->row, reader->fd);
    *out = reader;
    return 0;
}

/* A page of the broker before: what its client holds stays, until the agent ends or comes back. */
int am_reader_adopt(struct am_store *store, struct am_realm *realm, struct am_agent *agent, uint32_t number,
                    int fd) {
    struct am_reader *reader = calloc(1, sizeof *reader);
    off_t bytes = lseek(fd, 0, SEEK_END);
    if (!reader || bytes != (off_t)sizeof(struct am_page) ||
        !(reader->page = am_map_fd(fd, sizeof(struct am_page), true))) {
        free(reader);
        return am_fail(store, AM_ECORRUPT, "kept page %u is not one of ours", number);
    }
    reader->fd = fd;
    reader->adopted = true;
    reader->number = number;
    store->reader_numbers = store->reader_numbers > number ? store->reader_numbers : number;
    reader->recent_seen = atomic_load(&reader->page->recent_at);
    link_reader(store, realm, agent, reader);
    return 0;
}

int am_reader_fd(const struct am_reader *reader) { return reader->fd; }

void am_reader_close(struct am_store *store, struct am_reader *reader) {
    struct am_realm *realm = reader->realm;
    for (struct am_reader **at = &realm->readers; *at; at = &(*at)->next)
        if (*at == reader) {
            *at = reader->next;
            break;
        }
    am_let_go(store, AM_KEPT_PAGE, realm->number, reader->number, reader->agent ? reader->agent->row : 0);
    munmap(reader->page, sizeof(struct am_page));
    close(reader->fd);
    free(reader);
    store->readers--;
}

void am_reader_hold(struct am_reader *reader, uint32_t number) { reader->held = number; }

static void barrier(void) {
    /* Every processor that runs a registered thread passes a full barrier before this returns. Where the call
     * does not exist, clients could not register and use fences of their own. */
    syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
    atomic_thread_fence(memory_order_seq_cst);
}

void am_references_find(struct am_realm *realm, const uint32_t *numbers, size_t count, bool *used) {
    if (!count)
        return;
    for (size_t i = 0; i < count; i++)
        realm->flag[numbers[i]] |= AM_FLAG_ASKED;
    barrier();
    uint32_t room = realm->room;
    for (struct am_reader *reader = realm->readers; reader; reader = reader->next) {
        uint32_t high = atomic_load_explicit(&reader->page->high, memory_order_relaxed);
        high = high > AM_REFERENCES ? AM_REFERENCES : high; /* the client writes it: not to be trusted */
        for (uint32_t i = 1; i < high; i++) {
            uint32_t number = atomic_load_explicit(&reader->page->slot[i], memory_order_relaxed);
            if (number && number < room)
                realm->flag[number] &= (uint8_t)~AM_FLAG_ASKED;
        }
        if (reader->held)
            realm->flag[reader->held] &= (uint8_t)~AM_FLAG_ASKED;
    }
    for (size_t i = 0; i < count; i++) {
        used[i] = !(realm->flag[numbers[i]] & AM_FLAG_ASKED) || realm->pins[numbers[i]];
        realm->flag[numbers[i]] &= (uint8_t)~AM_FLAG_ASKED;
    }
}

void am_references_note_use(struct am_store *store) {
    for (uint32_t i = 0; i < AM_REALMS; i++)
        for (struct am_reader *reader = store->realm[i] ? store->realm[i]->readers : NULL; reader;
             reader = reader->next) {
            struct am_realm *realm = reader->realm;
            uint32_t at = atomic_load_explicit(&reader->page->recent_at, memory_order_relaxed);
            uint32_t fresh = at - reader->recent_seen;
            store->counted.acquires += fresh;
            for (uint32_t n = fresh > AM_RECENT ? AM_RECENT : fresh; n > 0; n--) {
                uint32_t number =
                    atomic_load_explicit(&reader->page->recent[(at - n) % AM_RECENT], memory_order_relaxed);
                if (number && number < atomic_load(&realm->header->unit_high) &&
                    am_state_of(realm, number) != AM_STATE_FREE)
                    am_unit_used(realm, number);
            }
            reader->recent_seen = at;
        }
}
