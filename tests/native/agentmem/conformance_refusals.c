/* Conformance: what is refused, with which status and in which words, and the quotas. See conformance.h. */
#include "conformance.h"

#include <sys/stat.h>

static void connecting(void)
{
    char endless[AM_NAME_BYTES + 1];
    am_client *client = NULL;
    am_options options;
    memset(endless, 'a', AM_NAME_BYTES);
    endless[AM_NAME_BYTES] = 0;
    const struct {
        const char *name, *realm, *agent, *word;
        uint32_t importance;
        int32_t pid;
    } cases[] = {{"connect-importance", "conform", "x", "0 to 100", 101, 0},
                 {"connect-no-realm", "", "x", "empty", 50, 0},
                 {"connect-no-agent", "conform", "", "empty", 50, 0},
                 {"connect-endless", "conform", endless, "255", 50, 0},
                 {"connect-control", "conform", "a\nb", "control character", 50, 0},
                 {"connect-pid", "conform", "x", "or 0 for your own", 50, -5}};
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        am_options_default(&options);
        options.socket = place;
        options.realm = cases[n].realm;
        options.agent = cases[n].agent;
        options.importance = cases[n].importance;
        options.pid = cases[n].pid;
        refuses(am_connect(&options, &client), AM_EINVAL, cases[n].word, cases[n].name);
    }
    am_options_default(&options);
    options.socket = "/nowhere/agentmem";
    refuses(am_connect(&options, &client), AM_EBROKER, "start nexus-agentmemd", "connect-nowhere");
    options.socket = "/dev/null";
    refuses(am_connect(&options, &client), AM_EPROTOCOL, "not the device", "connect-other-device");
    say(client == NULL, "connect-unchanged", "no client of a failed connect");
    refuses(am_connect(&options, NULL), AM_EINVAL, "a place", "connect-null");
}

/* Which backend serves where no socket is named, or NEXUS_AGENTMEM names it. */
static void choosing(void)
{
    char home[] = "/tmp/conformance-XXXXXX", run[64], socket[80];
    am_client *client = NULL;
    am_options options;
    am_options_default(&options);
    if (!say(mkdtemp(home) != NULL, "choose-home", "%s", home))
        return;
    snprintf(run, sizeof run, "%s/run", home);
    snprintf(socket, sizeof socket, "%s/agentmem.sock", run);
    setenv("NEXUS_AGENTMEM", place, 1);
    setenv("NEXUS_HOME", home, 1);
    works(am_connect(NULL, &client), "choose-environment");
    say(stat_of(client, "store.readers") == 1, "choose-environment-same", "the backend under test");
    am_close(client);
    client = NULL;
    unsetenv("NEXUS_AGENTMEM");
    const bool device = access("/dev/agentmem", R_OK | W_OK) == 0;
    int status = am_connect(&options, &client);
    char *json = NULL;
    if (device)
        say(status == 0 && am_stats(client, &json) == 0 && text_is(json, "backend", "kernel"),
            "choose-device", "%s", status == 0 ? "no socket, so the module" : am_error());
    else
        refuses(status, AM_EBROKER, "start nexus-agentmemd", "choose-none");
    free(json);
    am_close(client);
    options.durable = true;
    refuses(am_connect(&options, &client), AM_EBROKER, "start nexus-agentmemd", "choose-durable");
    options.durable = false;
    FILE *left = mkdir(run, 0700) == 0 ? fopen(socket, "w") : NULL;
    refuses(am_connect(&options, &client), AM_EBROKER, "start nexus-agentmemd", "choose-broker-away");
    if (say(left != NULL, "choose-left", "%s", socket))
        fclose(left);
    unlink(socket);
    rmdir(run);
    rmdir(home);
    unsetenv("NEXUS_HOME");
}

