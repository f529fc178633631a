/* What nx.h's sockets promise where nothing goes wrong by chance: loopback only, exact numbers.
 * Prints what failed; usage: test_sockets calls|numbers. */
#include <string.h>

#include "lwipopts.h"
#include "nx.h"

static int failed;

static void same(long found, long expected, const char *what)
{
    if (found != expected) {
        nx_printf("%s: %ld, not %ld\n", what, found, expected);
        failed = 1;
    }
}

static int listening, client, server;

static void meet(uint16_t port)
{
    listening = nx_listen(port);
    client = nx_connect(0x7f000001, port, 1000);
    server = nx_accept(listening, 1000);
    same(listening >= 0 && client >= 0 && server >= 0, 1, "a connection");
}

static void part(void)
{
    nx_close(client);
    nx_close(server);
    nx_close(listening);
}

static void calls(void)
{
    static uint8_t bytes[100000];
    uint8_t word[8];
    meet(7);
    same(nx_receive(server, word, sizeof word, 0), -NX_EIO, "nothing has come");
    same(nx_receive(server, word, sizeof word, 20), -NX_EIO, "nothing comes in time");
    same(nx_accept(listening, 0), -NX_EIO, "nobody else knocks");
    same(nx_send(client, "abcdef", 6, 0), 6, "six bytes go");
    same(nx_receive(server, word, 4, 0), 4, "as many as asked for");
    same(nx_receive(server, word + 4, 4, 0), 2, "and the rest");
    same(memcmp(word, "abcdef", 6), 0, "the bytes");
    same(nx_send(client, bytes, 0, 0), 0, "no bytes");
    /* Nobody reads: the queues of both ends take something, then time is over, and what was taken is told. */
    const long taken = nx_send(client, bytes, sizeof bytes, 20);
    same(taken > 4000 && taken < 10000, 1, "what the queues hold");
    same(nx_send(client, bytes, 1, 0), -NX_EIO, "full");
    nx_close(client);
    long came = 0, n;
    while ((n = nx_receive(server, bytes, 1000, 1000)) > 0)
        came += n;
    same(came, taken, "what was sent before the close arrives");
    same(n, 0, "the end");
    same(nx_receive(server, bytes, 1000, 1000), 0, "and still the end");
    same(nx_send(client, "x", 1, 0), -NX_EINVAL, "a closed socket");
    part();
    /* Bytes that nobody read do not cut off what is under way to the other side. */
    meet(7);
    same(nx_send(client, "question", 8, 0), 8, "a question");
    same(nx_send(server, "answer", 6, 0), 6, "an answer");
    nx_close(server);
    same(nx_receive(client, word, sizeof word, 1000), 6, "the answer");
    same(nx_receive(client, word, sizeof word, 1000), 0, "its end");
    part();
    /* A connection that waits is gone when its listener goes. */
    listening = nx_listen(8);
    client = nx_connect(0x7f000001, 8, 1000);
    same(client >= 0, 1, "connected before it is accepted");
    nx_close(listening);
    same(nx_receive(client, word, sizeof word, 1000), -NX_ENOENT, "reset");
    same(nx_send(client, "x", 1, 1000), -NX_ENOENT, "reset");
    nx_close(client);
}

static void numbers(void)
{
    int sockets[NX_NET_CONNECTIONS], listeners[NX_NET_LISTENERS];
    uint8_t byte;
    static const int none[] = {-1, 0, 3, NX_NET_CONNECTIONS, NX_NET_CONNECTIONS + NX_NET_LISTENERS, 1 << 30};
    for (unsigned i = 0; i < sizeof none / sizeof *none; i++) {
        same(nx_accept(none[i], 0), -NX_EINVAL, "accept on no socket");
        same(nx_send(none[i], "x", 1, 0), -NX_EINVAL, "send on no socket");
        same(nx_receive(none[i], &byte, 1, 0), -NX_EINVAL, "receive on no socket");
        nx_close(none[i]);
    }
    same(nx_listen(0), -NX_EINVAL, "port 0");
    same(nx_connect(0x7f000001, 0, 0), -NX_EINVAL, "port 0");
    same(nx_connect(0x7f000001, 9, 1000), -NX_ENOENT, "nobody listens");
    same(nx_connect(0x0a4d0001, 9, 1000), -NX_ENODEV, "no link");
    for (int i = 0; i < NX_NET_LISTENERS; i++)
        same((listeners[i] = nx_listen((uint16_t)(100 + i))) >= 0, 1, "a listener");
    same(nx_listen(200), -NX_E2BIG, "one listener too many");
    nx_close(listeners[3]);
    same(nx_listen(100), -NX_EPERM, "a port that is taken");
    same((listeners[3] = nx_listen(103)) >= 0, 1, "a port that is free again");
    same(nx_send(listeners[0], "x", 1, 0), -NX_EINVAL, "send on a listener");
    for (int round = 0; round < 40; round++) { /* more often than there are control blocks */
        for (int i = 0; i < NX_NET_CONNECTIONS; i += 2) {
            sockets[i] = nx_connect(0x7f000001, 100, 1000);
            sockets[i + 1] = nx_accept(listeners[0], 1000);
            same(sockets[i] >= 0 && sockets[i + 1] >= 0, 1, "a connection");
        }
        same(nx_connect(0x7f000001, 100, 1000), -NX_E2BIG, "one connection too many");
        for (int i = 0; i < NX_NET_CONNECTIONS; i++)
            nx_close(sockets[round & 1 ? i : NX_NET_CONNECTIONS - 1 - i]);
    }
    /* The last free one is the caller's: the listener has none for the other end. */
    for (int i = 0; i < NX_NET_CONNECTIONS - 2; i += 2) {
        sockets[i] = nx_connect(0x7f000001, 100, 1000);
        sockets[i + 1] = nx_accept(listeners[0], 1000);
    }
    sockets[14] = nx_connect(0x7f000001, 101, 1000);
    sockets[15] = nx_accept(listeners[1], 1000);
    nx_close(sockets[0]);
    nx_receive(sockets[1], &byte, 1, 1000);
    const int last = nx_connect(0x7f000001, 102, 1000);
    same(last < 0 || nx_receive(last, &byte, 1, 1000) == -NX_ENOENT, 1, "refused where none is left");
    for (int i = 0; i < NX_NET_LISTENERS; i++)
        nx_close(listeners[i]);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "calls") == 0)
        calls();
    else if (argc > 1 && strcmp(argv[1], "numbers") == 0)
        numbers();
    else
        failed = 2;
    return failed;
}
