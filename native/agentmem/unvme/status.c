/* See status.h. The words of the controller's codes are the specification's, shortened. */
#include "status.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static const struct { int status; const char *word; } words[] = {
    {0, "success"},
    {AM_NVME_TIMEOUT, "no answer in time"},
    {AM_NVME_GONE, "the controller is gone"},
    {AM_NVME_STUCK, "the controller does not come back from a reset"},
    {AM_NVME_FAULT, "the controller reported a fatal state"},
    {AM_NVME_ALIGNMENT, "not a multiple of the block size"},
    {AM_NVME_REFUSED, "the device cannot be used"},
    {AM_NVME_BUSY, "another process has the device"},
    {AM_NVME_MEMORY, "no memory"},
    {AM_NVME_LOST, "the disk may have lost what it had not flushed; open it again"},
    {0x01, "invalid opcode"},
    {0x02, "invalid field"},
    {0x03, "command id in use"},
    {0x04, "data transfer error"},
    {0x05, "aborted: power loss"},
    {0x06, "internal error"},
    {0x07, "aborted on request"},
    {0x08, "aborted: queue deleted"},
    {0x0b, "invalid namespace"},
    {0x0c, "command sequence error"},
    {0x13, "PRP offset invalid"},
    {0x1c, "sanitize failed"},
    {0x1d, "sanitize in progress"},
    {AM_NVME_PROTECTED, "namespace is write-protected"},
    {AM_NVME_OUT_OF_RANGE, "LBA out of range"},
    {AM_NVME_CAPACITY, "capacity exceeded"},
    {0x82, "namespace not ready"},
    {0x83, "reservation conflict"},
    {0x84, "format in progress"},
    {0x100, "completion queue invalid"},
    {0x101, "queue id invalid"},
    {0x102, "queue size invalid"},
    {0x10f, "firmware needs a reset"},
    {0x180, "conflicting attributes"},
    {AM_NVME_READ_ONLY, "write to a read-only range"},
    {0x280, "write fault"},
    {0x281, "unrecovered read error"},
    {0x282, "guard check failed"},
    {0x285, "compare failure"},
    {0x286, "access denied"},
    {0x287, "block was deallocated or not written"},
};

const char *am_nvme_word(int status)
{
    static _Thread_local char unknown[64];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].status == status)
            return words[i].word;
    snprintf(unknown, sizeof unknown, "status type %d code 0x%02x", status >> 8 & 7, (unsigned)status & 0xff);
    return unknown;
}

int am_nvme_because(char why[AM_NVME_WHY], int status, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(why, AM_NVME_WHY, format, values);
    va_end(values);
    return status;
}
