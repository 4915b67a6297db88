/* The renamer as a filter on a request's body: payload in, renamed payload out, and what is held
 * until the framing is known. It sends nothing and knows no client: proxy/request.c drives it. The
 * tokenizer is json/rename.h. */
#ifndef PROXY_REWRITE_H
#define PROXY_REWRITE_H

#include "base/out.h"
#include "json/rename.h"
#include "net/outq.h"

struct worker;

/* Until framed is set nothing was sent: head holds the head without its framing, body what the
 * renamer has written. A body that ends before it outgrows one buffer goes out with its length, a
 * longer one chunked. memory is the renamer's. */
struct rewrite {
    struct rewrite *next; /* of the worker's spare ones */
    bool framed;
    struct outq head, body;
    struct json_renamer renamer;
    size_t room; /* of memory */
    char memory[];
};

/* Makes a rewriting by rules whose head for the upstream is head, all but framing and the empty
 * line (copied). Returns 0 with *out, to be freed with rewrite_end, or -ENOMEM. */
int rewrite_begin(struct rewrite **out, struct worker *w, const struct json_rules *rules,
                  struct span head);

/* Gives r back to w. NULL is fine. */
void rewrite_end(struct rewrite *r, struct worker *w);

/* Renames payload into out, as far as there is room beside what is held. Returns how much of
 * payload was used, or -EBADMSG: r->renamer says why and where. */
ssize_t rewrite_take(struct rewrite *r, struct span payload, struct out *out);

/* The payload has ended. Returns 0 when all is in out; -EAGAIN when there is more to write than
 * there is room: it has to be called again with an empty out; -EBADMSG as rewrite_take. */
int rewrite_finish(struct rewrite *r, struct out *out);

/* Forgets what was held: it has been sent. */
void rewrite_sent(struct rewrite *r, struct worker *w);

/* Frees a list of spare ones. */
void rewrite_free_spares(struct rewrite *r);

#endif
