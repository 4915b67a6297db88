/* What is said of sections and keys that proxy.ini does not have, with the one that was meant. */
#ifndef CFG_UNKNOWN_H
#define CFG_UNKNOWN_H

#include "cfg/schema.h"

/* Adds to e that there is no such section as text, which stands between brackets on line. */
void conf_unknown_section(struct conf_errors *e, int line, struct span text);

/* Adds to e that section, which shown is in the file ("key alice"), has no such key as name. */
void conf_unknown_name(struct conf_errors *e, int line, const struct conf_section *section,
                       const char *shown, struct span name);

#endif
