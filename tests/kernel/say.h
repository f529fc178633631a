/* What the guests of the kernel's tests say on the serial line, where scripts/kernel/serial.py reads it.
 * It knows no device. Invariant: the status a program ends with is that of what it said. */
#ifndef SAY_H
#define SAY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static _Atomic int said_wrong;

/* One result. Returns `good`. A line is written at once, so that those of several processes stay whole. */
__attribute__((format(printf, 3, 4), unused))
static bool say(bool good, const char *name, const char *format, ...)
{
    char text[200], line[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!good)
        said_wrong++;
    snprintf(line, sizeof line, "NEXUS-KERNEL %s: %s %s\n", name, good ? "ok" : "FAIL", text);
    fputs(line, stdout);
    fflush(stdout);
    return good;
}

__attribute__((unused))
static void say_figure(const char *name, double value, const char *unit)
{
    printf("figure %s %.3f %s\n", name, value, unit);
    fflush(stdout);
}

__attribute__((unused))
static int said(void)
{
    return said_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}

__attribute__((unused))
static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* A number that follows from the state alone (splitmix64): a seed gives the same run again. */
__attribute__((unused))
static uint64_t chance(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

#endif
