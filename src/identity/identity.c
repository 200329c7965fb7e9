/*
 * identity.c
 *    Start of the capability "identity".
 */
#include "postgres.h"

#include "identity/domain.h"
#include "identity/identity.h"
#include "identity/keys.h"
#include "identity/number.h"
#include "identity/planner.h"
#include "identity/use.h"
#include "trail/record.h"
#include "trail/writer.h"

/* for the trail, which lies below: whose pseudonym left */
static bool
person_of_pseudonym(int domain, const uint8 pseudonym[16], int32 *person)
{
	PseudonymClass class;
	int64		value;

	if (!domain_decrypt(domain, pseudonym, &class, &value) || class != CLASS_PERSON)
		return false;
	*person = (int32) value;
	return true;
}

static void
reload_keys(void)
{
	keys_reload();
	keys_verify_all();
}

void
identity_init(void)
{
	trail_identity.pseudonym_type = pseudonym_type;
	trail_identity.person_of = person_of_pseudonym;
	writer_on_reload = reload_keys;
	keys_init();
	number_init();
	domain_init();
	planner_init();
	use_init();
}
