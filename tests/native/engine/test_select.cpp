// Bounds are above every key below them; the choice is what a plain search chooses; two levels choose the same when
// all groups are looked into; pages that drop out stay for two steps.
#include "attention_case.hpp"

#include <numeric>

#include "engine/attention/select.hpp"

using namespace attention_case;

namespace {

constexpr KvShape shape = {2, 2, 6, 64};
constexpr size_t width = 128;

/// Heads of `blocks` blocks with random keys, and these keys.
struct Chain {
    explicit Chain(size_t blocks, uint64_t seed = 1) : layout(shape, 0), scales(shape), index(shape, layout) {
        Random random(seed);
        for (size_t block = 0; block < blocks; ++block) {
            std::vector<std::byte> head(layout.bytes());
            keys.emplace_back();
            const float centre = random.normal();
            for (uint32_t layer = 0; layer < shape.layers; ++layer) {
                keys.back().push_back(random.normals(page_tokens * width));
                for (float &key : keys.back().back()) {
                    key = key * 0.7F + centre * 0.3F;
                }
                const float *rows = keys.back().back().data();
                if (block == 0) {
                    scales.learn(layer, rows);
                    scales.store(layer, layout.bounds(head.data(), layer));
                } else {
                    layout.write_bounds(head.data(), layer, rows, scales);
                }
            }
            layout.write_info(head.data(), static_cast<uint32_t>(block));
            CHECK(layout.flaw(head.data(), static_cast<uint32_t>(block)) == nullptr);
            CHECK(layout.flaw(head.data(), static_cast<uint32_t>(block + 1)) != nullptr);
            heads.push_back(head);
            index.add(heads.back().data());
        }
    }
    BlockHeadLayout layout;
    BoundScales scales;
    BoundIndex index;
    std::vector<std::vector<std::vector<float>>> keys; ///< block, layer, 128 x width
    std::vector<std::vector<std::byte>> heads;
};

int code(const uint8_t *tile, size_t lane, size_t k) {
    return tile[lane / 16 * 16 * 2 * 64 + k / 4 * 64 + lane % 16 * 4 + k % 4];
}

void bounds_hold_every_key() {
    Chain chain(40);
    const auto check = [&](size_t blocks) {
        for (uint32_t layer = 0; layer < shape.layers; ++layer) {
            for (size_t block = 1; block < blocks; ++block) {
                for (size_t token = 0; token < page_tokens; ++token) {
                    for (size_t channel = 0; channel < width; ++channel) {
                        const float key = chain.keys[block][layer][token * width + channel];
                        const float at = (key - chain.index.scales().centre(layer)[channel]) /
                                         chain.index.scales().step(layer)[channel];
                        const uint8_t *tile = chain.index.block_tile(layer, channel / 64, block / 16);
                        const size_t lane = block % 16 + token / 64 * 16;
                        const int high = code(tile, lane, channel % 64), low = code(tile, lane, 64 + channel % 64);
                        CHECK((high == 255 || high - 128 >= at) && (low == 1 || low - 128 <= at));
                        const uint8_t *group = chain.index.group_tile(layer, channel / 64, 0);
                        CHECK(code(group, block / 16, channel % 64) >= high);
                        CHECK(code(group, block / 16, 64 + channel % 64) <= low);
                    }
                }
            }
        }
    };
    check(40);
    const size_t full = chain.index.bytes();
    // Cut and grown again, it is what it was.
    for (const size_t cut : {size_t{39}, size_t{33}, size_t{32}, size_t{17}, size_t{1}, size_t{0}}) {
        chain.index.truncate(cut);
        CHECK(chain.index.blocks() == cut);
        BoundIndex fresh(shape, chain.layout);
        for (size_t block = 0; block < cut; ++block) {
            fresh.add(chain.heads[block].data());
        }
        for (uint32_t layer = 0; layer < shape.layers && cut > 0; ++layer) {
            for (size_t head = 0; head < 2; ++head) {
                CHECK(std::equal(fresh.group_tile(layer, head, 0), fresh.group_tile(layer, head, 0) + 32 * 128,
                                 chain.index.group_tile(layer, head, 0)));
                CHECK(std::equal(fresh.block_tile(layer, head, (cut - 1) / 16),
                                 fresh.block_tile(layer, head, (cut - 1) / 16) + 32 * 128,
                                 chain.index.block_tile(layer, head, (cut - 1) / 16)));
            }
        }
        for (size_t block = cut; block < 40; ++block) {
            chain.index.add(chain.heads[block].data());
        }
        CHECK(chain.index.bytes() == full);
    }
    check(40);
}

/// The choice by its definition: bounds in floats from the codes, softmax by query head, sums, the best.
std::vector<uint32_t> plain_choice(const Chain &chain, uint32_t layer, const float *queries, size_t tokens, size_t sample,
                                   uint32_t first, uint32_t end, size_t wanted) {
    std::vector<double> mass(end, 0.0);
    for (size_t back = 0; back < tokens; back += sample) {
        for (size_t head = 0; head < shape.heads; ++head) {
            const float *query = queries + ((tokens - 1 - back) * shape.heads + head) * 64;
            const float *step = chain.index.scales().step(layer) + head / 3 * 64;
            float most = 0;
            for (size_t k = 0; k < 64; ++k) {
                most = std::max(most, std::fabs(query[k] * step[k]));
            }
            std::vector<double> logits(end, 0.0);
            double largest = -1e300, sum = 0;
            for (uint32_t block = first; block < end; ++block) {
                int best = INT32_MIN;
                for (size_t half = 0; half < 2; ++half) {
                    const uint8_t *tile = chain.index.block_tile(layer, head / 3, block / 16);
                    int score = 0;
                    for (size_t k = 0; k < 64; ++k) {
                        const int weight = static_cast<int>(std::lrint(query[k] * step[k] * (127.0F / most)));
                        score += weight * (code(tile, block % 16 + half * 16, weight > 0 ? k : 64 + k) - 128);
                    }
                    best = std::max(best, score);
                }
                logits[block] = best * (static_cast<double>(most) / 127 / 8); // 1 / sqrt(64)
                largest = std::max(largest, logits[block]);
            }
            for (uint32_t block = first; block < end; ++block) {
                sum += std::exp(logits[block] - largest);
            }
            for (uint32_t block = first; block < end; ++block) {
                mass[block] += std::exp(logits[block] - largest) / sum;
            }
        }
    }
    std::vector<uint32_t> blocks(end - first);
    std::iota(blocks.begin(), blocks.end(), first);
    std::sort(blocks.begin(), blocks.end(), [&](uint32_t a, uint32_t b) { return mass[a] > mass[b]; });
    blocks.resize(wanted);
    return blocks;
}

void choice_equals_a_plain_search() {
    const Chain chain(600, 5);
    Pool pool(2);
    Random random(6);
    for (const size_t tokens : {size_t{1}, size_t{20}}) {
        for (const auto &[first, end] : {std::pair{1U, 600U}, {17U, 333U}, {1U, 20U}, {570U, 600U}}) {
            for (uint32_t layer = 0; layer < shape.layers; ++layer) {
                PagingLimits limits;
                limits.pages = 6;
                limits.groups = 0;
                Selector all(shape, limits);
                limits.groups = 38; // as many as there are
                Selector two_levels(shape, limits, *scalar_attend_kernels());
                auto queries = random.normals(tokens * shape.query_width());
                for (float &query : queries) {
                    query *= 3;
                }
                auto expected = plain_choice(chain, layer, queries.data(), tokens, limits.sample, first, end, 6);
                const Choice &choice = all.choose(layer, chain.index, queries.data(), tokens, first, end, pool);
                std::sort(expected.begin(), expected.end());
                CHECK(choice.blocks == expected);
                const Choice &same = two_levels.choose(layer, chain.index, queries.data(), tokens, first, end, pool);
                CHECK(same.blocks == choice.blocks);
            }
        }
    }
}

/// A block that stands out is found through its group.
void the_best_group_is_looked_into() {
    Chain chain(1200, 7);
    std::vector<float> special(page_tokens * width, 0.1F);
    std::vector<float> queries(shape.query_width());
    for (size_t at = 0; at < queries.size(); ++at) {
        queries[at] = at % 2 ? 2.0F : -2.0F;
    }
    for (size_t channel = 0; channel < width; ++channel) {
        special[70 * width + channel] = channel % 2 ? 3.0F : -3.0F;
    }
    const uint32_t where = 777;
    BoundIndex index(shape, chain.layout);
    for (size_t block = 0; block < 1200; ++block) {
        if (block == where) {
            for (uint32_t layer = 0; layer < shape.layers; ++layer) {
                chain.layout.write_bounds(chain.heads[block].data(), layer, special.data(), chain.scales);
            }
        }
        index.add(chain.heads[block].data());
    }
    PagingLimits limits;
    limits.pages = 1;
    limits.groups = 1;
    Selector selector(shape, limits);
    Pool pool(2);
    CHECK(selector.choose(1, index, queries.data(), 1, 1, 1200, pool).blocks == std::vector<uint32_t>{where});
}

void pages_stay_two_steps() {
    const Chain chain(100, 8);
    Pool pool(1);
    Random random(9);
    PagingLimits limits;
    limits.pages = 8;
    Selector selector(shape, limits);
    std::vector<std::vector<uint32_t>> tops;
    for (int step = 0; step < 8; ++step) {
        auto queries = random.normals(shape.query_width());
        for (float &query : queries) {
            query *= 3;
        }
        auto top = plain_choice(chain, 0, queries.data(), 1, 8, 1, 90, 8);
        std::sort(top.begin(), top.end());
        tops.push_back(top);
        const Choice &choice = selector.choose(0, chain.index, queries.data(), 1, 1, 90, pool);
        CHECK(choice.blocks.size() <= limits.most_chosen());
        CHECK(std::is_sorted(choice.blocks.begin(), choice.blocks.end()));
        CHECK(std::includes(choice.blocks.begin(), choice.blocks.end(), top.begin(), top.end()));
        for (const uint32_t block : choice.blocks) { // each is in one of the last three
            bool found = false;
            for (size_t back = 0; back < 3 && back < tops.size(); ++back) {
                const auto &then = tops[tops.size() - 1 - back];
                found = found || std::binary_search(then.begin(), then.end(), block);
            }
            CHECK(found);
        }
    }
    selector.forget();
    CHECK(selector.last(0).blocks.empty());
    CHECK(selector.choose(0, chain.index, random.normals(shape.query_width()).data(), 1, 1, 5, pool).blocks ==
          (std::vector<uint32_t>{1, 2, 3, 4}));
}

} // namespace

int main() {
    bounds_hold_every_key();
    choice_equals_a_plain_search();
    the_best_group_is_looked_into();
    pages_stay_two_steps();
    return failures > 0 ? 1 : 0;
}
