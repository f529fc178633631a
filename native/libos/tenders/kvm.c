/* nexus-tender-kvm: runs one guest in a virtual machine of its own, by /dev/kvm.
 *
 * The guest rings by a store to a page that no memory lies behind, which stops the machine and comes to
 * `serve`. What the guest cannot do is the processor's to hold up; what this process can do after the guest
 * has begun is one system call for the machine and those of calls.h. */
#include "calls.h"
#include "channel.h"
#include "confine.h"
#include "kvm_machine.h"
#include "kvm_pages.h"
#include "kvm_probe.h"
#include "load.h"
#include "nx_abi.h"
#include "system.h"

#include <linux/errno.h>

#define PROGRAM "nexus-tender-kvm"
#define VCPU 4 /* its descriptor, the only one beside those that a guest's process is given */

int nx_main(int argc, char **argv, char **environment);

static int fault(uint32_t kind, uint64_t ip, uint64_t address)
{
    nx_tell_fault(NX_CHANNEL, kind, ip, address);
    return NX_FAULTED;
}

/* The machine stopped for something that is not the doorbell. Returns the exit status. */
static int stopped(const struct nx_machine *machine, long reason)
{
    uint64_t ip, address;
    nx_machine_where(machine, &ip, &address);
    if (reason == KVM_EXIT_SHUTDOWN)
        return fault(NX_FAULT_MEMORY, ip, address);
    if (reason == KVM_EXIT_MMIO)
        return fault(NX_FAULT_DOORBELL, ip, machine->run->mmio.phys_addr);
    return fault(NX_FAULT_EXIT, (uint64_t)(reason < 0 ? -reason : reason), ip);
}

static int serve(const struct nx_machine *machine, const struct nx_memory *memory)
{
    const struct nx_service service = {memory, 0, 1, 2, NX_CHANNEL};
    const struct kvm_run *run = machine->run;
    for (;;) {
        long reason = nx_machine_run(machine);
        if (reason != KVM_EXIT_MMIO || run->mmio.phys_addr != NX_DOORBELL || !run->mmio.is_write
            || run->mmio.len != sizeof(uint32_t))
            return stopped(machine, reason);
        uint32_t block;
        __builtin_memcpy(&block, run->mmio.data, sizeof block);
        int status = 0;
        const char *why = NULL;
        switch (nx_answer(&service, block, &status, &why)) {
        case NX_GO_ON: continue;
        case NX_EXITED: return status;
        case NX_BAD_BLOCK: {
            uint64_t ip, address;
            nx_machine_where(machine, &ip, &address);
            return fault(NX_FAULT_DOORBELL, ip, block);
        }
        case NX_BROKEN: return nx_refuse(PROGRAM, &(struct nx_trouble){NULL, why, 0});
        }
    }
}

static int keep_only_processor(struct nx_machine *machine, uint64_t cpu_microseconds,
                               struct nx_trouble *trouble)
{
    static const struct nx_rule run = {
        __NR_ioctl, {{0, 1, {VCPU}}, {1, 3, {KVM_RUN, (uint32_t)KVM_GET_REGS, (uint32_t)KVM_GET_SREGS}}}};
    if (machine->vcpu != VCPU) {
        long result = nx_sys3(__NR_dup2, machine->vcpu, VCPU, 0);
        if (result < 0)
            return nx_trouble(trouble, NULL, "KVM: cannot move the processor's descriptor", result);
        machine->vcpu = VCPU;
    }
    return nx_give_up(cpu_microseconds, VCPU + 1, trouble) != 0 ? -1 : nx_filter(&run, 1, trouble);
}

static int run(const struct nx_options *options, struct nx_trouble *trouble)
{
    static struct nx_guest guest;
    struct nx_machine machine;
    if (nx_load(options, false, NX_RING_STORE, NX_DOORBELL, &guest, trouble) != 0
        || nx_kvm_pages(&guest.memory, options->cpl == 3, trouble) != 0
        || nx_machine_make(&machine, guest.memory.host, guest.memory.end, trouble) != 0)
        return -1;
    const struct nx_start start = {options->cpl, NX_TABLES, guest.entry, guest.stack, guest.boot};
    if (nx_machine_set(&machine, &start, trouble) != 0
        || keep_only_processor(&machine, options->cpu_microseconds, trouble) != 0)
        return -1;
    return serve(&machine, &guest.memory);
}

int nx_main(int argc, char **argv, char **environment)
{
    static struct nx_options options;
    struct nx_trouble trouble;
    nx_forget(environment);
    if (nx_fill_descriptors(&trouble) != 0 || nx_options_parse(argc, argv, true, &options, &trouble) != 0)
        return nx_refuse(PROGRAM, &trouble);
    if (options.probe)
        return nx_kvm_probe(keep_only_processor);
    int status = run(&options, &trouble);
    return status < 0 ? nx_refuse(PROGRAM, &trouble) : status;
}
