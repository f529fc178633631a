/* The durable talks of test_fold.c with jobs in seeded orders instead of worker threads: a failure comes again
 * with its seed. */
#include "seeded_pool.h"

#define FIRST_POOL 2
#define FIRST_KIND 2
#define ROUNDS 4
#include "test_fold.c"
