/* Values that are a number or one of a few words. */
#include "cfg/values.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit sizes[] = {
    { "G", 1u << 30 }, { "M", 1u << 20 }, { "k", 1u << 10 }, { "", 1 }
};
static const struct unit amounts[] = { { "M", 1000000 }, { "k", 1000 }, { "", 1 } };
static const struct unit times[] = {
    { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 }, { "", 1000 }
};

/* Writes n in the largest of the units, the last of which is 1, that it is a multiple of. */
static const char *scaled_text(char *out, uint64_t n, const struct unit *u)
{
    while (n == 0 ? u->name[0] != '\0' : n % u->factor != 0)
        u++;
    snprintf(out, 32, "%" PRIu64 "%s", n / u->factor, u->name);
    return out;
}

const char *conf_size_text(char *out, uint64_t bytes)
{
    return scaled_text(out, bytes, sizes);
}

const char *conf_amount_text(char *out, unsigned n)
{
    return n > 0 ? scaled_text(out, n, amounts) : "";
}

const char *conf_time_text(char *out, uint64_t ms)
{
    if (ms % 1000 == 0)
        snprintf(out, 32, "%" PRIu64, ms / 1000);
    else
        snprintf(out, 32, "%" PRIu64 "ms", ms);
    return out;
}

static void range_fault(const struct conf_value *v, const char *min, const char *max)
{
    struct conf_quoted q;

    conf_value_fault(v, "%s is out of range; allowed is %s to %s", conf_quote(&q, v->raw), min,
                     max);
}

int conf_set_count(const struct conf_value *v, void *base)
{
    bool workers = v->row->type == CONF_WORKERS;
    char min[24], max[24];
    struct conf_quoted q;
    struct span rest = v->text;
    uint64_t n = 0;
    int err;

    if (workers && span_eq_nocase(rest, SPAN("auto"))) {
        *(unsigned *)conf_place(v, base) = 0;
        return 0;
    }
    err = text_take_uint(&rest, UINT64_MAX, &n);
    if (err == -EINVAL || (!err && rest.n > 0)) {
        conf_value_fault(v, "%s is not a whole number%s", conf_quote(&q, v->raw),
                         workers ? ", nor the word auto" : "");
        return 0;
    }
    if (err || n < v->row->min || n > v->row->max) {
        snprintf(min, sizeof min, "%" PRIu64, v->row->min);
        snprintf(max, sizeof max, "%" PRIu64 "%s", v->row->max, workers ? ", or auto" : "");
        range_fault(v, min, max);
        return 0;
    }
    *(unsigned *)conf_place(v, base) = (unsigned)n;
    return 0;
}

/* Reads a number and a unit. -EINVAL: it is none; -ERANGE: it does not fit 64 bits. */
static int take_scaled(struct span s, const struct unit *units, size_t n_units, uint64_t *out)
{
    int err = text_take_uint(&s, UINT64_MAX, out);

    for (size_t i = 0; !err && i < n_units; i++) {
        if (!span_eq_nocase(s, span_of(units[i].name)))
            continue;
        if (*out > UINT64_MAX / units[i].factor)
            return -ERANGE;
        *out *= units[i].factor;
        return 0;
    }
    return err ? err : -EINVAL;
}

int conf_set_size(const struct conf_value *v, void *base)
{
    char min[32], max[32];
    struct conf_quoted q;
    uint64_t n = 0;
    int err = take_scaled(v->text, sizes, sizeof sizes / sizeof *sizes, &n);

    if (err == -EINVAL) {
        conf_value_fault(v,
                         "%s is not a size; write a whole number of bytes, or with k, M or G "
                         "behind it, such as 64k",
                         conf_quote(&q, v->raw));
    } else if (err || n < v->row->min || n > v->row->max) {
        range_fault(v, conf_size_text(min, v->row->min), conf_size_text(max, v->row->max));
    } else {
        *(uint64_t *)conf_place(v, base) = n;
    }
    return 0;
}

int conf_set_amount(const struct conf_value *v, void *base)
{
    char min[32], max[32];
    struct conf_quoted q;
    uint64_t n = 0;
    int err = take_scaled(v->text, amounts, sizeof amounts / sizeof *amounts, &n);

    if (v->text.n == 0) {
        *(unsigned *)conf_place(v, base) = 0;
    } else if (err == -EINVAL) {
        conf_value_fault(v,
                         "%s is not an amount; write a whole number, or with k for thousands or M "
                         "for millions behind it, such as 100k",
                         conf_quote(&q, v->raw));
    } else if (err || n < v->row->min || n > v->row->max) {
        range_fault(v, conf_amount_text(min, (unsigned)v->row->min),
                    conf_amount_text(max, (unsigned)v->row->max));
    } else {
        *(unsigned *)conf_place(v, base) = (unsigned)n;
    }
    return 0;
}

int conf_set_time(const struct conf_value *v, void *base)
{
    struct conf_quoted q;
    uint64_t n = 0;
    int err = take_scaled(v->text, times, sizeof times / sizeof *times, &n);

    if (err == -EINVAL) {
        conf_value_fault(v,
                         "%s is not a time; write a whole number of seconds, or with ms, s, m or h "
                         "behind it, such as 500ms; 0 is off",
                         conf_quote(&q, v->raw));
    } else if (err || n > v->row->max) {
        range_fault(v, "0 (off)", "366 days");
    } else {
        *(uint64_t *)conf_place(v, base) = n;
    }
    return 0;
}

/* Says which words there are. */
static void word_fault(const struct conf_value *v, const char *const *words)
{
    struct conf_nearest nearest = { .word = v->raw };
    struct conf_quoted q, hint;
    char list[80];
    size_t n = 0;

    for (unsigned i = 0; words[i]; i++) {
        const char *joint = i == 0 ? "" : words[i + 1] ? ", " : " or ";

        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", joint, words[i]);
        conf_nearest_try(&nearest, words[i]);
    }
    conf_value_fault(v, "%s is none of: %s%s", conf_quote(&q, v->raw), list,
                     conf_nearest_hint(&nearest, &hint));
}

/* The place of v among words, or -1 after a message. */
static int which_word(const struct conf_value *v, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (span_eq_nocase(v->text, span_of(words[i])))
            return i;
    word_fault(v, words);
    return -1;
}

int conf_set_bool(const struct conf_value *v, void *base)
{
    static const char *const words[] = {
        "yes", "no", "on", "off", "true", "false", "1", "0", NULL
    };
    int i = which_word(v, words);

    if (i >= 0)
        *(bool *)conf_place(v, base) = i % 2 == 0;
    return 0;
}

int conf_set_choice(const struct conf_value *v, void *base)
{
    int i = which_word(v, v->row->words);

    if (i >= 0)
        *(bool *)conf_place(v, base) = i == 1;
    return 0;
}

int conf_set_level(const struct conf_value *v, void *base)
{
    int i = which_word(v, v->row->words);

    if (i >= 0)
        *(enum conf_log_level *)conf_place(v, base) = (enum conf_log_level)i;
    return 0;
}
