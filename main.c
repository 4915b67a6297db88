/* Options, the exit code, and the start. Read docs/architecture.md first. */
#include "base/stack.h"
#include "base/text.h"
#include "base/version.h"
#include "net/poller.h"
#include "net/signals.h"
#include "net/tls.h"
#include "net/tls_server.h"
#include "server/healthcheck.h"
#include "server/parent.h"
#include "server/privileges.h"
#include "server/service.h"
#include "server/top.h"
#include "server/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum exit_code {
    EXIT_FINE = 0,
    EXIT_CONFIGURATION = 1,
    EXIT_NETWORK = 2,
    EXIT_RESOURCES = 3, /* files or memory */
};

/* Those with an option of one letter have its name. */
enum mode {
    MODE_RUN,
    MODE_HEALTHCHECK,
    MODE_TOP,
    MODE_TEST = 't',
    MODE_PRINT = 'T',
    MODE_VERSION = 'V',
    MODE_HELP = 'h',
};

static const char help[] =
    "usage: openai-chat-proxy [-c FILE] [-t | -T | -V | -h | --healthcheck]\n"
    "       openai-chat-proxy [-c FILE] --top [-n N] [-d SECONDS]\n"
    "\n"
    "A reverse proxy for POST /v1/chat/completions of the OpenAI API and its like.\n"
    "\n"
    "  -c FILE        configuration; without it ./proxy.ini, then\n"
    "                 /etc/openai-chat-proxy/proxy.ini, then built-in defaults with\n"
    "                 OPENAI_BASE_URL and OPENAI_API_KEY\n"
    "  -t             check the configuration, listen nowhere\n"
    "  -T             print the effective configuration, secrets masked\n"
    "  -V             print versions\n"
    "  -h             print this help\n"
    "  --healthcheck  ask the running instance's /healthz; exit 0 or 1\n"
    "  --top          show what the running instance does, until q is pressed; -n N: as\n"
    "                 N pictures; -d SECONDS: from one to the next, 1\n"
    "\n"
    "signals: TERM and INT finish open streams and end (twice: at once), HUP reloads\n"
    "         the configuration, USR1 opens the log file again\n"
    "exit:    0 fine, 1 configuration, 2 network, 3 files or memory\n";

static enum exit_code complain(enum exit_code code, const char *what, int err)
{
    fprintf(stderr, "openai-chat-proxy: %s: %s\n", what, strerror(-err));
    return code;
}

/* Opens /dev/null in the place of each standard descriptor that is closed: a connection that got
 * its number would be taken for it. Where there is no /dev/null, a socket that goes nowhere. */
static int occupy_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0 &&
            socket(AF_UNIX, SOCK_DGRAM, 0) < 0)
            return -errno;
    return 0;
}

/* Checks c by what other rooms know. */
static void check_values(const struct conf *c, struct conf_errors *e)
{
    settings_check(c, e);
    privileges_check(c, e);
    log_check(c, e);
}

/* The same, and what a start only warns of. */
static void test_values(const struct conf *c, struct conf_errors *e)
{
    check_values(c, e);
    conf_check_loop(c, e);
}

/* Reads the configuration with files, which are the caller's to free if this succeeds. */
static enum exit_code load_configuration(struct conf **c, struct files **files, const char *path,
                                         conf_checker *also)
{
    int err = files_make(files);

    if (!err)
        err = conf_load(c, path, *files, also, stderr);
    if (!err)
        return EXIT_FINE;
    files_free(*files);
    return err == -EINVAL ? EXIT_CONFIGURATION
                          : complain(EXIT_RESOURCES, "cannot read the configuration", err);
}

/* The settings that are made of c are part of its check: they need the CA file, for one. Frees
 * files. */
static enum exit_code make_settings(struct settings **out, struct conf *c, struct files *files)
{
    int err = settings_make(out, c, files, stderr);

    files_free(files);
    stack_wipe();
    if (err == -EINVAL)
        return EXIT_CONFIGURATION;
    return err ? complain(EXIT_RESOURCES, "cannot start", err) : EXIT_FINE;
}

