/* Letters beyond ASCII, for the alphabets in daily use: Latin, Greek, Cyrillic, and scripts without cases.
 * Not the whole of Unicode: what is not known here is no letter and has no other case. */
#ifndef NX_LETTERS_H
#define NX_LETTERS_H

#include "py/mpconfig.h"
#include "py/misc.h"

bool nx_is_letter(unichar c);
unichar nx_to_upper(unichar c);
unichar nx_to_lower(unichar c);

static inline bool nx_is_upper(unichar c)
{
    return nx_to_lower(c) != c;
}

static inline bool nx_is_lower(unichar c)
{
    return nx_to_upper(c) != c || c == 0xdf;
}

#endif
