#include "frames.hpp"

#include "../error.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

namespace nexus::engine {

namespace {

constexpr size_t huge_page = 2 << 20;

size_t rounded(size_t bytes) {
    return (bytes + huge_page - 1) / huge_page * huge_page;
}

size_t machine_bytes() {
    const long pages = ::sysconf(_SC_PHYS_PAGES), bytes = ::sysconf(_SC_PAGESIZE);
    return pages > 0 && bytes > 0 ? static_cast<size_t>(pages) * static_cast<size_t>(bytes) : 0;
}

[[noreturn]] void refuse(size_t bytes, int error) {
    throw IoError("the system refuses a page pool of " + std::to_string(bytes) +
                  " bytes: " + std::generic_category().message(error) + "; lower its budget");
}

} // namespace

Frames::Frames(size_t page_bytes, size_t budget_bytes) : page_bytes_(page_bytes) {
    for (const size_t bytes : {std::max(budget_bytes, machine_bytes()), budget_bytes}) {
        mapped_bytes_ = rounded(bytes) + huge_page;
        mapping_ = ::mmap(nullptr, mapped_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        most_ = std::min<size_t>(rounded(bytes) / page_bytes_, none - 1);
        if (mapping_ != MAP_FAILED) // else address space is short, and the pool cannot grow later
            break;
    }
    if (mapping_ == MAP_FAILED)
        refuse(budget_bytes, errno);
    base_ = reinterpret_cast<std::byte *>(rounded(reinterpret_cast<uintptr_t>(mapping_)));
    try {
        give(budget_bytes / page_bytes_);
    } catch (...) {
        ::munmap(mapping_, mapped_bytes_);
        throw;
    }
}

Frames::~Frames() {
    ::munmap(mapping_, mapped_bytes_);
}

size_t Frames::bucket(PageKey key) const noexcept {
    const uint64_t number = (uint64_t{key.slot} << 17 | key.layer) * 0x9E3779B97F4A7C15;
    return (number >> 32) & (buckets_.size() - 1);
}

uint32_t Frames::find(PageKey key) const noexcept {
    uint32_t frame = buckets_[bucket(key)];
    while (frame != none && frames_[frame].key != key)
        frame = frames_[frame].chain_;
    return frame;
}

void Frames::enter(uint32_t frame) noexcept {
    uint32_t &first = buckets_[bucket(frames_[frame].key)];
    frames_[frame].chain_ = first;
    first = frame;
}

void Frames::append(List &list, uint32_t frame) noexcept {
    frames_[frame].older_ = list.newest;
    frames_[frame].newer_ = none;
    (list.newest == none ? list.oldest : frames_[list.newest].newer_) = frame;
    list.newest = frame;
}

void Frames::remove(List &list, uint32_t frame) noexcept {
    const Frame &gone = frames_[frame];
    (gone.older_ == none ? list.oldest : frames_[gone.older_].newer_) = gone.newer_;
    (gone.newer_ == none ? list.newest : frames_[gone.newer_].older_) = gone.older_;
}

uint32_t Frames::take() noexcept {
    const uint32_t frame = free_.back();
    free_.pop_back();
    return frame;
}

void Frames::fill(uint32_t frame, PageKey key, Content content) noexcept {
    frames_[frame].key = key;
    frames_[frame].content = content;
    frames_[frame].likely = false;
    enter(frame);
    resident_++;
    dirty_count_ += content == Content::dirty;
    append(content == Content::dirty ? dirty_ : evictable_, frame);
}

void Frames::hold(uint32_t frame) noexcept {
    if (frames_[frame].pins++ > 0)
        return;
    pinned_++;
    if (frames_[frame].content != Content::dirty)
        remove(evictable_, frame);
}

void Frames::unhold(uint32_t frame) noexcept {
    if (--frames_[frame].pins > 0)
        return;
    pinned_--;
    if (frames_[frame].content == Content::dirty)
        return;
    append(evictable_, frame);
    if (frame >= target_ && frames_[frame].content != Content::reading)
        vacate(frame);
}

void Frames::touch(uint32_t frame) noexcept {
    remove(evictable_, frame);
    append(evictable_, frame);
}

void Frames::cleaned(uint32_t frame) noexcept {
    remove(dirty_, frame);
    dirty_count_--;
    frames_[frame].content = Content::clean;
    if (frames_[frame].pins > 0)
        return;
    append(evictable_, frame);
    if (frame >= target_)
        vacate(frame);
}

void Frames::vacate(uint32_t frame) noexcept {
    const bool dirty = frames_[frame].content == Content::dirty;
    remove(dirty ? dirty_ : evictable_, frame);
    resident_--;
    dirty_count_ -= dirty;
    uint32_t *link = &buckets_[bucket(frames_[frame].key)];
    while (*link != frame)
        link = &frames_[*link].chain_;
    *link = frames_[frame].chain_;
    frames_[frame].content = Content::none;
    if (frame < target_) {
        free_.push_back(frame);
        return;
    }
    ::madvise(data(frame), page_bytes_, MADV_DONTNEED);
    trim();
}

void Frames::trim() noexcept {
    while (frames_.size() > target_ && frames_.back().content == Content::none)
        frames_.pop_back();
}

void Frames::move(uint32_t from, uint32_t to) noexcept {
    Frame &source = frames_[from], &target = frames_[to];
    std::memcpy(data(to), data(from), page_bytes_);
    target.key = source.key;
    target.content = source.content;
    target.likely = source.likely;
    target.mark = source.mark;
    enter(to);
    resident_++;
    target.older_ = source.older_;
    target.newer_ = from;
    source.older_ = to;
    (target.older_ == none ? evictable_.oldest : frames_[target.older_].newer_) = to;
    vacate(from);
}

void Frames::give(size_t frames) {
    const size_t bytes = frames * page_bytes_;
    if (::mprotect(base_, bytes, PROT_READ | PROT_WRITE) != 0)
        refuse(bytes, errno);
    ::madvise(base_, bytes, MADV_HUGEPAGE); // where there are none, small pages do
    std::vector<uint32_t> buckets(std::bit_ceil(2 * frames), none);
    free_.reserve(frames);
    const size_t before = frames_.size();
    try {
        while (frames_.size() < frames)
            frames_.emplace_back();
    } catch (...) {
        while (frames_.size() > before)
            frames_.pop_back();
        throw;
    }
    target_ = frames;
    buckets_ = std::move(buckets);
    free_.clear();
    for (size_t i = frames_.size(); i-- > 0;) {
        const auto frame = static_cast<uint32_t>(i);
        if (frames_[i].content != Content::none)
            enter(frame);
        else if (i < target_)
            free_.push_back(frame); // the lowest is taken first
    }
}

void Frames::lower(size_t frames) noexcept {
    const auto from = static_cast<uint32_t>(frames);
    for (const uint32_t frame : free_)
        if (frame >= from)
            ::madvise(data(frame), page_bytes_, MADV_DONTNEED);
    std::erase_if(free_, [&](uint32_t frame) { return frame >= from; });
    target_ = frames;
    trim();
}

} // namespace nexus::engine
