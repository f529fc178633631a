/* nexus-relay: MCP over stdin and stdout, passed on to the running service, one JSON-RPC message a line.
 *
 *   nexus-relay HOME PROJECT COMMAND [ARGUMENT...]
 *
 * `nexus mcp` becomes this program: an agent keeps one for each of its sessions, and this one holds a
 * megabyte where Python holds fifteen. It does what a session is made of, requests that a running service
 * answers. All else (no service, another status, what is no message) it leaves to the relay in Python: it
 * lets the requests under way end, and then becomes COMMAND, which reads what was not answered from the
 * descriptor NEXUS_RELAY_PENDING before it reads stdin; NEXUS_RELAY_REVISION is what the handshake settled.
 *
 * PROJECT is sent as the header nexus-project. Invariants: a request is answered here or left over, never
 * both; a line is written whole; the end of stdin ends the process when all is answered.
 */
#include "nexus_relay.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#define AT_ONCE 16
#define LARGEST_LINE ((size_t)1 << 20)
#define TIMEOUT_SECONDS 60
#define STACK_BYTES (128 << 10)
#define VERSION_KEY "io.modelcontextprotocol/protocolVersion"
#define CLIENT_KEY "io.modelcontextprotocol/clientInfo"

static const char *home, *project;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct nx_span job;        /* the message that waits for a thread; NULL where none does */
static int threads, idle;
static int left_over = -1, woken; /* what Python has to do, and what wakes the reader of stdin */
static char revision[64];
static char agent[64] = "nexus-mcp"; /* what it calls itself in the handshake */

/* For Python: only ever appended to, whole messages. */
static void leave(struct nx_span text)
{
    for (size_t done = 0; done < text.size;) {
        ssize_t n = write(left_over, text.at + done, text.size - done);
        if (n <= 0 && errno != EINTR)
            _exit(1);
        done += n > 0 ? (size_t)n : 0;
    }
}

static void print(struct nx_span text)
{
    for (size_t done = 0; done < text.size;) {
        ssize_t n = write(STDOUT_FILENO, text.at + done, text.size - done);
        if (n <= 0 && errno != EINTR)
            _exit(0); /* the agent has gone */
        done += n > 0 ? (size_t)n : 0;
    }
}

/* The answer in `body`, which has an id at `there`, as the answer to the request `id`. */
static void answer(struct nx_span body, struct nx_span there, struct nx_span id)
{
    char *text = (char *)body.at, *after = text + (there.at - text) + there.size;
    /* Line ends between the parts of a JSON text are spaces; within strings there are none. */
    for (size_t i = 0; i < body.size; i++)
        if (text[i] == '\n' || text[i] == '\r')
            text[i] = ' ';
    text[body.size] = '\n'; /* where the 0 was */
    pthread_mutex_lock(&lock);
    print((struct nx_span){text, (size_t)(there.at - text)});
    print(id);
    print((struct nx_span){after, (size_t)(text + body.size + 1 - after)});
    pthread_mutex_unlock(&lock);
}

/* A file of the service's folder. Returns its length, or -1; `held` asks whether a process has it locked. */
static ssize_t read_file(const char *name, char *out, size_t capacity, int held)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/run/%s", home, name) >= sizeof path)
        return -1;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = -1;
    if (file >= 0 && (!held || (flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK)))
        size = read(file, out, capacity - 1);
    if (file >= 0)
        close(file);
    out[size > 0 ? size : 0] = 0;
    return size;
}

/* The address of the running service. Returns 0 or -1. */
static int find_service(char *url, size_t capacity)
{
    char text[4096];
    ssize_t size = read_file("nexus.lock", text, sizeof text, 1);
    return size > 0 ? nx_plain_string(nx_member((struct nx_span){text, (size_t)size}, "url"), url, capacity) : -1;
}

/* What the agent calls itself in this message, as a header may hold it; what it did in the handshake where it
 * says nothing. */
static void agent_of(struct nx_span params, struct nx_span meta, char *out, size_t capacity)
{
    struct nx_span client = nx_member(params, "clientInfo");
    char name[256] = "";
    if (nx_plain_string(nx_member(client.at ? client : nx_member(meta, CLIENT_KEY), "name"), name, sizeof name) != 0
        || !*name)
        strcpy(name, agent);
    for (char *at = name; *at; at++)
        if (*at == ' ')
            *at = '-';
    name[capacity - 1] = 0;
    strcpy(out, name);
}

