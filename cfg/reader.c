/* The reader under inih's ini_parse_stream: counts lines, refuses what inih would misread, and
 * hands every line over in pieces that inih cannot cut, trim or take for something else. */
#include "cfg/reader.h"
#include "base/text.h"

#include <errno.h>
#include <ini.h>
#include <stdint.h>
#include <stdlib.h>

/* How a line travels through inih, whose lines hold 199 bytes and whose names hold 49 in the usual
 * build:
 *
 *     name = a long value   ; comment      becomes        name="a long"
 *                                                         name=" value"
 *
 * 1. The quotes are ours. Inside them nothing is at the edge of a value, so inih trims no blank,
 *    and no ';' follows the '=' or a blank that was not there before (the comment is cut here
 *    first). A piece may therefore end anywhere.
 * 2. A name that is too long for inih is handed over as LONG_NAME and put back by the handler.
 * 3. Every piece that comes out is compared with the one that went in. The entry is then taken from
 *    the reader's own line: there is no second copy of a key in memory, and a library that cuts
 *    lines is found out instead of believed. */
#define LONG_NAME "long-name"
#define NAME_MAX_INIH 49
#define SECTION_MAX_INIH 49
#define ROOM_MIN 80 /* less than this and a name does not fit a line of inih's */
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct reader {
    struct span left; /* the lines that were not read yet */
    struct conf_errors *errors;
    struct conf_taker *taker;
    struct span text; /* the current line */
    int line;
    char section[SECTION_MAX_INIH + 1]; /* "" before the first one */
    bool skipping;                 /* the section's own line is wrong: its entries are left out */
    bool in_entry;                 /* an entry is being handed over */
    struct span name, value, rest; /* of it: the whole, and what inih has not had yet */
    struct span piece;             /* what inih has just had */
};

static void reader_fault(struct reader *r, const char *what)
{
    conf_fault(r->errors, r->line, r->section, "%s", what);
}

/* Takes the next line off the text, without its line end. False at the end. */
static bool read_line(struct reader *r)
{
    size_t n = span_find(r->left, '\n');

    r->line++;
    if (r->left.n == 0)
        return false;
    r->text = (struct span){ r->left.p, n };
    r->left = span_skip(r->left, n < r->left.n ? n + 1 : n);
    if (r->text.n > 0 && r->text.p[r->text.n - 1] == '\r')
        r->text.n--;
    return true;
}

/* NUL would end the line for inih, and the other control characters have no place in a key or a
 * value that is shown or sent. */
static bool has_control(struct reader *r, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if ((c >= 0x20 || c == '\t') && c != 0x7f)
            continue;
        if (c == 0)
            reader_fault(r, "a NUL byte in the line (a file saved as UTF-16? save it as UTF-8)");
        else if (c == '\r')
            reader_fault(r, "a carriage return inside the line; lines end with LF or CR LF");
        else
            conf_fault(r->errors, r->line, r->section,
                       "a control character (byte 0x%02x) in the line", c);
        return true;
    }
    return false;
}

/* s up to a comment: a ';' after a blank. */
static struct span cut_comment(struct span s)
{
    for (size_t i = 1; i < s.n; i++)
        if (s.p[i] == ';' && text_is_blank(s.p[i - 1]))
            return (struct span){ s.p, i };
    return s;
}

/* Finds the name in s, a line that starts with '['. Returns what is wrong, or NULL. */
static const char *section_name(struct span s, struct span *name)
{
    struct span head = cut_comment(s), after;
    size_t close = span_find(head, ']');

    if (close == head.n)
        return "no ']' at the end of the section's name";
    after = text_trim(span_skip(s, close + 1));
    if (after.n > 0 && after.p[0] != ';' && after.p[0] != '#')
        return "something follows the ']'; what belongs to the section goes on the next line";
    *name = text_trim((struct span){ s.p + 1, close - 1 });
    if (name->n > SECTION_MAX_INIH)
        return "the section's name is longer than 49 characters";
    return name->n > 0 ? NULL : "the section has no name";
}

/* Takes a line that starts with '['. True if there is a section to tell inih of. */
static bool start_section(struct reader *r, struct span s)
{
    struct span name = { NULL, 0 };
    const char *why = section_name(s, &name);

    r->section[0] = '\0';
    r->skipping = why != NULL;
    if (why) {
        reader_fault(r, why);
        return false;
    }
    memcpy(r->section, name.p, name.n);
    r->section[name.n] = '\0';
    r->taker->take(r->taker,
                   &(struct conf_entry){ .line = r->line, .section = span_of(r->section) });
    return true;
}

/* What is wrong with s, a line of which the '=' is at equals and the first ':' at colon, or NULL.
 * No message repeats the line: it may be a key that strayed. */
