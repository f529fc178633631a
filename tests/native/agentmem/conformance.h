/* Conformance: libagentmem does what agentmem.h says, whoever serves it, broker or kernel module. The parts
 * of the suite, and what they share.
 *
 * Invariant: a test says one line for each thing it has looked at (say.h) and leaves no unit, agent or
 * reference behind; where the backends may differ, `offers` says so, and nothing else asks which one it is.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../kernel/say.h"
#include "agentmem.h"

/* What the backend under test has beyond units and agents. */
struct offers {
    bool names;       /* ropes, heads, conversations, sharing, durable agents */
    bool empty_units; /* a unit may have no bytes */
    bool tells_apart; /* another agent's private unit is AM_EACCESS; else AM_ENOTFOUND, as if it were not
                         there */
};
extern struct offers offers;
extern const char *place; /* of the socket or the device */

am_client *client_of(const char *realm, const char *agent); /* NULL, and said */
/* The status is this one, and am_error has this word; out-parameters are the caller's to look at. */
bool refuses(int status, int wanted, const char *word, const char *name);
bool works(int status, const char *name);
void fill(void *to, uint64_t length, unsigned seed);
bool holds(const am_unit *unit, const void *bytes, uint64_t length);
/* A number of a JSON text at a path such as "store.units" or "2.types.kv_page.units"; -1: it is not there. */
double figure(const char *json, const char *path);
/* How many values a list has; -1: there is none. */
int count_of(const char *json, const char *path);
/* Whether the text at the path is this. */
bool text_is(const char *json, const char *path, const char *wanted);
/* Figures of STATS, and the path of an agent in AGENTS ("3", or "" where it is not). */
double stat_of(am_client *client, const char *path);
double agent_figure(am_client *client, const char *agent, const char *key);
/* Waits until the backend has noticed that everybody else has gone; false when it has not after a while. */
bool alone(am_client *client);

void conform_content(void); /* conformance_units.c */
void conform_spaces(void);
void conform_refusals(void); /* conformance_refusals.c */
void conform_quotas(void);
void conform_agents(void); /* conformance_agents.c */
void conform_deaths(void);
void conform_threads(void); /* conformance_threads.c */
void conform_figures(void); /* conformance_figures.c */
void conform_offers(void);  /* conformance_offers.c */
void conform_inventory(void); /* conformance_inventory.c */

#endif
