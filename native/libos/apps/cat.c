/* Shows files that were granted, and lists folders: cat PATH... */
#include <nx.h>

static char bytes[NX_PAYLOAD_MAX];

static int failed(const char *path, long error)
{
    char line[512];
    int size = nx_snprintf(line, sizeof line, "cat: %s: error %ld\n", path, -error);
    nx_write(2, line, (size_t)size < sizeof line ? (size_t)size : sizeof line - 1);
    return 1;
}

static int show(const char *path)
{
    long had;
    for (uint64_t at = 0; (had = nx_read_file(path, at, bytes, sizeof bytes)) > 0; at += (uint64_t)had)
        nx_write(1, bytes, (size_t)had);
    return had < 0 ? failed(path, had) : 0;
}

static int list(const char *path)
{
    long had = nx_list(path, bytes, sizeof bytes);
    for (long i = 0; i < had; i++)
        nx_write(1, bytes[i] ? bytes + i : "\n", 1);
    return had < 0 ? failed(path, had) : 0;
}

int main(int argc, char **argv)
{
    int status = 0;
    for (int i = 1; i < argc; i++) {
        struct nx_stat stat;
        int error = nx_stat(argv[i], &stat);
        if (error < 0)
            status |= failed(argv[i], error);
        else
            status |= stat.is_folder ? list(argv[i]) : show(argv[i]);
    }
    return status;
}
