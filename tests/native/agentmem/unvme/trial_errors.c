/* Every way in which a controller fails that can be brought about here, and what the driver says to it. */
#include "trial.h"

#include "namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COMMAND = 4, MEMORY = 2, MASTER = 4 };

static struct am_namespace *space;

static int move(bool write, uint64_t offset)
{
    static uint8_t bytes[8192];
    struct am_nvme_io io = {.write = write, .bytes = bytes, .length = sizeof bytes, .offset = offset};
    am_namespace_run(space, &io, 1);
    return io.status;
}

static void said(int status, int want, const char *what)
{
    printf("%s: %s\n", what, am_nvme_word(status));
    EXPECT(status == want, "%s: %s is wanted", what, am_nvme_word(want));
}

static uint32_t resets(void)
{
    struct am_namespace_facts facts;
    am_namespace_facts(space, &facts);
    return facts.resets;
}

/* The device's configuration, changed behind the driver's back. */
static void configure(const char *address, uint16_t clear)
{
    char path[128];
    uint16_t command = 0;
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/config", address);
    const int fd = open(path, O_RDWR);
    EXPECT(fd >= 0 && pread(fd, &command, 2, COMMAND) == 2, "%s: %s", path, strerror(errno));
    command &= (uint16_t)~clear;
    EXPECT(pwrite(fd, &command, 2, COMMAND) == 2, "%s: %s", path, strerror(errno));
    close(fd);
}

/* The controller is switched off behind the driver's back; false: this kernel does not let us. */
static bool switch_off(const char *address)
{
    char path[128];
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/resource0", address);
    const int fd = open(path, O_RDWR | O_SYNC);
    void *at = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (at == MAP_FAILED)
        return false;
    ((volatile uint32_t *)at)[AM_NVME_CC / 4] = 0;
    munmap(at, 4096);
    return true;
}

