/*
 * textfile.h
 *    Reading text files from outside: decoding, lines, fields.  Pure C but for
 *    ICU: no server is needed, so that all of it can be fuzzed.
 */
#ifndef NIJI_BASE_TEXTFILE_H
#define NIJI_BASE_TEXTFILE_H

/* what Japanese files call Shift_JIS: Windows code page 932, with NEC's and IBM's characters */
#define TEXTFILE_CP932 "ibm-943_P15A-2003"
#define TEXTFILE_UTF8 "UTF-8"
#define TEXTFILE_ISO2022JP "ISO-2022-JP"

/* *bad_offset when the encoding itself is unknown */
#define TEXTFILE_NO_ENCODING ((Size) -1)

typedef void *(*TextfileAllocate) (Size size);

/*
 * The bytes as UTF-8, ended by a NUL, in one piece from allocate (NULL:
 * malloc); or NULL, with the place of the first byte that is not of the
 * encoding.  Strict: nothing is replaced, and a NUL is bad.  allocate may leave
 * by longjmp; no converter is open then.
 *
 * The wave dash and its like: 0x8160 is U+FF5E, 0x817C U+FF0D, 0x815C U+2015,
 * 0x8161 U+2225, 0x8191 U+FFE0, 0x8192 U+FFE1, 0x81CA U+FFE2, as Windows has
 * it, so that text goes back to the same bytes.  0x1A, 0x1C and 0x7F, which the
 * tables turn round, are bad.  User-defined characters (F040 to F9FC) come out
 * as U+E000 to U+E757.
 */
extern char *textfile_decode(const char *encoding, const char *bytes, Size length,
							 TextfileAllocate allocate, Size *out_length, Size *bad_offset);

/* ---- rows of fields ---- */

typedef struct TextfileField
{
	char	   *text;			/* not NUL-terminated */
	Size		length;
} TextfileField;

/* walks over text that it may alter (quotes are undone in place) */
typedef struct TextfileReader
{
	char	   *at;
	char	   *end;
	char		separator;
	bool		quotes;			/* whether fields may be quoted, as in RFC 4180 */
	int			line;			/* of the next row, from 1 */
} TextfileReader;

typedef struct TextfileRow
{
	int			line;			/* where it begins */
	TextfileField *fields;		/* the caller's */
	int			room;			/* how many the caller has room for */
	int			nfields;		/* how many there are, perhaps more than room */
	const char *problem;		/* NULL, or why the row cannot be split; fields are void then */
} TextfileRow;

/* a byte order mark, and a 0x1A at the end, are passed over */
extern void textfile_open(TextfileReader *reader, char *text, Size length, char separator, bool quotes);

/*
 * The next row; false at the end.  Lines end in LF or CRLF; empty lines are
 * passed over.  A row with a problem ends at the first line end, so that one
 * stray quote costs one row.
 */
extern bool textfile_next_row(TextfileReader *reader, TextfileRow *row);

#endif							/* NIJI_BASE_TEXTFILE_H */
