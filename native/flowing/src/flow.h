/* The flow itself, for flow.c and arrays.c. */
#ifndef NEXUS_FLOWING_FLOW_H
#define NEXUS_FLOWING_FLOW_H

#include "parts.h"

struct nx_flow {
    struct nx_flow_settings settings;
    struct states states;
    struct context context;
    struct memory memories[NX_FLOW_KINDS];
    struct cell cells[NX_FLOW_KINDS];
    struct mixer mixers[NX_FLOW_KINDS];
    /* what is being predicted */
    uint64_t hashes[CONTEXTS];
    float values[INPUTS], dots[SETS], one;
};

/* How many rows a set of weights has. */
unsigned nx_flow_set_rows(unsigned set);

#endif
