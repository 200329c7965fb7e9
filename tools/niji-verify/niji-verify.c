/*
 * niji-verify.c
 *    Verifies what was exported from a trail, offline and without a database.
 *
 * It is given files with lines of niji.export_trail(), export_seal() and
 * export_proof(), and seals as niji.seal_command got them, in any order.  What
 * holds them together are signatures and hashes alone:
 *
 *    each seal is signed by a key that is known,
 *    each export of entries gives the root of its seal (RFC 9162),
 *    each two seals are of one trail: by a proof of consistency, or because the
 *    entries from the first on give the roots of both.
 *
 * The files are read twice: first the seals and proofs, then the entries, of
 * which one at a time is kept.
 */
#include <errno.h>
#include <stdarg.h>

#include "line.h"
#include "report.h"
#include "seals.h"
#include "values.h"

#define NOTE_MAX 65536

typedef struct File
{
	const char *name;
	FILE	   *stream;
	int64		line;			/* number of the current one */
	char	   *text;			/* of getline() */
	size_t		room;
	ssize_t		length;			/* without its end; -1 at the end of the file */
	uint8	   *space;			/* for what is decoded */
	size_t		space_size;
} File;

static bool quiet = false;

/* what was shown, for the sentence at the end */
static int64 entries_shown = 0;
static int64 first_shown = 0;
static int64 last_shown = 0;
static int	trails = 0;

