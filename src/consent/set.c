/*
 * set.c
 *    The consent sets of a backend: which one answers a statement.
 *
 * A set belongs to a backend and shows the consents as one snapshot and one
 * clock see them.  It begins with what the keeper has built in shared memory
 * for all (shared_set.c), and follows from there to the statement's snapshot
 * (set_build.c); later statements bring it on.  Shared are sets of a rule; what
 * consents say by name of this permit, or of this dataset, is decided on top,
 * unless there is so much of it that the keeper is asked for a set that has it.
 *
 * Where there is no shared set to begin with (no keeper, an old clock,
 * SERIALIZABLE), the tables are scanned here.  Under SERIALIZABLE a set is used
 * again only in the transaction that built it, where its predicate locks are
 * held, and for the same command or a later one.
 *
 * A rollback takes own rows away under one and the same snapshot: it drops the
 * sets that may have seen them.  At the end of a transaction those go that
 * began with a shared state that was replaced a while ago: beginning anew is
 * cheaper than following for long, and the state need not be kept.
 *
 * An error half-way through a change leaves a set invalid, and it is dropped
 * at the next look.  What a backend holds itself is counted; sets that the
 * running client statement has not used are dropped to make room, and then the
 * statement fails: never is a person let through because there was no room.
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/settings.h"
#include "base/shmem.h"
#include "base/statement.h"
#include "consent/set.h"
#include "consent/set_build.h"
#include "consent/set_members.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* sets kept for one permit and dataset: the statement's, and those of older snapshots (cursors) */
#define SETS_PER_USE 3

/* a set that began with a shared state goes when that was replaced so long ago: beginning again is cheaper then */
#define OUTDATED_MS 5000

/* persons whose consents name the permit or the dataset, and who are decided on top of a shared set */
#define SPECIAL_MAX 200

uint64		consent_epoch = 1;

static ConsentSet *sets = NULL;
static uint64 statements = 1;	/* counts client statements that looked at a set */

static void
drop_set(ConsentSet *set)
{
	for (ConsentSet **link = &sets; *link; link = &(*link)->next)
		if (*link == set)
		{
			*link = set->next;
			break;
		}
	consent_epoch++;
	set_delete(set);
}

static uint64
current_statement(void)
{
	static TimestampTz started = 0;

	if (started != GetCurrentStatementStartTimestamp())
	{
		started = GetCurrentStatementStartTimestamp();
		statements++;
	}
	return statements;
}

void
set_reserve(ConsentSet *set, Size more)
{
	Size		limit = (Size) niji_consent_memory * 1024;
	Size		held;

	for (;;)
	{
		ConsentSet *oldest = NULL;

		held = MemoryContextMemAllocated(set_context(), true);
		if (MemoryContextGetParent(set->context) != set_context())
			held += MemoryContextMemAllocated(set->context, true);
		if (held + more <= limit)
			return;
		for (ConsentSet *other = sets; other; other = other->next)
			if (other != set && other->used != current_statement() &&
				(oldest == NULL || other->used < oldest->used))
				oldest = other;
		if (oldest == NULL)
			break;
		drop_set(oldest);
	}
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("consent sets need more than niji.consent_memory"),
			 errdetail("The sets of this statement need at least %zu kB.", (held + more) / 1024),
			 errhint("Raise niji.consent_memory and restart the server.")));
}

/* ---- beginning with a shared set ---- */

/* those persons, and the moments of those consents, which the shared set does not know */
typedef struct Special
{
	int32		persons[SPECIAL_MAX * 2];
	TimestampTz from[SPECIAL_MAX * 2];
	TimestampTz until[SPECIAL_MAX * 2];
	int			count;
	int			most;
} Special;

static bool
add_special(const ConsentEvent *event, void *arg)
{
	Special    *special = arg;

	if (special->count == special->most)
	{
		special->count++;		/* too many */
		return false;
	}
	special->from[special->count] = event->fact.from;
	special->until[special->count] = event->until;
	special->persons[special->count++] = event->fact.person;
	return true;
}

/*
 * The rule of the shared set to begin with, and the persons to decide on top.
 * The dataset, or the permit as well, is part of it if many consents name them.
 */
static void
choose_shared(const ConsentRule *rule, Snapshot snapshot, ConsentRule *chosen, Special *special)
{
	special->count = 0;
	*chosen = *rule;
	if (shared_set_exists(chosen))
		return;
	special->most = SPECIAL_MAX;
	row_scan_permit(rule, snapshot, add_special, special);
	if (special->count > special->most)
	{
		special->count = 0;
		return;
	}
	chosen->use.permit = 0;
	if (shared_set_exists(chosen))
		return;
	{
		int			named = special->count;

		special->most = named + SPECIAL_MAX;
		row_scan_dataset(rule, snapshot, add_special, special);
		if (special->count > special->most)
			special->count = named;
		else
			chosen->use.dataset = 0;
	}
}

