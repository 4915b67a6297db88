/* Follows brackets and strings byte by byte: a text is read only where somebody counts tokens. */
#include "json/usage.h"

/* What a key of the outermost object or of usage says of the value behind it. */
enum { MEMBER_OTHER, MEMBER_USAGE, MEMBER_CHOICES, MEMBER_ERROR, MEMBER_INPUT, MEMBER_OUTPUT };

/* OpenAI's names in chat completions, and those of its responses. */
static const struct {
    struct span name;
    uint8_t member;
    bool in_usage;
} keys[] = {
    { { "usage", 5 }, MEMBER_USAGE, false },
    { { "choices", 7 }, MEMBER_CHOICES, false },
    { { "error", 5 }, MEMBER_ERROR, false },
    { { "prompt_tokens", 13 }, MEMBER_INPUT, true },
    { { "completion_tokens", 17 }, MEMBER_OUTPUT, true },
    { { "input_tokens", 12 }, MEMBER_INPUT, true },
    { { "output_tokens", 13 }, MEMBER_OUTPUT, true },
};

void json_usage_init(struct json_usage *u)
{
    *u = (struct json_usage){ 0 };
}

/* The text is no chunk of usage. */
static void usage_is_other(struct json_usage *u)
{
    u->other = true;
    u->over |= u->stops;
}

/* The innermost open object is one whose members are looked at. */
static bool usage_looks(const struct json_usage *u)
{
    return u->depth == 1 || (u->depth == 2 && u->in_usage);
}

static void usage_end_key(struct json_usage *u)
{
    struct span key = { u->key, u->key_n };

    u->in_key = u->wants_key = false;
    for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (keys[i].in_usage == u->in_usage && span_eq(key, keys[i].name))
            u->member = keys[i].member;
    if (u->member == MEMBER_INPUT)
        u->input = 0;
    else if (u->member == MEMBER_OUTPUT)
        u->output = 0;
}

/* Reads a string from behind its opening quote, or from where the last bytes have ended. Returns
 * how much of in it took. A key that is too long or has an escape is not one of ours. */
static size_t usage_read_string(struct json_usage *u, struct span in)
{
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];

        if (c == '"' && !u->escaped) {
            u->in_string = false;
            if (u->in_key)
                usage_end_key(u);
            return i + 1;
        }
        u->escaped = c == '\\' && !u->escaped;
        if (!u->in_key)
            continue;
        if (c == '\\' || u->key_n == JSON_USAGE_KEY_MAX)
            u->in_key = u->wants_key = false;
        else
            u->key[u->key_n++] = c;
    }
    return in.n;
}

/* The number of a member grows by a digit. It stays at its most where it would overflow. */
static void usage_add_digit(uint64_t *n, unsigned digit)
{
    *n = *n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *n * 10 + digit;
}

static void usage_open(struct json_usage *u, bool object)
{
    bool is_usage = object && u->depth == 1 && u->member == MEMBER_USAGE;

    if (!object && u->depth == 1 && u->member == MEMBER_CHOICES)
        u->in_choices = u->empty = true;
    if (object && u->member == MEMBER_ERROR)
        usage_is_other(u);
    u->depth++;
    if (is_usage) {
        u->in_usage = u->found = true;
        u->input = u->output = 0;
    }
    u->member = MEMBER_OTHER;
    u->wants_key = object && usage_looks(u);
}

static void usage_close(struct json_usage *u)
{
    u->depth--;
    u->over = u->depth == 0;
    if (u->depth == 1)
        u->in_usage = u->in_choices = false;
    u->member = MEMBER_OTHER;
    u->wants_key = false;
}

/* Looks at a byte of a value that is no string, object or array. */
static void usage_look_at_scalar(struct json_usage *u, char c)
{
    bool digit = c >= '0' && c <= '9';

    if (digit && u->member == MEMBER_INPUT)
        usage_add_digit(&u->input, (unsigned)(c - '0'));
    else if (digit && u->member == MEMBER_OUTPUT)
        usage_add_digit(&u->output, (unsigned)(c - '0'));
    else
        u->member = MEMBER_OTHER; /* a sign, a fraction or a literal */
}

/* Looks at a byte outside of strings, in the outermost object or deeper. */
static void usage_look_at(struct json_usage *u, char c)
{
    if (u->in_choices && u->depth == 2 && !memchr("] \t\r\n", c, 5))
        usage_is_other(u);
    switch (c) {
    case '"':
        if (u->member == MEMBER_ERROR)
            usage_is_other(u);
        u->in_string = true;
        u->in_key = u->wants_key;
        u->key_n = 0;
        break;
    case '{':
    case '[':
        usage_open(u, c == '{');
        break;
    case '}':
    case ']':
        usage_close(u);
        break;
    case ',':
        u->wants_key = usage_looks(u);
        u->member = MEMBER_OTHER;
        break;
    case ':':
    case ' ':
    case '\t':
    case '\r':
    case '\n':
        break;
    default:
        usage_look_at_scalar(u, c);
    }
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Looks at a byte in front of the outermost object. A text that is none has no usage. */
static void usage_begin(struct json_usage *u, char c)
{
    if (c == '{')
        usage_open(u, true);
    else
        u->other = u->over = !is_white(c);
}

void json_usage_read(struct json_usage *u, struct span in)
{
    while (in.n > 0 && !u->over) {
        size_t n = 1;

        if (u->in_string)
            n = usage_read_string(u, in);
        else if (u->depth > 0)
            usage_look_at(u, in.p[0]);
        else
            usage_begin(u, in.p[0]);
        in = span_skip(in, n);
    }
    for (size_t i = 0; i < in.n && !u->other; i++) /* behind the outermost object */
        u->other = !is_white(in.p[i]);
}

bool json_usage_is_chunk(const struct json_usage *u)
{
    return u->over && u->depth == 0 && u->found && u->empty && !u->other;
}

bool json_usage_is_other(const struct json_usage *u)
{
    return u->other || (u->over && !json_usage_is_chunk(u));
}
