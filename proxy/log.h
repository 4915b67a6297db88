/* Log lines: built field by field, as text or as JSON, and written by a thread of their own through a bounded ring.
 * Knows no HTTP. A reader that is slow or gone costs lines, which are counted, and never a request; nothing that a peer sends can start a
 * line of its own or reach a terminal raw. What an access line holds is proxy/access.h. */
#ifndef PROXY_LOG_H
#define PROXY_LOG_H

#include "cfg/conf.h"

struct log;

/* Opens the log as the configuration says. Returns 0 with *out, to be closed with log_close, or a negative errno (the file cannot be opened). */
int log_open(struct log **out, const struct conf *c);

/* Opens the log's file anew, after it was moved away; without a file it does nothing. Returns 0, or a negative errno (the old one stays in use). */
int log_reopen(struct log *l);

/* Writes what is left, for at most a second, and frees l. NULL is fine. */
void log_close(struct log *l);

/* True if lines of that level are written. */
bool log_enabled(const struct log *l, enum conf_log_level level);

/* Says that the turn of the loop is over: lines that were ended since are handed to the writer. */
void log_flush(struct log *l);

/* Starts a line. message may be NULL. Every line begun must be ended; only one is under way at a time. */
void log_begin(struct log *l, enum conf_log_level level, const char *message);

/* Adds a field; bytes that are not printable ASCII are escaped. Empty values are written as "-" (text) or "" (JSON). */
void log_field(struct log *l, const char *name, struct span value);

/* Adds a number. */
void log_number(struct log *l, const char *name, uint64_t value);

/* Ends the line. */
void log_end(struct log *l);

/* A whole line: a message by format. */
void log_say(struct log *l, enum conf_log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
