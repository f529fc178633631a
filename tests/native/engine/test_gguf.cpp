// engine/gguf/file.hpp keeps its word: what is sound is read, what is not is refused and named.
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>
#include <typeinfo>

#include "check.hpp"
#include "engine/error.hpp"
#include "engine/gguf/dequantise.hpp"
#include "engine/gguf/file.hpp"
#include "gguf_bytes.hpp"

using namespace nexus::engine;
using namespace nexus::test;

namespace {

template <class Expected, class Action> void expect_error(const char *part, Action &&action, int line) {
    try {
        action();
        std::fprintf(stderr, "line %d: nothing was thrown (wanted: %s)\n", line, part);
        failures++;
    } catch (const Expected &error) {
        if (std::string(error.what()).find(part) == std::string::npos) {
            std::fprintf(stderr, "line %d: \"%s\" lacks \"%s\"\n", line, error.what(), part);
            failures++;
        }
    } catch (const std::exception &error) {
        std::fprintf(stderr, "line %d: %s is the wrong error: %s\n", line, typeid(error).name(),
                     error.what());
        failures++;
    }
}

#define EXPECT(Expected, part, action)                                                                  \
    expect_error<Expected>(                                                                             \
        part, [&] { action; }, __LINE__)
#define REFUSED(Expected, part, bytes)                                                                  \
    expect_error<Expected>(                                                                             \
        part, [&] { GgufFile file(folder.write(bytes)); }, __LINE__)

const Folder folder;

void what_is_written_is_read() {
    for (const uint32_t version : {2u, 3u}) {
        Bytes bytes;
        bytes.header(2, 12, version).key("a.u8", U8, uint8_t(200)).key("a.i32", I32, int32_t(-5));
        bytes.key("a.u64", U64, UINT64_MAX).key("a.f32", F32, 0.5f).key("a.f64", F64, -2.25);
        bytes.key("a.yes", BOOL, uint8_t(1))
            .key("a.text", std::string("caf\xc3\xa9\0z", 7))
            .key("a.none", "");
        bytes.array("a.texts", TEXT, 3).text("one").text("").text("three");
        bytes.array("a.ints", I16, 2)
            .add<int16_t>(-300)
            .add<int16_t>(4)
            .array("a.reals", F32, 2)
            .add(1.5f)
            .add(-2.f);
        bytes.array("a.nested", ARRAY, 2).add(uint32_t(U8)).add(uint64_t(1)).add(uint8_t(9));
        bytes.add(uint32_t(TEXT)).add(uint64_t(1)).text("x");
        bytes.tensor("first", {4, 3}, 0, 64).tensor("second", {32}, 8, 0).pad();
        bytes.zeros(64);
        for (int i = 0; i < 12; ++i)
            bytes.add(static_cast<float>(i));
        GgufFile opened(folder.write(bytes));
        const GgufFile file = std::move(opened);

        CHECK(file.version() == version && file.alignment() == 32);
        CHECK(file.integer("a.u8") == 200u && file.integer("a.u64") == UINT64_MAX);
        CHECK(file.real("a.f32") == 0.5 && file.real("a.f64") == -2.25 && file.real("a.i32") == -5.0);
        CHECK(file.boolean("a.yes") == true);
        CHECK(file.text("a.text") == std::string_view("caf\xc3\xa9\0z", 7) && file.text("a.none") == "");
        CHECK((file.texts("a.texts") == std::vector<std::string_view>{"one", "", "three"}));
        CHECK((file.integers("a.ints") == std::vector<int64_t>{-300, 4}));
        CHECK((file.reals("a.reals") == std::vector<float>{1.5f, -2.f}));
        CHECK((file.reals("a.ints") == std::vector<float>{-300.f, 4.f}));
        CHECK(!file.integer("b") && !file.texts("b") && !file.text("b") && !file.boolean("b"));
        CHECK(file.metadata().keys().size() == 12 && file.metadata().has("a.nested"));

        CHECK(file.tensors().size() == 2 && file.tensors()[0].name == "first");
        const Tensor &first = file.tensor("first");
        CHECK(first.columns() == 4 && first.rows() == 3 && first.elements() == 12 && first.bytes == 48);
        CHECK(reinterpret_cast<uintptr_t>(first.data) % 32 == 0);
        float row[4];
        dequantise_rows(first, 2, 1, row);
        CHECK(row[0] == 8.f && row[3] == 11.f);
        CHECK(file.find("second")->type == TensorType::q8_0 && file.find("third") == nullptr);
        EXPECT(FormatError, "no tensor 'third'", file.tensor("third"));
        EXPECT(LimitError, "row 3 of 'first'", first.row(3));
        EXPECT(LimitError, "'first'", dequantise_rows(first, 1, UINT64_MAX, row));
        EXPECT(LimitError, "rows 2 to 4 of 'first'", dequantise_rows(first, 2, 2, row));
        EXPECT(LimitError, "'first'", dequantise_rows(first, UINT64_MAX, 1, row));
        file.check_unchanged();
    }
}

void a_value_of_another_type_is_named() {
    Bytes bytes;
    bytes.header(0, 5).key("text", "x").key("minus", I32, int32_t(-1)).key("f", F32, 1.f);
    bytes.array("wide", U64, 1).add(UINT64_MAX).array("list", TEXT, 0);
    const GgufFile file(folder.write(bytes));
    EXPECT(FormatError, "'text' is text, not an integer", file.integer("text"));
    EXPECT(FormatError, "'f' is f32, not an integer", file.integer("f"));
    EXPECT(FormatError, "'minus' is -1", file.integer("minus"));
    EXPECT(FormatError, "'list' is an array of text, not text", file.text("list"));
    EXPECT(FormatError, "'list' is an array of text, not an array of integers", file.integers("list"));
    EXPECT(FormatError, "'f' is f32, not an array of numbers", file.reals("f"));
    EXPECT(FormatError, "'f' is f32, not a truth value", file.boolean("f"));
    EXPECT(FormatError, "'text' is text, not a number", file.real("text"));
    EXPECT(FormatError, "'wide' holds 18446744073709551615", file.integers("wide"));
}

void what_is_no_model_file_is_refused() {
    EXPECT(IoError, "cannot open", GgufFile(folder.path() / "none.gguf"));
    EXPECT(IoError, "not a regular file", GgufFile{folder.path()});
    const auto pipe = folder.path() / "pipe";
    CHECK(mkfifo(pipe.c_str(), 0600) == 0);
    EXPECT(IoError, "not a regular file", GgufFile{pipe});
    EXPECT(IoError, "not a regular file", GgufFile("/dev/zero"));
    REFUSED(FormatError, "needs 4 bytes at byte 0, the file has 0", Bytes());
    REFUSED(FormatError, "not a GGUF model: it begins with '<htm'",
            Bytes().raw("<html>not found</html>"));
    REFUSED(FormatError, "the number of tensors", Bytes().raw("GGUF").add(uint32_t(3)).add(uint32_t(1)));
    REFUSED(UnsupportedError, "GGUF version 1", Bytes().header(0, 0, 1));
    REFUSED(UnsupportedError, "GGUF version 4", Bytes().header(0, 0, 4));
    REFUSED(UnsupportedError, "big-endian", Bytes().header(0, 0, 0x03000000));
    REFUSED(UnsupportedError, "one part of 3",
            Bytes().header(0, 1).key("split.count", U16, uint16_t(3)));
}

void hostile_metadata_is_refused() {
    const uint64_t huge = uint64_t(1) << 63;
    REFUSED(FormatError, "claims 9223372036854775808 metadata entries",
            Bytes().header(0, huge).zeros(64));
    REFUSED(FormatError, "metadata entry 0", Bytes().header(0, 1).add(huge).zeros(64));
    REFUSED(FormatError, "metadata entry 0 is 65536 bytes long",
            Bytes().header(0, 1).add(uint64_t(65536)).zeros(70000));
    REFUSED(FormatError, "is empty", Bytes().header(0, 1).key("", "x").zeros(64));
    REFUSED(FormatError, "'\\xc3(' is not UTF-8", Bytes().header(0, 1).key("\xc3(", "x"));
    REFUSED(FormatError, "is not UTF-8", Bytes().header(0, 1).key(std::string("a\0b", 3), "x"));
    REFUSED(FormatError, "is not UTF-8", Bytes().header(0, 1).key("\xed\xa0\x80", "x"));
    REFUSED(FormatError, "'k' is there twice",
            Bytes().header(0, 2).key("k", "x").key("k", U8, uint8_t(1)).zeros(64));
    REFUSED(FormatError, "'k' has value type 13",
            Bytes().header(0, 1).text("k").add(uint32_t(13)).zeros(64));
    REFUSED(FormatError, "value of 'k'",
            Bytes().header(0, 1).text("k").add(uint32_t(TEXT)).add(huge).zeros(8));
    REFUSED(FormatError, "value of 'k'",
            Bytes().header(0, 1).text("k").add(uint32_t(F64)).add(uint32_t(0)));
    REFUSED(FormatError, "'k' has the truth value 2",
            Bytes().header(0, 1).key("k", BOOL, uint8_t(2)).zeros(64));
    REFUSED(FormatError, "array 'k' claims 9223372036854775808",
            Bytes().header(0, 1).array("k", U8, huge));
    REFUSED(FormatError, "array 'k' claims 2305843009213693952",
            Bytes().header(0, 1).array("k", F64, huge / 4).zeros(64));
    REFUSED(FormatError, "array 'k' claims 9", Bytes().header(0, 1).array("k", TEXT, 9).zeros(71));
    REFUSED(FormatError, "value of 'k'",
            Bytes().header(0, 1).array("k", TEXT, 1).add(uint64_t(9)).zeros(8));
    REFUSED(LimitError, "more than 1000000",
            Bytes().header(0, 1).array("k", U8, 1000001).zeros(1000001));
    Bytes deep;
    deep.header(0, 1).array("k", ARRAY, 1);
    for (int i = 0; i < 8; ++i)
        deep.add(uint32_t(ARRAY)).add(uint64_t(1));
    REFUSED(FormatError, "nested more than 4 deep", deep.zeros(64));
    Bytes wide; // every inner array within the limit, all together past it
    wide.header(0, 1).array("k", ARRAY, 3);
    for (int i = 0; i < 3; ++i)
        wide.add(uint32_t(U8)).add(uint64_t(400000)).zeros(400000);
    REFUSED(LimitError, "more than 1000000", wide);
    for (const uint32_t alignment : {0u, 1u, 3u, 4u, 24u, 0x40000000u})
        REFUSED(FormatError, ("'general.alignment' is " + std::to_string(alignment)).c_str(),
                Bytes().header(0, 1).key("general.alignment", U32, alignment));
    REFUSED(FormatError, "'general.alignment' is text",
            Bytes().header(0, 1).key("general.alignment", "32"));
    GgufFile large(folder.write(Bytes().header(0, 1).array("k", U8, 1000000).zeros(1000000)));
    CHECK(large.integers("k")->size() == 1000000);
}

Bytes with_tensor(const std::vector<uint64_t> &shape, uint32_t type, uint64_t offset, size_t data) {
    Bytes bytes;
    return bytes.header(1, 0).tensor("w", shape, type, offset).pad().zeros(data);
}

void hostile_tensors_are_refused() {
    const uint64_t huge = uint64_t(1) << 63;
    REFUSED(FormatError, "claims 9223372036854775808 tensors", Bytes().header(huge, 0).zeros(64));
    REFUSED(FormatError, "name of tensor 0 is 65 bytes long",
            Bytes().header(1, 0).tensor(std::string(65, 'n'), {1}, 0, 0).zeros(64));
    REFUSED(FormatError, "name of tensor 0", Bytes().header(1, 0).tensor("", {1}, 0, 0).zeros(64));
    REFUSED(FormatError, "is not UTF-8", Bytes().header(1, 0).tensor("\xff", {1}, 0, 0).zeros(64));
    REFUSED(FormatError, "'w' has 0 dimensions", with_tensor({}, 0, 0, 64));
    REFUSED(FormatError, "'w' has 5 dimensions", with_tensor({1, 1, 1, 1, 1}, 0, 0, 64));
    REFUSED(FormatError, "'w' has size 0 in dimension 1", with_tensor({4, 0}, 0, 0, 64));
    REFUSED(FormatError, "too many weights",
            with_tensor({uint64_t(1) << 32, uint64_t(1) << 32}, 0, 0, 64));
    REFUSED(FormatError, "too many weights", with_tensor({huge}, 0, 0, 64));
    REFUSED(FormatError, "'w' takes", with_tensor({uint64_t(1) << 59}, 0, 0, 64));
    REFUSED(UnsupportedError, "type 10 (Q2_K)", with_tensor({256}, 10, 0, 256));
    REFUSED(UnsupportedError, "type 4000000000 (unknown)", with_tensor({256}, 4000000000u, 0, 256));
    REFUSED(FormatError, "'w' has 33 columns, type Q8_0 needs a multiple of 32",
            with_tensor({33, 2}, 8, 0, 128));
    REFUSED(FormatError, "not a multiple of 32", with_tensor({4}, 0, 16, 64));
    REFUSED(FormatError, "'w' takes 64 bytes from byte 32", with_tensor({16}, 0, 32, 95));
    REFUSED(FormatError, "'w' takes 64 bytes", with_tensor({16}, 0, ~uint64_t(31), 96));
    REFUSED(FormatError, "'w' takes 64 bytes from byte 0 of the data, the file has 0",
            with_tensor({16}, 0, 0, 0));
    REFUSED(FormatError, "'w' takes 64 bytes", with_tensor({128}, 36, 0, 63)); // the trailer counts
    Bytes twice;
    twice.header(2, 0).tensor("w", {8}, 0, 0).tensor("w", {8}, 0, 32).pad().zeros(64);
    REFUSED(FormatError, "'w' is there twice", twice);
    Bytes over;
    over.header(2, 0).tensor("a", {9}, 0, 32).tensor("b", {16}, 0, 0).pad().zeros(128);
    REFUSED(FormatError, "'b' and 'a' overlap at byte 32", over);
    const GgufFile exact(folder.write(with_tensor({16}, 0, 32, 96)));
    CHECK(exact.tensor("w").bytes == 64);
    const GgufFile no_tensors(folder.write(Bytes().header(0, 1).key("only", "words")));
    CHECK(no_tensors.tensors().empty() && no_tensors.text("only") == "words");
}

/// A file cut at any byte is refused, whatever it was in the middle of.
void no_part_of_a_file_is_a_file() {
    Bytes bytes;
    bytes.header(1, 3)
        .key("general.alignment", U32, uint32_t(64))
        .array("t", TEXT, 2)
        .text("ab")
        .text("c");
    bytes.key("f", F64, 1.0).tensor("w", {32, 2}, 8, 0).pad(64).zeros(68);
    { const GgufFile whole(folder.write(bytes)); }
    for (size_t size = 0; size < bytes.str().size(); ++size)
        REFUSED(FormatError, "", Bytes().raw(bytes.str().substr(0, size)));
}

void a_file_that_is_written_to_is_noticed() {
    const auto path = folder.write(with_tensor({16}, 0, 0, 64), "moving.gguf");
    const GgufFile file(path);
    file.check_unchanged();
    std::ofstream(path, std::ios::app) << "more";
    EXPECT(IoError, "written to while it was in use", file.check_unchanged());
}

} // namespace

int main() {
    what_is_written_is_read();
    a_value_of_another_type_is_named();
    what_is_no_model_file_is_refused();
    hostile_metadata_is_refused();
    hostile_tensors_are_refused();
    no_part_of_a_file_is_a_file();
    a_file_that_is_written_to_is_noticed();
    if (failures == 0)
        std::puts("ok");
    return failures == 0 ? 0 : 1;
}
