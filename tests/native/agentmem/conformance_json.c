/* A look into the JSON of STATS and AGENTS: one value by its path. Knows no figures. It reads what the
 * library has written, not what a stranger has. See conformance.h. */
#include "conformance.h"

static const char *blank(const char *at)
{
    return at + strspn(at, " \n\t");
}

/* Behind a text that begins at its quote. */
static const char *text_end(const char *at)
{
    for (at++; *at && *at != '"'; at++)
        at += *at == '\\' && at[1];
    return at + (*at == '"');
}

static const char *value_end(const char *at)
{
    if (*at == '"')
        return text_end(at);
    if (*at != '{' && *at != '[')
        return at + strcspn(at, ",}] \n\t");
    int depth = 0;
    do {
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        at = *at == '"' ? text_end(at) : at + 1;
    } while (*at && depth > 0);
    return at;
}

/* The member of an object or list that begins at its bracket; NULL. */
static const char *member(const char *at, const char *name, size_t length)
{
    const bool list = *at == '[';
    unsigned long number = list ? strtoul(name, NULL, 10) : 0;
    if (!list && *at != '{')
        return NULL;
    for (at = blank(at + 1); *at && *at != '}' && *at != ']'; at = blank(at + (*at == ','))) {
        const char *key = at;
        if (!list)
            at = blank(blank(text_end(at)) + 1); /* over the colon */
        if (list ? number-- == 0 : strncmp(key + 1, name, length) == 0 && key[1 + length] == '"')
            return at;
        at = blank(value_end(at));
    }
    return NULL;
}

static const char *value(const char *json, const char *path)
{
    const char *at = json != NULL ? blank(json) : NULL;
    while (at != NULL && *path) {
        const size_t length = strcspn(path, ".");
        at = member(at, path, length);
        path += length + (path[length] == '.');
    }
    return at;
}

double figure(const char *json, const char *path)
{
    const char *at = value(json, path);
    if (at != NULL && (strncmp(at, "true", 4) == 0 || strncmp(at, "false", 5) == 0))
        return *at == 't';
    return at != NULL && (*at == '-' || (*at >= '0' && *at <= '9')) ? strtod(at, NULL) : -1;
}

int count_of(const char *json, const char *path)
{
    const char *at = value(json, path);
    if (at == NULL || *at != '[')
        return -1;
    int count = 0;
    for (at = blank(at + 1); *at && *at != ']'; at = blank(at + (*at == ',')), count++)
        at = blank(value_end(at));
    return count;
}

bool text_is(const char *json, const char *path, const char *wanted)
{
    const char *at = value(json, path);
    const size_t length = strlen(wanted);
    return at != NULL && *at == '"' && strncmp(at + 1, wanted, length) == 0 && at[1 + length] == '"';
}

double stat_of(am_client *client, const char *path)
{
    char *json = NULL;
    const double is = client != NULL && am_stats(client, &json) == 0 ? figure(json, path) : -1;
    free(json);
    return is;
}

double agent_figure(am_client *client, const char *agent, const char *key)
{
    char *json = NULL, path[64];
    double is = -1;
    if (client != NULL && am_agents(client, &json) == 0)
        for (unsigned n = 0; snprintf(path, sizeof path, "%u", n), value(json, path) != NULL; n++) {
            snprintf(path, sizeof path, "%u.name", n);
            if (!text_is(json, path, agent))
                continue;
            snprintf(path, sizeof path, "%u.%s", n, key);
            is = figure(json, path);
            break;
        }
    free(json);
    return is;
}
