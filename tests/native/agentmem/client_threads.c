/* Threads of one client against a real broker, while the connection is made again and again: what is held
 * stays as it is, what is asked for is found, and no reference is left.
 *
 *   client_threads SOCKET RECONNECTS
 *
 * Run by client_threads.sh, under the sanitizers of the build.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agentmem.h"

enum { UNITS = 40, READERS = 3, HELD = 6 };

static am_client *client;
static am_id ids[UNITS];
static size_t lengths[UNITS];
static _Atomic int stop, failures;
static char *agents;

static void fill(uint8_t *to, unsigned n)
{
    for (size_t at = 0; at < lengths[n]; at++)
        to[at] = (uint8_t)(at * 31 + n * 7 + 1);
}

static void verify(const am_unit *unit, unsigned n)
{
    bool good = unit->length == lengths[n];
    for (size_t at = 0; good && at < unit->length; at++)
        good = unit->data[at] == (uint8_t)(at * 31 + n * 7 + 1);
    if (!good) {
        fprintf(stderr, "unit %u has other bytes\n", n);
        atomic_fetch_add(&failures, 1);
    }
}

static bool works(int status, const char *what)
{
    if (status != 0) {
        fprintf(stderr, "%s: %s: %s\n", what, am_status_name(status), am_error());
        atomic_fetch_add(&failures, 1);
    }
    return status == 0;
}

static unsigned next(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void *read_on(void *argument)
{
    unsigned state = (unsigned)(uintptr_t)argument * 7919, which[HELD] = {0};
    am_unit held[HELD] = {{0}};
    while (!atomic_load(&stop)) {
        unsigned n = next(&state) % UNITS, at = next(&state) % HELD;
        if (held[at].reference != 0)
            verify(&held[at], which[at]);
        am_release(client, &held[at]);
        if (works(am_acquire(client, &ids[n], &held[at]), "acquire")) {
            which[at] = n;
            verify(&held[at], n);
        }
    }
    for (int at = 0; at < HELD; at++)
        am_release(client, &held[at]);
    return NULL;
}

static void *publish_on(void *argument)
{
    unsigned state = 5;
    uint8_t *content = argument;
    while (!atomic_load(&stop)) {
        unsigned n = next(&state) % UNITS;
        am_unit unit;
        fill(content, n);
        if (works(am_publish(client, AM_TOOL_DEF, content, lengths[n], 0, &unit), "publish known")) {
            verify(&unit, n);
            am_release(client, &unit);
        }
        char text[32];
        int length = snprintf(text, sizeof text, "new %u", next(&state));
        if (works(am_publish(client, AM_TOOL_RESULT, text, (uint64_t)length, 0, &unit), "publish new")) {
            am_id id = unit.id;
            am_release(client, &unit);
            works(am_disown(client, &id), "disown");
        }
    }
    return NULL;
}

/* The broker hears that the connection before was left when it is that one's turn, which may be after ours. */
static bool none_left(void)
{
    for (int tries = 0; tries < 1000; tries++) {
        free(agents);
        agents = NULL;
        if (!works(am_agents(client, &agents), "agents"))
            return false;
        if (strstr(agents, "\"references\":0,") != NULL)
            return true;
        usleep(10000);
    }
    return false;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    am_options options;
    am_options_default(&options);
    options.socket = argv[1];
    options.agent = "threads";
    uint8_t *content = malloc(2u << 20);
    if (content == NULL || !works(am_connect(&options, &client), "connect"))
        return 1;
    for (unsigned n = 0; n < UNITS;
         n++) { /* in slabs, in segments of their own, and one that is unmapped when unheld */
        am_unit unit;
        lengths[n] = n == UNITS - 1 ? 1100000 : n % 8 == 4 ? 66000 + n : 100 + n * 20;
        fill(content, n);
        if (!works(am_publish(client, AM_TOOL_DEF, content, lengths[n], 0, &unit), "publish"))
            return 1;
        ids[n] = unit.id;
        am_release(client, &unit);
    }
    pthread_t threads[READERS + 1];
    for (uintptr_t n = 0; n < READERS; n++)
        pthread_create(&threads[n], NULL, read_on, (void *)(n + 1));
    pthread_create(&threads[READERS], NULL, publish_on, content);
    for (int n = atoi(argv[2]); n > 0; n--)
        works(am_reconnect(client), "reconnect");
    atomic_store(&stop, 1);
    for (int n = 0; n <= READERS; n++)
        pthread_join(threads[n], NULL);
    if (!none_left()) {
        fprintf(stderr, "references are left: %s\n", agents);
        atomic_fetch_add(&failures, 1);
    }
    free(agents);
    am_close(client);
    free(content);
    return atomic_load(&failures) != 0;
}
