/*
 * plain.h
 *    What the server's headers give to the files of the trail that are plain C.
 *
 * CBOR, the Merkle tree and checkpoints are also compiled without a server: by
 * fuzz targets and by a program that checks what was exported.  Such a build
 * defines NIJI_PLAIN and includes this in the place of postgres.h.
 */
#ifndef NIJI_PLAIN_H
#define NIJI_PLAIN_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t uint8;
typedef uint16_t uint16;
typedef uint32_t uint32;
typedef uint64_t uint64;
typedef int64_t int64;
typedef size_t Size;

#define UINT64CONST(x) (x##ULL)
#define INT64CONST(x) (x##LL)
#define PG_INT64_MAX INT64_MAX
#define Assert(x) assert(x)
#define Min(a, b) ((a) < (b) ? (a) : (b))
#define unlikely(x) __builtin_expect((x) != 0, 0)
#define elog(level, ...) (fprintf(stderr, __VA_ARGS__), abort())

static inline void *
palloc(size_t size)
{
	void	   *p = malloc(size ? size : 1);

	if (p == NULL)
		abort();
	return p;
}

static inline void *
repalloc(void *old, size_t size)
{
	void	   *p = realloc(old, size);

	if (p == NULL)
		abort();
	return p;
}

#define pfree(p) free(p)

#endif							/* NIJI_PLAIN_H */
