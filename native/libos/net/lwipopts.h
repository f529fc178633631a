/* lwIP, cut down to what sockets of nx.h need: TCP over IPv4, ARP, answers to pings, and a loopback.
 *
 * No operating system below (NO_SYS), no UDP, DHCP, DNS, IPv6 or fragments. All memory is in pools of
 * fixed size, together below 200,000 bytes: NX_NET_CONNECTIONS connections with a queue of NX_NET_QUEUE
 * bytes each way. The queues are ours (connection.h); what is sent lies there until it is acknowledged and
 * is not copied by lwIP. So a peer that never reads, or sends byte by byte, uses up its own connection's
 * memory and nobody else's.
 */
#ifndef NX_NET_LWIPOPTS_H
#define NX_NET_LWIPOPTS_H

#define NX_NET_CONNECTIONS 16
#define NX_NET_LISTENERS 4
#define NX_NET_BACKLOG 8 /* connections of one listener that nobody has accepted yet */
#define NX_NET_QUEUE (3 * TCP_MSS)

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0
#define LWIP_STATS 0

#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define LWIP_ARP 1
#define LWIP_ICMP 1
#define LWIP_RAW 0
#define LWIP_UDP 0
#define LWIP_DHCP 0
#define LWIP_DNS 0
#define IP_REASSEMBLY 0
#define IP_FRAG 0
#define IP_FORWARD 0
#define LWIP_NETIF_LOOPBACK 1 /* also for a link's own address */
#define LWIP_HAVE_LOOPIF 1
#define ETH_PAD_SIZE 2 /* so that the IP header is aligned */

#define LWIP_TCP 1
#define TCP_MSS 1460
#define TCP_WND NX_NET_QUEUE
#define TCP_SND_BUF NX_NET_QUEUE
#define TCP_SND_QUEUELEN 12
#define TCP_OVERSIZE 0
#define TCP_QUEUE_OOSEQ 0 /* links keep the order; a loss costs the three segments behind it again */
#define TCP_LISTEN_BACKLOG 1
#define TCP_DEFAULT_LISTEN_BACKLOG NX_NET_BACKLOG
#define LWIP_HOOK_TCP_ISN(local_ip, local_port, remote_ip, remote_port) nx_net_random()

#define MEM_ALIGNMENT 8
#define MEM_SIZE 24000 /* headers of what is sent, and what is under way on the loopback */
#define MEMP_NUM_TCP_PCB (NX_NET_CONNECTIONS + 2 * NX_NET_BACKLOG) /* with those that knock or leave */
#define MEMP_NUM_TCP_PCB_LISTEN NX_NET_LISTENERS
#define MEMP_NUM_TCP_SEG (NX_NET_CONNECTIONS * 7)
#define MEMP_NUM_PBUF (NX_NET_CONNECTIONS * 7)
#define PBUF_POOL_SIZE 4 /* incoming frames: one at a time, its data is moved to a queue at once */
#define PBUF_POOL_BUFSIZE 1520
#define ARP_TABLE_SIZE 8

#endif
