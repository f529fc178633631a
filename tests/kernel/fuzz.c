/* Random calls of /dev/agentmem from several processes of several threads, which share files and races:
 * random numbers of calls, sizes, bytes of structs, pointers (none, the kernel's, unmapped in the middle,
 * read-only, being unmapped by another thread), offsets of mmap; some processes die in the middle. Usage:
 * fuzz SECONDS [SEED [PATIENCE]]; where the machine is slow, up to PATIENCE seconds more, until each kind of
 * call was made and has done what it says. It judges what no input may bring about: a number outside the
 * interface, an address of the kernel in an answer, something left when all are gone. The rest the kernel's log
 * tells. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "device.h"
#include "say.h"

#define PROCESSES 4
#define THREADS 3
#define FILES 4
#define IDS 16
#define KINDS 14     /* of calls */
#define ENOUGH 10    /* of each kind */
#define LARGEST 3072 /* more than any struct of the interface */

struct counts {
    _Atomic uint64_t calls, taken, done, errors[200], statuses[20], maps, opens, lives, listed, wrong;
    _Atomic uint64_t by_number[16], good[16];
};
static struct counts *counts;
static _Atomic int files[FILES];
static uint8_t ids[IDS][32];
static uint64_t offsets[IDS];
static _Atomic uint32_t references;
static char *pages; /* 16, of which some are unmapped, mapped and made read-only all the time */

static const unsigned long calls[] = {AGENTMEM_INFO,    AGENTMEM_ATTACH,  AGENTMEM_PUBLISH, AGENTMEM_IDENTIFY,
                                      AGENTMEM_ACQUIRE, AGENTMEM_RELEASE, AGENTMEM_OWN,     AGENTMEM_DISOWN,
                                      AGENTMEM_MARK,    AGENTMEM_STATE,   AGENTMEM_FORGET,  AGENTMEM_STATS,
                                      AGENTMEM_AGENT,   AGENTMEM_OWNED};

static uint64_t odd(uint64_t *seed)
{
    static const uint64_t numbers[] = {0,          1,          2,          3,          5,
                                       6,          7,          50,         100,        101,
                                       255,        4095,       4096,       4097,       65536,
                                       0x7fffffff, 0x80000000, 0xffffffff, 1ull << 31, (1ull << 31) + 1,
                                       1ull << 32, ~0ull,      1ull << 63, ~0ull >> 1, 0xfffffffffffff000ull};
    const uint64_t drawn = chance(seed);
    return drawn & 1 ? numbers[(drawn >> 1) % (sizeof numbers / sizeof *numbers)]
                     : chance(seed) >> (drawn >> 8 & 63);
}

static void *pointer(uint64_t *seed)
{
    const uint64_t drawn = chance(seed);
    switch (drawn % 12) {
    case 0: return NULL;
    case 1: return (void *)(0xffff888000000000ull + (chance(seed) & 0xfffffff));
    case 2: return (void *)(0xffffffff81000000ull + (chance(seed) & 0xffffff));
    case 3: return (void *)chance(seed);
    case 4: return (void *)(0x00007ffffffff000ull - (drawn >> 8 & 4095));
    default: return pages + (drawn >> 8) % (15 * PAGE);
    }
}

static void sensible(uint64_t *seed, unsigned number, void *struct_)
{
    const uint64_t drawn = chance(seed);
    static const uint64_t lengths[] = {1, 100, 4096, 5000, 40000, 70000};
    switch (number) {
    case 1: {
        struct agentmem_attach *is = struct_;
        snprintf(is->realm, sizeof is->realm, "fuzz-%u", (unsigned)(drawn & 1));
        snprintf(is->agent, sizeof is->agent, "agent-%u", (unsigned)(drawn >> 1 & 3));
        is->importance = drawn >> 8 & 63;
        break;
    }
    case 2:
    case 3: {
        struct agentmem_publish *is = struct_;
        is->data = drawn & 7 ? (uintptr_t)pages + (drawn >> 8) % PAGE : (uintptr_t)pointer(seed);
        is->length = lengths[(drawn >> 4) % 6] - (drawn >> 40 & 1);
        is->type = 1 + (drawn >> 16) % 5;
        if (number == 2)
            is->form = AM_RAW, is->flags = drawn >> 24 & 15;
        else /* `form` is IDENTIFY's flags */
            is->form = drawn >> 24 & 3;
        break;
    }
    case 4: memcpy(((struct agentmem_acquire *)struct_)->id, ids[drawn % IDS], 32); break;
    case 5:
        ((struct agentmem_release *)struct_)->reference = (uint32_t)(drawn % (references % 64 + 2));
        break;
    case 6:
    case 7:
    case 8: memcpy(((struct agentmem_unit *)struct_)->id, ids[drawn % IDS], 32); break;
    case 9:
    case 10: {
        struct agentmem_state *is = struct_;
        if (drawn & 3)
            snprintf(is->agent, sizeof is->agent, "agent-%u", (unsigned)(drawn >> 2 & 3));
        /* Killed agents refuse everything: not too many of them. */
        is->state = number == 10 ? 0 : drawn >> 8 & 31 ? 1 + (drawn >> 16) % 3 : AM_KILLED;
        is->importance = number == 10 || drawn >> 32 & 1 ? AGENTMEM_LEAVE : (uint32_t)(drawn >> 40) % 101;
        break;
    }
    case 12: ((struct agentmem_agent *)struct_)->after = (uint32_t)(drawn % 5); break;
    case 13: ((struct agentmem_owned *)struct_)->after = drawn & 3 ? 0 : drawn >> 8 & 1023; break;
    default: break;
    }
}

