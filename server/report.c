/* A stream into memory. */
#include "server/report.h"

#include <errno.h>
#include <stdlib.h>

int report_open(struct report *r)
{
    *r = (struct report){ 0 };
    r->file = open_memstream(&r->text, &r->n);
    return r->file ? 0 : -ENOMEM;
}

void report_end(struct report *r)
{
    if (r->file && fclose(r->file)) {
        free(r->text);
        r->text = NULL;
    }
    r->file = NULL;
}

void report_drop(struct report *r)
{
    report_end(r);
    free(r->text);
    *r = (struct report){ 0 };
}

void report_close(struct report *r, struct log *log, enum conf_log_level level, const char *prefix)
{
    char *rest = NULL;

    report_end(r);
    for (char *line = r->text ? strtok_r(r->text, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest))
        log_say(log, level, "%s%s", prefix, line);
    report_drop(r);
}
