#include "load.h"

#include "boot.h"
#include "nx_abi.h"
#include "system.h"

#include <asm/stat.h>
#include <linux/errno.h>
#include <linux/fcntl.h>

#define FILE_KIND 0170000u
#define REGULAR 0100000u
#define FOLDER 0040000u

/* Opens a regular file for reading. Returns the descriptor, or -1. */
static int open_file(const char *path, uint64_t *size, struct nx_trouble *trouble)
{
    struct stat about;
    /* NONBLOCK: a FIFO without a writer would hold us here. */
    long fd = nx_sys3(__NR_open, (long)path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0)
        return nx_trouble(trouble, path, "cannot be opened", fd);
    long result = nx_sys3(__NR_fstat, fd, (long)&about, 0);
    if (result < 0)
        return nx_trouble(trouble, path, "cannot be looked at", result);
    if ((about.st_mode & FILE_KIND) != REGULAR)
        return nx_trouble(trouble, path, "not a file", (about.st_mode & FILE_KIND) == FOLDER ? -EISDIR : 0);
    *size = (uint64_t)about.st_size;
    return (int)fd;
}

static int read_head(int fd, uint8_t *head, size_t *size, struct nx_trouble *trouble)
{
    for (*size = 0; *size < NX_IMAGE_HEAD;) {
        long n =
            nx_sys6(__NR_pread64, fd, (long)(head + *size), (long)(NX_IMAGE_HEAD - *size), (long)*size, 0, 0);
        if (n == -EINTR)
            continue;
        if (n < 0)
            return nx_trouble(trouble, NULL, "cannot be read", n);
        if (n == 0)
            break;
        *size += (size_t)n;
    }
    return 0;
}

static int load_image(const struct nx_options *options, struct nx_guest *guest, uint64_t *end,
                      struct nx_trouble *trouble)
{
    static uint8_t head[NX_IMAGE_HEAD];
    struct nx_image image;
    uint64_t file_size;
    size_t size;
    int fd = open_file(options->image, &file_size, trouble);
    if (fd < 0 || read_head(fd, head, &size, trouble) != 0)
        return -1;
    const char *why = nx_image_check(head, size, file_size, guest->memory.end, &image);
    if (why)
        return nx_trouble(trouble, options->image, why, 0);
    for (unsigned i = 0; i < image.count; i++) {
        if (nx_memory_file(&guest->memory, fd, &image.segments[i], trouble) != 0) {
            trouble->value = options->image;
            return -1;
        }
    }
    guest->entry = image.entry;
    *end = image.end;
    return 0;
}

int nx_load(const struct nx_options *options, bool native, uint32_t ring, uint64_t doorbell,
            struct nx_guest *guest, struct nx_trouble *trouble)
{
    struct nx_module_file modules[NX_MODULES_MAX];
    uint64_t end;
    if (nx_memory_reserve(&guest->memory, NX_BASE + options->memory, native, trouble) != 0
        || nx_memory_zeroed(&guest->memory, NX_BASE, NX_IMAGE, NX_READ | NX_WRITE, trouble) != 0
        || load_image(options, guest, &end, trouble) != 0)
        return -1;
    for (unsigned i = 0; i < options->module_count; i++) {
        modules[i].name = options->modules[i].name;
        modules[i].fd = open_file(options->modules[i].file, &modules[i].size, trouble);
        if (modules[i].fd < 0)
            return -1;
    }
    guest->stack = NX_IMAGE - 8;
    return nx_boot_place(&guest->memory, end, modules, options->module_count, options->words,
                         options->word_count, ring, doorbell, &guest->boot, trouble);
}
