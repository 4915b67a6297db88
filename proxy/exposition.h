/* A snapshot as text: Prometheus' exposition format 0.0.4, a piece at a time. It knows no client;
 * sending is proxy/scrape.h. docs/metrics.md names the metrics. */
#ifndef PROXY_EXPOSITION_H
#define PROXY_EXPOSITION_H

#include "base/out.h"
#include "proxy/snapshot.h"

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"
/* The longest piece that is written at once: a sample, with the head of its metric. */
#define EXPOSITION_PIECE_MAX 2048

/* A page that is being written: which metric and which of its samples comes next. */
struct exposition {
    struct snapshot now;
    unsigned metric, sample;
};

/* Writes the next samples into o, as many as there surely is room for: at least one in an empty o
 * of EXPOSITION_PIECE_MAX bytes. Returns true when the page is complete. */
bool exposition_put(struct exposition *e, struct out *o);

#endif
