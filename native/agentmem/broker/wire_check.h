/* From the bytes of one packet to a request with types, or to what is wrong with it. Pure: no state, no
 * memory of its own, no trust. The server looks at no packet that has not passed here.
 *
 * Guarantees on AM_OK: every field that the operation has is set, every pointer lies inside the packet (ids
 * and bytes perhaps unaligned), names are UTF-8 of 1 to 255 bytes without control characters (or empty where
 * the operation allows that), types and forms exist, importances are 0 to 100 or AM_LEAVE where that is
 * allowed, and a descriptor came exactly where one belongs. On failure `text` says what was wrong, with the
 * value; sequence, operation and flags are set as far as the packet had them, so that the refusal can be
 * sent.
 *
 * AM_EPROTOCOL: the peer breaks the rules; the connection is to be closed. Any other status: this request
 * only.
 */
#ifndef AM_WIRE_CHECK_H
#define AM_WIRE_CHECK_H

#include "wire.h"

#define AM_TEXT 2u /* STATS only: as text in place of JSON */
#define AM_LEAVE 0xffffffffu
#define AM_REFUSAL 256u /* room for the text */

struct am_name { const char *at; size_t bytes; };

struct am_checked {
    enum am_operation operation;
    uint16_t flags;
    uint64_t sequence;
    am_id id;                   /* PUBLISH (as claimed), ACQUIRE, OWN, DISOWN, MARK, SHARE, HEAD_SET */
    struct am_name name; /* SHARE, STATE, FORGET: perhaps empty; HEAD_SET, HEAD_GET; HELLO: the agent */
    struct am_name realm;       /* HELLO */
    struct am_hello hello;
    struct am_publish_body publish;
    const uint8_t *bytes;       /* PUBLISH inline: publish.length bytes; NULL: they are in the descriptor */
    const uint8_t *ids;         /* HEAT: 32 bytes each */
    uint32_t count;             /* HEAT: of the ids */
    struct am_segment_body segment;
    uint32_t importance, state; /* MARK, STATE */
};

int am_wire_check(const void *packet, size_t bytes, bool descriptor, struct am_checked *checked,
                  char text[AM_REFUSAL]);
/* An id in hexadecimal digits; returns text. */
#define AM_ID_TEXT (2 * sizeof(am_id) + 1)
char *am_id_text(const am_id *id, char text[AM_ID_TEXT]);
/* For journal and figures: "PUBLISH"; "?" for what is none. */
const char *am_operation_name(unsigned operation);

#endif
