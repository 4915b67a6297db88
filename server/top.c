/* Asking, reading the stream of events, and drawing when it is time. */
#include "server/top.h"
#include "server/question.h"
#include "server/top_draw.h"
#include "server/top_screen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define REQUEST "GET /status/events HTTP/1.0\r\nHost: localhost\r\n\r\n"
#define WAIT_SECONDS 5
#define AGAIN_MS 1000
#define SILENCE_MS 3500 /* then nobody is there any more */
#define EVENT_MAX (128 * 1024)

struct top {
    const struct conf_listen *on;
    struct top_options options;
    struct look look;
    struct question q;
    struct history history;
    bool begun;      /* the head of the answer was read */
    bool lost;       /* nothing comes */
    uint64_t drawn;  /* pictures so far */
    uint64_t due_ms; /* when the next one is due, by the clock of the instance */
    char in[EVENT_MAX];
    size_t in_n;
    char text[DRAW_MAX];
};

/* Tells why nothing can be shown. Returns -1. */
static int complain(const struct top *t, const char *what)
{
    screen_give_back();
    fprintf(stderr, "openai-chat-proxy: %s%s%s\n", t->on ? t->on->text : "", t->on ? ": " : "",
            what);
    return -1;
}

static int draw(struct top *t)
{
    struct out o;

    out_init(&o, t->text, sizeof t->text);
    if (t->look.screen)
        out_put(&o, SPAN("\033[H"));
    else if (t->drawn > 0)
        out_put(&o, SPAN("\n"));
    top_draw(&t->history, &t->look, t->lost, &o);
    if (t->look.screen)
        out_put(&o, SPAN("\033[J"));
    return screen_write(out_span(&o));
}

/* Rates take two pictures; the first is drawn where no other comes, or at once on a terminal. */
static int draw_if_due(struct top *t, bool last)
{
    const struct picture *now = history_last(&t->history);

    if (!last && (now->time_ms < t->due_ms || (!t->look.screen && t->history.n == 1)))
        return 0;
    t->due_ms = now->time_ms + t->options.seconds * 1000 - 99;
    if (draw(t))
        return -1;
    t->drawn++;
    return 0;
}

/* Takes one event. Returns 0, or -1 where nothing can be drawn. */
static int take_event(struct top *t, struct span event)
{
    if (!span_starts(event, SPAN("data: ")) ||
        picture_read(history_place(&t->history), span_skip(event, 6)))
        return 0;
    if (t->history.n > 0 &&
        history_place(&t->history)->uptime_ms < history_last(&t->history)->uptime_ms)
        t->due_ms = 0;
    history_add(&t->history);
    t->lost = false;
    return draw_if_due(t, false);
}

/* Why the instance does not show anything. */
static const char *refusal(struct span head)
{
    if (memmem(head.p, head.n, " 404 ", 5) || memmem(head.p, head.n, " 403 ", 5))
        return "it does not show its status to this machine: name it in [access] admin_addresses, "
               "or add an address with admin to [server] listen";
    if (memmem(head.p, head.n, " 503 ", 5))
        return "too many watch the status at once";
    return "what answers there is not openai-chat-proxy";
}

/* Takes what has come, as far as it is whole. Returns 0, or -1 after a message. */
static int take_input(struct top *t)
{
    struct span rest = { t->in, t->in_n };
    const char *end;

    if (!t->begun && (end = memmem(rest.p, rest.n, "\r\n\r\n", 4))) {
        struct span head = { rest.p, (size_t)(end - rest.p) };

        if (!span_starts(head, SPAN("HTTP/1.1 200 ")))
            return complain(t, refusal((struct span){ head.p, head.n < 20 ? head.n : 20 }));
        t->begun = true;
        rest = span_skip(rest, head.n + 4);
    }
    while (t->begun && (end = memmem(rest.p, rest.n, "\n\n", 2))) {
        struct span event = { rest.p, (size_t)(end - rest.p) };

        if (take_event(t, event))
            return -1;
        rest = span_skip(rest, event.n + 2);
        if (!t->look.screen && t->drawn >= t->options.pictures)
            return 0;
    }
    if (rest.n == sizeof t->in)
        return complain(t, "what answers there is not openai-chat-proxy");
    memmove(t->in, rest.p, rest.n);
    t->in_n = rest.n;
    return 0;
}

