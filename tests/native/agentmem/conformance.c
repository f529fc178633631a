/* Conformance of libagentmem's backends: see conformance.h.
 *
 *   conformance PLACE [PART]   PLACE: a broker's socket, or /dev/agentmem
 *
 * Of the broker conformance.sh runs it, under the sanitizers of the build; of the module
 * scripts/kernel/suite.py does, in a guest. Both set a quota for an agent first. */
#include "conformance.h"

struct offers offers;
const char *place;

am_client *client_of(const char *realm, const char *agent)
{
    am_options options;
    am_client *client = NULL;
    am_options_default(&options);
    options.socket = place;
    options.realm = realm;
    options.agent = agent;
    const int status = am_connect(&options, &client);
    if (status != 0)
        say(false, "connect", "%s/%s: %s: %s", realm, agent, am_status_name(status), am_error());
    return client;
}

bool refuses(int status, int wanted, const char *word, const char *name)
{
    return say(status == wanted && strstr(am_error(), word) != NULL, name, "%s: %s", am_status_name(status),
               status == 0 ? "" : am_error());
}

bool works(int status, const char *name)
{
    return say(status == 0, name, "%s", status == 0 ? "" : am_error());
}

void fill(void *to, uint64_t length, unsigned seed)
{
    enum { PATTERN = 1021 }; /* no divisor of a page's size: no two pages are the same */
    uint8_t *bytes = to;
    for (uint64_t at = 0; at < length && at < PATTERN; at++)
        bytes[at] = (uint8_t)("abcdefgh ijklmnop\n"[(at * 7 + seed) % 18] + (at % 97 == seed % 97));
    for (uint64_t at = PATTERN; at < length; at += PATTERN)
        memcpy(bytes + at, bytes, length - at < PATTERN ? length - at : PATTERN);
}

bool holds(const am_unit *unit, const void *bytes, uint64_t length)
{
    return unit->length == length && unit->data != NULL && memcmp(unit->data, bytes, length) == 0;
}

/* What the backend says it is; everything else follows from that, here and nowhere else. */
static bool look_at_offers(void)
{
    am_client *client = client_of("conform", "looker");
    char *json = NULL;
    if (client == NULL || !works(am_stats(client, &json), "stats"))
        return false;
    const bool broker = text_is(json, "backend", "broker"), kernel = text_is(json, "backend", "kernel");
    offers =
        (struct offers){.names = broker, .empty_units = broker, .tells_apart = broker};
    const bool known = say(broker != kernel, "backend", "%s at %s", broker ? "broker" : "kernel", place);
    free(json);
    am_close(client);
    return known;
}

bool alone(am_client *client)
{
    for (int tries = 0; tries < 500; tries++, usleep(10000))
        if (stat_of(client, "store.units") == 0 && stat_of(client, "store.readers") == 1)
            return true;
    return false;
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"content", conform_content}, {"spaces", conform_spaces},   {"refusals", conform_refusals},
                 {"quotas", conform_quotas},   {"agents", conform_agents},   {"deaths", conform_deaths},
                 {"threads", conform_threads}, {"figures", conform_figures}, {"offers", conform_offers},
                 {"inventory", conform_inventory}};
    if (count < 2 || count > 3) {
        fprintf(stderr, "usage: %s PLACE [PART]\n", arguments[0]);
        return 2;
    }
    place = arguments[1];
    if (!look_at_offers())
        return said();
    for (size_t n = 0; n < sizeof parts / sizeof *parts; n++)
        if (count == 2 || strcmp(arguments[2], parts[n].name) == 0)
            parts[n].run();
    am_client *client = client_of("conform", "looker");
    say(client != NULL && alone(client), "nothing-left", "%.0f units, %.0f clients",
        stat_of(client, "store.units"), stat_of(client, "store.readers"));
    am_close(client);
    return said();
}