static const char *entry_fault(const struct reader *r, struct span s, size_t equals, size_t colon)
{
    if (!r->section[0])
        return "stands outside of a section; put a line such as [server] above it";
    if (equals == s.n)
        return colon < s.n ? "no '='; write NAME = VALUE, not NAME: VALUE"
                           : "no '='; write NAME = VALUE";
    if (colon < equals)
        return strcmp(r->section, "api_keys") == 0
            ? "a ':' before the '='; a key that holds ':' or '=' goes into a section of its own: "
              "[key LABEL] with key = and upstream_key ="
            : "a ':' before the '='; a name cannot hold one";
    return equals == 0 ? "nothing before the '='" : NULL;
}

/* Takes a line that is neither empty, comment nor section. True if there is an entry to hand over.
 */
static bool start_entry(struct reader *r, struct span s)
{
    size_t equals, colon;
    const char *why;

    s = text_trim(cut_comment(s));
    equals = span_find(s, '=');
    colon = span_find(s, ':');
    if (r->skipping)
        return false;
    why = entry_fault(r, s, equals, colon);
    if (why) {
        reader_fault(r, why);
        return false;
    }
    r->name = text_trim((struct span){ s.p, equals });
    r->value = r->rest = text_trim(span_skip(s, equals + 1));
    r->in_entry = true;
    return true;
}

/* Looks at the line just read. True if there is something to tell inih. */
static bool start_line(struct reader *r)
{
    struct span s = r->text, inner;

    if (r->line == 1 && span_starts(s, SPAN(BYTE_ORDER_MARK)))
        s = span_skip(s, sizeof BYTE_ORDER_MARK - 1);
    inner = text_trim(s);
    if (has_control(r, s) || inner.n == 0 || inner.p[0] == ';' || inner.p[0] == '#')
        return false;
    if (inner.p != s.p) {
        reader_fault(r,
                     "the line starts with a blank, which would make it part of the value "
                     "above; move it to the left edge (a list stays on one line, however long)");
        return false;
    }
    return s.p[0] == '[' ? start_section(r, s) : start_entry(r, s);
}

/* Writes the next piece of the entry to str, which has room for room bytes. */
static void write_piece(struct reader *r, char *str, size_t room)
{
    struct span name = r->name.n > NAME_MAX_INIH ? SPAN(LONG_NAME) : r->name;
    size_t most = room - name.n - sizeof "=\"\"\n";

    r->piece = (struct span){ r->rest.p, r->rest.n < most ? r->rest.n : most };
    r->rest = span_skip(r->rest, r->piece.n);
    snprintf(str, room, "%.*s=\"%.*s\"\n", (int)name.n, name.p, (int)r->piece.n, r->piece.p);
}

/* inih's fgets: gives it the next line it is to see. */
static char *next_line(char *str, int num, void *stream)
{
    struct reader *r = stream;

    if (num < ROOM_MIN) {
        conf_fault(r->errors, 0, "",
                   "cannot be read: the inih library here was built for lines of %d bytes", num);
        return NULL;
    }
    while (!r->in_entry) {
        if (!read_line(r))
            return NULL;
        if (start_line(r) && !r->in_entry) {
            snprintf(str, (size_t)num, "[%s]\n", r->section);
            return str;
        }
    }
    write_piece(r, str, (size_t)num);
    return str;
}

/* True if value is the piece that was handed to inih, still in its quotes. */
static bool same_piece(const struct reader *r, const char *value)
{
    struct span got = span_of(value);

    return got.n == r->piece.n + 2 && span_eq((struct span){ got.p + 1, r->piece.n }, r->piece);
}

/* Takes back what inih made of a piece; delivers the entry with the last one. Returns 1 always: a
 * build of inih that stops at errors must not. */
static int take_piece(struct reader *r, const char *section, const char *name, const char *value)
{
    struct span expected = r->name.n > NAME_MAX_INIH ? SPAN(LONG_NAME) : r->name;

    if (!name || !r->in_entry)
        return 1;
    if (!value || !same_piece(r, value) || strcmp(section, r->section) != 0 ||
        !span_eq(span_of(name), expected)) {
        r->in_entry = false;
        reader_fault(r, "the inih library here did not give this line back whole");
    } else if (r->rest.n == 0) {
        r->in_entry = false;
        r->taker->take(r->taker,
                       &(struct conf_entry){ r->line, span_of(r->section), r->name, r->value });
    }
    return 1;
}

#if INI_HANDLER_LINENO
static int on_line(void *user, const char *section, const char *name, const char *value, int lineno)
{
    (void)lineno; /* inih counts pieces, not lines */
    return take_piece(user, section, name, value);
}
#else
static int on_line(void *user, const char *section, const char *name, const char *value)
{
    return take_piece(user, section, name, value);
}
#endif

void conf_read(struct span text, struct conf_errors *errors, struct conf_taker *t)
{
    struct reader r = { .left = text, .errors = errors, .taker = t };
    int err = ini_parse_stream(next_line, &r, on_line, &r);

    if (err == -2)
        errors->oom = true;
    else if (err != 0)
        conf_fault(errors, 0, "", "the inih library gave up (code %d)", err);
}
