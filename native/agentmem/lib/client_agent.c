/* What a client says about units and agents: ownership, importance, heads, states, figures.
 *
 * Each call is one request; nothing is kept here. Knows the shape of the requests, not what the broker does
 * with them.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "kernel.h"

/* "Leave it" of am_state_body. */
enum { KEEP_STATE = 0 };
#define KEEP_IMPORTANCE 0xffffffffu

static int checked(const am_client *client, const void *value, const char *what)
{
    return client != NULL && value != NULL
               ? 0
               : am_client_fail(AM_EINVAL, "%s needs a client and a value, not NULL", what);
}

static int name_bytes(const char *name, const char *what, size_t *bytes)
{
    *bytes = name != NULL ? strlen(name) : 0;
    if (*bytes >= AM_NAME_BYTES)
        return am_client_fail(AM_EINVAL, "the %s has %zu bytes, the longest allowed is %d", what, *bytes,
                              AM_NAME_BYTES - 1);
    return 0;
}

static int ask(am_client *client, enum am_operation operation, const void *head, size_t head_bytes,
               const void *tail, size_t tail_bytes, void *body, size_t room)
{
    struct am_call call = {
        .operation = operation, .send_fd = -1, .part = {{head, head_bytes}, {tail, tail_bytes}}};
    int status = am_wire_ask(client, &call, body, room);
    am_wire_close(&call);
    return status;
}

int am_own(am_client *client, const am_id *id)
{
    int status = checked(client, id, "am_own");
    if (status == 0 && client->kernel != NULL)
        return am_kernel_own(client, id);
    return status != 0 ? status : ask(client, AM_OP_OWN, id, sizeof *id, NULL, 0, NULL, 0);
}

int am_disown(am_client *client, const am_id *id)
{
    int status = checked(client, id, "am_disown");
    if (status == 0 && client->kernel != NULL)
        return am_kernel_disown(client, id);
    return status != 0 ? status : ask(client, AM_OP_DISOWN, id, sizeof *id, NULL, 0, NULL, 0);
}

int am_mark(am_client *client, const am_id *id, uint32_t importance)
{
    int status = checked(client, id, "am_mark");
    if (status == 0 && importance > 100)
        status = am_client_fail(AM_EINVAL, "an importance of %u; it goes from 0 to 100", importance);
    if (status != 0)
        return status;
    if (client->kernel != NULL)
        return am_kernel_mark(client, id, importance);
    struct am_mark_body body = {.id = *id, .importance = importance};
    return ask(client, AM_OP_MARK, &body, sizeof body, NULL, 0, NULL, 0);
}

int am_mark_hot(am_client *client, const am_id *const *ids, size_t count)
{
    enum { AT_ONCE = 512 };
    int status = checked(client, ids, "am_mark_hot");
    for (size_t n = 0; status == 0 && client->kernel != NULL && n < count; n++) {
        status = am_kernel_heat(client, ids[n]);
        status = status == AM_ENOTFOUND ? 0 : status; /* as the broker: what is not there is passed over */
    }
    if (status != 0 || client->kernel != NULL)
        return status;
    for (size_t done = 0; status == 0 && done < count;) {
        am_id some[AT_ONCE];
        size_t n = 0;
        while (n < AT_ONCE && done < count)
            some[n++] = *ids[done++];
        status = ask(client, AM_OP_HEAT, some, n * sizeof *some, NULL, 0, NULL, 0);
    }
    return status;
}

int am_head_set(am_client *client, const char *name, const am_id *id)
{
    static const am_id none;
    size_t bytes;
    int status = checked(client, name, "am_head_set");
    if (status == 0)
        status = name_bytes(name, "head's name", &bytes);
    if (status == 0 && client->kernel != NULL)
        return am_kernel_lacks("heads");
    return status != 0 ? status
                       : ask(client, AM_OP_HEAD_SET, id ? id : &none, sizeof none, name, bytes, NULL, 0);
}

