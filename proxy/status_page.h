/* proxy/status.html without its indentation and comments, as scripts/embed-page makes C of it. */
#ifndef PROXY_STATUS_PAGE_H
#define PROXY_STATUS_PAGE_H

extern const unsigned char status_page[];
extern const unsigned int status_page_n;

#endif
