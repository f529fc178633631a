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

/* The cold log in a broker's folder, for which no broker may run. */
static struct am_log *open_folder(const char *folder, int *lock)
{
    char cold[PATH_MAX], error[AM_ERROR];
    struct am_log *log;
    struct stat is;
    if ((size_t)snprintf(cold, sizeof cold, "%s/cold", folder) >= sizeof cold || stat(cold, &is) != 0
        || !S_ISDIR(is.st_mode)) {
        fprintf(stderr, "nexus-agentmemd: %s has no cold log; give the broker's folder\n", folder);
        return NULL;
    }
    *lock = am_folder_lock(folder, error);
    if (*lock < 0) {
        fprintf(stderr, "nexus-agentmemd: %s\n", error);
        return NULL;
    }
    const int status = am_log_open_disk(cold, UINT64_MAX, false, &log);
    if (status == 0)
        return log;
    fprintf(stderr, "nexus-agentmemd: %s cannot be opened (status %d)\n", cold, status);
    close(*lock);
    return NULL;
}

static struct am_log *open_disk(const char *where)
{
    char why[320];
    struct am_log *log;
    const int status = am_log_open_nvme(where, UINT64_MAX, &log, why, sizeof why);
    if (status == 0)
        return log;
    fprintf(stderr, "nexus-agentmemd: %s\n", why);
    return NULL;
}

int am_fsck(const char *where)
{
    struct findings found = {0};
    int lock = -1;
    char address[16];
    const bool disk = am_log_nvme_address(where, address);
    struct am_log *log = disk ? open_disk(where) : open_folder(where, &lock);
    if (log == NULL)
        return 2;
    const int scanned = am_log_scan(log, visit, broken, &found);
    am_log_close(log);
    if (lock >= 0)
        close(lock);
    printf("units %llu, other records %llu, bytes %llu, broken %llu\n", (unsigned long long)found.units,
           (unsigned long long)found.others, (unsigned long long)found.payload_bytes,
           (unsigned long long)found.broken);
    if (scanned < 0) {
        fprintf(stderr, "nexus-agentmemd: %s was not read to its end (status %d)\n", where, scanned);
        return 2;
    }
    return found.broken ? 1 : 0;
}
