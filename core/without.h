/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NESTOR_CORE_WITHOUT_H
#define NESTOR_CORE_WITHOUT_H

#include "core/hw_ops.h"

/** caps_without() - take out of hw_caps what is not to be used; -EINVAL for an unknown name */
int caps_without(struct hw_problem *why);

#endif
