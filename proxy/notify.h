/* Telling the service manager how things stand (sd_notify(3)), by hand: one datagram to the socket that NOTIFY_SOCKET names.
 * Knows nothing of what the words mean. */
#ifndef PROXY_NOTIFY_H
#define PROXY_NOTIFY_H

/* Sends state, such as "READY=1" or several of these lines; does nothing where nobody wants to be told. */
void notify_send(const char *state);

/* Says that the configuration is being read anew, with the time that the manager wants with it. READY=1 ends it. */
void notify_reloading(void);

#endif
