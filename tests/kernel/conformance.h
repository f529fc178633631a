/* The parts of the conformance suite of /dev/agentmem, one function each. They print what they find (say.h).
 * Invariant: a part leaves nothing in the module. */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

void conform_calls(void);    /* heads, sizes, pointers, what no call takes */
void conform_attach(void);   /* realms, agents, users */
void conform_units(void);    /* publish, acquire, release, own, identify */
void conform_maps(void);     /* mmap and what holds a unit */
void conform_agents(void);   /* states, tiers, ends */
void conform_figures(void);  /* STATS, AGENT and /proc/agent_stats agree */
void conform_owned(void);    /* the list of what an agent owns, and its figures (conformance_owned.c) */
void conform_many(void);     /* many agents, realms, units: what is long (conformance_many.c) */

#endif
