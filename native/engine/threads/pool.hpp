// The threads that share one piece of work, and how the pieces are given out.
//
// The thread that calls `run` is worker 0 and works itself. Each worker owns a run of neighbouring
// tasks, so that it reads one stream of memory; one that has finished takes half of what another has
// left. A worker that is not on a core when a run starts is not waited for: the others do its tasks.
// Between runs a worker spins for at most 20 us and then sleeps in the kernel.
//
// Where another process wants a core, a worker may lose its core in the middle of a task, and the run has
// to wait for it. When such waits cost more than sharing gains, the caller works alone for a while: 40 ms,
// and twice as long each time that it was no better afterwards, up to 640 ms.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace nexus::engine {

class Pool {
  public:
    /// `threads` workers with the caller: 1 to 256, LimitError otherwise. IoError: no thread can be made.
    explicit Pool(unsigned threads);
    ~Pool();
    Pool(const Pool &) = delete;
    Pool &operator=(const Pool &) = delete;

    /// Workers, with the caller. Not all of them take part in every run.
    unsigned size() const noexcept { return size_.load(std::memory_order_relaxed); }

    /// Changes the number of workers; waits for a run of another thread. Errors as the constructor's, and
    /// then only the caller is left as a worker.
    void resize(unsigned threads);

    /// Calls `f(task, worker)` once for each task below `tasks`, in any order, on any worker below
    /// `size()`, no two calls of one worker at a time; returns when all are done, and then all they
    /// wrote is seen by the caller. `f` must not throw and must not use the pool. Runs of several
    /// threads wait for each other. LimitError above 2^32 - 1 tasks.
    template <class F> void run(size_t tasks, F &&f) {
        using Function = std::remove_reference_t<F>;
        static_assert(std::is_nothrow_invocable_v<Function &, size_t, unsigned>, "a task must be noexcept");
        run_erased(tasks, const_cast<void *>(static_cast<const void *>(std::addressof(f))),
                   [](void *context, size_t task, unsigned worker) noexcept {
                       (*static_cast<Function *>(context))(task, worker);
                   });
    }

    /// How often the caller went to work alone because others had the cores.
    uint64_t pauses() const noexcept { return pauses_.load(std::memory_order_relaxed); }

  private:
    using Step = void (*)(void *, size_t, unsigned) noexcept;
    struct alignas(64) Range {
        std::atomic<uint64_t> tasks{0}; // first | end << 32
    };

    void run_erased(size_t tasks, void *context, Step step);
    bool take(unsigned worker, size_t &task) noexcept;
    uint64_t work(unsigned worker) noexcept;
    void serve(unsigned worker) noexcept;
    void finish(size_t tasks) noexcept;
    void account(int64_t gained_ns) noexcept;
    void stop() noexcept;

    std::mutex caller_; // one run or resize at a time
    std::atomic<unsigned> size_{1};
    std::unique_ptr<Range[]> ranges_;
    std::vector<std::thread> threads_;
    void *context_ = nullptr;
    Step step_ = nullptr;
    int64_t alone_until_ = 0; // ns of the steady clock
    int64_t credit_ = 0;      // ns that sharing has gained, waits taken off
    int64_t pause_ = 0;       // ns to work alone when it is used up
    std::atomic<uint64_t> pauses_{0};
    std::atomic<bool> stopping_{false};
    alignas(64) std::atomic<uint32_t> signal_{0};  // changes when a run starts; workers sleep on it
    alignas(64) std::atomic<uint32_t> gate_{0};    // open bit, waiting bit, workers inside
    alignas(64) std::atomic<uint32_t> sleepers_{0};
};

} // namespace nexus::engine
