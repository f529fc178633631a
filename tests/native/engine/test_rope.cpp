// Turning by offset and by blocks adds up to the true angle, at any position and for every kind of rope.
#include "attention_case.hpp"

using namespace attention_case;

namespace {

/// The product of a query and a key through the engine's turns equals that at their true positions.
void products_are_true(const RopeTable &table, const Rope &rope, size_t dim, uint64_t position, uint64_t chunk, Random &random) {
    const auto q = random.normals(dim);
    const auto k = random.normals(dim);
    const uint64_t offset = chunk % page_tokens; // the chunk begins here, the query is in it
    const uint64_t query_at = chunk + random.below(most_chunk_tokens);
    const uint64_t base = position / page_tokens;
    std::vector<float> turned_k(dim), turned_q(dim), back(dim);
    table.enter(k.data(), position % page_tokens, 1.0F, turned_k.data());
    table.enter(q.data(), offset + query_at - chunk, 1.0F, turned_q.data());
    const int64_t blocks = static_cast<int64_t>(chunk / page_tokens) - static_cast<int64_t>(base);
    const Turn turn = table.by_blocks(blocks);
    double got = 0;
    for (size_t pair = 0; pair < table.pairs(); ++pair) {
        const double x = turned_q[pair], y = turned_q[pair + table.pairs()], c = turn.cosine[pair], s = turn.sine[pair];
        got += (x * c - y * s) * turned_k[pair] + (y * c + x * s) * turned_k[pair + table.pairs()];
    }
    for (size_t at = 2 * table.pairs(); at < dim; ++at) {
        got += static_cast<double>(turned_q[at]) * turned_k[at];
    }
    const auto tq = turned(q.data(), dim, rope, static_cast<double>(query_at));
    const auto tk = turned(k.data(), dim, rope, static_cast<double>(position));
    double expected = 0;
    for (size_t at = 0; at < dim; ++at) {
        expected += tq[at] * tk[at];
    }
    CHECK(std::fabs(got - expected) < 2e-5);
    table.leave(turned_k.data(), position % page_tokens, back.data());
    for (size_t at = 0; at < dim; ++at) {
        CHECK(std::fabs(back[at] - k[at]) < 1e-6F);
    }
}

} // namespace

int main() {
    Random random(4);
    std::vector<float> factors(64);
    for (size_t pair = 0; pair < factors.size(); ++pair) {
        factors[pair] = pair < 30 ? 1.0F : 8.0F;
    }
    const Rope ropes[] = {{}, {1e6, 0, true, 1, {}}, {5e5, 0, false, 1, factors}, {1e6, 0, true, 0.125, {}}, {1e4, 64, false, 1, {}}};
    for (const Rope &rope : ropes) {
        RopeTable table(rope, 128);
        table.reserve_blocks(20000);
        for (const uint64_t chunk : {0, 100, 128, 5000, 1000000, 2000077}) {
            for (int round = 0; round < 20; ++round) {
                const uint64_t span = chunk + most_chunk_tokens;
                products_are_true(table, rope, 128, round % 2 ? span - 1 - random.below(512) : random.below(static_cast<uint32_t>(span)),
                                  chunk, random);
            }
        }
    }
    CHECK_THROWS(UnsupportedError, RopeTable({1e4, 40, true, 1, {}}, 64));
    CHECK_THROWS(UnsupportedError, RopeTable({1e4, 128, true, 1, {}}, 64));
    CHECK_THROWS(FormatError, RopeTable({0, 0, true, 1, {}}, 64));
    CHECK_THROWS(FormatError, RopeTable({1e4, 0, true, NAN, {}}, 64));
    CHECK_THROWS(FormatError, RopeTable({1e4, 0, true, 1, {1.0F, 2.0F}}, 64));
    CHECK_THROWS(FormatError, RopeTable({1e4, 0, true, 1, std::vector<float>(32, 0.0F)}, 64));
    return failures > 0 ? 1 : 0;
}
