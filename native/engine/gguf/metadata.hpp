// The keys and values of a GGUF file's header.
//
// Knows types and lengths, not what a key means. Values stay as they lie in the header and are
// decoded when asked for; every length was checked when the header was read, and nothing was
// allocated that the file does not really hold.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "header_reader.hpp"

namespace nexus::engine {

/// Limits of a header. A file beyond them is refused with LimitError.
inline constexpr uint64_t max_metadata_keys = 65536;
inline constexpr uint64_t max_array_elements = 1000000; // a vocabulary of 256k tokens has 515k merges
inline constexpr int max_array_depth = 4;

class Metadata {
  public:
    Metadata() = default;

    /// Reads `count` entries from where `reader` stands. FormatError or LimitError; names the key.
    void read(HeaderReader &reader, uint64_t count);

    /// Takes over the file's first bytes, which the values lie in; called once after `read`.
    void own(std::vector<std::byte> header) { header_ = std::move(header); }

    // A key that is not there gives nothing; one of another type throws FormatError.
    std::optional<uint64_t> integer(std::string_view key) const; // any integer type, not negative
    std::optional<double> real(std::string_view key) const;      // any number
    std::optional<bool> boolean(std::string_view key) const;
    std::optional<std::string_view> text(std::string_view key) const;
    std::optional<std::vector<std::string_view>> texts(std::string_view key) const;
    std::optional<std::vector<int64_t>> integers(std::string_view key) const; // an array of them
    std::optional<std::vector<float>> reals(std::string_view key) const;      // an array of numbers

    bool has(std::string_view key) const { return values_.find(key) != values_.end(); }
    /// All keys in alphabetical order.
    std::vector<std::string_view> keys() const;

  private:
    enum class Kind : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64 };
    struct Value {
        Kind kind;
        Kind element;    // of an array
        uint64_t count;  // elements of an array, bytes of a text
        uint64_t offset; // of the first byte in the header, past any length
    };

    const Value *value(std::string_view key) const;
    const Value *array(std::string_view key, const char *wanted) const;
    [[noreturn]] static void wrong_type(std::string_view key, const Value &value, const char *wanted);
    static std::string describe(const Value &value);
    static size_t width(Kind kind);
    static Kind read_kind(HeaderReader &reader, std::string_view key);
    static void skip_elements(HeaderReader &reader, std::string_view key, Kind element, uint64_t count,
                              int depth, uint64_t &budget);
    static void skip_numbers(HeaderReader &reader, std::string_view key, Kind kind, uint64_t count);
    static Value read_value(HeaderReader &reader, std::string_view key);
    int64_t integer_at(Kind kind, uint64_t offset, std::string_view key) const;
    double real_at(Kind kind, uint64_t offset, std::string_view key) const;

    std::vector<std::byte> header_;
    std::map<std::string, Value, std::less<>> values_;
};

} // namespace nexus::engine
