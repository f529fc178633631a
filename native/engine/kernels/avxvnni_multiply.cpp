// The products of the AVX-VNNI set: avx2_products.hpp compiled with VNNI.
#include "avxvnni_multiply.hpp"

#include "avx2_products.hpp"

namespace nexus::engine {

template <Format format> void avxvnni_multiply(const Tile &tile) noexcept { all_tokens<format>(tile); }

template void avxvnni_multiply<Format::q4_half>(const Tile &) noexcept;
template void avxvnni_multiply<Format::q4_half_min>(const Tile &) noexcept;
template void avxvnni_multiply<Format::q4_nested>(const Tile &) noexcept;
template void avxvnni_multiply<Format::q5_half>(const Tile &) noexcept;
template void avxvnni_multiply<Format::q5_half_min>(const Tile &) noexcept;
template void avxvnni_multiply<Format::q5_nested>(const Tile &) noexcept;
template void avxvnni_multiply<Format::q6_nested16>(const Tile &) noexcept;
template void avxvnni_multiply<Format::q8_half>(const Tile &) noexcept;
template void avxvnni_multiply<Format::t2_row>(const Tile &) noexcept;
template void avxvnni_multiply<Format::t2_block>(const Tile &) noexcept;
template void avxvnni_multiply<Format::f32_plain>(const Tile &) noexcept;

} // namespace nexus::engine
