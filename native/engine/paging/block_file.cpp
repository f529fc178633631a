#include "block_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/random.h>
#include <system_error>
#include <unistd.h>

namespace nexus::engine {

namespace {

constexpr uint64_t most_bytes = uint64_t{1} << 62;

bool is_aligned(const void *pointer) {
    return reinterpret_cast<uintptr_t>(pointer) % block_alignment == 0;
}

} // namespace

BlockFile::Write::Write(size_t count) : operations_(new Operation[count]) {
    for (size_t i = 0; i < count; i++)
        pieces.push_back(&operations_[i]);
}

bool BlockFile::Write::done() const noexcept {
    return std::all_of(pieces.begin(), pieces.end(), [](const Operation *piece) { return piece->done(); });
}

int BlockFile::Write::error() const noexcept {
    for (const Operation *piece : pieces)
        if (piece->error() != 0)
            return piece->error();
    return 0;
}

BlockFile::BlockFile(const std::filesystem::path &path, const BlockShape &shape, uint64_t capacity, Options options)
    : path_(path), shape_(shape), capacity_(capacity), ring_(options.backend, options.depth) {
    check_block_shape(shape);
    if (capacity < 1 || capacity > UINT32_MAX || capacity > (most_bytes - block_data_offset) / shape.bytes())
        throw LimitError("room for " + std::to_string(capacity) +
                         " blocks: it must be 1 to 2^32-1, and below 2^62 bytes in all");
    if (::getrandom(&mark_base_, sizeof mark_base_, 0) != sizeof mark_base_)
        throw IoError("the system gives no random numbers: " + std::generic_category().message(errno));
    const OpenBlockFile opened = open_block_file(path, shape, options.direct);
    file_ = opened.file;
    direct_ = opened.direct;
    try {
        slots_.resize(std::min<uint64_t>((opened.bytes - block_data_offset) / shape.bytes(), UINT32_MAX));
        for (Slot &slot : slots_)
            slot.room = Room::unknown;
    } catch (...) {
        ::close(file_);
        throw;
    }
}

BlockFile::~BlockFile() {
    for (const Slot &slot : slots_)
        if (slot.state == State::writing)
            for (Operation *piece : slot.write->pieces)
                ring_.wait(*piece);
    ::close(file_);
}

uint64_t BlockFile::used() const {
    const std::lock_guard lock(mutex_);
    return used_;
}

uint64_t BlockFile::slots() const {
    const std::lock_guard lock(mutex_);
    return slots_.size();
}

BlockFile::State BlockFile::state(uint32_t slot) {
    const std::lock_guard lock(mutex_);
    return settled(slot);
}

uint64_t BlockFile::mark(uint32_t slot) {
    const std::lock_guard lock(mutex_);
    return settled(slot) == State::written ? slots_[slot].mark : 0;
}

/// The state, after taking in the outcome of a write that has ended.
BlockFile::State BlockFile::settled(uint32_t number) noexcept {
    if (number >= slots_.size())
        return State::free;
    Slot &slot = slots_[number];
    if (slot.state == State::writing && slot.write->done()) {
        const int error = slot.write->error();
        slot.write.reset();
        slot.synced = false;
        slot.failed = error != 0;
        slot.state = error == 0 ? State::written : State::empty;
        if (error != 0) {
            slot.mark = 0;
            failure_ = error;
        }
    }
    return slot.state;
}

BlockFile::Slot &BlockFile::allocated(uint32_t slot) {
    const State state = settled(slot);
    if (state == State::free || state == State::writing)
        throw LimitError(reading_of(slot));
    return slots_[slot];
}

void BlockFile::release(uint32_t slot) {
    const std::lock_guard lock(mutex_);
    Slot &given_up = allocated(slot);
    const Room room = given_up.room;
    given_up = {};
    given_up.room = room;
    used_--;
    first_free_ = std::min<uint64_t>(first_free_, slot);
}

void BlockFile::reserve(std::span<const uint32_t> used) {
    const std::lock_guard lock(mutex_);
    for (size_t taken = 0; taken < used.size(); taken++) {
        const uint32_t slot = used[taken];
        if (slot < slots_.size() && slots_[slot].state == State::free) {
            slots_[slot].state = State::unread;
            continue;
        }
        for (const uint32_t undone : used.first(taken))
            slots_[undone].state = State::free;
        throw LimitError("slot " + std::to_string(slot) + " of " + path_.string() +
                         (slot < slots_.size() ? " is in use already" : " lies behind the end of the file") +
                         "; forget the name that leads there");
    }
    used_ += used.size();
}

/// Different for each write of this process (an odd factor permutes the counts), and by chance from all others'.
uint64_t BlockFile::new_mark() noexcept {
    for (;;) {
        const uint64_t mark = mark_base_ + ++marks_ * 0x9E3779B97F4A7C15;
        if (mark != 0)
            return mark;
    }
}

uint64_t BlockFile::write(uint32_t slot, std::byte *head, std::span<std::byte *const> pages) {
    if (pages.size() != shape_.layers)
        throw LimitError(std::to_string(pages.size()) + " pages for a block of " + std::to_string(shape_.layers) +
                         " layers");
    if (!is_aligned(head) || !std::all_of(pages.begin(), pages.end(), is_aligned))
        throw LimitError("heads and pages must start at multiples of 4096 bytes");
    const auto write = std::make_shared<Write>(1 + pages.size());
    uint64_t mark;
    {
        const std::lock_guard lock(mutex_);
        Slot &target = allocated(slot);
        mark = new_mark();
        target = {mark, State::writing, false, false, write};
    }
    for (size_t i = 0; i < write->pieces.size(); i++) {
        const Piece piece = i == 0 ? Piece::head : Piece::page;
        const uint32_t layer = i == 0 ? 0 : static_cast<uint32_t>(i - 1);
        Operation &operation = *write->pieces[i];
        prepare(operation, slot, piece, layer);
        operation.kind = Operation::Kind::write;
        operation.bytes = i == 0 ? head : pages[i - 1];
        seal({operation.bytes, operation.size}, {piece, slot, layer, mark});
    }
    ring_.submit(write->pieces);
    return mark;
}

void BlockFile::wait_written(uint32_t slot) {
    std::shared_ptr<Write> write;
    {
        const std::lock_guard lock(mutex_);
        if (settled(slot) != State::writing)
            return;
        write = slots_[slot].write;
    }
    for (Operation *piece : write->pieces)
        ring_.wait(*piece);
}

void BlockFile::sync() {
    const std::lock_guard one_at_a_time(sync_mutex_);
    std::vector<std::shared_ptr<Write>> writes;
    {
        const std::lock_guard lock(mutex_);
        for (uint32_t slot = 0; slot < slots_.size(); slot++)
            if (settled(slot) == State::writing)
                writes.push_back(slots_[slot].write);
    }
    for (const auto &write : writes)
        for (Operation *piece : write->pieces)
            ring_.wait(*piece);
    std::vector<std::pair<uint32_t, uint64_t>> written; // slot and mark
    {
        const std::lock_guard lock(mutex_);
        for (uint32_t slot = 0; slot < slots_.size(); slot++)
            if (settled(slot) == State::written && !slots_[slot].synced)
                written.emplace_back(slot, slots_[slot].mark);
    }
    int error;
    do
        error = ::fdatasync(file_) == 0 ? 0 : errno;
    while (error == EINTR);
    if (!direct_)
        ::posix_fadvise(file_, 0, 0, POSIX_FADV_DONTNEED);

    const std::lock_guard lock(mutex_);
    for (const auto &[number, mark] : written) {
        Slot &slot = slots_[number];
        if (slot.mark != mark) // released or written again meanwhile
            continue;
        slot.synced = error == 0;
        if (error != 0) { // the system may have dropped any of it, and will not say so again
            slot = {0, State::empty, false, true, nullptr};
            failure_ = error;
        }
    }
    std::vector<uint32_t> failed;
    for (uint32_t slot = 0; slot < slots_.size(); slot++)
        if (std::exchange(slots_[slot].failed, false))
            failed.push_back(slot);
    if (!failed.empty())
        throw WriteError(write_failure(failed, failure_), failed);
    if (error != 0)
        throw IoError(write_failure({}, error));
}

uint64_t BlockFile::offset(uint32_t slot, Piece piece, uint32_t layer) const noexcept {
    const uint64_t start = block_data_offset + slot * uint64_t{shape_.bytes()};
    return piece == Piece::head ? start : start + shape_.head_bytes + layer * uint64_t{shape_.page_bytes};
}

void BlockFile::prepare(Operation &operation, uint32_t slot, Piece piece, uint32_t layer) const noexcept {
    operation.kind = Operation::Kind::read;
    operation.file = file_;
    operation.size = piece == Piece::head ? shape_.head_bytes : shape_.page_bytes;
    operation.offset = offset(slot, piece, layer);
}

void BlockFile::prepare_read(Operation &operation, uint32_t slot, uint32_t layer) const noexcept {
    prepare(operation, slot, Piece::page, layer);
}

void BlockFile::forget(const Operation &operation) const noexcept {
    if (!direct_)
        ::posix_fadvise(operation.file, static_cast<off_t>(operation.offset), static_cast<off_t>(operation.size),
                        POSIX_FADV_DONTNEED);
}

/// Reads a piece, checks it, and returns its mark. `mark` 0: any.
uint64_t BlockFile::read(uint32_t slot, Piece piece, uint32_t layer, std::byte *out, uint64_t mark) {
    Operation operation;
    prepare(operation, slot, piece, layer);
    operation.urgency = Urgency::needed;
    const std::unique_ptr<void, decltype(&std::free)> buffer(std::aligned_alloc(block_alignment, operation.size),
                                                             &std::free);
    if (!buffer)
        throw IoError("no memory to read " + std::to_string(operation.size) + " bytes");
    operation.bytes = static_cast<std::byte *>(buffer.get());
    ring_.submit(operation);
    ring_.wait(operation);
    if (operation.error() != 0)
        throw IoError(read_failure(slot, operation.error()));
    forget(operation);
    if (const char *wrong = flaw({operation.bytes, operation.size}, {piece, slot, layer, mark}))
        throw DamagedPage(damage(slot, piece, layer, wrong), slot, layer);
    std::memcpy(out, operation.bytes, operation.size);
    return mark_of({operation.bytes, operation.size});
}

uint64_t BlockFile::read_head(uint32_t slot, std::byte *out, uint64_t mark) {
    uint64_t here;
    {
        const std::lock_guard lock(mutex_);
        if (allocated(slot).state == State::empty)
            throw LimitError(reading_of(slot));
        here = slots_[slot].mark;
    }
    if (here != 0 && mark != 0 && here != mark)
        throw DamagedPage(damage(slot, Piece::head, 0, "it belongs to another block that took the slot"), slot, 0);
    const uint64_t found = read(slot, Piece::head, 0, out, here != 0 ? here : mark);
    const std::lock_guard lock(mutex_);
    if (slot < slots_.size() && slots_[slot].state == State::unread) {
        slots_[slot].mark = found;
        slots_[slot].state = State::written;
        slots_[slot].synced = true;
    }
    return found;
}

void BlockFile::read_page(uint32_t slot, uint32_t layer, std::byte *out) {
    const uint64_t here = mark(slot);
    if (here == 0 || layer >= shape_.layers)
        throw LimitError(missing(slot, layer));
    read(slot, Piece::page, layer, out, here);
}

std::string BlockFile::damage(uint32_t slot, Piece piece, uint32_t layer, const char *flaw) const {
    return (piece == Piece::head ? "the head" : "the page of layer " + std::to_string(layer)) + " of slot " +
           std::to_string(slot) + " in " + path_.string() + " is damaged: " + flaw +
           "; release the slot and compute its block again";
}

std::string BlockFile::read_failure(uint32_t slot, int error) const {
    return "slot " + std::to_string(slot) + " of " + path_.string() + " cannot be read: " +
           (error == ENODATA ? "the file ends before it" : std::generic_category().message(error)) +
           "; check the disk, or release the slot and compute its block again";
}

std::string BlockFile::missing(uint32_t slot, uint32_t layer) const {
    if (layer >= shape_.layers)
        return "there is no layer " + std::to_string(layer) + ": blocks of " + path_.string() + " have " +
               std::to_string(shape_.layers);
    const std::lock_guard lock(mutex_);
    return reading_of(slot);
}

/// Why a slot cannot be used.
std::string BlockFile::reading_of(uint32_t slot) const {
    const State state = slot < slots_.size() ? slots_[slot].state : State::free;
    const char *why = state == State::free      ? " is free; allocate or reserve it first"
                      : state == State::empty   ? " holds no block; write one first"
                      : state == State::unread  ? " has a head that was not read yet; read it first"
                      : state == State::writing ? " is being written; wait until it is"
                                                : " holds a block";
    return "slot " + std::to_string(slot) + " of " + path_.string() + why;
}

std::string BlockFile::write_failure(const std::vector<uint32_t> &slots, int error) const {
    std::string text = slots.empty() ? "writes to " : std::to_string(slots.size()) + " blocks (first slot " +
                                                          std::to_string(slots.front()) + ") written to ";
    return text + path_.string() + " did not reach the disk: " + std::generic_category().message(error) +
           (error == ENOSPC ? "; free some space, then write them again" : "; check the disk, then write them again");
}

} // namespace nexus::engine
