#include "config.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "../error.hpp"
#include "../gguf/file.hpp"

namespace nexus::engine {
namespace {

// Larger than any model that fits a machine; keeps products of two of them far from overflow.
constexpr uint64_t most_layers = 1024;
constexpr uint64_t most_wide = 1 << 20;
constexpr uint64_t most_heads = 1 << 12;
constexpr uint64_t most_words = 1 << 24;

class Keys {
  public:
    Keys(const GgufFile &file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}

    uint32_t size(std::string_view key, uint64_t most) const {
        const auto found = optional_size(key, most);
        if (!found) {
            throw FormatError("the model file has no " + name(key) + "; download it again");
        }
        return *found;
    }

    std::optional<uint32_t> optional_size(std::string_view key, uint64_t most) const {
        const auto found = file_.integer(name(key));
        if (!found) {
            return std::nullopt;
        }
        if (*found == 0 || *found > most) {
            throw FormatError(name(key) + " is " + std::to_string(*found) + ", which no model has (1 to " +
                              std::to_string(most) + ")");
        }
        return static_cast<uint32_t>(*found);
    }

    double real(std::string_view key, double otherwise) const {
        const double found = file_.real(name(key)).value_or(otherwise);
        if (!std::isfinite(found) || found < 0) {
            throw FormatError(name(key) + " is " + std::to_string(found) + ", which is not a usable number");
        }
        return found;
    }

    std::optional<std::string_view> text(std::string_view key) const { return file_.text(name(key)); }
    std::string name(std::string_view key) const { return prefix_ + "." + std::string(key); }

  private:
    const GgufFile &file_;
    std::string prefix_;
};

void read_sizes(ModelConfig &config, const Keys &keys, const GgufFile &file) {
    config.layers = keys.size("block_count", most_layers);
    config.width = keys.size("embedding_length", most_wide);
    config.feed_forward = keys.size("feed_forward_length", most_wide);
    config.heads = keys.size("attention.head_count", most_heads);
    config.kv_heads = keys.optional_size("attention.head_count_kv", most_heads).value_or(config.heads);
    config.trained_context = keys.size("context_length", 1U << 31);
    config.head_dim = keys.optional_size("attention.key_length", 1024).value_or(config.width / config.heads);
    const auto value_dim = keys.optional_size("attention.value_length", 1024).value_or(config.head_dim);
    if (value_dim != config.head_dim) {
        throw UnsupportedError("keys of " + std::to_string(config.head_dim) + " and values of " +
                               std::to_string(value_dim) + " dimensions; this engine wants them equal");
    }
    if (config.heads % config.kv_heads != 0) {
        throw FormatError(std::to_string(config.heads) + " query heads do not divide by " +
                          std::to_string(config.kv_heads) + " key heads");
    }
    const Tensor &words = file.tensor("token_embd.weight");
    if (words.rows() > most_words || words.columns() != config.width) {
        throw FormatError("token_embd.weight is " + std::to_string(words.rows()) + " x " +
                          std::to_string(words.columns()) + ", not words x " + std::to_string(config.width));
    }
    config.vocabulary = static_cast<uint32_t>(words.rows());
    config.epsilon = static_cast<float>(keys.real("attention.layer_norm_rms_epsilon", 1e-5));
}

void read_rope(ModelConfig &config, const Keys &keys, const GgufFile &file) {
    config.rope_base = keys.real("rope.freq_base", 10000);
    config.rope_dims = keys.optional_size("rope.dimension_count", 1024).value_or(config.head_dim);
    if (config.rope_base <= 1 || config.rope_dims > config.head_dim || config.rope_dims % 2 != 0) {
        throw FormatError("rope of base " + std::to_string(config.rope_base) + " over " +
                          std::to_string(config.rope_dims) + " of " + std::to_string(config.head_dim) +
                          " dimensions cannot be");
    }
    const auto scaling = keys.text("rope.scaling.type").value_or("none");
    const double factor = keys.real("rope.scaling.factor", 1);
    if (scaling == "linear" && factor > 0) {
        config.rope_scale = 1 / factor;
    } else if (scaling != "none" && scaling != "linear") {
        throw UnsupportedError("rope scaling " + std::string(scaling) + " is not computed here (none, linear)");
    }
    if (const Tensor *factors = file.find("rope_freqs.weight")) {
        if (factors->type != TensorType::f32 || factors->elements() != config.rope_dims / 2) {
            throw FormatError("rope_freqs.weight must hold " + std::to_string(config.rope_dims / 2) +
                              " numbers of type F32");
        }
        const auto *numbers = reinterpret_cast<const float *>(factors->data);
        config.rope_factors.assign(numbers, numbers + factors->elements());
        if (std::ranges::any_of(config.rope_factors, [](float f) { return !(f > 0) || !std::isfinite(f); })) {
            throw FormatError("rope_freqs.weight holds a factor that is not a positive number");
        }
    }
}

void read_variant(ModelConfig &config, const Keys &keys) {
    const std::string &kind = config.architecture;
    config.rope_neox = kind != "llama";
    config.head_norms = kind == "qwen3" || kind == "gemma3";
    if (kind.starts_with("bitnet")) {
        config.ternary = true;
        config.activation = Activation::relu2;
    } else if (kind == "gemma3") {
        config.post_norms = true;
        config.activation = Activation::gelu_tanh;
        config.embedding_scale = std::sqrt(static_cast<float>(config.width));
        config.local_window = keys.size("attention.sliding_window", 1U << 20);
        config.local_pattern = keys.optional_size("attention.sliding_window_pattern", most_layers).value_or(6);
        config.local_rope_base = keys.real("rope.local.freq_base", 10000);
    } else if (keys.optional_size("attention.sliding_window", 1U << 31).value_or(1U << 31) <
               config.trained_context) {
        throw UnsupportedError(kind + " with a sliding window is not computed here");
    }
}

} // namespace

const std::vector<std::string_view> &supported_architectures() {
    static const std::vector<std::string_view> names{"llama",  "qwen2",  "qwen3",
                                                     "gemma3", "bitnet", "bitnet-b1.58", "bitnet-25"};
    return names;
}

ModelConfig ModelConfig::read(const GgufFile &file) {
    ModelConfig config;
    config.architecture = file.text("general.architecture").value_or("");
    const auto &known = supported_architectures();
    if (std::ranges::find(known, config.architecture) == known.end()) {
        std::string names;
        for (const auto name : known) {
            names += (names.empty() ? "" : ", ") + std::string(name);
        }
        throw UnsupportedError("architecture \"" + config.architecture + "\" is not among those computed here (" +
                               names + "); set engine.kind to llamacpp for this model");
    }
    config.name = file.text("general.name").value_or("");
    const Keys keys(file, config.architecture);
    if (keys.optional_size("expert_count", 1U << 20)) {
        throw UnsupportedError("mixtures of experts are not computed here; set engine.kind to llamacpp");
    }
    read_sizes(config, keys, file);
    read_rope(config, keys, file);
    read_variant(config, keys);
    return config;
}

} // namespace nexus::engine
