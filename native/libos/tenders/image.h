/* A guest's ELF file, checked. Knows the bytes, not where they come from or go.
 *
 * The bytes are foreign: nothing outside of them is read, and an image that is taken lies wholly between
 * NX_IMAGE and the limit, has no page that is both writable and executable, no page of two segments, and an
 * entry inside of its code. */
#ifndef NX_IMAGE_H
#define NX_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#define NX_SEGMENTS_MAX 8u
#define NX_IMAGE_HEAD 4096u /* bytes of the file's start in which all headers lie */
#define NX_PAGE 4096u

enum { NX_READ = 1, NX_WRITE = 2, NX_EXECUTE = 4 };

struct nx_segment {
    uint64_t address;   /* guest; not always a page's start */
    uint64_t file_size; /* <= memory_size; the rest is zero */
    uint64_t memory_size;
    uint64_t offset; /* in the file; the same place in its page as `address` */
    unsigned access; /* NX_READ | .. */
};

struct nx_image {
    uint64_t entry;
    uint64_t end; /* the first page behind the last segment */
    unsigned count;
    struct nx_segment segments[NX_SEGMENTS_MAX]; /* ascending */
};

/* Checks the file's first `size` bytes (all of them, or NX_IMAGE_HEAD), the file being `file_size` long, for
 * a guest whose memory ends at `limit`. Returns NULL with *image set, or why it is refused. */
const char *nx_image_check(const uint8_t *head, size_t size, uint64_t file_size, uint64_t limit,
                           struct nx_image *image);

#endif
