/*
 * probe.c
 *    Type niji.probe: how a comparison of pseudonyms reaches an index on persons.
 *
 * The planner (planner.c) turns "pseudonym(t.person, d) = x" into "t.person =
 * make_probe(x, d)".  A probe holds what the caller wrote, nothing more; it is
 * undone only when it is compared, in operators that are members of person's
 * operator families.  So no plan holds a key or a person, and no function that
 * anyone may call gives one: the comparison and hash functions, which could
 * order or tell persons apart, are granted to nobody, and equality of two
 * probes is that of their bytes.
 *
 * Comparing raises for no value: what is not a pseudonym of its domain is nobody,
 * person 0, which no row has.  It raises where the session and its statement may
 * not have the domain's pseudonyms undone at all (use.c).  A missing key or an erased domain is found when
 * the statement starts (domain_require()), not here, since these functions are
 * leakproof and run before the row filter.
 *
 * Undoing costs a block of AES; an index search or a scan does it again and
 * again for the same few probes, so the last ones are remembered.
 */
#include "postgres.h"

#include "base/compat.h"
#include "common/hashfn.h"
#include "identity/base32.h"
#include "identity/domain.h"
#include "identity/probe.h"
#include "identity/use.h"
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"

#define REMEMBERED 256			/* a power of two */

typedef struct Answer
{
	Probe		probe;
	int32		person;			/* 0: free */
} Answer;

static Answer answers[REMEMBERED];
static uint64 answers_epoch = 0;

PG_FUNCTION_INFO_V1(probe_in);
PG_FUNCTION_INFO_V1(probe_out);
PG_FUNCTION_INFO_V1(make_probe);
PG_FUNCTION_INFO_V1(make_probe_text);
PG_FUNCTION_INFO_V1(make_probes);
PG_FUNCTION_INFO_V1(make_probes_text);
PG_FUNCTION_INFO_V1(probe_sel);
PG_FUNCTION_INFO_V1(person_eq_probe);
PG_FUNCTION_INFO_V1(probe_eq_person);
PG_FUNCTION_INFO_V1(person_cmp_probe);
PG_FUNCTION_INFO_V1(probe_cmp_person);
PG_FUNCTION_INFO_V1(probe_cmp);
PG_FUNCTION_INFO_V1(probe_hash);
PG_FUNCTION_INFO_V1(probe_hash_extended);
PG_FUNCTION_INFO_V1(probe_same);

/* ---- making and showing ---- */

Datum
probe_in(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot accept a value of type %s", "niji.probe")));
	PG_RETURN_NULL();
}

/* for EXPLAIN: what the caller wrote, again */
Datum
probe_out(PG_FUNCTION_ARGS)
{
	Probe	   *probe = PG_GETARG_PROBE_P(0);
	char		text[PSEUDONYM_TEXT];

	if (probe->domain == 0)
		PG_RETURN_CSTRING(pstrdup("nobody"));
	base32_format(probe->pseudonym.bytes, text);
	PG_RETURN_CSTRING(psprintf("%.*s in domain %d", PSEUDONYM_TEXT, text, probe->domain));
}

static void
fill(Probe *probe, Datum value, bool is_text, int32 domain)
{
	memset(probe, 0, sizeof(Probe));
	if (is_text)
	{
		text	   *arg = DatumGetTextPP(value);

		if (!pseudonym_from_text(VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg), &probe->pseudonym))
		{
			memset(probe, 0, sizeof(Probe));
			return;
		}
	}
	else
		probe->pseudonym = *DatumGetPseudonymP(value);
	probe->domain = domain;
}

Datum
make_probe(PG_FUNCTION_ARGS)
{
	Probe	   *probe = palloc(sizeof(Probe));

	fill(probe, PG_GETARG_DATUM(0), false, PG_GETARG_INT32(1));
	PG_RETURN_POINTER(probe);
}

Datum
make_probe_text(PG_FUNCTION_ARGS)
{
	Probe	   *probe = palloc(sizeof(Probe));

	fill(probe, PG_GETARG_DATUM(0), true, PG_GETARG_INT32(1));
	PG_RETURN_POINTER(probe);
}

