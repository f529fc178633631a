/* Conformance: STATS and AGENTS have the keys of docs/formats/agentmem-stats.md, and their numbers are true.
 * See conformance.h. */
#include "conformance.h"

static void keys(const char *json, const char *where)
{
    static const char *const tiers[] = {"hot", "warm", "cold"}, *const of_tier[] = {"units", "raw_bytes",
                                                                                    "stored_bytes"};
    static const char *const types[] = {"conversation", "system_prompt", "tool_def", "tool_result",
                                        "kv_page"};
    static const char *const of_type[] = {"units", "logical_bytes", "unique_bytes", "stored_bytes"};
    unsigned missing = 0;
    char path[80], first[80] = "";
    for (int n = 0; n < 3 * 3 + 5 * 4; n++) {
        if (n < 9)
            snprintf(path, sizeof path, "%stiers.%s.%s", where, tiers[n / 3], of_tier[n % 3]);
        else
            snprintf(path, sizeof path, "%stypes.%s.%s", where, types[(n - 9) / 4], of_type[(n - 9) % 4]);
        if (figure(json, path) < 0 && missing++ == 0)
            strcpy(first, path);
    }
    say(missing == 0, "keys", "%u missing in %s of tiers and types; %s", missing,
        *where ? "an agent" : "STATS", first);
}

static void stats(am_client *client)
{
    static const char *const wanted[] = {"format",
                                         "epoch",
                                         "limits.agent_bytes",
                                         "limits.agent_units",
                                         "store.table_bytes",
                                         "store.segment_bytes",
                                         "store.warm_bytes",
                                         "store.cold_bytes",
                                         "store.retiring_bytes",
                                         "store.realms",
                                         "store.agents",
                                         "store.readers",
                                         "store.units",
                                         "store.publishes",
                                         "store.found",
                                         "store.acquires",
                                         "store.restores_warm",
                                         "store.restores_cold",
                                         "store.evictions_warm",
                                         "store.evictions_cold",
                                         "store.freed",
                                         "store.broken",
                                         "store.restore_us.0",
                                         "store.restore_us.23"};
    char *json = NULL;
    if (!works(am_stats(client, &json), "figures-stats"))
        return;
    unsigned missing = 0;
    for (size_t n = 0; n < sizeof wanted / sizeof *wanted; n++)
        if (figure(json, wanted[n]) < 0)
            say(missing++ > 0, "figures-key", "%s is missing", wanted[n]);
    say(missing == 0 && figure(json, "format") == 1 && figure(json, "epoch") > 0, "figures-keys",
        "%u missing", missing);
    keys(json, "");
    say(json[0] == '{' && strcmp(json + strlen(json) - 2, "}\n") == 0, "figures-whole", " ");
    free(json);
}

static void agents(am_client *client)
{
    static const char *const wanted[] = {"number",     "space",         "importance",   "connections",
                                         "references", "units",         "shared_bytes", "private_bytes",
                                         "opened_ms",  "logical_bytes", "used_ms",      "pid"};
    char *json = NULL;
    for (size_t n = 0; n < sizeof wanted / sizeof *wanted; n++)
        say(agent_figure(client, "one", wanted[n]) >= 0, "agent-key", "%s", wanted[n]);
    if (!works(am_agents(client, &json), "figures-agents"))
        return;
    say(json[0] == '[' && strstr(json, "\"realm\":\"figures\"") != NULL, "agents-realm", " ");
    keys(json, "0.");
    free(json);
    say(agent_figure(client, "one", "durable") == 0, "agent-durable", "false");
    say(agent_figure(client, "one", "pid") == getpid(), "agent-pid", "%.0f",
        agent_figure(client, "one", "pid"));
}

void conform_figures(void)
{
    static const char same[] = "the same words for both";
    am_client *one = client_of("figures", "one");
    say(alone(one), "figures-alone", "what was before is gone");
    am_client *two = client_of("figures", "two");
    const double publishes = stat_of(one, "store.publishes"), found = stat_of(one, "store.found");
    am_unit first, second, talk;
    works(am_publish(one, AM_SYSTEM_PROMPT, same, sizeof same, 0, &first), "figures-publish");
    works(am_publish(two, AM_SYSTEM_PROMPT, same, sizeof same, 0, &second), "figures-same");
    works(am_publish(two, AM_CONVERSATION, same, sizeof same, AM_NO_REFERENCE, &talk), "figures-own");
    stats(one);
    agents(one);
    const double size = sizeof same;
    say(stat_of(one, "types.system_prompt.units") == 1
            && stat_of(one, "types.system_prompt.logical_bytes") == 2 * size
            && stat_of(one, "types.system_prompt.unique_bytes") == size
            && stat_of(one, "types.conversation.unique_bytes") == size,
        "figures-types", "two owners of one unit");
    say(stat_of(one, "tiers.hot.units") == 2 && stat_of(one, "tiers.hot.raw_bytes") == 2 * size
            && stat_of(one, "store.units") == 2 && stat_of(one, "store.agents") == 2
            && stat_of(one, "store.readers") == 2,
        "figures-tiers", "%.0f units of %.0f agents", stat_of(one, "store.units"),
        stat_of(one, "store.agents"));
    /* A broker is not asked for what its table shows: then a publish is an own. */
    say(stat_of(one, "store.publishes") >= publishes + 2 && stat_of(one, "store.found") >= found,
        "figures-counted", "%.0f publishes, %.0f found", stat_of(one, "store.publishes"),
        stat_of(one, "store.found"));
    say(agent_figure(one, "two", "units") == 2 && agent_figure(one, "two", "logical_bytes") == 2 * size
            && agent_figure(one, "two", "shared_bytes") == size
            && agent_figure(one, "two", "private_bytes") == size
            && agent_figure(one, "two", "types.conversation.unique_bytes") == size,
        "figures-agent", "%.0f shared, %.0f private", agent_figure(one, "two", "shared_bytes"),
        agent_figure(one, "two", "private_bytes"));
    say(agent_figure(one, "two", "references") == 1 && agent_figure(one, "two", "connections") == 1,
        "figures-held", "one reference");
    am_release(one, &first);
    am_release(two, &second);
    say(agent_figure(one, "two", "references") == 0, "figures-released", "none");
    am_close(two);
    am_close(one);
}
