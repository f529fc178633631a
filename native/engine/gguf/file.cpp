#include "file.hpp"

#include <algorithm>

#include "../error.hpp"
#include "mapping.hpp"

namespace nexus::engine {

namespace {

constexpr uint64_t max_tensors = 100000;
constexpr uint64_t max_tensor_name = 64; // the format's own limit
constexpr uint32_t max_dimensions = 4;
constexpr uint64_t least_tensor_bytes = 8 + 1 + 4 + 8 + 4 + 8;
constexpr uint64_t default_alignment = 32;
constexpr uint64_t max_alignment = 1 << 20;

/// A tensor as the header describes it.
struct Entry {
    Tensor tensor;
    uint64_t offset; // from the start of the data
};

uint32_t read_version(HeaderReader &reader) {
    const auto magic = reader.number<uint32_t>("the file's first four bytes");
    if (magic != 0x46554747) { // "GGUF"
        const std::string_view bytes(reinterpret_cast<const char *>(&magic), sizeof magic);
        throw FormatError("the file " + reader.path() + " is not a GGUF model: it begins with " +
                          in_quotes(bytes) + "; name a .gguf file");
    }
    const auto version = reader.number<uint32_t>("the version");
    if (version == 2 || version == 3)
        return version;
    if (version == 1)
        throw UnsupportedError("the model file " + reader.path() +
                               " has GGUF version 1; only 2 and 3 are read: convert the model again");
    if (version == 0x02000000 || version == 0x03000000)
        throw UnsupportedError(
            "the model file " + reader.path() +
            " is big-endian; only little-endian files are read: convert the model again");
    throw UnsupportedError("the model file " + reader.path() + " has GGUF version " +
                           std::to_string(version) +
                           "; only 2 and 3 are read: update NexusOS or convert the model again");
}

/// The tensors' alignment; a file of several parts is refused.
uint64_t check_general(const Metadata &metadata, const HeaderReader &reader) {
    const auto parts = metadata.integer("split.count");
    if (parts.value_or(1) > 1)
        throw UnsupportedError("the model file " + reader.path() + " is one part of " +
                               std::to_string(*parts) +
                               "; join the parts to one file first (gguf-split --merge FIRST_PART OUT)");
    const uint64_t alignment = metadata.integer("general.alignment").value_or(default_alignment);
    if (alignment < 8 || alignment > max_alignment || (alignment & (alignment - 1)) != 0)
        reader.damaged("'general.alignment' is " + std::to_string(alignment) +
                       ", it must be a power of two from 8 to " + std::to_string(max_alignment));
    return alignment;
}

void read_shape(HeaderReader &reader, Tensor &tensor) {
    const std::string who = "the tensor " + in_quotes(tensor.name);
    const auto dimensions = reader.number<uint32_t>("the number of dimensions of " + who);
    if (dimensions == 0 || dimensions > max_dimensions)
        reader.damaged(who + " has " + std::to_string(dimensions) + " dimensions, allowed are 1 to 4");
    uint64_t elements = 1;
    for (uint32_t i = 0; i < dimensions; ++i) {
        const auto size = reader.number<uint64_t>("the shape of " + who);
        if (size == 0)
            reader.damaged(who + " has size 0 in dimension " + std::to_string(i));
        // Below 2^60, so that times 4 bytes plus a trailer is still a number.
        if (__builtin_mul_overflow(elements, size, &elements) || elements >> 60 != 0)
            reader.damaged(who + " has size " + std::to_string(size) + " in dimension " +
                           std::to_string(i) + ": too many weights in all");
        tensor.shape.push_back(size);
    }
}

void read_type(HeaderReader &reader, Tensor &tensor) {
    const std::string who = "the tensor " + in_quotes(tensor.name);
    const auto id = reader.number<uint32_t>("the type of " + who);
    const auto type = known_type(id);
    if (!type)
        throw UnsupportedError(who + " of the model file " + reader.path() + " has type " +
                               std::to_string(id) + " (" + type_name(id) +
                               "), which this engine does not load; use a Q4_K_M, Q8_0, "
                               "F16, TQ2_0 or I2_S file of the model, or set engine.kind to llamacpp");
    tensor.type = *type;
    const uint64_t elements = tensor.elements();
    if (tensor.columns() % block_elements(*type) != 0)
        reader.damaged(who + " has " + std::to_string(tensor.columns()) + " columns, type " +
                       type_name(*type) + " needs a multiple of " +
                       std::to_string(block_elements(*type)));
    tensor.bytes = elements / block_elements(*type) * block_bytes(*type);
    if (*type == TensorType::i2_s)
        tensor.bytes += i2_s_trailer;
}

std::vector<Entry> read_tensors(HeaderReader &reader, uint64_t count, uint64_t alignment) {
    if (count > reader.left() / least_tensor_bytes)
        reader.damaged("it claims " + std::to_string(count) + " tensors, more than its " +
                       std::to_string(reader.left()) + " bytes can hold");
    if (count > max_tensors)
        throw LimitError("the model file " + reader.path() + " has " + std::to_string(count) +
                         " tensors, at most " + std::to_string(max_tensors) +
                         " are read; use another file");
    std::vector<Entry> entries;
    for (uint64_t i = 0; i < count; ++i) {
        Entry entry{};
        entry.tensor.name = reader.name("the name of tensor " + std::to_string(i), max_tensor_name);
        read_shape(reader, entry.tensor);
        read_type(reader, entry.tensor);
        const std::string who = "the tensor " + in_quotes(entry.tensor.name);
        entry.offset = reader.number<uint64_t>("the offset of " + who);
        if (entry.offset % alignment != 0)
            reader.damaged(who + " begins at byte " + std::to_string(entry.offset) +
                           " of the data, not a multiple of " + std::to_string(alignment));
        entries.push_back(std::move(entry));
    }
    return entries;
}

/// Every tensor lies inside the `room` bytes of data and none over another.
void check_places(const std::vector<Entry> &entries, uint64_t room, const HeaderReader &reader) {
    std::vector<const Entry *> sorted;
    sorted.reserve(entries.size());
    for (const Entry &entry : entries)
        sorted.push_back(&entry);
    std::sort(sorted.begin(), sorted.end(),
              [](const Entry *a, const Entry *b) { return a->offset < b->offset; });
    for (size_t i = 0; i < sorted.size(); ++i) {
        const Entry &entry = *sorted[i];
        if (entry.offset > room || entry.tensor.bytes > room - entry.offset)
            reader.damaged("the tensor " + in_quotes(entry.tensor.name) + " takes " +
                           std::to_string(entry.tensor.bytes) + " bytes from byte " +
                           std::to_string(entry.offset) + " of the data, the file has " +
                           std::to_string(room) + " (a download that was cut off?)");
        // The one before is inside the room, so its end is a number.
        if (i > 0 && sorted[i - 1]->offset + sorted[i - 1]->tensor.bytes > entry.offset)
            reader.damaged("the tensors " + in_quotes(sorted[i - 1]->tensor.name) + " and " +
                           in_quotes(entry.tensor.name) + " overlap at byte " +
                           std::to_string(entry.offset) + " of the data");
    }
}

} // namespace

uint64_t Tensor::elements() const {
    uint64_t product = 1;
    for (const uint64_t size : shape)
        product *= size;
    return product;
}

const std::byte *Tensor::row(uint64_t row) const {
    if (row >= rows())
        throw LimitError("row " + std::to_string(row) + " of " + in_quotes(name) +
                         " is asked for, it has " + std::to_string(rows()));
    return data + row * row_bytes();
}

GgufFile::GgufFile(const std::filesystem::path &path)
    : path_(path), mapping_(std::make_unique<Mapping>(path)) {
    HeaderReader reader(mapping_->descriptor(), mapping_->size(), path.string());
    version_ = read_version(reader);
    const auto tensor_count = reader.number<uint64_t>("the number of tensors");
    const auto key_count = reader.number<uint64_t>("the number of metadata entries");
    metadata_.read(reader, key_count);
    metadata_.own(reader.so_far());
    alignment_ = check_general(metadata_, reader);
    std::vector<Entry> entries = read_tensors(reader, tensor_count, alignment_);

    const uint64_t start = (reader.at() + alignment_ - 1) / alignment_ * alignment_;
    check_places(entries, mapping_->size() - std::min(start, mapping_->size()), reader);
    if (!entries.empty())
        mapping_->map();
    tensors_.reserve(entries.size());
    for (Entry &entry : entries) {
        entry.tensor.data = mapping_->data() + start + entry.offset;
        tensors_.push_back(std::move(entry.tensor));
    }
    by_name_.resize(tensors_.size());
    for (uint32_t i = 0; i < by_name_.size(); ++i)
        by_name_[i] = i;
    std::sort(by_name_.begin(), by_name_.end(),
              [this](uint32_t a, uint32_t b) { return tensors_[a].name < tensors_[b].name; });
    for (size_t i = 1; i < by_name_.size(); ++i)
        if (tensors_[by_name_[i]].name == tensors_[by_name_[i - 1]].name)
            reader.damaged("the tensor " + in_quotes(tensors_[by_name_[i]].name) + " is there twice");
}

GgufFile::~GgufFile() = default;
GgufFile::GgufFile(GgufFile &&) noexcept = default;
GgufFile &GgufFile::operator=(GgufFile &&) noexcept = default;

const Tensor *GgufFile::find(std::string_view name) const {
    const auto place = std::lower_bound(
        by_name_.begin(), by_name_.end(), name,
        [this](uint32_t i, std::string_view wanted) { return tensors_[i].name < wanted; });
    if (place == by_name_.end() || tensors_[*place].name != name)
        return nullptr;
    return &tensors_[*place];
}

const Tensor &GgufFile::tensor(std::string_view name) const {
    const Tensor *found = find(name);
    if (found == nullptr)
        throw FormatError("the model file " + path_.string() + " has no tensor " + in_quotes(name) +
                          ", which its architecture needs; convert the model again");
    return *found;
}

uint64_t GgufFile::file_bytes() const { return mapping_->size(); }

void GgufFile::check_unchanged() const { mapping_->check_unchanged(); }

} // namespace nexus::engine