/* An answer holds no address of the kernel, save one that was in the question. Hashes are let be. */
static void look(unsigned number, const void *asked, const void *struct_, size_t bytes)
{
    if (number != 0 && number != 11 && number != 12)
        return;
    for (size_t at = sizeof(struct agentmem_head); at + 8 <= bytes; at += 8) {
        uint64_t word, was;
        memcpy(&word, (const char *)struct_ + at, 8);
        memcpy(&was, (const char *)asked + at, 8);
        if (word != was && word >= 0xffff800000000000ull && word < 0xffffffffff000000ull &&
            counts->wrong++ < 5)
            say(false, "fuzz-leak", "call %u, offset %zu: %llx", number, at, (unsigned long long)word);
    }
}

/* A page of a list: as many ids as it says, then zeros, and numbers that go on from where it was asked. */
static void look_at_page(const struct agentmem_owned *page, const struct agentmem_owned *asked)
{
    bool good = page->count <= AGENTMEM_OWNED_IDS && page->after == asked->after && page->spare == 0;
    good = good && (page->count ? page->last - page->after >= page->count && page->last > page->after
                                : page->last == page->after);
    const uint8_t *end = (const uint8_t *)(page + 1);
    for (const uint8_t *at = good ? page->id[page->count] : end; at < end; at++)
        good = good && *at == 0;
    counts->listed += good ? page->count : 0;
    if (!good && counts->wrong++ < 5)
        say(false, "fuzz-page", "%u ids from %llu to %llu", page->count, (unsigned long long)page->after,
            (unsigned long long)page->last);
}

static void one_call(uint64_t *seed)
{
    _Alignas(8) uint8_t struct_[LARGEST] = {0};
    _Alignas(8) uint8_t asked[LARGEST];
    const uint64_t drawn = chance(seed);
    const unsigned which = drawn % KINDS;
    unsigned long call = calls[which];
    size_t bytes = _IOC_SIZE(call);
    struct agentmem_head *head = (void *)struct_;
    if ((drawn >> 8 & 15) < 10)
        sensible(seed, which, struct_);
    else if (drawn >> 12 & 1)
        made_noise(struct_, LARGEST, drawn);
    const bool strange = (drawn >> 16 & 15) == 0;
    if (strange) { /* another number, direction or size */
        bytes = odd(seed) % LARGEST;
        call = _IOC(drawn >> 20 & 3, drawn >> 22 & 7 ? AGENTMEM_MAGIC : drawn >> 48 & 255,
                    drawn >> 25 & 7 ? which : drawn >> 40 & 255, bytes);
    }
    if (drawn >> 28 & 31)
        *head = (struct agentmem_head){.bytes = (uint32_t)bytes, .abi = AGENTMEM_ABI};
    for (int changes = (drawn >> 33 & 7) == 0 ? 1 + (int)(drawn >> 36 & 3) : 0; changes > 0; changes--) {
        const uint64_t number = odd(seed);
        const size_t size = 1u << (chance(seed) & 3);
        memcpy(struct_ + chance(seed) % (LARGEST - 8) % (bytes + 8) / size * size, &number, size);
    }
    void *at = struct_;
    if ((drawn >> 38 & 15) == 0) { /* the struct itself lies somewhere odd */
        at = pointer(seed);
        if ((char *)at >= pages && (char *)at < pages + 12 * PAGE && !(drawn >> 42 & 3))
            at = pages; /* always mapped */
        if (at == pages)
            memcpy(at, struct_, bytes);
    }
    const int fd = files[drawn >> 44 & (FILES - 1)];
    memcpy(asked, struct_, bytes);
    const int result = ioctl(fd, call, at);
    const int number = result ? errno : 0;
    counts->calls++;
    counts->by_number[which]++;
    if (result) {
        counts->errors[number < 200 ? number : 199]++;
        const bool known = number == ENOTTY || number == EINVAL || number == E2BIG || number == EFAULT ||
                           number == EINTR || number == EBADF || number == ENOMEM;
        if (!known && counts->wrong++ < 5)
            say(false, "fuzz-errno", "call %lx: errno %d", call, number);
        return;
    }
    counts->taken++;
    if (at != struct_)
        return;
    if ((head->status > 0 || head->status < AM_EFILES) && counts->wrong++ < 5)
        say(false, "fuzz-status", "call %lx: status %d", call, head->status);
    counts->statuses[-head->status & 15]++;
    counts->done += head->status == AM_OK;
    if (!strange && head->status == AM_OK)
        counts->good[which]++;
    if (!strange && head->status == AM_OK) {
        look(which, asked, struct_, bytes);
        if (which == 13)
            look_at_page((void *)struct_, (void *)asked);
        const struct agentmem_placed *placed = which == 2   ? &((struct agentmem_publish *)struct_)->placed
                                               : which == 4 ? &((struct agentmem_acquire *)struct_)->placed
                                                            : NULL;
        if (placed) { /* races with readers on purpose: half an id is an input too */
            memcpy(ids[drawn >> 50 & (IDS - 1)], placed->id, 32);
            offsets[drawn >> 50 & (IDS - 1)] = placed->offset;
            if (placed->reference > references)
                references = placed->reference;
        }
    }
}

