/* Files of the host that were granted: asked for by path, read at an offset; nothing is kept open. */
#include <string.h>

#include "core.h"

int nx_stat(const char *path, struct nx_stat *stat)
{
    return (int)nx_ask(NX_OP_FILE_STAT, 0, path, strlen(path), stat, sizeof *stat);
}

/* The whole of `size` where the file has it: a call carries at most NX_PAYLOAD_MAX. */
long nx_read_file(const char *path, uint64_t offset, void *to, size_t size)
{
    size_t had = 0;
    while (had < size) {
        size_t part = nx_least(size - had, NX_PAYLOAD_MAX);
        int64_t result = nx_ask(NX_OP_FILE_READ, offset + had, path, strlen(path), (char *)to + had, part);
        if (result < 0)
            return had ? (long)had : (long)result;
        had += (size_t)result;
        if ((size_t)result < part)
            break;
    }
    return (long)had;
}

long nx_list(const char *path, char *names, size_t size)
{
    struct nx_call call = {.op = NX_OP_FILE_LIST,
                           .in = (uintptr_t)path,
                           .in_len = strlen(path),
                           .out = (uintptr_t)names,
                           .out_cap = nx_least(size, NX_PAYLOAD_MAX)};
    int64_t result = nx_ring(&call);
    return result < 0 ? (long)result : (long)call.out_len;
}
