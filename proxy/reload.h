/* Reading the configuration anew while everything runs: all or nothing.
 * Knows what has to be prepared before anything changes, and nothing of how settings are used. */
#ifndef PROXY_RELOAD_H
#define PROXY_RELOAD_H

#include "proxy/log.h"
#include "proxy/settings.h"
#include "proxy/sockets.h"

struct ring;
struct worker;

/* Where settings come from, for as long as the process runs, and what they have to reckon with. */
struct reload_source {
    const char *path;                   /* as for conf_load */
    char exposed[SOCKET_NAME_MAX];      /* see sockets_exposed */
};

/* Reads the file that old was read from and makes settings of it. Returns 0 with *out, or a negative errno after the log has said
 * what is wrong with it, or what cannot change while the program runs. */
int reload_read(struct settings **out, const struct settings *old, const struct reload_source *from, struct log *log);

/* Says in the log what has changed. */
void reload_tell(const struct settings *old, const struct settings *fresh, struct log *log);

/* For a parent, before its workers read the same: tries what could fail in them, to listen on new addresses above all, and gives local sockets that stay the mode
 * that fresh says. shared is what all of them have. Returns 0 with *ring for log_change, or a negative errno after the log has said what failed. */
int reload_prepare(struct ring **ring, const struct settings *old, const struct settings *fresh, const struct sockets *shared, struct log *log);

/* Gives w fresh settings, with the doors and the log that they ask for. Returns 0, or a negative errno after the log has said why, w being as before. fresh is
 * taken over in any case. */
int reload_apply(struct worker *w, struct settings *fresh);

#endif
