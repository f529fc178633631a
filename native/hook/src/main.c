/* nexus-hook: hands one event of an agent to the service and prints what the service has to say.
 *
 *   nexus-hook [--home FOLDER] < event.json
 *
 * FOLDER is NEXUS_HOME; without the option the variable counts, then the platform's folder for user
 * data. The exit status is always 0 and nothing is ever written to stderr: an agent must work the same
 * whether the service runs, has been stopped, is busy or is broken. The process ends after
 * DEADLINE_MS whatever happens. No service: it ends within milliseconds.
 */
#include "nexus_hook_fields.h"
#include "service.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define DEADLINE_MS 1500
/* Without a service, how long an agent may pause while it writes the event. */
#define PATIENCE_MS 4
#define LARGEST_EVENT (1024 * 1024)
#define LARGEST_ANSWER (256 * 1024)

/* What the service reads of an event (nexus.service.api.hooks). All else stays in this process. */
static const char *const NAMES[] = {
    "hook_event_name", "session_id", "transcript_path", "agent_transcript_path", "cwd", "source",
    "prompt", "last_assistant_message", "stop_hook_active", "reason", "trigger", "tool_name",
};

static char event[LARGEST_EVENT + NX_FIELDS_RESERVE], answer[LARGEST_ANSWER], input[64 * 1024];

static void give_up(int signal)
{
    (void)signal;
    _exit(0);
}

static void start_timer(void)
{
    struct itimerval timer = {.it_value = {.tv_sec = DEADLINE_MS / 1000, .tv_usec = DEADLINE_MS % 1000 * 1000}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void set_deadline(void)
{
    struct sigaction action = {.sa_handler = give_up};
    sigaction(SIGALRM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    start_timer();
}

/* The folder of the service. Returns 0, or -1 where none can be named. */
static int home_of(int count, char **arguments, char *out, size_t size)
{
    const char *home = getenv("NEXUS_HOME"), *user = getenv("HOME"), *data = getenv("XDG_DATA_HOME");
    int length;
    if (count > 2 && strcmp(arguments[1], "--home") == 0)
        home = arguments[2];
    if (home && *home)
        length = snprintf(out, size, "%s", home);
#ifdef __APPLE__
    else if (user && *user)
        length = snprintf(out, size, "%s/Library/Application Support/nexus", user);
#endif
    else if (data && *data)
        length = snprintf(out, size, "%s/nexus", data);
    else if (user && *user)
        length = snprintf(out, size, "%s/.local/share/nexus", user);
    else
        return -1;
    return length < 0 || (size_t)length >= size ? -1 : 0;
}

/* Read what the agent writes, so that it is not met by a closed pipe, and keep nothing. */
static void drain(void)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    while (poll(&in, 1, PATIENCE_MS) > 0 && read(STDIN_FILENO, input, sizeof input) > 0) {
    }
}

/* Read the event. Returns the length of what the service needs of it, 0 when it cannot be read. */
static size_t read_event(void)
{
    struct nx_fields reader;
    nx_fields_start(&reader, NAMES, sizeof NAMES / sizeof *NAMES, event, sizeof event);
    for (;;) {
        ssize_t n = read(STDIN_FILENO, input, sizeof input);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || nx_fields_feed(&reader, input, (size_t)n) != NX_FIELDS_MORE)
            break;
    }
    return nx_fields_finish(&reader);
}

static void print(const char *text, size_t size)
{
    /* The time spent so far must not cut an answer in two; an agent that does not read one may. */
    start_timer();
    while (size > 0) {
        ssize_t n = write(STDOUT_FILENO, text, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        text += n;
        size -= (size_t)n;
    }
}

int main(int count, char **arguments)
{
    char home[4096];
    set_deadline();
    int service = home_of(count, arguments, home, sizeof home) == 0 ? nx_service_connect(home) : -1;
    if (service < 0) {
        drain();
        return 0;
    }
    size_t size = read_event();
    if (nx_service_send(service, event, size) == 0) {
        long length = nx_service_receive(service, answer, sizeof answer);
        if (length > 0)
            print(answer, (size_t)length);
    }
    drain();
    return 0;
}
