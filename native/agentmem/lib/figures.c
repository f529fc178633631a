/* See figures.h. Knows no broker and no module. Invariant: every figure of the structs is written, once. */
#include "figures.h"

#include "agentmem.h"

static const char *const tiers[] = {NULL, "hot", "warm", "cold"};
static const char *const types[] = {NULL,       "conversation", "system_prompt",
                                    "tool_def", "tool_result",  "kv_page"};

const char *am_state_word(int state)
{
    static const char *const states[] = {"none", "active", "idle", "paused", "killed"};
    return states[state >= AM_ACTIVE && state <= AM_KILLED ? state : 0];
}

struct figure {
    const char *key;
    uint64_t value;
};

static void numbers(struct am_json *json, const struct figure *figures, size_t count)
{
    for (size_t i = 0; i < count; i++)
        am_json_number(json, figures[i].key, figures[i].value);
}

static void by_tier(struct am_json *json, const struct am_tier_figures *of)
{
    am_json_open(json, "tiers", '{');
    for (int i = AM_HOT; i <= AM_COLD; i++) {
        am_json_open(json, tiers[i], '{');
        am_json_number(json, "units", of[i].units);
        am_json_number(json, "raw_bytes", of[i].raw_bytes);
        am_json_number(json, "stored_bytes", of[i].stored_bytes);
        am_json_close(json, '}');
    }
    am_json_close(json, '}');
}

static void by_type(struct am_json *json, const struct am_type_figures *of)
{
    am_json_open(json, "types", '{');
    for (int i = AM_CONVERSATION; i <= AM_KV_PAGE; i++) {
        am_json_open(json, types[i], '{');
        am_json_number(json, "units", of[i].units);
        am_json_number(json, "logical_bytes", of[i].logical_bytes);
        am_json_number(json, "unique_bytes", of[i].unique_bytes);
        am_json_number(json, "stored_bytes", of[i].stored_bytes);
        am_json_close(json, '}');
    }
    am_json_close(json, '}');
}

void am_json_store(struct am_json *json, const struct am_store_figures *is)
{
    by_tier(json, is->tier);
    by_type(json, is->type);
    const struct figure figures[] = {{"table_bytes", is->table_bytes},
                                     {"segment_bytes", is->segment_bytes},
                                     {"warm_bytes", is->warm_bytes},
                                     {"cold_bytes", is->cold_bytes},
                                     {"retiring_bytes", is->retiring_bytes},
                                     {"realms", is->realms},
                                     {"agents", is->agents},
                                     {"readers", is->readers},
                                     {"units", is->units},
                                     {"publishes", is->publishes},
                                     {"found", is->found},
                                     {"acquires", is->acquires},
                                     {"restores_warm", is->restores_warm},
                                     {"restores_cold", is->restores_cold},
                                     {"evictions_warm", is->evictions_warm},
                                     {"evictions_cold", is->evictions_cold},
                                     {"freed", is->freed},
                                     {"broken", is->broken}};
    am_json_open(json, "store", '{');
    numbers(json, figures, sizeof figures / sizeof *figures);
    am_json_open(json, "restore_us", '[');
    for (size_t i = 0; i < sizeof is->restore_us / sizeof *is->restore_us; i++)
        am_json_number(json, NULL, is->restore_us[i]);
    am_json_close(json, ']');
    am_json_close(json, '}');
}

void am_json_agent(struct am_json *json, const struct am_agent_figures *is)
{
    const struct figure figures[] = {{"number", is->number},
                                     {"space", is->space},
                                     {"importance", is->importance},
                                     {"connections", is->connections},
                                     {"references", is->references},
                                     {"units", is->units},
                                     {"logical_bytes", is->logical_bytes},
                                     {"shared_bytes", is->shared_bytes},
                                     {"private_bytes", is->private_bytes},
                                     {"opened_ms", is->opened_ms},
                                     {"used_ms", is->used_ms}};
    am_json_open(json, NULL, '{');
    am_json_text(json, "name", is->name);
    am_json_text(json, "realm", is->realm);
    am_json_text(json, "state", am_state_word(is->state));
    am_json_signed(json, "pid", is->pid);
    am_json_truth(json, "durable", is->durable);
    numbers(json, figures, sizeof figures / sizeof *figures);
    by_tier(json, is->tier);
    by_type(json, is->type);
    am_json_close(json, '}');
}
