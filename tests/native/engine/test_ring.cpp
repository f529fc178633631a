// engine/paging/ring.hpp keeps its word, by io_uring and by threads.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <thread>

#include "engine/paging/ring.hpp"
#include "paging_blocks.hpp"

using namespace nexus::engine;
using namespace nexus::test;

namespace {

constexpr size_t unit = 4096;

struct File {
    File(const Scratch &scratch, size_t bytes, int flags = 0)
        : path(scratch / "file"), number(::open(path.c_str(), O_RDWR | O_CREAT | flags, 0600)) {
        if (number < 0 || ::ftruncate(number, static_cast<off_t>(bytes)) != 0)
            std::abort();
    }
    ~File() { ::close(number); }
    const std::filesystem::path path;
    const int number;
};

void aim(Operation &operation, Operation::Kind kind, const File &file, std::byte *bytes, size_t size, uint64_t at,
         Urgency urgency = Urgency::normal) {
    operation.kind = kind;
    operation.file = file.number;
    operation.bytes = bytes;
    operation.size = size;
    operation.offset = at;
    operation.urgency = urgency;
}

/// Far more operations than the depth, writes then reads in another order, direct and buffered.
void what_was_written_is_read(Ring::Backend backend, int flags) {
    constexpr size_t count = 300, size = 3 * unit;
    const Scratch scratch;
    const File file(scratch, count * size, flags);
    Ring ring(backend);
    CHECK(ring.backend() == backend);
    Aligned out(count * size), in(count * size);
    std::vector<Operation> operations(count);
    std::vector<Operation *> pointers;
    for (size_t i = 0; i < count; i++) {
        fill(out.get() + i * size, size, i, 0);
        aim(operations[i], Operation::Kind::write, file, out.get() + i * size, size, i * size);
        pointers.push_back(&operations[i]);
    }
    ring.submit(pointers);
    for (Operation &operation : operations)
        ring.wait(operation);
    for (size_t i = 0; i < count; i++) {
        const size_t other = i * 101 % count;
        CHECK(operations[i].done() && operations[i].error() == 0);
        aim(operations[i], Operation::Kind::read, file, in.get() + other * size, size, other * size,
            static_cast<Urgency>(i % 3));
    }
    ring.submit(pointers);
    for (size_t i = count; i-- > 0;) {
        ring.wait(operations[i]);
        CHECK(operations[i].error() == 0);
    }
    CHECK(std::memcmp(out.get(), in.get(), count * size) == 0);
    CHECK(ring.in_flight() == 0 && ring.queued() == 0);
}

/// An error is that operation's, the others are as if it had not been.
void errors_stay_with_their_operation(Ring::Backend backend) {
    const Scratch scratch;
    const File file(scratch, 2 * unit + 100);
    Ring ring(backend);
    Aligned bytes(4 * unit);
    Operation good, behind, across, closed;
    aim(good, Operation::Kind::read, file, bytes.get(), unit, unit);
    aim(behind, Operation::Kind::read, file, bytes.get() + unit, unit, 10 * unit);
    aim(across, Operation::Kind::read, file, bytes.get() + 2 * unit, unit, 2 * unit); // 100 bytes are there
    aim(closed, Operation::Kind::write, file, bytes.get() + 3 * unit, unit, 0);
    closed.file = 1000;
    Operation *const all[] = {&good, &behind, &across, &closed};
    ring.submit(all);
    for (Operation *operation : all)
        ring.wait(*operation);
    CHECK(good.error() == 0);
    CHECK(behind.error() == ENODATA);
    CHECK(across.error() == ENODATA);
    CHECK(closed.error() == EBADF);
}

/// With one in flight at a time, what runs last stays in the file.
void urgent_ones_go_first(Ring::Backend backend) {
    const Scratch scratch;
    const File file(scratch, unit);
    Aligned bytes(4 * unit);
    const auto last = [&](auto &&submit) {
        Ring ring(backend, 1);
        Operation operations[4];
        const Urgency urgencies[] = {Urgency::likely, Urgency::normal, Urgency::needed, Urgency::likely};
        for (size_t i = 0; i < 4; i++) {
            std::memset(bytes.get() + i * unit, static_cast<int>('a' + i), unit);
            aim(operations[i], Operation::Kind::write, file, bytes.get() + i * unit, unit, 0, urgencies[i]);
        }
        submit(ring, operations);
        for (Operation &operation : operations)
            ring.wait(operation);
        return content(file.path).at(17);
    };
    CHECK(last([](Ring &ring, Operation *o) {
              Operation *const all[] = {o, o + 1, o + 2, o + 3};
              ring.submit(all);
          }) == 'd');
    CHECK(last([](Ring &ring, Operation *o) {
              Operation *const all[] = {o + 3, o + 2, o + 1, o};
              ring.submit(all);
          }) == 'a');
    if (backend == Ring::Backend::threads)
        return; // a thread may have begun before raise() comes
    CHECK(last([](Ring &ring, Operation *o) {
              for (int i = 0; i < 4; i++)
                  ring.queue(o[i]);
              ring.raise(o[3], Urgency::needed);
              ring.raise(o[2], Urgency::likely); // not lowered
              ring.poll();
          }) == 'a');
}

/// Half of the depth at most, so that one that is needed starts at once.
void likely_ones_leave_room() {
    const Scratch scratch;
    const File file(scratch, unit);
    Ring ring(backends().front(), 8);
    if (ring.backend() == Ring::Backend::threads)
        return; // they take in what has ended at any time
    Aligned bytes(11 * unit);
    std::vector<Operation> operations(11);
    std::vector<Operation *> likely;
    for (size_t i = 0; i < 11; i++) {
        aim(operations[i], Operation::Kind::read, file, bytes.get() + i * unit, unit, 0,
            i > 0 ? Urgency::likely : Urgency::needed);
        if (i > 0)
            likely.push_back(&operations[i]);
    }
    ring.submit(likely);
    CHECK(ring.in_flight() == 4 && ring.queued() == 6);
    ring.submit(operations[0]);
    CHECK(ring.in_flight() == 5 && ring.queued() == 6);
    for (Operation &operation : operations) {
        ring.wait(operation);
        CHECK(operation.error() == 0);
    }
}

void queued_ones_can_be_taken_back() {
    const Scratch scratch;
    const File file(scratch, unit);
    Aligned bytes(2 * unit);
    Operation first, second;
    {
        Ring ring(backends().front(), 1);
        if (ring.backend() == Ring::Backend::threads)
            return;
        aim(first, Operation::Kind::read, file, bytes.get(), unit, 0);
        aim(second, Operation::Kind::read, file, bytes.get() + unit, unit, 0);
        ring.queue(first);
        CHECK(ring.queued() == 1 && !first.done());
        CHECK(ring.cancel(first) && first.done() && first.error() == ECANCELED);
        CHECK(!ring.cancel(first));
        ring.submit(first);
        ring.wait(first);
        CHECK(first.error() == 0);
        ring.queue(second);
    }
    CHECK(second.done() && second.error() == ECANCELED); // by the end of the ring
}

/// Signals that end system calls early, every 100 us.
void signals_do_no_harm(Ring::Backend backend) {
    struct sigaction action = {}, before;
    action.sa_handler = [](int) {};
    CHECK(::sigaction(SIGALRM, &action, &before) == 0);
    const itimerval often{{0, 100}, {0, 100}}, never{};
    CHECK(::setitimer(ITIMER_REAL, &often, nullptr) == 0);
    for (int i = 0; i < 5; i++)
        what_was_written_is_read(backend, O_DIRECT);
    CHECK(::setitimer(ITIMER_REAL, &never, nullptr) == 0);
    CHECK(::sigaction(SIGALRM, &before, nullptr) == 0);
}

void many_threads_share_a_ring(Ring::Backend backend) {
    constexpr size_t threads = 4, each = 200;
    const Scratch scratch;
    const File file(scratch, threads * each * unit);
    Ring ring(backend, 8);
    std::atomic<int> wrong{0};
    std::vector<std::thread> workers;
    for (size_t t = 0; t < threads; t++)
        workers.emplace_back([&, t] {
            Aligned out(unit), in(unit);
            for (size_t i = 0; i < each; i++) {
                Operation operation;
                fill(out.get(), unit, t * each + i, 0);
                aim(operation, Operation::Kind::write, file, out.get(), unit, (t * each + i) * unit);
                ring.submit(operation);
                ring.wait(operation);
                aim(operation, Operation::Kind::read, file, in.get(), unit, (t * each + i) * unit,
                    static_cast<Urgency>(i % 3));
                ring.queue(operation);
                ring.raise(operation, Urgency::needed);
                ring.poll();
                ring.wait(operation);
                wrong += operation.error() != 0 || std::memcmp(in.get(), out.get(), unit) != 0;
            }
        });
    for (std::thread &worker : workers)
        worker.join();
    CHECK(wrong == 0);
}

/// A sandbox that forbids io_uring: the child gets `error` for io_uring_setup.
void a_forbidden_uring_is_replaced_by_threads(int error) {
    const pid_t child = ::fork();
    if (child == 0) {
        sock_filter filter[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const sock_fprog program{4, filter};
        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
            ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
            ::_exit(2);
        CHECK(has(refused<IoError>([] { Ring ring(Ring::Backend::io_uring); }), "io_uring does not work here"));
        CHECK(Ring(Ring::Backend::best).backend() == Ring::Backend::threads);
        what_was_written_is_read(Ring::Backend::threads, 0);
        ::_exit(failures != 0);
    }
    int status = -1;
    CHECK(::waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
        std::fprintf(stderr, "no seccomp filter can be set here: the sandbox is not tested\n");
    else
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

void depths_are_checked() {
    CHECK(has(refused<LimitError>([] { Ring ring(Ring::Backend::threads, 0); }), "depth 0"));
    CHECK(has(refused<LimitError>([] { Ring ring(Ring::Backend::threads, 1025); }), "depth 1025"));
}

} // namespace

int main() {
    a_forbidden_uring_is_replaced_by_threads(EPERM); // first: no threads to fork with
    a_forbidden_uring_is_replaced_by_threads(ENOSYS);
    for (const Ring::Backend backend : backends()) {
        what_was_written_is_read(backend, O_DIRECT);
        what_was_written_is_read(backend, 0);
        errors_stay_with_their_operation(backend);
        urgent_ones_go_first(backend);
        signals_do_no_harm(backend);
        many_threads_share_a_ring(backend);
    }
    likely_ones_leave_room();
    queued_ones_can_be_taken_back();
    depths_are_checked();
    return failures != 0;
}
