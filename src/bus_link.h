/*
 * bus_link.h: one connection to Redis that never blocks; the only user of hiredis.
 *
 * Commands are pipelined; each reply calls back in order. The owner polls bus_link_fd() for
 * bus_link_events() and calls bus_link_step(). On any trouble the step returns -1; the owner then calls
 * bus_link_close(), which tells every waiting callback (value NULL), and may connect again. A link owns its
 * socket and buffers; stream or process lifetime. It must never wait and never resolve a name twice.
 * The process must ignore SIGPIPE (bus_open() and bus_live_open() see to it).
 */
#ifndef DAPUR_BUS_LINK_H
#define DAPUR_BUS_LINK_H

#include "base.h"
#include "err.h"

struct bus_options {
	const char *address;  /* unix:/path, host:port, [v6]:port, or none */
	const char *user;     /* "" or NULL: the default user */
	const char *password; /* "" or NULL: none */
	long db;
	long timeout_ms;     /* of one blocking call in total */
	long history_events; /* kept for each tenant */
	long history_s;
};

/* Bytes with their length: one argument of a command. */
struct bus_text {
	const char *s;
	size_t len;
};

#define BUS_TEXT(literal) ((struct bus_text){(literal), sizeof(literal) - 1})
struct bus_text bus_text(const char *s);
/* The decimal text of n, in buffer (24 bytes). */
struct bus_text bus_number(long long n, char buffer[24]);

enum bus_kind {
	BUS_NIL,
	BUS_STRING, /* also a status line */
	BUS_INTEGER,
	BUS_ARRAY,
	BUS_ERROR, /* an error reply; text is Redis's */
};

/* A reply; valid during the callback only. */
struct bus_value {
	enum bus_kind kind;
	const char *text; /* NUL-terminated */
	size_t len;
	long long integer;
	size_t n;          /* elements of an array */
	const void *reply; /* hiredis's own */
};

struct bus_value bus_value_at(const struct bus_value *v, size_t i);

/* v NULL: the connection was lost before the reply. */
typedef void bus_reply_fn(void *arg, const struct bus_value *v);

struct bus_link;

struct bus_link *
bus_link_new(const struct bus_options *o); /* o's texts must outlive it */
void bus_link_free(struct bus_link *l);

/* What is pushed by a subscription goes to fn. Set before connecting. */
void bus_link_on_push(struct bus_link *l, bus_reply_fn *fn, void *arg);

/* Begins to connect and queues AUTH and SELECT. Fails E_UNAVAILABLE. */
int bus_link_connect(struct bus_link *l, struct err *e) MUST_CHECK;
void bus_link_close(struct bus_link *l);
bool bus_link_is_open(const struct bus_link *l);

int bus_link_fd(const struct bus_link *l);       /* -1: closed */
short bus_link_events(const struct bus_link *l); /* for poll() */
/* Does what is ready. Fails E_UNAVAILABLE: close it. Callbacks run inside; they must not close the link. */
int bus_link_step(struct bus_link *l, short revents, struct err *e) MUST_CHECK;

/* Writes what is queued without asking poll() first; of no effect while connecting. Fails E_UNAVAILABLE: close it. */
int bus_link_flush(struct bus_link *l, struct err *e) MUST_CHECK;

/* Queues a command; fn NULL: the reply is dropped. A closed link calls back at once. */
void bus_link_send(struct bus_link *l, const struct bus_text *argv, size_t argc,
    bus_reply_fn *fn, void *arg);
/* Queues a command whose replies come as pushes (SUBSCRIBE and the like). */
void bus_link_send_push(struct bus_link *l, const struct bus_text *argv, size_t argc);
size_t bus_link_waiting(const struct bus_link *l); /* replies that are due */
void
bus_link_forget(struct bus_link *l, const void *arg); /* no callback with arg any more */

#endif
