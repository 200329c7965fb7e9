/*
 * fhir.c
 *    Cutting HL7 FHIR content (JSON) into its resources.
 *
 * Content is one document, or one in each line (NDJSON); a document is a
 * Bundle or a single resource.  PostgreSQL's JSON parser would tell where an
 * error is by quoting what stands there, which is about a person, and knows no
 * places in the text; but a refused resource has to keep its own bytes.  So the
 * text is checked here, strictly (RFC 8259, UTF-8), and resources are found as
 * pieces of it.  What this file takes, jsonb takes as well.
 *
 * Errors of syntax spoil their document, since nobody knows where its pieces
 * end.  What is only wrong within a resource (a character that jsonb cannot
 * hold, a number without measure, an unknown type) spoils that resource.
 *
 * The first pass proves that a document is JSON; the functions that walk in
 * it rely on that.  Plain C on bytes: it neither allocates nor raises.
 */
#include "postgres.h"

#include "intake/fhir.h"

/* longer numbers than measurements need; jsonb would write 1e99999 out in full */
#define NUMBER_LENGTH 64
#define NUMBER_EXPONENT 308

typedef struct Scan
{
	const uint8 *start;
	const uint8 *at;
	const uint8 *end;
	const char *error;			/* syntax: why the scan ended at "at" */
	const char *fault;			/* the first thing that jsonb could not hold */
	const uint8 *fault_at;
} Scan;

static bool scan_value(Scan *s, int depth);

static bool
syntax_error(Scan *s, const char *error)
{
	if (s->error == NULL)
		s->error = error;
	return false;
}

static void
note_fault(Scan *s, const char *fault)
{
	if (s->fault == NULL)
	{
		s->fault = fault;
		s->fault_at = s->at;
	}
}

static void
skip_space(Scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
		s->at++;
}

static bool
unexpected(Scan *s)
{
	return syntax_error(s, s->at < s->end ? "unexpected character" : "unexpected end");
}

