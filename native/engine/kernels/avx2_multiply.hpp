// The products of the AVX2 set, for its table in avx2_vector.cpp.
#pragma once

#include "layout.hpp"

namespace nexus::engine {

template <Format format> void avx2_multiply(const Tile &tile) noexcept;

} // namespace nexus::engine
