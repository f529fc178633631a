/* The warm log's segments move and come and go; what points at them follows. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool am_warm_moved(void *context, const struct am_log_head *head, uint64_t from, uint64_t to) {
    struct am_store *store = context;
    if (head->kind == AM_RECORD_DICTIONARY)
        return true;
    struct am_realm *realm = head->realm < AM_REALMS ? store->realm[head->realm] : NULL;
    am_id id;
    memcpy(id.bytes, head->id, sizeof id.bytes);
    uint32_t number = realm ? am_table_find(realm, &id) : 0;
    if (!number || realm->meta[number].warm != from + 1)
        return false;
    realm->meta[number].warm = to + 1;
    return true;
}

/* Tell the supervisor which memory files the warm log has now. They are known by their inode. */
void am_warm_kept(struct am_store *store, const int *fds, size_t count) {
    uint64_t *now = malloc((count ? count : 1) * sizeof *now);
    if (!now)
        return; /* at the next tick */
    for (size_t i = 0; i < count; i++) {
        struct stat file;
        now[i] = fstat(fds[i], &file) ? 0 : file.st_ino;
        bool known = false;
        for (size_t n = 0; n < store->warm_kept_count && !known; n++)
            known = store->warm_kept[n] == now[i];
        if (!known)
            am_keep(store, AM_KEPT_WARM, 0, (uint32_t)now[i], (uint32_t)(now[i] >> 32), fds[i]);
    }
    for (size_t n = 0; n < store->warm_kept_count; n++) {
        bool there = false;
        for (size_t i = 0; i < count && !there; i++)
            there = now[i] == store->warm_kept[n];
        if (!there)
            am_let_go(store, AM_KEPT_WARM, 0, (uint32_t)store->warm_kept[n],
                      (uint32_t)(store->warm_kept[n] >> 32));
    }
    free(store->warm_kept);
    store->warm_kept = now;
    store->warm_kept_count = count;
}

void am_warm_grown(struct am_store *store) {
    struct am_log_stats stats;
    am_log_stats(store->warm, &stats);
    if (stats.segments == store->warm_kept_count)
        return;
    int fds[4096];
    am_warm_kept(store, fds, am_log_fds(store->warm, fds, 4096));
}
