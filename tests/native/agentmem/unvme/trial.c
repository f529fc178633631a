/* The program that the guest runs: `unvme-trial WHAT WHERE [COUNT]`; see trial.h. */
#include "trial.h"

int failures;

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *what = argc > 2 ? argv[1] : "", *where = argc > 2 ? argv[2] : "";
    const uint64_t count = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    if (strcmp(what, "data") == 0)
        trial_data(where);
    else if (strcmp(what, "errors") == 0)
        trial_errors(where);
    else if (strcmp(what, "bad") == 0)
        trial_bad(where, count);
    else if (strcmp(what, "wipe") == 0)
        trial_wipe(where);
    else if (strcmp(what, "pulled") == 0)
        trial_pulled(where);
    else if (strcmp(what, "latency") == 0)
        trial_latency(where);
    else if (strcmp(what, "kernel") == 0)
        trial_kernel(where);
    else if (strcmp(what, "log") == 0)
        trial_log(where, count);
    else if (strcmp(what, "replay") == 0)
        trial_replay(where, count);
    else if (strcmp(what, "stranger") == 0)
        trial_stranger(where);
    else
        EXPECT(false, "data, bad, wipe, errors, pulled, latency, kernel, log, replay or stranger?");
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
