/* The status in a terminal: `openai-chat-proxy --top`. It asks the running instance for
 * /status/events, and draws what comes. */
#ifndef SERVER_TOP_H
#define SERVER_TOP_H

#include "cfg/conf.h"

struct top_options {
    uint64_t pictures; /* to be drawn one below the other; 0: one, or on a terminal without end */
    uint64_t seconds;  /* from one to the next; 0: 1 */
};

/* Draws until the user ends it, or as many pictures as o says. c is the configuration of the
 * instance. Returns 0, or -1 after a line on standard error: nothing runs, or nobody may look. */
int top_run(const struct conf *c, const struct top_options *o);

#endif
