/* The list of what is wrong in a configuration, gathered while it is read and written in the order
 * of the file. It knows lines and sections, but no key and no type, and callers hand it no secret.
 */
#ifndef CFG_ERRORS_H
#define CFG_ERRORS_H

#include "base/span.h"

#include <stdio.h>

struct conf_fault {
    int line;       /* 0: belongs to no line */
    unsigned order; /* in which it was found */
    char *text;
};

struct conf_errors {
    const char *file; /* what the messages call it; the caller's */
    struct conf_fault *list;
    unsigned n;
    bool oom; /* memory ran out, here or in anybody who reports here */
};

/* Adds one fault: line (0: none), the section's name without brackets ("": none) and what is wrong,
 * as printf has it. */
void conf_fault(struct conf_errors *e, int line, const char *section, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Writes all faults to to, sorted by line, those without a line last, and frees them. Returns 0 if
 * there are none, -EINVAL if there are, -ENOMEM if memory ran out on the way. */
int conf_errors_flush(struct conf_errors *e, FILE *to);

/* Room for a shortened text in a message. */
struct conf_quoted {
    char text[80];
};

/* Puts s between quotes, cut where it is long; what looks like an API key becomes '***'. Returns
 * q->text. */
const char *conf_quote(struct conf_quoted *q, struct span s);

/* A search for the word that was meant. Start with { .word = w }, offer every candidate, then ask
 * for the hint. */
struct conf_nearest {
    struct span word;
    const char *best;
    unsigned distance;
};

/* Offers one candidate, which must outlive n; n keeps it if it is close enough and the closest so
 * far. */
void conf_nearest_try(struct conf_nearest *n, const char *candidate);

/* Puts "; did you mean 'x'?" into q, or "" if nothing was close. Returns q->text. */
const char *conf_nearest_hint(const struct conf_nearest *n, struct conf_quoted *q);

#endif
