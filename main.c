/* Options, and what has to be built before the program serves: in proxy/service.c, or through proxy/parent.c in several processes.
 * Knows nothing of requests: those begin in proxy/client.c.
 * Read docs/architecture.md first. */
#include "net/poller.h"
#include "net/signals.h"
#include "net/tls.h"
#include "proxy/healthcheck.h"
#include "proxy/parent.h"
#include "proxy/privileges.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef OCP_VERSION
#define OCP_VERSION "unknown"
#endif

enum exit_code {
    EXIT_FINE = 0,
    EXIT_CONFIGURATION = 1,
    EXIT_NETWORK = 2,
    EXIT_RESOURCES = 3,         /* files or memory */
};

enum mode {
    MODE_RUN,
    MODE_TEST,
    MODE_PRINT,
    MODE_HEALTHCHECK,
};

static const char help[] =
    "usage: openai-chat-proxy [-c FILE] [-t | -T | -V | -h | --healthcheck]\n"
    "\n"
    "A reverse proxy for POST /v1/chat/completions of the OpenAI API and its like.\n"
    "\n"
    "  -c FILE        configuration; without it ./proxy.ini, then\n"
    "                 /etc/openai-chat-proxy/proxy.ini, then built-in defaults with\n"
    "                 OPENAI_BASE_URL and OPENAI_API_KEY\n"
    "  -t             check the configuration and bind nothing\n"
    "  -T             print the effective configuration, secrets masked\n"
    "  -V             print versions\n"
    "  -h             print this help\n"
    "  --healthcheck  ask the running instance's /healthz; exit 0 or 1\n"
    "\n"
    "signals: TERM and INT finish open streams and end (twice: at once), HUP reads the\n"
    "         configuration anew, USR1 opens the log file anew\n"
    "exit:    0 fine, 1 configuration, 2 network, 3 files or memory\n";

static enum exit_code complain(enum exit_code code, const char *what, int err)
{
    fprintf(stderr, "openai-chat-proxy: %s: %s\n", what, strerror(-err));
    return code;
}

/* What other rooms know to be wrong with a configuration. */
static void check_values(const struct conf *c, struct conf_errors *e)
{
    settings_check(c, e);
    privileges_check(c, e);
    log_check(c, e);
}

/* What is made of the configuration is part of its check: the CA file, for one. */
static enum exit_code make_settings(struct settings **out, struct conf *c)
{
    int err = settings_make(out, c, stderr);

    if (err == -EINVAL)
        return EXIT_CONFIGURATION;
    return err ? complain(EXIT_RESOURCES, "cannot start", err) : EXIT_FINE;
}

/* The sockets of one process, or of n: those that all accept from, and for each worker its own. */
static int open_sockets(const struct conf *c, struct sockets *shared, struct sockets *own, unsigned n)
{
    int err;

    if (sockets_inherited(shared) && !sockets_named(c))
        return 0;
    err = sockets_open(shared, NULL, c, n > 1 ? SOCKETS_LOCAL : SOCKETS_LOCAL | SOCKETS_TCP, stderr);
    for (unsigned i = 0; i < n && own && !err; i++)
        err = sockets_open(&own[i], shared, c, SOCKETS_TCP, stderr);
    return err;
}

static enum exit_code serve(struct settings *settings, struct log *log, const struct reload_source *from, struct sockets *shared, struct sockets *own)
{
    struct counters counters = { 0 };
    struct service service = {
        .settings = settings, .log = log, .from = from, .sockets = shared, .counters = &counters, .lifeline = -1,
    };
    struct parent_options options = { .settings = settings, .log = log, .from = from, .shared = shared, .own = own };
    bool is_worker = false;
    int err;

    if (own) {
        err = parent_run(&options, &is_worker);
    } else {
        signal(SIGCHLD, SIG_IGN);       /* the first process of a container inherits orphans */
        err = service_run(&service);
        service_sum_up(&counters, log);
    }
    return err ? EXIT_RESOURCES : EXIT_FINE;
}

/* Builds what has to be there before the process becomes who it is to be, and lets it run. Signals wait until the loop can hear them: whoever sees the
 * process may send it one. */
