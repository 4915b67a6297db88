/* The sample upstream: what stands behind the proxy in the demo, the tests and the benchmarks.
 * Shares no code with the proxy, so that neither can hide the other's mistakes.
 * The order of reading: knobs.c (what a request may ask for), answer.c (what it gets), wire.c (reading), out.c (writing), main.c. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    IN_CAP = 64 * 1024,
    OUT_CAP = 16 * 1024,
    FILLER_CAP = 256 * 1024,
};

enum framing { FRAMING_AUTO, FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_CLOSE };
enum echo { ECHO_NONE, ECHO_JSON, ECHO_HEAD, ECHO_BODY };

/* What a request asks for; -1 where "not given" differs from 0. The names and units are those of the query, see knobs.c. */
struct knobs {
    int64_t events, pause, size, status, cut, midchunk, rst, noend, split, delay, early, hang, garbage;
    int64_t interim, requestid, timeout, close, stream, usage, chat;
    enum framing framing;
    enum echo echo;
    const char *newline;
};

/* A request's head as far as anybody here cares. head points into the connection's buffer or into head_copy. */
struct request {
    const char *head;
    size_t head_n;
    bool is_head, chunked, keep_alive, expects;
    int64_t length;                     /* 0: none */
    bool stream, usage;                 /* seen in the body */
    uint64_t body_n, fnv;
    char *body;                         /* kept for echo=body only */
    size_t body_cap;
    char tail[32];                      /* the last bytes of the body so far, where a word may have begun */
    size_t tail_n;
};

/* One connection and its thread. */
struct conn {
    int fd;
    uint64_t id, requests;
    struct knobs knobs;
    struct request req;
    size_t start, end;                  /* of what in holds */
    size_t out_n;
    bool broken;                        /* a write failed, or the answer was cut on purpose: nothing more goes out */
    bool chunked;                       /* framing of the answer */
    int64_t left;                       /* bytes of body until the cut; -1: no cut */
    char out[OUT_CAP];
    char in[IN_CAP];
};

/* Fills k with what a request without any wish gets. paced: a stream that is pleasant to watch. */
void knobs_default(struct knobs *k, bool paced);

/* Applies "name=value&name=value"; names that are not known are left alone. */
void knobs_apply(struct knobs *k, const char *s, size_t n);

/* Waits for a request head and looks through it. Returns 1, 0 at the end of the connection, -1 if it is no head. */
int wire_head(struct conn *c, bool paced);

/* Reads and drops the request's body, keeping what the answer is made of. Returns 0, or -1 if it ended early or is malformed. */
int wire_body(struct conn *c);

/* Sleeps for ms, or until the peer is gone. Returns false if it is. */
bool wire_pause(struct conn *c, int64_t ms);

/* Appends bytes that are no body; written when there is no more room, or by out_flush. */
void out_raw(struct conn *c, const void *p, size_t n);
void out_str(struct conn *c, const char *s);
void out_uint(struct conn *c, uint64_t v);
void out_field(struct conn *c, const char *name, const char *value);

/* Begins a run of n bytes of body (a chunk, where the answer is chunked), gives the bytes of it, ends it. */
void out_begin(struct conn *c, size_t n);
void out_body(struct conn *c, const char *p, size_t n);
void out_filler(struct conn *c, size_t n);
void out_end(struct conn *c);

/* Ends the body: the last chunk, where the answer is chunked. */
void out_finish(struct conn *c);

/* Writes what is there. Returns false when the connection is of no more use. */
bool out_flush(struct conn *c);

/* Fills the filler; call once. */
void out_prepare(void);

/* Answers c->req as c->knobs say. Returns true if the connection may go on. */
bool answer(struct conn *c);

#endif
