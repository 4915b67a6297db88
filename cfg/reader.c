/* The reader under inih's ini_parse_stream: counts lines, refuses what inih would misread, and hands every line over in
 * pieces that inih cannot cut, trim or take for something else. It refuses to know any section or key by name.
 * The entries go to cfg/load.c. */
#include "cfg/reader.h"
#include "cfg/memory.h"

#include <errno.h>
#include <ini.h>
#include <stdint.h>
#include <stdlib.h>

/* How a line travels through inih, whose lines hold 199 bytes and whose names hold 49 in the usual build:
 *
 *     name = a long value   ; comment      becomes        name="a long"
 *                                                         name=" value"
 *
 * 1. The quotes are ours. Inside them nothing is at the edge of a value, so inih trims no blank, and no ';' follows the '='
 *    or a blank that was not there before (the comment is cut here first). A piece may therefore end anywhere.
 * 2. A name that is too long for inih is handed over as LONG_NAME and put back by the handler.
 * 3. Every piece that comes out is compared with the one that went in. The entry is then taken from the reader's own line:
 *    there is no second copy of a key in memory, and a library that cuts lines is found out instead of believed. */
#define LONG_NAME "long-name"
#define NAME_MAX_INIH 49
#define SECTION_MAX_INIH 49
#define ROOM_MIN 80                     /* less than this and a name does not fit a line of inih's */
#define LINE_MAX_BYTES (16u << 20)      /* a ceiling for files that are no configuration */

struct reader {
    FILE *in;
    struct conf_errors *errors;
    struct conf_taker *taker;
    char *text;                         /* the current line */
    size_t n, room;
    int line;
    char section[SECTION_MAX_INIH + 1]; /* "" before the first one */
    bool skipping;                      /* the section's own line was wrong: its entries are nobody's */
    bool in_entry;                      /* an entry is being handed over */
    struct span name, value, rest;      /* of it: the whole, and what inih has not had yet */
    struct span piece;                  /* what inih has just had */
};

static int enlarge(struct reader *r)
{
    size_t room = r->room ? r->room * 2 : 4096;
    char *text = malloc(room);
    if (!text)
        return -ENOMEM;
    if (r->n)
        memcpy(text, r->text, r->n);
    wipe(r->text, r->room);
    free(r->text);
    r->text = text;
    r->room = room;
    return 0;
}

static void fault(struct reader *r, const char *what)
{
    conf_fault(r->errors, r->line, r->section, "%s", what);
}

/* Reads the next line into r->text without its line end. False at the end of the file or on a failure (reported). */
static bool read_line(struct reader *r)
{
    r->n = 0;
    r->line++;
    int c;
    while ((c = getc_unlocked(r->in)) != EOF && c != '\n') {
        if (r->n == LINE_MAX_BYTES) {
            fault(r, "the line is longer than 16 MiB: is this a configuration file?");
            return false;
        }
        if (r->n == r->room && enlarge(r) < 0) {
            r->errors->oom = true;
            return false;
        }
        r->text[r->n++] = (char)c;
    }
    if (ferror(r->in)) {
        conf_fault(r->errors, 0, "", "cannot be read: %s", strerror(errno));
        return false;
    }
    if (r->n && r->text[r->n - 1] == '\r')
        r->n--;
    return c != EOF || r->n > 0;
}

/* NUL would end the line for inih, and the other control characters have no place in a key or a value that is shown or sent. */
static bool has_control(struct reader *r, struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c >= 0x20 || c == '\t') && c != 0x7f)
            continue;
        if (c == 0)
            fault(r, "a NUL byte in the line (a file saved as UTF-16? save it as UTF-8)");
        else if (c == '\r')
            fault(r, "a carriage return inside the line; lines end with LF or CR LF");
        else
            conf_fault(r->errors, r->line, r->section, "a control character (byte 0x%02x) in the line", c);
        return true;
    }
    return false;
}

/* s up to a comment: a ';' after a blank. One that comes first counts only if the byte before s was a blank. */
static struct span cut_comment(struct span s)
{
    for (size_t i = 1; i < s.n; i++)
        if (s.p[i] == ';' && (s.p[i - 1] == ' ' || s.p[i - 1] == '\t'))
            return (struct span){ s.p, i };
    return s;
}

static const char *section_fault(struct span s, const char *close)
{
    if (!close)
        return "no ']' at the end of the section's name";
    struct span after = conf_trim(span_skip(s, (size_t)(close + 1 - s.p)));
    if (after.n && after.p[0] != ';' && after.p[0] != '#')
        return "something follows the ']'; what belongs to the section goes on the next line";
    if (conf_trim((struct span){ s.p + 1, (size_t)(close - s.p) - 1 }).n > SECTION_MAX_INIH)
        return "the section's name is longer than 49 characters";
    return NULL;
}

