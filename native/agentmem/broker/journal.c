/* See journal.h. */
#include "journal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE 1024u

static int journal = STDERR_FILENO;

void am_journal_to(int fd)
{
    journal = fd;
}

/* One line, in one write. */
static void put_event(const char *event, const char *format, va_list values)
{
    char line[LINE];
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t at = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    at += (size_t)snprintf(line + at, sizeof line - at, ".%03ldZ pid=%d event=%s ", now.tv_nsec / 1000000,
                           getpid(), event);
    if (at > sizeof line - 2)
        at = sizeof line - 2;
    const int more = vsnprintf(line + at, sizeof line - at - 1, format, values);
    if (more > 0)
        at += (size_t)more < sizeof line - at - 1 ? (size_t)more : sizeof line - at - 2;
    line[at++] = '\n';
    while (write(journal, line, at) < 0 && errno == EINTR)
        ;
}

/* A client that is refused for ever must not fill the disk with the news of it. */
static bool begun_again_when_full(void)
{
    struct stat is;
    return fstat(journal, &is) == 0 && S_ISREG(is.st_mode) && is.st_size >= (off_t)AM_JOURNAL_LARGEST
           && ftruncate(journal, 0) == 0;
}

void am_say(const char *event, const char *format, ...)
{
    if (begun_again_when_full())
        am_say("journal_began_again", "after_bytes=%u", AM_JOURNAL_LARGEST);
    va_list values;
    va_start(values, format);
    put_event(event, format, values);
    va_end(values);
}

char *am_journal_text(char *out, size_t room, const char *text, size_t bytes)
{
    size_t at = 0;
    out[at++] = '"';
    for (size_t i = 0; i < bytes; i++) {
        if (at + 9 > room) {
            at += (size_t)snprintf(out + at, room - at, "...");
            break;
        }
        const unsigned char byte = (unsigned char)text[i];
        if (byte < ' ' || byte > '~' || byte == '"' || byte == '\\')
            at += (size_t)snprintf(out + at, room - at, "\\x%02x", byte);
        else
            out[at++] = (char)byte;
    }
    out[at++] = '"';
    out[at] = 0;
    return out;
}
