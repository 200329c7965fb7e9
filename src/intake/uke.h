/*
 * uke.h
 *    Claims files (UKE): records, their form and their order.  Needs no server.
 */
#ifndef NIJI_INTAKE_UKE_H
#define NIJI_INTAKE_UKE_H

#define UKE_MAX_FIELDS 256

typedef struct UkeField
{
	const uint8 *data;			/* in the file's own bytes */
	size_t		length;
} UkeField;

typedef struct UkeRecord
{
	uint32		line;			/* from 1 */
	bool		whole_file;		/* says something about the file, not about one record */
	const uint8 *raw;			/* its bytes, without the line's end */
	size_t		raw_length;
	int			receipt;		/* the number in the receipt's RE, 0 outside receipts */
	char		type[3];		/* "" when it has none that can be read */
	int			nfields;
	UkeField	fields[UKE_MAX_FIELDS];
	char		reason[256];	/* UTF-8, "" for a good record; never quotes the file */
	const char *lost;			/* with this record the rest of its receipt is refused: why */
} UkeRecord;

typedef void (*UkeHandler) (void *arg, UkeRecord *record);

/*
 * Calls "handle" for each record in the file's order, good and bad.  "check"
 * (or NULL) comes before it for records that the parser would take, and may
 * refuse one by writing a reason: what hangs on it is then refused too.
 */
extern void uke_parse(const uint8 *data, size_t length, UkeHandler check, UkeHandler handle, void *arg);

/* dates and months in the new form (YYYYMMDD, YYYYMM) or the old one (GYYMMDD, GYYMM) */
extern bool uke_parse_date(const uint8 *data, size_t length, int *year, int *month, int *day);
extern bool uke_parse_month(const uint8 *data, size_t length, int *year, int *month);

extern int	uke_month_days(int year, int month);

/* the place of the first byte that CP932 cannot have, from 1; 0 if there is none */
extern size_t uke_bad_byte(const uint8 *data, size_t length);

#endif							/* NIJI_INTAKE_UKE_H */
