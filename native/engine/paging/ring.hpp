// Many reads and writes in flight at once: io_uring where the kernel allows it, else a few threads with pread and
// pwrite. It moves bytes and knows nothing of pages.
//
// An Operation lives with its caller (in a frame, in a list of writes), so the ring allocates nothing for what passes
// through it. All methods may be called from any thread; a mutex inside guards them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

namespace nexus::engine {

class Uring;

/// Queued operations start in this order; `likely` ones fill at most half of the depth, so that a needed one starts
/// soon.
enum class Urgency : uint8_t { needed, normal, likely };

/// One read or write of `size` bytes at `offset` of `file`. The caller fills the first part and leaves it and the
/// buffer alone from submit() until done(). With O_DIRECT, `bytes`, `size` and `offset` are multiples of 4096.
struct Operation {
    enum class Kind : uint8_t { read, write };
    Kind kind = Kind::read;
    Urgency urgency = Urgency::normal;
    int file = -1;
    std::byte *bytes = nullptr;
    size_t size = 0;
    uint64_t offset = 0;

    bool done() const noexcept { return state_.load(std::memory_order_acquire) == State::done; }
    /// After done(): 0, or the error number. ENODATA: the file ends before the last byte. ECANCELED: cancelled.
    int error() const noexcept { return error_; }

  private:
    friend class Ring;
    friend class Uring;
    enum class State : uint8_t { idle, queued, in_flight, done };
    std::atomic<State> state_{State::idle};
    int error_ = 0;
    unsigned retries_ = 0;
    size_t moved_ = 0;
    Operation *before_ = nullptr, *behind_ = nullptr;
};

class Ring {
  public:
    enum class Backend { best, io_uring, threads };
    static constexpr unsigned default_depth = 32;

    /// `depth` operations (1 to 1024) are in flight at most, the rest is queued. `best` takes io_uring if it works here
    /// (it may be forbidden by seccomp or sysctl, or the kernel be older than 5.6), else threads; the other two insist.
    /// Throws IoError with the reason if `io_uring` does not work, LimitError for the depth.
    explicit Ring(Backend backend = Backend::best, unsigned depth = default_depth);

    /// Cancels what is queued and waits for what is in flight.
    ~Ring();
    Ring(const Ring &) = delete;
    Ring &operator=(const Ring &) = delete;

    /// io_uring or threads.
    Backend backend() const noexcept { return uring_ ? Backend::io_uring : Backend::threads; }

    /// Starts or queues operations; each must be new or done. Short transfers, EINTR and EAGAIN are carried on inside.
    /// Never fails: an error is the operation's.
    void submit(std::span<Operation *const> operations) noexcept;
    void submit(Operation &operation) noexcept;

    /// Queues an operation as submit() does, but leaves starting it to the next poll(), so that many start together.
    void queue(Operation &operation) noexcept;

    /// Makes a queued operation that urgent; without effect on one that is in flight or done.
    void raise(Operation &operation, Urgency urgency) noexcept;

    /// Takes a queued operation back: true, and it is done with ECANCELED; false if it had started or was not queued.
    bool cancel(Operation &operation) noexcept;

    /// Takes in what has ended and starts what is queued; does not wait. (Threads do so by themselves.) What exceeds
    /// the depth moves on only when somebody polls, waits or submits.
    void poll() noexcept;

    /// Returns when the operation, which must have been submitted, is done. Several threads may wait at once.
    void wait(Operation &operation) noexcept;

    /// Operations started and not ended; and those queued behind them.
    size_t in_flight() const noexcept;
    size_t queued() const noexcept;

  private:
    struct Queue {
        Operation *first = nullptr, *last = nullptr;
    };
    void enqueue(Operation &) noexcept;
    void push_back(Operation &) noexcept;
    void push_front(Operation &) noexcept;
    void unlink(Operation &) noexcept;
    Operation *take() noexcept;
    bool carried_on(Operation &, long result) noexcept;
    void end(Operation &, int error) noexcept;
    void pump() noexcept;
    bool reap() noexcept;
    void work() noexcept;
    void start_threads();

    mutable std::mutex mutex_;
    std::condition_variable ended_, waiting_work_;
    const unsigned depth_;
    Queue queues_[3];
    size_t queued_ = 0, in_flight_ = 0, likely_in_flight_ = 0;
    bool reaping_ = false; // a thread sleeps in the kernel for completions; only it takes them
    bool stopping_ = false;
    std::unique_ptr<Uring> uring_;
    std::vector<std::thread> threads_;
};

} // namespace nexus::engine
