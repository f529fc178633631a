/* What the last failed call of this thread had to say. Knows no client. Invariant: am_error is never NULL and
 * belongs to the thread that asks. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client.h"

static _Thread_local char said[768];

int am_client_fail(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(said, sizeof said, format, arguments);
    va_end(arguments);
    return status;
}

int am_client_fail_text(int status, const void *text, size_t length)
{
    if (length == 0)
        return am_client_fail(status, "the broker answered %s and no more", am_status_name(status));
    size_t kept = length < sizeof said - 1 ? length : sizeof said - 1;
    memcpy(said, text, kept);
    said[kept] = '\0';
    return status;
}

const char *am_error(void)
{
    return said;
}

const char *am_status_name(int status)
{
    static const char *const names[] = {
        "ok",         "invalid value",   "not found",    "wrong type",    "wrong size", "not sealed",
        "over quota", "no memory",       "disk failing", "corrupt",       "no access",  "no broker",
        "forked",     "protocol broken", "busy",         "no files left", "not offered",
    };
    if (status > 0 || status <= -(int)(sizeof names / sizeof *names))
        return "unknown status";
    return names[-status];
}
