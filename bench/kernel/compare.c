/* One backend of libagentmem, measured: `compare BACKEND TURN PART TEXTS [...]`, NEXUS_AGENTMEM naming it.
 *
 *   calls TEXTS             what calls cost
 *   set TEXTS PLAN [ropes]  what 16 agents' units take; `ropes`: what they say goes to conversations
 *   free TEXTS              prints the free memory of the machine, for COMPARE_FREE of `set`
 *   kill TEXTS              how long a killed client's references and units stay
 *   short TEXTS MIB RATE    what happens when another process takes memory, RATE MiB a second
 *
 * Prints what scripts/kernel/serial.py reads. Judges that all bytes are right, and no time.
 */
#include "compare.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "say.h"

const char *backend;
unsigned turn;

void check(int status, const char *what)
{
    if (status == 0)
        return;
    say(false, what, "%s: %s", am_status_name(status), am_error());
    exit(EXIT_FAILURE);
}

void figure(const char *name, double value, const char *unit)
{
    char whole[100];
    snprintf(whole, sizeof whole, "%s.%s.%u", backend, name, turn);
    say_figure(whole, value, unit);
}

am_client *client_of(const char *agent)
{
    am_options options;
    am_client *client;
    am_options_default(&options);
    options.realm = "compare";
    options.agent = agent;
    options.timeout_ms = 600000; /* an emulated processor on a busy machine */
    check(am_connect(&options, &client), "connect");
    return client;
}

/* The number behind `keys`, each searched for after the one before. */
static double number(const char *json, const char *const *keys)
{
    for (; *keys; keys++) {
        json = strstr(json, *keys);
        if (!json) {
            say(false, "figures", "no %s", *keys);
            exit(EXIT_FAILURE);
        }
        json += strlen(*keys);
    }
    return strtod(json + 1, NULL);
}

struct held held_now(am_client *client)
{
    char *json;
    check(am_stats(client, &json), "stats");
#define AT(...) number(json, (const char *const[]){__VA_ARGS__, NULL})
    const struct held held = {.hot = AT("\"tiers\"", "\"hot\"", "\"stored_bytes\""),
                              .warm = AT("\"tiers\"", "\"warm\"", "\"stored_bytes\""),
                              .cold = AT("\"tiers\"", "\"cold\"", "\"stored_bytes\""),
                              .taken = AT("\"table_bytes\"") + AT("\"segment_bytes\"") +
                                       AT("\"segment_bytes\"", "\"warm_bytes\""),
                              .units = AT("\"readers\"", "\"units\"")};
#undef AT
    free(json);
    return held;
}

bool empties(am_client *client, double within_s)
{
    const double until = seconds() + within_s;
    while (held_now(client).units > 0) {
        if (seconds() > until)
            return say(false, "empties", "%.0f units are left", held_now(client).units);
        usleep(1000);
    }
    return true;
}

double machine_has(const char *line)
{
    FILE *file = fopen("/proc/meminfo", "r");
    char read[128];
    double kib = -1;
    while (file && fgets(read, sizeof read, file))
        if (strncmp(read, line, strlen(line)) == 0 && read[strlen(line)] == ':')
            kib = strtod(read + strlen(line) + 1, NULL);
    if (file)
        fclose(file);
    return kib / 1024;
}

double machine_free(void)
{
    /* The page cache goes first (not on a machine of people), and it alone: with slabs the kernel would ask
     * the module too. */
    FILE *file = getenv("COMPARE_FREE") ? fopen("/proc/sys/vm/drop_caches", "w") : NULL;
    char read[128];
    double pages = 0, count;
    if (file) {
        fputs("1\n", file);
        fclose(file);
    }
    file = fopen("/proc/zoneinfo", "r");
    while (file && fgets(read, sizeof read, file))
        if (sscanf(read, " count: %lf", &count) == 1)
            pages += count;
    if (file)
        fclose(file);
    return machine_has("MemFree") + pages / 256;
}

struct text text_of(const char *path)
{
    struct stat is;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &is) != 0) {
        say(false, "texts", "%s cannot be read", path);
        exit(EXIT_FAILURE);
    }
    struct text text = {.length = (size_t)is.st_size};
    void *at = mmap(NULL, text.length, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    check(at == MAP_FAILED ? AM_ENOMEM : 0, "texts");
    text.bytes = at;
    return text;
}

int main(int count, char **argument)
{
    if (count < 5) {
        fprintf(stderr, "usage: compare BACKEND TURN calls|set|free|kill|short TEXTS [...]\n");
        return EXIT_FAILURE;
    }
    backend = argument[1];
    turn = (unsigned)atoi(argument[2]);
    const char *part = argument[3];
    const struct text text = text_of(argument[4]);
    if (strcmp(part, "calls") == 0)
        return calls(text);
    if (strcmp(part, "set") == 0 && count >= 6)
        return set(text, argument[5], count > 6);
    if (strcmp(part, "free") == 0)
        return printf("%.3f\n", machine_free()) > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    if (strcmp(part, "kill") == 0)
        return killed(text);
    if (strcmp(part, "short") == 0 && count == 7)
        return shortage(text, atof(argument[5]), atof(argument[6]));
    return EXIT_FAILURE;
}
