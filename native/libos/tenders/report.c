#include "report.h"

#include "system.h"

#include <linux/errno.h>

size_t nx_length(const char *text)
{
    size_t size = 0;
    while (text[size])
        size++;
    return size;
}

void nx_text_add(struct nx_text *text, const char *more)
{
    for (; *more; more++) {
        if (text->size == sizeof text->bytes) {
            text->bytes[text->size - 1] = text->bytes[text->size - 2] = '.';
            return;
        }
        /* One line, whatever is in a value: a control character could end it or move a terminal's cursor. */
        unsigned char c = (unsigned char)*more;
        text->bytes[text->size++] = c < ' ' || c == 0x7f ? '?' : *more;
    }
}

void nx_text_number(struct nx_text *text, uint64_t number)
{
    char digits[21];
    size_t at = sizeof digits - 1;
    digits[at] = 0;
    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    nx_text_add(text, digits + at);
}

void nx_text_thousandths(struct nx_text *text, uint64_t number)
{
    char rest[] = {'.', (char)('0' + number / 100 % 10), (char)('0' + number / 10 % 10),
                   (char)('0' + number % 10), 0};
    nx_text_number(text, number / 1000);
    nx_text_add(text, rest);
}

static const char *error_text(long error)
{
    switch (error) {
    case EPERM: return "not permitted";
    case ENOENT: return "no such file";
    case EIO: return "input/output error";
    case EBADF: return "bad file descriptor";
    case ENOMEM: return "out of memory";
    case EACCES: return "permission denied";
    case EBUSY: return "busy";
    case EEXIST: return "the address is taken";
    case ENODEV: return "not a file that can be mapped";
    case EISDIR: return "a folder";
    case EINVAL: return "invalid argument";
    case EMFILE: return "too many open files";
    case ENFILE: return "too many open files in the system";
    case ENOSYS: return "not in this kernel";
    default: return NULL;
    }
}

void nx_text_trouble(struct nx_text *text, const struct nx_trouble *trouble)
{
    if (trouble->value) {
        nx_text_add(text, trouble->value);
        nx_text_add(text, ": ");
    }
    nx_text_add(text, trouble->why);
    if (trouble->error) {
        const char *name = error_text(trouble->error);
        nx_text_add(text, ": ");
        if (name) {
            nx_text_add(text, name);
        } else {
            nx_text_add(text, "error ");
            nx_text_number(text, (uint64_t)trouble->error);
        }
    }
}

void nx_text_write(const struct nx_text *text, int fd)
{
    for (size_t done = 0; done < text->size;) {
        long n = nx_sys_write(fd, text->bytes + done, text->size - done);
        if (n <= 0 && n != -EINTR)
            return;
        done += n > 0 ? (size_t)n : 0;
    }
}

int nx_refuse(const char *program, const struct nx_trouble *trouble)
{
    struct nx_text text;
    text.size = 0;
    nx_text_add(&text, program);
    nx_text_add(&text, ": ");
    nx_text_trouble(&text, trouble);
    if (text.size == sizeof text.bytes)
        text.size--;
    text.bytes[text.size++] = '\n';
    nx_text_write(&text, 2);
    return NX_REFUSED;
}
