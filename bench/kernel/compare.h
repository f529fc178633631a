/* What the parts of compare share: clients of whichever backend NEXUS_AGENTMEM names, its figures and those
 * of the machine.
 *
 * Knows neither broker nor module: libagentmem alone. Invariant: whatever fails ends the program with a
 * result that is no pass.
 */
#ifndef COMPARE_H
#define COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agentmem.h"

extern const char *backend; /* "module" or "broker": how figures are named */
extern unsigned turn;       /* which of the turns A B A B this is */

void check(int status, const char *what);
void figure(const char *name, double value, const char *unit); /* BACKEND.NAME.TURN */
am_client *client_of(const char *agent);

struct held { double hot, warm, cold, units, taken; };
/* Bytes as they are stored, and what the backend says that it takes for them. */
struct held held_now(am_client *client);
bool empties(am_client *client, double within_s);

double machine_has(const char *line); /* of /proc/meminfo, in MiB */
double machine_free(void); /* in MiB: the page cache let go of; with the pages that processors keep */

struct text { const char *bytes; size_t length; };
struct text text_of(const char *path); /* mapped */

int calls(struct text text);
int set(struct text text, const char *plan, bool ropes);
int killed(struct text text);
int shortage(struct text text, double mib, double mib_a_second);

#endif
