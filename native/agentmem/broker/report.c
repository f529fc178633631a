/* See server.h: AGENTS and STATS as JSON (docs/formats/agentmem-stats.md), STATS also as text. What is
 * counted is the store's and the server's; here it is only written down. */
#include "server.h"

#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

static void measure(struct am_json *json, const char *key, const struct am_measure *measure)
{
    am_json_open(json, key, '{');
    am_json_truth(json, "on", measure->on);
    am_json_text(json, "reason", measure->reason);
    am_json_close(json, '}');
}

static void process(struct am_json *json, const struct am_server *server)
{
    const struct am_broker_start *start = server->start;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    am_json_open(json, "process", '{');
    am_json_signed(json, "pid", getpid());
    am_json_number(json, "uptime_ms", am_loop_now() - server->started_ms);
    am_json_number(json, "restarts", start->restarts);
    am_json_number(json, "wakeups", am_loop_turns(server->loop));
    am_json_number(json, "cpu_us", (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000
                                       + (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec));
    am_json_number(json, "open_files_limit", start->sandbox.open_files);
    am_json_signed(json, "oom_score_adj", start->sandbox.oom_score_adj);
    measure(json, "landlock", &start->sandbox.landlock);
    measure(json, "seccomp", server->seccomp);
    measure(json, "undumpable", &start->sandbox.undumpable);
    measure(json, "locked_in_memory", &start->sandbox.locked);
    measure(json, "oom_protected", &start->sandbox.oom);
    am_json_close(json, '}');
}

static void serving(struct am_json *json, const struct am_server *server)
{
    const struct am_server_counts *counts = &server->counts;
    am_json_open(json, "server", '{');
    am_json_number(json, "connections", server->connected);
    am_json_number(json, "connections_limit", server->start->options->connections);
    am_json_number(json, "accepted", counts->accepted);
    am_json_number(json, "turned_away", counts->refused);
    am_json_number(json, "closed", counts->closed);
    am_json_number(json, "closed_slow", counts->slow_closed);
    am_json_number(json, "closed_broken", counts->broken_closed);
    am_json_number(json, "processes_ended", counts->processes_ended);
    am_json_number(json, "out_of_files", counts->out_of_files);
    am_json_number(json, "requests", counts->requests);
    am_json_number(json, "requests_refused", counts->refusals);
    am_json_number(json, "requests_busy", counts->busy);
    am_json_number(json, "wrong_ids", counts->lies);
    am_json_number(json, "bytes_in", counts->bytes_in);
    am_json_number(json, "bytes_out", counts->bytes_out);
    am_json_number(json, "answers_queued", counts->packets_queued);
    am_json_number(json, "files_queued", server->queued_files);
    am_json_number(json, "hashing_bytes", server->hashing_bytes);
    am_json_number(json, "jobs_pending", am_pool_pending(server->pool));
    am_json_open(json, "by_operation", '{');
    for (unsigned i = AM_OP_HELLO; i <= AM_OP_LAST; i++)
        am_json_number(json, am_operation_name(i), counts->by_operation[i]);
    am_json_close(json, '}');
    am_json_close(json, '}');
    am_json_open(json, "pressure", '{');
    am_json_text(json, "source", server->pressure->source);
    am_json_number(json, "level", (uint64_t)am_pressure_level(server->pressure, am_loop_now()));
    am_json_number(json, "events", server->pressure->events);
    am_json_close(json, '}');
}

static void limits(struct am_json *json, const struct am_broker_options *options)
{
    am_json_open(json, "limits", '{');
    am_json_number(json, "hot_bytes", options->hot);
    am_json_number(json, "warm_bytes", options->warm);
    am_json_number(json, "cold_bytes", options->cold);
    am_json_number(json, "agent_bytes", options->quota_bytes);
    am_json_number(json, "agent_units", options->quota_units);
    am_json_number(json, "idle_after_ms", options->idle_after_ms);
    am_json_number(json, "workers", options->workers);
    am_json_close(json, '}');
}

static void write_stats(FILE *to, const struct am_ask *ask)
{
    const struct am_server *server = ask->connection->server;
    struct am_json json = {to, true};
    struct am_store_figures is;
    am_json_open(&json, NULL, '{');
    am_json_number(&json, "format", 1);
    am_json_text(&json, "backend", "broker");
    am_json_number(&json, "epoch", am_store_epoch(server->store));
    limits(&json, server->start->options);
    am_store_figures(server->store, &is);
    am_json_store(&json, &is);
    serving(&json, server);
    process(&json, server);
    am_json_close(&json, '}');
    fputc('\n', to);
}

static void write_agents(FILE *to, const struct am_ask *ask)
{
    const struct am_server *server = ask->connection->server;
    struct am_json json = {to, true};
    struct am_agent_figures is;
    am_json_open(&json, NULL, '[');
    for (size_t n = 0; am_agent_figures(server->store, n, &is); n++)
        am_json_agent(&json, &is);
    am_json_close(&json, ']');
    fputc('\n', to);
}

/* Like the files of /proc: a name and a number a line; one line an agent. The kernel's /proc/agent_stats has
 * the same lines in the same order; the broker loses no unit to want of memory. */
static void write_text(FILE *to, const struct am_ask *ask)
{
    const struct am_server *server = ask->connection->server;
    struct am_store_figures is;
    am_store_figures(server->store, &is);
    uint64_t logical = 0, unique = 0, kept = 0;
    for (int i = AM_CONVERSATION; i <= AM_KV_PAGE; i++) {
        logical += is.type[i].logical_bytes;
        unique += is.type[i].unique_bytes;
        kept += is.type[i].stored_bytes;
    }
    const struct { const char *key; uint64_t value; } figures[] = {
        {"Agents", is.agents}, {"Realms", is.realms}, {"Units", is.units}, {"LogicalBytes", logical},
        {"UniqueBytes", unique}, {"StoredBytes", kept}, {"HotBytes", is.tier[AM_HOT].stored_bytes},
        {"WarmBytes", is.tier[AM_WARM].stored_bytes}, {"ColdBytes", is.tier[AM_COLD].stored_bytes},
        {"Publishes", is.publishes}, {"Found", is.found}, {"Acquires", is.acquires},
        {"RestoresWarm", is.restores_warm}, {"RestoresCold", is.restores_cold}, {"Broken", is.broken},
        {"Dropped", 0}, {"Shrinks", server->pressure->events}};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        fprintf(to, "%-14s %llu\n", figures[i].key, (unsigned long long)figures[i].value);
    fprintf(to, "%-14s %.2f\n", "Ratio", kept ? (double)logical / (double)kept : 1.0);
    fprintf(to, "\n%7s %-7s %10s %9s %14s %14s %14s  %s\n", "PID", "STATE", "IMPORTANCE", "UNITS", "LOGICAL",
            "SHARED", "PRIVATE", "REALM/AGENT");
    struct am_agent_figures of;
    for (size_t n = 0; am_agent_figures(server->store, n, &of); n++)
        fprintf(to, "%7d %-7s %10u %9llu %14llu %14llu %14llu  %s/%s\n", of.pid,
                am_state_word(of.state), of.importance,
                (unsigned long long)of.units, (unsigned long long)of.logical_bytes,
                (unsigned long long)of.shared_bytes, (unsigned long long)of.private_bytes, of.realm, of.name);
}

/* The text in a memfd that nobody can change: the client may map it. */
static int sealed(const char *text, size_t bytes)
{
    int fd = memfd_create("agentmem-report", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("agentmem-report", MFD_CLOEXEC | MFD_ALLOW_SEALING); /* before Linux 6.3 */
    for (size_t at = 0; fd >= 0 && at < bytes;) {
        const ssize_t written = write(fd, text + at, bytes - at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            close(fd);
            return -1;
        }
        at += (size_t)written;
    }
    if (fd >= 0)
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    return fd;
}

void am_report(const struct am_ask *ask, void (*write_it)(FILE *, const struct am_ask *))
{
    am_store_settle(ask->connection->server->store);
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    bool whole = to != NULL;
    if (to) {
        write_it(to, ask);
        whole = !ferror(to);
        whole = fclose(to) == 0 && whole;
    }
    const int fd = whole ? sealed(text, bytes) : -1;
    free(text);
    if (fd < 0) {
        am_refuse(ask, whole ? AM_EFILES : AM_ENOMEM,
                  "the broker has no memory or descriptor for the report");
        return;
    }
    am_answer(ask, AM_OK, NULL, 0, fd, 0);
    close(fd);
}

void am_report_stats(const struct am_ask *ask, bool text)
{
    am_report(ask, text ? write_text : write_stats);
}

void am_report_agents(const struct am_ask *ask)
{
    am_report(ask, write_agents);
}
