#include "tail.hpp"

#include <cmath>
#include <cstring>
#include <string>

#include "../error.hpp"
#include "../paging/crc32c.hpp"

namespace nexus::engine {
namespace {

constexpr uint32_t tail_magic = 0x4c544b4e; // "NKTL"
constexpr uint32_t tail_version = 1;

struct TailHeader {
    uint32_t magic;
    uint32_t version;
    uint32_t crc; ///< CRC-32C of everything behind this field
    uint32_t tokens;
    uint64_t position;
    uint32_t layers;
    uint32_t kv_heads;
    uint32_t head_dim;
    uint32_t rope;
};
static_assert(sizeof(TailHeader) == 40);
constexpr size_t checked_from = offsetof(TailHeader, tokens);

} // namespace

Tail::Tail(const KvShape &shape) : shape_(shape), rows_(shape.layers * 2 * page_tokens * shape.kv_width()) {}

void Tail::put(uint32_t layer, size_t offset, const float *k, const float *v, const RopeTable &rope) {
    const size_t width = shape_.kv_width();
    float *key = rows_.data() + (layer * 2 * page_tokens + offset) * width;
    for (size_t head = 0; head < shape_.kv_heads; ++head) {
        rope.enter(k + head * shape_.head_dim, offset, 1.0F, key + head * shape_.head_dim);
    }
    std::memcpy(key + page_tokens * width, v, width * sizeof(float));
}

TailView Tail::view(uint32_t layer, size_t head) const {
    return {keys(layer) + head * shape_.head_dim, values(layer) + head * shape_.head_dim, shape_.kv_width()};
}

void Tail::plain_keys(uint32_t layer, const RopeTable &rope, float *out) const {
    const size_t dim = shape_.head_dim;
    for (size_t token = 0; token < page_tokens; ++token) {
        for (size_t head = 0; head < shape_.kv_heads; ++head) {
            const size_t at = (token * shape_.kv_heads + head) * dim;
            rope.leave(keys(layer) + at, token, out + at);
        }
    }
}

std::vector<std::byte> Tail::store(size_t tokens, uint64_t position, uint32_t rope) const {
    const size_t part = tokens * shape_.kv_width() * sizeof(float);
    std::vector<std::byte> bytes(sizeof(TailHeader) + shape_.layers * 2 * part);
    std::byte *to = bytes.data() + sizeof(TailHeader);
    for (uint32_t layer = 0; layer < shape_.layers; ++layer) {
        for (size_t which = 0; which < 2 && part > 0; ++which, to += part) {
            std::memcpy(to, rows(layer, which), part);
        }
    }
    TailHeader header = {tail_magic,      tail_version, 0,
                         static_cast<uint32_t>(tokens), position, shape_.layers,
                         shape_.kv_heads, shape_.head_dim, rope};
    std::memcpy(bytes.data(), &header, sizeof header);
    header.crc = crc32c(bytes.data() + checked_from, bytes.size() - checked_from);
    std::memcpy(bytes.data(), &header, sizeof header);
    return bytes;
}

size_t Tail::load(std::span<const std::byte> bytes, uint64_t position, uint32_t rope) {
    const auto refuse = [](const std::string &what) {
        throw FormatError("the stored tail of a context does not fit: " + what + "; compute its tokens again");
    };
    TailHeader header;
    if (bytes.size() < sizeof header) {
        refuse(std::to_string(bytes.size()) + " bytes are less than its header");
    }
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.magic != tail_magic || header.version != tail_version) {
        refuse("it is of another format");
    }
    if (header.layers != shape_.layers || header.kv_heads != shape_.kv_heads || header.head_dim != shape_.head_dim) {
        refuse("it is of a model with " + std::to_string(header.layers) + " layers and " +
               std::to_string(header.kv_heads) + " KV heads of " + std::to_string(header.head_dim) + " channels");
    }
    if (header.rope != rope) {
        refuse("its keys were turned in another way");
    }
    if (header.position != position) {
        refuse("it begins at token " + std::to_string(header.position) + " and the context ends at " +
               std::to_string(position));
    }
    const size_t part = size_t{header.tokens} * shape_.kv_width() * sizeof(float);
    if (header.tokens >= page_tokens || bytes.size() != sizeof header + shape_.layers * 2 * part) {
        refuse(std::to_string(header.tokens) + " tokens in " + std::to_string(bytes.size()) + " bytes");
    }
    if (header.crc != crc32c(bytes.data() + checked_from, bytes.size() - checked_from)) {
        refuse("its checksum is wrong");
    }
    const std::byte *from = bytes.data() + sizeof header;
    for (uint32_t layer = 0; layer < shape_.layers; ++layer) {
        for (size_t which = 0; which < 2 && part > 0; ++which, from += part) {
            std::memcpy(rows_.data() + (layer * 2 + which) * page_tokens * shape_.kv_width(), from, part);
        }
    }
    return header.tokens;
}

} // namespace nexus::engine
