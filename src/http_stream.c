#include "http_stream.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "banned.h"

/* FastCGI 1.0, section 3.3: version, type, request id, content length, padding length, reserved. */
enum {
	RECORD_HEAD = 8,
	RECORD_MAX = 65528,
	TYPE_ABORT = 2,
	TYPE_END = 3,
	TYPE_STDOUT = 6,
	MORE =
	    1, /* our mark in the reserved byte: the piece goes on in the next record */
	KEEP = 4096, /* an empty queue keeps no more */
};

void
http_stream_init(struct http_stream *s, struct http_held held)
{
	*s = (struct http_stream){.held = held};
	buf_init(&s->queue, 0);
}

void
http_stream_free(struct http_stream *s)
{
	buf_free(&s->queue);
}

static void
record_head(const struct http_stream *s, unsigned char ret[RECORD_HEAD], int type,
    size_t len, bool more)
{
	const unsigned char head[RECORD_HEAD] = {1, (unsigned char)type,
	    (unsigned char)(s->held.id >> 8), (unsigned char)s->held.id,
	    (unsigned char)(len >> 8), (unsigned char)len, 0, more ? MORE : 0};

	memcpy(ret, head, RECORD_HEAD);
}

static size_t
record_len(const char *head, bool *ret_more)
{
	const unsigned char *h = (const unsigned char *)head;

	*ret_more = h[7] == MORE;
	return RECORD_HEAD + ((size_t)h[4] << 8 | h[5]);
}

/* n bytes of the queue are gone: remember where inside a record that is. */
static void
advance(struct http_stream *s, size_t n)
{
	size_t at = 0;

	while (!s->held.cgi && at < n) {
		size_t take = n - at;

		if (!s->record_left)
			s->record_left = record_len(s->queue.bytes + at, &s->more);
		take = take < s->record_left ? take : s->record_left;
		s->record_left -= take;
		at += take;
	}
	buf_drop(&s->queue, n);
	if (!s->queue.len && s->queue.alloc > KEEP)
		buf_free(&s->queue);
}

static size_t
flush_queue(struct http_stream *s)
{
	size_t total = 0;

	while (s->queue.len && !s->lost) {
		ssize_t n = write(s->held.fd_out, s->queue.bytes, s->queue.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			s->lost = true;
			break;
		}
		advance(s, (size_t)n);
		total += (size_t)n;
	}
	return total;
}

static void
put_record(struct http_stream *s, int type, const char *bytes, size_t len, bool more)
{
	unsigned char head[RECORD_HEAD];

	record_head(s, head, type, len, more);
	buf_add(&s->queue, head, sizeof(head));
	buf_add(&s->queue, bytes, len);
}

void
http_stream_put(struct http_stream *s, const char *bytes, size_t len)
{
	bool idle = s->queue.len == 0;

	if (s->lost)
		return;
	if (s->held.cgi) {
		buf_add(&s->queue, bytes, len);
	} else {
		for (size_t at = 0; at < len; at += RECORD_MAX) {
			size_t n = len - at < RECORD_MAX ? len - at : RECORD_MAX;

			put_record(s, TYPE_STDOUT, bytes + at, n, at + n < len);
		}
	}
	if (idle)
		flush_queue(s);
}

void
http_stream_head(struct http_stream *s, int status, const struct buf *headers)
{
	struct buf b = {0};

	buf_printf(&b, "Status: %d %s\r\n", status, http_reason(status));
	buf_add(&b, headers->bytes, headers->len);
	buf_adds(&b, "\r\n");
	http_stream_put(s, b.bytes, b.len);
	buf_free(&b);
}

void
http_stream_finish(struct http_stream *s)
{
	static const char complete[8] = {0}; /* status 0, FCGI_REQUEST_COMPLETE */

	if (s->lost || s->held.cgi)
		return;
	put_record(s, TYPE_STDOUT, "", 0, false);
	put_record(s, TYPE_END, complete, sizeof(complete), false);
	flush_queue(s);
}

size_t
http_stream_queued(const struct http_stream *s)
{
	return s->queue.len;
}

void
http_stream_drop(struct http_stream *s)
{
	size_t keep = s->record_left;
	bool more = s->more || !keep; /* the first piece may be begun: it stays */
	const char *end;

	if (s->held.cgi) {
		end =
		    s->queue.len ? memmem(s->queue.bytes, s->queue.len, "\n\n", 2) : NULL;
		keep = end ? (size_t)(end + 2 - s->queue.bytes) : s->queue.len;
	} else {
		while (more && keep < s->queue.len)
			keep += record_len(s->queue.bytes + keep, &more);
	}
	s->queue.len = keep;
}

short
http_stream_events(const struct http_stream *s)
{
	short in = s->held.fd_in >= 0 ? POLLIN | POLLRDHUP : 0;

	return s->queue.len ? (short)(in | POLLOUT) : in;
}

/* The front speaks again only to end: it closes, or sends FCGI_ABORT_REQUEST. */
static void
listen_in(struct http_stream *s)
{
	unsigned char bytes[256];
	ssize_t n = recv(s->held.fd_in, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || (n >= 2 && bytes[1] == TYPE_ABORT))
		s->lost = true;
}

size_t
http_stream_step(struct http_stream *s, short revents)
{
	if (revents & (POLLERR | POLLNVAL) || (revents & POLLHUP && s->held.cgi))
		s->lost = true;
	if (revents & (POLLIN | POLLRDHUP | POLLHUP) && s->held.fd_in >= 0)
		listen_in(s);
	return revents & POLLOUT ? flush_queue(s) : 0;
}
