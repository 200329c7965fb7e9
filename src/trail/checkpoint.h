/*
 * checkpoint.h
 *    Seals as text: C2SP checkpoints, signed notes with Ed25519.
 */
#ifndef NIJI_CHECKPOINT_H
#define NIJI_CHECKPOINT_H

#define CHECKPOINT_PUBLIC_KEY_SIZE 32
#define CHECKPOINT_SIGNATURE_SIZE 64
#define CHECKPOINT_ROOT_SIZE 32
#define CHECKPOINT_KEY_HASH_SIZE 4
#define CHECKPOINT_MAX_SIGNATURES 16

/* longest that is written; an origin has at most 255 bytes */
#define CHECKPOINT_MAX_ORIGIN 255
#define CHECKPOINT_MAX_TEXT 1024
#define CHECKPOINT_MAX_VERIFIER 384

typedef struct CheckpointSignature
{
	const char *name;			/* not terminated */
	size_t		name_length;
	uint8		key_hash[CHECKPOINT_KEY_HASH_SIZE];
	uint8		signature[CHECKPOINT_SIGNATURE_SIZE];
} CheckpointSignature;

typedef struct Checkpoint
{
	const char *origin;			/* not terminated; points into the text */
	size_t		origin_length;
	uint64		size;
	uint8		root[CHECKPOINT_ROOT_SIZE];
	size_t		body_length;	/* of what is signed */
	int			count;			/* of signatures that may be Ed25519 */
	CheckpointSignature signatures[CHECKPOINT_MAX_SIGNATURES];
} Checkpoint;

/* false with a phrase in *error when it is not a checkpoint */
extern bool checkpoint_parse(const char *text, size_t length, Checkpoint *checkpoint,
							 const char **error);

/* whether it carries a good signature of this key under this name; "text" is what was parsed */
extern bool checkpoint_verify(const Checkpoint *checkpoint, const char *text, const char *name,
							  const uint8 public_key[CHECKPOINT_PUBLIC_KEY_SIZE]);

/*
 * What is signed: origin, size, root, a line each.  Returns the length, 0
 * when the origin does not do.
 */
extern size_t checkpoint_body(const char *origin, uint64 size,
							  const uint8 root[CHECKPOINT_ROOT_SIZE],
							  char body[CHECKPOINT_MAX_TEXT]);

/* body, empty line, signature */
extern size_t checkpoint_text(const char *body, const char *name,
							  const uint8 public_key[CHECKPOINT_PUBLIC_KEY_SIZE],
							  const uint8 signature[CHECKPOINT_SIGNATURE_SIZE],
							  char text[CHECKPOINT_MAX_TEXT]);

/* the verifier key "name+hash+base64" that tools want */
extern size_t checkpoint_verifier(const char *name,
								  const uint8 public_key[CHECKPOINT_PUBLIC_KEY_SIZE],
								  char verifier[CHECKPOINT_MAX_VERIFIER]);

/* the other way; false when it is malformed, of another kind, or its hash is not this key's */
extern bool checkpoint_read_verifier(const char *verifier, size_t length,
									 char name[CHECKPOINT_MAX_ORIGIN + 1],
									 uint8 public_key[CHECKPOINT_PUBLIC_KEY_SIZE]);

#endif							/* NIJI_CHECKPOINT_H */
