/* What the calls of libagentmem cost, and LMDB's beside them. Built and run by bench/agentmem_calls.py.
 *
 *   calls SOCKET FOLDER acquire|attach|publish|large|known|lmdb UNITS ROUNDS
 *
 * One JSON line: CPU nanoseconds of each batch or call, and wall nanoseconds beside them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agentmem.h"
#ifdef WITH_LMDB
#include <lmdb.h>
#endif

enum { SMALL = 1024, KEPT = 4096, BATCH = 1000 };
#define LARGE (50u << 20)

static double at(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void check(int status, const char *what)
{
    if (status == 0)
        return;
    fprintf(stderr, "%s: %d %s\n", what, status, am_error());
    exit(1);
}

struct figures {
    double *cpu, *wall;
    size_t count;
};
static double cpu_before, wall_before;

static void begin(void)
{
    wall_before = at(CLOCK_MONOTONIC);
    cpu_before = at(CLOCK_THREAD_CPUTIME_ID);
}

static void end(struct figures *figures, double calls)
{
    figures->cpu[figures->count] = (at(CLOCK_THREAD_CPUTIME_ID) - cpu_before) / calls;
    figures->wall[figures->count++] = (at(CLOCK_MONOTONIC) - wall_before) / calls;
}

static void print(const struct figures *figures)
{
    for (int which = 0; which < 2; which++) {
        const double *of = which ? figures->wall : figures->cpu;
        printf("%s\"%s\": [", which ? ", " : "{", which ? "wall" : "cpu");
        for (size_t n = 0; n < figures->count; n++)
            printf("%s%.1f", n ? ", " : "", of[n]);
        printf("]");
    }
    printf("}\n");
}

static am_client *client_of(const char *socket, const char *agent)
{
    am_options options;
    am_client *client;
    am_options_default(&options);
    options.socket = socket;
    options.agent = agent;
    check(am_connect(&options, &client), "connect");
    return client;
}

static void fill(char *to, size_t length, unsigned n)
{
    unsigned state = n * 2654435761u + 1;
    for (size_t k = 0; k < length; k += 4) {
        state = state * 1664525u + 1013904223u;
        memcpy(to + k, &state, 4);
    }
}

/* Units are asked for in another order than they were stored in; the names lie in the order they are asked
 * for. */
static unsigned where(unsigned n, unsigned units)
{
    return (unsigned)(n * 7919ull % units);
}

static void acquire(const char *socket, unsigned units, unsigned rounds, struct figures *figures)
{
    am_client *client = client_of(socket, "bench");
    am_id *ids = calloc(units, sizeof *ids);
    char content[SMALL];
    for (unsigned n = 0; n < units; n++) {
        am_unit unit;
        fill(content, sizeof content, n);
        check(am_publish(client, AM_TOOL_DEF, content, sizeof content, 0, &unit), "publish");
        ids[where(n, units)] = unit.id;
        am_release(client, &unit);
    }
    unsigned at_unit = 0, missed = 0;
    for (unsigned round = 0; round < rounds; round++) {
        begin();
        for (int n = 0; n < BATCH; n++) {
            am_unit unit;
            missed += am_acquire(client, &ids[at_unit++ % units], &unit) != 0 || unit.length != SMALL;
            am_release(client, &unit);
        }
        end(figures, BATCH);
    }
    check(missed == 0 ? 0 : -1, "acquire");
    am_close(client);
}

static void attach(const char *socket, unsigned rounds, struct figures *figures)
{
    am_client *first = client_of(socket, "first");
    am_unit unit;
    char content[SMALL];
    fill(content, sizeof content, 1);
    check(am_publish(first, AM_SYSTEM_PROMPT, content, sizeof content, 0, &unit), "publish");
    for (unsigned n = 0; n < rounds; n++) {
        am_unit found;
        begin(); /* hello, two files, three mappings, the first unit read */
        am_client *client = client_of(socket, "attached");
        check(am_acquire(client, &unit.id, &found), "acquire");
        if (found.data[5] != (uint8_t)content[5])
            check(-1, "other bytes");
        end(figures, 1);
        am_release(client, &found);
        am_close(client);
    }
    am_close(first);
}

