#include "kvm_machine.h"

#include "system.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#define CPUID_ENTRIES 256

#define CR0_PAGING UINT64_C(0x80000000)
/* Paging, alignment mask, write protection (also for ring 0), native FPU errors, extension type, FPU,
 * protection. */
#define CR0 (CR0_PAGING | 0x50033u)
#define CR4 0x620u /* PAE, SSE and its exceptions */
/* No-execute pages, long mode, and SYSCALL, which leads nowhere. */
#define EFER 0xd00u

static int set_cpuid(int kvm, int vcpu, struct nx_trouble *trouble)
{
    static struct {
        struct kvm_cpuid2 head;
        struct kvm_cpuid_entry2 entries[CPUID_ENTRIES];
    } cpuid;
    cpuid.head.nent = CPUID_ENTRIES;
    long result = nx_sys_ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid);
    if (result == 0)
        result = nx_sys_ioctl(vcpu, KVM_SET_CPUID2, &cpuid);
    return result == 0 ? 0 : nx_trouble(trouble, NULL, "KVM: cannot set the processor's features", result);
}

int nx_machine_make(struct nx_machine *machine, uintptr_t host, uint64_t size, struct nx_trouble *trouble)
{
    long kvm = nx_sys3(__NR_open, (long)"/dev/kvm", O_RDWR | O_CLOEXEC, 0);
    if (kvm < 0)
        return nx_trouble(trouble, "/dev/kvm", "cannot be opened", kvm);
    long api = nx_sys_ioctl((int)kvm, KVM_GET_API_VERSION, 0);
    if (api != KVM_API_VERSION)
        return nx_trouble(trouble, NULL, "KVM: not the interface of version 12", api);
    long machine_fd = nx_sys_ioctl((int)kvm, KVM_CREATE_VM, 0);
    if (machine_fd < 0)
        return nx_trouble(trouble, NULL, "KVM: cannot make a machine", machine_fd);
    struct kvm_userspace_memory_region memory = {.memory_size = size, .userspace_addr = host};
    long result = nx_sys_ioctl((int)machine_fd, KVM_SET_USER_MEMORY_REGION, &memory);
    if (result != 0)
        return nx_trouble(trouble, NULL, "KVM: cannot give the machine its memory", result);
    long vcpu = nx_sys_ioctl((int)machine_fd, KVM_CREATE_VCPU, 0);
    if (vcpu < 0)
        return nx_trouble(trouble, NULL, "KVM: cannot make a processor", vcpu);
    long bytes = nx_sys_ioctl((int)kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (bytes < (long)sizeof(struct kvm_run))
        return nx_trouble(trouble, NULL, "KVM: cannot share the processor's state", bytes);
    long run = nx_sys_mmap(0, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, (int)vcpu, 0);
    if (run < 0 && run > -4096)
        return nx_trouble(trouble, NULL, "KVM: cannot share the processor's state", run);
    if (set_cpuid((int)kvm, (int)vcpu, trouble) != 0)
        return -1;
    machine->api = (int)api;
    machine->vcpu = (int)vcpu;
    machine->run = (struct kvm_run *)run;
    return 0;
}

static struct kvm_segment flat(unsigned selector, unsigned type, unsigned cpl, bool code)
{
    return (struct kvm_segment){.limit = 0xffffffff,
                                .selector = (uint16_t)selector,
                                .type = (uint8_t)type,
                                .present = 1,
                                .dpl = (uint8_t)cpl,
                                .db = !code,
                                .s = 1,
                                .l = code,
                                .g = 1};
}

int nx_machine_set(const struct nx_machine *machine, const struct nx_start *start, struct nx_trouble *trouble)
{
    struct kvm_sregs s;
    long result = nx_sys_ioctl(machine->vcpu, KVM_GET_SREGS, &s);
    if (result == 0) {
        /* Selectors of a table that is not there: a guest has no way to load one. */
        s.cs = flat(start->cpl ? 0x33 : 0x10, 0xb, start->cpl, true);
        s.ds = s.es = s.fs = s.gs = s.ss = flat(start->cpl ? 0x2b : 0x18, 3, start->cpl, false);
        s.ldt = (struct kvm_segment){.unusable = 1};
        s.tr.present = 1;
        s.tr.type = 11;
        s.gdt = s.idt = (struct kvm_dtable){0};
        s.cr0 = CR0;
        s.cr3 = start->tables;
        s.cr4 = CR4;
        s.efer = EFER;
        result = nx_sys_ioctl(machine->vcpu, KVM_SET_SREGS, &s);
    }
    struct kvm_regs r = {.rip = start->ip, .rsp = start->stack, .rdi = start->argument, .rflags = 0x202};
    if (result == 0)
        result = nx_sys_ioctl(machine->vcpu, KVM_SET_REGS, &r);
    return result == 0 ? 0 : nx_trouble(trouble, NULL, "KVM: cannot set the processor's registers", result);
}

long nx_machine_run(const struct nx_machine *machine)
{
    long result;
    do
        result = nx_sys_ioctl(machine->vcpu, KVM_RUN, 0);
    while (result == -EINTR || result == -EAGAIN);
    return result < 0 ? result : (long)machine->run->exit_reason;
}

void nx_machine_where(const struct nx_machine *machine, uint64_t *ip, uint64_t *address)
{
    struct kvm_regs r;
    struct kvm_sregs s;
    *ip = *address = 0;
    /* AMD's processors forget everything at a triple fault, and KVM sets them back to their reset state. */
    if (nx_sys_ioctl(machine->vcpu, KVM_GET_SREGS, &s) != 0 || !(s.cr0 & CR0_PAGING)
        || nx_sys_ioctl(machine->vcpu, KVM_GET_REGS, &r) != 0)
        return;
    *ip = r.rip;
    *address = s.cr2;
}
