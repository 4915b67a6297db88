/* The sample upstream of the demo and the tests. It shares no code with the proxy, so that neither
 * can hide the other's mistakes. Read knobs.c (what a request may ask for), response.c (what it
 * gets), wire.c (reading), out.c (writing), main.c, in this order. */
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

/* What a request asks for; -1 where "not given" differs from 0. The names and units are those of
 * the query, see knobs.c. */
struct knobs {
    int64_t events, pause, size, status, cut, midchunk, rst, noend, split, delay, early, hang,
        garbage;
    int64_t interim, requestid, timeout, close, stream, usage, chat;
    enum framing framing;
    enum echo echo;
    const char *newline;
};

/* The parts of a request that matter here. head points into the connection's buffer or into
 * head_copy. */
struct request {
    const char *head;
    size_t head_n;
    bool is_head, chunked, keep_alive, expects;
    int64_t length;     /* 0: none */
    bool stream, usage; /* seen in the body */
    uint64_t body_n, fnv;
    char *body; /* kept for echo=body only */
    size_t body_cap;
    char tail[32]; /* the last bytes of the body so far, where a word may have begun */
    size_t tail_n;
};

/* One connection and its thread. */
struct conn {
    int fd;
    uint64_t id, requests;
    struct knobs knobs;
    struct request req;
    size_t start, end; /* of what in holds */
    size_t out_n;
    bool broken;  /* a write failed, or the response was cut on purpose: nothing more goes out */
    bool chunked; /* framing of the response */
    int64_t left; /* bytes of body until the cut; -1: no cut */
    char out[OUT_CAP];
    char in[IN_CAP];
};

/* Fills k with the defaults. paced: a stream at a model's speed. */
void knobs_default(struct knobs *k, bool paced);

/* Applies "name=value&name=value"; unknown names are ignored. */
void knobs_apply(struct knobs *k, const char *s, size_t n);

/* Waits for a request head and reads it. Returns 1, 0 at the end of the connection, -1 if it is no
 * head. */
int wire_head(struct conn *c, bool paced);

/* Reads and drops the request's body, and keeps what the response needs of it. Returns 0, or -1 if
 * the body ended early or is malformed. */
int wire_body(struct conn *c);

/* Sleeps for ms, or until the peer is gone. Returns false if it is. */
bool wire_pause(struct conn *c, int64_t ms);

/* Appends bytes outside the body; they are written when the buffer is full, or by out_flush. */
void out_raw(struct conn *c, const void *p, size_t n);
void out_str(struct conn *c, const char *s);
void out_uint(struct conn *c, uint64_t v);
void out_field(struct conn *c, const char *name, const char *value);

/* Begins a run of n bytes of body (a chunk, if the response is chunked), appends its bytes, ends
 * it. */
void out_begin(struct conn *c, size_t n);
void out_body(struct conn *c, const char *p, size_t n);
void out_filler(struct conn *c, size_t n);
void out_end(struct conn *c);

/* Ends the body: with the last chunk, if the response is chunked. */
void out_finish(struct conn *c);

/* Writes the held bytes. Returns false if the connection is unusable. */
bool out_flush(struct conn *c);

/* Fills the filler; call once. */
void out_prepare(void);

/* Answers c->req as c->knobs say. Returns true if the connection stays open. */
bool response_send(struct conn *c);

#endif
