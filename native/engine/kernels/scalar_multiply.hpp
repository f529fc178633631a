// The products of the plain set, for its table in scalar_vector.cpp.
#pragma once

#include "layout.hpp"

namespace nexus::engine {

template <Format format> void scalar_multiply(const Tile &tile) noexcept;

} // namespace nexus::engine
