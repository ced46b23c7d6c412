#include "bus_link.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mem.h"

#include "banned.h"

/* Most bytes of one unfinished reply: a page of history is far below; a foreign message must not fill memory. */
#define READ_MAX (16u << 20)
#define READ_LEN 4096
#define SHRINK_AT 1024
#define ARGS_ON_STACK 16
#define HOST_CAP 256

struct waiting {
	bus_reply_fn *fn;
	void *arg;
};

struct bus_link {
	const struct bus_options *o;
	redisContext *c;
	bool connecting;
	char trouble[128]; /* a refused AUTH or SELECT */
	bus_reply_fn *push_fn;
	void *push_arg;
	struct waiting *waiting; /* ring */
	size_t first, n, cap;
	size_t fed; /* bytes given to this reader */
};

struct bus_text
bus_text(const char *s)
{
	return (struct bus_text){s, strlen(s)};
}

struct bus_text
bus_number(long long n, char buffer[24])
{
	int len = snprintf(buffer, 24, "%lld", n);

	return (struct bus_text){buffer, (size_t)len};
}

static struct bus_value
value_of(const redisReply *r)
{
	struct bus_value v = {.kind = BUS_NIL, .reply = r};

	if (!r)
		return v;
	switch (r->type) {
	case REDIS_REPLY_STRING:
	case REDIS_REPLY_STATUS:
	case REDIS_REPLY_ERROR:
		v.kind = r->type == REDIS_REPLY_ERROR ? BUS_ERROR : BUS_STRING;
		v.text = r->str;
		v.len = r->len;
		break;
	case REDIS_REPLY_INTEGER:
		v.kind = BUS_INTEGER;
		v.integer = r->integer;
		break;
	case REDIS_REPLY_ARRAY:
		v.kind = BUS_ARRAY;
		v.n = r->elements;
		break;
	default: /* hiredis's own numbers: NIL, and kinds that RESP2 does not have */
		break;
	}
	return v;
}

struct bus_value
bus_value_at(const struct bus_value *v, size_t i)
{
	const redisReply *r = v->reply;

	if (v->kind != BUS_ARRAY || i >= v->n)
		return (struct bus_value){.kind = BUS_NIL};
	return value_of(r->element[i]);
}

struct bus_link *
bus_link_new(const struct bus_options *o)
{
	struct bus_link *l = xcalloc(1, sizeof(*l));

	l->o = o;
	return l;
}

void
bus_link_free(struct bus_link *l)
{
	if (!l)
		return;
	bus_link_close(l);
	free(l->waiting);
	free(l);
}

void
bus_link_on_push(struct bus_link *l, bus_reply_fn *fn, void *arg)
{
	l->push_fn = fn;
	l->push_arg = arg;
}

static void
wait_for(struct bus_link *l, bus_reply_fn *fn, void *arg)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 8;
		struct waiting *w = xmalloc(cap * sizeof(*w));

		for (size_t i = 0; i < l->n; i++)
			w[i] = l->waiting[(l->first + i) % l->cap];
		free(l->waiting);
		l->waiting = w;
		l->cap = cap;
		l->first = 0;
	}
	l->waiting[(l->first + l->n++) % l->cap] = (struct waiting){fn, arg};
}

static struct waiting
take_waiting(struct bus_link *l)
{
	struct waiting w = l->waiting[l->first];

	l->first = (l->first + 1) % l->cap;
	l->n--;
	return w;
}

/* Opens the socket towards host:port, [v6]:port or a unix path; NULL only when the address is malformed. */
static redisContext *
dial(const char *address)
{
	char host[HOST_CAP];
	const char *colon, *from = address;
	size_t len;
	long port;
	char *end;

	if (strncmp(address, "unix:", 5) == 0)
		return redisConnectUnixNonBlock(address + 5);
	colon = strrchr(address, ':');
	if (!colon)
		return NULL;
	len = (size_t)(colon - address);
	port = strtol(colon + 1, &end, 10);
	if (*end || port < 1 || port > 65535)
		return NULL;
	if (len > 2 && address[0] == '[' && colon[-1] == ']') {
		from++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(host))
		return NULL;
	memcpy(host, from, len);
	host[len] = '\0';
	return redisConnectNonBlock(host, (int)port);
}

