// One run of the program against a play: who was told what, for the judge.
#pragma once

#include "tests/fuzz/exchange/inside.h"
#include "tests/fuzz/exchange/script.h"

namespace world {

// One request that an upstream got, or a part of it.
struct attempt {
    kernel::sock *socket;
    size_t begin, end;       // in socket->out
    size_t said, said_end;   // in socket->in
    bool responded = false;  // a response was chosen
    bool said_whole = false; // all of it that is to be said was said
    wire::message sent;      // as far as it came
    struct who {
        size_t client, request;
    };
    std::vector<who> candidates; // whose request it may be
};

struct client {
    kernel::sock *socket = nullptr; // NULL: it has not come yet
    size_t said = 0;                // of its bytes
    // The responses that were read so far, as by `answered`.
    size_t responses = 0, read = 0;
    size_t searched = 0; // what it got, for the field that says it was the last response
};

// What one run has shown.
struct story {
    const script::play *play;
    std::vector<client> clients;
    std::vector<attempt> attempts;
    bool disturbed = false; // the outcome may depend on the order of events
    bool stopped = false;   // the program was stopped in the middle of it
    std::string lines;      // of the log
};

// Plays p. calm: everything moves at once and in order, whatever the moves say.
story run(const script::play &p, bool calm);

// The client's requests as far as they were sent.
std::vector<wire::message> requests_of(const client &c);

// True if the client's last response has begun before all of its requests, of so many bytes, was
// read: it needs no more of them, or its upstream cannot be reached. What comes of the rest depends
// on when it comes.
bool is_early(client *c, size_t bytes);

// Fails where something of a stream waits in the program: what its upstream has said so far in
// whole events, the only client has. Its reading is at the response under way.
void check_stream(const story &s);

// Ends the test: what was expected did not hold.
[[noreturn]] void fail(const std::string &what);

} // namespace world
