// The pool gives out every task exactly once, whatever the numbers, and its workers' writes are seen.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

#include "check.hpp"
#include "engine/error.hpp"
#include "engine/threads/pool.hpp"

using namespace nexus::engine;

namespace {

// Plain counters, not atomic ones: each task has its own, and the caller reads them after the run. A thread
// checker sees it when a run returns before a task has ended.
void check_run(Pool &pool, size_t tasks) {
    std::vector<uint32_t> times(tasks, 0);
    std::vector<uint64_t> by_worker(pool.size() * 16, 0); // apart, so that workers do not share lines
    pool.run(tasks, [&](size_t task, unsigned worker) noexcept {
        ++times[task];
        ++by_worker[worker * 16];
    });
    uint64_t all = 0;
    for (const uint64_t count : by_worker) {
        all += count;
    }
    CHECK(all == tasks, "%llu of %zu tasks on %u workers", static_cast<unsigned long long>(all), tasks, pool.size());
    for (size_t task = 0; task < tasks; ++task) {
        CHECK(times[task] == 1, "task %zu of %zu ran %u times", task, tasks, times[task]);
    }
}

void test_every_task_once() {
    for (const unsigned threads : {1U, 2U, 3U, 8U}) {
        Pool pool(threads);
        CHECK(pool.size() == threads, "%u", pool.size());
        for (size_t tasks = 0; tasks < 70; ++tasks) {
            check_run(pool, tasks);
        }
        for (unsigned turn = 0; turn < 3000; ++turn) {
            check_run(pool, turn % 40);
        }
        check_run(pool, 20000);
    }
}

// Runs after pauses longer than the workers spin, so that they have to be woken.
void test_after_sleep() {
    Pool pool(4);
    for (int turn = 0; turn < 40; ++turn) {
        std::this_thread::sleep_for(std::chrono::microseconds(turn * 20));
        check_run(pool, 64);
    }
}

// Tasks of very different length: one of them takes longer than all others together.
void test_uneven() {
    Pool pool(3);
    for (int turn = 0; turn < 20; ++turn) {
        std::vector<uint32_t> times(200, 0);
        pool.run(times.size(), [&](size_t task, unsigned) noexcept {
            if (task == static_cast<size_t>(turn * 10)) {
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
            ++times[task];
        });
        for (const uint32_t count : times) {
            CHECK(count == 1, "%u times", count);
        }
    }
}

// What one run wrote is there for every task of the next.
void test_order() {
    Pool pool(4);
    std::vector<uint64_t> from(512, 1), to(512, 0);
    for (uint64_t turn = 0; turn < 500; ++turn) {
        pool.run(512, [&](size_t task, unsigned) noexcept { to[task] = from[(task * 7 + 13) % 512] + 1; });
        from.swap(to);
    }
    for (const uint64_t value : from) {
        CHECK(value == 501, "%llu", static_cast<unsigned long long>(value));
    }
}

void test_resize() {
    Pool pool(2);
    for (const unsigned threads : {5U, 1U, 3U, 3U, 2U}) {
        pool.resize(threads);
        CHECK(pool.size() == threads, "%u", pool.size());
        check_run(pool, 100);
    }
    for (const unsigned bad : {0U, 257U}) {
        bool refused = false;
        try {
            pool.resize(bad);
        } catch (const LimitError &) {
            refused = true;
        }
        CHECK(refused && pool.size() == 2, "%u threads", bad);
    }
    check_run(pool, 100);
}

// Several threads may call; their runs, and a change of size, wait for each other.
void test_callers() {
    Pool pool(3);
    std::atomic<uint64_t> total{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 3; ++caller) {
        callers.emplace_back([&] {
            for (int turn = 0; turn < 300; ++turn) {
                uint64_t own[32] = {};
                pool.run(32, [&](size_t task, unsigned) noexcept { own[task] = task; });
                for (const uint64_t value : own) {
                    total += value;
                }
            }
        });
    }
    for (unsigned turn = 0; turn < 20; ++turn) {
        pool.resize(1 + turn % 4);
    }
    for (std::thread &caller : callers) {
        caller.join();
    }
    CHECK(total == 3U * 300U * 496U, "%llu", static_cast<unsigned long long>(total.load()));
}

void test_short_lives() {
    for (int turn = 0; turn < 200; ++turn) {
        Pool pool(1 + static_cast<unsigned>(turn) % 4);
        if (turn % 3 != 0) {
            check_run(pool, static_cast<size_t>(turn));
        }
    }
}

} // namespace

int main() {
    test_every_task_once();
    test_after_sleep();
    test_uneven();
    test_order();
    test_resize();
    test_callers();
    test_short_lives();
    if (failures != 0) {
        std::fprintf(stderr, "%d checks failed\n", failures);
    }
    return failures != 0;
}