static void
on_greeting(void *arg, const struct bus_value *v)
{
	struct bus_link *l = arg;

	if (v && v->kind == BUS_ERROR)
		snprintf(l->trouble, sizeof(l->trouble), "%s", v->text);
}

static void
greet(struct bus_link *l)
{
	const struct bus_options *o = l->o;
	char db[24];

	if (o->password && o->password[0]) {
		struct bus_text auth[3] = {BUS_TEXT("AUTH")};
		size_t n = 1;

		if (o->user && o->user[0])
			auth[n++] = bus_text(o->user);
		auth[n++] = bus_text(o->password);
		bus_link_send(l, auth, n, on_greeting, l);
	}
	if (o->db) {
		struct bus_text select[] = {BUS_TEXT("SELECT"), bus_number(o->db, db)};

		bus_link_send(l, select, 2, on_greeting, l);
	}
}

int
bus_link_connect(struct bus_link *l, struct err *e)
{
	int flags;

	bus_link_close(l);
	l->c = dial(l->o->address);
	if (!l->c)
		return fail_detail(e, E_UNAVAILABLE, "redis: the address is not valid");
	if (l->c->err) {
		(void)fail_detail(e, E_UNAVAILABLE, "redis: %s", l->c->errstr);
		bus_link_close(l);
		return -1;
	}
	flags = fcntl(l->c->fd, F_GETFD);
	if (flags >= 0)
		(void)fcntl(l->c->fd, F_SETFD,
		    flags | FD_CLOEXEC); /* not for the helpers we start */
	l->fed = 0;
	l->connecting = true;
	l->trouble[0] = '\0';
	greet(l);
	return 0;
}

void
bus_link_close(struct bus_link *l)
{
	if (l->c)
		redisFree(l->c);
	l->c = NULL;
	for (size_t due = l->n; due > 0;
	     due--) { /* a callback may queue again: not ours to tell */
		struct waiting w = take_waiting(l);

		if (w.fn)
			w.fn(w.arg, NULL);
	}
}

bool
bus_link_is_open(const struct bus_link *l)
{
	return l->c;
}

int
bus_link_fd(const struct bus_link *l)
{
	return l->c ? l->c->fd : -1;
}

short
bus_link_events(const struct bus_link *l)
{
	if (!l->c)
		return 0;
	/* hiredis never leaves its buffer NULL; an sds keeps its length, but the text length is enough:
	 * a command never begins with a NUL. */
	if (l->connecting || l->c->obuf[0])
		return POLLIN | POLLOUT;
	return POLLIN;
}

