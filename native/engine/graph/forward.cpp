#include "forward.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "../error.hpp"
#include "../kernels/multiply.hpp"
#include "../kernels/vector.hpp"

namespace nexus::engine {
namespace {

void grow(std::vector<float> &buffer, size_t size) {
    if (buffer.size() < size) {
        buffer.resize(size);
    }
}

} // namespace

Forward::Forward(const ModelConfig &config, const Weights &weights, Pool &pool)
    : config_(config), weights_(weights), pool_(pool) {}

void Forward::check(std::span<const StreamStep> streams) const {
    size_t tokens = 0;
    for (const StreamStep &stream : streams) {
        if (stream.tokens.empty() || stream.logits > stream.tokens.size()) {
            throw LimitError("a stream brings " + std::to_string(stream.tokens.size()) + " tokens and wants " +
                             std::to_string(stream.logits) + " logits; one token or more, and no more logits");
        }
        for (const int32_t token : stream.tokens) {
            if (token < 0 || static_cast<uint32_t>(token) >= config_.vocabulary) {
                throw LimitError("token " + std::to_string(token) + " is not below " +
                                 std::to_string(config_.vocabulary) + ", the size of the vocabulary");
            }
        }
        tokens += stream.tokens.size();
    }
    if (tokens > most_step_tokens) {
        throw LimitError("a step of " + std::to_string(tokens) + " tokens; at most " +
                         std::to_string(most_step_tokens) + " go at once");
    }
}

std::span<const float> Forward::step(std::span<const StreamStep> streams) {
    check(streams);
    const size_t width = config_.width;
    size_t tokens = 0;
    size_t wanted = 0;
    for (const StreamStep &stream : streams) {
        tokens += stream.tokens.size();
        wanted += stream.logits;
    }
    grow(stream_, tokens * width);
    grow(normed_, tokens * width);
    grow(update_, tokens * width);
    float *row = stream_.data();
    for (const StreamStep &stream : streams) {
        stream.context->begin(stream.tokens.size());
        for (const int32_t token : stream.tokens) {
            weights_.embedding(static_cast<uint32_t>(token), row);
            if (config_.embedding_scale != 1) {
                scale(config_.embedding_scale, width, row);
            }
            row += width;
        }
    }
    words_read_ += tokens;
    if (words_read_ >= most_step_tokens) {
        weights_.give_words_back();
        words_read_ = 0;
    }
    for (uint32_t layer = 0; layer < config_.layers; ++layer) {
        attention(layer, streams, tokens);
        feed_forward(layer, tokens);
    }
    for (const StreamStep &stream : streams) {
        const auto full = stream.context->end();
        stream.full->insert(stream.full->end(), full.begin(), full.end());
    }
    // Only the wanted rows go through the head, the widest matrix of all.
    size_t first = 0;
    size_t kept = 0;
    for (const StreamStep &stream : streams) {
        first += stream.tokens.size();
        normalise(stream_.data() + (first - stream.logits) * width, weights_.output_norm(), stream.logits, width,
                  normed_.data() + kept * width);
        kept += stream.logits;
    }
    grow(logits_, wanted * config_.vocabulary);
    if (wanted > 0) {
        quantise(normed_.data(), wanted, width, width, Scaling::per_group, activations_, pool_);
        multiply(weights_.head(), activations_, logits_.data(), config_.vocabulary, pool_);
    }
    return {logits_.data(), wanted * config_.vocabulary};
}

void Forward::attention(uint32_t layer, std::span<const StreamStep> streams, size_t tokens) {
    const LayerWeights &weights = weights_.layer(layer);
    const size_t queries = size_t{config_.heads} * config_.head_dim;
    const size_t keys = size_t{config_.kv_heads} * config_.head_dim;
    grow(q_, tokens * queries);
    grow(k_, tokens * keys);
    grow(v_, tokens * keys);
    grow(attended_, tokens * queries);
    normalise(stream_.data(), weights.attention_norm, tokens, config_.width, normed_.data());
    project(std::array{&weights.q, &weights.k, &weights.v}, std::array{q_.data(), k_.data(), v_.data()},
            normed_.data(), tokens);
    if (config_.head_norms) {
        normalise(q_.data(), weights.q_norm, tokens * config_.heads, config_.head_dim, q_.data());
        normalise(k_.data(), weights.k_norm, tokens * config_.kv_heads, config_.head_dim, k_.data());
    }
    size_t first = 0;
    for (const StreamStep &stream : streams) {
        stream.context->append(layer, k_.data() + first * keys, v_.data() + first * keys);
        stream.context->attend(layer, q_.data() + first * queries, attended_.data() + first * queries, pool_);
        first += stream.tokens.size();
    }
    if (config_.ternary) {
        normalise(attended_.data(), weights.attention_sub_norm, tokens, queries, attended_.data());
    }
    project(std::array{&weights.o}, std::array{update_.data()}, attended_.data(), tokens);
    add_residual(update_.data(), weights.post_attention_norm, tokens);
}

void Forward::feed_forward(uint32_t layer, size_t tokens) {
    const LayerWeights &weights = weights_.layer(layer);
    const size_t inner = config_.feed_forward;
    grow(gate_, tokens * inner);
    grow(up_, tokens * inner);
    normalise(stream_.data(), weights.feed_forward_norm, tokens, config_.width, normed_.data());
    project(std::array{&weights.gate, &weights.up}, std::array{gate_.data(), up_.data()}, normed_.data(), tokens);
    pool_.run(tokens, [&](size_t token, unsigned) noexcept {
        float *gate = gate_.data() + token * inner;
        const float *up = up_.data() + token * inner;
        switch (config_.activation) {
        case Activation::silu: silu_multiply(gate, up, inner, gate); break;
        case Activation::relu2: relu2_multiply(gate, up, inner, gate); break;
        case Activation::gelu_tanh: gelu_tanh_multiply(gate, up, inner, gate); break;
        }
    });
    if (config_.ternary) {
        normalise(gate_.data(), weights.feed_forward_sub_norm, tokens, inner, gate_.data());
    }
    project(std::array{&weights.down}, std::array{update_.data()}, gate_.data(), tokens);
    add_residual(update_.data(), weights.post_feed_forward_norm, tokens);
}

void Forward::project(std::span<const Linear *const> linears, std::span<float *const> outs, const float *input,
                      size_t tokens) {
    const size_t columns = linears.front()->matrix.columns();
    const Scaling scaling = config_.ternary ? Scaling::per_token : Scaling::per_group;
    quantise(input, tokens, columns, columns, scaling, activations_, pool_);
    std::array<Product, 3> products;
    for (size_t index = 0; index < linears.size(); ++index) {
        products[index] = {&linears[index]->matrix, outs[index], linears[index]->matrix.rows()};
    }
    multiply(std::span(products).first(linears.size()), activations_, pool_);
    for (size_t index = 0; index < linears.size(); ++index) {
        const Linear &linear = *linears[index];
        const size_t rows = linear.matrix.rows();
        for (size_t token = 0; token < tokens && (linear.scale != 1 || !linear.bias.empty()); ++token) {
            float *out = outs[index] + token * rows;
            if (linear.scale != 1) {
                scale(linear.scale, rows, out);
            }
            if (!linear.bias.empty()) {
                add(linear.bias.data(), rows, out);
            }
        }
    }
}

void Forward::normalise(const float *input, const std::vector<float> &weight, size_t rows, size_t width,
                        float *out) {
    const auto one = [&](size_t row, unsigned) noexcept {
        rms_norm(input + row * width, weight.data(), config_.epsilon, width, out + row * width);
    };
    if (rows * width < 1 << 15) { // waking the pool would cost more
        for (size_t row = 0; row < rows; ++row) {
            one(row, 0);
        }
        return;
    }
    pool_.run(rows, one);
}

void Forward::add_residual(const float *update, const std::vector<float> &norm, size_t tokens) {
    const size_t width = config_.width;
    if (!norm.empty()) {
        normalise(update, norm, tokens, width, update_.data());
    }
    add(update, tokens * width, stream_.data());
}

} // namespace nexus::engine
