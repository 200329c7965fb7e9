/*
 * values.h
 *    A value that is presented, and the commitment to it in an entry.
 */
#ifndef NIJI_VERIFY_VALUES_H
#define NIJI_VERIFY_VALUES_H

#include "line.h"

/* SEQ:COLUMN:FORM:VALUE */
extern void value_add(const char *argument);

/* looks for those that are of this entry, whose leaf has been checked */
extern void values_look(const Line *entry);

/* that each was found */
extern void values_check(void);

/* a sentence for each */
extern void values_print(void);

#endif							/* NIJI_VERIFY_VALUES_H */
