#ifndef NX_UNISTD_H
#define NX_UNISTD_H

#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2

typedef long ssize_t;

#endif
