/* What a tender says of itself: one line on standard error when it refuses, one line of JSON for --probe.
 *
 * Texts are built in place; what does not fit is cut and ends in "..". Nothing allocates, nothing fails. */
#ifndef NX_REPORT_H
#define NX_REPORT_H

#include <stddef.h>
#include <stdint.h>

#define NX_REFUSED 125 /* exit status: a bad command line or image, or a broken channel */
#define NX_FAULTED 139 /* exit status: the guest did what it may not */

/* Why something did not work. `value` is what the user gave, or NULL. */
struct nx_trouble {
    const char *value;
    const char *why;
    long error; /* the kernel's error number, positive; 0: none */
};

/* Sets the trouble and returns -1. `result` is a system call's, negative, or 0. */
static inline int nx_trouble(struct nx_trouble *trouble, const char *value, const char *why, long result)
{
    *trouble = (struct nx_trouble){value, why, result < 0 ? -result : 0};
    return -1;
}

struct nx_text {
    size_t size;
    char bytes[1024];
};

void nx_text_add(struct nx_text *text, const char *more);
void nx_text_number(struct nx_text *text, uint64_t number);
void nx_text_thousandths(struct nx_text *text, uint64_t number); /* 1234: "1.234" */
void nx_text_trouble(struct nx_text *text, const struct nx_trouble *trouble);
void nx_text_write(const struct nx_text *text, int fd);

size_t nx_length(const char *text);

/* Writes "PROGRAM: VALUE: WHY: ERROR" to standard error and returns NX_REFUSED. */
int nx_refuse(const char *program, const struct nx_trouble *trouble);

#endif
