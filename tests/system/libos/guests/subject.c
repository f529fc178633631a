/* What tests of the core make a guest do: subject TASK [WORD...]. */
#include <nx.h>
#include <string.h>

typedef int task(int argc, char **argv);

static char bytes[3000000];

static unsigned long number(const char *text)
{
    unsigned long value = 0;
    for (; *text; text++)
        value = value * 10 + (unsigned long)(*text - '0');
    return value;
}

static int status(int argc, char **argv)
{
    return argc > 2 ? (int)number(argv[2]) : 0;
}

/* Pieces of given sizes to alternating streams. */
static int pieces(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        size_t size = number(argv[i]);
        memset(bytes, 'a' + i % 26, size);
        nx_write(i % 3 == 0 ? 2 : 1, bytes, size);
    }
    return 0;
}

static int echo(int argc, char **argv)
{
    size_t size = argc > 2 ? number(argv[2]) : sizeof bytes;
    long had;
    nx_puts("ready");
    while ((had = nx_read(bytes, size)) > 0)
        nx_write(1, bytes, (size_t)had);
    return had < 0;
}

static int modules(int argc, char **argv)
{
    (void)argc, (void)argv;
    const char *name;
    for (size_t i = 0; (name = nx_module_name(i)); i++) {
        size_t size = 0;
        const uint8_t *content = nx_module(name, &size);
        uint32_t sum = 0;
        for (size_t k = 0; k < size; k++)
            sum = sum * 31 + content[k];
        size_t tail = -size % 4096;
        for (size_t k = 0; k < tail; k++)
            if (content[size + k])
                return 2;
        nx_printf("%s %zu %u %d\n", name, size, sum, (uintptr_t)content % 4096 == 0);
    }
    size_t size;
    return nx_module("no such module", &size) != NULL;
}

/* The heap is zero and all of it is there. */
static int memory(int argc, char **argv)
{
    (void)argc, (void)argv;
    size_t left = nx_memory_left(), given = 0;
    uint64_t *page;
    while ((page = nx_pages(1))) {
        for (unsigned i = 0; i < 512; i++)
            if (page[i])
                return 2;
        page[0] = ~0ull;
        given += 4096;
    }
    nx_printf("%zu %zu\n", left, given);
    return nx_alloc(1) != NULL;
}

static int times(int argc, char **argv)
{
    (void)argc, (void)argv;
    int64_t now = nx_now(), before = nx_monotonic();
    nx_sleep(20000000);
    int64_t after = nx_monotonic();
    nx_printf("%lld %lld\n", (long long)now, (long long)(after - before));
    return 0;
}

static int chance(int argc, char **argv)
{
    (void)argc, (void)argv;
    int error = nx_random(bytes, sizeof bytes);
    unsigned counts[256] = {0};
    for (size_t i = 0; i < sizeof bytes; i++)
        counts[(uint8_t)bytes[i]]++;
    for (unsigned i = 0; i < 256; i++)
        if (counts[i] < sizeof bytes / 512)
            return 2;
    return error;
}

static int host(int argc, char **argv)
{
    size_t room = argc > 3 ? number(argv[3]) : sizeof bytes;
    long size = nx_call_host(argv[2], strlen(argv[2]), bytes, room);
    if (size >= 0)
        nx_printf("%.*s\n", (int)size, bytes);
    else
        nx_printf("error %ld\n", size);
    return 0;
}

static int fetch(int argc, char **argv)
{
    char code[4096];
    int last = 0;
    long size;
    (void)argc, (void)argv;
    while ((size = nx_fetch(last, code, sizeof code)) >= 0) {
        nx_printf("<%s>%ld\n", code, size);
        last++;
    }
    return size == -NX_ENOENT ? 7 : 8;
}

static int file(int argc, char **argv)
{
    struct nx_stat stat = {0};
    (void)argc;
    int error = nx_stat(argv[2], &stat);
    nx_printf("%d %llu %lld %u\n", error, (unsigned long long)stat.size, (long long)stat.modified_ns,
              stat.is_folder);
    long had = nx_read_file(argv[2], number(argv[3]), bytes, number(argv[4]));
    uint32_t sum = 0;
    for (long i = 0; i < had; i++)
        sum = sum * 31 + (uint8_t)bytes[i];
    nx_printf("%ld %u\n", had, sum);
    return 0;
}

static int panic(int argc, char **argv)
{
    (void)argc;
    nx_printf("before");
    nx_panic(argv[2]);
}

/* The floating-point units work as the compiler expects, whoever loaded the guest. */
static int floats(int argc, char **argv)
{
    volatile double third = argc / 6.0, huge = 1e308;
    volatile long double wide = argc;
    (void)argv;
    nx_printf("%.17g %g %.17g\n", third, huge * 10, (double)(wide / 3));
    return 0;
}

static int stack(int argc, char **argv)
{
    volatile char room[1000];
    room[0] = (char)argc;
    return argc ? stack(argc, argv) + room[0] : 0;
}

/* Bad pointers of every sort; the guest is ended before it says anything. */
static int bad(int argc, char **argv)
{
    static int (*volatile code)(void);
    static uint8_t data[16] = {0xc3};
    volatile uint64_t *at = (volatile uint64_t *)number(argv[3]);
    (void)argc;
    if (!strcmp(argv[2], "read")) {
        (void)*at;
    } else if (!strcmp(argv[2], "write")) {
        *at = 1;
    } else if (!strcmp(argv[2], "text")) {
        *(volatile char *)(uintptr_t)bad = 1;
    } else if (!strcmp(argv[2], "constant")) {
        *(volatile char *)(uintptr_t) "constant" = 1;
    } else if (!strcmp(argv[2], "run")) {
        code = (int (*)(void))(uintptr_t)data;
        code();
    } else if (!strcmp(argv[2], "heap")) {
        uint8_t *block = nx_alloc(16);
        block[0] = 0xc3;
        code = (int (*)(void))(uintptr_t)block;
        code();
    }
    nx_puts("still here");
    return 0;
}

/* Buffers that are not the guest's are refused without an end. */
static int beside(int argc, char **argv)
{
    static const uint64_t places[] = {0,           4096,        NX_BASE - 1, NX_MEMORY_MAX,
                                      NX_DOORBELL, 0xfeb00e00u, ~0ull,       1ull << 40};
    char byte;
    (void)argc, (void)argv;
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
        struct nx_call in = {.op = NX_OP_WRITE, .arg = 1, .in = places[i], .in_len = 64};
        struct nx_call out = {.op = NX_OP_RANDOM, .out = places[i], .out_cap = 64};
        nx_printf("%lld %lld\n", (long long)nx_ring(&in), (long long)nx_ring(&out));
    }
    struct nx_call large = {.op = NX_OP_RANDOM, .out = (uintptr_t)&byte, .out_cap = NX_PAYLOAD_MAX + 1};
    nx_printf("%lld\n", (long long)nx_ring(&large));
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        task *run;
    } tasks[] = {{"status", status},   {"pieces", pieces}, {"echo", echo},   {"modules", modules},
                 {"memory", memory},   {"times", times},   {"chance", chance}, {"host", host},
                 {"fetch", fetch},     {"file", file},     {"panic", panic}, {"floats", floats},
                 {"stack", stack},     {"bad", bad},       {"beside", beside}};
    for (unsigned i = 0; argc > 1 && i < sizeof tasks / sizeof *tasks; i++)
        if (!strcmp(argv[1], tasks[i].name))
            return tasks[i].run(argc, argv);
    return 99;
}
