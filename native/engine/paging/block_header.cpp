#include "block_header.hpp"

#include "../error.hpp"
#include "crc32c.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace nexus::engine {

namespace {

/// As it lies on the disk, little-endian.
struct Header {
    char magic[8];
    uint32_t version;
    uint32_t data_offset;
    uint32_t layers;
    uint32_t head_bytes;
    uint32_t page_bytes;
    uint32_t zero;
    std::array<std::byte, 32> model;
    uint8_t zeros[4096 - 68];
    uint32_t crc; // CRC-32C of all bytes before it
};
static_assert(sizeof(Header) == 4096 && offsetof(Header, crc) == 4092);

constexpr char magic[8] = {'N', 'X', 'B', 'L', 'O', 'C', 'K', 'S'};
constexpr uint32_t version = 1;
constexpr off_t lock_line_at = 4096;

struct alignas(4096) Sheet {
    std::byte bytes[4096];
};

/// Closes the file unless it was given away.
struct Descriptor {
    int file = -1;
    ~Descriptor() {
        if (file >= 0)
            ::close(file);
    }
};

[[noreturn]] void refuse(const std::filesystem::path &path, const char *what, int error) {
    throw IoError(std::string("cannot ") + what + " " + path.string() + ": " +
                  std::generic_category().message(error));
}

/// Bytes read, less than a sheet only at the end of the file; -1 with errno.
ssize_t read_sheet(int file, off_t at, Sheet &sheet) {
    std::memset(sheet.bytes, 0, sizeof sheet.bytes);
    ssize_t result;
    do
        result = ::pread(file, sheet.bytes, sizeof sheet.bytes, at);
    while (result < 0 && errno == EINTR);
    return result;
}

void write_sheet(int file, off_t at, const Sheet &sheet, const std::filesystem::path &path) {
    ssize_t result;
    do
        result = ::pwrite(file, sheet.bytes, sizeof sheet.bytes, at);
    while (result < 0 && errno == EINTR);
    if (result != sizeof sheet.bytes)
        refuse(path, "write the header of", result < 0 ? errno : ENOSPC);
}

/// The process that locked the file last, 0 if it did not say.
pid_t holder(int file) {
    Sheet sheet;
    pid_t process = 0;
    if (read_sheet(file, lock_line_at, sheet) > 0) {
        const auto *text = reinterpret_cast<const char *>(sheet.bytes);
        std::from_chars(text, text + 20, process);
    }
    return process;
}

/// Takes the lock, or throws. A process that was killed keeps it until the kernel has ended the writes that it had
/// under way, which is what the next one needs; so a holder that is no more is waited for.
void lock(int file, const std::filesystem::path &path) {
    for (int left = 500;; left--) {
        if (::flock(file, LOCK_EX | LOCK_NB) == 0)
            return;
        if (errno == EINTR)
            continue;
        if (errno != EWOULDBLOCK)
            refuse(path, "lock", errno);
        const pid_t process = holder(file);
        const bool ended = process > 0 && ::kill(process, 0) != 0 && errno == ESRCH;
        if (!ended || left == 0)
            throw IoError(path.string() + " is in use by " +
                          (process > 0 ? "process " + std::to_string(process) : "another process") +
                          (ended ? ", which has ended and whose writes have not; try again later"
                                 : "; stop it, or give this one a file of its own"));
        const timespec pause{0, 10'000'000};
        ::nanosleep(&pause, nullptr);
    }
}

int open_and_lock(const std::filesystem::path &path) {
    for (int attempt = 0;; attempt++) {
        Descriptor opened{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600)};
        struct stat ours, there;
        if (opened.file < 0 || ::fstat(opened.file, &ours) != 0)
            refuse(path, "open", errno);
        if (!S_ISREG(ours.st_mode))
            throw FormatError(path.string() + " is not a regular file; name another path for blocks");
        lock(opened.file, path);
        // Between opening and locking the file may have been removed: then the lock would guard nothing.
        if (::stat(path.c_str(), &there) == 0 && there.st_ino == ours.st_ino && there.st_dev == ours.st_dev)
            return std::exchange(opened.file, -1);
        if (attempt == 10)
            throw IoError(path.string() + " is removed again and again while it is opened; name another path");
    }
}

Header header_of(const BlockShape &shape) {
    Header header{};
    std::memcpy(header.magic, magic, sizeof magic);
    header.version = version;
    header.data_offset = block_data_offset;
    header.layers = shape.layers;
    header.head_bytes = shape.head_bytes;
    header.page_bytes = shape.page_bytes;
    header.model = shape.model;
    header.crc = crc32c(&header, offsetof(Header, crc));
    return header;
}

