/* Keeping the beginning of a body in blocks, and putting it on a line when the exchange ends. */
#include "proxy/bodylog.h"
#include "proxy/state.h"

#include <stdlib.h>

struct side {
    bool wanted;
    struct outq kept;
    uint64_t bytes;  /* of the whole body */
    char coding[16]; /* "": none */
};

struct bodylog {
    uint64_t keep; /* how much of a body is kept: more than is shown, so that no secret is cut in
                      two and shown in part */
    struct secrets *sent; /* see bodylog_begin; NULL: there is none */
    struct side sides[2];
};

static const char *const messages[] = { "request body", "answer body" };

void bodylog_begin(struct client *c, struct span sent)
{
    const struct settings *s = c->x.settings;
    struct bodylog *b;

    if (!s->conf->log.requests && !s->conf->log.responses)
        return;
    b = calloc(1, sizeof *b);
    if (b && sent.n > 0 && secrets_make_one(&b->sent, sent)) {
        free(b);
        b = NULL;
    }
    c->x.bodylog = b;
    if (!b)
        return;
    b->keep = s->conf->log.body_limit + secrets_longest(s->secrets) + secrets_longest(b->sent);
    b->sides[BODYLOG_REQUEST].wanted = s->conf->log.requests;
    b->sides[BODYLOG_RESPONSE].wanted = s->conf->log.responses;
}

void bodylog_coded(struct client *c, enum bodylog_side which, struct span coding)
{
    struct bodylog *b = c->x.bodylog;
    size_t room = sizeof b->sides[which].coding - 1;

    if (b && coding.n > 0)
        memcpy(b->sides[which].coding, coding.p, coding.n < room ? coding.n : room);
}

void bodylog_show(struct client *c, enum bodylog_side which, struct span data)
{
    struct bodylog *b = c->x.bodylog;
    struct side *s = b ? &b->sides[which] : NULL;

    if (!s || !s->wanted || data.n == 0)
        return;
    s->bytes += data.n;
    if (s->coding[0])
        return;
    if (data.n > b->keep - s->kept.bytes)
        data.n = (size_t)(b->keep - s->kept.bytes);
    if (outq_put(&s->kept, &c->worker->blocks, data))
        s->wanted = false; /* no memory for it: then there is no line either */
}

void bodylog_again(struct client *c)
{
    struct bodylog *b = c->x.bodylog;
    struct side *s = b ? &b->sides[BODYLOG_REQUEST] : NULL;

    if (!s)
        return;
    outq_clear(&s->kept, &c->worker->blocks);
    s->bytes = 0;
}

static void write_line(struct client *c, enum bodylog_side which)
{
    const struct exchange *x = &c->x;
    const struct side *s = &x->bodylog->sides[which];
    uint64_t limit = x->settings->conf->log.body_limit;
    struct log *l = c->worker->log;
    char *text = s->wanted && s->bytes > 0 ? malloc(s->kept.bytes + 1) : NULL;

    if (!text)
        return;
    outq_copy(&s->kept, text);
    log_begin(l, LOG_INFO_LEVEL, messages[which]);
    log_mask_too(l, x->settings->secrets);
    log_mask_too(l, x->bodylog->sent);
    log_field(l, LOG_NAME("request_id"), (struct span){ x->id, x->id_n });
    log_field(l, LOG_NAME("client_request_id"), (struct span){ x->client_id, x->client_id_n });
    log_number(l, LOG_NAME("bytes"), s->bytes);
    if (s->coding[0])
        log_field(l, LOG_NAME("coding"), span_of(s->coding));
    log_field(l, LOG_NAME("cut"),
              s->bytes > s->kept.bytes || s->bytes > limit ? SPAN("yes") : SPAN("no"));
    log_end_long(l, LOG_NAME("body"), (struct span){ text, s->kept.bytes }, (size_t)limit);
    wipe(text, s->kept.bytes);
    free(text);
}

void bodylog_end(struct client *c)
{
    struct bodylog *b = c->x.bodylog;

    if (!b)
        return;
    for (int i = 0; i < 2; i++) {
        if (log_enabled(c->worker->log, LOG_INFO_LEVEL))
            write_line(c, (enum bodylog_side)i);
        outq_clear(&b->sides[i].kept, &c->worker->blocks);
    }
    secrets_free(b->sent);
    free(b);
    c->x.bodylog = NULL;
}
