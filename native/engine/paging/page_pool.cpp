#include "page_pool.hpp"

#include <cstring>
#include <string>
#include <utility>

namespace nexus::engine {

namespace {

constexpr uint32_t none = Frames::none;
constexpr size_t frames_beside_a_block = 8;

std::string in_bytes(size_t bytes) {
    return std::to_string(bytes) + " bytes";
}

size_t checked_budget(const BlockShape &shape, size_t bytes) {
    const size_t least = PagePool::least_bytes(shape);
    if (bytes < least)
        throw LimitError("a page pool of " + in_bytes(bytes) + " is too small for these blocks: it needs at least " +
                         in_bytes(least));
    return bytes;
}

} // namespace

size_t PagePool::least_bytes(const BlockShape &shape) noexcept {
    return (shape.layers + frames_beside_a_block) * size_t{shape.page_bytes};
}

PagePool::PagePool(BlockFile &file, size_t budget_bytes)
    : file_(file), page_bytes_(file.shape().page_bytes),
      frames_(page_bytes_, checked_budget(file.shape(), budget_bytes)) {}

PagePool::~PagePool() {
    for (Frame &frame : frames_.all()) {
        if (frame.content == Content::reading && !file_.ring().cancel(frame.read))
            file_.ring().wait(frame.read);
        if (frame.content == Content::dirty)
            file_.wait_written(frame.key.slot);
    }
}

/// Somebody asks for a page that was read ahead.
void PagePool::want(Frame &frame) noexcept {
    if (std::exchange(frame.likely, false))
        stats_.likely_used++;
}

/// Dirty frames whose block has been written become clean. Whether there was one.
bool PagePool::sweep() noexcept {
    bool found = false;
    for (uint32_t frame = frames_.oldest_dirty(), next; frame != none; frame = next) {
        next = frames_.newer(frame);
        Frame &dirty = frames_[frame];
        const uint64_t mark = file_.mark(dirty.key.slot);
        if (mark == 0 || mark == dirty.mark)
            continue;
        found = true;
        dirty.mark = mark;
        frames_.cleaned(frame);
    }
    return found;
}

/// Whether an evictable frame may be emptied for another page. Takes back a read ahead that has not started.
bool PagePool::may_go(Frame &frame, Priority priority) noexcept {
    if (frame.content != Content::reading)
        return true;
    if (frame.read.done())
        return priority == Priority::needed || frame.likely;
    if (priority != Priority::needed || !frame.likely || !file_.ring().cancel(frame.read))
        return false;
    stats_.reads--;
    stats_.likely_reads--;
    return true;
}

/// An empty frame, made so if need be; `none` if there is none at once.
uint32_t PagePool::spare(Priority priority) noexcept {
    do {
        for (uint32_t frame = frames_.oldest_evictable(), next; !frames_.has_free() && frame != none; frame = next) {
            next = frames_.newer(frame);
            if (!may_go(frames_[frame], priority))
                continue;
            stats_.evictions++;
            frames_.vacate(frame);
        }
    } while (!frames_.has_free() && sweep());
    return frames_.has_free() ? frames_.take() : none;
}

/// Returns when a frame may have become free; what was looked up before is void then. Throws LimitError if none will.
void PagePool::wait_for_room(Lock &lock) {
    for (uint32_t frame = frames_.oldest_dirty(); frame != none; frame = frames_.newer(frame)) {
        const uint32_t slot = frames_[frame].key.slot;
        if (frames_[frame].pins > 0)
            continue;
        if (file_.state(slot) == BlockFile::State::writing) {
            lock.unlock();
            file_.wait_written(slot);
            lock.lock();
            return;
        }
        const uint64_t mark = file_.mark(slot);
        if (mark != 0 && mark != frames_[frame].mark) // written this moment
            return;
    }
    if (frames_.oldest_evictable() != none) // on its way
        return await(lock, frames_.oldest_evictable());
    throw LimitError("all " + std::to_string(frames_.target()) +
                     " frames of the page pool are pinned or hold pages that wait to be written; raise its budget of " +
                     in_bytes(frames_.target() * page_bytes_) + " or unpin some");
}

/// Waits until a frame that is being read has been.
void PagePool::await(Lock &lock, uint32_t frame) noexcept {
    frames_.hold(frame);
    Operation &read = frames_[frame].read;
    lock.unlock();
    file_.ring().wait(read);
    lock.lock();
    frames_.unhold(frame);
}

/// False if no frame is free at once, or the file has no such page.
bool PagePool::start_read(Key key, Priority priority) noexcept {
    const uint64_t mark = key.layer < file_.shape().layers ? file_.mark(key.slot) : 0;
    const uint32_t frame = mark ? spare(priority) : none;
    if (frame == none)
        return false;
    Frame &started = frames_[frame];
    frames_.fill(frame, key, Content::reading);
    started.likely = priority == Priority::likely;
    started.mark = mark;
    stats_.reads++;
    stats_.likely_reads += started.likely;
    file_.prepare_read(started.read, key.slot, key.layer);
    started.read.bytes = frames_.data(frame);
    started.read.urgency = started.likely ? Urgency::likely : Urgency::needed;
    file_.ring().queue(started.read);
    return true;
}

/// Takes in a read that has ended, and wakes who waits for that.
void PagePool::check(Lock &lock, uint32_t frame) noexcept {
    frames_.hold(frame);
    Frame &read = frames_[frame];
    read.content = Content::checking;
    const bool whole = read.read.error() == 0;
    const char *wrong = nullptr;
    if (whole) {
        lock.unlock();
        wrong = flaw({frames_.data(frame), page_bytes_}, {Piece::page, read.key.slot, read.key.layer, read.mark});
        file_.forget(read.read);
        lock.lock();
        stats_.read_bytes += page_bytes_;
        stats_.damaged += wrong != nullptr;
    }
    read.flaw = wrong;
    read.content = whole && !wrong ? Content::clean : Content::failed;
    checked_.notify_all();
    frames_.unhold(frame);
}

/// Tells why a read failed, and forgets it.
void PagePool::fail(uint32_t frame) {
    const Frame &failed = frames_[frame];
    const Key key = failed.key;
    const char *wrong = failed.flaw;
    const int error = failed.read.error();
    if (failed.pins == 0)
        frames_.vacate(frame);
    if (wrong)
        throw DamagedPage(file_.damage(key.slot, Piece::page, key.layer, wrong), key.slot, key.layer);
    throw IoError(file_.read_failure(key.slot, error));
}

std::byte *PagePool::new_dirty(Key key) {
    if (key.layer >= file_.shape().layers || file_.state(key.slot) == BlockFile::State::free)
        throw LimitError(file_.missing(key.slot, key.layer));
    Lock lock(mutex_);
    sweep();
    for (;;) {
        const uint32_t old = frames_.find(key);
        if (old != none) {
            Frame &before = frames_[old];
            if (before.pins > 0 || before.content == Content::dirty)
                throw LimitError("slot " + std::to_string(key.slot) + ", layer " + std::to_string(key.layer) +
                                 ": the page before is still in use; unpin it, or drop the slot first");
            if (before.content == Content::reading && !before.read.done() && !file_.ring().cancel(before.read)) {
                await(lock, old);
                continue;
            }
            frames_.vacate(old);
        }
        const uint32_t frame = spare(Priority::needed);
        if (frame == none) {
            wait_for_room(lock);
            continue;
        }
        frames_.fill(frame, key, Content::dirty);
        frames_.hold(frame);
        frames_[frame].mark = file_.mark(key.slot);
        lock.unlock();
        std::memset(frames_.data(frame), 0, page_bytes_); // nothing of other pages goes to the disk in unused bytes
        return frames_.data(frame);
    }
}

const std::byte *PagePool::pin(Key key) noexcept {
    Lock lock(mutex_);
    for (;;) {
        const uint32_t frame = frames_.find(key);
        const Content content = frame == none ? Content::none : frames_[frame].content;
        if (content == Content::clean || content == Content::dirty) {
            frames_.hold(frame);
            want(frames_[frame]);
            stats_.hits++;
            return frames_.data(frame);
        }
        if (content == Content::checking) {
            checked_.wait(lock);
            continue;
        }
        if (content == Content::reading) {
            if (!frames_[frame].read.done())
                file_.ring().poll();
            if (frames_[frame].read.done()) {
                check(lock, frame);
                continue;
            }
        }
        stats_.misses++;
        return nullptr;
    }
}

size_t PagePool::request(std::span<const Key> keys, Priority priority) noexcept {
    const Lock lock(mutex_);
    sweep(); // what has been written takes its place in the order of use
    size_t coming = 0;
    for (const Key key : keys) {
        const uint32_t frame = frames_.find(key);
        if (frame == none) {
            coming += start_read(key, priority);
            continue;
        }
        coming++;
        Frame &there = frames_[frame];
        if (there.pins == 0 && there.content != Content::dirty)
            frames_.touch(frame); // not to be given away before it is used
        if (priority == Priority::needed && there.likely) {
            want(there);
            if (there.content == Content::reading)
                file_.ring().raise(there.read, Urgency::needed);
        }
    }
    file_.ring().poll();
    return coming;
}

const std::byte *PagePool::wait(Key key) {
    Lock lock(mutex_);
    bool waited = false;
    for (;;) {
        const uint32_t frame = frames_.find(key);
        if (frame == none) {
            if (start_read(key, Priority::needed))
                continue;
            if (key.layer >= file_.shape().layers || file_.mark(key.slot) == 0)
                throw LimitError(file_.missing(key.slot, key.layer));
            wait_for_room(lock);
            continue;
        }
        Frame &there = frames_[frame];
        switch (there.content) {
        case Content::clean:
        case Content::dirty:
            frames_.hold(frame);
            want(frames_[frame]);
            stats_.waits += waited;
            return frames_.data(frame);
        case Content::failed:
            fail(frame);
        case Content::checking:
            waited = true;
            checked_.wait(lock);
            break;
        default:
            if (there.read.done()) {
                check(lock, frame);
                break;
            }
            waited = true;
            if (there.likely)
                file_.ring().raise(there.read, Urgency::needed);
            await(lock, frame);
        }
    }
}

void PagePool::unpin(const std::byte *page) noexcept {
    const Lock lock(mutex_);
    frames_.unhold(frames_.holding(page));
}

void PagePool::drop(uint32_t slot) {
    Lock lock(mutex_);
    sweep();
    uint32_t pinned = none;
    for (uint32_t layer = 0; layer < file_.shape().layers;) {
        const uint32_t frame = frames_.find({slot, layer});
        const Content content = frame == none ? Content::none : frames_[frame].content;
        if (content == Content::checking) {
            checked_.wait(lock);
            continue;
        }
        if (content != Content::none && frames_[frame].pins > 0) {
            pinned = layer;
        } else if (content == Content::reading && !frames_[frame].read.done() &&
                   !file_.ring().cancel(frames_[frame].read)) {
            await(lock, frame);
            continue;
        } else if (content == Content::dirty && file_.state(slot) == BlockFile::State::writing) {
            lock.unlock();
            file_.wait_written(slot);
            lock.lock();
            sweep();
            continue;
        } else if (content != Content::none) {
            frames_.vacate(frame);
        }
        layer++;
    }
    if (pinned != none)
        throw LimitError("slot " + std::to_string(slot) + ", layer " + std::to_string(pinned) +
                         ": the page is pinned; unpin it before its slot is dropped");
}

/// Fewer frames: the least recently used pages go, others move below the new end.
void PagePool::shrink(size_t frames) noexcept {
    sweep();
    frames_.lower(frames);
    for (uint32_t frame = frames_.oldest_evictable(), next; frame != none; frame = next) {
        next = frames_.newer(frame);
        const bool too_many = frames_.resident() > frames;
        if ((!too_many && frame < frames) || !may_go(frames_[frame], Priority::needed))
            continue;
        if (!too_many && frames_[frame].content == Content::clean && frames_.has_free()) {
            frames_.move(frame, frames_.take());
            continue;
        }
        stats_.evictions++;
        frames_.vacate(frame);
    }
}

void PagePool::set_budget(size_t budget_bytes) {
    const size_t frames = checked_budget(file_.shape(), budget_bytes) / page_bytes_;
    const Lock lock(mutex_);
    if (frames > frames_.most())
        throw LimitError("a page pool of " + in_bytes(budget_bytes) + ": it can grow to " +
                         in_bytes(frames_.most() * page_bytes_));
    if (frames > frames_.target())
        frames_.give(frames);
    else if (frames < frames_.target())
        shrink(frames);
}

PagePool::Stats PagePool::stats() noexcept {
    const Lock lock(mutex_);
    sweep();
    Stats stats = stats_;
    stats.frames = frames_.target();
    stats.resident = frames_.resident();
    stats.pinned = frames_.pinned();
    stats.dirty = frames_.dirty();
    return stats;
}

} // namespace nexus::engine
