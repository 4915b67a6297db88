/* Lines. Colours are the eight that every terminal has. */
#include "server/top_pen.h"
#include "base/text.h"

void pen_init(struct pen *p, struct out *o, const struct look *look)
{
    *p = (struct pen){ .o = o, .look = look };
    p->limit = pen_columns(look);
}

unsigned pen_columns(const struct look *look)
{
    return look->screen && look->columns > 1 ? look->columns - 1 : look->columns;
}

/* The columns of a character of n bytes: those of East Asia are wide. */
static unsigned width_of(struct span s, size_t n)
{
    unsigned c = 0;

    if (n != 3)
        return n == 4 ? 2 : 1;
    c = ((uint8_t)s.p[0] & 0x0Fu) << 12 | ((uint8_t)s.p[1] & 0x3Fu) << 6 |
        ((uint8_t)s.p[2] & 0x3Fu);
    return (c >= 0x1100 && c < 0x1160) || (c >= 0x2E80 && c < 0xA4D0) ||
            (c >= 0xAC00 && c < 0xD7A4) || (c >= 0xF900 && c < 0xFB00) ||
            (c >= 0xFE30 && c < 0xFE70) || (c >= 0xFF00 && c < 0xFF61)
        ? 2
        : 1;
}

unsigned pen_width(struct span s)
{
    unsigned width = 0;
    size_t n;

    for (; s.n > 0 && (n = text_utf8(s)) > 0; s = span_skip(s, n))
        width += width_of(s, n);
    return width;
}

/* What stands for a character where there is ASCII alone. */
static struct span in_ascii(struct span c)
{
    return span_eq(c, SPAN("·")) ? SPAN("-")
        : span_eq(c, SPAN("–"))  ? SPAN("-")
        : span_eq(c, SPAN("×"))  ? SPAN("x")
        : span_eq(c, SPAN("●"))  ? SPAN("*")
                                 : SPAN("?");
}

void pen_put(struct pen *p, struct span s)
{
    size_t n;

    for (; s.n > 0 && (n = text_utf8(s)) > 0; s = span_skip(s, n)) {
        struct span c = { s.p, n };
        unsigned width = p->look->utf8 ? width_of(s, n) : 1;

        if (p->column + width > p->limit)
            break;
        out_put(p->o, n > 1 && !p->look->utf8 ? in_ascii(c) : c);
        p->column += width;
    }
}

void pen_to(struct pen *p, unsigned column)
{
    while (p->column < column && p->column < p->limit)
        pen_put(p, SPAN(" "));
}

void pen_cell(struct pen *p, const char *text, unsigned columns)
{
    unsigned limit = p->limit, end = p->column + columns;

    if (end - 1 < p->limit)
        p->limit = end - 1;
    pen_put(p, span_of(text));
    p->limit = limit;
    pen_to(p, end);
}

void pen_right(struct pen *p, const char *text, unsigned columns)
{
    unsigned width = pen_width(span_of(text));

    if (width + 1 < columns)
        pen_to(p, p->column + columns - 1 - width);
    pen_cell(p, text, width + 1 < columns ? width + 1 : columns);
}

void pen_style(struct pen *p, enum style style)
{
    static const char *const codes[] = {
        [STYLE_PLAIN] = "\033[0m",   [STYLE_SOFT] = "\033[0;2m",  [STYLE_BOLD] = "\033[0;1m",
        [STYLE_GOOD] = "\033[0;32m", [STYLE_WARN] = "\033[0;33m", [STYLE_BAD] = "\033[0;31m",
        [STYLE_LINE] = "\033[0;36m",
    };

    if (p->look->colour)
        out_put(p->o, span_of(codes[style]));
}

void pen_end(struct pen *p)
{
    pen_style(p, STYLE_PLAIN);
    while (!p->look->screen && p->o->n > 0 && p->o->p[p->o->n - 1] == ' ')
        p->o->n--;
    if (pen_has_room(p, 1))
        out_put(p->o, p->look->screen ? SPAN("\033[K") : SPAN("\n"));
    p->column = 0;
    p->row++;
    p->limit = pen_has_room(p, 1) ? pen_columns(p->look) : 0;
    if (p->look->screen && p->limit > 0)
        out_put(p->o, SPAN("\r\n"));
}

bool pen_has_room(const struct pen *p, unsigned lines)
{
    return p->look->rows == 0 || p->row + lines <= p->look->rows;
}
