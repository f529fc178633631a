/* What a client of the module says and asks about agents, and the module's figures as the broker's JSON.
 *
 * The keys are figures.c's, the same as the broker's. Does not know units. Invariant: a figure that the
 * module does not count is 0 (docs/formats/agentmem-stats.md names them); none is made up.
 */
#include <stdio.h>
#include <stdlib.h>

#include "figures.h"
#include "kernel.h"

static int about_agent(struct am_client *client, unsigned long call, const char *agent,
                       struct agentmem_state *request, const char *what)
{
    if (agent != NULL)
        strcpy(request->agent, agent); /* it was measured by the caller */
    const int status = am_kernel_ask(client, call, request, sizeof *request, what);
    if (status == AM_ENOTFOUND)
        am_client_fail(status, "there is no agent %s in this realm", request->agent);
    else if (status == AM_EINVAL)
        am_client_fail(status, "the agent's name has a control character: give it 1 to %d bytes of text",
                       AM_NAME_BYTES - 1);
    return status;
}

int am_kernel_state(struct am_client *client, const char *agent, uint32_t state, uint32_t importance)
{
    struct agentmem_state request = {.state = state != 0 ? state : AGENTMEM_LEAVE, .importance = importance};
    return about_agent(client, AGENTMEM_STATE, agent, &request, "set an agent's state");
}

int am_kernel_forget(struct am_client *client, const char *agent)
{
    struct agentmem_state request = {.importance = AGENTMEM_LEAVE};
    return about_agent(client, AGENTMEM_FORGET, agent, &request, "forget what an agent has");
}

static void by_tier(struct am_tier_figures to[4], const struct agentmem_tier_figures from[4])
{
    for (int i = AM_HOT; i <= AM_COLD; i++)
        to[i] = (struct am_tier_figures){from[i].units, from[i].raw_bytes, from[i].stored_bytes};
}

static void by_type(struct am_type_figures to[6], const struct agentmem_type_figures from[6])
{
    for (int i = AM_CONVERSATION; i <= AM_KV_PAGE; i++)
        to[i] = (struct am_type_figures){from[i].units, from[i].logical_bytes, from[i].unique_bytes,
                                         from[i].stored_bytes};
}

static void write_stats(struct am_json *json, const struct agentmem_stats *is)
{
    struct am_store_figures store = {.segment_bytes = is->tier[AM_HOT].stored_bytes,
                                     .warm_bytes = is->tier[AM_WARM].stored_bytes,
                                     .realms = is->realms,
                                     .agents = is->agents,
                                     .readers = is->readers,
                                     .units = is->units,
                                     .publishes = is->publishes,
                                     .found = is->found,
                                     .acquires = is->acquires,
                                     .restores_warm = is->restores_warm,
                                     .evictions_warm = is->evictions_warm,
                                     .freed = is->freed,
                                     .broken = is->broken};
    by_tier(store.tier, is->tier);
    by_type(store.type, is->type);
    am_json_open(json, NULL, '{');
    am_json_number(json, "format", 1);
    am_json_text(json, "backend", "kernel");
    am_json_number(json, "epoch", is->epoch);
    am_json_open(json, "limits", '{');
    am_json_number(json, "total_bytes", is->total_bytes);
    am_json_number(json, "agent_bytes", is->agent_bytes);
    am_json_number(json, "agent_units", is->agent_units);
    am_json_close(json, '}');
    am_json_store(json, &store);
    am_json_open(json, "kernel", '{');
    am_json_number(json, "references", is->references);
    am_json_number(json, "dropped", is->dropped);
    am_json_number(json, "shrinker_runs", is->shrinker_runs);
    am_json_close(json, '}');
    am_json_close(json, '}');
}