static void
release_pins(int code, Datum arg)
{
	while (sets)
		drop_set(sets);
}

/* NULL if there is no shared set to begin with */
static ConsentSet *
begin(const ConsentRule *rule, Snapshot snapshot, TimestampTz clock, bool wait)
{
	static bool registered = false;
	ConsentRule chosen;
	Special    *special;
	const SharedSet *shared;
	ConsentSet *set;

	if (!niji_preloaded() || IsolationIsSerializable() || snapshot->takenDuringRecovery)
		return NULL;
	if (!registered)
	{
		before_shmem_exit(release_pins, (Datum) 0);
		registered = true;
	}
	special = palloc(sizeof(Special));
	choose_shared(rule, snapshot, &chosen, special);
	shared = shared_set_pin(&chosen, clock, wait);
	if (shared == NULL)
		return NULL;
	PG_TRY();
	{
		set = set_begin(rule, shared);
	}
	PG_CATCH();
	{
		shared_set_unpin(shared);
		PG_RE_THROW();
	}
	PG_END_TRY();
	set->next = sets;
	sets = set;
	consent_epoch++;
	for (int i = 0; i < special->count; i++)
	{
		set_note_moment(set, special->from[i], special->persons[i]);
		set_note_moment(set, special->until[i], special->persons[i]);
	}
	if (!set_follow(set, snapshot, clock, special->persons, special->count))
	{
		drop_set(set);
		set = NULL;
	}
	else
		elog(DEBUG1, "consent set of permit %d, dataset %d: begun with a shared one, %d persons decided",
			 rule->use.permit, rule->use.dataset, set_followed);
	pfree(special);
	return set;
}

/* ---- which set ---- */

static void
refuse(int permit, int dataset, const ConsentRule *rule, bool found)
{
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no consent set for permit %d and dataset %d", permit, dataset),
				 errdetail("The permit does not give this dataset.")));
	if (rule->use.basis == BASIS_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no rule for category \"%s\" and purpose \"%s\"",
						rule->use.category.data, rule->use.purpose.data),
				 errhint("Governance sets rules with niji.set_rule().")));
}

/* whether everybody has the same answer, so that no table has to be read */
static bool
is_plain(const ConsentRule *rule, TimestampTz clock)
{
	return rule->use.basis == BASIS_NOT_REQUIRED || consent_overridden(&rule->use, clock) ||
		(rule->use.at_grant && !rule->use.granted);
}

static bool
is_for(const ConsentSet *set, int permit, int dataset)
{
	return set->rule.use.permit == permit && set->rule.use.dataset == dataset;
}

/* sets that an error left half changed, and more than are kept of a use */
static void
tidy(int permit, int dataset)
{
	ConsentSet *oldest = NULL;
	int			count = 0;

	for (ConsentSet *set = sets, *next; set; set = next)
	{
		next = set->next;
		if (!set->valid)
			drop_set(set);
		else if (is_for(set, permit, dataset))
		{
			count++;
			if (oldest == NULL || set->used < oldest->used ||
				(set->used == oldest->used &&
				 FullTransactionIdPrecedes(set->key.xmax, oldest->key.xmax)))
				oldest = set;
		}
	}
	if (count > SETS_PER_USE)
		drop_set(oldest);
}

/* whether a set can be brought to the key and the clock */
static bool
can_follow(const ConsentSet *set, const SetKey *key, TimestampTz clock)
{
	if (set->clock > clock && set->changed > clock)
		return false;
	return !IsolationIsSerializable() ||
		(set->key.transaction == key->transaction && set->key.curcid <= key->curcid);
}

/* one that shows just what the key does, brought to the clock; or NULL */
static ConsentSet *
find_same(int permit, int dataset, const SetKey *key, Snapshot snapshot, TimestampTz clock)
{
	for (ConsentSet *set = sets, *next; set; set = next)
	{
		next = set->next;
		if (!is_for(set, permit, dataset) || set->rule.zone != settings_timezone() ||
			!set_key_same(&set->key, key) || !can_follow(set, key, clock))
			continue;
		if (set_fits_clock(set, clock) || set_follow(set, snapshot, clock, NULL, 0))
			return set;
		drop_set(set);
	}
	return NULL;
}

/* the set to bring on: one that the running statement has not used for another snapshot, if others may still be kept */
static ConsentSet *
find_former(const ConsentRule *rule, const SetKey *key, TimestampTz clock)
{
	ConsentSet *former = NULL;
	int			count = 0;

	for (ConsentSet *set = sets, *next; set; set = next)
	{
		next = set->next;
		if (!is_for(set, rule->use.permit, rule->use.dataset))
			continue;
		count++;
		if (!row_same_use(&set->rule, rule))
			continue;
		if (can_follow(set, key, clock) && (former == NULL || former->used < set->used))
			former = set;
	}
	if (former && former->used == current_statement() && count < SETS_PER_USE &&
		former->base != NULL && former->base->newest)
		return NULL;			/* another is as cheap */
	return former;
}

