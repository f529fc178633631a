// The weights of one model, repacked for the kernels. Read-only once loaded; shared by all streams.
//
// A tensor that the graph would not use is an error, not a silence: a model with biases or norms that
// nobody asked for would otherwise run and be wrong.
#pragma once

#include <memory>
#include <vector>

#include "../gguf/file.hpp"
#include "../kernels/matrix.hpp"
#include "../threads/pool.hpp"
#include "config.hpp"

namespace nexus::engine {

/// One linear layer: scale * matrix x + bias. `bias` is empty where the model has none.
struct Linear {
    Matrix matrix;
    std::vector<float> bias;
    float scale = 1; ///< BitNet files may keep the one scale of a matrix beside it
};

struct LayerWeights {
    std::vector<float> attention_norm, feed_forward_norm;
    std::vector<float> attention_sub_norm, feed_forward_sub_norm; ///< BitNet, before `o` and `down`
    std::vector<float> q_norm, k_norm;                            ///< by head, where `head_norms`
    std::vector<float> post_attention_norm, post_feed_forward_norm;
    Linear q, k, v, o, gate, up, down;
};

class Weights {
  public:
    /// Loads everything; pages of the file that were repacked are given back as it goes.
    Weights(const GgufFile &file, const ModelConfig &config, Pool &pool);

    const LayerWeights &layer(uint32_t index) const { return layers_[index]; }
    const std::vector<float> &output_norm() const { return output_norm_; }
    const Matrix &head() const { return head_; }

    /// The embedding of one word, `width` floats, straight from the file.
    void embedding(uint32_t token, float *out) const;

    /// Give the pages of the file that `embedding` has read back to the system; the next reader finds them in the
    /// page cache. The head is packed from the same words, so a long text would have them in RAM twice.
    void give_words_back() const;

    /// Bytes of all packed matrices: what one generated token reads at least.
    size_t bytes() const { return bytes_; }

  private:
    const Tensor *words_;
    size_t word_bytes_;
    std::vector<LayerWeights> layers_;
    std::vector<float> output_norm_;
    Matrix head_;
    size_t bytes_ = 0;
};

} // namespace nexus::engine