/* The headers of one message. Returns 0, or -1 where they cannot be said here. */
static int headers_of(struct nx_span message, const char *url, char *out, size_t capacity)
{
    char token[512], method[256] = "", name[512] = "", asked[64] = "", more[1024] = "", client[61];
    struct nx_span params = nx_member(message, "params"), found = nx_member(params, "name");
    struct nx_span meta = nx_member(params, "_meta"), version = nx_member(meta, VERSION_KEY);
    read_file("token", token, sizeof token, 0);
    token[strcspn(token, "\r\n")] = 0;
    nx_plain_string(nx_member(message, "method"), method, sizeof method);
    agent_of(params, meta, client, sizeof client);
    if (strcmp(method, "initialize") == 0)
        strcpy(agent, client); /* nothing else is under way */
    if (version.at && version.at[0] == '"') {
        if (nx_plain_string(version, asked, sizeof asked) != 0
            || (found.at && found.at[0] == '"' && nx_plain_string(found, name, sizeof name) != 0))
            return -1;
        snprintf(more, sizeof more, "mcp-protocol-version: %s\r\nmcp-method: %s\r\n%s%s%s", asked, method,
                 *name ? "mcp-name: " : "", name, *name ? "\r\n" : "");
    } else if (*revision && strcmp(method, "initialize") != 0) {
        snprintf(more, sizeof more, "mcp-protocol-version: %s\r\n", revision);
    }
    int size = snprintf(out, capacity,
                        "host: %s\r\nuser-agent: %s\r\ncontent-type: application/json\r\n"
                        "accept: application/json, text/event-stream\r\n"
                        "authorization: Bearer %s\r\nnexus-project: %s\r\n%s",
                        url + strlen("http://"), client, token, project, more);
    return size < 0 || (size_t)size >= capacity ? -1 : 0;
}

struct connection {
    int socket; /* -1 where there is none */
    char url[128];
};

static void hang_up(struct connection *to)
{
    close(to->socket);
    to->socket = -1;
}

/* Ask the service. Returns 0 when a request has its answer, or -1 when it is Python's to answer. */
static int serve(struct nx_span message, struct connection *to)
{
    char url[128], headers[8192];
    struct nx_span method = nx_member(message, "method"), id = nx_member(message, "id");
    char late[] = "{\"jsonrpc\":\"2.0\",\"id\":0,\"error\":{\"code\":-32000,"
                         "\"message\":\"the service did not answer in time\"}}";
    for (;;) {
        if (find_service(url, sizeof url) != 0 || headers_of(message, url, headers, sizeof headers) != 0)
            return -1;
        if (to->socket >= 0 && strcmp(url, to->url) != 0)
            hang_up(to);
        int kept = to->socket;
        strcpy(to->url, url);
        if (kept < 0 && (to->socket = nx_connect(url, TIMEOUT_SECONDS)) < 0)
            return -1;
        struct nx_reply reply = nx_post(to->socket, headers, message);
        if (!reply.reusable)
            hang_up(to);
        struct nx_span body = {reply.body, reply.size}, there = nx_member(body, "id");
        int answered = reply.state == NX_REPLY_WHOLE && nx_member(body, "jsonrpc").at && there.at;
        if (answered && method.at && id.at) {
            if (method.size == 12 && memcmp(method.at, "\"initialize\"", 12) == 0)
                nx_plain_string(nx_member(nx_member(body, "result"), "protocolVersion"), revision, sizeof revision);
            answer(body, there, id);
        }
        free(reply.body);
        if (reply.state == NX_REPLY_LATE && method.at && id.at) {
            struct nx_span text = {late, sizeof late - 1};
            answer(text, nx_member(text, "id"), id);
        }
        if (reply.state == NX_REPLY_LATE)
            return 0; /* it may have been done: not to be asked a second time */
        if (reply.state == NX_REPLY_WHOLE)
            return answered ? 0 : -1;
        /* A kept connection may be one of a service that has gone: ask once more on a fresh one. */
        if (kept < 0)
            return -1;
    }
}

