// What the tests of attention share: random numbers, a stream of made-up keys and values, and attention by its
// definition, in double precision.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <unistd.h>
#include <vector>

#include "check.hpp"
#include "engine/attention/context.hpp"
#include "engine/attention/page.hpp"
#include "engine/attention/rope.hpp"
#include "engine/error.hpp"
#include "engine/threads/pool.hpp"

namespace attention_case {

using namespace nexus::engine;

#define CHECK_THROWS(Type, expression)                                                                                 \
    do {                                                                                                               \
        bool thrown = false;                                                                                           \
        try {                                                                                                          \
            expression;                                                                                                \
        } catch (const Type &error) {                                                                                  \
            thrown = error.what()[0] != 0;                                                                             \
        }                                                                                                              \
        CHECK(thrown &&#Type #expression);                                                                             \
    } while (0)

/// The same numbers in every run.
class Random {
  public:
    explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}
    uint32_t below(uint32_t bound) {
        state_ = state_ * 6364136223846793005U + 1442695040888963407U;
        return static_cast<uint32_t>((state_ >> 33) % bound);
    }
    /// About normal: mean 0, variance 1.
    float normal() {
        float sum = 0;
        for (int part = 0; part < 4; ++part) {
            sum += static_cast<float>(below(1U << 20)) / static_cast<float>(1U << 20) - 0.5F;
        }
        return sum * 1.732F;
    }
    std::vector<float> normals(size_t count) {
        std::vector<float> values(count);
        for (float &value : values) {
            value = normal();
        }
        return values;
    }

  private:
    uint64_t state_;
};

/// A row turned to `position` by the definition, in the model's order of channels.
inline std::vector<double> turned(const float *row, size_t dim, const Rope &rope, double position) {
    const size_t dims = rope.dims == 0 ? dim : rope.dims;
    std::vector<double> out(row, row + dim);
    for (size_t pair = 0; pair < dims / 2; ++pair) {
        const double factor = rope.factors.empty() ? 1.0 : static_cast<double>(rope.factors[pair]);
        const double angle = position * rope.scale *
                             std::pow(rope.base, -2.0 * static_cast<double>(pair) / static_cast<double>(dims)) / factor;
        const size_t a = rope.neox ? pair : 2 * pair;
        const size_t b = rope.neox ? pair + dims / 2 : 2 * pair + 1;
        const double x = row[a];
        const double y = row[b];
        out[a] = x * std::cos(angle) - y * std::sin(angle);
        out[b] = y * std::cos(angle) + x * std::sin(angle);
    }
    return out;
}

/// One query head over keys and values at given positions.
struct Seen {
    const float *key;
    const float *value;
    double position;
};

inline std::vector<double> attention(const float *query, double position, const std::vector<Seen> &seen, size_t dim,
                                     const Rope &rope, double scale = 0) {
    scale = scale > 0 ? scale : 1.0 / std::sqrt(static_cast<double>(dim));
    const std::vector<double> q = turned(query, dim, rope, position);
    std::vector<double> logits;
    double most = -1e300;
    for (const Seen &one : seen) {
        const std::vector<double> k = turned(one.key, dim, rope, one.position);
        double logit = 0;
        for (size_t channel = 0; channel < dim; ++channel) {
            logit += q[channel] * k[channel];
        }
        logits.push_back(logit * scale);
        most = std::max(most, logits.back());
    }
    std::vector<double> out(dim, 0.0);
    double sum = 0;
    for (size_t at = 0; at < seen.size(); ++at) {
        const double weight = std::exp(logits[at] - most);
        sum += weight;
        for (size_t channel = 0; channel < dim; ++channel) {
            out[channel] += weight * static_cast<double>(seen[at].value[channel]);
        }
    }
    for (double &value : out) {
        value /= sum;
    }
    return out;
}

/// Made-up keys, values and queries of a stream, all layers.
struct Stream {
    Stream(const KvShape &of, size_t length, uint64_t seed, float sharpness = 1.5F) : shape(of), tokens(length) {
        Random random(seed);
        for (uint32_t layer = 0; layer < shape.layers; ++layer) {
            k.push_back(random.normals(tokens * shape.kv_width()));
            v.push_back(random.normals(tokens * shape.kv_width()));
            q.push_back(random.normals(tokens * shape.query_width()));
            for (float &value : q.back()) {
                value *= sharpness;
            }
        }
    }
    /// Steps of the given sizes, again and again, up to `end`; outputs of all layers by token.
    template <class Sizes> std::vector<std::vector<float>> feed(Context &context, const Sizes &sizes, size_t end,
                                                                Pool &pool) const {
        std::vector<std::vector<float>> outs(shape.layers, std::vector<float>(tokens * shape.query_width(), NAN));
        for (size_t step = 0; context.tokens() < end; ++step) {
            const auto at = static_cast<size_t>(context.tokens());
            const size_t n = std::min<size_t>(sizes[step % sizes.size()], end - at);
            context.begin(n);
            for (uint32_t layer = 0; layer < shape.layers; ++layer) {
                context.append(layer, k[layer].data() + at * shape.kv_width(), v[layer].data() + at * shape.kv_width());
                context.attend(layer, q[layer].data() + at * shape.query_width(),
                               outs[layer].data() + at * shape.query_width(), pool);
            }
            context.end();
        }
        return outs;
    }
    const float *key(uint32_t layer, size_t token, size_t head) const {
        return k[layer].data() + token * shape.kv_width() + head * shape.head_dim;
    }
    const float *value(uint32_t layer, size_t token, size_t head) const {
        return v[layer].data() + token * shape.kv_width() + head * shape.head_dim;
    }
    const float *query(uint32_t layer, size_t token, size_t head) const {
        return q[layer].data() + token * shape.query_width() + head * shape.head_dim;
    }

