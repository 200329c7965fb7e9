/*
 * keeper.h
 *    The process that builds the shared consent sets and brings them on.
 */
#ifndef NIJI_KEEPER_H
#define NIJI_KEEPER_H

extern void keeper_init(void);

/* counts rows of consent tables that this transaction writes; told to the keeper when it commits */
extern void keeper_note_row(void);

#endif							/* NIJI_KEEPER_H */