static void second_process(const char *address)
{
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        char why[AM_NVME_WHY] = "";
        struct am_namespace *second;
        const int status = am_namespace_open(address, 1, &second, why);
        printf("a second process: %s (%s)\n", am_nvme_word(status), why);
        _exit(status == AM_NVME_BUSY ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    EXPECT(status == 0, "a second process was let in");
    EXPECT(move(false, 0) == 0, "and it disturbed the first one");
}

static void refusals(void)
{
    char why[AM_NVME_WHY];
    static const char *const wrong[] = {"", "nonsense", "0000:00:04", "0000:00:1f.7", "0000:00:00.0",
                                        "0000:00:04.0x", "../../../../dev"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct am_namespace *none;
        why[0] = 0;
        const int status = am_namespace_open(wrong[i], 1, &none, why);
        printf("'%s': %s\n", wrong[i], why);
        EXPECT(status == AM_NVME_REFUSED && why[0] != 0, "'%s' was opened", wrong[i]);
    }
}

static bool open_it(const char *address)
{
    char why[AM_NVME_WHY] = "";
    const int status = am_namespace_open(address, 1, &space, why);
    EXPECT(status == 0, "open: %s", why);
    return status == 0;
}

/* A reset before the flush: what lay in the cache may be gone, and no flush says that it is not. */
static void lost_in_cache(const char *address)
{
    struct am_namespace_facts facts;
    am_namespace_facts(space, &facts);
    EXPECT(facts.cache, "QEMU's disk has no cache: this cannot be tried");
    am_namespace_patience(space, 300);
    said(move(true, 0), 0, "a write that is not flushed");
    configure(address, MASTER);
    EXPECT(move(false, 0) != 0, "without memory");
    said(move(true, 0), 0, "a write after the reset");
    said(am_namespace_flush(space), AM_NVME_LOST, "its flush");
    said(am_namespace_flush(space), AM_NVME_LOST, "the next one");
    said(move(false, 0), 0, "a read");
}

void trial_errors(const char *address)
{
    struct am_namespace_facts facts;
    char why[AM_NVME_WHY] = "";
    refusals();
    EXPECT(am_namespace_open(address, 7, &space, why) == AM_NVME_REFUSED, "a namespace that is not there");
    printf("namespace 7: %s\n", why);
    if (!open_it(address))
        return;
    am_namespace_facts(space, &facts);
    const uint64_t end = facts.blocks * facts.block_bytes;
    said(move(false, end), AM_NVME_OUT_OF_RANGE, "a read behind the end");
    said(move(true, end - 4096), AM_NVME_OUT_OF_RANGE, "a write across the end");
    said(move(false, UINT64_MAX / 4096 * 4096), AM_NVME_OUT_OF_RANGE, "a read of the last address there is");
    said(am_namespace_zero(space, end, 4096), AM_NVME_OUT_OF_RANGE, "zeros behind the end");
    said(move(false, end - 8192), 0, "the last blocks");
    second_process(address);
    EXPECT(resets() == 0, "an error of one command reset the controller");

    am_namespace_patience(space, 300);
    if (switch_off(address)) {
        said(move(false, 0), AM_NVME_TIMEOUT, "switched off");
        EXPECT(resets() == 1, "%u resets", resets());
        said(move(true, 0), 0, "after the reset");
        said(am_namespace_flush(space), 0, "flush after the reset");
    } else {
        printf("switched off: not tried, this kernel keeps the registers of a busy device to itself\n");
    }
    const uint32_t before = resets();
    configure(address, MASTER); /* it cannot fetch commands any more */
    const int blind = move(false, 0);
    printf("without memory: %s\n", am_nvme_word(blind));
    EXPECT(blind == AM_NVME_FAULT || blind == AM_NVME_TIMEOUT, "without memory");
    EXPECT(resets() == before + 1, "%u resets", resets());
    said(move(false, 0), 0, "after that");

    configure(address, MEMORY); /* its registers cannot be read, until the reset switches them on again */
    said(move(false, 0), AM_NVME_GONE, "without registers");
    said(move(true, 0), 0, "after that");
    said(am_namespace_flush(space), 0, "flush");
    EXPECT(resets() == before + 2, "%u resets", resets());
    am_namespace_close(space);
    if (open_it(address)) {
        said(move(false, 0), 0, "opened again");
        lost_in_cache(address);
        am_namespace_close(space);
    }
    if (open_it(address)) {
        said(am_namespace_flush(space), 0, "a flush of what was opened anew");
        am_namespace_close(space);
    }
}

/* The disk has a block that cannot be read, and one that cannot be written to: an error of what touches them
 * alone. move's operations are two blocks long. */
void trial_bad(const char *address, uint64_t place)
{
    enum { READ_ERROR = 0x281, WRITE_FAULT = 0x280, FAR = 1 << 20 };
    if (!open_it(address))
        return;
    said(move(false, place - 8192), 0, "a read before the bad block");
    said(move(false, place - 4096), READ_ERROR, "a read across it");
    said(move(false, place), READ_ERROR, "a read of it");
    said(move(false, place + 4096), 0, "a read behind it");
    said(move(true, place + FAR - 8192), 0, "a write before the other one");
    said(move(true, place + FAR - 4096), WRITE_FAULT, "a write across it");
    said(move(true, place + FAR + 4096), 0, "a write behind it");
    said(am_namespace_flush(space), 0, "a flush");
    EXPECT(resets() == 0, "a bad block reset the controller");
    am_namespace_close(space);
}

/* The machine takes the disk out when it reads the line; from then on nothing but that it is gone. */
void trial_pulled(const char *address)
{
    if (!open_it(address))
        return;
    said(move(true, 0), 0, "before");
    printf("pull it out\n");
    /* The kernel first takes its memory away, from which it still comes back; then it is gone. */
    int status = 0;
    for (const uint64_t end = now_ns() + UINT64_C(20000000000); status != AM_NVME_GONE && now_ns() < end;)
        status = move(false, 0);
    said(status, AM_NVME_GONE, "pulled out");
    const uint64_t begin = now_ns();
    said(move(true, 0), AM_NVME_GONE, "a write");
    said(am_namespace_flush(space), AM_NVME_GONE, "a flush");
    said(am_namespace_zero(space, 0, 4096), AM_NVME_GONE, "zeros");
    am_namespace_close(space);
    EXPECT(now_ns() - begin < UINT64_C(1000000000), "it took a second and more to say so");
}
