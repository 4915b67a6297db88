/* Log lines: built field by field, as text or as JSON, and written by a thread of their own through a bounded ring.
 * Knows no HTTP. A reader that is slow or gone costs lines, which are counted, and never a request; nothing that a peer sends can start a
 * line of its own or reach a terminal raw. What an access line holds is proxy/access.h. */
#ifndef PROXY_LOG_H
#define PROXY_LOG_H

#include "cfg/conf.h"

#include <sys/types.h>

struct log;
struct ring;
struct secrets;

/* Checks that there is a syslog daemon where c wants one: a conf_checker. */
void log_check(const struct conf *c, struct conf_errors *e);

/* Checks, as far as that leaves nothing behind, that the log of c could be opened. Returns 0, or a negative errno after saying so in errors. */
int log_try(const struct conf *c, FILE *errors);

/* Opens the log as the configuration says. Returns 0 with *out, to be closed with log_close, or a negative errno, errors having named a file that cannot be opened. */
int log_open(struct log **out, const struct conf *c, FILE *errors);

/* Prepares for the configuration c: *out is what log_change is to be given, NULL where lines go on to the same place. Returns as log_open does. */
int log_prepare(struct ring **out, const struct log *l, const struct conf *c, FILE *errors);

/* Goes on as c says, lines going to what log_prepare gave; those on their way still go to the old place. */
void log_change(struct log *l, const struct conf *c, struct ring *prepared);

/* Masks these secrets from now on wherever a line holds one of them; a reference is taken. NULL: only what follows "Bearer". */
void log_mask(struct log *l, struct secrets *s);

/* Opens the log's file anew, after it was moved away; without a file it does nothing. Returns 0, or a negative errno (the old one stays in use). */
int log_reopen(struct log *l);

/* Gives the log's file to a user who is about to take over. */
void log_give(struct log *l, uid_t uid, gid_t gid);

/* In a process that has just been forked: lines from now on are this process's own. */
void log_after_fork(struct log *l);

/* Writes what is left, for at most a second, and frees l. NULL is fine. */
void log_close(struct log *l);

/* True if lines of that level are written. */
bool log_enabled(const struct log *l, enum conf_log_level level);

/* Says that the turn of the loop is over: lines that were ended since are handed to the writer. */
void log_flush(struct log *l);

/* Starts a line. message may be NULL. Every line begun must be ended; only one is under way at a time. */
void log_begin(struct log *l, enum conf_log_level level, const char *message);

/* Masks these secrets, too, in the rest of the line, which tells of an exchange that began when they were in force. */
void log_mask_too(struct log *l, const struct secrets *s);

/* Adds a field; bytes that are not printable ASCII are escaped. Empty values are written as "-" (text) or "" (JSON). */
void log_field(struct log *l, const char *name, struct span value);

/* Adds a number. */
void log_number(struct log *l, const char *name, uint64_t value);

/* Adds a number that there is none of: "-" (text) or null (JSON). */
void log_no_number(struct log *l, const char *name);

/* Ends the line. */
void log_end(struct log *l);

/* Ends the line with a long value: the first limit bytes of text, masked, and escaped as the inside of a JSON string whatever the format. */
void log_end_long(struct log *l, const char *name, struct span text, size_t limit);

/* A whole line: a message by format. */
void log_say(struct log *l, enum conf_log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