static void one_map(uint64_t *seed)
{
    const uint64_t drawn = chance(seed);
    const int fd = files[drawn >> 36 & (FILES - 1)];
    uint64_t offset = offsets[drawn % IDS] + (drawn >> 8 & 7 ? 0 : odd(seed) * PAGE);
    struct agentmem_placed placed = {0};
    if (drawn >> 60 &&
        device_acquire(fd, ids[drawn % IDS], &placed) == AM_OK) /* one that may well be mapped */
        offset = placed.offset;
    const size_t length = drawn >> 12 & 15 ? (1 + (drawn >> 16 & 7 ? 0 : drawn >> 19 & 3)) * PAGE
                                           : odd(seed) % (1ull << 33) + 1;
    const int protection = drawn >> 24 & 7 ? PROT_READ : (int)(drawn >> 28 & 7);
    volatile uint8_t *data = mmap(NULL, length, protection, drawn >> 32 & 1 ? MAP_SHARED : MAP_PRIVATE, fd,
                                  (off_t)(offset & ~(PAGE - 1)));
    if (drawn >> 46 & 3 && placed.reference)
        device_release(fd, placed.reference);
    if (data == MAP_FAILED)
        return;
    counts->maps++;
    if (protection & PROT_READ)
        (void)data[0];
    mprotect((void *)data, PAGE, (int)(drawn >> 40 & 7));
    if (drawn >> 44 & 1)
        madvise((void *)data, length, (int)(drawn >> 48) % 26);
    if (drawn >> 45 & 1)
        mremap((void *)data, length, length + PAGE, MREMAP_MAYMOVE);
    munmap((void *)data, length + (drawn >> 45 & 1) * PAGE);
}

static void shuffle(uint64_t *seed)
{
    const uint64_t drawn = chance(seed);
    char *page = pages + (3 + drawn % 12) * PAGE;
    switch (drawn >> 8 & 7) {
    case 0: munmap(page, PAGE); break;
    case 1: mprotect(page, PAGE, PROT_READ); break;
    case 2: mprotect(page, PAGE, PROT_NONE); break;
    default:
        mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        made_text(page, 512, drawn >> 12 & 63);
    }
}

