/* The process that outlives brokers: it holds the listening socket and every memfd that must not be lost,
 * forks a broker, and forks the next one when that one dies.
 *
 * It speaks with no client and reads no unit. A broker that is killed loses nothing that was kept: the next
 * one has the same descriptors, and clients that connect meanwhile wait in the socket's queue. Brokers that
 * die at once of themselves (not by SIGKILL) are started later and later (AM_BACK_OFF_*); after
 * AM_QUICK_DEATHS in a row what was kept is given up, because it may be what kills them, and after as many
 * again the supervisor ends. Ends: SIGTERM, SIGINT or SIGHUP let the broker write what is durable and end; it
 * is killed after AM_END_MS, or at a second SIGINT. When the supervisor itself is killed, the broker sees the
 * end of their line, writes, and ends.
 */
#ifndef AM_SUPERVISOR_H
#define AM_SUPERVISOR_H

#include "options.h"

#define AM_QUICK_MS 10000       /* a broker that lived for less died at once */
#define AM_QUICK_DEATHS 8
#define AM_BACK_OFF_LEAST_MS 50
#define AM_BACK_OFF_MOST_MS 5000
#define AM_END_MS 50000 /* less than what those who wait for its end allow (nexus.agentmem.broker: 60 s) */

int am_supervise(struct am_broker_options *options); /* the exit status */

#endif
