/* See options.h. */
#include "options.h"

#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char am_broker_usage[] =
    "nexus-agentmemd: the broker of AgentMem, one for each user\n"
    "  nexus-agentmemd [OPTION...]           run\n"
    "  nexus-agentmemd --stats [SOCKET]      what a running broker holds, as text\n"
    "  nexus-agentmemd --check FOLDER        look for damage in a cold log; exit status 1 when there is any\n"
    "                                        (or --check nvme:0000:00:04.0)\n"
    "  nexus-agentmemd --take DISK           make an empty cold log of a bare NVMe disk, for --cold-on\n"
    "\n"
    "  --socket PATH       default $NEXUS_AGENTMEM, else $XDG_RUNTIME_DIR/nexus/agentmem.sock\n"
    "  --folder PATH       default $NEXUS_HOME/agentmem, else ~/.local/share/nexus/agentmem\n"
    "  --hot SIZE          units kept raw and mapped, such as 512M; default an eighth of the memory\n"
    "  --warm SIZE         units kept compressed in memory; default a sixteenth of the memory\n"
    "  --cold SIZE         units kept compressed on disk; default 16G, 0 for none\n"
    "  --cold-on DISK      experimental: on a bare NVMe disk such as nvme:0000:00:04.0, by a driver of\n"
    "                      its own; see docs/guides/agentmem-unvme.md\n"
    "  --erase SERIAL      with --take: even if the disk of this serial number holds something\n"
    "  --quota-bytes SIZE  what one agent may own; default 0, no limit\n"
    "  --quota-units N     how many units one agent may own; default 0, no limit\n"
    "  --idle-after TIME   an agent without requests for so long is idle, such as 5m; default 5m\n"
    "  --warm-after TIME   a unit that nobody used for so long is compressed; default 5m\n"
    "  --cold-after TIME   and goes to the disk after; default 24h\n"
    "  --patience TIME     a client that takes no answer for so long is closed; default 30s\n"
    "  --workers N         threads that hash, compress and read; default one for each processor, at most 8\n"
    "  --connections N     clients at a time; default 4096\n"
    "  --foreground        stay in the foreground, journal to stderr\n"
    "  --with-parent       end when the process that started this does; for programs that supervise it\n"
    "  --debug             let a debugger attach\n"
    "  --no-sandbox        run without landlock and seccomp\n"
    "  --version, --help\n";

enum {
    SOCKET = 1,
    FOLDER,
    HOT,
    WARM,
    COLD,
    COLD_ON,
    ERASE,
    TAKE,
    QUOTA_BYTES,
    QUOTA_UNITS,
    IDLE_AFTER,
    WARM_AFTER,
    COLD_AFTER,
    PATIENCE,
    WORKERS,
    CONNECTIONS,
    FOREGROUND,
    WITH_PARENT,
    DEBUG,
    NO_SANDBOX,
    STATS,
    CHECK,
    VERSION,
    HELP
};

