// Memory for packed weights: anonymous, zeroed, backed by huge pages where the system gives them.
//
// Reading with 4K pages costs a third of the bandwidth of one core, and a mapped file does not get
// huge pages. Small matrices share one region, so that neighbours in the model are neighbours in memory.
#pragma once

#include <cstddef>
#include <memory>

namespace nexus::engine {

/// `bytes` zeroed bytes, aligned to 64; freed with the last pointer. Any thread. IoError when the system
/// has no memory.
std::shared_ptr<std::byte> huge_memory(size_t bytes);

} // namespace nexus::engine