static void write_agent(struct am_json *json, const struct agentmem_agent *is)
{
    struct am_agent_figures agent = {.name = is->agent,
                                     .realm = is->realm,
                                     .number = is->number,
                                     .space = is->space,
                                     .importance = is->importance,
                                     .connections = (uint32_t)is->connections,
                                     .references = (uint32_t)is->references,
                                     .pid = is->pid,
                                     .state = (int)is->state,
                                     .units = is->units,
                                     .logical_bytes = is->logical_bytes,
                                     .shared_bytes = is->shared_bytes,
                                     .private_bytes = is->private_bytes,
                                     .opened_ms = is->opened_ms,
                                     .used_ms = is->used_ms};
    by_tier(agent.tier, is->tier);
    by_type(agent.type, is->type);
    am_json_agent(json, &agent);
}

/* What was written, whole, as the caller's; or nothing of it. */
static int finish(FILE *to, char **text, int status, char **json)
{
    const bool whole = !ferror(to);
    if (fclose(to) != 0 || !whole || *text == NULL) {
        free(*text);
        return status != 0 ? status : am_client_fail(AM_ENOMEM, "no memory for the module's figures");
    }
    if (status == 0)
        *json = *text;
    else
        free(*text);
    return status;
}

static FILE *begin(char **text, size_t *bytes)
{
    FILE *to = open_memstream(text, bytes);
    if (to == NULL)
        am_client_fail(AM_ENOMEM, "no memory for the module's figures");
    return to;
}

int am_kernel_stats(struct am_client *client, char **json)
{
    struct agentmem_stats stats = {0};
    int status = AM_KERNEL_ASK(client, AGENTMEM_STATS, &stats, "tell its figures");
    char *text = NULL;
    size_t bytes;
    FILE *to = status == 0 ? begin(&text, &bytes) : NULL;
    if (to == NULL)
        return status != 0 ? status : AM_ENOMEM;
    struct am_json out = {to, true};
    write_stats(&out, &stats);
    fputc('\n', to);
    return finish(to, &text, 0, json);
}

int am_kernel_agents(struct am_client *client, char **json)
{
    char *text = NULL;
    size_t bytes;
    FILE *to = begin(&text, &bytes);
    if (to == NULL)
        return AM_ENOMEM;
    struct am_json out = {to, true};
    struct agentmem_agent agent = {.after = 0};
    int status;
    am_json_open(&out, NULL, '[');
    while ((status = AM_KERNEL_ASK(client, AGENTMEM_AGENT, &agent, "tell its agents")) == 0) {
        write_agent(&out, &agent);
        agent = (struct agentmem_agent){.after = agent.number};
    }
    am_json_close(&out, ']');
    fputc('\n', to);
    return finish(to, &text, status == AM_ENOTFOUND ? 0 : status, json);
}

static void write_id(struct am_json *json, const uint8_t id[32])
{
    char text[2 * 32 + 1];
    for (int i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", id[i]);
    am_json_text(json, NULL, text);
}

/* All pages of one file: after a reconnect, numbers may be another module's. */
static int write_owned(struct am_client *client, struct am_json *json)
{
    struct agentmem_owned page = {.after = 0};
    int status = am_kernel_enter(client);
    if (status != 0)
        return status;
    do {
        page.after = page.last;
        status = am_kernel_call(client->fd, AGENTMEM_OWNED, &page, sizeof page, "list what an agent owns");
        for (uint32_t n = 0; status == 0 && n < page.count && n < AGENTMEM_OWNED_IDS; n++)
            write_id(json, page.id[n]);
    } while (status == 0 && page.count >= AGENTMEM_OWNED_IDS && page.last > page.after);
    am_kernel_leave(client);
    return status;
}

int am_kernel_inventory(struct am_client *client, char **json)
{
    char *text = NULL;
    size_t bytes;
    FILE *to = begin(&text, &bytes);
    if (to == NULL)
        return AM_ENOMEM;
    struct am_json out = {to, true};
    am_json_open(&out, NULL, '{');
    am_json_open(&out, "heads", '{'); /* a module has none */
    am_json_close(&out, '}');
    am_json_open(&out, "owned", '[');
    const int status = write_owned(client, &out);
    am_json_close(&out, ']');
    am_json_close(&out, '}');
    fputc('\n', to);
    return finish(to, &text, status, json);
}
