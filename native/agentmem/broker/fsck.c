/* See fsck.h. */
#include "fsck.h"

#include "codec.h"
#include "folder.h"
#include "log.h"
#include "wire_check.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct findings { uint64_t units, others, payload_bytes, broken; };

static int visit(void *context, uint64_t address, const struct am_log_head *head, const void *payload)
{
    struct findings *found = context;
    struct am_stored stored;
    found->payload_bytes += head->payload_bytes;
    if (head->kind != AM_RECORD_UNIT) {
        found->others++;
        return 0;
    }
    found->units++;
    /* The tag says that the payload is as it was written; this says that what was written can be read. */
    if (am_stored_head(payload, head->payload_bytes, &stored) != 0) {
        found->broken++;
        char text[AM_ID_TEXT];
        am_id id;
        memcpy(&id, head->id, sizeof id);
        printf("unit %s at %llu: its %llu bytes are no stored unit\n", am_id_text(&id, text),
               (unsigned long long)address, (unsigned long long)head->payload_bytes);
    }
    return 0;
}

static void broken(void *context, uint32_t segment, uint64_t offset, uint64_t bytes, const char *what)
{
    struct findings *found = context;
    found->broken += what != AM_LOG_TORN; /* the last record before a crash: no sync had covered it */
    printf("segment %u, offset %llu, %llu bytes: %s\n", segment, (unsigned long long)offset,
           (unsigned long long)bytes, what);
}

int am_fsck(const char *folder)
{
    char cold[PATH_MAX], error[AM_ERROR];
    struct findings found = {0};
    struct am_log *log;
    struct stat is;
    if ((size_t)snprintf(cold, sizeof cold, "%s/cold", folder) >= sizeof cold || stat(cold, &is) != 0
        || !S_ISDIR(is.st_mode)) {
        fprintf(stderr, "nexus-agentmemd: %s has no cold log; give the broker's folder\n", folder);
        return 2;
    }
    const int lock = am_folder_lock(folder, error);
    if (lock < 0) {
        fprintf(stderr, "nexus-agentmemd: %s\n", error);
        return 2;
    }
    const int status = am_log_open_disk(cold, UINT64_MAX, false, &log);
    if (status != 0) {
        fprintf(stderr, "nexus-agentmemd: %s cannot be opened (status %d)\n", cold, status);
        close(lock);
        return 2;
    }
    const int scanned = am_log_scan(log, visit, broken, &found);
    am_log_close(log);
    close(lock);
    printf("units %llu, other records %llu, bytes %llu, broken %llu\n", (unsigned long long)found.units,
           (unsigned long long)found.others, (unsigned long long)found.payload_bytes,
           (unsigned long long)found.broken);
    if (scanned < 0) {
        fprintf(stderr, "nexus-agentmemd: %s was not read to its end (status %d)\n", cold, scanned);
        return 2;
    }
    return found.broken ? 1 : 0;
}
