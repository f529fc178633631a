/* Conformance: one client in the hands of many threads, while it is connected again and again. See
 * conformance.h. */
#include "conformance.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 6, UNITS = 24, HELD = 5, ROUNDS = 96, RECONNECTS = 10 };

static am_client *client;
static am_id ids[UNITS];
static uint64_t lengths[UNITS];
static uint8_t *contents[UNITS];
static _Atomic unsigned wrong, done, acquired;

static void wrongly(const char *what)
{
    if (atomic_fetch_add(&wrong, 1) == 0)
        say(false, "threads-first", "%s: %s", what, am_error());
}

static void *work(void *argument)
{
    uint64_t state = (uintptr_t)argument;
    am_unit held[HELD] = {{0}};
    unsigned which[HELD] = {0};
    for (unsigned n = 0; n < ROUNDS; n++) {
        const unsigned at = (unsigned)(chance(&state) % HELD), of = (unsigned)(chance(&state) % UNITS);
        if (held[at].reference != 0 && !holds(&held[at], contents[which[at]], lengths[which[at]]))
            wrongly("held bytes changed");
        am_release(client, &held[at]);
        const int status = chance(&state) % 4 == 0
                               ? am_publish(client, AM_TOOL_DEF, contents[of], lengths[of], 0, &held[at])
                               : am_acquire(client, &ids[of], &held[at]);
        if (status != 0 || !holds(&held[at], contents[of], lengths[of]))
            wrongly("acquire or publish");
        which[at] = of;
        atomic_fetch_add(&acquired, status == 0);
        if (n % 16 == 0) {
            char text[40];
            am_unit fresh;
            const int length = snprintf(text, sizeof text, "%llx", (unsigned long long)chance(&state));
            if (am_publish(client, AM_TOOL_RESULT, text, (uint64_t)length, AM_NO_REFERENCE, &fresh) != 0
                || am_disown(client, &fresh.id) != 0)
                wrongly("publish and disown");
        }
    }
    for (unsigned at = 0; at < HELD; at++)
        am_release(client, &held[at]);
    atomic_fetch_add(&done, 1);
    return NULL;
}

void conform_threads(void)
{
    pthread_t threads[THREADS];
    client = client_of("conform", "threads");
    for (unsigned n = 0; n < UNITS && client != NULL; n++) {
        am_unit unit;
        lengths[n] = n == 0 ? 1200000 : 50 + n * 700;
        contents[n] = malloc(lengths[n]);
        fill(contents[n], lengths[n], n);
        contents[n][0] = (uint8_t)n;
        if (am_publish(client, AM_TOOL_DEF, contents[n], lengths[n], AM_NO_REFERENCE, &unit) != 0)
            wrongly("publish");
        ids[n] = unit.id;
    }
    unsigned started = 0;
    while (started < THREADS && client != NULL
           && pthread_create(&threads[started], NULL, work, (void *)(uintptr_t)(started + 1)) == 0)
        started++;
    unsigned again = 0;
    for (; again < RECONNECTS && started == THREADS; again++)
        if (am_reconnect(client) != 0)
            wrongly("reconnect");
    for (unsigned n = 0; n < started; n++)
        pthread_join(threads[n], NULL);
    say(atomic_load(&wrong) == 0 && atomic_load(&done) == THREADS, "threads",
        "%u threads, %u references, %u reconnects, "
        "%u wrong",
        atomic_load(&done), atomic_load(&acquired), again, atomic_load(&wrong));
    say(agent_figure(client, "threads", "references") == 0, "threads-released", "%.0f references left",
        agent_figure(client, "threads", "references"));
    works(am_agent_forget(client, NULL), "threads-forget");
    for (unsigned n = 0; n < UNITS; n++)
        free(contents[n]);
    am_close(client);
}
