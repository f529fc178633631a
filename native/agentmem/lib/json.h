/* JSON written piece by piece to a stream: commas and quotes come by themselves. It checks no nesting. */
#ifndef AM_JSON_H
#define AM_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct am_json { FILE *to; bool first; };

/* key NULL: inside an array, or the outermost. */
void am_json_open(struct am_json *json, const char *key, char bracket);
void am_json_close(struct am_json *json, char bracket);
void am_json_number(struct am_json *json, const char *key, uint64_t value);
void am_json_signed(struct am_json *json, const char *key, int64_t value);
void am_json_truth(struct am_json *json, const char *key, bool value);
void am_json_text(struct am_json *json, const char *key, const char *value); /* UTF-8 */

#endif
