/* Counts lines, words and bytes of standard input. */
#include <nx.h>

int main(void)
{
    static char bytes[65536];
    unsigned long lines = 0, words = 0, size = 0;
    int in_word = 0;
    long had;
    while ((had = nx_read(bytes, sizeof bytes)) > 0) {
        for (long i = 0; i < had; i++) {
            int is_space = bytes[i] == ' ' || (bytes[i] >= '\t' && bytes[i] <= '\r');
            lines += bytes[i] == '\n';
            words += in_word && is_space;
            in_word = !is_space;
        }
        size += (unsigned long)had;
    }
    if (had < 0)
        return 1;
    nx_printf("%lu %lu %lu\n", lines, words + (unsigned long)in_word, size);
    return 0;
}