static int serve_alone(struct settings *settings, struct log *log, const struct reload_source *from,
                       struct sockets *sockets)
{
    struct shared shared;
    struct service service = {
        .settings = settings,
        .log = log,
        .from = from,
        .sockets = sockets,
        .shared = &shared,
        .parent = -1,
    };
    int err = shared_make(&shared, 1);

    if (err) {
        settings_release(settings, NULL);
    } else {
        signal(SIGCHLD, SIG_IGN); /* the first process of a container inherits orphans */
        err = service_run(&service);
        service_sum_up(shared.tallies, log);
    }
    shared_free(&shared, 1);
    return err;
}

static int serve(struct settings *settings, struct log *log, const struct reload_source *from,
                 struct sockets *sockets)
{
    struct parent_options options = {
        .settings = settings,
        .log = log,
        .from = from,
        .sockets = sockets,
        .drops = privileges_wanted(settings->conf),
    };

    if (from->alone)
        return serve_alone(settings, log, from, sockets);
    if (options.drops)
        privileges_give_log(settings->conf, log);
    return parent_run(&options);
}

/* True if nothing is wrong with a file or an address, but there is too little of something. */
static bool is_shortage(int err)
{
    return err == -ENOMEM || err == -EMFILE || err == -ENFILE;
}

/* Opens the log and the sockets, and serves. Signals are held until the loop hears them. */
static enum exit_code run(const char *path)
{
    struct reload_source from = { .path = path };
    struct settings *settings;
    struct sockets sockets = { 0 };
    struct log *log = NULL;
    struct files *files;
    struct conf *c;
    enum exit_code code;
    int err;

    signals_hold(true);
    if (privileges_hide())
        return complain(EXIT_RESOURCES, "cannot start", -ENOMEM);
    tls_tickets_start();
    code = load_configuration(&c, &files, path, check_values);
    if (code == EXIT_FINE)
        code = make_settings(&settings, c, files);
    if (code != EXIT_FINE)
        return code;
    signal(SIGPIPE, SIG_IGN);
    err = log_open(&log, c, stderr);
    if (err) {
        code = complain(EXIT_RESOURCES, "cannot start", err);
        goto out;
    }
    log_mask(log, settings->secrets);
    err = sockets_inherit(&sockets, stderr);
    sockets_exposed(&sockets, from.exposed);
    if (err || sockets_check_key(c, from.exposed, stderr)) {
        code = is_shortage(err) ? EXIT_RESOURCES : EXIT_CONFIGURATION;
        goto out;
    }
    from.alone = !parent_needed(c);
    privileges_raise_files(c, log);
    err = sockets_open(&sockets, c, from.alone ? 0 : workers_wanted(c), stderr);
    if (err) {
        code = is_shortage(err) ? EXIT_RESOURCES : EXIT_NETWORK;
        goto out;
    }
    service_announce(settings, log);
    service_announce_sandbox(c, log);
    err = serve(settings, log, &from, &sockets);
    code = err ? complain(EXIT_RESOURCES, "cannot go on", err) : EXIT_FINE;
    settings = NULL;
out:
    sockets_close(&sockets);
    log_close(log);
    settings_release(settings, NULL);
    return code;
}

/* A certificate that clients will not like is no error: they may have been told to. */
static void warn_of_certificates(const struct settings *s)
{
    const struct conf *c = s->conf;
    char why[512];

    for (unsigned i = 0; i < c->server.n_certificates; i++)
        if (settings_warn(s, i, why, sizeof why))
            conf_error(stderr, c, conf_line_of(c, "server", "certificate"), "server", "warning: %s",
                       why);
}

/* Tries everything that can go wrong at the start. The exit code is that of the first thing that
 * would. */
static enum exit_code test(const char *path)
{
    enum exit_code code, log, sockets = EXIT_FINE;
    struct settings *settings;
    struct files *files;
    struct conf *c;
    int err;

    code = load_configuration(&c, &files, path, test_values);
    if (code != EXIT_FINE)
        return code;
    log = log_try(c, stderr) ? EXIT_RESOURCES : EXIT_FINE;
    err = sockets_try(c, stderr);
    if (err)
        sockets = is_shortage(err) ? EXIT_RESOURCES : EXIT_NETWORK;
    code = make_settings(&settings, c, files);
    if (code != EXIT_FINE)
        return code;
    warn_of_certificates(settings);
    conf_warn_tokens(settings->conf, stderr);
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

static enum exit_code print_configuration(const char *path)
{
    struct files *files;
    struct conf *c;
    enum exit_code code = load_configuration(&c, &files, path, NULL);

