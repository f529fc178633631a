/* Standard input. */
#include "core.h"

long nx_read(void *to, size_t size)
{
    nx_flush(); /* a prompt is seen before its answer is waited for */
    return nx_ask(NX_OP_READ, 0, NULL, 0, to, nx_least(size, NX_PAYLOAD_MAX));
}
