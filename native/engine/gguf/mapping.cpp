#include "mapping.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../error.hpp"

namespace nexus::engine {

namespace {

[[noreturn]] void refuse(const std::filesystem::path &path, const char *what, int error) {
    throw IoError(std::string("cannot ") + what + " the model file " + path.string() + ": " +
                  std::strerror(error));
}

} // namespace

Mapping::Mapping(const std::filesystem::path &path) : path_(path) {
    // O_NONBLOCK: a pipe of that name must not make us wait for its writer.
    descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor_ < 0)
        refuse(path, "open", errno);
    struct stat facts;
    if (fstat(descriptor_, &facts) != 0) {
        const int error = errno;
        close(descriptor_);
        refuse(path, "look at", error);
    }
    if (!S_ISREG(facts.st_mode)) {
        close(descriptor_);
        throw IoError("the model file " + path.string() +
                      " is not a regular file (a folder, pipe or device); name the .gguf file itself");
    }
    size_ = static_cast<uint64_t>(facts.st_size);
    changed_ = facts.st_mtim;
}

Mapping::~Mapping() {
    if (data_ != nullptr)
        munmap(const_cast<std::byte *>(data_), size_);
    close(descriptor_);
}

void Mapping::map() {
    void *place = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor_, 0);
    if (place == MAP_FAILED)
        refuse(path_, "map", errno);
    data_ = static_cast<const std::byte *>(place);
}

void Mapping::check_unchanged() const {
    struct stat facts;
    if (fstat(descriptor_, &facts) != 0)
        refuse(path_, "look at", errno);
    if (static_cast<uint64_t>(facts.st_size) != size_ || facts.st_mtim.tv_sec != changed_.tv_sec ||
        facts.st_mtim.tv_nsec != changed_.tv_nsec)
        throw IoError("the model file " + path_.string() +
                      " was written to while it was in use; load it again when it is complete");
}

} // namespace nexus::engine
