/* nexus_relay.h keeps its word: members are found, and whatever the text is, nothing outside of it is read.
 * Runs under the sanitizers in `make test`; every text lies in memory of exactly its size. */
#include "nexus_relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int failures;

static void check(int right, const char *what)
{
    if (!right) {
        printf("failed: %s\n", what);
        failures++;
    }
}

/* A copy without a byte to spare. */
static struct nx_span exact(const char *text, size_t size)
{
    char *copy = malloc(size ? size : 1);
    memcpy(copy, text, size);
    return (struct nx_span){copy, size};
}

static void member(const char *text, const char *name, const char *wanted)
{
    struct nx_span whole = exact(text, strlen(text)), found = nx_member(whole, name);
    int same = wanted ? found.at && found.size == strlen(wanted) && memcmp(found.at, wanted, found.size) == 0
                      : found.at == NULL;
    check(same, text);
    free((char *)whole.at);
}

static void object(const char *text, int wanted)
{
    struct nx_span whole = exact(text, strlen(text));
    check(nx_is_plain_object(whole) == wanted, text);
    free((char *)whole.at);
}

static void members(void)
{
    member("{\"a\":1}", "a", "1");
    member(" { \"b\" : [1, {\"a\": 2}] , \"a\" : \"x\\\"}\" } ", "a", "\"x\\\"}\"");
    member("{\"a\":{\"a\":\"}\"},\"b\":null}", "b", "null");
    member("{\"a\":1,\"a\":2}", "a", "2");
    member("{\"ab\":1}", "a", NULL);
    member("{\"b\":\"a\"}", "a", NULL);
    member("[\"a\"]", "a", NULL);
    member("", "a", NULL);
    member("{\"a\":", "a", NULL);
    member("{\"a\":\"open", "a", NULL);
    member("{\"a\":{\"b\":1}", "a", "{\"b\":1}");
    object("{}", 1);
    object(" {\"a\":[]} \r", 1);
    object("{\"a\":1", 0);
    object("{\"a\":1}}", 0);
    object("{\"a\":1} x", 0);
    object("{\"\\u0061\":1}", 0);
    object("[]", 0);
    char out[4];
    struct nx_span text = exact("\"abc\"", 5);
    check(nx_plain_string(text, out, sizeof out) == 0 && strcmp(out, "abc") == 0, "a plain string");
    check(nx_plain_string(text, out, 3) != 0, "no room");
    free((char *)text.at);
    check(nx_plain_string((struct nx_span){NULL, 0}, out, sizeof out) != 0, "nothing");
}

/* Texts of the characters that matter, all of them wrong in some way. */
static void any_text(void)
{
    static const char letters[] = "{}[]\",:\\ a1\n";
    srand(7);
    for (int round = 0; round < 200000; round++) {
        char text[24];
        size_t size = (size_t)(rand() % (int)sizeof text);
        for (size_t i = 0; i < size; i++)
            text[i] = i == 0 ? '{' : letters[rand() % (int)(sizeof letters - 1)];
        struct nx_span whole = exact(text, size), found = nx_member(whole, "a");
        check(!found.at || (found.at >= whole.at && found.at + found.size <= whole.at + size && found.size), "in");
        nx_is_plain_object(whole);
        free((char *)whole.at);
    }
}

/* Replies of pieces that matter, cut anywhere. */
static void any_reply(void)
{
    static const char *const pieces[] = {
        "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 \r\n\r\n", "content-length: 5\r\n", "Transfer-Encoding: chunked\r\n",
        "\r\n", "hello", "5\r\nhello\r\n", "0\r\n\r\n", "ffffffffffffffff\r\n", "-1\r\n", "x: y\r\n", "x\r\n",
    };
    for (int round = 0; round < 20000; round++) {
        int ends[2];
        char text[512] = "";
        for (int i = rand() % 10; i >= 0; i--)
            strcat(text, pieces[i == 0 ? 0 : rand() % 12]);
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
            exit(2);
        size_t size = strlen(text) - (size_t)(rand() % 3);
        check(write(ends[1], text, size) == (ssize_t)size && shutdown(ends[1], SHUT_WR) == 0, "written");
        struct nx_reply reply = nx_post(ends[0], "", (struct nx_span){"{}", 2});
        check(reply.state != NX_REPLY_WHOLE || !reply.size || reply.body[reply.size] == 0, "a body ends");
        free(reply.body);
        close(ends[0]);
        close(ends[1]);
    }
}

int main(void)
{
    members();
    any_text();
    any_reply();
    return failures != 0;
}
