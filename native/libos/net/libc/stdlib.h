/* lwIP includes this for one function, which it uses in one of its own that no image holds (netif_find). */
#ifndef NX_NET_STDLIB_H
#define NX_NET_STDLIB_H

int atoi(const char *text);

#endif
