/* The pictures of the last minute, and what is computed of two of them: rates and quantiles, in
 * whole numbers. */
#ifndef SERVER_TOP_HISTORY_H
#define SERVER_TOP_HISTORY_H

#include "proxy/picture_read.h"

#define HISTORY_PICTURES 64
#define HISTORY_POINTS 180
#define HISTORY_UNKNOWN UINT64_MAX

enum history_line { LINE_REQUESTS, LINE_STREAMS, LINE_FIRST, LINE_TOKENS, HISTORY_LINES };

/* 1. pictures is a ring: n have been put into it so far.
 * 2. points, too, with the values that each line had with a picture, n_points of them. */
struct history {
    struct picture pictures[HISTORY_PICTURES];
    uint64_t n;
    uint64_t points[HISTORY_LINES][HISTORY_POINTS], n_points;
};

/* The place of the next picture. It counts with history_add. */
struct picture *history_place(struct history *h);

/* Takes in the picture that was put there. One of an instance that has begun anew forgets those
 * before it. */
void history_add(struct history *h);

/* The last picture; there is one. */
const struct picture *history_last(const struct history *h);

/* Of the last picture: requests, input and output tokens a second, in tenths, as it was within the
 * last ms milliseconds. upstream: the index of one of it; -1: all. HISTORY_UNKNOWN with one picture
 * alone. */
uint64_t history_requests(const struct history *h, int upstream, uint64_t ms);
uint64_t history_tokens(const struct history *h, unsigned direction, uint64_t ms);

/* How many requests have ended within the last ms milliseconds. */
uint64_t history_ended(const struct history *h, uint64_t ms);

/* The time to the first event that percent of a hundred streams were below, of those within the
 * last ms milliseconds; HISTORY_UNKNOWN: there were none. */
uint64_t history_first(const struct history *h, int upstream, unsigned percent, uint64_t ms);

/* The value that a line had so many pictures ago; HISTORY_UNKNOWN: none. */
uint64_t history_point(const struct history *h, enum history_line line, uint64_t ago);

#endif
