/*
 * number.h
 *    Numbers for new persons.
 */
#ifndef NIJI_NUMBER_H
#define NIJI_NUMBER_H

/* n numbers that nobody has had and nobody will be given again */
extern void number_draw(int n, int32 *out);

extern void number_init(void);

#endif							/* NIJI_NUMBER_H */
