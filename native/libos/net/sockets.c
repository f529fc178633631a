/* The sockets of nx.h: calls that wait, over connections that lwIP moves.
 *
 * A wait moves the whole stack, so both ends of a connection may be in this guest. A connection is 0 to
 * NX_NET_CONNECTIONS - 1, a listener counts from there. What the calls answer is in nx.h. nx_close does not
 * wait for a peer in this guest, which could not read meanwhile. Knows nothing of frames. Invariant: a number
 * that was given out is not given again before nx_close. */
#include "connection.h"
#include "link.h"
#include "nx.h"
#include "stack.h"

enum { CLOSE_MS = 5000 };

static struct tcp_pcb *listeners[NX_NET_LISTENERS];

static struct connection *opened(int socket)
{
    if (socket < 0 || socket >= NX_NET_CONNECTIONS || nx_connections[socket].state != CONNECTION_OPEN)
        return NULL;
    return &nx_connections[socket];
}

static unsigned listener_of(int socket)
{
    const unsigned listener = (unsigned)socket - NX_NET_CONNECTIONS;
    return listener < NX_NET_LISTENERS && listeners[listener] != NULL ? listener : NX_NET_LISTENERS;
}

static err_t on_accepted(void *arg, struct tcp_pcb *pcb, err_t error)
{
    if (error != ERR_OK || pcb == NULL)
        return ERR_VAL;
    struct connection *connection = connection_new(pcb, CONNECTION_WAITING);
    if (connection == NULL)
        return ERR_MEM; /* lwIP resets it */
    connection->listener = (unsigned)(uintptr_t)arg;
    tcp_backlog_delayed(pcb);
    return ERR_OK;
}

int nx_listen(uint16_t port)
{
    unsigned number = 0;
    if (port == 0)
        return -NX_EINVAL;
    nx_net_start();
    while (number < NX_NET_LISTENERS && listeners[number] != NULL)
        number++;
    struct tcp_pcb *pcb = number < NX_NET_LISTENERS ? tcp_new() : NULL;
    if (pcb == NULL)
        return -NX_E2BIG;
    if (tcp_bind(pcb, IP4_ADDR_ANY, port) != ERR_OK) {
        tcp_close(pcb);
        return -NX_EPERM;
    }
    struct tcp_pcb *listening = tcp_listen_with_backlog(pcb, NX_NET_BACKLOG);
    if (listening == NULL) {
        tcp_close(pcb);
        return -NX_E2BIG;
    }
    /* Of those who have only knocked: what the application has, or asks for, goes first. */
    tcp_setprio(listening, TCP_PRIO_MIN + 1);
    tcp_arg(listening, (void *)(uintptr_t)number);
    tcp_accept(listening, on_accepted);
    listeners[number] = listening;
    return (int)(NX_NET_CONNECTIONS + number);
}

static struct connection *oldest_waiting(unsigned listener)
{
    struct connection *oldest = NULL;
    for (struct connection *c = nx_connections; c < nx_connections + NX_NET_CONNECTIONS; c++)
        if (c->state == CONNECTION_WAITING && c->listener == listener &&
            (oldest == NULL || c->order < oldest->order))
            oldest = c;
    return oldest;
}

int nx_accept(int listening, int timeout_ms)
{
    const unsigned listener = listener_of(listening);
    if (listener == NX_NET_LISTENERS)
        return -NX_EINVAL;
    nx_net_turn();
    struct nx_deadline deadline = nx_deadline(timeout_ms);
    struct connection *connection;
    while ((connection = oldest_waiting(listener)) == NULL)
        if (!nx_net_wait(&deadline))
            return -NX_EIO;
    connection->state = CONNECTION_OPEN;
    tcp_backlog_accepted(connection->pcb);
    return (int)(connection - nx_connections);
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t error)
{
    (void)pcb;
    (void)error;
    ((struct connection *)arg)->state = CONNECTION_OPEN;
    return ERR_OK;
}

int nx_connect(uint32_t address, uint16_t port, int timeout_ms)
{
    if (port == 0)
        return -NX_EINVAL;
    nx_net_start();
    nx_net_turn();
    struct tcp_pcb *pcb = tcp_new();
    struct connection *connection = pcb != NULL ? connection_new(pcb, CONNECTION_OPENING) : NULL;
    if (connection == NULL) {
        if (pcb != NULL)
            tcp_abort(pcb);
        return -NX_E2BIG;
    }
    const ip_addr_t to = {lwip_htonl(address)};
    if (tcp_connect(pcb, &to, port, on_connected) != ERR_OK) {
        connection_abort(connection);
        return -NX_ENODEV;
    }
    struct nx_deadline deadline = nx_deadline(timeout_ms);
    while (connection->state == CONNECTION_OPENING && connection->pcb != NULL)
        if (!nx_net_wait(&deadline)) {
            connection_abort(connection);
            return -NX_EIO;
        }
    /* A peer that closes or resets at once has still been connected: nx_receive says what became of it. */
    if (connection->state != CONNECTION_OPEN) {
        connection_close(connection);
        return -NX_ENOENT;
    }
    return (int)(connection - nx_connections);
}

long nx_send(int socket, const void *bytes, size_t size, int timeout_ms)
{
    struct connection *connection = opened(socket);
    if (connection == NULL)
        return -NX_EINVAL;
    nx_net_turn();
    struct nx_deadline deadline = nx_deadline(timeout_ms);
    size_t sent = 0;
    while (connection->pcb != NULL) {
        sent += connection_send(connection, (const uint8_t *)bytes + sent, size - sent);
        if (sent == size)
            return (long)sent;
        if (!nx_net_wait(&deadline))
            return sent > 0 ? (long)sent : -NX_EIO;
    }
    return -NX_ENOENT;
}

long nx_receive(int socket, void *to, size_t size, int timeout_ms)
{
    struct connection *connection = opened(socket);
    if (connection == NULL || size == 0)
        return -NX_EINVAL;
    nx_net_turn();
    struct nx_deadline deadline = nx_deadline(timeout_ms);
    for (;;) {
        const size_t taken = connection_receive(connection, to, size);
        if (taken > 0)
            return (long)taken;
        if (connection->peer_closed)
            return 0;
        if (connection->pcb == NULL)
            return -NX_ENOENT;
        if (!nx_net_wait(&deadline))
            return -NX_EIO;
    }
}

static void close_listener(unsigned listener)
{
    struct connection *waiting;
    while ((waiting = oldest_waiting(listener)) != NULL)
        connection_abort(waiting);
    tcp_close(listeners[listener]);
    listeners[listener] = NULL;
}

void nx_close(int socket)
{
    const unsigned listener = listener_of(socket);
    if (listener < NX_NET_LISTENERS) {
        close_listener(listener);
        return;
    }
    struct connection *connection = opened(socket);
    if (connection == NULL)
        return;
    const bool own = connection->pcb == NULL || nx_link_is_own(ip_2_ip4(&connection->pcb->remote_ip)->addr);
    const unsigned long order = connection->order;
    connection_close(connection);
    nx_net_local();
    struct nx_deadline deadline = nx_deadline(CLOSE_MS);
    while (!own && connection->state == CONNECTION_CLOSING && connection->order == order)
        if (!nx_net_wait(&deadline))
            return;
}
