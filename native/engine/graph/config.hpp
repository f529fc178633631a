// What a model is, read from the metadata of its file: sizes, variants, constants.
//
// A file of an architecture that is not in the list, or that asks for a variant we do not compute, is
// refused with UnsupportedError; sizes that contradict each other are a FormatError. Nothing is guessed
// where a wrong guess would give wrong numbers quietly.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nexus::engine {

class GgufFile;

enum class Activation { silu, relu2, gelu_tanh };

struct ModelConfig {
    std::string architecture;        ///< as in the file: one of supported_architectures()
    std::string name;                ///< general.name, may be empty
    uint32_t layers = 0;
    uint32_t width = 0;              ///< of the residual stream
    uint32_t feed_forward = 0;
    uint32_t heads = 0;
    uint32_t kv_heads = 0;
    uint32_t head_dim = 0;
    uint32_t vocabulary = 0;
    uint32_t trained_context = 0;    ///< tokens
    float epsilon = 1e-5F;           ///< of every RMS norm
    double rope_base = 10000;
    uint32_t rope_dims = 0;          ///< the first so many of head_dim are rotated
    bool rope_neox = false;          ///< pairs (i, i + dims/2) instead of (2i, 2i + 1)
    double rope_scale = 1;           ///< positions are multiplied with it (linear scaling)
    std::vector<float> rope_factors; ///< divisors of the frequencies (Llama 3), one for each pair, or empty
    double local_rope_base = 0;      ///< of layers that see only a window; 0: there are none
    uint32_t local_window = 0;       ///< tokens that such a layer sees
    uint32_t local_pattern = 0;      ///< every n-th layer sees everything, the others the window; 0: all do
    Activation activation = Activation::silu;
    float embedding_scale = 1;
    bool ternary = false;            ///< BitNet: activations are int8 by token, norms before o and down
    bool head_norms = false;         ///< queries and keys are normalised by head (Qwen3, Gemma 3)
    bool post_norms = false;         ///< norms after attention and feed-forward (Gemma 3)

    /// Whether this layer sees only the last `local_window` tokens.
    bool is_local(uint32_t layer) const {
        return local_pattern != 0 && (layer + 1) % local_pattern != 0;
    }

    static ModelConfig read(const GgufFile &file);
};

/// The architectures that `ModelConfig::read` takes, for messages and for choosing an engine.
const std::vector<std::string_view> &supported_architectures();

} // namespace nexus::engine
