/* See json.h. */
#include "json.h"

static void quoted(FILE *to, const char *text)
{
    fputc('"', to);
    for (; *text; text++) {
        const unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            fprintf(to, "\\%c", byte);
        else if (byte < ' ')
            fprintf(to, "\\u%04x", byte);
        else
            fputc(byte, to);
    }
    fputc('"', to);
}

static void key_of(struct am_json *json, const char *key)
{
    if (!json->first)
        fputs(",", json->to);
    json->first = false;
    if (key) {
        quoted(json->to, key);
        fputc(':', json->to);
    }
}

void am_json_open(struct am_json *json, const char *key, char bracket)
{
    key_of(json, key);
    fputc(bracket, json->to);
    json->first = true;
}

void am_json_close(struct am_json *json, char bracket)
{
    fputc(bracket, json->to);
    json->first = false;
}

void am_json_number(struct am_json *json, const char *key, uint64_t value)
{
    key_of(json, key);
    fprintf(json->to, "%llu", (unsigned long long)value);
}

void am_json_signed(struct am_json *json, const char *key, int64_t value)
{
    key_of(json, key);
    fprintf(json->to, "%lld", (long long)value);
}

void am_json_truth(struct am_json *json, const char *key, bool value)
{
    key_of(json, key);
    fputs(value ? "true" : "false", json->to);
}

void am_json_text(struct am_json *json, const char *key, const char *value)
{
    key_of(json, key);
    quoted(json->to, value);
}
