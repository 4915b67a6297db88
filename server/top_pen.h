/* Writing lines for a terminal, or for a file: columns, cells and colours. Text is cut to the line
 * and to what the terminal can show. */
#ifndef SERVER_TOP_PEN_H
#define SERVER_TOP_PEN_H

#include "base/out.h"

/* What the terminal, or the file, is like. */
struct look {
    unsigned columns, rows; /* rows 0: no limit */
    bool screen;            /* lines are drawn over others, on a terminal */
    bool colour, utf8, chinese;
};

enum style { STYLE_PLAIN, STYLE_SOFT, STYLE_BOLD, STYLE_GOOD, STYLE_WARN, STYLE_BAD, STYLE_LINE };

/* 1. column is where the next character of the line goes, row how many lines were ended.
 * 2. Nothing is written at or behind the column limit, which is 0 behind the last row. */
struct pen {
    struct out *o;
    const struct look *look;
    unsigned column, limit, row;
};

/* Begins at the first line. o and look stay the caller's. */
void pen_init(struct pen *p, struct out *o, const struct look *look);

/* The columns that are written to. On a screen the last one stays free: a terminal is not sure
 * whether it is behind it then. */
unsigned pen_columns(const struct look *look);

/* The columns that s takes. */
unsigned pen_width(struct span s);

/* Writes s, UTF-8 without controls, as far as there is room. */
void pen_put(struct pen *p, struct span s);

/* Goes on in that column, which is not before the present one, or else in the present one. */
void pen_to(struct pen *p, unsigned column);

/* Writes text in a cell of so many columns, the last of which stays blank; pen_right at its right
 * side. */
void pen_cell(struct pen *p, const char *text, unsigned columns);
void pen_right(struct pen *p, const char *text, unsigned columns);

/* How what follows looks, until pen_end. */
void pen_style(struct pen *p, enum style style);

/* Ends the line, and begins the next one. */
void pen_end(struct pen *p);

/* True if so many more lines fit. */
bool pen_has_room(const struct pen *p, unsigned lines);

#endif
