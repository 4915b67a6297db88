// What kernel.cc, which the test moves, and calls.cc, which the program calls, share.
#pragma once

#include "tests/fuzz/exchange/kernel.h"

#include <sys/types.h>

struct lookup;

namespace kernel {

constexpr int first_socket = 1 << 20, first_pipe = 1 << 21, lookups_fd = bell_fd - 1;

struct tube {
    std::string bytes;
    bool open[2];
};

// A descriptor that is only rung.
struct bell {
    int fd;
    struct watch *watch;
    bool rung;
};

extern bell bells[2]; // that of bell_fd, and that of lookups_fd
extern std::deque<tube> tubes;
extern std::deque<outcome> under_way; // for each socket
extern std::deque<struct lookup *> asked, found;

// The open socket of a descriptor; NULL: it is none.
sock *find(int fd);

// READY_* of net/reactor.h.
unsigned readiness(const sock &s);

// The connection of s is made, or not.
void settle(sock &s, outcome o);

} // namespace kernel
