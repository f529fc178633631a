/* nexus_platform: the few things of the operating system and the CPU that Python cannot reach.
 *
 * No function allocates, keeps a pointer it was given, or changes errno. All may be called from any
 * thread at any time. Where the system lacks what a function needs, the function says so in its
 * result and changes nothing.
 */
#ifndef NEXUS_PLATFORM_H
#define NEXUS_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Ask the kernel to send `signal` to the calling process when its parent ends.
 *
 * Returns 0, or the error number: EINVAL for a `signal` the system does not know, ENOTSUP where the
 * system has no such service (only Linux has). On failure nothing has changed. `signal` 0 takes an
 * earlier request back.
 *
 * Caveats, all of them the kernel's:
 *  - "Parent" is the THREAD that started this process. When that thread ends, the signal comes,
 *    even if its process lives on. Fix: start children from a thread that lives as long as they may.
 *  - A parent that ended before this call is not noticed. Fix: compare getppid() with the expected
 *    process id after the call.
 *  - A fork()ed child does not inherit the request; execve() keeps it, except for a set-user-id
 *    program or one with file capabilities.
 */
int nx_die_with_parent(int signal);

/* Give free memory of the C heap back to the system.
 *
 * Returns whether any was given back; false too where the C library cannot do it (see
 * nx_can_trim_heap). It walks the whole heap under the allocator's locks: milliseconds for a heap
 * of gigabytes, so call it when idle. Memory in use is never touched.
 */
bool nx_trim_heap(void);

/* Whether nx_trim_heap can work with this C library (glibc: yes; musl and macOS: no). */
bool nx_can_trim_heap(void);

/* Let threads share at most `count` (above 0) heaps of the C library instead of eight for each core.
 *
 * Memory that one thread frees serves another only within a heap, so many of them hold much that is
 * free. Heaps that exist already stay: call it before threads are started. Returns whether the C
 * library can do it (glibc) and took the number.
 */
bool nx_limit_heaps(int count);

/* Give back the pages that are mapped of the code and constants of the program and its libraries.
 *
 * The kernel keeps them in its file cache, and maps a page again when it is next read: microseconds
 * where it is still cached, a read from the disk where it is not. Loading and using a large library
 * once otherwise counts in this process's resident memory for ever. Call it when idle.
 *
 * Stores in `*released` (not NULL) how many bytes were resident and are no longer. Returns 0, or the
 * error number: ENOTSUP on another system than Linux, what open() says where /proc/self/pagemap
 * cannot be read. On failure nothing has changed and `*released` is 0.
 *
 * Data is never touched: only whole pages of segments that are not writable are given back, and of
 * those only pages that are still the file's own. A page of code that was written to (a breakpoint,
 * relocated or patched code) stays. Code must not be patched by another thread during the call. It
 * holds the lock of the dynamic loader, so that no library can be unloaded meanwhile: milliseconds.
 */
int nx_release_libraries(size_t *released);

/* The same for what is mapped, shared, of files below `folder` (absolute, as /proc/self/maps prints
 * it, without a slash at its end). Changes are not lost, for they are the file's; private mappings are
 * left alone, and so are files whose own name begins with `except` (not NULL; "" for none).
 *
 * The caller must see to it that no thread unmaps one of the others during the call: its addresses
 * could become somebody's heap while they are being given back. Reading and writing is fine.
 */
int nx_release_files(const char *folder, const char *except, size_t *released);

/* Instruction sets that our kernels choose between at run time. */
struct nx_cpu_features {
    bool sse4_2;
    bool avx2;
    bool avx512f;
    bool avx512vnni;
    bool neon;
};

/* Fill `*features`. A flag is set only when both the CPU and the operating system (which must save
 * the wide registers) allow the instructions. `features` must not be NULL and stays the caller's.
 * This function cannot fail.
 */
void nx_cpu_features(struct nx_cpu_features *features);

#ifdef __cplusplus
}
#endif

#endif