static int
hex_value(uint8 c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* four hexadecimal digits at s->at */
static bool
scan_hex(Scan *s, int *value)
{
	*value = 0;
	for (int i = 0; i < 4; i++, s->at++)
	{
		int			digit = s->at < s->end ? hex_value(*s->at) : -1;

		if (digit < 0)
			return syntax_error(s, "bad escape in a string");
		*value = *value * 16 + digit;
	}
	return true;
}

/* the length of the UTF-8 character at s->at, 0 if it is not one */
static int
utf8_length(const Scan *s)
{
	const uint8 *p = s->at;
	uint8		c = p[0];
	int			length = c < 0x80 ? 1 : c >= 0xC2 && c <= 0xDF ? 2 : c >= 0xE0 && c <= 0xEF ? 3 : c >= 0xF0 && c <= 0xF4 ? 4 : 0;

	if (length == 0 || s->end - p < length)
		return 0;
	for (int i = 1; i < length; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	if ((c == 0xE0 && p[1] < 0xA0) || (c == 0xED && p[1] > 0x9F) ||
		(c == 0xF0 && p[1] < 0x90) || (c == 0xF4 && p[1] > 0x8F))
		return 0;
	return length;
}

static bool
scan_string(Scan *s)
{
	bool		high = false;	/* the character before was half of a pair */

	s->at++;					/* the opening quote */
	for (;;)
	{
		uint8		c;
		bool		was_high = high;

		if (s->at >= s->end)
			return syntax_error(s, "string without end");
		c = *s->at;
		high = false;
		if (c == '"')
		{
			if (was_high)
				note_fault(s, "half of a surrogate pair");
			s->at++;
			return true;
		}
		if (c < 0x20)
			return syntax_error(s, "control character in a string");
		if (c == '\\')
		{
			s->at++;
			if (s->at >= s->end)
				return syntax_error(s, "string without end");
			c = *s->at++;
			if (c == 'u')
			{
				int			value;

				if (!scan_hex(s, &value))
					return false;
				if (value == 0)
					note_fault(s, "the character U+0000");
				if (value >= 0xD800 && value <= 0xDBFF)
					high = true;
				if ((value >= 0xDC00 && value <= 0xDFFF) != was_high)
					note_fault(s, "half of a surrogate pair");
			}
			else if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL)
			{
				s->at--;
				return syntax_error(s, "bad escape in a string");
			}
			else if (was_high)
				note_fault(s, "half of a surrogate pair");
		}
		else
		{
			int			length = utf8_length(s);

			if (length == 0)
				return syntax_error(s, "not UTF-8");
			if (was_high)
				note_fault(s, "half of a surrogate pair");
			s->at += length;
		}
	}
}

static bool
scan_digits(Scan *s)
{
	const uint8 *start = s->at;

	while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
		s->at++;
	return s->at > start || unexpected(s);
}

static bool
scan_number(Scan *s)
{
	const uint8 *start = s->at;
	int			exponent = 0;

	if (*s->at == '-')
		s->at++;
	if (s->at < s->end && *s->at == '0')
		s->at++;
	else if (!scan_digits(s))
		return false;
	if (s->at < s->end && *s->at == '.')
	{
		s->at++;
		if (!scan_digits(s))
			return false;
	}
	if (s->at < s->end && (*s->at == 'e' || *s->at == 'E'))
	{
		const uint8 *digits;

		s->at++;
		if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
			s->at++;
		digits = s->at;
		if (!scan_digits(s))
			return false;
		for (; digits < s->at && exponent <= NUMBER_EXPONENT; digits++)
			exponent = exponent * 10 + (*digits - '0');
	}
	if (s->at - start > NUMBER_LENGTH || exponent > NUMBER_EXPONENT)
		note_fault(s, "a number out of range");
	return true;
}

static bool
scan_word(Scan *s, const char *word)
{
	size_t		length = strlen(word);

	if (s->end - s->at < length || memcmp(s->at, word, length) != 0)
		return unexpected(s);
	s->at += length;
	return true;
}

/* an object or an array */
static bool
scan_container(Scan *s, bool object, int depth)
{
	uint8		close = object ? '}' : ']';

	if (depth >= FHIR_MAX_DEPTH)
		return syntax_error(s, "nested too deep");
	s->at++;
	skip_space(s);
	if (s->at < s->end && *s->at == close)
	{
		s->at++;
		return true;
	}
	for (;;)
	{
		skip_space(s);
		if (object)
		{
			if (s->at >= s->end || *s->at != '"')
				return unexpected(s);
			if (!scan_string(s))
				return false;
			skip_space(s);
			if (s->at >= s->end || *s->at != ':')
				return unexpected(s);
			s->at++;
		}
		if (!scan_value(s, depth + 1))
			return false;
		skip_space(s);
		if (s->at < s->end && *s->at == close)
		{
			s->at++;
			return true;
		}
		if (s->at >= s->end || *s->at != ',')
			return unexpected(s);
		s->at++;
	}
}

static bool
scan_value(Scan *s, int depth)
{
	skip_space(s);
	if (s->at >= s->end)
		return unexpected(s);
	switch (*s->at)
	{
		case '{':
			return scan_container(s, true, depth);
		case '[':
			return scan_container(s, false, depth);
		case '"':
			return scan_string(s);
		case 't':
			return scan_word(s, "true");
		case 'f':
			return scan_word(s, "false");
		case 'n':
			return scan_word(s, "null");
		default:
			if (*s->at == '-' || (*s->at >= '0' && *s->at <= '9'))
				return scan_number(s);
			return unexpected(s);
	}
}

static Scan
scan_of(const uint8 *data, size_t length)
{
	Scan		s = {data, data, data + length};

	return s;
}

/* exactly one value and space around it; *value is where it stands */
static bool
scan_document(Scan *s, FhirSpan *value)
{
	skip_space(s);
	value->data = s->at;
	if (!scan_value(s, 0))
		return false;
	value->length = s->at - value->data;
	skip_space(s);
	return s->at == s->end || syntax_error(s, "content after the end");
}

/* ---- walking in what is known to be JSON ---- */

/*
 * How often an object has a member; *value becomes the first one's.  A name
 * with escapes is not found, which leaves a resource without a type at worst.
 */
static int
find_member(FhirSpan object, const char *name, FhirSpan *value)
{
	Scan		s = scan_of(object.data, object.length);
	size_t		length = strlen(name);
	int			count = 0;

	if (object.length < 2 || *object.data != '{')
		return 0;
	s.at++;
	skip_space(&s);
	while (s.at < s.end && *s.at == '"')
	{
		const uint8 *key = s.at + 1;
		const uint8 *start;
		bool		found;

		scan_string(&s);
		found = s.at - key == length + 1 && memcmp(key, name, length) == 0;
		skip_space(&s);
		s.at++;					/* the colon */
		skip_space(&s);
		start = s.at;
		if (!scan_value(&s, 0))
			return count;
		if (found && count++ == 0)
		{
			value->data = start;
			value->length = s.at - start;
		}
		skip_space(&s);
		if (s.at >= s.end || *s.at != ',')
			break;
		s.at++;
		skip_space(&s);
	}
	return count;
}

/* the next element of an array; s stands after '[' or after the element before */
static bool
next_element(Scan *s, FhirSpan *element)
{
	skip_space(s);
	if (s->at < s->end && *s->at == ',')
	{
		s->at++;
		skip_space(s);
	}
	if (s->at >= s->end || *s->at == ']')
		return false;
	element->data = s->at;
	if (!scan_value(s, 0))
		return false;
	element->length = s->at - element->data;
	return true;
}

static bool
is_kind(FhirSpan value, char first)
{
	return value.length > 0 && *value.data == (uint8) first;
}

/* ---- resources ---- */

static const char *const resource_types[] = {
	"Account", "ActivityDefinition", "AdverseEvent", "AllergyIntolerance", "Appointment",
	"AppointmentResponse", "AuditEvent", "Basic", "Binary", "BiologicallyDerivedProduct",
	"BodyStructure", "Bundle", "CapabilityStatement", "CarePlan", "CareTeam", "CatalogEntry",
	"ChargeItem", "ChargeItemDefinition", "Claim", "ClaimResponse", "ClinicalImpression",
	"CodeSystem", "Communication", "CommunicationRequest", "CompartmentDefinition", "Composition",
	"ConceptMap", "Condition", "Consent", "Contract", "Coverage", "CoverageEligibilityRequest",
	"CoverageEligibilityResponse", "DetectedIssue", "Device", "DeviceDefinition", "DeviceMetric",
	"DeviceRequest", "DeviceUseStatement", "DiagnosticReport", "DocumentManifest",
	"DocumentReference", "EffectEvidenceSynthesis", "Encounter", "Endpoint", "EnrollmentRequest",
	"EnrollmentResponse", "EpisodeOfCare", "EventDefinition", "Evidence", "EvidenceVariable",
	"ExampleScenario", "ExplanationOfBenefit", "FamilyMemberHistory", "Flag", "Goal",
	"GraphDefinition", "Group", "GuidanceResponse", "HealthcareService", "ImagingStudy",
	"Immunization", "ImmunizationEvaluation", "ImmunizationRecommendation", "ImplementationGuide",
	"InsurancePlan", "Invoice", "Library", "Linkage", "List", "Location", "Measure",
	"MeasureReport", "Media", "Medication", "MedicationAdministration", "MedicationDispense",
	"MedicationKnowledge", "MedicationRequest", "MedicationStatement", "MedicinalProduct",
	"MedicinalProductAuthorization", "MedicinalProductContraindication",
	"MedicinalProductIndication", "MedicinalProductIngredient", "MedicinalProductInteraction",
	"MedicinalProductManufactured", "MedicinalProductPackaged", "MedicinalProductPharmaceutical",
	"MedicinalProductUndesirableEffect", "MessageDefinition", "MessageHeader", "MolecularSequence",
	"NamingSystem", "NutritionOrder", "Observation", "ObservationDefinition",
	"OperationDefinition", "OperationOutcome", "Organization", "OrganizationAffiliation",
	"Parameters", "Patient", "PaymentNotice", "PaymentReconciliation", "Person", "PlanDefinition",
	"Practitioner", "PractitionerRole", "Procedure", "Provenance", "Questionnaire",
	"QuestionnaireResponse", "RelatedPerson", "RequestGroup", "ResearchDefinition",
	"ResearchElementDefinition", "ResearchStudy", "ResearchSubject", "RiskAssessment",
	"RiskEvidenceSynthesis", "Schedule", "SearchParameter", "ServiceRequest", "Slot", "Specimen",
	"SpecimenDefinition", "StructureDefinition", "StructureMap", "Subscription", "Substance",
	"SubstanceNucleicAcid", "SubstancePolymer", "SubstanceProtein",
	"SubstanceReferenceInformation", "SubstanceSourceMaterial", "SubstanceSpecification",
	"SupplyDelivery", "SupplyRequest", "Task", "TerminologyCapabilities", "TestReport",
	"TestScript", "ValueSet", "VerificationResult", "VisionPrescription"
};

static bool
is_resource_type(const char *type)
{
	int			low = 0;
	int			high = lengthof(resource_types) - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		int			order = strcmp(type, resource_types[middle]);

		if (order == 0)
			return true;
		if (order < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return false;
}

static void
set_reason(FhirPiece *piece, const char *reason)
{
	if (piece->reason[0] == '\0')
		strlcpy(piece->reason, reason, sizeof(piece->reason));
}

const char *
fhir_fault(FhirSpan value, size_t *at)
{
	Scan		s = scan_of(value.data, value.length);

	scan_value(&s, 0);
	*at = s.fault != NULL ? s.fault_at - s.start + 1 : 0;
	return s.fault;
}

/* the type of a resource, and what is wrong with it as such */
static void
judge_resource(FhirPiece *piece)
{
	FhirSpan	type = {NULL, 0};
	const char *fault;
	size_t		at;
	int			count;

	piece->type[0] = '\0';
	piece->reason[0] = '\0';
	if (!is_kind(piece->raw, '{'))
	{
		set_reason(piece, "is not a JSON object");
		return;
	}
	count = find_member(piece->raw, "resourceType", &type);
	if (count == 0 || !is_kind(type, '"'))
		set_reason(piece, "has no resourceType");
	else if (count > 1)
		set_reason(piece, "has two of resourceType");
	else
	{
		bool		letters = type.length - 2 >= 1 && type.length - 2 <= FHIR_TYPE_LENGTH;

		for (size_t i = 1; letters && i < type.length - 1; i++)
			letters = (type.data[i] >= 'A' && type.data[i] <= 'Z') || (type.data[i] >= 'a' && type.data[i] <= 'z');
		if (letters)
		{
			memcpy(piece->type, type.data + 1, type.length - 2);
			piece->type[type.length - 2] = '\0';
		}
		if (!letters || !is_resource_type(piece->type))
			set_reason(piece, "is of a resource type that FHIR R4 does not have");
	}
	fault = fhir_fault(piece->raw, &at);
	if (fault != NULL && piece->reason[0] == '\0')
		snprintf(piece->reason, sizeof(piece->reason), "has %s before its byte %zu", fault, at);
}

/* a document that is known to be JSON */
static void
handle_document(FhirSpan document, uint32 line, FhirHandler handle, void *arg)
{
	FhirPiece	piece = {document, line, -1};
	FhirSpan	entries = {NULL, 0};
	FhirSpan	entry;
	Scan		s;
	int			count;

	judge_resource(&piece);
	if (strcmp(piece.type, "Bundle") != 0)
	{
		handle(arg, &piece);
		return;
	}

	/* what jsonb could not hold may be in one of its resources only, which says so itself */
	if (strncmp(piece.reason, "has ", 4) == 0)
		piece.reason[0] = '\0';
	piece.is_bundle = true;
	count = find_member(document, "entry", &entries);
	if (count > 1 || (count == 1 && !is_kind(entries, '[')))
	{
		piece.is_bundle = false;
		set_reason(&piece, count > 1 ? "has two of entry" : "has an entry that is not an array");
		handle(arg, &piece);
		return;
	}
	handle(arg, &piece);
	if (count == 0)
		return;
	s = scan_of(entries.data, entries.length);
	s.at++;
	for (int i = 0; next_element(&s, &entry); i++)
	{
		FhirPiece	part = {entry, line, i};
		FhirSpan	resource = {NULL, 0};

		count = find_member(entry, "resource", &resource);
		if (count == 1)
		{
			part.raw = resource;
			judge_resource(&part);
		}
		else
			set_reason(&part, count == 0 ? "is an entry without a resource" : "is an entry with two resources");
		handle(arg, &part);
	}
}

void
fhir_each_resource(FhirSpan bundle, void (*handle) (void *arg, FhirSpan resource), void *arg)
{
	FhirSpan	entries = {NULL, 0};
	FhirSpan	entry;
	FhirSpan	resource;
	Scan		s;

	if (find_member(bundle, "entry", &entries) != 1 || !is_kind(entries, '['))
		return;
	s = scan_of(entries.data, entries.length);
	s.at++;
	while (next_element(&s, &entry))
		if (find_member(entry, "resource", &resource) == 1)
			handle(arg, resource);
}

static void
report_syntax(FhirSpan raw, uint32 line, uint32 first_line, const Scan *s, FhirHandler handle, void *arg)
{
	FhirPiece	piece = {raw, line, -1};
	uint32		at_line = first_line;
	const uint8 *line_start = s->start;

	for (const uint8 *p = s->start; p < s->at; p++)
		if (*p == '\n')
		{
			at_line++;
			line_start = p + 1;
		}
	snprintf(piece.reason, sizeof(piece.reason), "is not JSON at line %u, byte %zu: %s", at_line,
			 (size_t) (s->at - line_start) + 1, s->error);
	handle(arg, &piece);
}

/*
 * Whether this is one document in each line.  A document that is broken must
 * not be taken for many, nor many for one because the first of them is broken.
 */
static bool
is_ndjson(const uint8 *data, const uint8 *end)
{
	int			lines = 0;
	bool		braces = true;

	for (const uint8 *start = data; start < end;)
	{
		const uint8 *lf = memchr(start, '\n', end - start);
		Scan		s = scan_of(start, (lf ? lf : end) - start);
		FhirSpan	value;

		skip_space(&s);
		if (s.at < s.end)
		{
			if (*s.at != '{')
				braces = false;
			if (lines++ == 0)
			{
				bool		whole;

				s.at = s.start;
				whole = scan_document(&s, &value) && is_kind(value, '{');
				if (whole && lf != NULL)
				{
					Scan		rest = scan_of(lf, end - lf);

					skip_space(&rest);
					return rest.at < rest.end;
				}
			}
			if (!braces)
				return false;
		}
		start = lf ? lf + 1 : end;
	}
	return lines > 1 && braces;
}

void
fhir_parse(const uint8 *data, size_t length, FhirHandler handle, void *arg)
{
	FhirSpan	content = {data, length};
	const uint8 *end = data + length;
	Scan		s;
	FhirSpan	value;
	uint32		line = 0;

	if (length >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0)
		data += 3;
	s = scan_of(data, end - data);
	skip_space(&s);
	if (s.at == s.end || memchr(data, '\0', end - data) != NULL)
	{
		FhirPiece	piece = {content, 0, -1};

		set_reason(&piece, s.at == s.end ? "the content is empty" : "the content is not text in UTF-8");
		handle(arg, &piece);
		return;
	}
	if (!is_ndjson(data, end))
	{
		s = scan_of(data, end - data);
		if (scan_document(&s, &value))
			handle_document(value, 0, handle, arg);
		else
			report_syntax(content, 0, 1, &s, handle, arg);
		return;
	}
	for (const uint8 *start = data; start < end;)
	{
		const uint8 *lf = memchr(start, '\n', end - start);
		const uint8 *stop = lf ? lf : end;
		FhirSpan	raw;

		line++;
		if (stop > start && stop[-1] == '\r')
			stop--;
		raw.data = start;
		raw.length = stop - start;
		s = scan_of(start, stop - start);
		skip_space(&s);
		if (s.at < s.end)
		{
			s.at = s.start;
			if (scan_document(&s, &value))
				handle_document(value, line, handle, arg);
			else
				report_syntax(raw, line, line, &s, handle, arg);
		}
		start = lf ? lf + 1 : end;
	}
}