/* Takes a line that starts with '['. True if there is a section to tell inih of. */
static bool start_section(struct reader *r, struct span s)
{
    struct span head = cut_comment(s);
    const char *close = memchr(head.p, ']', head.n);
    const char *why = section_fault(s, close);
    r->section[0] = '\0';
    r->skipping = why != NULL;
    if (why) {
        fault(r, why);
        return false;
    }
    struct span name = conf_trim((struct span){ s.p + 1, (size_t)(close - s.p) - 1 });
    if (name.n == 0) {
        r->skipping = true;
        fault(r, "the section has no name");
        return false;
    }
    memcpy(r->section, name.p, name.n);
    r->section[name.n] = '\0';
    r->taker->take(r->taker, &(struct conf_entry){ .line = r->line, .section = span_of(r->section) });
    return true;
}

static void colon_fault(struct reader *r)
{
    if (strcmp(r->section, "api_keys") == 0)
        fault(r, "a ':' before the '='; a key that holds ':' or '=' goes into a section of its own: "
                 "[key LABEL] with key = and upstream_key =");
    else
        fault(r, "a ':' before the '='; a name cannot hold one");
}

/* Takes a line that is neither empty, comment nor section. True if there is an entry to hand over. No message repeats the
 * line: it may be a key that strayed. */
static bool start_entry(struct reader *r, struct span s)
{
    s = conf_trim(cut_comment(s));
    const char *equals = memchr(s.p, '=', s.n);
    const char *colon = memchr(s.p, ':', s.n);
    if (r->skipping)
        return false;
    if (!r->section[0]) {
        fault(r, "stands outside of a section; put a line such as [server] above it");
    } else if (!equals) {
        fault(r, colon ? "no '='; write NAME = VALUE, not NAME: VALUE" : "no '='; write NAME = VALUE");
    } else if (colon && colon < equals) {
        colon_fault(r);
    } else if (equals == s.p) {
        fault(r, "nothing before the '='");
    } else {
        r->name = conf_trim((struct span){ s.p, (size_t)(equals - s.p) });
        r->value = r->rest = conf_trim(span_skip(s, (size_t)(equals + 1 - s.p)));
        r->in_entry = true;
        return true;
    }
    return false;
}

/* Looks at the line just read. True if there is something to tell inih. */
static bool start_line(struct reader *r)
{
    struct span s = { r->text, r->n };
    if (r->line == 1 && s.n >= 3 && memcmp(s.p, "\xef\xbb\xbf", 3) == 0)
        s = span_skip(s, 3);
    struct span inner = conf_trim(s);
    if (has_control(r, s) || inner.n == 0 || inner.p[0] == ';' || inner.p[0] == '#')
        return false;
    if (inner.p != s.p) {
        fault(r, "the line starts with a blank, which would make it part of the value above; "
                 "move it to the left edge (a list stays on one line, however long)");
        return false;
    }
    return s.p[0] == '[' ? start_section(r, s) : start_entry(r, s);
}

/* Writes the next piece of the entry to str, which has room for room bytes. */
static void write_piece(struct reader *r, char *str, size_t room)
{
    struct span name = r->name.n > NAME_MAX_INIH ? SPAN(LONG_NAME) : r->name;
    size_t most = room - name.n - sizeof("=\"\"\n");
    r->piece = (struct span){ r->rest.p, r->rest.n < most ? r->rest.n : most };
    r->rest = span_skip(r->rest, r->piece.n);
    snprintf(str, room, "%.*s=\"%.*s\"\n", (int)name.n, name.p, (int)r->piece.n, r->piece.p);
}

/* inih's fgets: gives it the next line it is to see. */
static char *next_line(char *str, int num, void *stream)
{
    struct reader *r = stream;
    if (num < ROOM_MIN) {
        conf_fault(r->errors, 0, "", "cannot be read: the inih library here was built for lines of %d bytes", num);
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

/* Takes back what inih made of a piece; delivers the entry with the last one. Always 1: a build that stops at errors must not. */
static int handle(struct reader *r, const char *section, const char *name, const char *value)
{
    if (!name || !r->in_entry)
        return 1;
    bool long_name = r->name.n > NAME_MAX_INIH;
    if (!value || !same_piece(r, value) || strcmp(section, r->section) != 0
        || !span_eq(span_of(name), long_name ? SPAN(LONG_NAME) : r->name)) {
        r->in_entry = false;
        fault(r, "the inih library here did not give this line back whole");
    } else if (r->rest.n == 0) {
        r->in_entry = false;
        r->taker->take(r->taker, &(struct conf_entry){ r->line, span_of(r->section), r->name, r->value });
    }
    return 1;
}

#if INI_HANDLER_LINENO
static int on_line(void *user, const char *section, const char *name, const char *value, int lineno)
{
    (void)lineno;                       /* inih counts pieces, not lines */
    return handle(user, section, name, value);
}
#else
static int on_line(void *user, const char *section, const char *name, const char *value)
{
    return handle(user, section, name, value);
}
#endif

void conf_read(FILE *in, struct conf_errors *errors, struct conf_taker *t)
{
    struct reader r = { .in = in, .errors = errors, .taker = t };
    int rc = ini_parse_stream(next_line, &r, on_line, &r);
    if (rc == -2)
        errors->oom = true;
    else if (rc != 0)
        conf_fault(errors, 0, "", "the inih library gave up (code %d)", rc);
    wipe(r.text, r.room);
    free(r.text);
}
