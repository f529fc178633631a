/* `nexus-agentmemd --take DISK`: makes an empty cold log of a bare disk, once, before a broker is given it.
 *
 * Only this ever cuts a disk; a broker refuses one that was not taken. A disk that holds anything is taken only
 * with its serial number said, because addresses of disks change with what else is in the machine. Exit
 * status 0: taken, 2: not, with the reason on stderr.
 */
#ifndef AM_TAKE_H
#define AM_TAKE_H

#include <stdint.h>

int am_take_disk(const char *disk, uint64_t limit, const char *erase); /* erase: a serial number; empty: none */

#endif
