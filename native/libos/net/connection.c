/* A connection between lwIP's control block and two queues of bytes.
 *
 * Knows nothing of waiting. Invariant: a control block that reports to a connection is the connection's
 * `pcb`, and lwIP holds no byte of `sent` that is not counted there; so a FREE connection can be used
 * again. */
#include "connection.h"

struct connection nx_connections[NX_NET_CONNECTIONS];

/* The control block goes its own way, or is gone. */
static void release(struct connection *connection)
{
    struct tcp_pcb *pcb = connection->pcb;
    if (pcb != NULL) {
        tcp_arg(pcb, NULL);
        tcp_recv(pcb, NULL);
        tcp_sent(pcb, NULL);
        tcp_err(pcb, NULL);
    }
    connection->pcb = NULL;
    connection->state = CONNECTION_FREE;
}

static err_t on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    struct connection *connection = arg;
    (void)error;
    if (p == NULL) {
        connection->peer_closed = true;
        return ERR_OK;
    }
    if (connection->state == CONNECTION_CLOSING) {
        tcp_recved(pcb, p->tot_len);
        pbuf_free(p);
        return ERR_OK;
    }
    if (p->tot_len > queue_room(&connection->received))
        return ERR_MEM; /* beyond the window: lwIP keeps it and asks again */
    for (const struct pbuf *part = p; part != NULL; part = part->next)
        queue_put(&connection->received, part->payload, part->len);
    pbuf_free(p);
    return ERR_OK;
}

/* All is acknowledged: lwIP says goodbye alone, and is cut off where a new connection needs the block. */
static void finish(struct connection *connection)
{
    struct tcp_pcb *pcb = connection->pcb;
    release(connection);
    tcp_setprio(pcb, TCP_PRIO_MIN);
    tcp_close(pcb);
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t size)
{
    struct connection *connection = arg;
    (void)pcb;
    queue_drop(&connection->sent, size < connection->sent.count ? size : connection->sent.count);
    if (connection->state == CONNECTION_CLOSING && connection->sent.count == 0)
        finish(connection);
    return ERR_OK;
}

static void on_error(void *arg, err_t error)
{
    struct connection *connection = arg;
    (void)error;
    connection->pcb = NULL; /* lwIP has freed it */
    if (connection->state == CONNECTION_WAITING || connection->state == CONNECTION_CLOSING)
        connection->state = CONNECTION_FREE;
}

static struct connection *oldest_closing(void)
{
    struct connection *oldest = NULL;
    for (struct connection *c = nx_connections; c < nx_connections + NX_NET_CONNECTIONS; c++)
        if (c->state == CONNECTION_CLOSING && (oldest == NULL || c->order < oldest->order))
            oldest = c;
    return oldest;
}

struct connection *connection_new(struct tcp_pcb *pcb, enum connection_state state)
{
    static unsigned long order;
    struct connection *free = NULL;
    for (struct connection *c = nx_connections; c < nx_connections + NX_NET_CONNECTIONS; c++)
        if (c->state == CONNECTION_FREE) {
            free = c;
            break;
        }
    if (free == NULL) {
        free = oldest_closing();
        if (free == NULL)
            return NULL;
        connection_abort(free);
    }
    free->pcb = pcb;
    free->state = state;
    free->order = order++;
    free->peer_closed = false;
    free->received.start = free->received.count = 0;
    free->sent.start = free->sent.count = 0;
    tcp_setprio(pcb, TCP_PRIO_NORMAL);
    tcp_arg(pcb, free);
    tcp_recv(pcb, on_received);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
    return free;
}

size_t connection_send(struct connection *connection, const uint8_t *bytes, size_t size)
{
    size_t sent = 0;
    while (sent < size) {
        size_t piece;
        uint8_t *end = queue_end(&connection->sent, &piece);
        if (piece > size - sent)
            piece = size - sent;
        if (piece > tcp_sndbuf(connection->pcb))
            piece = tcp_sndbuf(connection->pcb);
        if (piece == 0)
            break;
        memcpy(end, bytes + sent, piece);
        if (tcp_write(connection->pcb, end, (u16_t)piece, 0) != ERR_OK)
            break; /* too many small pieces are under way */
        connection->sent.count = (uint16_t)(connection->sent.count + piece);
        sent += piece;
    }
    /* Also where nothing was queued: an earlier attempt may have found no memory for a header. */
    tcp_output(connection->pcb);
    return sent;
}

size_t connection_receive(struct connection *connection, uint8_t *to, size_t size)
{
    const size_t taken = queue_take(&connection->received, to, size);
    if (taken > 0 && connection->pcb != NULL)
        tcp_recved(connection->pcb, (u16_t)taken);
    return taken;
}

void connection_close(struct connection *connection)
{
    if (connection->pcb == NULL) {
        release(connection);
        return;
    }
    /* lwIP resets a connection that is closed with bytes unread, and what is still to be sent with it. */
    if (connection->received.count > 0)
        tcp_recved(connection->pcb, connection->received.count);
    queue_drop(&connection->received, connection->received.count);
    connection->state = CONNECTION_CLOSING;
    if (connection->sent.count == 0)
        finish(connection);
    else
        tcp_shutdown(connection->pcb, 0, 1);
}

void connection_abort(struct connection *connection)
{
    struct tcp_pcb *pcb = connection->pcb;
    release(connection);
    if (pcb != NULL)
        tcp_abort(pcb);
}