int am_head_get(am_client *client, const char *name, am_id *id)
{
    size_t bytes;
    struct am_placed placed;
    int status = checked(client, name, "am_head_get");
    if (status == 0)
        status = name_bytes(name, "head's name", &bytes);
    if (status == 0 && client->kernel != NULL)
        return am_kernel_lacks("heads");
    if (status == 0)
        status = ask(client, AM_OP_HEAD_GET, name, bytes, NULL, 0, &placed, sizeof placed);
    if (status == 0 && id != NULL)
        *id = placed.id;
    return status;
}

static int set_state(am_client *client, const char *agent, uint32_t state, uint32_t importance)
{
    size_t bytes;
    struct am_state_body body = {state, importance};
    int status = checked(client, &body, "an agent's state");
    if (status == 0)
        status = name_bytes(agent, "agent's name", &bytes);
    if (status == 0 && client->kernel != NULL)
        return am_kernel_state(client, agent, state, importance);
    return status != 0 ? status : ask(client, AM_OP_STATE, &body, sizeof body, agent, bytes, NULL, 0);
}

int am_agent_state(am_client *client, const char *agent, int state)
{
    if (state < AM_ACTIVE || state > AM_PAUSED)
        return am_client_fail(AM_EINVAL, "%d is not a state to set; 1 is active, 2 idle, 3 paused", state);
    int status = set_state(client, agent, (uint32_t)state, KEEP_IMPORTANCE);
    if (status == 0 && state == AM_PAUSED && agent == NULL && client->kernel == NULL)
        am_view_rest(client); /* it will ask for nothing, so nothing would tell it later which segments have gone */
    return status;
}

int am_agent_importance(am_client *client, const char *agent, uint32_t importance)
{
    if (importance > 100)
        return am_client_fail(AM_EINVAL, "an importance of %u; it goes from 0 to 100", importance);
    return set_state(client, agent, KEEP_STATE, importance);
}

int am_agent_forget(am_client *client, const char *agent)
{
    size_t bytes;
    int status = checked(client, "", "am_agent_forget");
    if (status == 0)
        status = name_bytes(agent, "agent's name", &bytes);
    if (status == 0 && client->kernel != NULL)
        return am_kernel_forget(client, agent);
    return status != 0 ? status : ask(client, AM_OP_FORGET, agent, bytes, NULL, 0, NULL, 0);
}

/* A text that comes in a sealed memfd; the module's is made here. */
static int read_text(am_client *client, enum am_operation operation, char **text,
                     int (*kernel)(struct am_client *, char **))
{
    int status = checked(client, text, "the broker's figures");
    if (status != 0)
        return status;
    if (client->kernel != NULL)
        return kernel(client, text);
    struct am_call call = {.operation = operation, .send_fd = -1};
    status = am_wire_ask(client, &call, NULL, 0);
    struct stat stat;
    if (status == 0 && (call.answer_fd < 0 || fstat(call.answer_fd, &stat) != 0))
        status = am_client_fail(AM_EPROTOCOL, "the broker sent no file with its figures");
    size_t length = status == 0 ? (size_t)stat.st_size : 0, done = 0;
    char *read_to = status == 0 ? malloc(length + 1) : NULL;
    if (status == 0 && read_to == NULL)
        status = am_client_fail(AM_ENOMEM, "no memory for %zu bytes of figures", length);
    while (status == 0 && done < length) {
        ssize_t n = pread(call.answer_fd, read_to + done, length - done, (off_t)done);
        if (n == 0 || (n < 0 && errno != EINTR))
            status = am_client_fail(AM_EPROTOCOL, "the broker's figures cannot be read: %m");
        done += n > 0 ? (size_t)n : 0;
    }
    am_wire_close(&call);
    if (status != 0) {
        free(read_to);
        return status;
    }
    read_to[length] = '\0';
    *text = read_to;
    return 0;
}

int am_stats(am_client *client, char **json)
{
    return read_text(client, AM_OP_STATS, json, am_kernel_stats);
}

int am_inventory(am_client *client, char **json)
{
    return read_text(client, AM_OP_INVENTORY, json, am_kernel_inventory);
}

int am_agents(am_client *client, char **json)
{
    return read_text(client, AM_OP_AGENTS, json, am_kernel_agents);
}