    if (code != EXIT_FINE)
        return code;
    service_print(c, files, stdout);
    conf_free(c);
    files_free(files);
    return EXIT_FINE;
}

static enum exit_code check_health(const char *path)
{
    struct files *files;
    struct conf *c;
    enum exit_code code = load_configuration(&c, &files, path, NULL);
    int err;

    if (code != EXIT_FINE)
        return code;
    err = healthcheck(c);
    if (err)
        fprintf(stderr, "openai-chat-proxy: /healthz of %s: %s\n", c->server.listen[0].text,
                strerror(-err));
    conf_free(c);
    files_free(files);
    return err ? EXIT_CONFIGURATION : EXIT_FINE;
}

static enum exit_code show_status(const char *path, const struct top_options *options)
{
    struct files *files;
    struct conf *c;
    enum exit_code code = load_configuration(&c, &files, path, NULL);

    if (code != EXIT_FINE)
        return code;
    if (top_run(c, options))
        code = EXIT_CONFIGURATION;
    conf_free(c);
    files_free(files);
    return code;
}

/* Reads the number that an option takes. False after a message. */
static bool take_number(uint64_t *to, char option, const char *text, uint64_t max)
{
    if (text_uint(span_of(text), max, to) && *to > 0)
        return true;
    fprintf(stderr, "openai-chat-proxy: -%c takes a number from 1 to %llu, and not '%s'\n", option,
            (unsigned long long)max, text);
    return false;
}

/* What the command line asks for. */
struct command {
    enum mode mode;
    const char *file; /* NULL: none */
    struct top_options top;
};

/* Takes one option of getopt. False after a message, or for one that is unknown. */
static bool take_option(struct command *c, int option)
{
    switch (option) {
    case 'c':
        c->file = optarg;
        return true;
    case 'd':
        return take_number(&c->top.seconds, 'd', optarg, 3600);
    case 'n':
        return take_number(&c->top.pictures, 'n', optarg, 1000000);
    case '?':
        fputs("try 'openai-chat-proxy -h'\n", stderr);
        return false;
    default:
        c->mode = (enum mode)option;
        return true;
    }
}

/* Reads the command line. False after a message. */
static bool take_options(struct command *c, int argc, char **argv)
{
    static const struct option options[] = {
        { "healthcheck", no_argument, NULL, MODE_HEALTHCHECK },
        { "top", no_argument, NULL, MODE_TOP },
        { "help", no_argument, NULL, MODE_HELP },
        { "version", no_argument, NULL, MODE_VERSION },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while (c->mode != MODE_HELP && c->mode != MODE_VERSION &&
           (option = getopt_long(argc, argv, "c:d:n:tTVh", options, NULL)) != -1)
        if (!take_option(c, option))
            return false;
    if (c->mode == MODE_HELP || c->mode == MODE_VERSION)
        return true;
    if (optind < argc) {
        fprintf(stderr, "openai-chat-proxy: unexpected argument '%s'; try -h\n", argv[optind]);
        return false;
    }
    if (c->mode != MODE_TOP && (c->top.seconds || c->top.pictures))
        fputs("openai-chat-proxy: -n and -d are for --top; try -h\n", stderr);
    return c->mode == MODE_TOP || (!c->top.seconds && !c->top.pictures);
}

int main(int argc, char **argv)
{
    struct command c = { .mode = MODE_RUN };

    if (occupy_standard_descriptors())
        return EXIT_RESOURCES;
    if (!take_options(&c, argc, argv))
        return EXIT_CONFIGURATION;
    switch (c.mode) {
    case MODE_HELP:
        fputs(help, stdout);
        return EXIT_FINE;
    case MODE_VERSION:
        print_version();
        return EXIT_FINE;
    case MODE_TOP:
        return (int)show_status(c.file, &c.top);
    case MODE_TEST:
        return (int)test(c.file);
    case MODE_PRINT:
        return (int)print_configuration(c.file);
    case MODE_HEALTHCHECK:
        return (int)check_health(c.file);
    default:
        return (int)run(c.file);
    }
}
