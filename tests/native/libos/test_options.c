/* options.h keeps its word: what is taken is within its limits, and what is refused is named. */
#include "check.h"
#include "options.h"

#include <stdlib.h>
#include <string.h>

#define MOST 100

static struct nx_options options;
static struct nx_trouble trouble;

/* A command line in one string, parted by '|'. */
static int parse(const char *line, bool has_cpl)
{
    static char text[4096];
    char *argv[MOST + 1] = {(char *)"tender"};
    int argc = 1;
    snprintf(text, sizeof text, "%s", line);
    for (char *at = text; at; argc++) {
        char *end = strchr(at, '|');
        if (end)
            *end++ = 0;
        argv[argc] = at;
        at = end;
    }
    argv[argc] = NULL;
    static char *kept[MOST + 1];
    memcpy(kept, argv, sizeof kept);
    return nx_options_parse(*line ? argc : 1, kept, has_cpl, &options, &trouble);
}

static void refused(const char *line, const char *value, const char *why)
{
    bool right = parse(line, true) == -1 && strstr(trouble.why, why)
                 && (value ? trouble.value && strcmp(trouble.value, value) == 0 : !trouble.value);
    if (!right) {
        printf("%s: %s: %s\n", line, trouble.value ? trouble.value : "-", trouble.why);
        failures++;
    }
}

static void taken(void)
{
    CHECK(parse("a.elf", true) == 0);
    CHECK(strcmp(options.image, "a.elf") == 0 && options.cpl == 3 && options.memory == 64u << 20);
    CHECK(options.cpu_microseconds == 0 && options.module_count == 0 && options.word_count == 0
          && !options.probe);
    CHECK(parse("--memory|33554433|--cpu|1.5|--cpl|0|--module|lib=/x=y|--module|main.py=m|i|--cpu|x", true)
          == 0);
    CHECK(options.memory == 33554432u + NX_MEMORY_STEP && options.cpu_microseconds == 1500000
          && options.cpl == 0);
    CHECK(options.module_count == 2 && strcmp(options.modules[0].name, "lib") == 0);
    CHECK(strcmp(options.modules[0].file, "/x=y") == 0 && strcmp(options.modules[1].name, "main.py") == 0);
    CHECK(options.word_count == 2 && strcmp(options.words[0], "--cpu") == 0
          && strcmp(options.words[1], "x") == 0);
    CHECK(parse("--probe", true) == 0 && options.probe);
    CHECK(parse("--memory|1|i", true) == 0 && options.memory == NX_MEMORY_STEP);
    CHECK(parse("--memory|2145386496|i", true) == 0 && options.memory == 2145386496u);
    CHECK(parse("--cpu|0.000001|i", true) == 0 && options.cpu_microseconds == 1);
    CHECK(parse("--cpu|86400|i", true) == 0 && options.cpu_microseconds == UINT64_C(86400000000));
}

static void numbers(void)
{
    static const char *memories[] = {"",
                                     "0",
                                     "-1",
                                     "+1",
                                     "1k",
                                     "0x10",
                                     " 1",
                                     "1 ",
                                     "1.0",
                                     "2145386497",
                                     "18446744073709551617",
                                     "99999999999999999999999999"};
    static const char *times[] = {
        "",    "0",   "0.0",          ".",     "1.",        ".5",    "-1",
        "1e3", "nan", "86400.000001", "86401", "0.0000001", "1.1.1", "1000000000000000000000"};
    char line[128];
    for (size_t i = 0; i < sizeof memories / sizeof *memories; i++) {
        snprintf(line, sizeof line, "--memory|%s|i", memories[i]);
        refused(line, memories[i], "--memory is");
    }
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        snprintf(line, sizeof line, "--cpu|%s|i", times[i]);
        refused(line, times[i], "--cpu is");
    }
    refused("--cpl|1|i", "1", "--cpl is");
    refused("--cpl|33|i", "33", "--cpl is");
}

static void lines(void)
{
    refused("", NULL, "image is missing");
    refused("--memory", "--memory", "value is missing");
    refused("--cpu|1", NULL, "image is missing");
    refused("--what|1|i", "--what", "no such option");
    refused("-|i", "-", "no such option");
    refused("--probe|i", "i", "takes no image");
    refused("--module|x|i", "x", "NAME=FILE");
    refused("--module|=f|i", "=f", "NAME=FILE");
    refused("--module|n=|i", "n=", "NAME=FILE");
    refused("--module|n=a|--module|n=b|i", "n=b", "twice");
    refused("i|two words", "two words", "space");
    refused("i|a||b", NULL, "empty");
    CHECK(parse("--cpl|3|i", false) == -1 && strcmp(trouble.value, "--cpl") == 0);
}

static void lengths(void)
{
    char line[256];
    snprintf(line, sizeof line, "--module|%047d=f|i", 7);
    CHECK(parse(line, true) == 0 && strlen(options.modules[0].name) == 47);
    snprintf(line, sizeof line, "--module|%048d=f|i", 7);
    CHECK(parse(line, true) == -1 && strstr(trouble.why, "47 bytes"));

    static char words[64][2], *argv[80] = {(char *)"t", (char *)"i"};
    for (int i = 0; i < 64; i++) {
        words[i][0] = 'w';
        argv[2 + i] = words[i];
    }
    CHECK(nx_options_parse(65, argv, true, &options, &trouble) == 0 && options.word_count == 63);
    CHECK(nx_options_parse(66, argv, true, &options, &trouble) == -1 && strstr(trouble.why, "63 words"));

    static char names[33][16], *modules[70] = {(char *)"t"};
    for (int i = 0; i < 33; i++) {
        snprintf(names[i], sizeof names[i], "m%d=f", i);
        modules[1 + 2 * i] = (char *)"--module";
        modules[2 + 2 * i] = names[i];
    }
    char image[] = "i", *kept = modules[65];
    modules[65] = image;
    CHECK(nx_options_parse(66, modules, true, &options, &trouble) == 0 && options.module_count == 32);
    modules[65] = kept;
    modules[67] = image;
    CHECK(nx_options_parse(68, modules, true, &options, &trouble) == -1 && strstr(trouble.why, "32 modules"));

    char *long_word = malloc(NX_WORDS_SIZE + 1), *long_argv[] = {(char *)"t", (char *)"i", long_word};
    memset(long_word, 'w', NX_WORDS_SIZE);
    long_word[NX_WORDS_SIZE] = 0;
    CHECK(nx_options_parse(3, long_argv, true, &options, &trouble) == -1 && strstr(trouble.why, "65536"));
    long_word[NX_WORDS_SIZE - 1] = 0;
    CHECK(nx_options_parse(3, long_argv, true, &options, &trouble) == 0);
    free(long_word);
}

int main(void)
{
    taken();
    numbers();
    lines();
    lengths();
    return failures > 0;
}
