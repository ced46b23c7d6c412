#include "http.h"

#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

#include "banned.h"

/* A body that is too large is still read so far: a front that is not heard out reports a broken pipe. */
#define DRAIN_MAX (8u << 20)
/* A front that gave up in the queue leaves a connection without a byte. */
#define FIRST_BYTE_MS 2000

struct http_server {
	bool cgi;
	bool served; /* CGI: the one request was taken */
	time_t opened_s;
	FCGX_Request fcgi;
};

static volatile sig_atomic_t stopping;
static volatile sig_atomic_t listening; /* descriptor 0 is the listening socket */

static enum http_method
method_of(const char *name)
{
	enum http_method m;

	for (m = HTTP_GET; m < HTTP_OTHER; m++)
		if (name && strcmp(http_method_name(m), name) == 0)
			break;
	return m;
}

struct http_server *
http_open(void)
{
	struct http_server *s = xcalloc(1, sizeof(*s));

	s->opened_s = time(NULL);
	FCGX_Init();
	s->cgi = FCGX_IsCGI();
	if (!s->cgi)
		FCGX_InitRequest(&s->fcgi, 0, FCGI_FAIL_ACCEPT_ON_INTR);
	listening = !s->cgi;
	return s;
}

void
http_close(struct http_server *s)
{
	if (!s)
		return;
	if (!s->cgi)
		FCGX_Free(&s->fcgi, 1);
	free(s);
}

bool
http_is_cgi(const struct http_server *s)
{
	return s->cgi;
}

void
http_stop(void)
{
	stopping = 1;
	FCGX_ShutdownPending();
	/* a signal just before accept() would else wait for one more request */
	if (listening)
		close(STDIN_FILENO);
	listening = 0;
}

const char *
http_header(const struct http_request *r, const char *name)
{
	const char *value =
	    FCGX_GetParam(name, r->server->cgi ? environ : r->server->fcgi.envp);

	return value && strlen(value) <= HTTP_HEADER_MAX ? value : NULL;
}

static bool
is_local(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0 ||
	    !address[0] || strncmp(address, "unix", 4) == 0;
}

/* Only the last element was written by the proxy next to us; all before it is the client's word. */
static const char *
client_address(const struct http_request *r, bool trusted_proxy)
{
	const char *peer = http_header(r, "REMOTE_ADDR");
	const char *forwarded = http_header(r, "HTTP_X_FORWARDED_FOR");
	const char *last;

	if (!peer)
		peer = "";
	if (!trusted_proxy || !forwarded || !is_local(peer))
		return peer;
	last = strrchr(forwarded, ',');
	last = last ? last + 1 : forwarded;
	last += strspn(last, " ");
	return last[0] && strspn(last, "0123456789abcdefABCDEF.:") == strlen(last) ? last
										   : peer;
}

/* The web server's own name for the request; its log has it too. */
static const char *
request_id(const struct http_request *r)
{
	static const char *const names[] = {"HTTP_X_REQUEST_ID", "UNIQUE_ID"};
	static const char allowed[] =
	    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_@.";
	static unsigned count;

	for (size_t i = 0; i < N_ELEMENTS(names); i++) {
		const char *id = http_header(r, names[i]);
		size_t len = id ? strlen(id) : 0;

		if (len && len <= 64 && strspn(id, allowed) == len)
			return id;
	}
	return arena_printf(r->arena, "%llx-%lx-%x",
	    (unsigned long long)r->server->opened_s, (unsigned long)getpid(), count++);
}

static void
fill(struct http_request *r, bool trusted_proxy)
{
	const char *host = http_header(r, "HTTP_HOST");
	const char *question;

	r->method = method_of(http_header(r, "REQUEST_METHOD"));
	r->uri = http_header(r, "REQUEST_URI");
	if (!r->uri)
		r->uri = "";
	question = strchr(r->uri, '?');
	r->query = question ? question + 1 : "";
	r->address = client_address(r, trusted_proxy);
	r->request_id = request_id(r);
	r->host = host ? host : "";
	/* a parameter of the front; a client's header would be HTTP_DAPUR_GATE */
	r->gate = !r->server->cgi && http_header(r, "DAPUR_GATE");
}

