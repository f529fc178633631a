/* See available.h. */
#include "available.h"

#include "kernel_file.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct text { char bytes[8192]; };

/* The names of one version's files and lines. */
struct version { const char *limits[2], *usage, *cache[2]; };
static const struct version first = {{"memory.limit_in_bytes", NULL},
                                     "memory.usage_in_bytes",
                                     {"total_active_file", "total_inactive_file"}};
static const struct version second = {{"memory.max", "memory.high"},
                                      "memory.current",
                                      {"active_file", "inactive_file"}};

static bool read_file(const char *folder, const char *name, struct text *text)
{
    char path[2 * PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return am_kernel_file(path, text->bytes, sizeof text->bytes) > 0;
}

/* The number behind a word that begins a line. */
static bool number_of(const struct text *text, const char *word, uint64_t *number)
{
    const size_t bytes = strlen(word);
    unsigned long long found;
    for (const char *line = text->bytes; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, word, bytes) == 0 && sscanf(line + bytes, "%llu", &found) == 1) {
            *number = found;
            return true;
        }
    }
    return false;
}

static bool number_in(const char *folder, const char *name, uint64_t *number)
{
    struct text text;
    return read_file(folder, name, &text) && number_of(&text, "", number);
}

static void note(struct am_available *least, uint64_t bytes, uint64_t total)
{
    if (total
        && (!least->total || (double)bytes / (double)total < (double)least->bytes / (double)least->total))
        *least = (struct am_available){bytes, total};
}

static void note_machine(const char *proc, struct am_available *least)
{
    struct text text;
    uint64_t total, available;
    if (read_file(proc, "meminfo", &text) && number_of(&text, "MemTotal:", &total)
        && number_of(&text, "MemAvailable:", &available))
        note(least, available * 1024, total * 1024);
}

static void note_group(const char *folder, const struct version *names, struct am_available *least)
{
    struct text text;
    uint64_t limit = UINT64_MAX, usage, number;
    for (int i = 0; i < 2 && names->limits[i]; i++)
        if (number_in(folder, names->limits[i], &number) && number < limit)
            limit = number;
    if (limit == UINT64_MAX || !number_in(folder, names->usage, &usage))
        return;
    if (read_file(folder, "memory.stat", &text))
        for (int i = 0; i < 2; i++)
            if (number_of(&text, names->cache[i], &number))
                usage -= number < usage ? number : usage;
    note(least, limit > usage ? limit - usage : 0, limit);
}

/* The path of the own group behind the list of controllers (empty: version 2's), from lines ID:LIST:PATH. */
static const char *own_group(struct text *text, const char *controller)
{
    for (char *line = text->bytes, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = 0;
        bool found = !*controller && !list[1];
        for (char *rest = list + 1, *word; *controller && (word = strsep(&rest, ","));)
            found |= strcmp(word, controller) == 0;
        if (found)
            return path;
    }
    return NULL;
}

/* From the own group up to the root of what is mounted, which in a container is the container's own. */
static bool note_groups(const char *proc, const char *root, bool unified, struct am_available *least)
{
    struct text text;
    char folder[PATH_MAX];
    if (!read_file(proc, "self/cgroup", &text))
        return false;
    const char *own = own_group(&text, unified ? "" : "memory");
    if (!own)
        return false;
    const size_t start = (size_t)snprintf(folder, sizeof folder, "%s%s", root, unified ? "" : "/memory");
    if (start + strlen(own) >= sizeof folder)
        return false;
    memcpy(folder + start, own, strlen(own) + 1);
    for (;;) {
        note_group(folder, unified ? &second : &first, least);
        char *end = strrchr(folder + start, '/');
        if (!end)
            return true;
        *end = 0;
    }
}

struct am_available am_available_now(const char *proc, const char *groups)
{
    struct am_available least = {0};
    note_machine(proc, &least);
    if (!note_groups(proc, groups, false, &least))
        note_groups(proc, groups, true, &least);
    return least;
}
