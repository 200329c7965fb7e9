/*
 * cbor.h
 *    Deterministic CBOR (RFC 8949, 4.2): what entries of the trail are made of.
 *
 * Writing:
 *    CborWriter w;
 *    cbor_init(&w);
 *    cbor_map_begin(&w);
 *      cbor_put_text(&w, "kind", "read");        (key and value)
 *      cbor_text(&w, "datasets");                (a key alone)
 *      cbor_array_begin(&w);
 *        cbor_text(&w, "claims");
 *      cbor_array_end(&w);
 *    cbor_map_end(&w);                           (sorts the map by its keys)
 *    … w.data, w.length …
 *    cbor_free(&w);
 *
 * Memory is palloc'd in the context that was current at cbor_init().  What is
 * written is always deterministic; what is read is checked to be.  Keys of
 * maps are text, lengths are definite, there are no tags.
 */
#ifndef NIJI_CBOR_H
#define NIJI_CBOR_H

#define CBOR_MAX_DEPTH 32

/* pairs of a map whose places are remembered while it is written; larger ones are read again */
#define CBOR_KNOWN_PAIRS 24

typedef struct CborWriter
{
	uint8	   *data;
	size_t		length;
	size_t		size;
	int			depth;
	struct
	{
		size_t		start;		/* of the container's first item */
		uint64		count;		/* of its items; of a map, keys and values */
		bool		map;
		uint32		pairs[CBOR_KNOWN_PAIRS];	/* where each begins, from start */
	}			level[CBOR_MAX_DEPTH + 1];
	void	   *context;		/* MemoryContext of data */
} CborWriter;

extern void cbor_init(CborWriter *w);
extern void cbor_reset(CborWriter *w);	/* empties it, keeps the memory */
extern void cbor_free(CborWriter *w);

extern void cbor_int(CborWriter *w, int64 value);
extern void cbor_uint(CborWriter *w, uint64 value);
extern void cbor_text(CborWriter *w, const char *text);
extern void cbor_text_n(CborWriter *w, const char *text, size_t length);
extern void cbor_bytes(CborWriter *w, const void *bytes, size_t length);
extern void cbor_bool(CborWriter *w, bool value);
extern void cbor_null(CborWriter *w);
extern void cbor_double(CborWriter *w, double value);
extern void cbor_array_begin(CborWriter *w);
extern void cbor_array_end(CborWriter *w);
extern void cbor_map_begin(CborWriter *w);
extern void cbor_map_end(CborWriter *w);

/* one complete deterministic item, made elsewhere */
extern void cbor_raw(CborWriter *w, const uint8 *item, size_t length);

/* key and value */
extern void cbor_put_text(CborWriter *w, const char *key, const char *value);	/* NULL: null */
extern void cbor_put_int(CborWriter *w, const char *key, int64 value);
extern void cbor_put_uint(CborWriter *w, const char *key, uint64 value);
extern void cbor_put_bytes(CborWriter *w, const char *key, const void *value, size_t length);
extern void cbor_put_bool(CborWriter *w, const char *key, bool value);
extern void cbor_put_null(CborWriter *w, const char *key);

typedef enum
{
	CBOR_UINT,					/* value */
	CBOR_NEGATIVE,				/* -1 - value */
	CBOR_BYTES,					/* bytes, value of them */
	CBOR_TEXT,					/* the same, UTF-8 */
	CBOR_ARRAY,					/* value items follow */
	CBOR_MAP,					/* value pairs follow */
	CBOR_BOOL,					/* value 0 or 1 */
	CBOR_NULL,
	CBOR_DOUBLE					/* number */
} CborType;

typedef struct CborItem
{
	CborType	type;
	uint64		value;
	double		number;
	const uint8 *bytes;			/* points into what is read; not terminated */
} CborItem;

typedef struct CborReader
{
	const uint8 *data;
	size_t		length;
	size_t		at;
	const char *error;			/* a phrase, or NULL */
	size_t		error_at;
} CborReader;

extern void cbor_reader(CborReader *r, const uint8 *data, size_t length);

/* the next item's head (and bytes); false with r->error when it is malformed or not deterministic */
extern bool cbor_read(CborReader *r, CborItem *item);

/* the next item with all that is in it, checked */
extern bool cbor_skip(CborReader *r);

/* whether it is exactly one deterministic item; otherwise an error and its place */
extern bool cbor_check(const uint8 *data, size_t length, const char **error, size_t *at);

/* looks up a key of the map that data is; false when there is none, or data is not a map */
extern bool cbor_find(const uint8 *data, size_t length, const char *key, CborItem *item);

/* the same for an integer that fits, and a text (palloc'd); false or NULL when absent or of another type */
extern bool cbor_find_int(const uint8 *data, size_t length, const char *key, int64 *value);
extern char *cbor_find_text(const uint8 *data, size_t length, const char *key);

#endif							/* NIJI_CBOR_H */