static int
finish_connecting(struct bus_link *l, struct err *e)
{
	socklen_t len = sizeof(int);
	int why = 0;

	if (getsockopt(l->c->fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0)
		why = errno;
	if (why)
		return fail_detail(e, E_UNAVAILABLE, "redis: %s", strerror(why));
	l->connecting = false;
	return 0;
}

static void
dispatch(struct bus_link *l, redisReply *r)
{
	struct bus_value v = value_of(r);

	if (l->n > 0) {
		struct waiting w = take_waiting(l);

		if (w.fn)
			w.fn(w.arg, &v);
	} else if (l->push_fn) {
		l->push_fn(l->push_arg, &v);
	}
	freeReplyObject(r);
}

/* redisBufferRead() with a smaller buffer, and not inlined: 16 KiB of stack would count in every stream. */
static int __attribute__((noinline)) read_some(struct bus_link *l, struct err *e)
{
	char bytes[READ_LEN];
	ssize_t n = read(l->c->fd, bytes, sizeof(bytes));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return fail_detail(e, E_UNAVAILABLE, "redis: %s", strerror(errno));
	if (n == 0)
		return fail_detail(e, E_UNAVAILABLE,
		    "redis: the server closed the connection");
	l->fed += (size_t)n;
	if (redisReaderFeed(l->c->reader, bytes, (size_t)n) != REDIS_OK)
		return fail_detail(e, E_UNAVAILABLE, "redis: %s", l->c->reader->errstr);
	return 0;
}

/* A reader keeps what its largest reply needed. An idle one is made anew: a thousand streams wait most of the time. */
static int
shrink(struct bus_link *l, struct err *e)
{
	redisReader *r = l->c->reader;

	if (l->fed < SHRINK_AT || r->ridx != -1 || r->pos != r->len)
		return 0;
	redisReaderFree(r);
	l->fed = 0;
	l->c->reader = redisReaderCreate();
	if (!l->c->reader)
		return fail_detail(e, E_UNAVAILABLE, "redis: out of memory");
	return 0;
}

static int
take_replies(struct bus_link *l, struct err *e)
{
	void *r = NULL;

	if (read_some(l, e) < 0)
		return -1;
	for (;;) {
		if (redisGetReplyFromReader(l->c, &r) != REDIS_OK)
			return fail_detail(e, E_UNAVAILABLE, "redis: %s", l->c->errstr);
		if (!r)
			break;
		dispatch(l, r);
		assert(l->c); /* a callback closed the link under us */
		if (l->trouble[0])
			return fail_detail(e, E_UNAVAILABLE, "redis: %s", l->trouble);
	}
	if (l->c->reader->len > READ_MAX)
		return fail_detail(e, E_UNAVAILABLE, "redis: a reply is too large");
	return shrink(l, e);
}

int
bus_link_flush(struct bus_link *l, struct err *e)
{
	int done;

	if (l->c && !l->connecting && l->c->obuf[0] &&
	    redisBufferWrite(l->c, &done) != REDIS_OK)
		return fail_detail(e, E_UNAVAILABLE, "redis: %s", l->c->errstr);
	return 0;
}

int
bus_link_step(struct bus_link *l, short revents, struct err *e)
{
	if (!l->c || !revents)
		return 0;
	if (l->connecting) {
		if (!(revents & (POLLOUT | POLLERR | POLLHUP)))
			return 0;
		if (finish_connecting(l, e) < 0)
			return -1;
	}
	if (bus_link_flush(l, e) < 0)
		return -1;
	if (revents & (POLLIN | POLLERR | POLLHUP))
		return take_replies(l, e);
	return 0;
}

static void
append(struct bus_link *l, const struct bus_text *argv, size_t argc)
{
	const char *few[ARGS_ON_STACK], **texts = few;
	size_t few_lens[ARGS_ON_STACK], *lens = few_lens;

	assert(argc > 0);
	if (argc > ARGS_ON_STACK) {
		texts = xmalloc(argc * sizeof(*texts));
		lens = xmalloc(argc * sizeof(*lens));
	}
	for (size_t i = 0; i < argc; i++) {
		texts[i] = argv[i].s;
		lens[i] = argv[i].len;
	}
	(void)redisAppendCommandArgv(l->c, (int)argc, texts,
	    lens); /* fails only without memory: then err is set */
	if (argc > ARGS_ON_STACK) {
		free(texts);
		free(lens);
	}
}

void
bus_link_send(struct bus_link *l, const struct bus_text *argv, size_t argc,
    bus_reply_fn *fn, void *arg)
{
	if (!l->c) {
		if (fn)
			fn(arg, NULL);
		return;
	}
	append(l, argv, argc);
	wait_for(l, fn, arg);
}

void
bus_link_send_push(struct bus_link *l, const struct bus_text *argv, size_t argc)
{
	if (l->c)
		append(l, argv, argc);
}

size_t
bus_link_waiting(const struct bus_link *l)
{
	return l->n;
}

void
bus_link_forget(struct bus_link *l, const void *arg)
{
	for (size_t i = 0; i < l->n; i++) {
		struct waiting *w = &l->waiting[(l->first + i) % l->cap];

		if (w->arg == arg)
			w->fn = NULL;
	}
}
