/* Conformance: an agent's inventory names what it owns, all of it, each unit once, and nothing of others. See
 * conformance.h. */
#include "conformance.h"

#define MOST 1000u /* units; the quota is less, and more than two pages of the module's list */

static void text_of(const am_id *id, char text[65])
{
    for (size_t n = 0; n < sizeof id->bytes; n++)
        snprintf(text + 2 * n, 3, "%02x", id->bytes[n]);
}

/* How often the list names this id; -1 where there is no list. Ids are unlike each other: a search does. */
static int named(const char *json, const am_id *id)
{
    char text[65];
    int times = 0;
    text_of(id, text);
    for (const char *at = json; at != NULL && (at = strstr(at, text)) != NULL; at++)
        times++;
    return json != NULL ? times : -1;
}

static char *inventory_of(am_client *client)
{
    char *json = NULL;
    const int status = am_inventory(client, &json);
    if (status != 0)
        say(false, "inventory-asked", "%s", am_error());
    return json;
}

static int owned(am_client *client)
{
    char *json = inventory_of(client);
    const int count = count_of(json, "owned");
    free(json);
    return count;
}

/* As many as the quota allows. */
static void many(am_client *client)
{
    static am_id ids[MOST];
    const double quota = stat_of(client, "limits.agent_units");
    unsigned kept = 0;
    am_unit unit;
    for (unsigned n = 0; n < MOST && n < quota; n++)
        if (am_publish(client, n & 1 ? AM_CONVERSATION : AM_TOOL_RESULT, &n, sizeof n, AM_NO_REFERENCE, &unit)
            == 0)
            ids[kept++] = unit.id;
    say(kept == quota && kept > 128, "inventory-units", "%u of %.0f", kept, quota);
    char *json = inventory_of(client);
    unsigned once = 0;
    for (unsigned n = 0; n < kept; n++)
        once += named(json, &ids[n]) == 1;
    say(once == kept && count_of(json, "owned") == (int)kept, "inventory-all", "%u of %u once, %d in all",
        once, kept, count_of(json, "owned"));
    free(json);
    for (unsigned n = 0; n < kept; n += 2)
        am_disown(client, &ids[n]);
    json = inventory_of(client);
    unsigned right = 0;
    for (unsigned n = 0; n < kept; n++)
        right += named(json, &ids[n]) == (int)(n & 1);
    say(right == kept, "inventory-disowned", "%u of %u are told as they are", right, kept);
    free(json);
    works(am_own(client, &ids[1]), "inventory-own-twice");
    say(owned(client) == (int)(kept / 2), "inventory-once", "owning twice is being listed once");
}

void conform_inventory(void)
{
    am_client *client = client_of("conform", "lister"), *other = client_of("conform", "reader");
    am_unit unit, held;
    if (client == NULL || other == NULL)
        return;
    char *json = inventory_of(client);
    say(count_of(json, "owned") == 0 && strstr(json != NULL ? json : "", "\"heads\":{}") != NULL,
        "inventory-none", "%.100s", json != NULL ? json : "");
    free(json);
    works(am_publish(other, AM_TOOL_DEF, "of another", 10, AM_NO_REFERENCE, &unit), "inventory-of-another");
    works(am_acquire(client, &unit.id, &held), "inventory-held");
    say(owned(client) == 0 && owned(other) == 1, "inventory-apart", "what is held is not owned");
    works(am_own(client, &unit.id), "inventory-own");
    json = inventory_of(client);
    say(named(json, &unit.id) == 1, "inventory-shared", "a unit of two owners is each one's");
    free(json);
    am_release(client, &held);
    works(am_agent_forget(other, NULL), "inventory-forget");
    say(owned(client) == 1 && owned(other) == 0, "inventory-forgotten", " ");
    works(am_disown(client, &unit.id), "inventory-disown");
    many(client);
    works(am_reconnect(client), "inventory-reconnect");
    say(owned(client) > 0, "inventory-again", "%d units", owned(client));
    works(am_agent_forget(client, NULL), "inventory-forget-all");
    say(owned(client) == 0, "inventory-empty", " ");
    refuses(am_inventory(client, NULL), AM_EINVAL, "NULL", "inventory-null");
    am_close(other);
    am_close(client);
}
