/* An agent of the guest: `unvme-client put|get SOCKET` stores texts that outlive the broker, or finds them
 * again, byte for byte. */
#include "agentmem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS = 40, BYTES = 200000 };

static char text[BYTES];

static void write_text(int number)
{
    size_t at = 0;
    for (unsigned line = 0; at + 64 < BYTES; line++)
        at += (size_t)snprintf(text + at, 64, "text %d line %u says %u\n", number, line,
                               line * 2654435761u % 977);
    memset(text + at, '.', BYTES - at);
}

static int failed(const char *what, int number)
{
    printf("%s %d: %s\n", what, number, am_error());
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    am_options options;
    am_client *client;
    if (argc != 3)
        return EXIT_FAILURE;
    am_options_default(&options);
    options.socket = argv[2];
    options.agent = "trial";
    options.durable = true;
    if (am_connect(&options, &client) != 0)
        return failed("connect", 0);
    for (int i = 0; i < TEXTS; i++) {
        char name[16];
        am_unit unit;
        am_id id;
        snprintf(name, sizeof name, "text-%d", i);
        write_text(i);
        if (strcmp(argv[1], "put") == 0) {
            if (am_publish(client, AM_CONVERSATION, text, BYTES, 0, &unit) != 0
                || am_head_set(client, name, &unit.id) != 0)
                return failed("put", i);
        } else if (am_head_get(client, name, &id) != 0 || am_acquire(client, &id, &unit) != 0) {
            return failed("get", i);
        } else if (unit.length != BYTES || memcmp(unit.data, text, BYTES) != 0) {
            printf("text %d comes back otherwise\n", i);
            return EXIT_FAILURE;
        }
        am_release(client, &unit);
    }
    am_close(client);
    printf("%s: %d texts of %d bytes\n", argv[1], TEXTS, BYTES);
    return EXIT_SUCCESS;
}
