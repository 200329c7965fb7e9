/*
 * key_source.h
 *    Reading master keys from where niji.key_source says.
 */
#ifndef NIJI_KEY_SOURCE_H
#define NIJI_KEY_SOURCE_H

#include "identity/kdf.h"

#define KEY_GENERATIONS_MAX 64
#define KEY_MESSAGE_LENGTH 1024

/*
 * What a child hands to its parent, in memory that both map.  Generation g is
 * keys[g - 1]; generations have no gaps, since digests are wrapped from the
 * first to the newest.
 */
typedef struct KeyPage
{
	int32		complete;		/* 1 when the child came to its end */
	int32		count;			/* generations; 0 with a message when there are none */
	char		message[KEY_MESSAGE_LENGTH];	/* what went wrong; never a key's bytes */
	uint8		keys[KEY_GENERATIONS_MAX][KDF_KEY_LENGTH];
} KeyPage;

/*
 * Fills the page.  For a child process: leaves with a message instead of
 * raising, and does not use the server's memory, locks or log.
 */
extern void key_source_read(const char *source, KeyPage *page);

/* whether a key file with this owner and mode is accepted; server is the server's user */
typedef enum
{
	KEY_FILE_ALLOWED,
	KEY_FILE_FOREIGN,			/* neither the server's nor root's */
	KEY_FILE_OPEN				/* may be used by others */
} KeyFileVerdict;

extern KeyFileVerdict key_file_allowed(unsigned owner, unsigned mode, unsigned server);

/* one key's text: 64 hexadecimal digits and a line end; NULL, or what is wrong with it */
extern const char *key_parse(const char *text, size_t length, uint8 key[KDF_KEY_LENGTH]);

#endif							/* NIJI_KEY_SOURCE_H */
