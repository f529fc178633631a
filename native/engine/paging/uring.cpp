#include "uring.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <linux/io_uring.h>
#include <new>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace nexus::engine {

namespace {

unsigned load(unsigned *shared) noexcept {
    return std::atomic_ref(*shared).load(std::memory_order_acquire);
}

void store(unsigned *shared, unsigned value) noexcept {
    std::atomic_ref(*shared).store(value, std::memory_order_release);
}

void *mapped(int file, size_t bytes, unsigned long long what) noexcept {
    void *at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file,
                      static_cast<off_t>(what));
    return at == MAP_FAILED ? nullptr : at;
}

template <class T>
T *at(void *base, unsigned offset) noexcept {
    return reinterpret_cast<T *>(static_cast<std::byte *>(base) + offset);
}

} // namespace

std::unique_ptr<Uring> Uring::open(unsigned depth, const char *&step, int &error) noexcept {
    std::unique_ptr<Uring> ring(new (std::nothrow) Uring);
    error = ENOMEM;
    step = "memory";
    if (!ring)
        return nullptr;
    if (!ring->map(depth, step)) {
        error = errno;
        return nullptr;
    }
    if (!ring->can_read_and_write()) {
        step = "the kernel is too old (before 5.6)";
        error = ENOSYS;
        return nullptr;
    }
    return ring;
}

bool Uring::map(unsigned depth, const char *&step) noexcept {
    io_uring_params params;
    std::memset(&params, 0, sizeof params);
    step = "io_uring_setup";
    file_ = static_cast<int>(::syscall(__NR_io_uring_setup, depth, &params));
    if (file_ < 0)
        return false;
    step = "mapping the rings";
    sq_bytes_ = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    cq_bytes_ = params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe);
    entries_bytes_ = params.sq_entries * sizeof(io_uring_sqe);
    sq_ = mapped(file_, sq_bytes_, IORING_OFF_SQ_RING);
    cq_ = sq_ ? mapped(file_, cq_bytes_, IORING_OFF_CQ_RING) : nullptr;
    entries_ = cq_ ? static_cast<io_uring_sqe *>(mapped(file_, entries_bytes_, IORING_OFF_SQES)) : nullptr;
    if (!entries_)
        return false;
    sq_head_ = at<unsigned>(sq_, params.sq_off.head);
    sq_tail_ = at<unsigned>(sq_, params.sq_off.tail);
    sq_array_ = at<unsigned>(sq_, params.sq_off.array);
    sq_mask_ = *at<unsigned>(sq_, params.sq_off.ring_mask);
    cq_head_ = at<unsigned>(cq_, params.cq_off.head);
    cq_tail_ = at<unsigned>(cq_, params.cq_off.tail);
    cq_mask_ = *at<unsigned>(cq_, params.cq_off.ring_mask);
    completions_ = at<io_uring_cqe>(cq_, params.cq_off.cqes);
    return true;
}

bool Uring::can_read_and_write() const noexcept {
    constexpr unsigned count = IORING_OP_WRITE + 1;
    alignas(io_uring_probe) std::byte memory[sizeof(io_uring_probe) + count * sizeof(io_uring_probe_op)] = {};
    auto *probe = reinterpret_cast<io_uring_probe *>(memory);
    if (::syscall(__NR_io_uring_register, file_, IORING_REGISTER_PROBE, probe, count) < 0)
        return false;
    return probe->ops_len >= count && (probe->ops[IORING_OP_READ].flags & IO_URING_OP_SUPPORTED) &&
           (probe->ops[IORING_OP_WRITE].flags & IO_URING_OP_SUPPORTED);
}

Uring::~Uring() {
    if (entries_)
        ::munmap(entries_, entries_bytes_);
    if (cq_)
        ::munmap(cq_, cq_bytes_);
    if (sq_)
        ::munmap(sq_, sq_bytes_);
    if (file_ >= 0)
        ::close(file_);
}

void Uring::push(Operation &operation, size_t moved) noexcept {
    const unsigned tail = *sq_tail_;
    io_uring_sqe &entry = entries_[tail & sq_mask_];
    std::memset(&entry, 0, sizeof entry);
    entry.opcode = operation.kind == Operation::Kind::read ? IORING_OP_READ : IORING_OP_WRITE;
    entry.fd = operation.file;
    entry.addr = reinterpret_cast<uintptr_t>(operation.bytes + moved);
    entry.len = static_cast<unsigned>(operation.size - moved);
    entry.off = operation.offset + moved;
    entry.user_data = reinterpret_cast<uintptr_t>(&operation);
    sq_array_[tail & sq_mask_] = tail & sq_mask_;
    store(sq_tail_, tail + 1);
}

unsigned Uring::unsubmitted() const noexcept {
    return *sq_tail_ - load(sq_head_);
}

void Uring::enter(unsigned count, unsigned least) noexcept {
    const long result =
        ::syscall(__NR_io_uring_enter, file_, count, least, least > 0 ? IORING_ENTER_GETEVENTS : 0u, nullptr, 0);
    if (result < 0 && least > 0 && errno != EINTR) { // EAGAIN, EBUSY: the kernel is short of memory for now
        const timespec pause{0, 100'000};
        ::nanosleep(&pause, nullptr);
    }
}

Operation *Uring::pop(long &result) noexcept {
    const unsigned head = *cq_head_;
    if (head == load(cq_tail_))
        return nullptr;
    const io_uring_cqe &completion = completions_[head & cq_mask_];
    auto *operation = reinterpret_cast<Operation *>(static_cast<uintptr_t>(completion.user_data));
    result = completion.res;
    store(cq_head_, head + 1);
    return operation;
}

} // namespace nexus::engine
