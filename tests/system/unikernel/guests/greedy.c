/* What wants more than there is, by name. */
#include <nx.h>
#include <string.h>

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "loop")) {
        for (;;)
            __asm__ volatile("" ::: "memory");
    } else if (!strcmp(what, "sleep")) {
        nx_puts("asleep");
        nx_flush();
        for (;;)
            nx_sleep(3600ll * 1000 * 1000 * 1000);
    } else if (!strcmp(what, "memory")) {
        uint64_t all = 0;
        for (char *page; (page = nx_pages(256)); all += 256)
            memset(page, 0xa5, 256 << 12);
        nx_printf("%lu pages\n", (unsigned long)all);
    } else if (!strcmp(what, "output")) {
        static char line[1 << 20];
        memset(line, 'x', sizeof line);
        for (int i = 0; i < 1024; i++)
            nx_write(1, line, sizeof line);
        nx_puts("all");
    } else if (!strcmp(what, "errors")) {
        static char line[1 << 16];
        memset(line, 'x', sizeof line);
        for (int i = 0; i < 16384; i++)
            nx_write(2, line, sizeof line);
    } else if (!strcmp(what, "calls")) {
        static char reply[4096];
        static const char request[] = "{\"name\": \"nothing\", \"args\": {}}";
        for (;;)
            nx_call_host(request, sizeof request - 1, reply, sizeof reply);
    } else if (!strcmp(what, "call")) {
        static char reply[NX_PAYLOAD_MAX];
        char request[256];
        int size = nx_snprintf(request, sizeof request, "{\"name\": \"%s\", \"args\": {}}", argc > 2 ? argv[2] : "");
        long got = nx_call_host(request, (size_t)size, reply, sizeof reply);
        nx_printf("%ld\n", got);
        if (got > 0)
            nx_write(1, reply, (size_t)got < 300 ? (size_t)got : 300);
    } else {
        return 3;
    }
    return 0;
}
