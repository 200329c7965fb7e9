/*
 * spool.h
 *    The spool: files that hold entries until the writer has moved them.
 */
#ifndef NIJI_SPOOL_H
#define NIJI_SPOOL_H

typedef enum
{
	SPOOL_ENTRY = 1,			/* becomes an entry of the trail, and has a number of its own */
	SPOOL_PERSONS = 2			/* persons of a read, before its closing entry */
} SpoolType;

/* what is appended: several pieces at once stay together */
typedef struct SpoolPiece
{
	SpoolType	type;
	const void *data;
	uint32		length;
} SpoolPiece;

#define SPOOL_PIECES_MAX 4
#define SPOOL_PIECE_MAX (3 * 1024 * 1024)

/* a place in the spool: segment * SPOOL_SEGMENT + offset; 0: nowhere */
typedef uint64 SpoolPlace;

#define SPOOL_SEGMENT (16 * 1024 * 1024)

typedef enum
{
	SPOOL_OPENING,				/* subject to niji.spool_limit */
	SPOOL_CLOSING,				/* may use the reserve beyond the limit */
	SPOOL_ABORTING				/* the same, and a failure is not raised but returned as 0 */
} SpoolMode;

/*
 * Appends the pieces and returns the number of the last SPOOL_ENTRY among
 * them (that of the newest entry when there is none); *place is the end.
 * Raises 55000 or 53100 with what the DBA should do.
 */
extern uint64 spool_append(const SpoolPiece *pieces, int n, SpoolMode mode, SpoolPlace *place);

/* waits until everything before the place is on disk; raises 55000 */
extern void spool_flush(SpoolPlace place);

/* raises 55000 unless the spool can take an opening entry now */
extern void spool_require(void);
extern bool spool_is_open(void);

/* random, of this start of the server: what another boot opened will not be closed any more */
extern uint64 spool_boot(void);

/* ---- for the writer process ---- */

extern uint64 spool_which(void);

/* where the trail is: the last record that was moved */
typedef struct SpoolPosition
{
	uint64		spool;			/* which spool */
	uint64		number;
	uint32		part;
} SpoolPosition;

typedef struct SpoolRecord
{
	SpoolType	type;
	uint64		number;
	uint32		part;
	uint64		boot;
	const char *data;			/* until the next record is read */
	uint32		length;
	uint64		damaged;		/* bytes that could not be read before this record */
	uint64		missing;		/* entries that are missing before it */
} SpoolRecord;

/*
 * After a start, compares the spool with what the trail's table says (known,
 * or NULL).  *position says from where records are to be moved, and *what is a
 * phrase for a "mark" entry, or NULL.  Raises errors when files cannot be read
 * or made.  Once the position is committed, spool_open() lets readers in.
 */
extern void spool_reconcile(const SpoolPosition *known, SpoolPosition *position, char **what);
extern void spool_open(void);
extern void spool_close(const char *reason);

/* the same, with what those who are refused should do (NULL: wait for the writer) */
extern void spool_refuse(const char *reason, const char *hint);
extern bool spool_is_closed(void);	/* and not failed: to be reconciled */

/* reading from the position on; spool_read is false when nothing more is there yet */
extern void spool_seek(const SpoolPosition *position);
extern bool spool_read(SpoolRecord *record);
extern SpoolPlace spool_read_place(void);

/* removes segments before the place, up to which everything was moved */
extern void spool_purge(SpoolPlace place);

/* the place where the next record will be */
extern SpoolPlace spool_end(void);

/* the number of the newest entry, and the bytes kept */
extern uint64 spool_number(void);
extern uint64 spool_bytes(void);

/* whether the spool is open, and if not, why: copied into the buffer */
extern bool spool_state(char *reason, Size size);

extern void spool_init(void);

#endif							/* NIJI_SPOOL_H */