static void end(int status, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

static void
end(int status, const char *format, va_list args)
{
	if (!quiet)
	{
		printf(status == STATUS_ALTERED ? "NOT VERIFIED: " : "cannot verify: ");
		vprintf(format, args);
		printf("\n");
	}
	exit(status);
}

void
altered(const char *format, ...)
{
	va_list		args;

	va_start(args, format);
	end(STATUS_ALTERED, format, args);
	abort();
}

void
unusable(const char *format, ...)
{
	va_list		args;

	va_start(args, format);
	end(STATUS_UNUSABLE, format, args);
	abort();
}

/* ---- files ---- */

static bool
next_line(File *f)
{
	errno = 0;
	f->length = getline(&f->text, &f->room, f->stream);
	if (f->length < 0)
	{
		if (ferror(f->stream) || errno == ENOMEM)
			unusable("%s: it cannot be read: %s", f->name, strerror(errno));
		return false;
	}
	f->line++;
	if (f->length > 0 && f->text[f->length - 1] == '\n')
		f->length--;
	if (f->length > 0 && f->text[f->length - 1] == '\r')
		f->length--;
	return true;
}

static void
open_file(File *f, const char *name)
{
	memset(f, 0, sizeof(*f));
	f->name = name;
	if (strcmp(name, "-") != 0)
		f->stream = fopen(name, "rb");
	else
	{
		char		buffer[65536];
		size_t		n;

		/* what comes through a pipe cannot be read twice */
		f->name = "standard input";
		f->stream = tmpfile();
		while (f->stream && (n = fread(buffer, 1, sizeof(buffer), stdin)) > 0)
			if (fwrite(buffer, 1, n, f->stream) != n)
				unusable("%s: it cannot be kept: %s", f->name, strerror(errno));
		if (f->stream)
			rewind(f->stream);
	}
	if (f->stream == NULL)
		unusable("%s: it cannot be opened: %s", f->name, strerror(errno));
}

static void
rewind_file(File *f)
{
	if (fseek(f->stream, 0, SEEK_SET) != 0)
		unusable("%s: it cannot be read twice: %s", f->name, strerror(errno));
	f->line = 0;
}

static bool
is_json(const File *f)
{
	return f->length > 0 && f->text[0] == '{';
}

static bool
starts(const File *f, const char *with)
{
	size_t		length = strlen(with);

	return f->length >= (ssize_t) length && memcmp(f->text, with, length) == 0;
}

static void
parse(File *f, Line *line)
{
	const char *error;

	if (f->space_size < (size_t) f->length + 1)
	{
		free(f->space);
		f->space_size = 2 * (size_t) f->length + 1024;
		f->space = palloc(f->space_size);
	}
	if (!line_parse(f->text, (size_t) f->length, f->space, line, &error))
		altered("%s, line %lld: %s", f->name, (long long) f->line, error);
}

/* ---- the first time: seals and proofs ---- */

/* a note, of which the first line was read; afterwards the line behind it was (or the file ends) */
static void
read_note(File *f)
{
	char		note[NOTE_MAX];
	size_t		length = 0;
	int64		first = f->line;
	bool		signatures = false;

	do
	{
		if (signatures && !starts(f, "\xe2\x80\x94 "))
			break;
		if (length + (size_t) f->length + 1 > sizeof(note))
			altered("%s, line %lld: a seal is too long", f->name, (long long) first);
		memcpy(note + length, f->text, (size_t) f->length);
		length += (size_t) f->length;
		note[length++] = '\n';
		signatures |= f->length == 0;
	} while (next_line(f));
	seal_add(note, length, f->name);
}

static void
read_seals(File *f)
{
	bool		more = next_line(f);
	Line		line;

	while (more)
	{
		if (f->length == 0 || starts(f, "{\"type\":\"entry\""))
		{
			more = next_line(f);
			continue;
		}
		if (!is_json(f))
		{
			read_note(f);
			more = f->length >= 0;
			continue;
		}
		parse(f, &line);
		if (line.type == LINE_SEAL)
		{
			seal_add((const char *) line.checkpoint.data, line.checkpoint.length, f->name);
			if (line.verifier.data)
				key_add((const char *) line.verifier.data, line.verifier.length, false);
		}
		else if (line.type == LINE_CONSISTENCY)
			proof_add(&line, f->name);
		more = next_line(f);
	}
}

/* ---- the second time: entries ---- */

typedef struct Trail
{
	File	   *file;
	int64		from;
	int64		to;
	Line		entry;

	/* from the first entry on: roots of complete subtrees, for the seals on the way */
	int			depth;
	uint8		nodes[64][MERKLE_HASH_SIZE];
	int			next_seal;
	int64		good_size;
} Trail;

static void
entries_bad(const Trail *t, int64 good, int64 size)
{
	if (good >= size - 1)
		altered("%s: entry %lld is not the one that was sealed at size %lld", t->file->name, (long long) (size - 1),
				(long long) size);
	altered("%s: among entries %lld to %lld are some that are not those that were sealed at size %lld", t->file->name,
			(long long) good, (long long) (size - 1), (long long) size);
}

/* the tree so far is of a size that was sealed */
static void
check_passed_seal(Trail *t, int64 size)
{
	Seal	   *seal;
	uint8		root[MERKLE_HASH_SIZE];

	while (t->next_seal < seals_count() && seals_get(t->next_seal)->size < size)
		t->next_seal++;
	if (t->next_seal == seals_count() || seals_get(t->next_seal)->size != size)
		return;
	seal = seals_get(t->next_seal);
	memcpy(root, t->nodes[t->depth - 1], MERKLE_HASH_SIZE);
	for (int i = t->depth - 2; i >= 0; i--)
		merkle_node(t->nodes[i], root, root);
	if (memcmp(root, seal->root, MERKLE_HASH_SIZE) != 0)
		entries_bad(t, t->good_size, size);
	if (t->good_size > 0)
		seals_join(seal_of_size(t->good_size), seal);
	t->good_size = size;
}

static void
push(Trail *t, const uint8 *leaf, int64 seq)
{
	memcpy(t->nodes[t->depth++], leaf, MERKLE_HASH_SIZE);
	for (int64 n = seq; n & 1; n >>= 1)
	{
		merkle_node(t->nodes[t->depth - 2], t->nodes[t->depth - 1], t->nodes[t->depth - 2]);
		t->depth--;
	}
	check_passed_seal(t, seq + 1);
}

/* a MerkleGet of the entries in their order */
static bool
next_leaf(void *arg, int height, uint64 index, uint8 hash[MERKLE_HASH_SIZE])
{
	Trail	   *t = arg;
	Line	   *entry = &t->entry;
	int64		seq = (int64) index;
	uint8		private_hash[MERKLE_HASH_SIZE];
	bool		there;

	(void) height;
	while ((there = next_line(t->file)))
	{
		if (!is_json(t->file))
			continue;
		parse(t->file, entry);
		if (entry->type == LINE_ENTRY || entry->type == LINE_TRAIL)
			break;
	}
	if (!there || entry->type == LINE_TRAIL)
	{
		if (seq == t->from)
			altered("%s: it has none of the entries %lld to %lld", t->file->name, (long long) t->from, (long long) t->to);
		altered("%s: it ends after entry %lld: entries to %lld are missing", t->file->name, (long long) (seq - 1),
				(long long) t->to);
	}
	if (entry->seq > seq)
		altered("%s, line %lld: entry %lld is missing: entry %lld stands there", t->file->name, (long long) t->file->line,
				(long long) seq, (long long) entry->seq);
	if (entry->seq < seq)
		altered("%s, line %lld: entry %lld stands where entry %lld should", t->file->name, (long long) t->file->line,
				(long long) entry->seq, (long long) seq);
	if (entry->salt.data)
	{
		merkle_private_hash(entry->salt.data, entry->private_part.data, entry->private_part.length, private_hash);
		if (entry->private_hash.data && memcmp(entry->private_hash.data, private_hash, MERKLE_HASH_SIZE) != 0)
			altered("%s, line %lld: the private part of entry %lld was altered", t->file->name, (long long) t->file->line,
					(long long) seq);
	}
	else
		memcpy(private_hash, entry->private_hash.data, MERKLE_HASH_SIZE);
	merkle_entry_leaf(entry->header.data, entry->header.length, private_hash, hash);
	if (entry->leaf.data && memcmp(entry->leaf.data, hash, MERKLE_HASH_SIZE) != 0)
		altered("%s, line %lld: entry %lld was altered: its header or private part does not have its leaf hash",
				t->file->name, (long long) t->file->line, (long long) seq);
	values_look(entry);
	if (t->from == 0)
		push(t, hash, seq);
	return true;
}

static void
check_trail(File *f, const Line *line)
{
	static Trail t;
	Seal	   *seal = seal_of_size(line->size);
	uint8		root[MERKLE_HASH_SIZE];
	int64		size = line->size;

	if (line->origin.length != strlen(seals_origin()) ||
		memcmp(line->origin.data, seals_origin(), line->origin.length) != 0)
		altered("%s: the entries are of another trail than the seals", f->name);
	if (seal == NULL)
		unusable("%s: the seal of size %lld is missing", f->name, (long long) size);
	memset(&t, 0, sizeof(t));
	t.file = f;
	t.from = line->from;
	t.to = line->to;
	if (t.from == 0 && t.to + 1 == size && line->count == 0)
	{
		/* all of it: the seal is the last of those on the way */
		for (int64 seq = 0; seq < size; seq++)
			(void) next_leaf(&t, 0, (uint64) seq, root);
		if (t.good_size != size)
			entries_bad(&t, t.good_size, size);
		memcpy(root, seal->root, MERKLE_HASH_SIZE);
	}
	else if (!merkle_range_root(next_leaf, &t, (uint64) line->from, (uint64) line->to + 1, (uint64) size,
						   (const uint8 (*)[MERKLE_HASH_SIZE]) line->hashes, line->count, root))
		altered("%s: the proof of the entries has too few or too many hashes", f->name);
	if (memcmp(root, seal->root, MERKLE_HASH_SIZE) != 0)
	{
		if (t.from > 0 || t.good_size > t.to)
			altered("%s: entries %lld to %lld are not in the trail that was sealed at size %lld, or their proof was altered",
					f->name, (long long) t.from, (long long) t.to, (long long) size);
		entries_bad(&t, t.good_size, t.to + 1);
	}
	if (t.good_size > 0)
		seals_join(seal_of_size(t.good_size), seal);
	if (trails++ == 0)
	{
		first_shown = t.from;
		last_shown = t.to;
	}
	first_shown = Min(first_shown, t.from);
	last_shown = last_shown > t.to ? last_shown : t.to;
	entries_shown += t.to - t.from + 1;
}

static void
read_entries(File *f)
{
	Line		line;

	rewind_file(f);
	while (next_line(f))
	{
		if (!is_json(f))
			continue;
		parse(f, &line);
		if (line.type == LINE_ENTRY)
			altered("%s, line %lld: entry %lld is more than the export says that it has", f->name, (long long) f->line,
					(long long) line.seq);
		if (line.type == LINE_TRAIL)
			check_trail(f, &line);
	}
}

/* ---- the sentence ---- */

static void
print_result(void)
{
	int			n = seals_count();

	printf("verified: ");
	if (trails > 0)
	{
		if (first_shown == last_shown)
			printf("entry %lld", (long long) first_shown);
		else
			printf("%s %lld to %lld", entries_shown == last_shown - first_shown + 1 ? "entries" : "entries among",
				   (long long) first_shown, (long long) last_shown);
		printf(" of %s, as sealed at size %lld", seals_origin(), (long long) seals_get(n - 1)->size);
	}
	else
		printf("%s", seals_origin());
	if (n == 1)
		printf(trails > 0 ? "," : ", the seal of size %lld,", (long long) seals_get(0)->size);
	else
		printf(", unaltered since size %lld (%d seals),", (long long) seals_get(0)->size, n);
	keys_print();
	values_print();
	printf("\n");
}

static void
print_help(void)
{
	printf("niji-verify verifies what was exported from the trail of niji, offline.\n\n"
		   "Usage: niji-verify [--key VERIFIER]... [--value SEQ:COLUMN:FORM:VALUE]... FILE...\n\n"
		   "Files hold what niji.export_trail(), export_seal() and export_proof() give, or seals\n"
		   "as niji.seal_command got them; - is standard input.\n\n"
		   "  --key VERIFIER   only seals of this key (name+hash+base64, see niji.seals) count\n"
		   "  --value SEQ:COLUMN:FORM:VALUE\n"
		   "                   that entry SEQ, exported with its private part, commits to this value of\n"
		   "                   a column; the form is text, int2, int4, int8 or hex\n"
		   "  --quiet          says nothing\n"
		   "  --help, --version\n\n"
		   "Exit status: 0 verified; 1 something was altered; 2 it cannot be said.\n");
}

int
main(int argc, char **argv)
{
	File	   *files = palloc(argc * sizeof(File));
	int			nfiles = 0;
	bool		options = true;

	for (int i = 1; i < argc; i++)
	{
		const char *option = argv[i];

		if (!options || option[0] != '-' || strcmp(option, "-") == 0)
			open_file(&files[nfiles++], option);
		else if (strcmp(option, "--") == 0)
			options = false;
		else if (strcmp(option, "--help") == 0)
		{
			print_help();
			return 0;
		}
		else if (strcmp(option, "--version") == 0)
		{
			printf("niji-verify %s\n", NIJI_VERSION);
			return 0;
		}
		else if (strcmp(option, "--quiet") == 0)
			quiet = true;
		else if (i + 1 < argc && strcmp(option, "--key") == 0)
		{
			i++;
			key_add(argv[i], strlen(argv[i]), true);
		}
		else if (i + 1 < argc && strcmp(option, "--value") == 0)
			value_add(argv[++i]);
		else
			unusable("unknown or incomplete option \"%s\"; --help tells more", option);
	}
	if (nfiles == 0)
		unusable("no file was given; --help tells more");
	for (int i = 0; i < nfiles; i++)
		read_seals(&files[i]);
	seals_check();
	for (int i = 0; i < nfiles; i++)
		read_entries(&files[i]);
	values_check();
	seals_check_joined();
	if (!quiet)
		print_result();
	return 0;
}