/* Reads all that is there. Returns 1, 0 at the end of the connection, or -1 after a message. */
static int read_events(struct top *t)
{
    for (;;) {
        ssize_t n = question_read(&t->q, t->in + t->in_n, sizeof t->in - t->in_n);

        if (n == -EAGAIN)
            return 1;
        if (n <= 0)
            return 0;
        t->in_n += (size_t)n;
        if (take_input(t))
            return -1;
    }
}

static bool is_done(const struct top *t)
{
    return !t->look.screen && t->drawn >= t->options.pictures;
}

/* Waits for the next event, and for the user. Returns 1, 0 if the user has had enough, or -1. */
static int wait_on(struct top *t, int fd, int ms)
{
    switch (screen_wait(fd, ms)) {
    case SCREEN_QUIT:
        return 0;
    case SCREEN_DRAW:
        screen_measure(&t->look);
        return t->history.n > 0 && draw(t) ? -1 : 1;
    default:
        return 1;
    }
}

/* Follows one connection until it ends. Returns 1, 0 if the user has had enough or all is drawn, or
 * -1 after a message. */
static int follow(struct top *t)
{
    uint64_t seen = t->history.n;
    int turns = 0, going;

    for (;;) {
        going = read_events(t);
        if (going < 0 || is_done(t))
            return going < 0 ? -1 : 0;
        if (!going)
            return 1;
        turns = seen == t->history.n ? turns + 1 : 0;
        seen = t->history.n;
        if (turns > SILENCE_MS / 500)
            return 1;
        going = wait_on(t, question_fd(&t->q), 500);
        if (going <= 0)
            return going;
    }
}

/* Nobody answers: a terminal goes on trying, once there was something to see. */
static int tell_loss(struct top *t, int err)
{
    if (!t->look.screen || t->history.n == 0)
        return complain(t, strerror(-err));
    t->lost = true;
    return draw(t);
}

/* Asks again and again. Returns as top_run does. */
static int watch(struct top *t)
{
    for (;;) {
        int err = question_ask(&t->q, t->on, WAIT_SECONDS, SPAN(REQUEST)), going = 1;
        bool first = t->history.n == 0;

        t->begun = false;
        t->in_n = 0;
        if (!err) {
            going = follow(t);
            question_end(&t->q);
        } else if (tell_loss(t, err)) {
            return -1;
        }
        if (going > 0 && first && t->history.n == 0)
            return complain(t, "it has ended the answer before a picture of its status came");
        if (going > 0 && !t->look.screen && t->drawn == 0 && draw_if_due(t, true))
            return -1;
        if (going <= 0 || is_done(t))
            return going < 0 ? -1 : 0;
        going = wait_on(t, -1, AGAIN_MS);
        if (going <= 0)
            return going;
    }
}

/* An address for those who look after the program, or one that might let them in. */
static const struct conf_listen *choose(const struct conf *c)
{
    const struct conf_listen *admin = question_choose(c, true);

    return admin || c->access.n_admins == 0 ? admin : question_choose(c, false);
}

int top_run(const struct conf *c, const struct top_options *o)
{
    struct top *t = calloc(1, sizeof *t);
    int result;

    if (!t) {
        fputs("openai-chat-proxy: no memory\n", stderr);
        return -1;
    }
    t->on = choose(c);
    t->options = *o;
    screen_look(&t->look, o->pictures > 0);
    if (!t->look.screen && o->pictures == 0)
        t->options.pictures = 1;
    if (o->seconds == 0)
        t->options.seconds = 1;
    if (t->on) {
        result = screen_take(&t->look);
        result = result ? complain(t, strerror(-result)) : watch(t);
        screen_give_back();
    } else {
        result = complain(t,
                          "nobody may look at its status: add an address such as 127.0.0.1:8001 "
                          "admin to [server] listen, or name this machine in [access] "
                          "admin_addresses");
    }
    free(t);
    return result;
}
