/*
 * fhir.h
 *    Cutting HL7 FHIR content (JSON) into its resources.  Needs no server.
 */
#ifndef NIJI_INTAKE_FHIR_H
#define NIJI_INTAKE_FHIR_H

#define FHIR_MAX_DEPTH 100
#define FHIR_TYPE_LENGTH 64

typedef struct FhirSpan
{
	const uint8 *data;
	size_t		length;
} FhirSpan;

typedef struct FhirPiece
{
	FhirSpan	raw;			/* its own bytes */
	uint32		line;			/* in NDJSON: its line, from 1; else 0 */
	int			entry;			/* in a Bundle: the entry's place, from 0; -1 for a document itself */
	bool		is_bundle;		/* a document that is a Bundle: its resources follow as pieces of their own */
	char		type[FHIR_TYPE_LENGTH + 1]; /* "" when it has none that can be read */
	char		reason[160];	/* "" for a good one; never quotes the content */
} FhirPiece;

typedef void (*FhirHandler) (void *arg, FhirPiece *piece);

extern void fhir_parse(const uint8 *data, size_t length, FhirHandler handle, void *arg);

/* calls handle for the span of each resource in a Bundle, in order */
extern void fhir_each_resource(FhirSpan bundle, void (*handle) (void *arg, FhirSpan resource), void *arg);

/* what in a JSON value jsonb could not hold, and the byte behind it, from 1; NULL if there is nothing */
extern const char *fhir_fault(FhirSpan value, size_t *at);

#endif							/* NIJI_INTAKE_FHIR_H */
