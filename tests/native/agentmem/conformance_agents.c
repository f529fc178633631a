/* Conformance: agents, their states, importance and ends; connecting again; forks. See conformance.h. */
#include "conformance.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define TALK 60000u

static void states(am_client *client, am_client *other)
{
    uint8_t bytes[TALK];
    am_unit talk, again;
    char *json = NULL;
    fill(bytes, TALK, 5);
    works(am_publish(client, AM_CONVERSATION, bytes, TALK, AM_NO_REFERENCE, &talk), "talk");
    say(stat_of(client, "tiers.hot.units") >= 1, "talk-hot", " ");
    works(am_agent_state(client, NULL, AM_PAUSED), "pause");
    double warm = 0;
    for (int tries = 0; tries < 300 && warm < 1; tries++, usleep(10000))
        warm = stat_of(other, "tiers.warm.units");
    say(warm == 1, "pause-evicts", "%.0f units compressed", warm);
    say(am_agents(other, &json) == 0 && strstr(json, "\"state\":\"paused\"") != NULL, "paused-told", " ");
    free(json);
    works(am_agent_state(other, "talker", AM_ACTIVE), "resume-by-name");
    say(am_acquire(client, &talk.id, &again) == 0 && holds(&again, bytes, TALK), "restored", "as it was; %s",
        am_error());
    say(stat_of(other, "store.restores_warm") >= 1, "restore-counted", " ");
    works(am_agent_state(client, NULL, AM_PAUSED), "pause-holding");
    say(holds(&again, bytes, TALK), "pause-held", "what is held stays readable");
    am_release(client, &again);
    works(am_agent_state(client, NULL, AM_ACTIVE), "resume");
    works(am_agent_state(client, NULL, AM_IDLE), "idle");
    works(am_agent_importance(other, "talker", 7), "importance-by-name");
    say(agent_figure(other, "talker", "importance") == 7, "importance-told", " ");
    works(am_agent_importance(client, NULL, 70), "importance");
    say(agent_figure(other, "talker", "importance") == 70, "importance-own", " ");
    works(am_agent_forget(client, NULL), "forget");
    say(agent_figure(other, "talker", "units") == 0, "forgotten", "%.0f units",
        agent_figure(other, "talker", "units"));
}

static void again(am_client *client, am_client *other)
{
    am_unit held, large, taken;
    uint8_t *bytes = malloc(2u << 20);
    fill(bytes, 2u << 20, 6);
    works(am_publish(client, AM_TOOL_DEF, "stays where it is", 17, 0, &held), "again-publish");
    works(am_publish(client, AM_KV_PAGE, bytes, 2u << 20, 0, &large), "again-publish-large");
    const uint8_t *was = held.data;
    for (int n = 0; n < 3; n++)
        works(am_reconnect(client), "reconnect");
    say(held.data == was && holds(&held, "stays where it is", 17) && holds(&large, bytes, 2u << 20),
        "reconnect-held", "readable at the same address");
    say(agent_figure(other, "talker", "references") == 2 && agent_figure(other, "talker", "connections") == 1,
        "reconnect-references", "%.0f of %.0f connections", agent_figure(other, "talker", "references"),
        agent_figure(other, "talker", "connections"));
    say(am_acquire(client, &held.id, &taken) == 0 && holds(&taken, "stays where it is", 17),
        "reconnect-acquire", " ");
    am_release(client, &taken);
    am_release(client, &held);
    am_release(client, &large);
    say(agent_figure(other, "talker", "references") == 0, "reconnect-released", " ");
    works(am_agent_forget(client, NULL), "again-forget");
    free(bytes);
}

/* In the child: every call says AM_EFORKED, and nothing of the parent's is mapped. 0, or the step that went
 * wrong. */
static int forked(am_client *client, am_unit *unit)
{
    am_unit got;
    am_id id;
    char *json;
    unsigned char there;
    const uint8_t *was = unit->data;
    if (am_acquire(client, &unit->id, &got) != AM_EFORKED
        || strstr(am_error(), "connect again in the child") == NULL)
        return 1;
    if (am_publish(client, AM_TOOL_DEF, "x", 1, 0, &got) != AM_EFORKED
        || am_own(client, &unit->id) != AM_EFORKED
        || am_identify(client, AM_TOOL_DEF, "x", 1, false, &id) != AM_EFORKED
        || am_stats(client, &json) != AM_EFORKED || am_agent_state(client, NULL, AM_IDLE) != AM_EFORKED
        || am_reconnect(client) != AM_EFORKED)
        return 2;
    am_release(client, unit);
    if (mincore((void *)((uintptr_t)was & ~4095ul), 1, &there) == 0)
        return 3; /* it is mapped */
    am_close(client);
    am_client *own = client_of("conform", "child");
    if (own == NULL || am_publish(own, AM_TOOL_DEF, "over the fork", 13, 0, &got) != 0 || !got.existed)
        return 4;
    am_close(own);
    return 0;
}

void conform_agents(void)
{
    am_client *client = client_of("conform", "talker"), *other = client_of("conform", "watcher");
    if (client == NULL || other == NULL)
        return;
    states(client, other);
    again(client, other);
    am_unit unit;
    works(am_publish(client, AM_TOOL_DEF, "over the fork", 13, 0, &unit), "fork-publish");
    const pid_t child = fork();
    if (child == 0)
        _exit(forked(client, &unit));
    int status = 0;
    waitpid(child, &status, 0);
    say(WIFEXITED(status) && WEXITSTATUS(status) == 0, "forked", "step %d", WEXITSTATUS(status));
    say(holds(&unit, "over the fork", 13), "fork-parent", "keeps its unit");
    am_release(client, &unit);
    /* Two clients, one agent: it ends with the second. */
    am_client *twin = client_of("conform", "talker");
    say(agent_figure(other, "talker", "connections") == 2, "twin", "one agent, two connections");
    am_close(client);
    int found = am_acquire(twin, &unit.id, &unit);
    say(found == 0, "twin-keeps", "%s", found == 0 ? "" : am_error());
    am_close(twin); /* with a reference in hand */
    am_close(other);
}

/* A process that is killed with units, references and mappings in hand. */
void conform_deaths(void)
{
    am_client *watch = client_of("conform", "watcher");
    int ready[2];
    if (watch == NULL || pipe(ready) != 0)
        return;
    say(alone(watch), "victim-alone", "what was before is gone");
    const pid_t child = fork();
    if (child == 0) {
        uint8_t *bytes = malloc(TALK);
        am_unit unit, talk;
        am_client *mine = client_of("conform", "victim");
        fill(bytes, TALK, 8);
        const bool good = mine != NULL && am_publish(mine, AM_TOOL_RESULT, bytes, TALK, 0, &unit) == 0
                          && am_publish(mine, AM_CONVERSATION, bytes, TALK, 0, &talk) == 0
                          && unit.data[9] == bytes[9];
        if (write(ready[1], good ? "y" : "n", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    char word = 0;
    say(read(ready[0], &word, 1) == 1 && word == 'y', "victim", " ");
    say(stat_of(watch, "store.units") == 2, "victim-has", "%.0f units", stat_of(watch, "store.units"));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    double left = 2;
    for (int tries = 0; tries < 500 && left > 0; tries++, usleep(10000))
        left = stat_of(watch, "store.units");
    say(left == 0, "victim-gone", "%.0f units left", left);
    say(agent_figure(watch, "victim", "units") < 0, "victim-ended", "no agent of that name");
    close(ready[0]);
    close(ready[1]);
    am_close(watch);
}
