/* Sends bytes to an echo server and compares what comes back.
 * echo_client ADDRESS [PORT = 7 [BYTES = 1048576]] */
#include <nx.h>

enum { PIECE = 4096, PATIENCE_MS = 10000 };

static unsigned number(const char **text)
{
    unsigned value = 0;
    for (; **text >= '0' && **text <= '9'; (*text)++)
        value = value * 10 + (unsigned)(**text - '0');
    return value;
}

static uint32_t address(const char *text)
{
    uint32_t value = 0;
    for (int part = 0; part < 4; part++) {
        value = value << 8 | (number(&text) & 0xff);
        if (*text == '.')
            text++;
    }
    return value;
}

/* What stands at each place of the stream: no two neighbouring pieces are alike. */
static uint8_t expected(size_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

static int talk(int socket, size_t total)
{
    static uint8_t out[PIECE], in[PIECE];
    size_t sent = 0, received = 0;
    while (received < total) {
        /* Send what can be sent at once, so that neither side waits for the other to read. */
        const size_t left = total - sent < PIECE ? total - sent : PIECE;
        for (size_t i = 0; i < left; i++)
            out[i] = expected(sent + i);
        const long taken = left > 0 ? nx_send(socket, out, left, 0) : 0;
        if (taken > 0)
            sent += (size_t)taken;
        else if (taken != -NX_EIO && left > 0)
            return 1;
        const long came = nx_receive(socket, in, sizeof in, taken > 0 && sent < total ? 0 : PATIENCE_MS);
        if (came == -NX_EIO && taken > 0)
            continue;
        if (came <= 0) {
            nx_printf("%zu of %zu bytes came back, then %ld\n", received, total, came);
            return 1;
        }
        for (size_t i = 0; i < (size_t)came; i++)
            if (in[i] != expected(received + i)) {
                nx_printf("byte %zu is wrong\n", received + i);
                return 1;
            }
        received += (size_t)came;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        nx_puts("usage: echo_client ADDRESS [PORT [BYTES]]");
        return 2;
    }
    const char *port_text = argc > 2 ? argv[2] : "7", *total_text = argc > 3 ? argv[3] : "1048576";
    const unsigned port = number(&port_text), total = number(&total_text);
    const int socket = nx_connect(address(argv[1]), (uint16_t)port, PATIENCE_MS);
    if (socket < 0) {
        nx_printf("cannot connect to %s port %u: %d\n", argv[1], port, socket);
        return 1;
    }
    const int64_t start = nx_monotonic();
    const int failed = talk(socket, total);
    nx_close(socket);
    if (!failed)
        nx_printf("%u bytes came back right in %ld us\n", total, (long)((nx_monotonic() - start) / 1000));
    return failed;
}
