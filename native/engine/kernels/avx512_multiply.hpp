// The products of the AVX-512 set, for its table in avx512_vector.cpp.
#pragma once

#include "layout.hpp"

namespace nexus::engine {

template <Format format> void avx512_multiply(const Tile &tile) noexcept;

} // namespace nexus::engine