/* one probe for each element, in one dimension, since = ANY looks at no other */
static Datum
fill_all(FunctionCallInfo fcinfo, bool is_text)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	Oid			type = get_element_type(get_func_rettype(fcinfo->flinfo->fn_oid));
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	Probe	   *probes;
	int			lower = 1;

	if (is_text)
		deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	else
		deconstruct_array(array, ARR_ELEMTYPE(array), sizeof(Pseudonym), false, TYPALIGN_CHAR,
						  &elements, &nulls, &count);
	if (count == 0)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(type));
	probes = palloc(sizeof(Probe) * count);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			continue;
		fill(&probes[i], elements[i], is_text, PG_GETARG_INT32(1));
		elements[i] = PointerGetDatum(&probes[i]);
	}
	PG_RETURN_ARRAYTYPE_P(construct_md_array(elements, nulls, 1, &count, &lower, type,
											 sizeof(Probe), false, TYPALIGN_INT));
}

Datum
make_probes(PG_FUNCTION_ARGS)
{
	return fill_all(fcinfo, false);
}

Datum
make_probes_text(PG_FUNCTION_ARGS)
{
	return fill_all(fcinfo, true);
}

/*
 * The estimate of "person = probe" is that of an unknown value.  eqsel() would
 * look the person up among the most common ones, and the plan would depend on
 * who is behind the pseudonym.
 */
Datum
probe_sel(PG_FUNCTION_ARGS)
{
	PlannerInfo *root = (PlannerInfo *) PG_GETARG_POINTER(0);
	Oid			operator = PG_GETARG_OID(1);
	List	   *args = (List *) PG_GETARG_POINTER(2);
	int			varRelid = PG_GETARG_INT32(3);
	VariableStatData vardata;
	Node	   *other;
	bool		varonleft;
	double		selectivity;

	if (!get_restriction_variable(root, args, varRelid, &vardata, &other, &varonleft))
		PG_RETURN_FLOAT8(DEFAULT_EQ_SEL);
	selectivity = var_eq_non_const(&vardata, operator, InvalidOid, other, varonleft, false);
	ReleaseVariableStats(vardata);
	PG_RETURN_FLOAT8(selectivity);
}

/* ---- comparing: static to this file, since it gives a person ---- */

static int32
undo(const Probe *probe)
{
	uint32		slot;
	Answer	   *answer;
	PseudonymClass class;
	int64		value;

	if (probe->domain <= 0)
		return 0;
	use_require_undo(probe->domain);
	if (answers_epoch != domain_epoch())
	{
		memset(answers, 0, sizeof(answers));
		answers_epoch = domain_epoch();
	}
	/* pseudonyms are as good as random: any of their bytes will do as a hash */
	memcpy(&slot, probe->pseudonym.bytes + 4, sizeof(slot));
	answer = &answers[slot % REMEMBERED];
	if (answer->person != 0 && memcmp(&answer->probe, probe, sizeof(Probe)) == 0)
		return answer->person;

	if (!domain_decrypt(probe->domain, probe->pseudonym.bytes, &class, &value) ||
		class != CLASS_PERSON || value <= 0 || value > PG_INT32_MAX)
		return 0;
	answer->probe = *probe;
	answer->person = (int32) value;
	return answer->person;
}

static inline int32
compare(int32 a, int32 b)
{
	return a < b ? -1 : (a > b ? 1 : 0);
}

Datum
person_eq_probe(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(PG_GETARG_INT32(0) == undo(PG_GETARG_PROBE_P(1)));
}

Datum
probe_eq_person(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(undo(PG_GETARG_PROBE_P(0)) == PG_GETARG_INT32(1));
}

Datum
person_cmp_probe(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(PG_GETARG_INT32(0), undo(PG_GETARG_PROBE_P(1))));
}

Datum
probe_cmp_person(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(undo(PG_GETARG_PROBE_P(0)), PG_GETARG_INT32(1)));
}

Datum
probe_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(undo(PG_GETARG_PROBE_P(0)), undo(PG_GETARG_PROBE_P(1))));
}

/* as person's hash function, which is that of int4 */
Datum
probe_hash(PG_FUNCTION_ARGS)
{
	return hash_uint32(undo(PG_GETARG_PROBE_P(0)));
}

Datum
probe_hash_extended(PG_FUNCTION_ARGS)
{
	return hash_uint32_extended(undo(PG_GETARG_PROBE_P(0)), PG_GETARG_INT64(1));
}

Datum
probe_same(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(memcmp(PG_GETARG_PROBE_P(0), PG_GETARG_PROBE_P(1), sizeof(Probe)) == 0);
}
