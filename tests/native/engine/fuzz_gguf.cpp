// Any bytes as a GGUF file: opened, every key asked for in every way, every tensor's first, middle
// and last rows decoded. Only the engine's own errors may come out; the sanitizers see the rest.
//
// With clang: -fsanitize=fuzzer,address,undefined -DNEXUS_LIBFUZZER makes it a libFuzzer target.
// Without, the program replays the files and folders that it is given.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "engine/error.hpp"
#include "engine/gguf/dequantise.hpp"
#include "engine/gguf/file.hpp"

namespace {

using namespace nexus::engine;

/// Runs `ask`; an error of the engine is an answer, anything else ends the program.
template <class Ask> void answer(Ask &&ask) {
    try {
        ask();
    } catch (const Error &error) {
        if (error.what()[0] == '\0')
            std::abort();
    }
}

void ask_metadata(const GgufFile &file) {
    std::vector<std::string_view> keys = file.metadata().keys();
    keys.push_back("no such key");
    size_t bytes = 0;
    for (const std::string_view key : keys) {
        answer([&] { bytes += file.integer(key).value_or(0) != 0; });
        answer([&] { bytes += file.real(key).value_or(0) > 1; });
        answer([&] { bytes += file.boolean(key).value_or(false); });
        answer([&] {
            for (const char c : file.text(key).value_or(""))
                bytes += c != 0;
        });
        answer([&] {
            for (const std::string_view text : file.texts(key).value_or(std::vector<std::string_view>{}))
                for (const char c : text)
                    bytes += c != 0;
        });
        answer([&] { bytes += file.integers(key).value_or(std::vector<int64_t>{}).size(); });
        answer([&] { bytes += file.reals(key).value_or(std::vector<float>{}).size(); });
    }
    if (bytes == SIZE_MAX)
        std::abort();
}

void decode(const GgufFile &file) {
    std::vector<std::pair<const std::byte *, const std::byte *>> places;
    for (const Tensor &tensor : file.tensors()) {
        if (file.find(tensor.name) != &tensor)
            std::abort();
        places.emplace_back(tensor.data, tensor.data + tensor.bytes);
        // Shapes are as large as the file: a fuzzer's is small, so all rows of all tensors fit.
        std::vector<float> row(tensor.columns());
        for (const uint64_t index : std::set<uint64_t>{0, tensor.rows() / 2, tensor.rows() - 1})
            answer([&] { dequantise_rows(tensor, index, 1, row.data()); });
        answer([&] { tensor.row(tensor.rows()); });
    }
    std::sort(places.begin(), places.end());
    for (size_t i = 1; i < places.size(); ++i)
        if (places[i - 1].second > places[i].first)
            std::abort();
    file.check_unchanged();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const int file = memfd_create("fuzz", MFD_CLOEXEC);
    for (size_t done = 0; done < size;) {
        const ssize_t wrote = write(file, data + done, size - done);
        if (wrote <= 0)
            std::abort();
        done += static_cast<size_t>(wrote);
    }
    answer([&] {
        const GgufFile opened("/proc/self/fd/" + std::to_string(file));
        ask_metadata(opened);
        decode(opened);
    });
    close(file);
    return 0;
}

#ifndef NEXUS_LIBFUZZER
int main(int count, char **arguments) {
    std::vector<std::filesystem::path> paths;
    for (int i = 1; i < count; ++i) {
        if (std::filesystem::is_directory(arguments[i]))
            for (const auto &entry : std::filesystem::directory_iterator(arguments[i]))
                paths.push_back(entry.path());
        else
            paths.emplace_back(arguments[i]);
    }
    for (const auto &path : paths) {
        std::ifstream stream(path, std::ios::binary);
        if (!stream) {
            std::fprintf(stderr, "cannot read %s\n", path.c_str());
            return 1;
        }
        const std::string bytes((std::istreambuf_iterator<char>(stream)),
                                std::istreambuf_iterator<char>());
        LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size());
    }
    std::printf("%zu files\n", paths.size());
    return paths.empty() ? 1 : 0;
}
#endif
