/*
 * fhir.c
 *    Fuzzing the cutting of FHIR content: nothing is read outside of it, each
 *    piece lies in it, and a good piece is a JSON object that the same rules
 *    take again.
 *
 * fuzz: src/intake/fhir.c
 */
#include "postgres.h"

#include "intake/fhir.h"
#include "port.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Check
{
	const uint8 *data;
	size_t		length;
	int			pieces;
	const uint8 *reached;
} Check;

#define require(condition) do { if (!(condition)) abort(); } while (0)

static void
check_inside(void *arg, FhirSpan resource)
{
	Check	   *check = arg;

	require(resource.data >= check->reached && resource.data + resource.length <= check->data + check->length);
	check->reached = resource.data + resource.length;
}

static void
check_again(void *arg, FhirPiece *piece)
{
	require(piece->entry >= 0 || piece->reason[0] == '\0');
}

static void
check_piece(void *arg, FhirPiece *piece)
{
	Check	   *check = arg;
	size_t		at;

	check->pieces++;
	require(memchr(piece->reason, '\0', sizeof(piece->reason)) != NULL);
	require(memchr(piece->type, '\0', sizeof(piece->type)) != NULL);
	require(piece->raw.data >= check->data && piece->raw.data + piece->raw.length <= check->data + check->length);
	if (piece->is_bundle)
	{
		check->reached = check->data;
		fhir_each_resource(piece->raw, check_inside, check);
	}
	else if (piece->reason[0] == '\0')
	{
		require(piece->raw.length >= 2 && piece->raw.data[0] == '{' && piece->raw.data[piece->raw.length - 1] == '}');
		require(piece->type[0] != '\0');
		require(fhir_fault(piece->raw, &at) == NULL);
		if (check->pieces < 4)
			fhir_parse(piece->raw.data, piece->raw.length, check_again, NULL);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Check		check = {data, size, 0, data};

	fhir_parse(data, size, check_piece, &check);
	require(check.pieces > 0);
	return 0;
}
