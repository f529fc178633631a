/* How long what a killed client held stays: from kill -9 until nothing of it is stored any more. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compare.h"
#include "say.h"

enum { UNITS = 500, BYTES = 8192, TIMES = 5 };

static void victim(struct text text, int ready)
{
    static char bytes[BYTES];
    am_client *client = client_of("victim");
    for (unsigned i = 0; i < UNITS; i++) {
        am_unit unit; /* never given back */
        memcpy(bytes, text.bytes + (size_t)i * 4099 % (text.length - BYTES), BYTES);
        snprintf(bytes, BYTES, "held %u", i);
        check(am_publish(client, AM_TOOL_RESULT, bytes, BYTES, 0, &unit), "hold");
    }
    if (write(ready, "x", 1) == 1)
        pause();
    _exit(EXIT_FAILURE);
}

int killed(struct text text)
{
    double all = 0, most = 0;
    for (int i = 0; i < TIMES; i++) {
        int pair[2];
        char byte;
        check(pipe(pair) == 0 ? 0 : AM_EFILES, "pipe");
        const pid_t child = fork();
        if (child == 0)
            victim(text, pair[1]);
        close(pair[1]);
        check(child > 0 && read(pair[0], &byte, 1) == 1 ? 0 : AM_ENOMEM, "victim");
        close(pair[0]);
        am_client *watch = client_of("watch");
        say(held_now(watch).units == UNITS, "kill-held", "%.0f units", held_now(watch).units);
        const double started = seconds();
        kill(child, SIGKILL);
        if (!empties(watch, 60))
            return said();
        const double took = (seconds() - started) * 1e3;
        waitpid(child, NULL, 0);
        am_close(watch);
        all += took;
        most = took > most ? took : most;
    }
    figure("kill-gone", all / TIMES, "ms");
    figure("kill-gone-most", most, "ms");
    return said();
}
