/* From the tender's hand-over to main, and out again. Knows nothing of how the guest was loaded.
 * Invariant: main runs once, with nx_boot set, and whatever it returns or prints has left before the guest
 * ends. */
#include "core.h"

#define MOST_WORDS 64

const struct nx_boot *nx_boot;

int nx_call_main(int argc, char **argv); /* entry64.S */
_Noreturn void nx_start(const struct nx_boot *boot);

_Static_assert(NX_IMAGE == 0x300000, "entry64.S and image.ld name the address");

/* Words are parted by spaces; the command line is cut in place. The first word is not in it. */
static int split(char *line, char **words)
{
    int count = 0;
    words[count++] = (char *)"image";
    for (;;) {
        while (*line == ' ')
            *line++ = 0;
        if (!*line)
            break;
        if (count == MOST_WORDS)
            nx_panic("more than 63 words on the command line");
        words[count++] = line;
        while (*line && *line != ' ')
            line++;
    }
    words[count] = NULL;
    return count;
}

__attribute__((used)) _Noreturn void nx_start(const struct nx_boot *boot)
{
    static char *words[MOST_WORDS + 1];
    nx_boot = boot;
    if (boot->magic != NX_BOOT_MAGIC || boot->version != NX_ABI_VERSION)
        __builtin_trap(); /* not even a doorbell to trust */
    int count = split((char *)(uintptr_t)boot->command_line, words);
    nx_exit(nx_call_main(count, words));
}

_Noreturn void nx_exit(int status)
{
    nx_flush();
    for (;;)
        nx_ask(NX_OP_EXIT, (uint64_t)(status & 0xff), NULL, 0, NULL, 0);
}

_Noreturn void nx_panic(const char *why)
{
    nx_write(2, "nx: ", 4);
    nx_write(2, why, __builtin_strlen(why));
    nx_write(2, "\n", 1);
    nx_exit(134);
}
