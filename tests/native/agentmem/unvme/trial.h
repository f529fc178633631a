/* What the programs of the guest share: telling what failed, bytes that can be told apart, a clock. */
#ifndef TRIAL_H
#define TRIAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern int failures;

#define EXPECT(true_, ...) \
    do { \
        if (!(true_)) { \
            printf("%s:%d: ", __FILE__, __LINE__); \
            printf(__VA_ARGS__); \
            printf("\n"); \
            failures++; \
        } \
    } while (0)

static inline void fill(uint8_t *bytes, uint64_t length, uint64_t seed)
{
    for (uint64_t i = 0; i < length; i += 8) {
        seed = (seed ^ seed >> 29) * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        memcpy(bytes + i, &seed, length - i < 8 ? length - i : 8);
    }
}

static inline uint64_t draw(uint64_t *random, uint64_t below)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random % below;
}

static inline uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* trial_data.c */
void trial_data(const char *address);    /* writes and reads of many sizes, threads, zeros, a reopening */
void trial_wipe(const char *address);    /* an empty disk, as far as anybody looks */
/* trial_errors.c */
void trial_errors(const char *address);  /* every error by its name, and the way back from it */
void trial_bad(const char *address, uint64_t place); /* no read there, and 1 MiB on no write */
void trial_pulled(const char *address);  /* the disk is taken out of the machine meanwhile */
/* trial_latency.c */
void trial_latency(const char *address); /* reads of 4 KiB, one after another, polled */
void trial_kernel(const char *device);   /* the same through the kernel, O_DIRECT */
/* trial_log.c */
void trial_log(const char *where, uint64_t records); /* appends, syncs and says so; 0: until the power goes */
void trial_replay(const char *where, uint64_t kept); /* what was said to be kept is there */
void trial_stranger(const char *where);              /* the disk holds something else, and is refused */

#endif
