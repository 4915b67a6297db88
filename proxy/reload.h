/* Reading the configuration anew while everything runs: all or nothing.
 * Knows what has to be prepared before anything changes, and nothing of how settings are used. */
#ifndef PROXY_RELOAD_H
#define PROXY_RELOAD_H

#include "proxy/log.h"
#include "proxy/settings.h"

struct worker;

/* Reads the file that old was read from (path as for conf_load) and makes settings of it. Returns 0 with *out, or a negative errno after the log has said
 * what is wrong with it, or what cannot change while the program runs. */
int reload_read(struct settings **out, const struct settings *old, const char *path, struct log *log);

/* Says in the log what has changed. */
void reload_tell(const struct settings *old, const struct settings *fresh, struct log *log);

/* Gives w fresh settings, with the doors and the log that they ask for. Returns 0, or a negative errno after the log has said why, w being as before. fresh is
 * taken over in any case. */
int reload_apply(struct worker *w, struct settings *fresh);

#endif
