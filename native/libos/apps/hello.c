/* The least application: one line, and the words it was given. */
#include <nx.h>

int main(int argc, char **argv)
{
    nx_puts("hello from the LibOS");
    for (int i = 1; i < argc; i++)
        nx_puts(argv[i]);
    return 0;
}
