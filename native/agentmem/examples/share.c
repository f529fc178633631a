/* Many agents, one system prompt: the seed's example in C.
 *
 *   agentmem-share SOCKET PROMPT-FILE AGENT
 *
 * The first agent that runs this stores the prompt; every further one finds it and takes no memory for it.
 * Prints what happened, and the id by which anybody of the realm can acquire it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "agentmem.h"

static int failed(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, am_error());
    exit(1);
}

static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        return NULL;
    long end = ftell(file);
    rewind(file);
    char *text = malloc((size_t)end + 1);
    *length = text != NULL ? fread(text, 1, (size_t)end, file) : 0;
    fclose(file);
    return text;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s SOCKET PROMPT-FILE AGENT\n", argv[0]);
        return 2;
    }
    size_t length;
    char *prompt = read_file(argv[2], &length);
    if (prompt == NULL) {
        perror(argv[2]);
        return 1;
    }
    am_options options;
    am_options_default(&options);
    options.socket = argv[1];
    options.agent = argv[3];
    am_client *client;
    if (am_connect(&options, &client) != 0)
        return failed("connect");

    /* alloc({type, data}): equal content is held once, whoever asks. */
    am_unit unit;
    if (am_publish(client, AM_SYSTEM_PROMPT, prompt, length, 0, &unit) != 0)
        return failed("publish");
    free(prompt); /* the shared bytes are unit.data from now on */
    printf("%s: %s, %llu bytes, ", argv[3], unit.existed ? "found" : "stored",
           (unsigned long long)unit.length);
    for (int n = 0; n < 32; n++)
        printf("%02x", unit.id.bytes[n]);
    printf("\n");

    /* A conversation: appended to, never written again. */
    am_conversation *conversation;
    if (am_conversation_open(client, "example", &conversation) != 0)
        return failed("conversation");
    static const char question[] = "user: which port?", answer[] = "assistant: 8080";
    if (am_conversation_append(conversation, AM_CONVERSATION, question, sizeof question - 1, true) != 0
        || am_conversation_append(conversation, AM_CONVERSATION, answer, sizeof answer - 1, true) != 0)
        return failed("append");
    for (uint64_t n = 0; n < am_conversation_pieces(conversation); n++) {
        am_piece piece;
        am_unit block;
        if (am_conversation_piece(conversation, n, &piece) != 0 || am_acquire(client, &piece.id, &block) != 0)
            return failed("read");
        printf("%.*s\n", (int)block.length, (const char *)block.data);
        am_release(client, &block);
    }
    am_conversation_close(conversation);
    am_release(client, &unit);
    am_close(client);
    return 0;
}