static void publish(const char *socket, size_t length, bool known, unsigned rounds, struct figures *figures)
{
    am_client *client = client_of(socket, "publisher");
    char *content = malloc(length);
    am_unit unit;
    fill(content, length, 7);
    if (known)
        check(am_publish(client, AM_TOOL_RESULT, content, length, 0, &unit), "publish");
    for (unsigned n = 0; n < rounds; n++) {
        am_unit got;
        if (!known)
            memcpy(content, &n, sizeof n);
        begin();
        check(am_publish(client, AM_TOOL_RESULT, content, length, 0, &got), "publish");
        end(figures, 1);
        if (got.existed != known)
            check(-1, "found what should be new, or the other way");
        check(am_disown(client, &got.id), "disown");
        am_release(client, &got);
        if (known)
            check(am_own(client, &unit.id), "own");
    }
    free(content);
    am_close(client);
}

#ifdef WITH_LMDB
static void lmdb(const char *folder, unsigned units, unsigned rounds, struct figures *figures)
{
    MDB_env *environment;
    MDB_txn *transaction;
    MDB_dbi table;
    char content[SMALL];
    check(mdb_env_create(&environment), "lmdb");
    check(mdb_env_set_mapsize(environment, 1ull << 30), "lmdb");
    check(mdb_env_open(environment, folder, MDB_NOSYNC, 0600), "lmdb");
    check(mdb_txn_begin(environment, NULL, 0, &transaction), "lmdb");
    check(mdb_dbi_open(transaction, NULL, 0, &table), "lmdb");
    for (unsigned n = 0; n < units; n++) {
        unsigned name[8] = {n * 2654435761u, n};
        MDB_val key = {sizeof name, name}, value = {sizeof content, content};
        fill(content, sizeof content, n);
        check(mdb_put(transaction, table, &key, &value, 0), "lmdb put");
    }
    check(mdb_txn_commit(transaction), "lmdb");
    unsigned at_unit = 0, missed = 0;
    for (unsigned round = 0; round < rounds; round++) {
        begin();
        check(mdb_txn_begin(environment, NULL, MDB_RDONLY, &transaction), "lmdb");
        for (int n = 0; n < BATCH; n++) {
            unsigned which = where(at_unit++, units), name[8] = {which * 2654435761u, which};
            MDB_val key = {sizeof name, name}, value;
            missed += mdb_get(transaction, table, &key, &value) != 0 || value.mv_size != SMALL;
        }
        mdb_txn_abort(transaction);
        end(figures, BATCH);
    }
    check(missed == 0 ? 0 : -1, "lmdb get");
    mdb_env_close(environment);
}
#endif

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    const char *socket = argv[1], *what = argv[3];
    unsigned units = (unsigned)atoi(argv[4]), rounds = (unsigned)atoi(argv[5]);
    struct figures figures = {calloc(rounds, sizeof(double)), calloc(rounds, sizeof(double)), 0};
    if (strcmp(what, "acquire") == 0)
        acquire(socket, units, rounds, &figures);
    else if (strcmp(what, "attach") == 0)
        attach(socket, rounds, &figures);
    else if (strcmp(what, "publish") == 0)
        publish(socket, KEPT, false, rounds, &figures);
    else if (strcmp(what, "large") == 0)
        publish(socket, LARGE, false, rounds, &figures);
    else if (strcmp(what, "known") == 0)
        publish(socket, LARGE, true, rounds, &figures);
#ifdef WITH_LMDB
    else if (strcmp(what, "lmdb") == 0)
        lmdb(argv[2], units, rounds, &figures);
#endif
    else
        return 2;
    print(&figures);
    return 0;
}
