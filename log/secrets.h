/* Secrets in text that is about to be written down: gathered from a configuration, and searched
 * for. How one is hidden is the caller's. */
#ifndef LOG_SECRETS_H
#define LOG_SECRETS_H

#include "cfg/conf.h"

struct secrets;

/* Gathers the secrets of c: all clients' keys and real keys, [upstream] api_key, the values of
 * [upstream_headers], and the upstream proxy's password, alone and within its credentials. They are
 * copied. Returns 0 with *out, to be freed with secrets_free, or -ENOMEM with *out NULL. */
int secrets_make(struct secrets **out, const struct conf *c);

/* The same of one secret. */
int secrets_make_one(struct secrets **out, struct span secret);

/* Takes a reference, to be dropped with secrets_free. Returns s; NULL is fine. */
struct secrets *secrets_hold(struct secrets *s);

/* Drops a reference; with the last one s is wiped and freed. NULL is fine. */
void secrets_free(struct secrets *s);

#define SECRETS_SETS 3

/* A way through a text. sets and text are the caller's to set, and to keep; the rest is 0 at first.
 * at is where the next search begins. */
struct secrets_search {
    const struct secrets *sets[SECRETS_SETS]; /* NULL: none */
    struct span text;
    size_t at;
    bool begun;
    size_t next[SECRETS_SETS + 1]; /* where the next of each set begins, and the next word */
};

/* Finds the next secret. Returns it as a span of text; with n == 0, at the end of text, if there is
 * no other. Secrets that overlap are one: no part of any is outside of what is returned. Those are
 *   - what the sets hold, anywhere, also with the escapes of JSON (RFC 8259, 7) and inside of text
 *     in base64 (RFC 4648, 4); but where it has less than four bytes, only if no letter or
 *     digit stands beside it, and what has less than six is not looked for in base64;
 *   - what follows "Bearer" in any case and one or more blanks, up to a blank, double quote,
 *     backslash, comma, control character or the end of text (RFC 6750, 2.1);
 *   - "sk-" and 20 or more letters, digits, '-' and '_', where no such byte stands before it: what
 *     keys of such APIs look like, whoever they belong to. */
struct span secrets_next(struct secrets_search *x);

/* The length of the longest secret, as it may stand in a text; 0 for NULL. A text that is cut may
 * end within a secret: who shows its first n bytes needs n plus this many to find all that begin
 * there. */
size_t secrets_longest(const struct secrets *s);

#endif
