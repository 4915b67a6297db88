/* The reader of single lines: a small machine that knows fields, and of JSON strings and brackets.
 * A string's quotes are escaped, so names and brackets inside one are never taken for others. */
#include "sse/line.h"

enum line_state {
    FIELD, /* within the field's name */
    IGNORED,
    EVENT_VALUE,
    DATA_VALUE,
    DONE_WORD, /* within [DONE] */
    BETWEEN,   /* between the tokens of JSON */
    NAME,
    VALUE, /* within a string that matters */
    STRING,
    ESCAPE,
};

enum line_name { NONE, OBJECT, CHOICES, USAGE, ERROR, INDEX, REASON, DELTA, N_NAMES };

/* Names that matter: the first four in the event itself, the others in a choice. */
static const char *const names[N_NAMES] = {
    [OBJECT] = "object", [CHOICES] = "choices",      [USAGE] = "usage", [ERROR] = "error",
    [INDEX] = "index",   [REASON] = "finish_reason", [DELTA] = "delta",
};

static const char chunk_kind[] = "chat.completion.chunk", null_word[] = "null";

/* Choice 0 has begun once it goes on or has finished: the search passes over events that say
 * neither. */
static void note_choice(struct sse_findings *f)
{
    struct sse_line *l = &f->line;
    uint64_t bit = l->index < SSE_CHOICES ? UINT64_C(1) << l->index : 0;

    f->beyond |= bit == 0;
    l->zero |= bit == 1;
    if (l->index > 0 || l->reason)
        f->began |= bit;
    if (l->reason)
        f->finished |= bit;
}

/* "event:error" ends with this line. */
static bool names_error(const struct sse_line *l)
{
    return l->state == EVENT_VALUE && l->at == sizeof " error" - 1;
}

static void end_line(struct sse_findings *f)
{
    struct sse_line *l = &f->line;

    if (l->in_choice) {
        l->reason = false;
        note_choice(f);
    }
    if (l->goes_on) {
        uint64_t began = f->began;

        sse_note_going_on(f);
        if (l->chosen && !l->zero)
            f->began = began;
    } else {
        f->closing = (f->closing && !l->chosen) || (l->empty && l->usage);
        f->error |= l->error || names_error(l);
    }
    *l = (struct sse_line){ 0 };
}

/* Follows SSE_GOES_ON by a byte, with or without a space after its colon. */
static void follow_going_on(struct sse_line *l, char c)
{
    static const char text[] = SSE_GOES_ON, spaced[] = "h_reason\": null";
    const uint8_t colon = sizeof "h_reason\":" - 1, in_spaced = 16;
    uint8_t at = l->goes_on_at;

    if (at == colon && c == ' ')
        l->goes_on_at = in_spaced | (colon + 1);
    else if (at & in_spaced ? c == spaced[at & 15] : c == text[at])
        l->goes_on_at++;
    else
        l->goes_on_at = c == text[0];
    if (l->goes_on_at == sizeof text - 1 || l->goes_on_at == (in_spaced | (sizeof spaced - 1))) {
        l->goes_on = true;
        l->goes_on_at = 0;
    }
}

/* Looks for SSE_GOES_ON in bytes of the line, and in those before them. */
static void look_for_going_on(struct sse_line *l, const char *p, const char *end)
{
    while (p < end) {
        if (l->goes_on_at == 0 && (p = memchr(p, SSE_GOES_ON[0], (size_t)(end - p))) == NULL)
            return;
        follow_going_on(l, *p++);
    }
}

/* Within the name of the field: "data" and "event" matter. */
static void line_field(struct sse_line *l, char c)
{
    const char *text = l->at == 0 ? c == 'd' ? "data:" : "event:" : l->name ? "data:" : "event:";

    if (l->at == 0)
        l->name = c == 'd';
    if (c != text[l->at]) {
        l->state = IGNORED;
    } else if (c == ':') {
        l->state = l->name ? DATA_VALUE : EVENT_VALUE;
        l->name = NONE;
        l->at = 0;
    } else {
        l->at++;
    }
}

static void line_event(struct sse_line *l, char c)
{
    static const char word[] = " error";

    if (l->at == 0 && c == word[1])
        l->at = 2;
    else if (l->at < sizeof word - 1 && c == word[l->at])
        l->at++;
    else
        l->state = IGNORED;
}

static void open_bracket(struct sse_findings *f, char c)
{
    struct sse_line *l = &f->line;

    if (l->depth == 1 && l->name == CHOICES && c == '[')
        l->in_choices = l->empty = true;
    else if (l->depth == 2 && l->in_choices)
        l->empty = false;
    if (l->depth == 2 && l->in_choices && c == '{') {
        l->chosen = l->in_choice = true;
        l->reason = false;
        l->index = 0;
    }
    if (l->depth == 1 && c == '{') {
        l->usage |= l->name == USAGE;
        l->error |= l->name == ERROR;
    }
    l->depth++;
    l->name = NONE;
    l->wants_name = c == '{';
    if (l->depth == UINT16_MAX)
        l->state = IGNORED;
}

static void close_bracket(struct sse_findings *f)
{
    struct sse_line *l = &f->line;

    if (l->depth == 3 && l->in_choice) {
        note_choice(f);
        l->in_choice = false;
    } else if (l->depth == 2) {
        l->in_choices = false;
    }
    if (l->depth > 0)
        l->depth--;
    l->name = NONE;
}

