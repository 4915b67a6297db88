/* proxy.ini as a sequence of sections and entries, read with the inih library and guarded against
 * everything inih misreads. It knows the form of a line and nothing of what sections, keys and
 * values mean. */
#ifndef CFG_READER_H
#define CFG_READER_H

#include "cfg/errors.h"

/* One entry, or (name.p == NULL) the start of a section. The spans are valid for the call; a NUL
 * follows section, and it alone. */
struct conf_entry {
    int line;
    struct span section;
    struct span name, value; /* without the blanks around them and without a trailing comment */
};

/* Embedded by the struct that wants the entries. */
struct conf_taker {
    void (*take)(struct conf_taker *t, const struct conf_entry *e);
};

/* Reads text and hands every section and entry to t, in order; lines that are wrong are reported to
 * errors and left out. inih's own limits (line length, name length, multi-line values,
 * comment characters) do not show, however it was compiled. */
void conf_read(struct span text, struct conf_errors *errors, struct conf_taker *t);

#endif
