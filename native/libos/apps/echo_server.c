/* Sends back what comes: echo_server [PORT = 7 [CONNECTIONS = 1]], 0 connections: for ever. */
#include <nx.h>

static unsigned number(const char *text)
{
    unsigned value = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (unsigned)(*text - '0');
    return value;
}

static int echo(int socket)
{
    static uint8_t bytes[8192];
    long size;
    while ((size = nx_receive(socket, bytes, sizeof bytes, -1)) > 0)
        if (nx_send(socket, bytes, (size_t)size, -1) != size)
            return 1;
    nx_close(socket);
    return size < 0;
}

int main(int argc, char **argv)
{
    const unsigned port = argc > 1 ? number(argv[1]) : 7, most = argc > 2 ? number(argv[2]) : 1;
    const int listening = nx_listen((uint16_t)port);
    if (listening < 0) {
        nx_printf("cannot listen on port %u: %d\n", port, listening);
        return 1;
    }
    nx_printf("listening on port %u\n", port);
    nx_flush();
    int failed = 0;
    for (unsigned done = 0; most == 0 || done < most; done++) {
        const int socket = nx_accept(listening, -1);
        if (socket < 0)
            return 1;
        failed |= echo(socket);
    }
    nx_close(listening);
    return failed;
}
