#include "options.h"

#include "nx_abi.h"

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

/* A decimal number with at most `places` digits behind the point, times 10^places. Returns -1 for anything
 * else. */
static int decimal(const char *text, unsigned places, uint64_t most, uint64_t *number)
{
    uint64_t value = 0;
    unsigned behind = 0;
    bool point = false, any = false;
    for (; *text; text++) {
        if (*text == '.' && !point && any && places > 0) {
            point = true;
            continue;
        }
        if (*text < '0' || *text > '9' || (point && behind == places))
            return -1;
        any = true;
        behind += point;
        value = value * 10 + (uint64_t)(*text - '0');
        if (value > most)
            return -1;
    }
    if (!any || (point && behind == 0))
        return -1;
    for (; behind < places; behind++) {
        value *= 10;
        if (value > most)
            return -1;
    }
    *number = value;
    return 0;
}

static int memory(const char *text, struct nx_options *options, struct nx_trouble *trouble)
{
    if (decimal(text, 0, NX_MEMORY_MAX - NX_BASE, &options->memory) != 0 || options->memory == 0)
        return nx_trouble(trouble, text, "--memory is a number of bytes from 1 to 2145386496", 0);
    options->memory = (options->memory + NX_MEMORY_STEP - 1) / NX_MEMORY_STEP * NX_MEMORY_STEP;
    return 0;
}

static int module(const char *text, struct nx_options *options, struct nx_trouble *trouble)
{
    if (options->module_count == NX_MODULES_MAX)
        return nx_trouble(trouble, text, "--module: more than 32 modules", 0);
    struct nx_module_option *at = &options->modules[options->module_count];
    size_t size = 0;
    for (; text[size] && text[size] != '='; size++) {
        if (size == NX_MODULE_NAME - 1)
            return nx_trouble(trouble, text, "--module: a name has at most 47 bytes", 0);
        at->name[size] = text[size];
    }
    at->name[size] = 0;
    if (size == 0 || text[size] != '=' || text[size + 1] == 0)
        return nx_trouble(trouble, text, "--module is NAME=FILE", 0);
    for (unsigned i = 0; i < options->module_count; i++)
        if (same(options->modules[i].name, at->name))
            return nx_trouble(trouble, text, "--module: the name is given twice", 0);
    at->file = text + size + 1;
    options->module_count++;
    return 0;
}

static int words(char **argv, unsigned count, struct nx_options *options, struct nx_trouble *trouble)
{
    size_t size = 0;
    if (count > NX_WORDS_MAX)
        return nx_trouble(trouble, NULL, "more than 63 words for the guest", 0);
    for (unsigned i = 0; i < count; i++) {
        if (!*argv[i])
            return nx_trouble(trouble, NULL, "a word for the guest is empty", 0);
        for (const char *c = argv[i]; *c; c++)
            if (*c == ' ')
                return nx_trouble(trouble, argv[i], "a word for the guest has a space", 0);
        size += nx_length(argv[i]) + 1;
    }
    if (size > NX_WORDS_SIZE)
        return nx_trouble(trouble, NULL, "the words for the guest are longer than 65536 bytes", 0);
    options->words = argv;
    options->word_count = count;
    return 0;
}

int nx_options_parse(int argc, char **argv, bool has_cpl, struct nx_options *options,
                     struct nx_trouble *trouble)
{
    options->probe = false;
    options->cpl = 3;
    options->memory = 64u << 20;
    options->cpu_microseconds = 0;
    options->image = NULL;
    options->module_count = options->word_count = 0;
    options->words = NULL;
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        const char *option = argv[at], *value = at + 1 < argc ? argv[at + 1] : NULL;
        if (same(option, "--probe")) {
            options->probe = true;
            continue;
        }
        bool cpl = has_cpl && same(option, "--cpl");
        if (!cpl && !same(option, "--memory") && !same(option, "--cpu") && !same(option, "--module"))
            return nx_trouble(trouble, option, "no such option", 0);
        if (!value)
            return nx_trouble(trouble, option, "the value is missing", 0);
        at++;
        if (cpl) {
            if (!same(value, "0") && !same(value, "3"))
                return nx_trouble(trouble, value, "--cpl is 0 or 3", 0);
            options->cpl = (unsigned)(value[0] - '0');
        } else if (same(option, "--memory")) {
            if (memory(value, options, trouble) != 0)
                return -1;
        } else if (same(option, "--cpu")) {
            if (decimal(value, 6, 86400u * UINT64_C(1000000), &options->cpu_microseconds) != 0
                || options->cpu_microseconds == 0)
                return nx_trouble(trouble, value, "--cpu is a number of seconds from 0.000001 to 86400", 0);
        } else if (module(value, options, trouble) != 0) {
            return -1;
        }
    }
    if (options->probe)
        return at == argc ? 0 : nx_trouble(trouble, argv[at], "--probe takes no image", 0);
    if (at == argc)
        return nx_trouble(trouble, NULL, "the image is missing", 0);
    options->image = argv[at++];
    return words(argv + at, (unsigned)(argc - at), options, trouble);
}
