/* See server.h: INVENTORY, what the asking agent has, as JSON. Nobody is told of another agent's units. */
#include "server.h"

#include "json.h"

static void write_id(void *context, const char *name, const am_id *id)
{
    char text[AM_ID_TEXT];
    am_json_text(context, name, am_id_text(id, text));
}

static void write_inventory(FILE *to, const struct am_ask *ask)
{
    const struct am_agent *agent = ask->connection->member->agent;
    struct am_json json = {to, true};
    am_json_open(&json, NULL, '{');
    am_json_open(&json, "heads", '{');
    am_agent_has(agent, write_id, NULL, &json);
    am_json_close(&json, '}');
    am_json_open(&json, "owned", '[');
    am_agent_has(agent, NULL, write_id, &json);
    am_json_close(&json, ']');
    am_json_close(&json, '}');
    fputc('\n', to);
}

void am_report_inventory(const struct am_ask *ask)
{
    am_report(ask, write_inventory);
}