void make(int file, const std::filesystem::path &path, const BlockShape &shape) {
    const Header header = header_of(shape);
    Sheet sheet;
    std::memcpy(sheet.bytes, &header, sizeof header);
    write_sheet(file, 0, sheet, path);
    const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
    const Descriptor opened{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (::fsync(file) != 0 || opened.file < 0 || ::fsync(opened.file) != 0)
        refuse(path, "make", errno);
}

void check(const Sheet &sheet, const std::filesystem::path &path, const BlockShape &shape) {
    Header header;
    std::memcpy(&header, sheet.bytes, sizeof header);
    const std::string remedy = "; remove it, or name another path for blocks";
    if (std::memcmp(header.magic, magic, sizeof magic) != 0)
        throw FormatError(path.string() + " is no block file" + remedy);
    if (header.version != version)
        throw FormatError(path.string() + " is of version " + std::to_string(header.version) + ", not " +
                          std::to_string(version) + remedy);
    if (header.crc != crc32c(&header, offsetof(Header, crc)))
        throw FormatError("the header of " + path.string() + " is damaged (CRC-32C)" + remedy);
    std::string differs;
    const auto compare = [&](const char *what, uint32_t has, uint32_t wanted) {
        if (has != wanted)
            differs += std::string(differs.empty() ? "" : ", ") + what + " " + std::to_string(has) + " instead of " +
                       std::to_string(wanted);
    };
    compare("data offset", header.data_offset, block_data_offset);
    compare("layers", header.layers, shape.layers);
    compare("head bytes", header.head_bytes, shape.head_bytes);
    compare("page bytes", header.page_bytes, shape.page_bytes);
    if (header.model != shape.model)
        differs += std::string(differs.empty() ? "" : ", ") + "another model";
    if (!differs.empty())
        throw FormatError(path.string() + " was made for other blocks: " + differs + remedy);
}

void name_process(int file, const std::filesystem::path &path) {
    Sheet sheet{};
    const std::string line = std::to_string(::getpid()) + "\n";
    std::memcpy(sheet.bytes, line.data(), line.size());
    write_sheet(file, lock_line_at, sheet, path);
}

/// Whether the file can be read with O_DIRECT; if not, it is read without.
bool made_direct(int file) {
    const int flags = ::fcntl(file, F_GETFL);
    if (flags < 0 || ::fcntl(file, F_SETFL, flags | O_DIRECT) != 0)
        return false;
    Sheet sheet;
    if (read_sheet(file, 0, sheet) == sizeof sheet.bytes)
        return true;
    ::fcntl(file, F_SETFL, flags); // devices with larger sectors say so only when read
    return false;
}

} // namespace

void check_block_shape(const BlockShape &shape) {
    if (shape.layers < 1 || shape.layers > 65536)
        throw LimitError(std::to_string(shape.layers) + " layers: a block has 1 to 65536");
    for (const uint32_t bytes : {shape.head_bytes, shape.page_bytes})
        if (bytes == 0 || bytes % block_alignment != 0 || bytes > 1u << 30)
            throw LimitError(std::to_string(bytes) +
                             " bytes for a head or page: it must be a multiple of 4096, up to 2^30");
}

OpenBlockFile open_block_file(const std::filesystem::path &path, const BlockShape &shape, bool direct) {
    check_block_shape(shape);
    Descriptor opened{open_and_lock(path)};
    Sheet sheet;
    const ssize_t got = read_sheet(opened.file, 0, sheet);
    const off_t end = ::lseek(opened.file, 0, SEEK_END);
    if (got < 0 || end < 0)
        refuse(path, "read", errno);
    // A header is on the disk before the first slot is made: zeros alone are a file whose making was cut short.
    const bool blank = std::all_of(std::begin(sheet.bytes), std::end(sheet.bytes),
                                   [](std::byte byte) { return byte == std::byte{0}; });
    if (end <= static_cast<off_t>(block_data_offset) && blank)
        make(opened.file, path, shape);
    else
        check(sheet, path, shape);
    name_process(opened.file, path);
    const bool is_direct = direct && made_direct(opened.file);
    const auto bytes = std::max<uint64_t>(static_cast<uint64_t>(end), block_data_offset);
    return {std::exchange(opened.file, -1), is_direct, bytes};
}

} // namespace nexus::engine
