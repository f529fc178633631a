// A page gives back what was put in, within half a step of its scales; its parts lie where its header says.
#include "attention_case.hpp"

#include <cstring>

#include "engine/attention/half.hpp"
#include "engine/paging/seal.hpp"

using namespace attention_case;

namespace {

void halves_round_to_nearest() {
    for (uint32_t half = 0; half < 0x7c00; ++half) { // every finite number, both ways
        const float value = half_to_float(static_cast<uint16_t>(half));
        CHECK(float_to_half(value) == half);
        CHECK(float_to_half(-value) == (half | 0x8000));
        CHECK(half_to_float(static_cast<uint16_t>(half | 0x8000)) == -value);
        if (half + 1 < 0x7c00) {
            const float next = half_to_float(static_cast<uint16_t>(half + 1));
            CHECK(next > value);
            const float middle = value + (next - value) / 2;
            CHECK(float_to_half(middle) == half + half % 2); // ties to even
            CHECK(float_to_half(std::nextafter(middle, 1e9F)) == half + 1);
            CHECK(float_to_half(std::nextafter(middle, 0.0F)) == half);
        }
    }
    CHECK(half_to_float(0x3c00) == 1.0F && half_to_float(1) == 0x1p-24F);
    CHECK(float_to_half(1e9F) == 0x7bff && float_to_half(-INFINITY) == 0xfbff && float_to_half(NAN) == 0);
}

void values_come_back(const KvShape &shape, float size) {
    const PageLayout layout(shape);
    CHECK(layout.bytes() % 4096 == 0);
    CHECK(layout.bytes() >= seal_bytes + 2 * page_tokens * shape.kv_width());
    Random random(shape.head_dim);
    const size_t count = page_tokens * shape.kv_width();
    auto k = random.normals(count);
    auto v = random.normals(count);
    for (size_t at = 0; at < count; ++at) {
        k[at] *= size * static_cast<float>(1 + at % shape.kv_width()); // channels of different sizes
        v[at] *= size;
    }
    for (size_t channel = 0; channel < shape.kv_width(); ++channel) {
        v[5 * shape.kv_width() + channel] = 0;
    }
    std::vector<std::byte> page(layout.bytes(), std::byte{0xaa});
    layout.write(page.data(), k.data(), v.data());
    for (size_t at = 0; at < seal_bytes; ++at) {
        CHECK(page[at] == std::byte{0xaa}); // the seal is not ours
    }
    std::vector<float> k2(count), v2(count);
    layout.read(page.data(), k2.data(), v2.data());
    for (size_t head = 0; head < shape.kv_heads; ++head) {
        const PageView view = layout.head(page.data(), head);
        CHECK(reinterpret_cast<const std::byte *>(view.v) + page_tokens * shape.head_dim <= page.data() + page.size());
        for (size_t token = 0; token < page_tokens; ++token) {
            for (size_t channel = 0; channel < shape.head_dim; ++channel) {
                const size_t at = token * shape.kv_width() + head * shape.head_dim + channel;
                CHECK(std::fabs(k[at] - k2[at]) <= 0.56F * half_to_float(view.k_scale[channel]));
                CHECK(std::fabs(v[at] - v2[at]) <= 0.56F * half_to_float(view.v_scale[token]));
            }
        }
        CHECK(view.v_scale[5] == 0);
    }
}

void bad_shapes_are_refused() {
    for (const KvShape &shape : {KvShape{0, 1, 1, 64}, KvShape{1, 0, 1, 64}, KvShape{1, 2, 3, 64}, KvShape{1, 1, 1, 80},
                                 KvShape{1, 1, 1, 512}, KvShape{1, 1, 1, 0}, KvShape{2000, 1, 1, 64}}) {
        CHECK_THROWS(UnsupportedError, shape.check());
    }
    KvShape{28, 2, 12, 128}.check();
    PagingLimits limits;
    limits.check();
    limits.sinks = 64;
    CHECK_THROWS(LimitError, limits.check());
    limits = {};
    limits.pages = 0;
    CHECK_THROWS(LimitError, limits.check());
    limits = {};
    limits.scale = NAN;
    CHECK_THROWS(LimitError, limits.check());
    CHECK(PagingLimits{}.within(8192).span() <= 8192 && PagingLimits{}.within(8192).pages > 32);
    CHECK(PagingLimits{}.within(32768).pages == PagingLimits{}.pages && PagingLimits{}.within(0).pages == 1);
}

} // namespace

int main() {
    halves_round_to_nearest();
    values_come_back({1, 2, 12, 128}, 1);
    values_come_back({1, 3, 9, 64}, 1e-3F);
    values_come_back({1, 5, 20, 128}, 50);
    values_come_back({1, 1, 4, 256}, 1);
    values_come_back({1, 8, 8, 96}, 1);
    CHECK(PageLayout({1, 2, 12, 128}).bytes() == 68 * 1024);
    CHECK(PageLayout({1, 3, 9, 64}).bytes() == 52 * 1024);
    CHECK(PageLayout({1, 5, 20, 128}).bytes() == 164 * 1024);
    bad_shapes_are_refused();
    return failures > 0 ? 1 : 0;
}
