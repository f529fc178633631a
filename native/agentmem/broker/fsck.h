/* `nexus-agentmemd --check FOLDER`, or a bare disk: reads every record of the cold log and says what is
 * damaged (the seed's fsck).
 *
 * It changes nothing and needs the folder's lock, or the disk to itself, so that no broker writes meanwhile.
 * Exit status 0: whole, 1: some is damaged (each place is named on stdout), 2: it could not be looked at.
 */
#ifndef AM_FSCK_H
#define AM_FSCK_H

int am_fsck(const char *where); /* a broker's folder, or like nvme:0000:00:04.0 */

#endif