/*
 * A connection that has something to read, or -1. libfcgi's own accept throws a connection away when a signal comes between
 * accept() and its first byte: a request in hand, lost by a restart.
 */
static int
accept_one(void)
{
	struct pollfd p = {.events = POLLIN};
	int n;

	while (!stopping) {
		p.fd = accept(STDIN_FILENO, NULL, NULL);
		if (p.fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (p.fd < 0)
			return -1;
		(void)setsockopt(p.fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		do
			n = poll(&p, 1, FIRST_BYTE_MS);
		while (n < 0 && errno == EINTR);
		if (n > 0)
			return p.fd;
		close(p.fd);
	}
	return -1;
}

static bool
accept_fcgi(FCGX_Request *fcgi)
{
	/* the list of allowed peers is libfcgi's */
	if (fcgi->ipcFd < 0 && !getenv("FCGI_WEB_SERVER_ADDRS")) {
		fcgi->ipcFd = accept_one();
		if (fcgi->ipcFd < 0)
			return false;
		fcgi->keepConnection = 1; /* else it is closed as one left over */
	}
	return FCGX_Accept_r(fcgi) >= 0;
}

bool
http_accept(struct http_server *s, struct http_request *ret, struct arena *a,
    bool trusted_proxy)
{
	if (stopping || (s->cgi && s->served))
		return false;
	if (!s->cgi && !accept_fcgi(&s->fcgi))
		return false;
	s->served = true;
	*ret = (struct http_request){.server = s, .arena = a, .body = ""};
	fill(ret, trusted_proxy);
	return true;
}

static size_t
read_some(struct http_server *s, char *p, size_t len)
{
	int n;

	if (s->cgi)
		return fread(p, 1, len, stdin);
	n = FCGX_GetStr(p, (int)len, s->fcgi.in);
	return n > 0 ? (size_t)n : 0;
}

static void
drain(struct http_server *s)
{
	char scrap[4096];
	size_t total = 0, n;

	while (total < DRAIN_MAX && (n = read_some(s, scrap, sizeof(scrap))) > 0)
		total += n;
}

int
http_read_body(struct http_request *r, size_t max, struct err *e)
{
	const char *announced = http_header(r, "CONTENT_LENGTH");
	const char *chunked = http_header(r, "HTTP_TRANSFER_ENCODING");
	bool sized = announced && announced[0];
	size_t cap = max, most, len = 0, n;
	char *body;

	if (sized) {
		char *end;
		unsigned long long want = strtoull(announced, &end, 10);

		if (*end || announced[0] == '-')
			return fail(e, E_BAD_JSON, "the Content-Length is not a number");
		if (want > max) {
			drain(r->server);
			return fail(e, E_TOO_LARGE, "the body is larger than %zu bytes",
			    max);
		}
		cap = (size_t)want;
	} else if (!chunked) {
		return 0; /* mod_cgid gives a chunked body without a length; anything else has none */
	}
	/* not a byte more than announced (RFC 3875 section 4.2); without a length one more tells */
	most = sized ? cap : cap + 1;
	body = arena_alloc(r->arena, most + 1);
	while (len < most && (n = read_some(r->server, body + len, most - len)) > 0)
		len += n;
	if (len > cap) {
		drain(r->server);
		return fail(e, E_TOO_LARGE, "the body is larger than %zu bytes", max);
	}
	if (sized && len < cap)
		return fail(e, E_BAD_JSON, "the body ended early");
	body[len] = '\0';
	r->body = body;
	r->body_len = len;
	return 0;
}

/* --- paths --- */

int
http_split_path(const char *uri, const char *base, struct arena *a, struct http_path *ret,
    struct err *e)
{
	size_t base_len = strlen(base), len = strcspn(uri, "?#");
	const char *p = uri + base_len, *end = uri + len;
	struct http_path path = {.n = 0};

	if (len < base_len || strncmp(uri, base, base_len) != 0 || (p < end && *p != '/'))
		return fail(e, E_NOT_FOUND, "there is nothing at this path");
	while (p < end) {
		const char *slash = memchr(p + 1, '/', (size_t)(end - p - 1));
		size_t n = (size_t)((slash ? slash : end) - p - 1);
		char *segment = text_decode(a, p + 1, n, false);

		if (path.n == HTTP_SEGMENTS_MAX || !segment || !segment[0] ||
		    strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0 ||
		    !text_utf8_valid(segment, strlen(segment)))
			return fail(e, E_NOT_FOUND, "there is nothing at this path");
		path.segments[path.n++] = segment;
		p += n + 1;
	}
	*ret = path;
	return 0;
}

/* --- reply --- */

const char *
http_reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {{200, "OK"}, {201, "Created"}, {304, "Not Modified"},
	    {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"},
	    {404, "Not Found"}, {405, "Method Not Allowed"}, {409, "Conflict"},
	    {412, "Precondition Failed"}, {413, "Content Too Large"},
	    {422, "Unprocessable Content"}, {429, "Too Many Requests"},
	    {500, "Internal Server Error"}, {503, "Service Unavailable"}};

	for (size_t i = 0; i < N_ELEMENTS(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Status";
}

static void
put(struct http_server *s, const char *p, size_t len)
{
	if (s->cgi)
		fwrite(p, 1, len, stdout);
	else
		FCGX_PutStr(p, (int)len, s->fcgi.out);
}

void
http_reply(struct http_request *r, int status, const struct buf *headers,
    const char *body, size_t len)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "Status: %d %s\r\n", status,
	    http_reason(status));

	put(r->server, line, (size_t)n);
	put(r->server, headers->bytes, headers->len);
	if (status != 304) {
		n = snprintf(line, sizeof(line), "Content-Length: %zu\r\n", len);
		put(r->server, line, (size_t)n);
	}
	put(r->server, "\r\n", 2);
	if (r->method != HTTP_HEAD && status != 304)
		put(r->server, body, len);
}

void
http_finish(struct http_request *r)
{
	if (r->server->cgi)
		fflush(stdout);
	else
		FCGX_Finish_r(&r->server->fcgi);
}

/* --- many requests at once --- */

struct http_server *
http_open_more(void)
{
	struct http_server *s = xcalloc(1, sizeof(*s));

	s->opened_s = time(NULL);
	FCGX_InitRequest(&s->fcgi, STDIN_FILENO, FCGI_FAIL_ACCEPT_ON_INTR);
	return s;
}

struct http_held
http_hold(struct http_request *r)
{
	struct http_server *s = r->server;
	struct http_held held = {.fd_in = -1, .fd_out = STDOUT_FILENO, .cgi = s->cgi};

	if (!s->cgi) {
		const char *length = http_header(r, "CONTENT_LENGTH");
		bool body = (length && strtoull(length, NULL, 10) > 0) ||
		    http_header(r, "HTTP_TRANSFER_ENCODING");

		/* else the end of its input stays readable and poll() spins; a body is not waited for: it could come slowly */
		if (!body)
			drain(s);
		held.fd_in = held.fd_out = s->fcgi.ipcFd;
		held.id = (unsigned)s->fcgi.requestId;
		/* 8 KiB each, not needed any more */
		FCGX_FreeStream(&s->fcgi.in);
		FCGX_FreeStream(&s->fcgi.out);
		FCGX_FreeStream(&s->fcgi.err);
	}
	if (held.fd_in >= 0) /* not for the helpers we start: they would hold it open */
		(void)fcntl(held.fd_in, F_SETFD, FD_CLOEXEC);
	(void)fcntl(held.fd_out, F_SETFL, fcntl(held.fd_out, F_GETFL) | O_NONBLOCK);
	return held;
}

void
http_let_go(struct http_server *s)
{
	if (!s)
		return;
	if (!s->cgi) {
		if (s->fcgi.ipcFd >= 0)
			close(s->fcgi.ipcFd);
		s->fcgi.ipcFd = -1;
		FCGX_Free(&s->fcgi,
		    0); /* FCGX_Finish_r() may wait two seconds for the front */
	}
	free(s);
}
