#include "shape.hpp"

#include <cmath>
#include <string>

#include "../error.hpp"

namespace nexus::engine {

void KvShape::check() const {
    if (layers == 0 || layers > 1024 || kv_heads == 0 || kv_heads > 256 || heads == 0 || heads > 1024) {
        throw UnsupportedError("an attention of " + std::to_string(layers) + " layers, " + std::to_string(heads) +
                               " heads and " + std::to_string(kv_heads) +
                               " KV heads; 1 to 1024 layers and heads and 1 to 256 KV heads are supported");
    }
    if (heads % kv_heads != 0) {
        throw UnsupportedError(std::to_string(heads) + " heads cannot share " + std::to_string(kv_heads) +
                               " KV heads equally");
    }
    if (head_dim == 0 || head_dim % 32 != 0 || head_dim > most_head_dim) {
        throw UnsupportedError("heads of " + std::to_string(head_dim) +
                               " channels; multiples of 32 up to 256 are supported");
    }
}

PagingLimits PagingLimits::within(size_t trained) const {
    PagingLimits fitting = *this;
    while (fitting.pages > 1 && fitting.span() > trained) {
        --fitting.pages;
    }
    return fitting;
}

void PagingLimits::check() const {
    const auto refuse = [](const char *name, uint32_t value, const char *remedy) {
        throw LimitError(std::string("paging limit ") + name + " is " + std::to_string(value) + "; " + remedy);
    };
    if (sinks == 0 || sinks % page_tokens != 0) {
        refuse("sinks", sinks, "take a positive multiple of 128");
    }
    if (pages == 0 || pages > 4096) {
        refuse("pages", pages, "take 1 to 4096");
    }
    if (bulk_pages == 0 || bulk_pages > 4096) {
        refuse("bulk_pages", bulk_pages, "take 1 to 4096");
    }
    if (window > 1U << 20) {
        refuse("window", window, "take at most 1048576");
    }
    if (sample == 0 || sample > most_chunk_tokens) {
        refuse("sample", sample, "take 1 to 512");
    }
    if (steps_kept > 1024) {
        refuse("steps_kept", steps_kept, "take at most 1024");
    }
    if (!(scale >= 0) || !std::isfinite(scale)) {
        throw LimitError("paging limit scale is " + std::to_string(scale) + "; take 0 for 1 / sqrt(head_dim)");
    }
}

} // namespace nexus::engine
