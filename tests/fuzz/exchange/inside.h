/* What the fuzzed exchange needs from the inside of the program, whose headers are C: it makes a
 * worker, hands it clients, runs its loop, and looks at its counters. */
#ifndef FUZZ_EXCHANGE_INSIDE_H
#define FUZZ_EXCHANGE_INSIDE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct inside;

/* Makes a worker by the text of a configuration, which has no fault. */
struct inside *inside_make(const char *ini);

/* Hands over a client's socket, from the IPv4 address 127.0.0.last. */
void inside_accept(struct inside *p, int fd, int last);

/* Runs the loop; bell is called in it whenever bell_fd rings. */
void inside_run(struct inside *p, int bell_fd, void (*bell)(void *arg), void *arg);

/* Reads the same configuration again, as HUP does. */
void inside_reload(struct inside *p, const char *ini);

/* Begins a drain. */
void inside_drain(struct inside *p);

/* Ends the loop after this turn. */
void inside_stop(struct inside *p);

/* What is there now: clients, those with denied addresses among them, connections to upstreams of
 * the settings in use, and bytes of requests that are kept. */
struct inside_counts {
    unsigned clients, denied, connections;
    uint64_t kept;
};
struct inside_counts inside_count(const struct inside *p);

/* Takes a piece of the log; the test brings this one. */
void inside_line(const char *p, size_t n);

/* Frees everything. */
void inside_free(struct inside *p);

#ifdef __cplusplus
}
#endif

#endif
