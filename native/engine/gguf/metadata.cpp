#include "metadata.hpp"

#include <limits>

#include "../error.hpp"

namespace nexus::engine {

namespace {

constexpr uint64_t max_key_bytes = 65535; // the format's own limit
constexpr uint64_t least_entry_bytes = 8 + 1 + 4 + 1;
constexpr const char *kind_names[] = {"u8",   "i8",   "u16",   "i16", "u32", "i32", "f32",
                                      "bool", "text", "array", "u64", "i64", "f64"};

template <class Number> Number load(const std::vector<std::byte> &bytes, uint64_t offset) {
    Number value;
    std::memcpy(&value, bytes.data() + offset, sizeof(Number));
    return value;
}

std::string value_of(std::string_view key) { return "the value of " + in_quotes(key); }

} // namespace

size_t Metadata::width(Kind kind) {
    switch (kind) {
    case Kind::u8:
    case Kind::i8:
    case Kind::boolean:
        return 1;
    case Kind::u16:
    case Kind::i16:
        return 2;
    case Kind::u32:
    case Kind::i32:
    case Kind::f32:
        return 4;
    case Kind::u64:
    case Kind::i64:
    case Kind::f64:
        return 8;
    case Kind::text:
    case Kind::array:
        break;
    }
    return 0;
}

void Metadata::read(HeaderReader &reader, uint64_t count) {
    if (count > reader.left() / least_entry_bytes)
        reader.damaged("it claims " + std::to_string(count) + " metadata entries, more than its " +
                       std::to_string(reader.left()) + " bytes can hold");
    if (count > max_metadata_keys)
        throw LimitError("the model file " + reader.path() + " has " + std::to_string(count) +
                         " metadata entries, at most " + std::to_string(max_metadata_keys) +
                         " are read; use another file");
    for (uint64_t i = 0; i < count; ++i) {
        std::string key = reader.name("the key of metadata entry " + std::to_string(i), max_key_bytes);
        const Value value = read_value(reader, key);
        const auto [place, is_new] = values_.emplace(std::move(key), value);
        if (!is_new)
            reader.damaged("the key " + in_quotes(place->first) + " is there twice");
    }
}

Metadata::Kind Metadata::read_kind(HeaderReader &reader, std::string_view key) {
    const auto kind = reader.number<uint32_t>("the type of " + in_quotes(key));
    if (kind > static_cast<uint32_t>(Kind::f64))
        reader.damaged(in_quotes(key) + " has value type " + std::to_string(kind) +
                       ", known are 0 to 12");
    return static_cast<Kind>(kind);
}

Metadata::Value Metadata::read_value(HeaderReader &reader, std::string_view key) {
    Value value{};
    value.kind = read_kind(reader, key);
    if (value.kind == Kind::text) {
        value.count = reader.number<uint64_t>(value_of(key));
        value.offset = reader.at();
        reader.skip(value.count, value_of(key));
    } else if (value.kind == Kind::array) {
        value.element = read_kind(reader, key);
        value.count = reader.number<uint64_t>("the length of " + in_quotes(key));
        value.offset = reader.at();
        uint64_t budget = max_array_elements;
        skip_elements(reader, key, value.element, value.count, 1, budget);
    } else {
        value.offset = reader.at();
        skip_numbers(reader, key, value.kind, 1);
    }
    return value;
}

void Metadata::skip_elements(HeaderReader &reader, std::string_view key, Kind element, uint64_t count,
                             int depth, uint64_t &budget) {
    // Every element has at least one byte, so this comes before any limit of ours: a count that the
    // file cannot hold is damage.
    const size_t least = element == Kind::text ? 8 : element == Kind::array ? 12 : width(element);
    if (count > reader.left() / least)
        reader.damaged("the array " + in_quotes(key) + " claims " + std::to_string(count) +
                       " elements, the " + std::to_string(reader.left()) +
                       " bytes that are left cannot hold them");
    if (count > budget)
        throw LimitError("the array " + in_quotes(key) + " of the model file " + reader.path() +
                         " has more than " + std::to_string(max_array_elements) + " elements (" +
                         std::to_string(count) + "); use a model with a smaller vocabulary");
    budget -= count;
    if (element == Kind::text) {
        const std::string what = value_of(key);
        for (uint64_t i = 0; i < count; ++i)
            reader.skip(reader.number<uint64_t>(what), what);
    } else if (element == Kind::array) {
        if (depth == max_array_depth)
            reader.damaged("the array " + in_quotes(key) + " is nested more than " +
                           std::to_string(max_array_depth) + " deep");
        for (uint64_t i = 0; i < count; ++i) {
            const Kind inner = read_kind(reader, key);
            const auto inner_count = reader.number<uint64_t>("the length of " + in_quotes(key));
            skip_elements(reader, key, inner, inner_count, depth + 1, budget);
        }
    } else {
        skip_numbers(reader, key, element, count);
    }
}

void Metadata::skip_numbers(HeaderReader &reader, std::string_view key, Kind kind, uint64_t count) {
    if (kind != Kind::boolean)
        return reader.skip(count * width(kind), value_of(key));
    for (uint64_t i = 0; i < count; ++i)
        if (const auto byte = reader.number<uint8_t>(value_of(key)); byte > 1)
            reader.damaged(in_quotes(key) + " has the truth value " + std::to_string(byte) +
                           ", not 0 or 1");
}

const Metadata::Value *Metadata::value(std::string_view key) const {
    const auto place = values_.find(key);
    return place == values_.end() ? nullptr : &place->second;
}

std::string Metadata::describe(const Value &value) {
    if (value.kind != Kind::array)
        return kind_names[static_cast<size_t>(value.kind)];
    return std::string("an array of ") + kind_names[static_cast<size_t>(value.element)];
}

void Metadata::wrong_type(std::string_view key, const Value &value, const char *wanted) {
    throw FormatError("the model file's " + in_quotes(key) + " is " + describe(value) + ", not " +
                      wanted + "; convert the model again");
}

const Metadata::Value *Metadata::array(std::string_view key, const char *wanted) const {
    const Value *found = value(key);
    if (found != nullptr && found->kind != Kind::array)
        wrong_type(key, *found, wanted);
    return found;
}

int64_t Metadata::integer_at(Kind kind, uint64_t offset, std::string_view key) const {
    switch (kind) {
    case Kind::u8:
        return load<uint8_t>(header_, offset);
    case Kind::i8:
        return load<int8_t>(header_, offset);
    case Kind::u16:
        return load<uint16_t>(header_, offset);
    case Kind::i16:
        return load<int16_t>(header_, offset);
    case Kind::u32:
        return load<uint32_t>(header_, offset);
    case Kind::i32:
        return load<int32_t>(header_, offset);
    case Kind::i64:
        return load<int64_t>(header_, offset);
    case Kind::u64: {
        const auto wide = load<uint64_t>(header_, offset);
        if (wide > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
            throw FormatError("the model file's " + in_quotes(key) + " holds " + std::to_string(wide) +
                              ", which is too large; convert the model again");
        return static_cast<int64_t>(wide);
    }
    default:
        break;
    }
    wrong_type(key, *value(key), "of integers");
}

double Metadata::real_at(Kind kind, uint64_t offset, std::string_view key) const {
    if (kind == Kind::f32)
        return load<float>(header_, offset);
    if (kind == Kind::f64)
        return load<double>(header_, offset);
    return static_cast<double>(integer_at(kind, offset, key));
}

std::optional<uint64_t> Metadata::integer(std::string_view key) const {
    const Value *found = value(key);
    if (found == nullptr)
        return std::nullopt;
    if (found->kind == Kind::u64)
        return load<uint64_t>(header_, found->offset);
    if (width(found->kind) == 0 || found->kind == Kind::boolean || found->kind == Kind::f32 ||
        found->kind == Kind::f64)
        wrong_type(key, *found, "an integer");
    const int64_t number = integer_at(found->kind, found->offset, key);
    if (number < 0)
        throw FormatError("the model file's " + in_quotes(key) + " is " + std::to_string(number) +
                          ", it must not be negative; convert the model again");
    return static_cast<uint64_t>(number);
}

std::optional<double> Metadata::real(std::string_view key) const {
    const Value *found = value(key);
    if (found == nullptr)
        return std::nullopt;
    if (width(found->kind) == 0 || found->kind == Kind::boolean)
        wrong_type(key, *found, "a number");
    return real_at(found->kind, found->offset, key);
}

std::optional<bool> Metadata::boolean(std::string_view key) const {
    const Value *found = value(key);
    if (found == nullptr)
        return std::nullopt;
    if (found->kind != Kind::boolean)
        wrong_type(key, *found, "a truth value");
    return load<uint8_t>(header_, found->offset) != 0;
}

std::optional<std::string_view> Metadata::text(std::string_view key) const {
    const Value *found = value(key);
    if (found == nullptr)
        return std::nullopt;
    if (found->kind != Kind::text)
        wrong_type(key, *found, "text");
    return std::string_view(reinterpret_cast<const char *>(header_.data()) + found->offset,
                            found->count);
}

std::optional<std::vector<std::string_view>> Metadata::texts(std::string_view key) const {
    const Value *found = array(key, "an array of text");
    if (found == nullptr)
        return std::nullopt;
    if (found->element != Kind::text)
        wrong_type(key, *found, "an array of text");
    std::vector<std::string_view> out(found->count);
    uint64_t at = found->offset;
    for (std::string_view &view : out) {
        const auto length = load<uint64_t>(header_, at);
        view = {reinterpret_cast<const char *>(header_.data()) + at + 8, length};
        at += 8 + length;
    }
    return out;
}

std::optional<std::vector<int64_t>> Metadata::integers(std::string_view key) const {
    const Value *found = array(key, "an array of integers");
    if (found == nullptr)
        return std::nullopt;
    const size_t step = width(found->element);
    if (step == 0 || found->element == Kind::boolean || found->element == Kind::f32 ||
        found->element == Kind::f64)
        wrong_type(key, *found, "an array of integers");
    std::vector<int64_t> out(found->count);
    for (uint64_t i = 0; i < found->count; ++i)
        out[i] = integer_at(found->element, found->offset + i * step, key);
    return out;
}

std::optional<std::vector<float>> Metadata::reals(std::string_view key) const {
    const Value *found = array(key, "an array of numbers");
    if (found == nullptr)
        return std::nullopt;
    const size_t step = width(found->element);
    if (step == 0 || found->element == Kind::boolean)
        wrong_type(key, *found, "an array of numbers");
    std::vector<float> out(found->count);
    for (uint64_t i = 0; i < found->count; ++i)
        out[i] = static_cast<float>(real_at(found->element, found->offset + i * step, key));
    return out;
}

std::vector<std::string_view> Metadata::keys() const {
    std::vector<std::string_view> out;
    out.reserve(values_.size());
    for (const auto &entry : values_)
        out.push_back(entry.first);
    return out;
}

} // namespace nexus::engine
