/* A server and a client in one guest: loopback [BYTES = 1048576]. Needs no link. */
#include <nx.h>

enum { PORT = 7, PIECE = 4000, PATIENCE_MS = 5000 };

static uint8_t expected(size_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7);
}

/* One direction: what goes in at `from` must come out at `to`. Both are ours, so neither may be waited for
 * alone. */
static int carry(int from, int to, size_t total)
{
    static uint8_t bytes[PIECE];
    size_t sent = 0, received = 0;
    while (received < total) {
        const size_t left = total - sent < PIECE ? total - sent : PIECE;
        for (size_t i = 0; i < left; i++)
            bytes[i] = expected(sent + i);
        const long taken = left > 0 ? nx_send(from, bytes, left, 0) : 0;
        if (taken > 0)
            sent += (size_t)taken;
        const long came = nx_receive(to, bytes, sizeof bytes, PATIENCE_MS);
        if (came <= 0)
            return 1;
        for (size_t i = 0; i < (size_t)came; i++)
            if (bytes[i] != expected(received + i))
                return 1;
        received += (size_t)came;
    }
    return 0;
}

static int fail(const char *what, long code)
{
    nx_printf("%s: %ld\n", what, code);
    return 1;
}

int main(int argc, char **argv)
{
    size_t total = 0;
    for (const char *digit = argc > 1 ? argv[1] : "1048576"; *digit >= '0' && *digit <= '9'; digit++)
        total = total * 10 + (size_t)(*digit - '0');
    const int listening = nx_listen(PORT);
    if (listening < 0)
        return fail("listen", listening);
    const int client = nx_connect(0x7f000001, PORT, PATIENCE_MS);
    if (client < 0)
        return fail("connect", client);
    const int server = nx_accept(listening, PATIENCE_MS);
    if (server < 0)
        return fail("accept", server);
    const int64_t start = nx_monotonic();
    if (carry(client, server, total) != 0 || carry(server, client, total) != 0)
        return fail("bytes are lost or wrong", 0);
    const int64_t took = nx_monotonic() - start;
    nx_close(client);
    uint8_t byte;
    const long end = nx_receive(server, &byte, 1, PATIENCE_MS);
    if (end != 0)
        return fail("the end of the stream", end);
    nx_close(server);
    const int refused = nx_connect(0x7f000001, PORT + 1, PATIENCE_MS);
    if (refused != -NX_ENOENT)
        return fail("a port without a listener", refused);
    nx_close(listening);
    nx_printf("%zu bytes each way in %ld us\n", total, (long)(took / 1000));
    return 0;
}
