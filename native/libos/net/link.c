/* The network interface over NX_OP_NET_*: one frame out is one call, one frame in is one call.
 *
 * Knows nothing of TCP. Frames come from whoever shares the link and are trusted in nothing: their size is
 * checked here, their content by lwIP. Invariant: no frame that names a loopback address gets in, so a
 * connection with 127.0.0.1 is one of this guest with itself. */
#include "link.h"

#include <string.h>

#include "lwip/etharp.h"
#include "nx.h"

enum {
    HEADER = 14, /* of Ethernet, without lwIP's padding */
    MTU_MOST = 1500,
    MTU_LEAST = 576,
    FRAME_MOST = HEADER + MTU_MOST,
    LOOPBACK = 127,
};

static struct netif link;
static bool is_open;

static int64_t ask(uint32_t op, uint64_t arg, const void *in, size_t in_len, void *out, size_t out_cap)
{
    struct nx_call call = {.op = op, .arg = arg, .in = (uintptr_t)in, .in_len = in_len, .out = (uintptr_t)out,
                           .out_cap = out_cap};
    return nx_ring(&call);
}

static err_t send_frame(struct netif *netif, struct pbuf *p)
{
    static uint8_t frame[FRAME_MOST];
    (void)netif;
    if (p->tot_len > FRAME_MOST + ETH_PAD_SIZE)
        return ERR_BUF;
    const u16_t size = pbuf_copy_partial(p, frame, FRAME_MOST, ETH_PAD_SIZE);
    /* A frame that the link does not take is one that was lost on the way: TCP sends it again. */
    ask(NX_OP_NET_SEND, 0, frame, size, NULL, 0);
    return ERR_OK;
}

static err_t set_up(struct netif *netif)
{
    const struct nx_net_info *info = netif->state;
    memcpy(netif->hwaddr, info->mac, sizeof info->mac);
    netif->hwaddr_len = sizeof info->mac;
    netif->mtu = info->mtu < MTU_MOST ? info->mtu : MTU_MOST;
    netif->name[0] = 'n';
    netif->name[1] = 'x';
    netif->output = etharp_output;
    netif->linkoutput = send_frame;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

bool nx_link_open(void)
{
    struct nx_net_info info;
    memset(&info, 0, sizeof info);
    if (ask(NX_OP_NET_INFO, 0, NULL, 0, &info, sizeof info) < 0 || info.address == 0 || info.mtu < MTU_LEAST)
        return false;
    const ip4_addr_t address = {info.address}, mask = {info.mask}, gateway = {info.gateway};
    if (netif_add(&link, &address, &mask, &gateway, &info, set_up, netif_input) == NULL)
        return false;
    link.state = NULL; /* `info` was for set_up */
    netif_set_default(&link);
    netif_set_up(&link);
    is_open = true;
    return true;
}

/* IPv4, from or to 127.x.x.x: nobody on a link has such an address. */
static bool names_loopback(const uint8_t *frame, size_t size)
{
    return size >= HEADER + 20 && frame[12] == 0x08 && frame[13] == 0x00 &&
           (frame[HEADER + 12] == LOOPBACK || frame[HEADER + 16] == LOOPBACK);
}

bool nx_link_receive(uint32_t milliseconds)
{
    if (!is_open) {
        if (milliseconds > 0)
            nx_sleep((int64_t)milliseconds * 1000000);
        return false;
    }
    struct pbuf *p = pbuf_alloc(PBUF_RAW, FRAME_MOST + ETH_PAD_SIZE, PBUF_POOL);
    if (p == NULL)
        nx_panic("the pool of incoming frames is empty, which only a leak can cause");
    uint8_t *frame = (uint8_t *)p->payload + ETH_PAD_SIZE;
    const int64_t size = ask(NX_OP_NET_RECV, (uint64_t)milliseconds << 32, NULL, 0, frame, FRAME_MOST);
    if (size < HEADER || size > FRAME_MOST || names_loopback(frame, (size_t)size)) {
        pbuf_free(p);
        if (size < 0 && milliseconds > 0)
            nx_sleep(1000000); /* the link is gone: whoever waits for it must not spin */
        return size > 0;
    }
    pbuf_realloc(p, (u16_t)(size + ETH_PAD_SIZE));
    if (link.input(p, &link) != ERR_OK)
        pbuf_free(p);
    return true;
}

bool nx_link_is_own(uint32_t address)
{
    return (address & 0xff) == LOOPBACK || (is_open && address == netif_ip4_addr(&link)->addr);
}
