/* Conformance: units and what holds them. See conformance.h. */
#include "conformance.h"

#include <signal.h>
#include <sys/wait.h>

#include "device.h"
#include "say.h"

static void lengths(int fd)
{
    const uint64_t sizes[] = {1, 4095, 4096, 4097, 65539, 1 << 20};
    uint8_t *bytes = malloc(1 << 20);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct agentmem_placed placed, again;
        char name[32];
        made_text(bytes, sizes[i], i);
        const int status = device_publish(fd, AM_TOOL_RESULT, bytes, sizes[i], 0, &placed);
        const uint8_t *data = status ? MAP_FAILED : device_map(fd, &placed, MAP_SHARED);
        bool good = data != MAP_FAILED && placed.length == sizes[i] && !placed.existed && placed.reference;
        good = good && memcmp(data, bytes, sizes[i]) == 0;
        for (uint64_t at = sizes[i]; good && at < (sizes[i] + PAGE - 1) / PAGE * PAGE; at++)
            good = data[at] == 0;
        snprintf(name, sizeof name, "publish-%llu", (unsigned long long)sizes[i]);
        say(good, name, "status %d", status);
        if (data != MAP_FAILED)
            munmap((void *)data, sizes[i]);
        good = device_publish(fd, AM_TOOL_RESULT, bytes, sizes[i], 0, &again) == AM_OK && again.existed &&
               again.number == placed.number && memcmp(again.id, placed.id, 32) == 0;
        snprintf(name, sizeof name, "found-%llu", (unsigned long long)sizes[i]);
        say(good && again.reference != placed.reference, name, "one unit, two references");
        device_release(fd, again.reference);
        device_release(fd, placed.reference);
        say(device_unit(fd, AGENTMEM_DISOWN, placed.id, 0) == AM_OK, "disown", " ");
        say(device_acquire(fd, placed.id, NULL) == AM_ENOTFOUND, "freed", "neither owned nor held");
    }
    free(bytes);
}

static void refused(int fd)
{
    struct agentmem_placed was = {.number = 77}, placed = was;
    const struct { const char *name; int type; uint64_t length; uint32_t flags; int status; } cases[] = {
        {"publish-empty", AM_TOOL_DEF, 0, 0, AM_ESIZE},
        {"publish-huge", AM_TOOL_DEF, AGENTMEM_LARGEST_UNIT + 1, 0, AM_ESIZE},
        {"publish-endless", AM_TOOL_DEF, ~0ull, 0, AM_ESIZE},
        {"publish-type-0", 0, 4, 0, AM_ETYPE},
        {"publish-type-6", 6, 4, 0, AM_ETYPE},
        {"publish-type-257", 257, 4, 0, AM_ETYPE},
        {"publish-flags", AM_TOOL_DEF, 4, 0x100, AM_EINVAL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int status = device_publish(fd, cases[i].type, "text", cases[i].length, cases[i].flags, &placed);
        say(status == cases[i].status, cases[i].name, "status %d", status);
    }
    struct agentmem_publish request = {.data = (uintptr_t) "text", .length = 4, .type = AM_TOOL_DEF, .form = AM_ROPE};
    int status = DEVICE_CALL(fd, AGENTMEM_PUBLISH, &request);
    say(status == AM_ETYPE, "publish-rope", "status %d", status);
    request = (struct agentmem_publish){
        .data = (uintptr_t) "text", .length = 4, .type = AM_TOOL_DEF, .form = AM_RAW, .spare = 9};
    request.placed.number = 77;
    status = DEVICE_CALL(fd, AGENTMEM_PUBLISH, &request);
    say(status == AM_EINVAL && request.placed.number == 77, "publish-spare", "status %d, outputs as they were",
        status);
    say(request.head.about == offsetof(struct agentmem_publish, spare), "about", "offset %u", request.head.about);
    const uint64_t pointers[] = {0, 8, 0xffff888000000000ull, 0xffffffff81000000ull, 0x7ffffffff000ull, ~0ull};
    bool good = true;
    for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++)
        good = good && device_publish(fd, AM_TOOL_DEF, (void *)pointers[i], 5000, 0, NULL) == AM_EINVAL;
    say(good, "publish-pointers", "null, the kernel's and none are AM_EINVAL");
    char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(pages + PAGE, PAGE);
    say(device_publish(fd, AM_TOOL_DEF, pages, PAGE + 1, 0, NULL) == AM_EINVAL, "publish-half", "AM_EINVAL");
    say(device_publish(fd, AM_TOOL_DEF, pages, PAGE, AGENTMEM_NO_REFERENCE, &placed) == AM_OK &&
            placed.reference == 0 && placed.offset == 0, "publish-no-reference", "owned, not held");
    device_unit(fd, AGENTMEM_DISOWN, placed.id, 0);
    munmap(pages, PAGE);
}

