// What the bytes of a fuzzer's input stand for: a configuration, what clients send, what upstreams
// respond, and in which order and pieces all of it moves.
#pragma once

#include "tests/fuzz/exchange/kernel.h"
#include "tests/fuzz/exchange/places.h"

#include <cstdint>

namespace script {

struct client {
    std::string bytes; // all that it sends
    int last;          // of its address
};

enum class ending { keep, end, reset, stall };

// What an upstream does when a request is there.
struct response {
    std::string head, body;
    script::ending ending = ending::keep;
    size_t cut = SIZE_MAX; // bytes that are said before the ending
    bool early = false;    // it does not wait for the body
};

struct play {
    const places::config *config;
    std::vector<client> clients;
    // Taken in turn by the requests of all upstreams.
    std::vector<std::function<response()>> responses;
    std::vector<kernel::outcome> outcomes;
    size_t client_room, upstream_room; // at first
    bool no_pipes;
    std::string moves; // see world.cc
};

// The type of streams that are as they should be.
constexpr char stream_type[] = "text/event-stream; charset=utf-8";

// So many bytes have a place of their own; the text and the moves follow.
constexpr size_t fixed = 54;

play read(const uint8_t *data, size_t n);

} // namespace script
