/* Giving free heap memory back: freed objects alone leave the process as large as it ever was. */
#include "nexus_platform.h"

#ifdef NEXUS_HAVE_MALLOC_TRIM
#include <errno.h>
#include <malloc.h>
#endif

bool nx_can_trim_heap(void)
{
#ifdef NEXUS_HAVE_MALLOC_TRIM
    return true;
#else
    return false;
#endif
}

bool nx_trim_heap(void)
{
#ifdef NEXUS_HAVE_MALLOC_TRIM
    int kept = errno;
    bool released = malloc_trim(0) == 1;
    errno = kept;
    return released;
#else
    return false;
#endif
}

bool nx_limit_heaps(int count)
{
#if defined(NEXUS_HAVE_MALLOC_TRIM) && defined(M_ARENA_MAX)
    int kept = errno;
    bool taken = count > 0 && mallopt(M_ARENA_MAX, count) == 1;
    errno = kept;
    return taken;
#else
    (void)count;
    return false;
#endif
}
