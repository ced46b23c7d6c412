/*
 * http.h: one request and one reply, over FastCGI or plain CGI. The only user of libfcgi.
 *
 * FCGX_IsCGI() decides once: under FastCGI the program accepts request after request on descriptor 0, as a CGI it
 * serves one from the environment and stdio (FCGX_Accept does not work there).
 * It parses nothing but the envelope: method, path, headers. Strings live until http_finish().
 */
#ifndef DAPUR_HTTP_H
#define DAPUR_HTTP_H

#include "base.h"
#include "buf.h"
#include "err.h"
#include "http_method.h"
#include "mem.h"

enum {
	HTTP_SEGMENTS_MAX = 8,
	HTTP_HEADER_MAX =
	    8192, /* bytes of one header that we look at, and of a request target */
};

/* The path below the base path, split at '/' and then percent-decoded. */
struct http_path {
	size_t n;
	const char *segments[HTTP_SEGMENTS_MAX];
};

struct http_server;

struct http_request {
	enum http_method method;
	const char *uri;   /* as sent: path and query, undecoded */
	const char *query; /* undecoded, without '?'; "" when there is none */
	const char *address;
	const char *request_id; /* from the web server, else made here */
	const char *host;       /* Host header or SERVER_NAME:PORT */
	bool gate; /* the front asks whether it may let a WebSocket through */
	const char *body;
	size_t body_len;
	struct arena *arena; /* of the request; the owner resets it */
	struct http_server *server;
};

struct http_server *http_open(void);
void http_close(struct http_server *s);
bool http_is_cgi(const struct http_server *s);

/* Asks the accept loop to end after the request in hand (async-signal-safe). */
void http_stop(void);

/*
 * The next request, or false when the program shall end. trusted_proxy: the last X-Forwarded-For element is the
 * client's address when the peer is this machine.
 */
bool http_accept(struct http_server *s, struct http_request *ret, struct arena *a,
    bool trusted_proxy);

/* A request header by its CGI name ("HTTP_COOKIE", "CONTENT_TYPE"); NULL when absent or longer than HTTP_HEADER_MAX. */
const char *http_header(const struct http_request *r, const char *name);

/* Reads the body. Fails E_TOO_LARGE beyond max (the rest is drained up to a bound, so that the front sees the reply), E_BAD_JSON
 * when it ends before its announced length. */
int http_read_body(struct http_request *r, size_t max, struct err *e) MUST_CHECK;

/* Splits uri below base. Fails E_NOT_FOUND: not below base, too many segments, an empty, "." or ".." segment, bad
 * percent encoding, NUL or invalid UTF-8. */
int http_split_path(const char *uri, const char *base, struct arena *a,
    struct http_path *ret, struct err *e) MUST_CHECK;

/* "Not Found" of 404. */
const char *http_reason(int status);

/* The whole reply once: status, header lines (each ended by CRLF), body (left out for HEAD). */
void http_reply(struct http_request *r, int status, const struct buf *headers,
    const char *body, size_t len);

/* Ends the request: the front has its reply. */
void http_finish(struct http_request *r);

/* --- many requests at once, for the feeds --- */

/* One more request beside s, on the same listening socket (not as a CGI). */
struct http_server *http_open_more(void);

/* Where the bytes of a held request go: FastCGI records on fd, or a CGI's plain output. */
struct http_held {
	int fd_in;   /* readable at its end: the client left; -1: not to be watched */
	int fd_out;  /* non-blocking */
	unsigned id; /* FastCGI's request id */
	bool cgi;
};

/* Takes the connection over from libfcgi, which must not write any more: http_reply() and http_finish() are not called.
 * A body is thrown away as it comes. Headers stay readable until http_let_go(), which closes the connection and frees s. */
struct http_held http_hold(struct http_request *r);
void http_let_go(struct http_server *s);

#endif
