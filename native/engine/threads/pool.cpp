#include "pool.hpp"

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <chrono>
#include <climits>
#include <limits>
#include <string>
#include <system_error>

#include "../error.hpp"

namespace nexus::engine {
namespace {

constexpr uint32_t gate_open = 1U << 31U;
constexpr uint32_t gate_waiting = 1U << 30U;
constexpr uint32_t gate_inside = gate_waiting - 1;
constexpr int64_t spin_ns = 20'000;
constexpr int64_t most_credit_ns = 2'000'000;
constexpr int64_t most_debt_ns = 4'000'000;
constexpr int64_t first_pause_ns = 40'000'000;
constexpr int64_t longest_pause_ns = 640'000'000;

int64_t now_ns() noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

void relax() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

#if defined(__linux__)
void sleep_while(std::atomic<uint32_t> &word, uint32_t value) noexcept {
    static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));
    syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

void wake_all(std::atomic<uint32_t> &word) noexcept {
    syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}
#else
void sleep_while(std::atomic<uint32_t> &word, uint32_t value) noexcept { word.wait(value); }
void wake_all(std::atomic<uint32_t> &word) noexcept { word.notify_all(); }
#endif

constexpr uint64_t range(uint64_t first, uint64_t end) noexcept { return first | end << 32U; }
constexpr uint32_t first_of(uint64_t tasks) noexcept { return static_cast<uint32_t>(tasks); }
constexpr uint32_t end_of(uint64_t tasks) noexcept { return static_cast<uint32_t>(tasks >> 32U); }

} // namespace

Pool::Pool(unsigned threads) { resize(threads); }

Pool::~Pool() { stop(); }

void Pool::stop() noexcept {
    stopping_.store(true, std::memory_order_seq_cst);
    signal_.fetch_add(1, std::memory_order_seq_cst);
    wake_all(signal_);
    for (std::thread &thread : threads_) {
        thread.join();
    }
    threads_.clear();
    stopping_.store(false, std::memory_order_seq_cst);
    size_.store(1, std::memory_order_relaxed);
}

void Pool::resize(unsigned threads) {
    if (threads < 1 || threads > 256) {
        throw LimitError(std::to_string(threads) + " threads; give 1 to 256");
    }
    const std::lock_guard lock(caller_);
    if (threads == size() && ranges_ != nullptr) {
        return;
    }
    stop();
    alone_until_ = credit_ = 0;
    pause_ = first_pause_ns;
    ranges_ = std::make_unique<Range[]>(threads);
    threads_.reserve(threads - 1);
    for (unsigned worker = 1; worker < threads; ++worker) {
        try {
            threads_.emplace_back([this, worker] { serve(worker); });
        } catch (const std::system_error &error) {
            stop();
            throw IoError("thread " + std::to_string(worker + 1) + " of " + std::to_string(threads) +
                          " cannot be started: " + error.what() + "; use fewer threads");
        }
    }
    size_.store(threads, std::memory_order_relaxed);
}

void Pool::run_erased(size_t tasks, void *context, Step step) {
    if (tasks > std::numeric_limits<uint32_t>::max()) {
        throw LimitError(std::to_string(tasks) + " tasks in one run; give at most 2^32 - 1");
    }
    const std::lock_guard lock(caller_);
    const unsigned workers = size();
    if (workers == 1 || tasks <= 1 || (alone_until_ != 0 && now_ns() < alone_until_)) {
        for (size_t task = 0; task < tasks; ++task) {
            step(context, task, 0);
        }
        return;
    }
    alone_until_ = 0;
    context_ = context;
    step_ = step;
    for (unsigned worker = 0; worker < workers; ++worker) {
        ranges_[worker].tasks.store(range(tasks * worker / workers, tasks * (worker + 1) / workers),
                                    std::memory_order_relaxed);
    }
    gate_.store(gate_open, std::memory_order_release);
    signal_.fetch_add(1, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst) != 0) {
        wake_all(signal_);
    }
    finish(tasks);
}

