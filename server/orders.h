/* What a parent and its workers say to each other (server/channel.h). */
#ifndef SERVER_ORDERS_H
#define SERVER_ORDERS_H

enum order {
    /* From the parent. */
    ORDER_SOCKET,   /* a socket to listen on after the next ORDER_SETTINGS: its kind and name */
    ORDER_LOG,      /* the file of the log after the next ORDER_SETTINGS */
    ORDER_SETTINGS, /* the files that the configuration is read from (base/files.h) */
    ORDER_RENEW,    /* the files of the certificates (base/files.h); nobody answers it */
    ORDER_REOPEN,   /* the file of the log from now on */
    ORDER_RETIRE,   /* the others go on: drain, and answer nobody else */
    ORDER_DRAIN,
    ORDER_END, /* at once */

    /* From a worker, to ORDER_SETTINGS. */
    REPLY_FOLLOWED,
    REPLY_FAILED, /* the worker drains: the parent starts another in its place */
};

#endif
