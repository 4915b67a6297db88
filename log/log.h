/* Log lines: built field by field, as text or as JSON, and written by a thread through a bounded
 * ring. A slow reader costs lines, which are counted, and never a request. No byte of a peer starts
 * a line or reaches a terminal raw. */
#ifndef LOG_LOG_H
#define LOG_LOG_H

#include "base/counter.h"
#include "cfg/conf.h"

#include <sys/types.h>

struct log;
struct ring;
struct secrets;

/* Checks that there is a syslog daemon where c wants one: a conf_checker. */
void log_check(const struct conf *c, struct conf_errors *e);

/* Checks that the log of c could be opened; creates nothing. Returns 0, or a negative errno after a
 * line in errors. */
int log_try(const struct conf *c, FILE *errors);

/* The most memory that the log of c takes, its thread included. */
size_t log_memory(const struct conf *c);

/* Opens the log that c describes. Returns 0 with *out, to be closed with log_close, or a negative
 * errno; errors gets a line about a file that cannot be opened. */
int log_open(struct log **out, const struct conf *c, FILE *errors);

/* Prepares a change to the log that c describes. fd is its file, open already and taken over, or
 * -1. Returns as log_open does, with *out for log_change: NULL where lines go on to the same place.
 * */
int log_prepare(struct ring **out, const struct log *l, const struct conf *c, int fd, FILE *errors);

/* Changes to the log that c describes. Lines go to prepared, of log_prepare; those on their way
 * still go to the old place. */
void log_change(struct log *l, const struct conf *c, struct ring *prepared);

/* Masks the secrets s from now on, and takes a reference. NULL: only words after "Bearer". */
void log_mask(struct log *l, struct secrets *s);

/* Opens the log's file again, after it was moved away; without a file it does nothing. fd is the
 * new file, open already and taken over, or -1. Returns 0, or a negative errno after saying so in
 * the log (the old one stays in use). */
int log_reopen(struct log *l, int fd);

/* The descriptor of the log's file, which stays the log's; -1 where the log is no file. */
int log_file(const struct log *l);

/* Gives the log's file to a user. */
void log_give(struct log *l, uid_t uid, gid_t gid);

/* Starts over in a process that has just been forked. Lines under way are the parent's. */
void log_after_fork(struct log *l);

/* Writes the remaining lines, for at most a second, and frees l. NULL is fine. */
void log_close(struct log *l);

/* Counts lost lines in lost, too, from now on; NULL: nowhere else. */
void log_count_lost(struct log *l, struct counter *lost);

/* True if lines of that level are written. */
bool log_enabled(const struct log *l, enum conf_log_level level);

/* Hands the lines that ended in this turn of the loop to the writer. */
void log_flush(struct log *l);

/* Begins a line. message may be NULL. Every line is ended before the next one begins. */
void log_begin(struct log *l, enum conf_log_level level, const char *message);

/* Masks the secrets s, too, in the rest of the line, which is about an exchange that began with
 * them, or a client who brought them. At most two such sets; NULL is fine. */
void log_mask_too(struct log *l, const struct secrets *s);

/* The name of a field with what stands around it in a line of text, and of JSON. */
struct log_name {
    struct span text, json;
};

#define LOG_NAME(name) (&(const struct log_name){ SPAN(" " name "="), SPAN(",\"" name "\":") })

/* Adds a field; bytes that are not printable ASCII are escaped, and secrets are masked. An empty
 * value is written as "-" (text) or "" (JSON). */
void log_field(struct log *l, const struct log_name *name, struct span value);

/* Adds a field that is no text of a peer's: printable ASCII without blanks, quotes, backslashes. It
 * is written as it is. */
void log_word(struct log *l, const struct log_name *name, struct span value);

/* Adds a number. */
void log_number(struct log *l, const struct log_name *name, uint64_t value);

/* Adds a number that is missing: "-" (text) or null (JSON). */
void log_no_number(struct log *l, const struct log_name *name);

/* Ends the line. */
void log_end(struct log *l);

/* Ends the line with a long value: the first limit bytes of text, masked, and escaped as the inside
 * of a JSON string whatever the format. */
void log_end_long(struct log *l, const struct log_name *name, struct span text, size_t limit);

/* Writes a line with a message, as printf has it. */
void log_say(struct log *l, enum conf_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
