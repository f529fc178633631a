// The space on the disk that slots take: made sure of before they are given out, given back when they are free.
#include "block_file.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <system_error>
#include <unistd.h>

namespace nexus::engine {

namespace {

constexpr uint64_t growth_bytes = 64 << 20;

/// fallocate; 0 or what went wrong.
int reshape(int file, int mode, uint64_t from, uint64_t bytes) {
    int error;
    do
        error = ::fallocate(file, mode, static_cast<off_t>(from), static_cast<off_t>(bytes)) == 0 ? 0 : errno;
    while (error == EINTR);
    return error;
}

/// The file system has no such thing.
bool is_unknown_here(int error) {
    return error == EOPNOTSUPP || error == ENOSYS;
}

} // namespace

uint32_t BlockFile::allocate() {
    const std::lock_guard lock(mutex_);
    if (used_ >= capacity_)
        throw LimitError("all " + std::to_string(capacity_) + " blocks of " + path_.string() +
                         " are in use; release some, or allow more disk");
    while (first_free_ < slots_.size() && slots_[first_free_].state != State::free)
        first_free_++;
    if (first_free_ == slots_.size())
        grow();
    else if (slots_[first_free_].room != Room::given)
        fill_hole(first_free_);
    const auto slot = static_cast<uint32_t>(first_free_++);
    slots_[slot] = {};
    slots_[slot].state = State::empty;
    used_++;
    return slot;
}

/// Room for more slots: a good step, or one if the disk has no more. There are fewer than capacity_.
void BlockFile::grow() {
    const uint64_t have = slots_.size();
    const uint64_t from = block_data_offset + have * shape_.bytes();
    uint64_t count = std::min(std::max<uint64_t>(1, growth_bytes / shape_.bytes()), capacity_ - have);
    slots_.reserve(have + count);
    for (;; count = 1) {
        const uint64_t bytes = count * shape_.bytes();
        int error = reshape(file_, 0, from, bytes);
        if (is_unknown_here(error)) // a sparse file: a full disk shows when a block is written
            error = ::ftruncate(file_, static_cast<off_t>(from + bytes)) == 0 ? 0 : errno;
        if (error == 0)
            break;
        // What part of the step was given goes back: the disk is not ours alone.
        if (::ftruncate(file_, static_cast<off_t>(from)) != 0 || count == 1)
            throw IoError(no_room(error));
    }
    slots_.resize(have + count);
}

/// Room for a slot inside the file that has none, or may have none.
void BlockFile::fill_hole(uint64_t slot) {
    const int error = reshape(file_, 0, block_data_offset + slot * shape_.bytes(), shape_.bytes());
    if (error != 0 && !is_unknown_here(error))
        throw IoError(no_room(error));
}

void BlockFile::give_back() {
    const std::lock_guard no_sync(sync_mutex_); // it remembers slots by their numbers
    const std::lock_guard lock(mutex_);
    const auto is_free = [&](uint64_t slot) { return slots_[slot].state == State::free; };
    const auto refuse = [&](int error) {
        throw IoError("free space in " + path_.string() + " cannot be given back: " +
                      std::generic_category().message(error) + "; check the disk");
    };
    uint64_t end = slots_.size();
    while (end > 0 && is_free(end - 1))
        end--;
    if (end < slots_.size()) {
        int error;
        do
            error = ::ftruncate(file_, static_cast<off_t>(block_data_offset + end * shape_.bytes())) == 0 ? 0 : errno;
        while (error == EINTR);
        if (error != 0)
            refuse(error);
        slots_.resize(end);
        first_free_ = std::min(first_free_, end);
    }
    for (uint64_t from = 0, to; from < end; from = to + 1) {
        for (to = from; to < end && is_free(to) && slots_[to].room != Room::none;)
            to++;
        if (to == from)
            continue;
        const int error = reshape(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                  block_data_offset + from * shape_.bytes(), (to - from) * shape_.bytes());
        if (is_unknown_here(error)) // there are no holes: the space is used again by later blocks
            return;
        if (error != 0)
            refuse(error);
        for (uint64_t slot = from; slot < to; slot++)
            slots_[slot].room = Room::none;
    }
}

uint64_t BlockFile::disk_bytes() const noexcept {
    struct stat file;
    return ::fstat(file_, &file) == 0 ? static_cast<uint64_t>(file.st_blocks) * 512 : 0;
}

std::string BlockFile::no_room(int error) const {
    struct statvfs disk;
    std::string text = "no room for another block in " + path_.string() + ": " + std::to_string(shape_.bytes()) +
                       " bytes are needed";
    if (error == ENOSPC && ::statvfs(path_.c_str(), &disk) == 0)
        text += ", " + std::to_string(uint64_t{disk.f_bavail} * disk.f_frsize) + " are free";
    return text + " (" + std::generic_category().message(error) + "); free some space, or release blocks";
}

} // namespace nexus::engine
