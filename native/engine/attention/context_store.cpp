// A context from and to what outlives the process: stored blocks, and the tail as bytes.
#include <algorithm>
#include <atomic>
#include <exception>
#include <string>
#include <thread>

#include "../error.hpp"
#include "context.hpp"

namespace nexus::engine {
namespace {

constexpr size_t most_readers = 16;
constexpr size_t heads_of_wave = 512;

} // namespace

/// Reads as many heads at once as helps the disk. `heads` ends before the first that could not be read; its error is
/// thrown.
void Context::read_heads(std::span<const uint32_t> slots, std::span<const uint64_t> marks, std::vector<Head> &heads) {
    heads.clear();
    for (size_t at = 0; at < slots.size(); ++at) {
        heads.push_back(make_head());
    }
    std::vector<std::exception_ptr> errors(slots.size());
    std::atomic<size_t> next{0};
    const auto read = [&]() noexcept {
        for (size_t at = next++; at < slots.size(); at = next++) {
            try {
                file_.wait_written(slots[at]); // another context may just have made it
                file_.read_head(slots[at], heads[at].get(), marks.empty() ? 0 : marks[at]);
            } catch (...) {
                errors[at] = std::current_exception();
            }
        }
    };
    std::vector<std::thread> readers;
    try {
        while (readers.size() + 1 < std::min(most_readers, slots.size() / 4)) {
            readers.emplace_back(read);
        }
    } catch (const std::system_error &) { // fewer will do
    }
    read();
    for (std::thread &reader : readers) {
        reader.join();
    }
    for (size_t at = 0; at < slots.size(); ++at) {
        if (errors[at] != nullptr) {
            heads.resize(at);
            std::rethrow_exception(errors[at]);
        }
    }
}

void Context::adopt(std::span<const uint32_t> slots, std::span<const uint64_t> marks) {
    if (tokens_ != 0 || entering_ != 0) {
        throw LimitError("blocks can be adopted by an empty context; this one has " + std::to_string(tokens_) +
                         " tokens");
    }
    if (!marks.empty() && marks.size() != slots.size()) {
        throw LimitError(std::to_string(marks.size()) + " marks for " + std::to_string(slots.size()) +
                         " blocks; give one for each, or none");
    }
    std::vector<Head> heads;
    for (size_t from = 0; from < slots.size(); from += heads_of_wave) {
        const size_t count = std::min(heads_of_wave, slots.size() - from);
        std::exception_ptr error;
        try {
            read_heads(slots.subspan(from, count), marks.empty() ? marks : marks.subspan(from, count), heads);
        } catch (...) {
            error = std::current_exception();
        }
        for (size_t at = 0; at < heads.size(); ++at) {
            const auto ordinal = static_cast<uint32_t>(from + at);
            if (const char *flaw = head_layout_.flaw(heads[at].get(), ordinal)) {
                throw FormatError("the block in slot " + std::to_string(slots[ordinal]) + " of " +
                                  file_.path().string() + " cannot be block " + std::to_string(ordinal) +
                                  " of this context: " + flaw + " differs; compute its tokens again");
            }
            index_.add(heads[at].get());
            slots_.push_back(slots[ordinal]);
            tokens_ += page_tokens;
        }
        if (error != nullptr) {
            std::rethrow_exception(error);
        }
    }
}

std::vector<std::byte> Context::store_tail() const {
    if (entering_ != 0) {
        throw LimitError("the tail cannot be stored while a step of " + std::to_string(entering_) +
                         " tokens is open; end it first");
    }
    return tail_.store(offset(), tokens_ - offset(), rope_mark_);
}

void Context::load_tail(std::span<const std::byte> bytes) {
    if (entering_ != 0 || offset() != 0) {
        throw LimitError("a tail can be loaded at a block border; this context has " + std::to_string(tokens_) +
                         " tokens" + (entering_ != 0 ? " and an open step" : ""));
    }
    tokens_ += tail_.load(bytes, tokens_, rope_mark_);
}

} // namespace nexus::engine
