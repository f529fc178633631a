/* What a broker has in the file system: its folder, its locks, its secret, its socket.
 *
 * Invariants: one broker a folder and one a socket (locks that end with the process); everything is this
 * user's alone; the secret appears whole or not at all; a socket file is removed only while its lock is held
 * and nobody answers there. Each call returns 0 or a descriptor, or -1 with a line that says what is wrong
 * and what mends it.
 */
#ifndef AM_FOLDER_H
#define AM_FOLDER_H

#include <stddef.h>
#include <stdint.h>

#define AM_ERROR 512u

int am_folder_make(const char *path, char error[AM_ERROR]);            /* 0700, with what stands above it */
int am_folder_lock(const char *folder, char error[AM_ERROR]);          /* FOLDER/lock */
int am_folder_secret(const char *folder, uint8_t secret[32], char error[AM_ERROR]);
int am_folder_journal(const char *folder, char error[AM_ERROR]); /* FOLDER/agentmemd.log, for appending */
/* A listening SOCK_SEQPACKET socket of mode 0600; *lock keeps the path ours. */
int am_folder_listen(const char *path, int *lock, char error[AM_ERROR]);

#endif
