/*
 * pack.h
 *    Codes packed into 8 bytes.  Pure C: no server is needed.
 *
 * A code is up to ten characters of the alphabet below, six bits each, the
 * first one highest, the unused ones on the right zero:
 *
 *     0        1     2 … 11   12 … 37   38 … 63
 *     (pad)    -     0 … 9    A … Z     a … z
 *
 * That is the order of ASCII, and 60 bits leave the sign alone: so comparing
 * the integers is comparing the texts in the C collation, and all codes that
 * begin with a prefix are one range of integers.  The value is what is on disk
 * and (as int64) what pseudonyms of institutions are made of.
 */
#ifndef NIJI_CODES_PACK_H
#define NIJI_CODES_PACK_H

#define CODE_MAX_LENGTH 10
#define CODE_BITS 6
/* one more than any code */
#define CODE_END (INT64CONST(1) << (CODE_BITS * CODE_MAX_LENGTH))

typedef enum
{
	CODE_CHECK_BAD = 0,
	CODE_CHECK_OK = 1,
	CODE_CHECK_UNKNOWN = 2		/* the rule for this one is not known */
} CodeCheck;

/* what there is to say about a type of code */
typedef struct CodeType
{
	const char *name;			/* of the SQL type */
	const char *form;			/* what its input must look like, a sentence */

	/* writes the canonical form, at most CODE_MAX_LENGTH; its length, or 0 when the form is wrong */
	int			(*canonical) (const char *text, size_t length, char *out);
	CodeCheck	(*check) (const char *canonical, int length);
} CodeType;

extern const CodeType code_type_icd10;
extern const CodeType code_type_receipt_code;
extern const CodeType code_type_insurer_number;
extern const CodeType code_type_institution_code;

/* false when the text has not the form of the type; nothing but the form is judged */
extern bool code_parse(const CodeType *type, const char *text, size_t length, int64 *packed);

/* out has room for CODE_MAX_LENGTH + 1; returns the length */
extern int	code_unpack(int64 packed, char *out);

extern CodeCheck code_check(const CodeType *type, int64 packed);

/*
 * The codes that begin with a prefix are those with *low <= code < *high.
 * false when there can be none, because no code has such characters.
 */
extern bool code_prefix_range(const char *prefix, size_t length, int64 *low, int64 *high);

/* text LIKE pattern, with backslash as the escape; a lone backslash at the end matches nothing */
extern bool code_like(const char *text, size_t length, const char *pattern, size_t pattern_length);

/* the fixed beginning of a LIKE pattern, without escapes, into prefix (room: pattern_length); *whole: nothing but "%" follows */
extern size_t code_like_prefix(const char *pattern, size_t pattern_length, char *prefix, bool *whole);

/* whether the last digit makes the weighted sum (2, 1, 2, 1 …) a multiple of ten; digits only */
extern bool code_luhn_ok(const char *digits, int length);

#endif							/* NIJI_CODES_PACK_H */
