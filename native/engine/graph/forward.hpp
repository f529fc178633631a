// One step of a model: new tokens of one or several streams in, logits out.
//
// Streams share every matrix product of the step, so that several answers cost little more than one;
// attention is each stream's own. Not thread-safe: one thread calls, the pool helps.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "../attention/context.hpp"
#include "../kernels/activations.hpp"
#include "config.hpp"
#include "weights.hpp"

namespace nexus::engine {

/// The most tokens of one step, all streams together.
inline constexpr size_t most_step_tokens = 512;

/// What one stream brings to a step. The context grows by the tokens.
struct StreamStep {
    Context *context;
    std::span<const int32_t> tokens; ///< at least one, all below the vocabulary
    size_t logits;                   ///< of how many of the last tokens logits are wanted; 0 to tokens.size()
    std::vector<NewBlock> *full;     ///< blocks that became full are added here
};

class Forward {
  public:
    Forward(const ModelConfig &config, const Weights &weights, Pool &pool);

    /// Logits as rows of `vocabulary` floats, streams in order; valid until the next call.
    /// LimitError for an empty stream, a token outside the vocabulary or too many tokens, before any
    /// context has changed. After another error the contexts of this step must be dropped or truncated.
    std::span<const float> step(std::span<const StreamStep> streams);

  private:
    void check(std::span<const StreamStep> streams) const;
    void attention(uint32_t layer, std::span<const StreamStep> streams, size_t tokens);
    void feed_forward(uint32_t layer, size_t tokens);
    void project(std::span<const Linear *const> linears, std::span<float *const> outs, const float *input,
                 size_t tokens);
    void normalise(const float *input, const std::vector<float> &weight, size_t rows, size_t width, float *out);
    void add_residual(const float *update, const std::vector<float> &norm, size_t tokens);

    const ModelConfig &config_;
    const Weights &weights_;
    Pool &pool_;
    Activations activations_;
    size_t words_read_ = 0; // since their pages of the file were given back
    std::vector<float> stream_, normed_, q_, k_, v_, attended_, gate_, up_, update_, logits_;
};

} // namespace nexus::engine
