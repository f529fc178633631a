/* The ioctl interface of /dev/agentmem does what agentmem_ioctl.h says: heads and sizes, and attaching. */
#include "conformance.h"

#include <sys/wait.h>

#include "device.h"
#include "say.h"

/* A call with a head of one's own; gives 0, or errno. */
static int raw(int fd, unsigned long call, void *request) { return ioctl(fd, call, request) ? errno : 0; }

void conform_calls(void)
{
    const int fd = device_open();
    if (!say(fd >= 0, "open", "status %d", fd))
        return;
    struct agentmem_info info = {0};
    int status = DEVICE_CALL(fd, AGENTMEM_INFO, &info);
    say(status == AM_OK && info.head.status == 0, "info", "status %d", status);
    say(info.epoch != 0 && info.page_bytes == PAGE, "info-epoch-page", "page %u", info.page_bytes);
    say(info.largest_unit > 0 && info.largest_unit <= AGENTMEM_LARGEST_UNIT, "info-largest", "%llu",
        (unsigned long long)info.largest_unit);

    info = (struct agentmem_info){.head = {.bytes = sizeof info - 8, .abi = AGENTMEM_ABI}};
    say(raw(fd, AGENTMEM_INFO, &info) == EINVAL, "head-bytes-differ", "a head of another size is EINVAL");
    info = (struct agentmem_info){.head = {.bytes = sizeof info, .abi = AGENTMEM_ABI + 1}};
    say(raw(fd, AGENTMEM_INFO, &info) == 0 && info.head.status == AM_EPROTOCOL && info.epoch == 0, "head-abi",
        "status %d", info.head.status);
    info = (struct agentmem_info){.head = {.bytes = sizeof info, .abi = AGENTMEM_ABI, .spare = 1}};
    say(raw(fd, AGENTMEM_INFO, &info) == 0 && info.head.status == AM_EINVAL, "head-spare", "status %d",
        info.head.status);

    struct {
        struct agentmem_info info;
        uint64_t more[4];
    } longer = {.info.head = {.bytes = sizeof longer, .abi = AGENTMEM_ABI}};
    const unsigned long longer_info = _IOC(_IOC_READ | _IOC_WRITE, AGENTMEM_MAGIC, 0, sizeof longer);
    say(raw(fd, longer_info, &longer) == 0 && longer.info.head.status == AM_OK && longer.info.epoch != 0,
        "head-longer-zero", "a newer program's struct with a zero tail works");
    longer.info.head = (struct agentmem_head){.bytes = sizeof longer, .abi = AGENTMEM_ABI};
    longer.more[2] = 1;
    say(raw(fd, longer_info, &longer) == E2BIG, "head-longer-used", "with something in its tail it is E2BIG");
    struct agentmem_head small = {.bytes = sizeof small, .abi = AGENTMEM_ABI};
    say(raw(fd, _IOC(_IOC_READ | _IOC_WRITE, AGENTMEM_MAGIC, 0, sizeof small), &small) == EINVAL,
        "head-shorter", "smaller than the first version is EINVAL");
    say(raw(fd, _IOC(_IOC_READ | _IOC_WRITE, AGENTMEM_MAGIC, 0, 0), &small) == EINVAL, "head-none",
        "no size is EINVAL");
    say(raw(fd, _IOWR(AGENTMEM_MAGIC, 200, struct agentmem_info), &info) == ENOTTY, "call-unknown", "ENOTTY");
    say(raw(fd, _IOWR('T', 1, struct agentmem_info), &info) == ENOTTY, "call-foreign", "ENOTTY");
    say(raw(fd, AGENTMEM_INFO, NULL) == EFAULT, "pointer-null", "EFAULT");
    say(raw(fd, AGENTMEM_INFO, (void *)0xffff888000000000ul) == EFAULT, "pointer-kernel", "EFAULT");

    char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(pages + PAGE, PAGE);
    struct agentmem_info *across = (void *)(pages + PAGE - 24);
    memcpy(across, &(struct agentmem_head){.bytes = sizeof *across, .abi = AGENTMEM_ABI},
           sizeof across->head);
    say(raw(fd, AGENTMEM_INFO, across) == EFAULT, "pointer-half", "a struct that ends nowhere is EFAULT");
    struct agentmem_info *kept = (void *)pages;
    *kept = (struct agentmem_info){.head = {.bytes = sizeof *kept, .abi = AGENTMEM_ABI}};
    mprotect(pages, PAGE, PROT_READ);
    say(raw(fd, AGENTMEM_INFO, kept) == EFAULT, "pointer-read-only",
        "an answer that cannot be written is EFAULT");
    munmap(pages, PAGE);

    uint8_t id[32] = {1};
    say(device_publish(fd, AM_TOOL_DEF, "x", 1, 0, NULL) == AM_EPROTOCOL, "before-attach-publish",
        "AM_EPROTOCOL");
    say(device_acquire(fd, id, NULL) == AM_EPROTOCOL, "before-attach-acquire", "AM_EPROTOCOL");
    say(device_release(fd, 1) == AM_EPROTOCOL, "before-attach-release", "AM_EPROTOCOL");
    say(device_unit(fd, AGENTMEM_OWN, id, 0) == AM_EPROTOCOL, "before-attach-own", "AM_EPROTOCOL");
    struct agentmem_owned page;
    say(device_owned(fd, 0, &page) == AM_EPROTOCOL, "before-attach-owned", "AM_EPROTOCOL");
    say(device_state(fd, "", AM_IDLE, 50) == AM_EPROTOCOL, "before-attach-state", "AM_EPROTOCOL");
    say(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED, "before-attach-mmap", "errno %d",
        errno);
    struct agentmem_stats stats;
    say(device_stats(fd, &stats) == AM_OK, "before-attach-stats", "STATS needs no attachment");
    close(fd);
}

