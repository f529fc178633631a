// SPDX-License-Identifier: GPL-2.0
/* The bodies of the tracepoints of trace.h. Knows nothing else. */
#define CREATE_TRACE_POINTS
#include "trace.h"