static const struct option known[] = {
    {"socket", required_argument, NULL, SOCKET},
    {"folder", required_argument, NULL, FOLDER},
    {"hot", required_argument, NULL, HOT},
    {"warm", required_argument, NULL, WARM},
    {"cold", required_argument, NULL, COLD},
    {"cold-on", required_argument, NULL, COLD_ON},
    {"erase", required_argument, NULL, ERASE},
    {"take", required_argument, NULL, TAKE},
    {"quota-bytes", required_argument, NULL, QUOTA_BYTES},
    {"quota-units", required_argument, NULL, QUOTA_UNITS},
    {"idle-after", required_argument, NULL, IDLE_AFTER},
    {"warm-after", required_argument, NULL, WARM_AFTER},
    {"cold-after", required_argument, NULL, COLD_AFTER},
    {"patience", required_argument, NULL, PATIENCE},
    {"workers", required_argument, NULL, WORKERS},
    {"connections", required_argument, NULL, CONNECTIONS},
    {"foreground", no_argument, NULL, FOREGROUND},
    {"with-parent", no_argument, NULL, WITH_PARENT},
    {"debug", no_argument, NULL, DEBUG},
    {"no-sandbox", no_argument, NULL, NO_SANDBOX},
    {"stats", optional_argument, NULL, STATS},
    {"check", required_argument, NULL, CHECK},
    {"version", no_argument, NULL, VERSION},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

/* A whole number, then one of the units; false when it is anything else or too large. */
static bool number(const char *text, const char *units, const uint64_t *worth, uint64_t *out)
{
    char *end;
    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    const uint64_t count = strtoull(text, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;
    const uint64_t by = unit ? worth[unit - units] : 1;
    if (errno || (*end && (!unit || end[1])) || count > (1ull << 62) / by)
        return false;
    *out = count * by;
    return true;
}

static bool size(const char *text, uint64_t *out)
{
    static const uint64_t worth[] = {1ull << 10, 1ull << 20, 1ull << 30, 1ull << 40};
    return number(text, "KMGT", worth, out);
}

static bool duration(const char *text, uint64_t *out)
{
    static const uint64_t worth[] = {1000, 60 * 1000, 3600 * 1000, 24 * 3600 * 1000};
    const bool bare = text[0] && isdigit((unsigned char)text[strlen(text) - 1]);
    return !bare && number(text, "smhd", worth, out) && *out > 0;
}

static bool count(const char *text, uint32_t least, uint32_t most, uint32_t *out)
{
    uint64_t value;
    if (!number(text, "", NULL, &value) || value < least || value > most)
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool path(const char *text, char *out, size_t room)
{
    return text[0] && (size_t)snprintf(out, room, "%s", text) < room;
}

static void defaults(struct am_broker_options *options)
{
    const uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    const char *socket = getenv("NEXUS_AGENTMEM"), *run = getenv("XDG_RUNTIME_DIR");
    const char *home = getenv("NEXUS_HOME"), *data = getenv("XDG_DATA_HOME"), *user = getenv("HOME");
    *options = (struct am_broker_options){
        .mode = AM_MODE_RUN, .hot = memory / 8, .warm = memory / 16, .cold = 16ull << 30,
        .idle_after_ms = 5 * 60 * 1000, .patience_ms = 30 * 1000, .connections = 4096, .sandbox = true,
        .workers = processors < 1 ? 1 : processors > 8 ? 8 : (uint32_t)processors,
    };
    if (socket && socket[0])
        path(socket, options->socket, sizeof options->socket);
    else if (run && run[0])
        snprintf(options->socket, sizeof options->socket, "%s/nexus/agentmem.sock", run);
    if (home && home[0])
        snprintf(options->folder, sizeof options->folder, "%s/agentmem", home);
    else if (data && data[0])
        snprintf(options->folder, sizeof options->folder, "%s/nexus/agentmem", data);
    else if (user && user[0])
        snprintf(options->folder, sizeof options->folder, "%s/.local/share/nexus/agentmem", user);
}

static const char *disk(const char *value, char *to, size_t room)
{
    char address[16];
    return am_log_nvme_address(value, address) && path(value, to, room) ? NULL
                                                                        : "a disk such as nvme:0000:00:04.0";
}

static const char *take(struct am_broker_options *o, int option, const char *value)
{
    static const char size_wanted[] = "a size such as 512M (K, M, G, T)";
    static const char time_wanted[] = "a time such as 90s (s, m, h, d)";
    switch (option) {
    case SOCKET: return path(value, o->socket, sizeof o->socket) ? NULL : "a path of 1 to 107 bytes";
    case FOLDER: return path(value, o->folder, sizeof o->folder) ? NULL : "a path";
    case HOT: return size(value, &o->hot) && o->hot >= 1u << 20 ? NULL : "a size from 1M on";
    case WARM: return size(value, &o->warm) ? NULL : size_wanted;
    case COLD: return size(value, &o->cold) ? NULL : size_wanted;
    case COLD_ON: return disk(value, o->cold_on, sizeof o->cold_on);
    case TAKE: o->mode = AM_MODE_TAKE; return disk(value, o->cold_on, sizeof o->cold_on);
    case ERASE: return path(value, o->erase, sizeof o->erase) ? NULL : "the serial number of the disk";
    case QUOTA_BYTES: return size(value, &o->quota_bytes) ? NULL : size_wanted;
    case QUOTA_UNITS: return count(value, 0, UINT32_MAX, &o->quota_units) ? NULL : "a number";
    case IDLE_AFTER: return duration(value, &o->idle_after_ms) ? NULL : time_wanted;
    case WARM_AFTER: return duration(value, &o->warm_after_ms) ? NULL : time_wanted;
    case COLD_AFTER: return duration(value, &o->cold_after_ms) ? NULL : time_wanted;
    case PATIENCE: return duration(value, &o->patience_ms) ? NULL : time_wanted;
    case WORKERS: return count(value, 1, 64, &o->workers) ? NULL : "1 to 64";
    case CONNECTIONS: return count(value, 1, 65536, &o->connections) ? NULL : "1 to 65536";
    case FOREGROUND: o->foreground = true; return NULL;
    case WITH_PARENT: o->with_parent = true; return NULL;
    case DEBUG: o->debug = true; return NULL;
    case NO_SANDBOX: o->sandbox = false; return NULL;
    case STATS:
        o->mode = AM_MODE_STATS;
        return !value || path(value, o->socket, sizeof o->socket) ? NULL : "the path of a socket";
    case CHECK:
        o->mode = AM_MODE_CHECK;
        return path(value, o->folder, sizeof o->folder) ? NULL : "the broker's folder, or its disk";
    case VERSION: o->mode = AM_MODE_VERSION; return NULL;
    default: o->mode = AM_MODE_HELP; return NULL;
    }
}

int am_broker_options_read(int argc, char **argv, struct am_broker_options *options, char *error, size_t room)
{
    defaults(options);
    opterr = 0;
    optind = 0; /* from the start, also when called again */
    int index = 0;
    for (int option; (option = getopt_long(argc, argv, "+:", known, &index)) != -1;) {
        if (option == '?' || option == ':') {
            snprintf(error, room, "%s: %s; see --help", argv[optind - 1],
                     option == ':' ? "a value is missing" : "no such option");
            return -1;
        }
        const char *wanted = take(options, option, optarg);
        if (wanted) {
            snprintf(error, room, "--%s %s: give %s", known[index].name, optarg, wanted);
            return -1;
        }
    }
    /* `--stats SOCKET`, with a space, is what everybody types. */
    if (options->mode == AM_MODE_STATS && optind + 1 == argc
        && path(argv[optind], options->socket, sizeof options->socket))
        optind++;
    if (optind < argc) {
        snprintf(error, room, "%s: nothing is known to do with it; see --help", argv[optind]);
        return -1;
    }
    if (options->erase[0] && options->mode != AM_MODE_TAKE) {
        snprintf(error, room, "--erase goes with --take");
        return -1;
    }
    if (options->cold_on[0] && !options->cold) {
        snprintf(error, room, "--cold 0 leaves nothing for the disk; leave one of them out");
        return -1;
    }
    if (!options->socket[0] && (options->mode == AM_MODE_RUN || options->mode == AM_MODE_STATS)) {
        snprintf(error, room,
                 "there is no socket: give --socket, or set XDG_RUNTIME_DIR (too long a path is none)");
        return -1;
    }
    if (!options->folder[0] && options->mode == AM_MODE_RUN) {
        snprintf(error, room, "there is no folder: give --folder, or set NEXUS_HOME");
        return -1;
    }
    return 0;
}
