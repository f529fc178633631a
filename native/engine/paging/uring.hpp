// The kernel's io_uring by its system calls: two rings in shared memory and one call. Queues nothing itself; Ring does.
//
// push(), pop() and unsubmitted() are guarded by the caller; enter() may run beside them.
#pragma once

#include "ring.hpp"

#include <cstddef>
#include <memory>

struct io_uring_sqe;
struct io_uring_cqe;

namespace nexus::engine {

class Uring {
  public:
    /// A ring for `depth` operations at once; nullptr if the kernel has none for us, then `step` and `error` say why.
    static std::unique_ptr<Uring> open(unsigned depth, const char *&step, int &error) noexcept;
    ~Uring();
    Uring(const Uring &) = delete;
    Uring &operator=(const Uring &) = delete;

    /// Writes the entry of an operation of which `moved` bytes are done. There is room for `depth` operations that were
    /// not popped yet.
    void push(Operation &operation, size_t moved) noexcept;

    /// Entries pushed and not taken by the kernel.
    unsigned unsubmitted() const noexcept;

    /// Hands `count` entries over and waits until `least` completions (0 or 1) are there, or a signal or shortage of
    /// the kernel's ends the wait early.
    void enter(unsigned count, unsigned least) noexcept;

    /// The next operation that ended, with bytes moved or minus an error number; nullptr if there is none.
    Operation *pop(long &result) noexcept;

  private:
    Uring() = default;
    bool map(unsigned depth, const char *&step) noexcept;
    bool can_read_and_write() const noexcept;

    int file_ = -1;
    void *sq_ = nullptr, *cq_ = nullptr;
    size_t sq_bytes_ = 0, cq_bytes_ = 0, entries_bytes_ = 0;
    io_uring_sqe *entries_ = nullptr;
    io_uring_cqe *completions_ = nullptr;
    unsigned *sq_head_ = nullptr, *sq_tail_ = nullptr, *sq_array_ = nullptr, *cq_head_ = nullptr, *cq_tail_ = nullptr;
    unsigned sq_mask_ = 0, cq_mask_ = 0;
};

} // namespace nexus::engine
