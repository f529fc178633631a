/* The way to the disk and back, as the other files of the store see it. What holds there: cold.c. Included by
 * inside.h. */
#ifndef AM_COLD_H
#define AM_COLD_H

/* cold.c, freeze.c, replay.c. The journal says what durable agents are and own; it is written again from the
 * state (a snapshot, one generation more) when it has become longer than that. */
struct am_cold_entry {
    struct am_log_head head;
    void *payload;
    uint32_t realm, unit;
    uint64_t address;
    int status;
};
void am_journal(struct am_store *store, uint8_t kind, struct am_realm *realm, uint32_t space, const am_id *id,
                uint32_t value, uint16_t importance, const void *payload, size_t bytes);
bool am_cold_unit(struct am_realm *realm, uint32_t number, const struct am_log_head *head,
                  const void *payload, size_t bytes);
void am_cold_forget(struct am_store *store, uint64_t address); /* drop it with the next writing job */
void am_point_begin(struct am_store *store); /* point.c */
void am_point_end(struct am_store *store);
void am_held_take(struct am_store *store); /* all that is over, to be dropped with the next point */
void am_snapshot(struct am_store *store); /* everything durable into the journal, as a new generation */
void am_cold_step(struct am_store *store, bool now); /* start a writing job if there is something to write */
int am_cold_read(struct am_store *store, uint64_t address, struct am_log_head *head, void *payload,
                 size_t room);
void am_cold_waiters(struct am_store *store); /* those who waited for the end of a compaction */
int am_cold_replay(struct am_store *store);
uint32_t am_check_cold(struct am_realm *realm, size_t *wrong); /* check_cold.c */
void am_freeze(struct am_store *store, uint64_t now, bool everything); /* collect what is to be written */
bool am_freeze_number(struct am_realm *realm, uint32_t number);
void am_unsaved(struct am_realm *realm, uint32_t number); /* a durable agent may need it */
#define AM_DISOWNED                                                                                          \
    0xfffeu /* importance of an OWN record: no longer; 0xffff is the log's own word for a death */
#define AM_RECORD_MARK 8 /* the snapshot of this generation is whole */

#endif