static void *work(void *unused)
{
    struct connection connection = {.socket = -1};
    (void)unused;
    pthread_mutex_lock(&lock);
    for (;;) {
        idle++;
        pthread_cond_broadcast(&changed);
        while (job.at == NULL)
            pthread_cond_wait(&changed, &lock);
        struct nx_span message = job;
        job.at = NULL;
        idle--;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
        int failed = serve(message, &connection);
        /* Nobody waits for the answer to a notification or to an answer. */
        if (failed && nx_member(message, "method").at && nx_member(message, "id").at) {
            pthread_mutex_lock(&lock);
            leave(message);
            leave((struct nx_span){"\n", 1});
            pthread_mutex_unlock(&lock);
            eventfd_write(woken, 1);
        }
        free((char *)message.at);
        malloc_trim(0);
        pthread_mutex_lock(&lock);
    }
    return NULL;
}

/* Hand a message to a thread; waits while as many as there may be are under way, or until it is answered. */
static void submit(struct nx_span message, int wait)
{
    pthread_mutex_lock(&lock);
    if (idle == 0 && threads < AT_ONCE) {
        pthread_attr_t small;
        pthread_t thread;
        pthread_attr_init(&small);
        pthread_attr_setstacksize(&small, STACK_BYTES);
        if (pthread_create(&thread, &small, work, NULL) == 0)
            threads++;
        else if (threads == 0)
            _exit(1);
    }
    job = message;
    pthread_cond_broadcast(&changed);
    while (job.at || (wait && idle < threads))
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void wait_for_all(void)
{
    pthread_mutex_lock(&lock);
    while (idle < threads)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static int is_blank(struct nx_span line)
{
    while (line.size && strchr(" \t\r", *line.at) && *line.at)
        line.at++, line.size--;
    return line.size == 0;
}

/* Whether this line is a message that can be passed on; else Python says what is wrong with it. */
static int is_message(struct nx_span line)
{
    struct nx_span method = nx_member(line, "method");
    return nx_is_plain_object(line) && (method.at ? method.at[0] == '"' : nx_member(line, "id").at != NULL);
}

static void become_python(char **command, struct nx_span rest)
{
    char number[16];
    wait_for_all();
    leave(rest);
    lseek(left_over, 0, SEEK_SET);
    fcntl(left_over, F_SETFD, 0);
    snprintf(number, sizeof number, "%d", left_over);
    setenv("NEXUS_RELAY_PENDING", number, 1);
    setenv("NEXUS_RELAY_REVISION", revision, 1);
    execv(command[0], command);
    _exit(127);
}

int main(int count, char **arguments)
{
    static char *buffer;
    size_t size = 0;
    if (count < 4)
        return 2;
    home = arguments[1];
    project = arguments[2];
    mallopt(M_ARENA_MAX, 1);
    left_over = memfd_create("nexus-relay", MFD_CLOEXEC);
    woken = eventfd(0, EFD_CLOEXEC);
    buffer = malloc(LARGEST_LINE + 1);
    if (left_over < 0 || woken < 0 || buffer == NULL)
        return 1;
    for (int ended = 0; !ended;) {
        struct pollfd in[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = woken, .events = POLLIN}};
        if (poll(in, 2, -1) < 0 && errno != EINTR)
            return 1;
        if (in[1].revents)
            break;
        if (!in[0].revents)
            continue;
        ssize_t n = read(STDIN_FILENO, buffer + size, LARGEST_LINE + 1 - size);
        if (n < 0 && errno == EINTR)
            continue;
        ended = n <= 0;
        size += n > 0 ? (size_t)n : 0;
        size_t at = 0;
        for (char *end; (end = memchr(buffer + at, '\n', size - at)) != NULL || (ended && at < size);) {
            struct nx_span line = {buffer + at, end ? (size_t)(end - buffer) - at : size - at};
            if (is_blank(line)) {
                at += line.size + (end != NULL);
                continue;
            }
            char *copy = malloc(line.size);
            if (!is_message(line) || copy == NULL)
                become_python(arguments + 3, (struct nx_span){buffer + at, size - at});
            struct nx_span method = nx_member(line, "method");
            memcpy(copy, line.at, line.size);
            submit((struct nx_span){copy, line.size},
                   method.size == 12 && memcmp(method.at, "\"initialize\"", 12) == 0);
            at += line.size + (end != NULL);
        }
        memmove(buffer, buffer + at, size - at);
        size -= at;
        if (size > LARGEST_LINE)
            become_python(arguments + 3, (struct nx_span){buffer, size});
    }
    wait_for_all();
    if (size > 0 || lseek(left_over, 0, SEEK_END) > 0)
        become_python(arguments + 3, (struct nx_span){buffer, size});
    return 0;
}
