/* Options, signals, and the parts in the order in which they are built and taken down.
 * Knows nothing of requests: those begin in proxy/client.c.
 * Read docs/architecture.md first. */
#include "cfg/conf.h"
#include "net/addr.h"
#include "net/listen.h"
#include "net/poller.h"
#include "net/tls.h"
#include "proxy/healthcheck.h"
#include "proxy/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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
    "signals: TERM and INT finish open streams and end (twice: at once), USR1 opens the log file anew\n"
    "exit:    0 fine, 1 configuration, 2 network, 3 files or memory\n";

/* Signals arrive as bytes in a pipe, so that they are handled in the loop like everything else. */
static int signal_pipe[2] = { -1, -1 };

static void on_signal(int number)
{
    int saved = errno;
    char byte = (char)number;

    if (write(signal_pipe[1], &byte, 1) < 0) {
        /* full: the loop has enough to do already */
    }
    errno = saved;
}

struct signal_watch {
    struct watch watch;
    struct worker *worker;
};

static void act(struct worker *w, int number)
{
    int err;

    if (number == SIGHUP) {
        log_say(w->log, LOG_WARNING_LEVEL, "HUP: this version does not reload its configuration; nothing was changed");
        return;
    }
    if (number != SIGUSR1) {
        worker_drain(w);
        return;
    }
    err = log_reopen(w->log);
    if (err)
        log_say(w->log, LOG_ERROR_LEVEL, "the log file cannot be opened anew: %s", strerror(-err));
}

static void handle_signals(struct watch *w)
{
    struct signal_watch *s = container_of(w, struct signal_watch, watch);
    char bytes[16];
    ssize_t n;

    while ((n = read(w->fd, bytes, sizeof bytes)) > 0)
        for (ssize_t i = 0; i < n; i++)
            act(s->worker, bytes[i]);
    w->ready &= (uint8_t)~READY_READ;
}

static int install_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

    if (pipe(signal_pipe))
        return -errno;
    for (int i = 0; i < 2; i++) {
        fcntl(signal_pipe[i], F_SETFL, O_NONBLOCK);
        fcntl(signal_pipe[i], F_SETFD, FD_CLOEXEC);
    }
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

/* Opens every listen address. Returns how many, or a negative errno after saying which one failed. */
static int open_listeners(const struct conf *c, int *fds)
{
    for (unsigned i = 0; i < c->server.n_listen; i++) {
        const struct conf_listen *l = &c->server.listen[i];
        struct addr a;

        if (!l->is_unix && addr_parse(&a, span_of(l->host)))
            a.port = l->port;
        fds[i] = l->is_unix ? listen_unix(l->host, 0666) : listen_tcp(&a, false);
        if (fds[i] < 0) {
            int err = fds[i];

            fprintf(stderr, "openai-chat-proxy: cannot listen on %s: %s\n", l->text, strerror(-err));
            while (i-- > 0)
                close(fds[i]);
            return err;
        }
    }
    return (int)c->server.n_listen;
}

static void remove_sockets(const struct conf *c)
{
    for (unsigned i = 0; i < c->server.n_listen; i++)
        if (c->server.listen[i].is_unix)
            unlink(c->server.listen[i].host);
}

static int serve(struct worker *w, const struct conf *c, struct log *log)
{
    struct signal_watch signals = { .watch = { .fd = -1, .fn = handle_signals }, .worker = w };
    int err = reactor_add(w->reactor, &signals.watch, signal_pipe[0], false);

    if (err)
        return err;
    reactor_want(w->reactor, &signals.watch, READY_READ);
    if (!c->upstream.tls_verify)
        log_say(log, LOG_WARNING_LEVEL, "tls_verify = no: nobody checks who %s is, and whoever answers gets the keys", c->upstream.base_url.text);
    for (unsigned i = 0; i < c->server.n_listen; i++)
        log_say(log, LOG_INFO_LEVEL, "listening on %s for %s%s%s", c->server.listen[i].text, c->upstream.base_url.text,
                c->upstream.proxy.host ? " through the proxy " : "", c->upstream.proxy.host ? c->upstream.proxy.text : "");
    err = reactor_run(w->reactor);
    reactor_remove(w->reactor, &signals.watch);
    return err;
}

static enum exit_code complain(enum exit_code code, const char *what, int err)
{
    fprintf(stderr, "openai-chat-proxy: %s: %s\n", what, strerror(-err));
    return code;
}

/* Builds the parts and lets them run. c belongs to the settings from here on. */
static enum exit_code run(struct conf *c)
{
    struct settings *settings = NULL;
    struct worker *worker = NULL;
    struct log *log = NULL;
    enum exit_code code = EXIT_FINE;
    int *fds, n, err;

    err = settings_make(&settings, c, stderr);
    if (err == -EINVAL)
        return EXIT_CONFIGURATION;
    if (err)
        return complain(EXIT_RESOURCES, "cannot start", err);
    fds = calloc(c->server.n_listen, sizeof *fds);
    err = fds ? install_signals() : -ENOMEM;
    if (!err)
        err = log_open(&log, c);
    if (err) {
        code = complain(EXIT_RESOURCES, "cannot start", err);
        goto out_settings;
    }
    n = open_listeners(c, fds);
    if (n < 0) {
        code = EXIT_NETWORK;
        goto out_log;
    }
    err = worker_make(&worker, settings, log, fds, (unsigned)n);
    if (!err)
        err = serve(worker, c, log);
    if (err)
        code = complain(EXIT_RESOURCES, "cannot go on", err);
    remove_sockets(c);
    settings_hold(settings);
    worker_free(worker);
    settings_release(settings, NULL);
out_log:
    log_close(log);
out_settings:
    free(fds);
    settings_release(settings, NULL);
    return code;
}

/* What is made of the configuration is part of the check: the CA file, for one. */
static enum exit_code test(struct conf *c)
{
    struct settings *settings;
    int err = settings_make(&settings, c, stderr);

    if (err == -EINVAL)
        return EXIT_CONFIGURATION;
    if (err)
        return complain(EXIT_RESOURCES, "cannot check", err);
    settings_release(settings, NULL);
    puts("configuration OK");
    return EXIT_FINE;
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
    int opt;

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
    if (conf_load(&c, file, stderr))
        return EXIT_CONFIGURATION;
    switch (mode) {
    case MODE_TEST:
        return test(c);
    case MODE_PRINT:
        conf_print(c, stdout);
        break;
    case MODE_HEALTHCHECK:
        return check_health(c);
    case MODE_RUN:
        return run(c);
    }
    conf_free(c);
    return EXIT_FINE;
}
