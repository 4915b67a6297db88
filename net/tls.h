/* What the program can say of the TLS library without opening a connection. */
#ifndef NET_TLS_H
#define NET_TLS_H

/* The name and version of the library that is linked, such as "mbed TLS 3.6.4". */
const char *tls_library(void);

#endif
