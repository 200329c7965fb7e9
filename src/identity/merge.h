/*
 * merge.h
 *    Who a person is now, after merges.
 */
#ifndef NIJI_MERGE_H
#define NIJI_MERGE_H

/* the person that this one was merged into, at the end of the chain; or itself */
extern int32 merge_current(int32 person);

/* the same for each of a list, in place; those that are null are left alone */
extern void merge_current_list(int32 *persons, const bool *nulls, int n);

#endif							/* NIJI_MERGE_H */
