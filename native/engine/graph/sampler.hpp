// Chooses the next token from logits.
//
// The same options, seed and logits give the same tokens. Temperature 0 takes the largest logit (the lowest
// token among equals) and draws nothing.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <vector>

namespace nexus::engine {

struct SamplingOptions {
    float temperature = 0.7F;      ///< 0 to 2
    float top_p = 0.95F;           ///< over 0, at most 1: the smallest set of tokens with this probability
    uint32_t top_k = 0;            ///< only so many tokens; 0: all
    float min_p = 0;               ///< 0 to 1: tokens less likely than this part of the likeliest go
    float repeat_penalty = 1;      ///< over 0: divides positive logits of recent tokens, multiplies negative
    float presence_penalty = 0;    ///< -2 to 2, off the logit of a token that was generated
    float frequency_penalty = 0;   ///< -2 to 2, times how often
    uint32_t repeat_last = 64;     ///< how many tokens `repeat_penalty` looks back at
    uint64_t seed = 0;
    std::unordered_map<int32_t, float> bias; ///< added to logits
};

/// The natural logarithm of a token's probability before temperature, penalties and truncation.
float log_probability(std::span<const float> logits, int32_t token);

class Sampler {
  public:
    explicit Sampler(SamplingOptions options); ///< LimitError names the option that is out of range

    /// `allowed`: one bit for each token, lowest first, or empty for all. LimitError when nothing is allowed,
    /// or when no logit is a number (a damaged model).
    int32_t sample(std::span<const float> logits, std::span<const uint32_t> allowed = {});

    /// What was generated or belongs to the prompt's end: the penalties look at it.
    void accept(int32_t token, bool generated);

  private:
    struct Candidate {
        int32_t token;
        float logit;
    };
    void gather(std::span<const float> logits, std::span<const uint32_t> allowed);
    void penalise();
    void truncate();
    bool changes_logits() const;
    double draw();

    SamplingOptions options_;
    std::array<uint64_t, 2> state_;
    std::vector<Candidate> candidates_;
    std::vector<float> weights_;
    std::deque<int32_t> recent_;
    std::unordered_map<int32_t, uint32_t> counts_;
};

} // namespace nexus::engine
