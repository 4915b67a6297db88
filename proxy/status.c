/* The page, and the fields that keep a browser from doing more with it. */
#include "proxy/status.h"
#include "proxy/reply.h"
#include "proxy/state.h"
#include "proxy/status_page.h"

/* The hashes are those of the only style and the only script of the page, as it is sent
 * (Content Security Policy 3, 2.3.1): tests/blackbox/test_status.py tells what they have to be. */
#define STYLE "'sha256-/U7BzRMBOBfVRQOnh9cgcStfNYM2IKDkM0J4B+6BiSc='"
#define SCRIPT "'sha256-z0D8d3uSDDtDH0lyhkpfMY/vYMcpWBPZQ2HmD+13How='"
#define POLICY                                                                                     \
    "default-src 'none'; style-src " STYLE "; script-src " SCRIPT                                  \
    "; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "                   \
    "frame-ancestors 'none'"

void status_reply(struct client *c)
{
    struct span page = { (const char *)status_page, status_page_n };
    struct out head;

    reply_begin(c, &head, 200);
    http_put_field(&head, SPAN("Cache-Control"), SPAN("no-store"));
    http_put_field(&head, SPAN("Content-Security-Policy"), SPAN(POLICY));
    http_put_field(&head, SPAN("X-Content-Type-Options"), SPAN("nosniff"));
    http_put_field(&head, SPAN("Referrer-Policy"), SPAN("no-referrer"));
    reply_end_as(c, &head, SPAN("text/html; charset=utf-8"), page);
}
