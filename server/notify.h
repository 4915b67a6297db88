/* Messages to the service manager (sd_notify(3)): a datagram each, to the socket that NOTIFY_SOCKET
 * names. */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

/* Sends state, one or more lines such as "READY=1"; does nothing without NOTIFY_SOCKET. */
void notify_send(const char *state);

/* Sends that a reload begins, with the time that the manager needs. READY=1 ends it. */
void notify_reloading(void);

#endif
