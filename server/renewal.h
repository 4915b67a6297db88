/* Certificates that are renewed while the program runs: their files are looked at from time to time
 * and read when they have changed, be it by another file in their place, by another target of a
 * link, or where they lie. The configuration is not read again: that is server/reload.h. */
#ifndef SERVER_RENEWAL_H
#define SERVER_RENEWAL_H

#include "base/files.h"
#include "log/log.h"
#include "net/reactor.h"
#include "proxy/settings.h"

#define RENEWAL_LOOK_MS (10 * 1000)

struct renewal {
    struct timer timer; /* for the next look: its fn is the owner's */
    struct timer_kind kind;
    unsigned long long seen; /* what the files were when they were read last; 0: read them */
    bool doubted;            /* they did not fit then: somebody may have been writing them */
};

/* Has r->timer.fn called when it is time to look at the files of s, if there are any, which begin
 * to be new to r if afresh. */
void renewal_wait(struct renewal *r, struct reactor *reactor, const struct settings *s,
                  bool afresh);

/* Looks at the files of s's certificates, and has s take what is new in them: new connections of
 * clients get it. What does not fit is looked at once more before the log says so, and then not
 * until it changes. Returns the files that were read, to be freed, where s has taken what is in
 * them; else NULL. */
struct files *renewal_look(struct renewal *r, struct settings *s, struct log *log);

/* Has s take the certificates in files, which another process has read. The log says what is
 * wrong. */
void renewal_follow(struct settings *s, struct files *files, struct log *log);

#endif
