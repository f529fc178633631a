/* The broker's journal: one line an event, `time event=NAME key=value ...`, on stderr or in a file of bounded
 * size.
 *
 * It knows no event by name. A line is written with one write(2), so lines of two processes do not mix; it
 * holds no bytes of units and no keys. Texts that a client chose go through am_journal_text first.
 */
#ifndef AM_JOURNAL_H
#define AM_JOURNAL_H

#include <stddef.h>

#define AM_JOURNAL_LARGEST (4u << 20) /* a file that grows beyond it begins again, and says so */

void am_journal_to(int fd); /* 2 (stderr) until it is called; the caller's descriptor, not closed */
void am_say(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The text in quotes, with what is not plain ASCII as \xNN; cut to the room with "...". Returns out. */
char *am_journal_text(char *out, size_t room, const char *text, size_t bytes);

#endif