/* ATTACH with one thing changed, on a file of its own. */
static int attach(void (*change)(struct agentmem_attach *))
{
    struct agentmem_attach request = {.importance = 50};
    snprintf(request.realm, sizeof request.realm, "conform");
    snprintf(request.agent, sizeof request.agent, "one");
    if (change)
        change(&request);
    const int fd = device_open();
    const int status = DEVICE_CALL(fd, AGENTMEM_ATTACH, &request);
    close(fd);
    return status;
}

static void too_important(struct agentmem_attach *request) { request->importance = 101; }
static void nameless(struct agentmem_attach *request) { request->agent[0] = 0; }
static void realmless(struct agentmem_attach *request) { request->realm[0] = 0; }
static void control(struct agentmem_attach *request) { strcpy(request->agent, "a\nb"); }
static void endless(struct agentmem_attach *request) { memset(request->agent, 'a', sizeof request->agent); }
static void durable(struct agentmem_attach *request) { request->flags = AGENTMEM_DURABLE; }
static void flagged(struct agentmem_attach *request) { request->flags = 0x80000000u; }
static void spared(struct agentmem_attach *request) { request->spare = 1; }
static void nobody(struct agentmem_attach *request) { request->pid = 0x3ffffff; }
static void negative(struct agentmem_attach *request) { request->pid = -5; }

/* As user 1000: the same realm's name is another realm. Gives 0, or a number of the step that went wrong. */
static int stranger(const uint8_t id[32])
{
    struct agentmem_agent agent;
    if (setgid(1000) || setuid(1000))
        return 1;
    const int fd = device_client("conform", "one");
    if (fd == DEVICE_ERRNO(EACCES))
        return 20; /* the device is not this user's to open: that keeps it out as well */
    if (fd < 0)
        return 2;
    if (device_acquire(fd, id, NULL) != AM_ENOTFOUND)
        return 3;
    struct agentmem_placed placed;
    if (device_publish(fd, AM_TOOL_DEF, "shared text", 11, 0, &placed) != AM_OK || placed.existed)
        return 4;
    if (memcmp(placed.id, id, 32) == 0)
        return 5;
    int seen = 0;
    memset(&agent, 0, sizeof agent);
    while (DEVICE_CALL(fd, AGENTMEM_AGENT, &agent) == AM_OK && seen++ < 10)
        agent.after = agent.number;
    return seen == 1 ? 0 : 6;
}

void conform_attach(void)
{
    const struct {
        const char *name;
        void (*change)(struct agentmem_attach *);
    } refused[] = {{"attach-importance", too_important},
                   {"attach-no-agent", nameless},
                   {"attach-no-realm", realmless},
                   {"attach-control", control},
                   {"attach-endless", endless},
                   {"attach-durable", durable},
                   {"attach-flags", flagged},
                   {"attach-spare", spared},
                   {"attach-negative-pid", negative}};
    say(attach(NULL) == AM_OK, "attach", "and closed again");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const int status = attach(refused[i].change);
        say(status == AM_EINVAL, refused[i].name, "status %d", status);
    }
    say(attach(nobody) != AM_OK, "attach-nobody", "a process that is not there is refused");

    const int fd = device_client("conform", "one");
    say(device_attach(fd, "conform", "two") == AM_EBUSY, "attach-twice", "AM_EBUSY");
    struct agentmem_placed placed;
    uint8_t other[32];
    say(device_publish(fd, AM_TOOL_DEF, "shared text", 11, 0, &placed) == AM_OK, "attach-publish", " ");
    const int elsewhere = device_client("conform-2", "one");
    say(device_acquire(elsewhere, placed.id, NULL) == AM_ENOTFOUND, "realm-apart",
        "another realm does not find it");
    say(device_identify(elsewhere, AM_TOOL_DEF, "shared text", 11, 0, other) == AM_OK &&
            memcmp(other, placed.id, 32) != 0,
        "realm-id", "the same bytes have another id there");
    close(elsewhere);

    const pid_t child = fork();
    if (child == 0)
        _exit(stranger(placed.id));
    int status = 0;
    waitpid(child, &status, 0);
    const int step = WIFEXITED(status) ? WEXITSTATUS(status) : 100;
    say(step == 0 || step == 20, "user-apart", "%s (%d)",
        step == 20 ? "another user cannot open the device" : "another user's realm of this name", step);
    close(fd);
}

int main(void)
{
    struct agentmem_stats left;
    conform_calls();
    conform_attach();
    conform_units();
    conform_maps();
    conform_agents();
    conform_figures();
    conform_owned();
    conform_many();
    const int fd = device_open();
    const bool empty = device_empties(fd, 5, &left);
    say(empty, "nothing-left", "units %llu references %llu agents %llu", (unsigned long long)left.units,
        (unsigned long long)left.references, (unsigned long long)left.agents);
    close(fd);
    return said();
}
