/*
 * record_format.h
 *    What a spool record holds.  Known to those who write and to who moves it.
 */
#ifndef NIJI_RECORD_FORMAT_H
#define NIJI_RECORD_FORMAT_H

#define RECORD_NO_PRIVATE PG_UINT32_MAX

typedef enum
{
	RECORD_PLAIN,				/* an entry that nothing else depends on */
	RECORD_READ,				/* an opening entry */
	RECORD_READ_END				/* a closing one */
} RecordKind;

/*
 * SPOOL_ENTRY: then the datasets (int32 each), the header and the private part.
 *
 * The header is a CBOR map that lacks what only the writer knows: the spool
 * number of an entry, and of a closing one "at", "open" and all amounts.  (A
 * closing entry's map is made when the read begins, so that an aborted
 * statement can be closed without allocating anything.)
 */
typedef struct RecordEntry
{
	uint8		kind;			/* RecordKind */
	uint8		shown;			/* ShownKind, of RECORD_READ_END */
	uint8		outcome;		/* NijiOutcome */
	uint8		persons_known;	/* of RECORD_READ_END: whether the sets are all there */
	int32		permit;			/* of both */
	uint64		open;			/* of RECORD_READ_END: the opening entry's number */
	uint64		rows;
	uint64		micros;
	int64		at;				/* µs since 1970 */
	uint32		ndatasets;
	uint32		header_length;
	uint32		private_length; /* RECORD_NO_PRIVATE: there is none */
	uint32		reserved;
	uint64		cpu;			/* of RECORD_READ_END: µs */
	uint64		buffers;
	uint64		bytes;
} RecordEntry;

/* SPOOL_PERSONS: then chunks */
typedef struct RecordPersons
{
	uint64		open;
	int32		dataset;		/* or PERSONS_OF_PSEUDONYMS */
	uint32		nchunks;
} RecordPersons;

/* then count numbers (uint16, padded to 4 bytes), or PERSONS_BITS: the chunk's 8 kB of bits */
typedef struct RecordChunk
{
	uint32		chunk;
	uint32		count;
} RecordChunk;

#define PERSONS_BITS PG_UINT32_MAX
#define PERSONS_LIST_MAX 2048

#endif							/* NIJI_RECORD_FORMAT_H */