void conform_refusals(void)
{
    connecting();
    choosing();
    am_client *client = client_of("conform", "one");
    am_unit unit = {.number = 77};
    am_id id = {{1, 2, 3}}, known;
    am_buffer buffer = {0};
    refuses(am_publish(client, 0, "text", 4, 0, &unit), AM_ETYPE, "types go from", "type-0");
    refuses(am_publish(client, 6, "text", 4, 0, &unit), AM_ETYPE, "types go from", "type-6");
    refuses(am_publish(client, AM_TOOL_DEF, "text", AM_LARGEST_UNIT + 1, 0, &unit), AM_ESIZE,
            "more than a unit", "too-large");
    refuses(am_buffer_create(client, AM_LARGEST_UNIT + 1, &buffer), AM_ESIZE, "more than a unit",
            "buffer-too-large");
    refuses(am_publish(client, AM_TOOL_DEF, NULL, 4, 0, &unit), AM_EINVAL, "NULL", "data-null");
    refuses(am_publish(client, AM_TOOL_DEF, "text", 4, AM_PRIVATE | AM_SHARED, &unit), AM_EINVAL, "either",
            "both-spaces");
    refuses(am_publish(client, AM_TOOL_DEF, "text", 4, 0, NULL), AM_EINVAL, "a place", "unit-null");
    refuses(am_identify(client, 9, "text", 4, false, &known), AM_ETYPE, "types go from", "identify-type");
    refuses(am_acquire(client, &id, &unit), AM_ENOTFOUND, "publish it", "acquire-unknown");
    refuses(am_acquire(client, NULL, &unit), AM_EINVAL, "NULL", "acquire-null");
    refuses(am_own(client, &id), AM_ENOTFOUND, "publish it", "own-unknown");
    refuses(am_disown(client, &id), AM_ENOTFOUND, "", "disown-unknown");
    refuses(am_mark(client, &id, 50), AM_ENOTFOUND, "publish it", "mark-unknown");
    refuses(am_mark(client, &id, 101), AM_EINVAL, "0 to 100", "mark-101");
    say(unit.number == 77, "refused-unchanged", "the caller's unit");
    am_client *other = client_of("conform", "two");
    works(am_publish(other, AM_TOOL_DEF, "of the other", 12, AM_NO_REFERENCE, &unit), "of-other");
    refuses(am_disown(client, &unit.id), AM_ENOTFOUND, "does not own", "disown-of-other");
    am_close(other);
    refuses(am_agent_state(client, NULL, AM_KILLED), AM_EINVAL, "not a state to set", "state-killed");
    refuses(am_agent_state(client, NULL, 0), AM_EINVAL, "not a state to set", "state-0");
    refuses(am_agent_state(client, "nobody", AM_IDLE), AM_ENOTFOUND, "no agent nobody", "state-nobody");
    refuses(am_agent_importance(client, NULL, 101), AM_EINVAL, "0 to 100", "importance-101");
    refuses(am_agent_importance(client, "nobody", 10), AM_ENOTFOUND, "no agent nobody", "importance-nobody");
    refuses(am_agent_forget(client, "nobody"), AM_ENOTFOUND, "no agent nobody", "forget-nobody");
    refuses(am_reconnect(NULL), AM_EINVAL, "needs a client", "reconnect-null");
    refuses(am_stats(client, NULL), AM_EINVAL, "NULL", "stats-null");
    const int status = am_publish(client, AM_TOOL_DEF, "", 0, 0, &unit);
    if (offers.empty_units) {
        say(status == 0 && unit.length == 0, "empty", "%s", am_status_name(status));
        known = unit.id;
        am_release(client, &unit);
        am_disown(client, &known);
    } else {
        refuses(status, AM_ESIZE, "takes 1 to", "empty-refused");
    }
    for (int n = 0; n >= AM_EUNSUPPORTED; n--)
        say(strcmp(am_status_name(n), "unknown status") != 0, "status-name", "%d: %s", n, am_status_name(n));
    say(strcmp(am_status_name(AM_EUNSUPPORTED - 1), "unknown status") == 0, "status-none", " ");
    am_close(client);
    am_close(NULL);
}

/* Both runners set a quota, small enough to be reached here. */
void conform_quotas(void)
{
    am_client *client = client_of("conform", "hoarder");
    const double units = stat_of(client, "limits.agent_units"), bytes = stat_of(client, "limits.agent_bytes");
    am_unit unit;
    if (!say(units > 1 && units <= 1000 && bytes > 1e6 && bytes <= 1e8, "quotas", "%.0f units, %.0f bytes",
             units, bytes))
        return;
    int status = 0;
    unsigned kept = 0;
    for (unsigned n = 0; n <= (unsigned)units && status == 0; n++) {
        status = am_publish(client, AM_TOOL_RESULT, &n, sizeof n, AM_NO_REFERENCE, &unit);
        kept += status == 0;
    }
    refuses(status, AM_EQUOTA, "quota", "quota-units");
    say(kept == (unsigned)units, "quota-units-kept", "%u", kept);
    works(am_agent_forget(client, NULL), "quota-forget");
    works(am_publish(client, AM_TOOL_RESULT, "again", 5, AM_NO_REFERENCE, &unit), "quota-units-again");

    const uint64_t part = 3u << 20;
    uint8_t *content = malloc(part);
    uint64_t owned = 5;
    status = 0;
    for (unsigned n = 0; n < 100 && status == 0; n++) {
        fill(content, part, n);
        content[0] = (uint8_t)n;
        status = am_publish(client, AM_TOOL_RESULT, content, part, AM_NO_REFERENCE, &unit);
        owned += status == 0 ? part : 0;
    }
    refuses(status, AM_EQUOTA, "quota", "quota-bytes");
    say((double)owned <= bytes && (double)(owned + part) > bytes, "quota-bytes-kept", "%llu of %.0f",
        (unsigned long long)owned, bytes);
    works(am_agent_forget(client, NULL), "quota-forget-bytes");
    free(content);
    am_close(client);
}
