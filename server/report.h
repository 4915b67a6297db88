/* What other rooms write to a FILE, said in the log line by line. */
#ifndef SERVER_REPORT_H
#define SERVER_REPORT_H

#include "log/log.h"

struct report {
    char *text;
    size_t n;
    FILE *file; /* NULL: the report could not be opened */
};

/* Opens an empty report. Returns 0 or -ENOMEM. */
int report_open(struct report *r);

/* Ends the writing: text is whole from now on. */
void report_end(struct report *r);

/* Frees the report unsaid. */
void report_drop(struct report *r);

/* Ends the report and says each of its lines in the log, after prefix. A report that could not be
 * opened is empty. */
void report_close(struct report *r, struct log *log, enum conf_log_level level, const char *prefix);

#endif
