/* Any bytes as proxy.ini: they load or are refused, and what loads is printed and loads again.
 * Knows nothing of what is right; the rules are in tests/unit/test_cfg_*.c.
 * Words that lead somewhere are in the files under proxy.ini.example and tests/unit/test_cfg_keys.c. */
#include "cfg/conf.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* False if the text may name files or variables, or if a value may hold what only a variable can bring in. */
static bool harmless(const uint8_t *data, size_t n)
{
    return !memmem(data, n, "file:", 5) && !memmem(data, n, "${", 2) && !memmem(data, n, "ca_file", 7);
}

static struct conf *load(const void *data, size_t n, FILE *errors)
{
    struct conf *c = NULL;
    FILE *in = fmemopen((void *)(uintptr_t)data, n, "r");
    if (!in)
        return NULL;
    int rc = conf_load_stream(&c, in, "fuzz.ini", errors);
    fclose(in);
    if ((rc == 0) != (c != NULL))
        abort();
    return c;
}

/* What was in force must load again, but for the secrets: several clients have the same key now. */
static void print_and_reload(const struct conf *c, FILE *errors)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        return;
    conf_print(c, to);
    fclose(to);
    struct conf *again = c->n_keys > 1 ? NULL : load(text, size, errors);
    if (!again && c->n_keys <= 1)
        abort();
    conf_free(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *said = NULL;
    size_t size = 0;
    if (n == 0 || !harmless(data, n))
        return 0;
    FILE *errors = open_memstream(&said, &size);
    if (!errors)
        return 0;
    struct conf *c = load(data, n, errors);
    fflush(errors);
    if (!c && size == 0)
        abort();
    if (c)
        print_and_reload(c, errors);
    conf_free(c);
    fclose(errors);
    free(said);
    return 0;
}
