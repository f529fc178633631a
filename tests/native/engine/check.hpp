// What a native test checks: CHECK says what does not hold and goes on; `main` returns failures != 0.
#pragma once

#include <cstdio>

inline int failures = 0;

/// More arguments are a format and its values, printed when the condition does not hold.
#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            std::fprintf(stderr, "%s:%d: %s does not hold", __FILE__, __LINE__, #condition);                           \
            __VA_OPT__(std::fprintf(stderr, ": " __VA_ARGS__);)                                                        \
            std::fputc('\n', stderr);                                                                                  \
            ++failures;                                                                                                \
        }                                                                                                              \
    } while (0)
