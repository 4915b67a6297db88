/* One terminal for the whole program: signals know no struct. */
#include "server/top_screen.h"
#include "base/fd.h"
#include "base/span.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define COLUMNS 80
#define ROWS 24
#define SIZE_MAX_SANE 1000

static volatile sig_atomic_t quit, resized, stopped;
static int bell[2] = { -1, -1 }; /* wakes screen_wait */
static struct termios before;
static bool taken, keys, hears; /* keys: standard input is a terminal, too */

static void on_signal(int number)
{
    int err = errno;

    if (number == SIGWINCH)
        resized = 1;
    else if (number == SIGTSTP)
        stopped = 1;
    else
        quit = 1;
    fd_wake(bell[1], 0);
    errno = err;
}

/* The first of the variables of the locale that is set. */
static const char *locale_of(const char *category)
{
    const char *names[] = { "LC_ALL", category, "LANG" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);

        if (value && *value)
            return value;
    }
    return "";
}

static bool is_set(const char *name)
{
    const char *value = getenv(name);

    return value && *value;
}

void screen_look(struct look *look, bool plain)
{
    const char *term = getenv("TERM"), *codes = locale_of("LC_CTYPE");
    bool dumb = !term || !*term || strcmp(term, "dumb") == 0;

    *look = (struct look){ .columns = COLUMNS };
    look->utf8 = strcasestr(codes, "utf-8") || strcasestr(codes, "utf8");
    look->screen = !plain && !dumb && isatty(STDOUT_FILENO);
    look->colour = look->screen && !is_set("NO_COLOR");
    /* The console of Linux has no such characters. */
    look->chinese = look->utf8 && span_starts(span_of(locale_of("LC_MESSAGES")), SPAN("zh")) &&
        !(look->screen && strcmp(term, "linux") == 0);
    screen_measure(look);
}

/* A serial line knows no size, so that the environment may tell it. */
static unsigned size_of(unsigned told, const char *variable, unsigned otherwise)
{
    const char *text = getenv(variable);
    long n = told ? (long)told : text ? strtol(text, NULL, 10) : 0;

    return n > 0 && n <= SIZE_MAX_SANE ? (unsigned)n : otherwise;
}

void screen_measure(struct look *look)
{
    struct winsize size = { 0 };

    if (!look->screen)
        return;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
        size = (struct winsize){ 0 };
    look->columns = size_of(size.ws_col, "COLUMNS", COLUMNS);
    look->rows = size_of(size.ws_row, "LINES", ROWS);
}

int screen_write(struct span text)
{
    while (text.n > 0) {
        ssize_t n = write(STDOUT_FILENO, text.p, text.n);

        if (n < 0 && errno != EINTR)
            return -errno;
        text = span_skip(text, n > 0 ? (size_t)n : 0);
    }
    return 0;
}

static void enter(void)
{
    struct termios now;

    hears = keys = tcgetattr(STDIN_FILENO, &before) == 0;
    if (keys) {
        now = before;
        now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        now.c_cc[VMIN] = 0;
        now.c_cc[VTIME] = 0;
        tcsetattr(STDIN_FILENO, TCSANOW, &now);
    }
    screen_write(SPAN("\033[?1049h\033[?25l\033[H\033[2J"));
    taken = true;
}

void screen_give_back(void)
{
    if (!taken)
        return;
    screen_write(SPAN("\033[0m\033[?25h\033[?1049l"));
    if (keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
    taken = false;
}

int screen_take(const struct look *look)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP };
    struct sigaction a = { .sa_handler = on_signal };
    int err = look->screen ? fd_pipe(bell) : 0;

    if (err || !look->screen)
        return err;
    sigemptyset(&a.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaction(numbers[i], &a, NULL);
    enter();
    return 0;
}

/* Ctrl-Z: the shell gets its terminal, and later the program has it again. */
static void stop(void)
{
    stopped = 0;
    screen_give_back();
    raise(SIGSTOP);
    enter();
}

/* Where there is something to read and nothing comes, the terminal is gone. */
static bool quits_by_key(void)
{
    char c[64];
    ssize_t n = read(STDIN_FILENO, c, sizeof c);

    hears = n > 0;
    return n > 0 && (memchr(c, 'q', (size_t)n) || memchr(c, 'Q', (size_t)n));
}

enum screen_event screen_wait(int fd, int ms)
{
    struct pollfd fds[] = { { .fd = fd, .events = POLLIN },
                            { .fd = bell[0], .events = POLLIN },
                            { .fd = taken && hears ? STDIN_FILENO : -1, .events = POLLIN } };
    bool any = poll(fds, sizeof fds / sizeof fds[0], ms) > 0;
    char rung[64];

    while (any && fds[1].revents && fd_woken(bell[0], rung, sizeof rung) > 0)
        continue;
    if (quit || (any && fds[2].revents && quits_by_key()))
        return SCREEN_QUIT;
    if (stopped) {
        stop();
        return SCREEN_DRAW;
    }
    if (!resized)
        return SCREEN_NOTHING;
    resized = 0;
    return SCREEN_DRAW;
}
