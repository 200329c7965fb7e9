/*
 * intake.h
 *    Start of the capability "intake".
 */
#ifndef NIJI_INTAKE_H
#define NIJI_INTAKE_H

extern void intake_init(void);

#endif							/* NIJI_INTAKE_H */
