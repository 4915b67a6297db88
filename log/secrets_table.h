/* A sorted table of secrets, and which of them a text has at a place: as they are, or as JSON may
 * write them (RFC 8259, 7). Its memory grows with the secrets, its time with the text. */
#ifndef LOG_SECRETS_TABLE_H
#define LOG_SECRETS_TABLE_H

#include "base/span.h"

#include <stdint.h>

/* A place in the table's bytes. */
struct secret {
    uint32_t at, n;
    uint32_t shorter : 31; /* the longest other secret that this one begins with, by its index; or
                              SECRET_NONE */
    uint32_t alone : 1;    /* counts only if no letter or digit stands beside it */
};

#define SECRET_NONE 0x7fffffffu

/* 1. Once made, list is sorted, and no two are equal. So the longest that a text begins with is the
 *    last one that is not greater than the text, or that one's shorter, or that one's, and so on:
 *    all that sorts between a string and its continuation begins with it.
 * 2. starts tells of each byte with what kind of secret it may begin; filter has a bit for each
 *    hash of the first bytes of those that are not short. */
struct secrets_table {
    struct secret *list;
    char *bytes;
    size_t n, room, n_bytes, room_bytes, longest;
    size_t shortest; /* SIZE_MAX where there is none */
    uint8_t starts[256];
    uint64_t *filter;
    unsigned shift;
    bool failed; /* no memory */
};

/* Adds one secret and its forms in base64 to a table that is not made yet. */
void secrets_table_add(struct secrets_table *t, struct span secret);

/* Makes the table. Returns 0 or -ENOMEM. */
int secrets_table_make(struct secrets_table *t);

/* Wipes and frees what t holds. */
void secrets_table_clear(struct secrets_table *t);

/* The length, in text, of the longest secret that stands at `at`; 0 if none does. */
size_t secrets_table_at(const struct secrets_table *t, struct span text, size_t at);

/* The first place from `from` on where a secret stands; text.n if there is none. */
size_t secrets_table_next(const struct secrets_table *t, struct span text, size_t from);

#endif
