/* Values that are a day of the calendar (Gregorian, as UTC has it), counted from 1970-01-01. */
#include "base/text.h"
#include "cfg/values.h"

#define FIRST_YEAR 1970

static unsigned days_of_year(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 366 : 365;
}

/* month: from 1. */
static unsigned days_of_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return month == 2 ? days_of_year(year) - 337 : days[month - 1];
}

const char *conf_date_text(char *out, unsigned day)
{
    unsigned year = FIRST_YEAR, month = 1;

    for (; day >= days_of_year(year); year++)
        day -= days_of_year(year);
    for (; day >= days_of_month(year, month); month++)
        day -= days_of_month(year, month);
    snprintf(out, 32, "%04u-%02u-%02u", year, month, day + 1);
    return out;
}

/* Takes n digits, and the character behind them unless it is NUL, off *s. */
static bool take_digits(struct span *s, size_t n, char behind, unsigned *value)
{
    size_t all = n + (behind != '\0');
    uint64_t number;

    if (s->n < all || (behind && s->p[n] != behind) ||
        !text_uint((struct span){ s->p, n }, UINT16_MAX, &number))
        return false;
    *value = (unsigned)number;
    *s = span_skip(*s, all);
    return true;
}

/* Day 0 is none: it stands for no day at all. */
int conf_set_date(const struct conf_value *v, void *base)
{
    unsigned year, month, day, days = 0;
    struct span rest = v->text;
    struct conf_quoted q;

    if (!take_digits(&rest, 4, '-', &year) || !take_digits(&rest, 2, '-', &month) ||
        !take_digits(&rest, 2, '\0', &day) || rest.n > 0 || year <= FIRST_YEAR || month < 1 ||
        month > 12 || day < 1 || day > days_of_month(year, month)) {
        conf_value_fault(v, "%s is not a day of a year from 1971 on; write it as in 2027-01-31",
                         conf_quote(&q, v->raw));
        return 0;
    }
    for (unsigned i = FIRST_YEAR; i < year; i++)
        days += days_of_year(i);
    for (unsigned i = 1; i < month; i++)
        days += days_of_month(year, i);
    *(unsigned *)conf_place(v, base) = days + day - 1;
    return 0;
}
