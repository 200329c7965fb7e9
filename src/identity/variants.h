/*
 * variants.h
 *    Variants of kanji (異体字) that are written for one another in names.
 */
#ifndef NIJI_VARIANTS_H
#define NIJI_VARIANTS_H

/* the everyday form of a character, itself if it is no variant; of NFKC text */
extern uint32 variant_fold(uint32 c);

/* the table, in its order */
extern int	variant_count(void);
extern void variant_at(int i, uint32 *from, uint32 *to);

#endif							/* NIJI_VARIANTS_H */
