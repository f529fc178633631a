/* What nexus-agentmemd is told on its command line, with every default filled in. It opens nothing. */
#ifndef AM_OPTIONS_H
#define AM_OPTIONS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

enum am_mode { AM_MODE_RUN = 1, AM_MODE_STATS, AM_MODE_CHECK, AM_MODE_TAKE, AM_MODE_VERSION, AM_MODE_HELP };

struct am_broker_options {
    enum am_mode mode;
    char socket[sizeof(((struct sockaddr_un *)0)->sun_path)];
    char folder[PATH_MAX];
    char cold_on[32]; /* a bare disk for the cold tier, like nvme:0000:00:04.0; empty: in the folder */
    char erase[24];   /* the serial number of the disk that --take may erase; empty: none */
    uint64_t hot, warm, cold, quota_bytes; /* bytes; 0: cold: no cold tier, quota: none */
    uint64_t idle_after_ms, warm_after_ms, cold_after_ms;
    uint64_t patience_ms; /* how long a client may take no answer, or say no HELLO */
    uint32_t quota_units, workers, connections;
    bool with_parent, foreground; /* stay in the foreground and write the journal to stderr */
    bool debug;      /* a debugger may attach */
    bool sandbox;
};

/* 0, or -1 with a line that names the argument and what it takes. */
int am_broker_options_read(int argc, char **argv, struct am_broker_options *options, char *error,
                           size_t room);
extern const char am_broker_usage[];

#endif
