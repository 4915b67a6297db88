// The poller, the look-ups and the ring of log lines that the program is linked with. See kernel.h.
#include "tests/fuzz/exchange/calls.h"
#include "tests/fuzz/exchange/inside.h"

extern "C" {
#include "net/lookup.h"
#include "net/poller.h"
#include "net/reactor.h"
}

using kernel::bell;
using kernel::bells;
using kernel::find;
using kernel::sock;

namespace {

bell *find_bell(int fd)
{
    for (bell &b : bells)
        if (b.fd == fd)
            return &b;
    return nullptr;
}

// Stores the events of what has changed. Returns how many.
int collect(struct poller_event *events, int max)
{
    int n = 0;

    for (bell &b : bells)
        if (b.rung && b.watch && n < max) {
            events[n++] = { b.watch, READY_READ };
            b.rung = false;
        }
    for (sock &s : kernel::sockets) {
        if (!s.changed || !s.watch || n == max)
            continue;
        s.changed = false;
        if (kernel::readiness(s))
            events[n++] = { s.watch, (uint8_t)kernel::readiness(s) };
    }
    return n;
}

} // namespace

extern "C" {

// For inside.c.
void inside_line(const char *p, size_t n)
{
    kernel::lines.append(p, n);
}

// net/poller.h

struct poller {
    int none;
};

const char *const poller_name = "test";

int poller_open(struct poller **out)
{
    static struct poller the_one;

    *out = &the_one;
    return 0;
}

void poller_close(struct poller *)
{
}

int poller_add(struct poller *, int fd, struct watch *w)
{
    bell *b = find_bell(fd);

    if (b) {
        b->watch = w;
        return 0;
    }
    find(fd)->watch = w;
    find(fd)->changed = true;
    return 0;
}

int poller_move(struct poller *p, int fd, struct watch *w)
{
    return poller_add(p, fd, w);
}

void poller_del(struct poller *, int fd)
{
    find(fd)->watch = nullptr;
}

int poller_wait(struct poller *, struct poller_event *events, int max, int timeout_ms)
{
    kernel::turn(timeout_ms);
    return collect(events, max);
}

// net/lookup.h

struct lookups {
    struct watch watch;
    void (*done)(struct lookup *l);
};

static void lookups_on_ready(struct watch *w)
{
    struct lookups *ls = container_of(w, struct lookups, watch);

    w->ready = 0;
    while (!kernel::found.empty()) {
        struct lookup *l = kernel::found.front();

        kernel::found.pop_front();
        ls->done(l);
    }
}

int lookups_make(struct lookups **out, struct reactor *r, void (*done)(struct lookup *l))
{
    struct lookups *ls = new struct lookups();

    ls->done = done;
    ls->watch.fn = lookups_on_ready;
    *out = ls;
    reactor_add(r, &ls->watch, kernel::lookups_fd);
    reactor_want(r, &ls->watch, READY_READ);
    return 0;
}

bool lookups_free(struct lookups *ls)
{
    delete ls;
    return true;
}

int lookup_start(struct lookups *, struct lookup *l)
{
    kernel::asked.push_back(l);
    return 0;
}
}