// Worker 0's part of a run: its own tasks, those that others leave, and the wait for the last of them.
void Pool::finish(size_t tasks) noexcept {
    const int64_t start = now_ns();
    uint64_t done = work(0);
    uint32_t gate = gate_.fetch_and(~gate_open, std::memory_order_acq_rel) & ~gate_open;
    const int64_t idle = now_ns();
    int64_t end = idle;
    if ((gate & gate_inside) != 0) {
        for (unsigned turn = 1; (gate & gate_inside) != 0 && end - idle < spin_ns; ++turn) {
            relax();
            done += work(0); // a worker may have put back what it had just taken from another
            end = turn % 32 == 0 ? now_ns() : end;
            gate = gate_.load(std::memory_order_acquire);
        }
        if ((gate & gate_inside) != 0) {
            gate = gate_.fetch_or(gate_waiting, std::memory_order_acq_rel) | gate_waiting;
            while ((gate & gate_inside) != 0) {
                sleep_while(gate_, gate);
                gate = gate_.load(std::memory_order_acquire);
            }
        }
        end = now_ns();
    }
    gate_.store(0, std::memory_order_relaxed);
    // A task that is simply long is no stall: two of the average length are free.
    const int64_t free = 2 * (idle - start) / static_cast<int64_t>(done + 1);
    const double others = 1.0 - static_cast<double>(done) / static_cast<double>(tasks);
    const double gained = (others / 2 - 0.05) * static_cast<double>(idle - start);
    account(static_cast<int64_t>(gained) - std::max<int64_t>(0, end - idle - free));
}

// Whether sharing still pays: what others do gains half its time, sharing itself costs a twentieth, and
// waiting costs what it takes.
void Pool::account(int64_t gained_ns) noexcept {
    credit_ += gained_ns;
    if (credit_ >= most_credit_ns) {
        credit_ = most_credit_ns;
        pause_ = first_pause_ns;
    } else if (credit_ < -most_debt_ns) {
        pauses_.fetch_add(1, std::memory_order_relaxed);
        alone_until_ = now_ns() + pause_;
        pause_ = std::min(2 * pause_, longest_pause_ns);
        credit_ = 0;
    }
}

// The next task: the first of the worker's own, else the first of the second half of what another has.
bool Pool::take(unsigned worker, size_t &task) noexcept {
    std::atomic<uint64_t> &own = ranges_[worker].tasks;
    uint64_t tasks = own.load(std::memory_order_relaxed);
    while (first_of(tasks) != end_of(tasks)) {
        if (own.compare_exchange_weak(tasks, range(first_of(tasks) + 1, end_of(tasks)),
                                      std::memory_order_relaxed)) {
            task = first_of(tasks);
            return true;
        }
    }
    const unsigned workers = size();
    for (unsigned step = 1; step < workers; ++step) {
        std::atomic<uint64_t> &other = ranges_[(worker + step) % workers].tasks;
        tasks = other.load(std::memory_order_relaxed);
        while (first_of(tasks) != end_of(tasks)) {
            const uint32_t middle = first_of(tasks) + (end_of(tasks) - first_of(tasks)) / 2;
            if (other.compare_exchange_weak(tasks, range(first_of(tasks), middle), std::memory_order_relaxed)) {
                own.store(range(middle + 1, end_of(tasks)), std::memory_order_relaxed);
                task = middle;
                return true;
            }
        }
    }
    return false;
}

uint64_t Pool::work(unsigned worker) noexcept {
    uint64_t done = 0;
    for (size_t task = 0; take(worker, task); ++done) {
        step_(context_, task, worker);
    }
    return done;
}

// What a thread of the pool does all its life: wait for a run, enter it while its gate is open, work, leave.
void Pool::serve(unsigned worker) noexcept {
    uint32_t seen = signal_.load(std::memory_order_seq_cst);
    while (!stopping_.load(std::memory_order_seq_cst)) {
        uint32_t gate = gate_.load(std::memory_order_relaxed);
        while ((gate & gate_open) != 0) {
            if (gate_.compare_exchange_weak(gate, gate + 1, std::memory_order_acquire)) {
                work(worker);
                if (gate_.fetch_sub(1, std::memory_order_acq_rel) == (gate_waiting | 1U)) {
                    wake_all(gate_);
                }
                break;
            }
        }
        const int64_t idle = now_ns();
        int64_t now = idle;
        uint32_t signal = signal_.load(std::memory_order_acquire);
        for (unsigned turn = 1; signal == seen && now - idle < spin_ns; ++turn) {
            relax();
            now = turn % 32 == 0 ? now_ns() : now;
            signal = signal_.load(std::memory_order_acquire);
        }
        while (signal == seen) {
            sleepers_.fetch_add(1, std::memory_order_seq_cst);
            sleep_while(signal_, seen);
            sleepers_.fetch_sub(1, std::memory_order_seq_cst);
            signal = signal_.load(std::memory_order_seq_cst);
        }
        seen = signal;
    }
}

} // namespace nexus::engine
