/*
 * entry_tree.h
 *    The tree's size, for the sealer in the writer process.
 */
#ifndef NIJI_ENTRY_TREE_H
#define NIJI_ENTRY_TREE_H

extern int64 entry_tree_size(void);

#endif							/* NIJI_ENTRY_TREE_H */
