#include "ring.hpp"

#include "../error.hpp"
#include "uring.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <unistd.h>

namespace nexus::engine {

namespace {

constexpr unsigned most_threads = 8;
constexpr unsigned most_retries = 1000; // of one operation that the kernel says to try again
constexpr unsigned most_uring_retries = 20; // by io_uring; then by pread and pwrite
constexpr size_t alignment = 4096;

long transfer(const Operation &operation, size_t moved) noexcept {
    std::byte *bytes = operation.bytes + moved;
    const size_t left = operation.size - moved;
    const auto at = static_cast<off_t>(operation.offset + moved);
    const ssize_t result = operation.kind == Operation::Kind::read ? ::pread(operation.file, bytes, left, at)
                                                                   : ::pwrite(operation.file, bytes, left, at);
    return result < 0 ? -errno : result;
}

} // namespace

Ring::Ring(Backend backend, unsigned depth) : depth_(depth) {
    if (depth < 1 || depth > 1024)
        throw LimitError("a ring of depth " + std::to_string(depth) + ": it must be 1 to 1024");
    if (backend != Backend::threads) {
        const char *step = "";
        int error = 0;
        uring_ = Uring::open(depth, step, error);
        if (!uring_ && backend == Backend::io_uring)
            throw IoError(std::string("io_uring does not work here: ") + step + ": " +
                          std::generic_category().message(error) + "; use threads instead");
    }
    if (!uring_)
        start_threads();
}

Ring::~Ring() {
    std::unique_lock lock(mutex_);
    for (Queue &queue : queues_)
        while (queue.first) {
            Operation &operation = *queue.first;
            unlink(operation);
            end(operation, ECANCELED);
        }
    stopping_ = true;
    waiting_work_.notify_all();
    lock.unlock();
    if (uring_)
        for (lock.lock(); in_flight_ > 0;) {
            uring_->enter(0, 1);
            reap();
        }
    for (std::thread &thread : threads_)
        thread.join();
}

void Ring::start_threads() {
    // Signals are the program's own threads' business.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        for (unsigned i = 0; i < std::min(depth_, most_threads); i++)
            threads_.emplace_back([this] { work(); });
    } catch (const std::system_error &) { // fewer will do, none will not
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (threads_.empty())
        throw IoError("no thread can be started for reading and writing; raise the limit of processes");
}

void Ring::push_back(Operation &operation) noexcept {
    Queue &queue = queues_[static_cast<size_t>(operation.urgency)];
    operation.before_ = queue.last;
    operation.behind_ = nullptr;
    (queue.last ? queue.last->behind_ : queue.first) = &operation;
    queue.last = &operation;
    operation.state_.store(Operation::State::queued, std::memory_order_relaxed);
    queued_++;
}

void Ring::push_front(Operation &operation) noexcept {
    Queue &queue = queues_[static_cast<size_t>(operation.urgency)];
    operation.before_ = nullptr;
    operation.behind_ = queue.first;
    (queue.first ? queue.first->before_ : queue.last) = &operation;
    queue.first = &operation;
    operation.state_.store(Operation::State::queued, std::memory_order_relaxed);
    queued_++;
}

void Ring::unlink(Operation &operation) noexcept {
    Queue &queue = queues_[static_cast<size_t>(operation.urgency)];
    (operation.before_ ? operation.before_->behind_ : queue.first) = operation.behind_;
    (operation.behind_ ? operation.behind_->before_ : queue.last) = operation.before_;
    queued_--;
}

/// The next operation to start, now in flight; nullptr if none is queued or may start.
Operation *Ring::take() noexcept {
    if (in_flight_ >= depth_)
        return nullptr;
    const size_t most_likely = std::max<size_t>(1, depth_ / 2);
    for (Queue &queue : queues_) {
        Operation *operation = queue.first;
        if (!operation)
            continue;
        const bool likely = operation->urgency == Urgency::likely;
        if (likely && likely_in_flight_ >= most_likely)
            return nullptr;
        unlink(*operation);
        operation->state_.store(Operation::State::in_flight, std::memory_order_relaxed);
        in_flight_++;
        likely_in_flight_ += likely;
        return operation;
    }
    return nullptr;
}

void Ring::end(Operation &operation, int error) noexcept {
    operation.error_ = error;
    operation.state_.store(Operation::State::done, std::memory_order_release); // from here on it is the caller's
}

/// Takes in a result of the kernel. True if the operation has to go on.
bool Ring::carried_on(Operation &operation, long result) noexcept {
    // The kernel cancels, unasked, what it has no thread for: starting one fails while signals rain, or at a limit.
    if (result == -EINTR || result == -EAGAIN || result == -ECANCELED) {
        if (++operation.retries_ <= most_retries)
            return true;
        operation.error_ = static_cast<int>(-result);
        return false;
    }
    operation.error_ = 0;
    if (result < 0) {
        operation.error_ = static_cast<int>(-result);
    } else if (result == 0) {
        operation.error_ = operation.kind == Operation::Kind::read ? ENODATA : ENOSPC;
    } else {
        const size_t moved = operation.moved_ + static_cast<size_t>(result);
        if (moved >= operation.size)
            return false;
        // A direct transfer goes on at an aligned place; if that is no progress, the file has ended there.
        const size_t aligned = moved / alignment * alignment;
        if (operation.size % alignment == 0 && operation.offset % alignment == 0) {
            if (aligned == operation.moved_) {
                operation.error_ = operation.kind == Operation::Kind::read ? ENODATA : ENOSPC;
                return false;
            }
            operation.moved_ = aligned;
        } else {
            operation.moved_ = moved;
        }
        return true;
    }
    return false;
}

void Ring::enqueue(Operation &operation) noexcept {
    operation.error_ = 0;
    operation.retries_ = 0;
    operation.moved_ = 0;
    push_back(operation);
}

void Ring::queue(Operation &operation) noexcept {
    const std::lock_guard lock(mutex_);
    enqueue(operation);
    if (!uring_)
        waiting_work_.notify_one();
}

void Ring::submit(std::span<Operation *const> operations) noexcept {
    const std::lock_guard lock(mutex_);
    for (Operation *operation : operations)
        enqueue(*operation);
    if (uring_)
        pump();
    else if (operations.size() == 1)
        waiting_work_.notify_one();
    else
        waiting_work_.notify_all();
}

void Ring::submit(Operation &operation) noexcept {
    Operation *const one[] = {&operation};
    submit(one);
}

void Ring::raise(Operation &operation, Urgency urgency) noexcept {
    const std::lock_guard lock(mutex_);
    if (operation.state_.load(std::memory_order_relaxed) != Operation::State::queued || operation.urgency <= urgency)
        return;
    unlink(operation);
    operation.urgency = urgency;
    push_back(operation);
    if (uring_)
        pump();
    else
        waiting_work_.notify_one();
}

bool Ring::cancel(Operation &operation) noexcept {
    const std::lock_guard lock(mutex_);
    if (operation.state_.load(std::memory_order_relaxed) != Operation::State::queued)
        return false;
    unlink(operation);
    end(operation, ECANCELED);
    ended_.notify_all();
    return true;
}

/// Starts what may start. With the lock.
void Ring::pump() noexcept {
    unsigned pushed = 0;
    while (Operation *operation = take()) {
        uring_->push(*operation, operation->moved_);
        pushed++;
    }
    if (pushed > 0 || uring_->unsubmitted() > 0)
        uring_->enter(uring_->unsubmitted(), 0);
}

/// Takes in completions, starts what may start then. With the lock. Whether any operation ended.
bool Ring::reap() noexcept {
    bool ended = false, again;
    do {
        again = false;
        long result;
        while (Operation *operation = uring_->pop(result)) {
            in_flight_--;
            likely_in_flight_ -= operation->urgency == Urgency::likely;
            bool on = carried_on(*operation, result);
            while (on && operation->retries_ >= most_uring_retries)
                on = carried_on(*operation, transfer(*operation, operation->moved_));
            if (on) {
                push_front(*operation);
            } else {
                end(*operation, operation->error_);
                ended = true;
            }
            again = true;
        }
        pump();
    } while (again); // what was started may have ended at once
    if (ended)
        ended_.notify_all();
    return ended;
}

void Ring::poll() noexcept {
    const std::lock_guard lock(mutex_);
    if (!uring_)
        return;
    if (reaping_)
        pump();
    else
        reap();
}

void Ring::wait(Operation &operation) noexcept {
    std::unique_lock lock(mutex_);
    while (!operation.done()) {
        if (!uring_ || reaping_) {
            ended_.wait(lock);
            continue;
        }
        if (reap() && operation.done())
            break;
        reaping_ = true;
        const unsigned unsubmitted = uring_->unsubmitted();
        lock.unlock();
        uring_->enter(unsubmitted, 1);
        lock.lock();
        reaping_ = false;
        reap();
        ended_.notify_all(); // another waiter takes over
    }
}

size_t Ring::in_flight() const noexcept {
    const std::lock_guard lock(mutex_);
    return in_flight_;
}

size_t Ring::queued() const noexcept {
    const std::lock_guard lock(mutex_);
    return queued_;
}

/// A thread of the pool.
void Ring::work() noexcept {
    std::unique_lock lock(mutex_);
    for (;;) {
        Operation *operation = take();
        if (!operation) {
            if (stopping_)
                return;
            waiting_work_.wait(lock);
            continue;
        }
        lock.unlock();
        while (carried_on(*operation, transfer(*operation, operation->moved_))) {
        }
        lock.lock();
        in_flight_--;
        likely_in_flight_ -= operation->urgency == Urgency::likely;
        end(*operation, operation->error_);
        ended_.notify_all();
    }
}

} // namespace nexus::engine