/* built by reading the tables */
static ConsentSet *
build(const ConsentRule *rule, Snapshot snapshot, TimestampTz clock)
{
	ConsentSet *set = set_build(rule, snapshot, clock);

	set->next = sets;
	sets = set;
	elog(DEBUG1, "consent set of permit %d, dataset %d: built", rule->use.permit, rule->use.dataset);
	return set;
}

static ConsentSet *
find_or_make(const ConsentRule *rule, const SetKey *key, Snapshot snapshot, TimestampTz clock)
{
	ConsentSet *set;

	if (is_plain(rule, clock))
		return build(rule, snapshot, clock);
	set = find_former(rule, key, clock);
	if (set)
	{
		if (set_follow(set, snapshot, clock, NULL, 0))
		{
			elog(DEBUG1, "consent set of permit %d, dataset %d: followed, %d persons decided",
				 rule->use.permit, rule->use.dataset, set_followed);
			return set;
		}
		drop_set(set);
	}
	set = begin(rule, snapshot, clock, true);
	return set ? set : build(rule, snapshot, clock);
}

ConsentSet *
set_get(int permit, int dataset, Snapshot snapshot, TimestampTz clock)
{
	ConsentSet *set;
	SetKey		key;

	if (snapshot->snapshot_type != SNAPSHOT_MVCC)
		elog(ERROR, "consents cannot be judged by a snapshot of type %d", snapshot->snapshot_type);
	tidy(permit, dataset);
	set_key_make(&key, snapshot);
	set = find_same(permit, dataset, &key, snapshot, clock);
	if (set == NULL)
	{
		MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "niji consent use",
													  ALLOCSET_SMALL_SIZES);
		MemoryContext old = MemoryContextSwitchTo(scratch);
		ConsentRule rule;
		bool		found = row_read_use(permit, dataset, scratch, &rule);

		refuse(permit, dataset, &rule, found);
		set = find_or_make(&rule, &key, snapshot, clock);
		MemoryContextSwitchTo(old);
		MemoryContextDelete(scratch);
	}
	set->used = current_statement();
	return set;
}

/* the shared set that begin() would take, or the answer that all have */
static bool
peek_shared(ConsentRule *rule, bool *otherwise, int64 *exceptions)
{
	TimestampTz clock = statement_clock();

	if (rule->use.basis == BASIS_NONE)
		return false;
	if (is_plain(rule, clock))
	{
		*otherwise = consent_decide_nobody(&rule->use, clock);
		*exceptions = 0;
		return true;
	}
	if (shared_set_glance(rule, otherwise, exceptions))
		return true;
	rule->use.permit = 0;
	if (shared_set_glance(rule, otherwise, exceptions))
		return true;
	rule->use.dataset = 0;
	return shared_set_glance(rule, otherwise, exceptions);
}

bool
set_peek(int permit, int dataset, bool *otherwise, int64 *exceptions)
{
	MemoryContext scratch;
	MemoryContext old;
	ConsentRule rule;
	bool		found;

	for (ConsentSet *set = sets; set; set = set->next)
		if (set->valid && is_for(set, permit, dataset))
		{
			*otherwise = set->otherwise;
			*exceptions = set->exceptions;
			return true;
		}
	/* reading the rule would take predicate locks that running the plan may not need */
	if (!niji_preloaded() || !ActiveSnapshotSet() || IsolationIsSerializable())
		return false;
	scratch = AllocSetContextCreate(CurrentMemoryContext, "niji consent use", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(scratch);
	found = row_read_use(permit, dataset, scratch, &rule) &&
		peek_shared(&rule, otherwise, exceptions);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	return found;
}

/* ---- ends of transactions ---- */

/* sets that may have seen rows that are gone now */
static void
drop_own_sets(void)
{
	for (ConsentSet *set = sets, *next; set; set = next)
	{
		next = set->next;
		if (set->key.transaction == set_key_transaction && FullTransactionIdIsValid(set->key.own))
			drop_set(set);
	}
	consent_epoch++;
}

static void
drop_outdated_sets(void)
{
	TimestampTz now = GetCurrentStatementStartTimestamp();

	for (ConsentSet *set = sets, *next; set; set = next)
	{
		next = set->next;
		if (set->base && !set->base->newest &&
			TimestampDifferenceExceeds(set->base->replaced, now, OUTDATED_MS))
			drop_set(set);
	}
}

static void
transaction_end(XactEvent event, void *arg)
{
	/* what a prepared transaction wrote is not seen until it commits */
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		drop_own_sets();
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
	{
		drop_outdated_sets();
		set_key_transaction++;
		consent_epoch++;
	}
}

static void
subtransaction_end(SubXactEvent event, SubTransactionId mySubid, SubTransactionId parentSubid,
				   void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		drop_own_sets();
}

void
set_init(void)
{
	RegisterXactCallback(transaction_end, NULL);
	RegisterSubXactCallback(subtransaction_end, NULL);
}
