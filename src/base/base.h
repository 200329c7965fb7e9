/*
 * base.h
 *    What every capability leans on, and its start.
 */
#ifndef NIJI_BASE_H
#define NIJI_BASE_H

#include "base/compat.h"

extern void base_init(void);

#endif							/* NIJI_BASE_H */
