#include "sampler.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <unordered_set>

#include "../error.hpp"

namespace nexus::engine {
namespace {

void want(bool holds, const char *name, double value, const char *range) {
    if (!holds) {
        throw LimitError(std::string(name) + " is " + std::to_string(value) + "; it must be " + range);
    }
}

// splitmix64 to spread a small seed, xorshift128+ to draw (Vigna 2014): small, fast, no library state.
uint64_t spread(uint64_t &state) {
    uint64_t value = (state += 0x9E3779B97F4A7C15ULL);
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
    return value ^ (value >> 31);
}

bool larger(float left, int32_t left_token, float right, int32_t right_token) {
    return left != right ? left > right : left_token < right_token;
}

} // namespace

Sampler::Sampler(SamplingOptions options) : options_(std::move(options)) {
    const auto &o = options_;
    want(o.temperature >= 0 && o.temperature <= 2, "temperature", o.temperature, "0 to 2");
    want(o.top_p > 0 && o.top_p <= 1, "top_p", o.top_p, "more than 0, at most 1");
    want(o.min_p >= 0 && o.min_p <= 1, "min_p", o.min_p, "0 to 1");
    want(o.repeat_penalty > 0 && o.repeat_penalty <= 10, "repeat_penalty", o.repeat_penalty,
         "more than 0, at most 10");
    want(std::abs(o.presence_penalty) <= 2, "presence_penalty", o.presence_penalty, "-2 to 2");
    want(std::abs(o.frequency_penalty) <= 2, "frequency_penalty", o.frequency_penalty, "-2 to 2");
    want(o.repeat_last <= 4096, "repeat_last", o.repeat_last, "at most 4096");
    for (const auto &[token, bias] : o.bias) {
        want(std::isfinite(bias), "a logit bias", bias, "a finite number");
    }
    uint64_t seed = o.seed;
    state_ = {spread(seed), spread(seed)};
}

void Sampler::accept(int32_t token, bool generated) {
    recent_.push_back(token);
    if (recent_.size() > options_.repeat_last) {
        recent_.pop_front();
    }
    if (generated && (options_.presence_penalty != 0 || options_.frequency_penalty != 0)) {
        ++counts_[token];
    }
}

bool Sampler::changes_logits() const {
    return (options_.repeat_penalty != 1 && !recent_.empty()) || !counts_.empty() || !options_.bias.empty();
}

void Sampler::gather(std::span<const float> logits, std::span<const uint32_t> allowed) {
    candidates_.clear();
    if (!allowed.empty() && allowed.size() * 32 < logits.size()) {
        throw LimitError("the mask has " + std::to_string(allowed.size() * 32) + " bits for " +
                         std::to_string(logits.size()) + " tokens");
    }
    const auto is_allowed = [&](size_t token) {
        return allowed.empty() || ((allowed[token / 32] >> (token % 32)) & 1U) != 0;
    };
    float floor = -std::numeric_limits<float>::infinity();
    if (!changes_logits()) {
        // A weight below e^-30 of the likeliest is never drawn; most of a vocabulary is left out here.
        float highest = floor;
        for (size_t token = 0; token < logits.size(); ++token) {
            if (logits[token] > highest && is_allowed(token)) {
                highest = logits[token];
            }
        }
        floor = highest - 30 * options_.temperature;
    }
    for (size_t token = 0; token < logits.size(); ++token) {
        if (logits[token] >= floor && is_allowed(token)) { // false for what is not a number
            candidates_.push_back({static_cast<int32_t>(token), logits[token]});
        }
    }
    if (candidates_.empty()) {
        throw LimitError(allowed.empty() ? "the model gave no number for any token; its file may be damaged"
                                         : "the grammar allows no token here");
    }
}

void Sampler::penalise() {
    if (!changes_logits()) {
        return;
    }
    const bool repeats = options_.repeat_penalty != 1;
    const std::unordered_set<int32_t> seen(recent_.begin(), recent_.end());
    for (Candidate &candidate : candidates_) {
        if (repeats && seen.contains(candidate.token)) {
            candidate.logit = candidate.logit > 0 ? candidate.logit / options_.repeat_penalty
                                                  : candidate.logit * options_.repeat_penalty;
        }
        if (const auto count = counts_.find(candidate.token); count != counts_.end()) {
            candidate.logit -= options_.presence_penalty +
                               options_.frequency_penalty * static_cast<float>(count->second);
        }
        if (const auto bias = options_.bias.find(candidate.token); bias != options_.bias.end()) {
            candidate.logit += bias->second;
        }
    }
}

// Leaves the candidates that may be drawn, the likeliest first, and their weights in `weights_`.
void Sampler::truncate() {
    const auto order = [](const Candidate &a, const Candidate &b) {
        return larger(a.logit, a.token, b.logit, b.token);
    };
    const float highest = std::ranges::min_element(candidates_, order)->logit;
    const float inverse = 1 / options_.temperature;
    if (options_.min_p > 0) {
        const float least = highest + options_.temperature * std::log(options_.min_p);
        std::erase_if(candidates_, [least](const Candidate &c) { return c.logit < least; });
    }
    if (options_.top_k > 0 && candidates_.size() > options_.top_k) {
        std::ranges::nth_element(candidates_, candidates_.begin() + options_.top_k, order);
        candidates_.resize(options_.top_k);
    }
    std::ranges::sort(candidates_, order);
    weights_.clear();
    double total = 0;
    for (const Candidate &candidate : candidates_) {
        weights_.push_back(std::exp((candidate.logit - highest) * inverse));
        total += weights_.back();
    }
    double sum = 0;
    size_t kept = 0;
    while (kept < weights_.size() && (kept == 0 || sum < double{options_.top_p} * total)) {
        sum += weights_[kept++];
    }
    candidates_.resize(kept);
    weights_.resize(kept);
}

double Sampler::draw() {
    uint64_t low = state_[0];
    const uint64_t high = state_[1];
    state_[0] = high;
    low ^= low << 23;
    state_[1] = low ^ high ^ (low >> 18) ^ (high >> 5);
    return static_cast<double>((state_[1] + high) >> 11) * 0x1p-53;
}

int32_t Sampler::sample(std::span<const float> logits, std::span<const uint32_t> allowed) {
    gather(logits, allowed);
    penalise();
    if (options_.temperature == 0) {
        return std::ranges::min_element(candidates_, [](const Candidate &a, const Candidate &b) {
                   return larger(a.logit, a.token, b.logit, b.token);
               })->token;
    }
    truncate();
    double left = 0;
    for (const float weight : weights_) {
        left += weight;
    }
    left *= draw();
    size_t index = 0;
    while (index + 1 < candidates_.size() && left >= weights_[index]) {
        left -= weights_[index++];
    }
    return candidates_[index].token;
}

float log_probability(std::span<const float> logits, int32_t token) {
    const float highest = *std::ranges::max_element(logits);
    double total = 0;
    for (const float logit : logits) {
        total += std::exp(logit - highest);
    }
    return static_cast<float>(logits[static_cast<size_t>(token)] - highest - std::log(total));
}

} // namespace nexus::engine
