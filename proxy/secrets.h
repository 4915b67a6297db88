/* Finding secrets in text that is about to be written down.
 * Knows no log and does not hide what it finds: that is up to the caller. Its memory grows with the keys, its time with the text.
 * Where the keys come from: cfg/conf.h. */
#ifndef PROXY_SECRETS_H
#define PROXY_SECRETS_H

#include "cfg/conf.h"

struct secrets;

/* Gathers the secrets of c: all clients' keys and real keys, [upstream] api_key, and the upstream proxy's password, alone and within
 * its Basic credentials (RFC 7617, 2). They are copied; c is not needed afterwards.
 * Returns 0 with *out, to be freed with secrets_free, or -ENOMEM with *out NULL. */
int secrets_make(struct secrets **out, const struct conf *c);

/* Takes a reference, to be dropped with secrets_free. Returns s; NULL is fine. */
struct secrets *secrets_hold(struct secrets *s);

/* Drops a reference; with the last one s is wiped and freed. NULL is fine. */
void secrets_free(struct secrets *s);

/* The first secret that begins at or after offset from (text.n at most), as a span of text; with n == 0, at the end of text, if there is
 * none. Going through a text, the next call goes on where this secret ends. Either of s and more may be NULL. A secret is
 *   - what secrets_make gathered, for s or for more, anywhere; but where it has less than four bytes, only if no letter or digit stands beside it. Also as
 *     JSON would write it: with a backslash before quotes and backslashes, and with or without one before every slash (RFC 8259, 7);
 *   - what follows "Bearer" in any case and one or more blanks, up to a blank, double quote, backslash, comma, control character or the
 *     end of text (RFC 6750, 2.1). This is found even without s and more.
 * Of those that begin at the same place the longest counts, and secrets that overlap are one: no part of any is outside of what is
 * returned. */
struct span secrets_next(const struct secrets *s, const struct secrets *more, struct span text, size_t from);

/* The length of the longest secret, as it may stand in a text; 0 for NULL. A text that is cut may end within a secret: who shows its
 * first n bytes needs n plus this many to find all that begin there. */
size_t secrets_longest(const struct secrets *s);

#endif
