// SPDX-License-Identifier: GPL-2.0-only
/* The one place that instantiates the tracepoints of core/trace.h. */
#include <linux/string.h>

#define CREATE_TRACE_POINTS
#include "core/trace.h"