static void identities(int fd)
{
    uint8_t one[32], two[32];
    struct agentmem_placed placed;
    device_identify(fd, AM_TOOL_DEF, "text", 4, 0, one);
    say(device_publish(fd, AM_TOOL_DEF, "text", 4, 0, &placed) == AM_OK && memcmp(one, placed.id, 32) == 0,
        "identify", "the id that publish gives");
    device_identify(fd, AM_TOOL_RESULT, "text", 4, 0, two);
    say(memcmp(one, two, 32) != 0, "identify-type", "another type, another id");
    device_identify(fd, AM_TOOL_DEF, "text", 4, AGENTMEM_PRIVATE, two);
    say(memcmp(one, two, 32) != 0, "identify-private", "another space, another id");
    device_release(fd, placed.reference);
    say(device_release(fd, placed.reference) == AM_ENOTFOUND, "release-twice", "AM_ENOTFOUND");
    say(device_release(fd, 0) == AM_ENOTFOUND && device_release(fd, ~0u) == AM_ENOTFOUND, "release-none", " ");
    say(device_acquire(fd, placed.id, &placed) == AM_OK && placed.length == 4, "acquire", "owned, so it is there");
    say(device_unit(fd, AGENTMEM_OWN, placed.id, 0) == AM_OK, "own-twice", "is owning once");
    say(device_unit(fd, AGENTMEM_MARK, placed.id, 100) == AM_OK, "mark", " ");
    say(device_unit(fd, AGENTMEM_MARK, placed.id, 101) == AM_EINVAL, "mark-101", "AM_EINVAL");
    say(device_unit(fd, AGENTMEM_DISOWN, placed.id, 0) == AM_OK, "disown-once", " ");
    say(device_unit(fd, AGENTMEM_DISOWN, placed.id, 0) == AM_ENOTFOUND, "disown-twice", "AM_ENOTFOUND");
    say(device_acquire(fd, placed.id, NULL) == AM_OK, "held", "a reference keeps it");
    uint8_t none[32] = {0};
    say(device_acquire(fd, none, NULL) == AM_ENOTFOUND, "acquire-unknown", "AM_ENOTFOUND");
    say(device_unit(fd, AGENTMEM_OWN, none, 0) == AM_ENOTFOUND, "own-unknown", "AM_ENOTFOUND");
}

void conform_units(void)
{
    const int fd = device_client("units", "one");
    lengths(fd);
    refused(fd);
    identities(fd);
    const int other = device_client("units", "two");
    struct agentmem_placed said_, found;
    say(device_publish(fd, AM_CONVERSATION, "my own words", 12, 0, &said_) == AM_OK, "conversation", " ");
    say(device_acquire(other, said_.id, NULL) == AM_ENOTFOUND, "conversation-private", "another agent cannot");
    say(device_publish(other, AM_CONVERSATION, "my own words", 12, 0, &found) == AM_OK && !found.existed &&
            memcmp(found.id, said_.id, 32) != 0, "conversation-apart", "nor learn that it is there");
    say(device_publish(fd, AM_CONVERSATION, "for all", 7, AGENTMEM_SHARED, &said_) == AM_OK &&
            device_acquire(other, said_.id, &found) == AM_OK && found.number == said_.number,
        "conversation-shared", "AGENTMEM_SHARED gives it to the realm");
    close(other);
    close(fd);
}

/* A child that touches the mapping: the signal it dies of, or 0. */
static int touched(volatile const uint8_t *data)
{
    const pid_t child = fork();
    if (child == 0) {
        (void)data[0];
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void conform_maps(void)
{
    static uint8_t bytes[3 * PAGE + 10];
    struct agentmem_placed placed;
    made_noise(bytes, sizeof bytes, 4);
    const int fd = device_client("maps", "one");
    say(device_publish(fd, AM_KV_PAGE, bytes, sizeof bytes, 0, &placed) == AM_OK, "map-publish", " ");
    const off_t at = (off_t)placed.offset;
    uint8_t *data = device_map(fd, &placed, MAP_SHARED);
    say(data != MAP_FAILED && memcmp(data, bytes, sizeof bytes) == 0, "map", "the bytes");
    say(mprotect(data, PAGE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES, "map-mprotect-write", "errno %d", errno);
    say(mprotect(data, PAGE, PROT_READ | PROT_EXEC) == -1 && errno == EACCES, "map-mprotect-exec", "errno %d", errno);
    const struct { const char *name; int protection, flags; off_t offset; size_t length; int number; } bad[] = {
        {"map-write", PROT_READ | PROT_WRITE, MAP_SHARED, at, PAGE, EACCES},
        {"map-private-write", PROT_READ | PROT_WRITE, MAP_PRIVATE, at, PAGE, EACCES},
        {"map-exec", PROT_READ | PROT_EXEC, MAP_SHARED, at, PAGE, EACCES},
        {"map-beyond", PROT_READ, MAP_SHARED, at, 5 * PAGE, EINVAL},
        {"map-behind", PROT_READ, MAP_SHARED, at + 4 * (off_t)PAGE, PAGE, EINVAL},
        {"map-nothing", PROT_READ, MAP_SHARED, 0, PAGE, EINVAL}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        void *is = mmap(NULL, bad[i].length, bad[i].protection, bad[i].flags, fd, bad[i].offset);
        const int number = errno;
        say(is == MAP_FAILED && number == bad[i].number, bad[i].name, "errno %d", is == MAP_FAILED ? number : 0);
        if (is != MAP_FAILED)
            munmap(is, bad[i].length);
    }
    const uint8_t *part = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, at + 2 * (off_t)PAGE);
    say(part != MAP_FAILED && memcmp(part, bytes + 2 * PAGE, PAGE) == 0, "map-part", "a page in the middle");
    say(touched(data) == SIGSEGV, "map-fork", "a child of a fork does not have it");
    const int other = device_client("maps", "two");
    say(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, other, at) == MAP_FAILED, "map-other", "an offset is no capability");
    close(other);
    device_release(fd, placed.reference);
    say(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, at) == MAP_FAILED, "map-released", "no reference, no mapping");
    device_unit(fd, AGENTMEM_DISOWN, placed.id, 0);
    close(fd);
    say(memcmp(data, bytes, sizeof bytes) == 0, "map-after-close", "a mapping holds the unit by itself");
    munmap(data, sizeof bytes);
    munmap((void *)part, PAGE);
}
