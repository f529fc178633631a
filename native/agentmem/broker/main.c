/* nexus-agentmemd: the broker of AgentMem, and what can be asked of one. See options.c for the command
 * line. */
#include "fsck.h"
#include "options.h"
#include "stats_client.h"
#include "supervisor.h"
#include "take.h"
#include "wire.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    static struct am_broker_options options;
    char error[256];
    if (am_broker_options_read(argc, argv, &options, error, sizeof error) != 0) {
        fprintf(stderr, "nexus-agentmemd: %s\n", error);
        return 2;
    }
    switch (options.mode) {
    case AM_MODE_RUN: return am_supervise(&options);
    case AM_MODE_STATS: return am_stats_print(options.socket);
    case AM_MODE_TAKE: return am_take_disk(options.cold_on, options.cold, options.erase);
    case AM_MODE_CHECK: return am_fsck(options.folder);
    case AM_MODE_VERSION: printf("nexus-agentmemd API %d, wire %u\n", AM_API, AM_WIRE); return 0;
    case AM_MODE_HELP: fputs(am_broker_usage, stdout); return 0;
    }
    return 2;
}
