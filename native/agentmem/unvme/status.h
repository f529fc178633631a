/* What can go wrong, as numbers and as words.
 *
 * 0 is success. Positive: what the controller said, status code type in the upper byte and code in the lower
 * one. Negative: what this driver found out by itself.
 */
#ifndef AM_NVME_STATUS_H
#define AM_NVME_STATUS_H

enum am_nvme_status {
    AM_NVME_TIMEOUT = -1,   /* no answer in time; the controller was reset */
    AM_NVME_GONE = -2,      /* its registers cannot be read: pulled out or switched off */
    AM_NVME_STUCK = -3,     /* a reset did not bring it back */
    AM_NVME_FAULT = -4,     /* it reported a fatal state; it was reset */
    AM_NVME_ALIGNMENT = -5, /* not a multiple of the block size */
    AM_NVME_REFUSED = -6,   /* the device cannot be used; the text says why */
    AM_NVME_BUSY = -7,      /* another process has it */
    AM_NVME_MEMORY = -8,
    AM_NVME_LOST = -9,      /* a flush failed, or a reset came before it: what was written may be gone */
    AM_NVME_OUT_OF_RANGE = 0x80, /* of the controller's: those that callers ask for */
    AM_NVME_CAPACITY = 0x81,
    AM_NVME_PROTECTED = 0x20,
    AM_NVME_READ_ONLY = 0x182,
};

/* A word for each; of a code that is not known, its numbers. The text is the caller's thread's until the
 * next call. */
const char *am_nvme_word(int status);

#define AM_NVME_WHY 200 /* bytes of a text that says why */
int am_nvme_because(char why[AM_NVME_WHY], int status, const char *format, ...)
    __attribute__((format(printf, 3, 4))); /* gives the status back */

#endif
