/*
 * http_stream.h: the bytes of one held request: a reply that goes on, without ever waiting for its reader.
 *
 * Under FastCGI each piece becomes records of its own, written here and not by libfcgi, which cannot be interrupted
 * in the middle of one. What the reader does not take is queued; the owner asks http_stream_queued() before it
 * puts more. Stream lifetime; it owns the queue, not the descriptors.
 */
#ifndef DAPUR_HTTP_STREAM_H
#define DAPUR_HTTP_STREAM_H

#include "base.h"
#include "buf.h"
#include "http.h"

struct http_stream {
	struct http_held held;
	struct buf queue;
	size_t record_left; /* bytes of the record that is half written */
	bool more;          /* and its piece goes on after it */
	bool lost;          /* the front or the client is gone */
};

void http_stream_init(struct http_stream *s, struct http_held held);
void http_stream_free(struct http_stream *s);

/* Status and header lines (each ended by CRLF). */
void http_stream_head(struct http_stream *s, int status, const struct buf *headers);
/* One piece; pieces are never torn by http_stream_drop(). */
void http_stream_put(struct http_stream *s, const char *bytes, size_t len);
/* The end of the reply. */
void http_stream_finish(struct http_stream *s);

size_t http_stream_queued(const struct http_stream *s);
/* Drops queued pieces but one that was begun. */
void http_stream_drop(struct http_stream *s);

/* What to poll fd_in and fd_out for; they may be one. */
short http_stream_events(const struct http_stream *s);
/* Does what is ready; returns how many bytes went out. Look at lost. */
size_t http_stream_step(struct http_stream *s, short revents);

#endif
