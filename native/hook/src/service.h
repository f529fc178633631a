/* One question to the service over its hook socket, and its answer.
 *
 * Frame to the service:   "NXH1", then three times a length (4 bytes, big endian) and as many bytes:
 *                         CLAUDE_CONFIG_DIR, CODEX_HOME (both may be empty), the event as JSON.
 * Frame from the service: a length and as many bytes, what to print; 0 bytes for nothing.
 *
 * An answer is used whole or not at all: a service that is killed while answering leaves the agent
 * with no text, never with half of one.
 */
#ifndef NEXUS_HOOK_SERVICE_H
#define NEXUS_HOOK_SERVICE_H

#include <stddef.h>

/* Connect to `home`/run/hook.sock. Returns a descriptor, or -1 where nobody answers there, or where
 * whoever does is another user. */
int nx_service_connect(const char *home);

/* Send a frame. Returns 0, or -1 when the service has gone. */
int nx_service_send(int descriptor, const char *event, size_t size);

/* Receive the answer into `out`. Returns its length, or -1 when it is not complete or larger than
 * `capacity`. */
long nx_service_receive(int descriptor, char *out, size_t capacity);

#endif