    KvShape shape;
    size_t tokens;
    std::vector<std::vector<float>> k, v, q;
};

/// The same stream with the keys and values of the first `blocks` blocks as their pages give them back.
inline Stream through_pages(const Stream &stream, size_t blocks, const Rope &rope) {
    Stream out = stream;
    const RopeTable table(rope, stream.shape.head_dim);
    const PageLayout layout(stream.shape);
    std::vector<std::byte> page(layout.bytes());
    const size_t dim = stream.shape.head_dim;
    const size_t width = stream.shape.kv_width();
    std::vector<float> k(page_tokens * width), v(page_tokens * width);
    for (uint32_t layer = 0; layer < stream.shape.layers; ++layer) {
        for (size_t block = 0; block < blocks; ++block) {
            float *keys = out.k[layer].data() + block * page_tokens * width;
            float *values = out.v[layer].data() + block * page_tokens * width;
            for (size_t row = 0; row < page_tokens * stream.shape.kv_heads; ++row) {
                table.enter(keys + row * dim, row / stream.shape.kv_heads, 1.0F, k.data() + row * dim);
            }
            layout.write(page.data(), k.data(), values);
            layout.read(page.data(), k.data(), v.data());
            for (size_t row = 0; row < page_tokens * stream.shape.kv_heads; ++row) {
                table.leave(k.data() + row * dim, row / stream.shape.kv_heads, keys + row * dim);
            }
            std::copy(v.begin(), v.end(), values);
        }
    }
    return out;
}

/// The largest difference of one token's output of a layer from attention over the tokens from `first` to its own.
inline double difference(const Stream &stream, const std::vector<float> &out, uint32_t layer, size_t token,
                         const Rope &rope, size_t first = 0, double shift = 0) {
    double worst = 0;
    for (size_t head = 0; head < stream.shape.heads; ++head) {
        std::vector<Seen> seen;
        for (size_t at = first; at <= token; ++at) {
            const size_t kv = head / stream.shape.group();
            seen.push_back({stream.key(layer, at, kv), stream.value(layer, at, kv), shift + static_cast<double>(at)});
        }
        const auto expected = attention(stream.query(layer, token, head), shift + static_cast<double>(token), seen,
                                        stream.shape.head_dim, rope);
        const float *got = out.data() + (token * stream.shape.heads + head) * stream.shape.head_dim;
        for (size_t channel = 0; channel < stream.shape.head_dim; ++channel) {
            worst = std::max(worst, std::fabs(expected[channel] - static_cast<double>(got[channel])));
            if (!(std::fabs(got[channel]) < 1e9F)) {
                return INFINITY;
            }
        }
    }
    return worst;
}

/// A folder that goes when the test ends.
struct Folder {
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "nexus-attention-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) {
            std::perror("mkdtemp");
            std::exit(1);
        }
        path = name;
    }
    ~Folder() { std::filesystem::remove_all(path); }
    Folder(const Folder &) = delete;
    Folder &operator=(const Folder &) = delete;
    std::filesystem::path path;
};

/// A block file and a pool of so many frames.
struct Store {
    Store(const KvShape &shape, const std::vector<Rope> &ropes, const std::vector<LayerKind> &kinds, size_t frames,
          const std::filesystem::path &path, uint64_t capacity = 4096)
        : block(Context::block_shape(shape, ropes, kinds, std::array<std::byte, 32>{})), file(path, block, capacity),
          pages(file, std::max(frames * block.page_bytes, PagePool::least_bytes(block))) {}
    BlockShape block;
    BlockFile file;
    PagePool pages;
};

} // namespace attention_case