static void reopen(uint64_t *seed)
{
    const unsigned which = chance(seed) % FILES;
    const int fd = open(AGENTMEM_DEVICE, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    counts->opens++;
    if (chance(seed) % 8) {
        char name[16];
        snprintf(name, sizeof name, "agent-%u", (unsigned)(chance(seed) % 4));
        device_attach(fd, chance(seed) % 4 ? "fuzz-0" : "fuzz-1", name);
    }
    close(atomic_exchange(&files[which], fd)); /* others may be calling on it */
    char text[16384];
    if (chance(seed) % 8 == 0) {
        const int stats = open("/proc/agent_stats", O_RDONLY);
        const ssize_t length = stats < 0 ? 0 : read(stats, text, 1 + chance(seed) % sizeof text);
        if (length < 0 && errno != ENOMEM && counts->wrong++ < 5)
            say(false, "fuzz-proc", "errno %d", errno);
        if (stats >= 0)
            close(stats);
    }
}

static void *thread(void *of)
{
    uint64_t seed = (uintptr_t)of;
    for (;;) {
        const uint64_t drawn = chance(&seed) % 64;
        if (drawn == 0 && chance(&seed) % 4 == 0)
            reopen(&seed);
        else if (drawn < 4)
            one_map(&seed);
        else if (drawn < 7)
            shuffle(&seed);
        else
            one_call(&seed);
    }
    return NULL;
}

static pid_t start(uint64_t seed)
{
    const pid_t child = fork();
    if (child != 0)
        return child;
    signal(SIGBUS, SIG_DFL);
    pages = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    made_text(pages, 16 * PAGE, seed & 7);
    for (int i = 0; i < FILES; i++)
        if ((files[i] = device_client("fuzz-0", i & 1 ? "agent-0" : "agent-1")) < 0)
            files[i] = device_open(); /* that agent has been killed */
    for (int i = 1; i < THREADS; i++) {
        pthread_t other;
        if (pthread_create(&other, NULL, thread, (void *)(uintptr_t)chance(&seed)))
            _exit(1);
    }
    thread((void *)(uintptr_t)chance(&seed));
    _exit(0);
}

/* Refused at the door, nothing is tested: each kind must have done what it says, a tenth of all something. */
static bool enough(void)
{
    bool all = true;
    for (int i = 0; i < KINDS; i++)
        all = all && counts->by_number[i] > ENOUGH && counts->good[i] > 0;
    return all && counts->listed > 0 && counts->done * 10 > counts->calls;
}

int main(int count, char **arguments)
{
    const double patience = count > 3 ? atof(arguments[3]) : 60;
    const double limit = count > 1 ? atof(arguments[1]) : 10;
    uint64_t seed = count > 2 ? strtoull(arguments[2], NULL, 0) : 1;
    pid_t children[PROCESSES];
    struct agentmem_stats left;
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    for (int i = 0; i < PROCESSES; i++)
        children[i] = start(chance(&seed));
    double told = seconds();
    const double until = told + limit;
    while (seconds() < until || (!enough() && seconds() < until + patience)) {
        usleep(20000);
        const int i = (int)(chance(&seed) % PROCESSES);
        if (chance(&seed) % 32 == 0)
            kill(children[i], SIGKILL);
        if (waitpid(children[i], NULL, WNOHANG) == children[i]) {
            children[i] = start(chance(&seed));
            counts->lives++;
        }
        if (seconds() - told > 30) {
            told = seconds();
            printf("fuzz: %llu calls\n", (unsigned long long)counts->calls);
            fflush(stdout);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
    const int fd = device_open();
    const bool empty = device_empties(fd, 10, &left);
    say(empty, "fuzz-nothing-left", "units %llu references %llu agents %llu readers %llu",
        (unsigned long long)left.units, (unsigned long long)left.references, (unsigned long long)left.agents,
        (unsigned long long)left.readers);
    say(counts->wrong == 0, "fuzz-answers", "%llu wrong", (unsigned long long)counts->wrong);
    say(enough(), "fuzz-enough", "%llu of %llu calls did something",
        (unsigned long long)counts->done, (unsigned long long)counts->calls);
    printf("fuzz: calls that did what they say, by number:");
    for (int i = 0; i < KINDS; i++)
        printf(" %llu/%llu", (unsigned long long)counts->good[i], (unsigned long long)counts->by_number[i]);
    printf("\nfuzz: errno:");
    for (int i = 1; i < 200; i++)
        if (counts->errors[i])
            printf(" %d x%llu", i, (unsigned long long)counts->errors[i]);
    printf("; status:");
    for (int i = 0; i < 16; i++)
        if (counts->statuses[i])
            printf(" -%d x%llu", i, (unsigned long long)counts->statuses[i]);
    printf("\n");
    say_figure("fuzz-calls", (double)counts->calls, "calls");
    say_figure("fuzz-done", (double)counts->done, "calls");
    say_figure("fuzz-maps", (double)counts->maps, "mappings");
    say_figure("fuzz-listed", (double)counts->listed, "ids");
    say_figure("fuzz-opens", (double)counts->opens, "files");
    say_figure("fuzz-lives", (double)counts->lives, "processes");
    return said();
}