static enum exit_code run(struct conf *c, const char *path)
{
    struct settings *settings;
    struct sockets shared = { 0 }, *own = NULL;
    struct log *log = NULL;
    unsigned n = parent_workers(c);
    struct reload_source from = { .path = path };
    enum exit_code code;
    int err;

    signals_hold(true);
    code = make_settings(&settings, c);
    if (code != EXIT_FINE)
        return code;
    signal(SIGPIPE, SIG_IGN);
    err = log_open(&log, c, stderr);
    if (!err && n > 1)
        own = calloc(n, sizeof *own);
    if (!err && n > 1 && !own)
        err = -ENOMEM;
    if (err) {
        code = complain(EXIT_RESOURCES, "cannot start", err);
        goto out;
    }
    log_mask(log, settings->secrets);
    err = sockets_inherit(&shared, stderr);
    sockets_exposed(&shared, from.exposed);
    if (err || sockets_check_key(c, from.exposed, stderr)) {
        code = EXIT_CONFIGURATION;
        goto out;
    }
    privileges_raise_files(c, log);
    if (open_sockets(c, &shared, own, n)) {
        code = EXIT_NETWORK;
        goto out;
    }
    err = privileges_drop(c, log);
    if (err) {
        code = complain(EXIT_RESOURCES, "cannot become the user", err);
        goto out;
    }
    service_announce(c, log);
    code = serve(settings, log, &from, &shared, own);
    settings = NULL;
out:
    sockets_close(&shared);
    for (unsigned i = 0; i < n && own; i++)
        sockets_close(&own[i]);
    free(own);
    log_close(log);
    settings_release(settings, NULL);
    return code;
}

/* Everything that could go wrong at the start is tried; the exit code is that of the first thing that would. */
static enum exit_code test(struct conf *c)
{
    enum exit_code log = log_try(c, stderr) ? EXIT_RESOURCES : EXIT_FINE, sockets = sockets_try(c, stderr) ? EXIT_NETWORK : EXIT_FINE;
    struct settings *settings;
    enum exit_code code = make_settings(&settings, c);

    if (code != EXIT_FINE)
        return code;
    settings_release(settings, NULL);
    code = log != EXIT_FINE ? log : sockets;
    if (code == EXIT_FINE)
        puts("configuration OK");
    return code;
}

static void print_version(void)
{
    printf("openai-chat-proxy %s\n%s, inih, %s\n", OCP_VERSION, tls_library(), poller_name);
}

static enum exit_code check_health(struct conf *c)
{
    int err = healthcheck(c);

    if (err)
        fprintf(stderr, "openai-chat-proxy: /healthz of %s: %s\n", c->server.listen[0].text, strerror(-err));
    conf_free(c);
    return err ? EXIT_CONFIGURATION : EXIT_FINE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "healthcheck", no_argument, NULL, 'H' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    const char *file = NULL;
    enum mode mode = MODE_RUN;
    struct conf *c;
    int opt, err;

    while ((opt = getopt_long(argc, argv, "c:tTVh", options, NULL)) != -1) {
        switch (opt) {
        case 'c':
            file = optarg;
            break;
        case 't':
            mode = MODE_TEST;
            break;
        case 'T':
            mode = MODE_PRINT;
            break;
        case 'H':
            mode = MODE_HEALTHCHECK;
            break;
        case 'V':
            print_version();
            return EXIT_FINE;
        case 'h':
            fputs(help, stdout);
            return EXIT_FINE;
        default:
            fputs("try 'openai-chat-proxy -h'\n", stderr);
            return EXIT_CONFIGURATION;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "openai-chat-proxy: unexpected argument '%s'; try -h\n", argv[optind]);
        return EXIT_CONFIGURATION;
    }
    err = conf_load(&c, file, mode == MODE_RUN || mode == MODE_TEST ? check_values : NULL, stderr);
    if (err)
        return err == -EINVAL ? EXIT_CONFIGURATION : complain(EXIT_RESOURCES, "cannot read the configuration", err);
    switch (mode) {
    case MODE_TEST:
        return test(c);
    case MODE_PRINT:
        conf_print(c, stdout);
        break;
    case MODE_HEALTHCHECK:
        return check_health(c);
    case MODE_RUN:
        return run(c, file);
    }
    conf_free(c);
    return EXIT_FINE;
}
