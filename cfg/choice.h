/* Which upstream the models of a configuration lead to. */
#ifndef CFG_CHOICE_H
#define CFG_CHOICE_H

#include "cfg/conf.h"

/* Sets may[i] where a model that pattern stands for can lead to the upstream i, for a client that
 * is not pinned; leaves the others. may has room for all upstreams. Returns how many were set. */
unsigned conf_choices(const struct conf *c, const struct conf_model *pattern, bool *may);

#endif
