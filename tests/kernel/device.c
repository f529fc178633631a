/* See device.h. */
#include "device.h"

#include "say.h"

int device_open(void)
{
    const int fd = open(AGENTMEM_DEVICE, O_RDWR | O_CLOEXEC);
    return fd < 0 ? DEVICE_ERRNO(errno) : fd;
}

int device_call(int fd, unsigned long call, void *request, size_t bytes)
{
    struct agentmem_head *head = request;
    head->bytes = (uint32_t)bytes;
    head->abi = AGENTMEM_ABI;
    head->spare = 0;
    head->status = 0;
    head->about = 0;
    if (ioctl(fd, call, request) != 0)
        return DEVICE_ERRNO(errno);
    return head->status;
}

int device_attach(int fd, const char *realm, const char *agent)
{
    struct agentmem_attach request = {.importance = 50};
    snprintf(request.realm, sizeof request.realm, "%s", realm);
    snprintf(request.agent, sizeof request.agent, "%s", agent);
    return DEVICE_CALL(fd, AGENTMEM_ATTACH, &request);
}

int device_client(const char *realm, const char *agent)
{
    const int fd = device_open();
    if (fd < 0)
        return fd;
    const int status = device_attach(fd, realm, agent);
    if (status == AM_OK)
        return fd;
    close(fd);
    return status;
}

int device_publish(int fd, int type, const void *data, uint64_t length, uint32_t flags,
                   struct agentmem_placed *placed)
{
    struct agentmem_publish request = {
        .data = (uintptr_t)data, .length = length, .type = (uint32_t)type, .form = AM_RAW, .flags = flags};
    const int status = DEVICE_CALL(fd, AGENTMEM_PUBLISH, &request);
    if (status == AM_OK && placed)
        *placed = request.placed;
    return status;
}

int device_identify(int fd, int type, const void *data, uint64_t length, uint32_t flags, uint8_t id[32])
{
    struct agentmem_identify request = {
        .data = (uintptr_t)data, .length = length, .type = (uint32_t)type, .flags = flags};
    const int status = DEVICE_CALL(fd, AGENTMEM_IDENTIFY, &request);
    if (status == AM_OK)
        memcpy(id, request.id, 32);
    return status;
}

int device_acquire(int fd, const uint8_t id[32], struct agentmem_placed *placed)
{
    struct agentmem_acquire request = {0};
    memcpy(request.id, id, 32);
    const int status = DEVICE_CALL(fd, AGENTMEM_ACQUIRE, &request);
    if (status == AM_OK && placed)
        *placed = request.placed;
    return status;
}

int device_release(int fd, uint32_t reference)
{
    struct agentmem_release request = {.reference = reference};
    return DEVICE_CALL(fd, AGENTMEM_RELEASE, &request);
}

int device_unit(int fd, unsigned long call, const uint8_t id[32], uint32_t importance)
{
    struct agentmem_unit request = {.importance = importance};
    memcpy(request.id, id, 32);
    return DEVICE_CALL(fd, call, &request);
}

int device_state(int fd, const char *agent, uint32_t state, uint32_t importance)
{
    struct agentmem_state request = {.state = state, .importance = importance};
    snprintf(request.agent, sizeof request.agent, "%s", agent);
    return DEVICE_CALL(fd, AGENTMEM_STATE, &request);
}

int device_forget(int fd, const char *agent)
{
    struct agentmem_state request = {.importance = AGENTMEM_LEAVE};
    snprintf(request.agent, sizeof request.agent, "%s", agent);
    return DEVICE_CALL(fd, AGENTMEM_FORGET, &request);
}

int device_owned(int fd, uint64_t after, struct agentmem_owned *page)
{
    memset(page, 0, sizeof *page);
    page->after = after;
    return DEVICE_CALL(fd, AGENTMEM_OWNED, page);
}

int device_agent(int fd, const char *agent, struct agentmem_agent *is)
{
    uint32_t after = 0;
    for (;;) {
        memset(is, 0, sizeof *is);
        is->after = after;
        const int status = DEVICE_CALL(fd, AGENTMEM_AGENT, is);
        if (status != AM_OK || strcmp(is->agent, agent) == 0)
            return status;
        after = is->number;
    }
}

int device_stats(int fd, struct agentmem_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    return DEVICE_CALL(fd, AGENTMEM_STATS, stats);
}

void *device_map(int fd, const struct agentmem_placed *placed, int flags)
{
    return mmap(NULL, placed->length, PROT_READ, flags, fd, (off_t)placed->offset);
}

double proc_figure(const char *name)
{
    FILE *file = fopen("/proc/agent_stats", "r");
    char line[256];
    double value = -1;
    while (file && fgets(line, sizeof line, file)) {
        char key[64];
        double is;
        if (line[0] == '\n') /* agents follow */
            break;
        if (sscanf(line, "%63s %lf", key, &is) == 2 && strcmp(key, name) == 0)
            value = is;
    }
    if (file)
        fclose(file);
    return value;
}

bool device_empties(int fd, double within_s, struct agentmem_stats *last)
{
    const double until = seconds() + within_s;
    do {
        if (device_stats(fd, last) != AM_OK)
            return false;
        if (last->units == 0 && last->references == 0 && last->agents == 0 && last->readers == 0)
            return true;
        usleep(50000);
    } while (seconds() < until);
    return false;
}

void made_text(void *to, uint64_t length, uint64_t seed)
{
    static const char *const words[] = {"{\"role\":\"user\",\"content\":\"",
                                        "the ",
                                        "agent ",
                                        "reads ",
                                        "a ",
                                        "file ",
                                        "and ",
                                        "then ",
                                        "writes ",
                                        "its ",
                                        "answer ",
                                        "tool_result ",
                                        "/src/main.c ",
                                        "error: ",
                                        "line ",
                                        "is ",
                                        "not ",
                                        "found ",
                                        "\"},\n",
                                        "return ",
                                        "0;\n",
                                        "memory ",
                                        "unit ",
                                        "of ",
                                        "kernel ",
                                        "test ",
                                        "passes ",
                                        "when ",
                                        "all ",
                                        "bytes "};
    char *out = to, number[24];
    uint64_t state = seed;
    for (uint64_t at = 0; at < length;) {
        const uint64_t drawn = chance(&state);
        const char *word = words[drawn % (sizeof words / sizeof *words)];
        if (drawn >> 60 == 0) {
            snprintf(number, sizeof number, "%u ", (unsigned)(drawn >> 20) % 100000u);
            word = number;
        }
        while (*word && at < length)
            out[at++] = *word++;
    }
}

void made_noise(void *to, uint64_t length, uint64_t seed)
{
    uint8_t *out = to;
    for (uint64_t at = 0; at < length; at += 8) {
        const uint64_t drawn = chance(&seed);
        memcpy(out + at, &drawn, length - at < 8 ? length - at : 8);
    }
}
