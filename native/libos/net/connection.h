/* The connections of a guest, and what lwIP reports of them. */
#ifndef NX_NET_CONNECTION_H
#define NX_NET_CONNECTION_H

#include <stdbool.h>

#include "lwip/tcp.h"
#include "queue.h"

enum connection_state {
    CONNECTION_FREE,
    CONNECTION_OPENING, /* asked for by nx_connect */
    CONNECTION_WAITING, /* made by a peer, not accepted yet */
    CONNECTION_OPEN,
    CONNECTION_CLOSING, /* closed by the application; its last bytes are not acknowledged */
};

struct connection {
    struct tcp_pcb *pcb; /* NULL: free, or reset */
    enum connection_state state;
    unsigned listener;   /* which made it, where WAITING */
    unsigned long order; /* the lower the older */
    bool peer_closed;    /* no more bytes will come */
    struct queue received;
    struct queue sent; /* until acknowledged: lwIP sends from here, without a copy */
};

extern struct connection nx_connections[NX_NET_CONNECTIONS];

/* A free one around `pcb`, which reports to it from now on. Where none is free, the oldest that is only
 * waiting for its last acknowledgement is cut off. NULL, and nothing is changed: the application holds
 * them all. */
struct connection *connection_new(struct tcp_pcb *pcb, enum connection_state state);

/* Queue bytes and start to send them. How many: 0 where there is no room now. */
size_t connection_send(struct connection *connection, const uint8_t *bytes, size_t size);

/* Take bytes that came. How many: 0 where there are none now. */
size_t connection_receive(struct connection *connection, uint8_t *to, size_t size);

/* Say goodbye after what is queued; bytes that nobody read are thrown away. Becomes FREE when all is
 * acknowledged, at once where it is already. */
void connection_close(struct connection *connection);

/* Reset it. FREE afterwards. */
void connection_abort(struct connection *connection);

#endif