static void open_string(struct sse_line *l)
{
    bool matters = l->depth == 1 || (l->depth == 3 && l->in_choice);

    l->at = 0;
    l->state = !matters                                              ? STRING
        : l->wants_name                                              ? NAME
        : l->name == OBJECT || l->name == REASON || l->name == ERROR ? VALUE
                                                                     : STRING;
}

/* A digit of a choice's index. */
static void line_digit(struct sse_line *l, char c)
{
    if (l->index < SSE_CHOICES)
        l->index = (uint16_t)(l->index * 10 + (c - '0'));
    if (l->index == 0)
        l->name = NONE;
}

static void line_between(struct sse_findings *f, char c)
{
    struct sse_line *l = &f->line;

    if (c == '"') {
        open_string(l);
    } else if (c == '{' || c == '[') {
        open_bracket(f, c);
    } else if (c == '}' || c == ']') {
        close_bracket(f);
    } else if (c == ',') {
        l->wants_name = true;
        l->name = NONE;
    } else if (c == ':') {
        l->wants_name = false;
        f->chat |= l->name == DELTA;
    } else if (l->name == INDEX && c >= '0' && c <= '9') {
        line_digit(l, c);
    }
}

static uint8_t name_that_begins(char c, bool in_choice)
{
    switch (c) {
    case 'o':
        return in_choice ? NONE : OBJECT;
    case 'c':
        return in_choice ? NONE : CHOICES;
    case 'u':
        return in_choice ? NONE : USAGE;
    case 'e':
        return in_choice ? NONE : ERROR;
    case 'i':
        return in_choice ? INDEX : NONE;
    case 'f':
        return in_choice ? REASON : NONE;
    case 'd':
        return in_choice ? DELTA : NONE;
    default:
        return NONE;
    }
}

/* Goes as far as p agrees with text from l->at on. */
static const char *agree(struct sse_line *l, const char *text, const char *p, const char *end)
{
    for (; p < end && text[l->at] != '\0' && *p == text[l->at]; p++)
        l->at++;
    return p;
}

static const char *line_name(struct sse_line *l, const char *p, const char *end)
{
    if (l->at == 0)
        l->name = name_that_begins(*p, l->depth == 3);
    if (l->name)
        p = agree(l, names[l->name], p, end);
    if (p == end)
        return p;
    if (*p == '"') {
        l->name = l->name && names[l->name][l->at] == '\0' ? l->name : NONE;
        l->state = BETWEEN;
        return p + 1;
    }
    l->name = NONE;
    l->state = STRING;
    return p;
}

/* The value of a name that matters. Some servers write "" or "null" for null. */
static const char *line_value(struct sse_findings *f, const char *p, const char *end)
{
    struct sse_line *l = &f->line;
    const char *text = l->name == OBJECT ? chunk_kind : l->name == REASON ? null_word : "";

    p = agree(l, text, p, end);
    if (p == end || sse_is_line_end(*p))
        return p;
    if (*p == '"') {
        f->chat |= l->name == OBJECT && text[l->at] == '\0';
        l->reason |= l->name == REASON && l->at > 0 && text[l->at] != '\0';
        l->state = BETWEEN;
        return p + 1;
    }
    l->reason |= l->name == REASON;
    l->error |= l->name == ERROR;
    l->name = NONE;
    l->state = STRING;
    return p;
}

static const char *line_string(struct sse_line *l, const char *p, const char *end)
{
    static const bool special[256] = { ['"'] = true, ['\\'] = true, ['\n'] = true, ['\r'] = true };

    while (p < end && !special[(uint8_t)*p])
        p++;
    if (p == end || sse_is_line_end(*p))
        return p;
    l->state = *p == '"' ? BETWEEN : ESCAPE;
    return p + 1;
}

static void line_data(struct sse_findings *f, char c)
{
    struct sse_line *l = &f->line;

    if (l->at == 0 && c == ' ') {
        l->at = 1;
    } else if (c == '[') {
        l->state = DONE_WORD;
        l->at = 1;
    } else {
        l->state = BETWEEN;
        line_between(f, c);
    }
}

static void line_done(struct sse_findings *f, char c)
{
    struct sse_line *l = &f->line;
    static const char word[] = "[DONE]";

    if (c != word[l->at++])
        l->state = IGNORED;
    else if (l->at == sizeof word - 1)
        f->done = true;
    if (f->done)
        l->state = IGNORED;
}

/* Takes bytes of the line from p on, where there is one. Returns where it stopped. */
static const char *line_some(struct sse_findings *f, const char *p, const char *end)
{
    struct sse_line *l = &f->line;

    switch ((enum line_state)l->state) {
    case FIELD:
        line_field(l, *p);
        break;
    case IGNORED:
        break;
    case EVENT_VALUE:
        line_event(l, *p);
        break;
    case DATA_VALUE:
        line_data(f, *p);
        break;
    case DONE_WORD:
        line_done(f, *p);
        break;
    case BETWEEN:
        line_between(f, *p);
        break;
    case NAME:
        return line_name(l, p, end);
    case VALUE:
        return line_value(f, p, end);
    case STRING:
        return line_string(l, p, end);
    case ESCAPE:
        l->state = STRING;
        break;
    }
    return p + 1;
}

const char *sse_line_take(struct sse_findings *f, const char *p, const char *end)
{
    const char *start = p;

    while (p < end && !sse_is_line_end(*p))
        p = line_some(f, p, end);
    look_for_going_on(&f->line, start, p);
    if (p == end)
        return p;
    end_line(f);
    return p + 1;
}
