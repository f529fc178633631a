// What the engine throws. Every message names the value that was refused and what to do about it.
#pragma once

#include <stdexcept>
#include <string>

namespace nexus::engine {

/// The base of all errors of the engine. Nothing that was there before the call has changed.
class Error : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Bytes from outside are not what they claim to be: a damaged or hostile model file.
class FormatError : public Error {
  public:
    using Error::Error;
};

/// A sound file asks for something that this engine does not do; another engine may.
class UnsupportedError : public Error {
  public:
    using Error::Error;
};

/// The operating system refused: no space, no memory, an I/O error, a lock held by another process.
class IoError : public Error {
  public:
    using Error::Error;
};

/// A caller's value is out of range, or does not fit what is left.
class LimitError : public Error {
  public:
    using Error::Error;
};

} // namespace nexus::engine
