/* Tying a child's life to its parent's. */
#include "nexus_platform.h"

#include <errno.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

int nx_die_with_parent(int signal)
{
#ifdef __linux__
    int kept = errno;
    /* The kernel reads an unsigned long; a negative number must stay out of range there. */
    int failed = prctl(PR_SET_PDEATHSIG, (unsigned long)signal, 0UL, 0UL, 0UL) != 0 ? errno : 0;
    errno = kept;
    return failed;
#else
    (void)signal;
    return ENOTSUP;
#endif
}
