#include "types.hpp"

#include <array>

namespace nexus::engine {

namespace {

struct Row {
    uint32_t id;
    const char *name;
    size_t elements; // 0: known to the format, not loaded
    size_t bytes;
};

constexpr std::array rows = {
    Row{0, "F32", 1, 4},
    Row{1, "F16", 1, 2},
    Row{2, "Q4_0", 32, 2 + 16},
    Row{3, "Q4_1", 32, 4 + 16},
    Row{6, "Q5_0", 32, 2 + 4 + 16},
    Row{7, "Q5_1", 32, 4 + 4 + 16},
    Row{8, "Q8_0", 32, 2 + 32},
    Row{9, "Q8_1", 0, 0},
    Row{10, "Q2_K", 0, 0},
    Row{11, "Q3_K", 0, 0},
    Row{12, "Q4_K", 256, 4 + 12 + 128},
    Row{13, "Q5_K", 256, 4 + 12 + 32 + 128},
    Row{14, "Q6_K", 256, 128 + 64 + 16 + 2},
    Row{15, "Q8_K", 0, 0},
    Row{16, "IQ2_XXS", 0, 0},
    Row{17, "IQ2_XS", 0, 0},
    Row{18, "IQ3_XXS", 0, 0},
    Row{19, "IQ1_S", 0, 0},
    Row{20, "IQ4_NL", 0, 0},
    Row{21, "IQ3_S", 0, 0},
    Row{22, "IQ2_S", 0, 0},
    Row{23, "IQ4_XS", 0, 0},
    Row{24, "I8", 0, 0},
    Row{25, "I16", 0, 0},
    Row{26, "I32", 0, 0},
    Row{27, "I64", 0, 0},
    Row{28, "F64", 0, 0},
    Row{29, "IQ1_M", 0, 0},
    Row{30, "BF16", 1, 2},
    Row{34, "TQ1_0", 256, 48 + 4 + 2},
    Row{35, "TQ2_0", 256, 64 + 2},
    Row{36, "I2_S", 128, 32},
    Row{39, "MXFP4", 0, 0},
    Row{40, "NVFP4", 0, 0},
    Row{41, "Q1_0", 0, 0},
};

const Row *row(uint32_t id) {
    for (const Row &candidate : rows)
        if (candidate.id == id)
            return &candidate;
    return nullptr;
}

} // namespace

size_t block_elements(TensorType type) { return row(static_cast<uint32_t>(type))->elements; }

size_t block_bytes(TensorType type) { return row(static_cast<uint32_t>(type))->bytes; }

const char *type_name(TensorType type) { return row(static_cast<uint32_t>(type))->name; }

std::optional<TensorType> known_type(uint32_t id) {
    const Row *found = row(id);
    if (found == nullptr || found->elements == 0)
        return std::nullopt;
    return static_cast<TensorType>(id);
}

const char *type_name(uint32_t id) {
    const Row *found = row(id);
    return found == nullptr ? "unknown" : found->name;
}

} // namespace nexus::engine
