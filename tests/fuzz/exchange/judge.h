// What must hold of every run, and of two runs of one play.
#pragma once

#include "tests/fuzz/exchange/world.h"

namespace judge {

// Fails unless the story keeps all promises.
void check(const world::story &s);

// What a run came to, whatever way its bytes were cut.
std::string summary(const world::story &s);

} // namespace judge
