/* What the NVMe specification fixes: registers, the two entries of a queue, opcodes.
 *
 * From NVM Express Base Specification 1.4; only what this driver uses. It does nothing. Numbers are
 * little-endian, as the processors that this is built for are.
 */
#ifndef AM_NVME_COMMAND_H
#define AM_NVME_COMMAND_H

#include <stdint.h>

enum am_nvme_register {
    AM_NVME_CAP = 0x00,   /* 64 bits: what the controller can do */
    AM_NVME_VS = 0x08,
    AM_NVME_INTMS = 0x0c, /* interrupts to mask */
    AM_NVME_CC = 0x14,    /* configuration: enable, entry sizes, shutdown */
    AM_NVME_CSTS = 0x1c,  /* status: ready, fatal, shutdown */
    AM_NVME_AQA = 0x24,   /* depths of the admin queue */
    AM_NVME_ASQ = 0x28,   /* 64 bits: where it lies */
    AM_NVME_ACQ = 0x30,
    AM_NVME_BELLS = 0x1000,
};
enum { AM_NVME_CC_ON = 1, AM_NVME_CC_SHUT = 1 << 14, AM_NVME_CC_SHUT_MASK = 3 << 14,
       AM_NVME_CC_SIZES = 6 << 16 | 4 << 20 };
enum { AM_NVME_READY = 1, AM_NVME_FATAL = 2, AM_NVME_SHUT_MASK = 3 << 2, AM_NVME_SHUT_DONE = 2 << 2 };

enum am_nvme_admin { /* opcodes of the admin queue */
    AM_NVME_MAKE_SUBMISSION = 0x01,
    AM_NVME_DELETE_SUBMISSION = 0x00,
    AM_NVME_DELETE_COMPLETION = 0x04,
    AM_NVME_MAKE_COMPLETION = 0x05,
    AM_NVME_IDENTIFY = 0x06,
    AM_NVME_SET_FEATURES = 0x09,
};
enum am_nvme_io_opcode { AM_NVME_FLUSH = 0x00, AM_NVME_WRITE = 0x01, AM_NVME_READ = 0x02,
                         AM_NVME_WRITE_ZEROES = 0x08 };
enum { AM_NVME_QUEUE_COUNT = 0x07 }; /* a feature */

struct am_nvme_command {
    uint8_t opcode, flags;
    uint16_t id;
    uint32_t name_space;
    uint64_t reserved, metadata, prp1, prp2;
    uint32_t word10, word11, word12, word13, word14, word15;
};
_Static_assert(sizeof(struct am_nvme_command) == 64, "the specification");

struct am_nvme_completion {
    uint32_t result, reserved;
    uint16_t head, queue, id, status; /* status: the lowest bit is the phase */
};
_Static_assert(sizeof(struct am_nvme_completion) == 16, "the specification");

#endif
