/* The status as lines of text: what the page at /status shows. It knows no terminal; that is
 * server/top_screen.h. */
#ifndef SERVER_TOP_DRAW_H
#define SERVER_TOP_DRAW_H

#include "server/top_history.h"
#include "server/top_pen.h"

#define DRAW_MAX (256 * 1024) /* the longest drawing */

/* Draws the last picture of h into o. lost: nothing has been heard for a while. */
void top_draw(const struct history *h, const struct look *look, bool lost, struct out *o);

#endif
