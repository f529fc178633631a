/* nexus_hook_fields.h keeps its word. Runs under the sanitizers in `make test`. */
#include "nexus_hook_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

static const char *const NAMES[] = {"prompt", "cwd", "active"};

enum { ROOM = 64 };

/* The object made from `text`, fed in pieces of `piece` bytes; a heap block of the exact size, so
 * that one byte too far is an error. The caller frees it. NULL when there is none. */
static char *fields(const char *text, size_t size, size_t piece)
{
    size_t capacity = ROOM + NX_FIELDS_RESERVE;
    char *out = malloc(capacity);
    struct nx_fields reader;
    nx_fields_start(&reader, NAMES, 3, out, capacity);
    for (size_t at = 0; at < size; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        char *copy = malloc(n);
        memcpy(copy, text + at, n);
        enum nx_fields_status status = nx_fields_feed(&reader, copy, n);
        free(copy);
        if (status != NX_FIELDS_MORE)
            break;
    }
    size_t length = nx_fields_finish(&reader);
    if (length == 0) {
        free(out);
        return NULL;
    }
    CHECK(length < capacity);
    out[length] = '\0';
    return out;
}

static void expect(const char *text, const char *expected)
{
    for (size_t piece = 1; piece <= strlen(text) + 1; piece++) {
        char *got = fields(text, strlen(text), piece);
        if (got == NULL ? expected != NULL : expected == NULL || strcmp(got, expected) != 0) {
            fprintf(stderr, "%s in pieces of %zu\n gives %s\n not   %s\n", text, piece, got ? got : "nothing",
                    expected ? expected : "nothing");
            failures++;
        }
        free(got);
    }
}

static void chosen_members_are_copied_and_others_are_not(void)
{
    expect("{}", "{}");
    expect("{\"prompt\":\"hi\"}", "{\"prompt\":\"hi\"}");
    expect(" {\n \"x\" : 1 , \"cwd\" : \"/a\" , \"y\" : \"cwd\" }", "{\"cwd\":\"/a\"}");
    expect("{\"active\":true,\"prompt\":null,\"cwd\":-1.5e3}", "{\"active\":true,\"prompt\":null,\"cwd\":-1.5e3}");
    expect("{\"active\": false }", "{\"active\":false}");
    expect("{\"tool\":{\"prompt\":\"no\",\"a\":[1,{\"cwd\":\"no\"}]},\"cwd\":\"yes\"}", "{\"cwd\":\"yes\"}");
    expect("{\"prompt\":{\"cwd\":\"no\"},\"cwd\":[\"no\"]}", "{}");
    expect("{\"prompted\":\"no\",\"promp\":\"no\",\"\":\"no\"}", "{}");
    expect("{\"a name that is longer than any of ours could ever be\":\"no\",\"cwd\":\"b\"}", "{\"cwd\":\"b\"}");
}

static void strings_may_hold_anything(void)
{
    expect("{\"prompt\":\"a\\\"}b\\\\\",\"cwd\":\"\\u00e9\"}", "{\"prompt\":\"a\\\"}b\\\\\",\"cwd\":\"\\u00e9\"}");
    expect("{\"x\":\"\\\\\",\"y\":[\"]\\\"}\"],\"cwd\":\"c\"}", "{\"cwd\":\"c\"}");
    expect("{\"prompt\":\"\xd7\xa9\xf0\x9f\x98\x80\"}", "{\"prompt\":\"\xd7\xa9\xf0\x9f\x98\x80\"}");
    expect("{\"pro\\u006dpt\":\"an escaped name is no name of ours\"}", "{}");
}

static void a_value_without_room_is_named_and_left_out_whole(void)
{
    char text[512];
    memset(text, 'x', sizeof text);
    memcpy(text, "{\"prompt\":\"", 11);
    strcpy(text + 300, "\",\"cwd\":\"/a\"}");
    expect(text, "{\"cwd\":\"/a\",\"left_out\":[\"prompt\"]}");
}

static void what_is_no_object_gives_nothing(void)
{
    static const char *const TEXTS[] = {"", "x", "[]", "\"prompt\"", "{", "{\"prompt\":\"hi\"", "{\"prompt\":\"hi",
                                        "{\"prompt\"}", "{1:2}", "{\"x\":[1,2}", "{\"x\":{\"y\":1}"};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
        expect(TEXTS[i], NULL);
}

/* Any bytes at all: the sanitizers judge. A fixed seed, so that a failure can be repeated. */
static void no_input_leads_out_of_bounds(void)
{
    static const char ALPHABET[] = "{}[]\":,\\ promptcwd1\n\xc3\xa9\x00";
    unsigned state = 12345;
    char text[400];
    for (int round = 0; round < 20000; round++) {
        size_t size = 1 + (size_t)(round % (int)sizeof text);
        for (size_t i = 0; i < size; i++) {
            state = state * 1664525u + 1013904223u;
            text[i] = ALPHABET[(state >> 16) % (sizeof ALPHABET - 1)];
        }
        if (round % 2)
            memcpy(text, "{\"prompt\":\"", size < 11 ? size : 11);
        free(fields(text, size, 1 + (size_t)(round % 37)));
    }
}

int main(void)
{
    chosen_members_are_copied_and_others_are_not();
    strings_may_hold_anything();
    a_value_without_room_is_named_and_left_out_whole();
    what_is_no_object_gives_nothing();
    no_input_leads_out_of_bounds();
    return failures != 0;
}
