/* `nexus-agentmemd --stats`: asks a running broker and prints what it says. 0, or 1 with a line on stderr. */
#ifndef AM_STATS_CLIENT_H
#define AM_STATS_CLIENT_H

int am_stats_print(const char *socket);

#endif
