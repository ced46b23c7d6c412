/*
 * events.c: main of events.fcgi: the feed over HTTP. One process carries many: Server-Sent Events, long polls and JSON
 * pages, over one hub and one Redis connection, without ever waiting for one of them. As a plain CGI it
 * serves one request. SIGTERM tells every stream `reconnect`, spread out, and ends.
 */
#include "base.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "events.h"
#include "prog.h"

#include "banned.h"

enum {
	SPREAD_MS = 5000, /* clients of a restart return within */
	FDS_KEPT = 64,    /* descriptors that are not for streams */
	LINGER_MS = 5000,
	AWAY_POLL_MS = 1000,
	KEEP_MS = 30000, /* a tenant between two long polls */
};

static volatile sig_atomic_t stopping;

static void
on_stop(int sig)
{
	(void)sig;
	stopping = 1;
}

/* --- the loop --- */

enum { LISTEN, FIRST_OF_HUB, FIRST_OF_STREAMS = FIRST_OF_HUB + HUB_FDS };

/* When a stream has to be looked at though nothing is ready. */
static int64_t
deadline_of(const struct stream *s)
{
	if (s->answered || !s->page)
		return s->until_ms;
	/* past its time a page waits only for the feed to catch up, and that wakes the hub */
	return s->wait_until_ms > clock_ms() ? s->wait_until_ms : INT64_MAX;
}

static int
wait_ready(struct server *v, const sigset_t *unblocked)
{
	int64_t deadline = INT64_MAX, wait;
	size_t n = FIRST_OF_STREAMS;
	struct timespec ts;

	if (v->cap_fds < v->n_streams + FIRST_OF_STREAMS) {
		v->cap_fds = (v->n_streams + FIRST_OF_STREAMS) * 2;
		v->fds = xrealloc(v->fds, v->cap_fds * sizeof(*v->fds));
	}
	v->fds[LISTEN] =
	    (struct pollfd){v->next_http && !stopping && v->n_streams < v->max_streams
		    ? STDIN_FILENO
		    : -1,
		POLLIN, 0};
	hub_poll(v->hub, v->fds + FIRST_OF_HUB, &deadline);
	for (const struct stream *s = v->streams; s; s = s->next) {
		int64_t at = deadline_of(s);

		v->fds[n++] =
		    (struct pollfd){s->io.held.fd_out, http_stream_events(&s->io), 0};
		if (at < deadline)
			deadline = at;
	}
	wait = deadline == INT64_MAX ? 3600 * 1000 : deadline - clock_ms();
	wait = wait < 0 ? 0 : wait;
	ts = (struct timespec){wait / 1000, wait % 1000 * 1000000};
	if (ppoll(v->fds, n, &ts, unblocked) >= 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		v->fds[i].revents = 0;
	return errno == EINTR ? 0 : -1;
}

static void
step_streams(struct server *v)
{
	size_t i = FIRST_OF_STREAMS;

	for (struct stream *s = v->streams; s; s = s->next, i++) {
		size_t n = http_stream_step(&s->io, v->fds[i].revents);

		if (n && s->feed)
			feed_drained(s->feed,
			    http_stream_queued(&s->io) <=
				(size_t)v->conf.feed_queue_max / 2,
			    clock_ms());
	}
}

static void
sweep(struct server *v)
{
	struct stream **at = &v->streams, *s;
	int64_t now = clock_ms();

	while ((s = *at)) {
		if (s->page && page_ready(s, now))
			page_send(s);
		if (s->answered && s->feed) {
			feed_close(s->feed);
			s->feed = NULL;
		}
		if (!s->io.lost && !(s->answered && http_stream_queued(&s->io) == 0) &&
		    now < s->until_ms) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		v->n_streams--;
		stream_free(s);
	}
}

/* Every client is told when to come back; waiting pages are sent as they are. */
static void
restart_all(struct server *v)
{
	for (struct stream *s = v->streams; s; s = s->next) {
		long after_ms = (long)randombytes_uniform(SPREAD_MS);
		struct buf b = {0};

		if (s->page) {
			s->wait_until_ms = 0;
			continue;
		}
		if (s->answered || !s->feed)
			continue;
		http_stream_drop(&s->io);
		buf_printf(&b, "retry: %ld\n", after_ms + 500);
		http_stream_put(&s->io, b.bytes, b.len);
		buf_free(&b);
		feed_restart(s->feed, after_ms);
	}
}

static int
run(struct server *v)
{
	int64_t until_ms = INT64_MAX;
	sigset_t stops, none;

	sigemptyset(&none);
	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	sigaddset(&stops, SIGUSR1);
	sigprocmask(SIG_BLOCK, &stops, NULL);
	while (v->next_http || v->streams) {
		if (wait_ready(v, &none) < 0)
			return EXIT_SYSTEM;
		if (stopping && until_ms == INT64_MAX) {
			until_ms = clock_ms() + STOP_MS;
			restart_all(v);
		}
		if (v->fds[LISTEN].revents)
			stream_accept(v);
		else
			step_streams(v);
		hub_step(v->hub, v->fds + FIRST_OF_HUB, clock_ms());
		sweep(v);
		if (stopping && (!v->streams || clock_ms() >= until_ms))
			break;
	}
	return 0;
}

/* --- the program --- */

static const struct prog prog = {
    .name = "events.fcgi",
    .usage = "usage: events.fcgi [-c dapur.conf]\n"
	     "The feed over HTTP, a FastCGI process or a CGI program; see dapur(8).\n",
};

static void
server_close(struct server *v)
{
	struct stream *s, *next;

	for (s = v->streams; s; s = next) {
		next = s->next;
		stream_free(s);
	}
	http_let_go(v->next_http);
	hub_close(v->hub);
	arena_free(&v->arena);
	free(v->fds);
	conf_free(&v->conf);
}

/* As many descriptors as the system allows; the rest of the clients wait in the socket's queue. */
static size_t
most_streams(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return 256;
	l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &l);
	(void)getrlimit(RLIMIT_NOFILE, &l);
	return l.rlim_cur > 2 * FDS_KEPT ? (size_t)l.rlim_cur - FDS_KEPT : FDS_KEPT;
}

int
main(int argc, char **argv)
{
	const char *path = prog_options(&prog, argc, argv);
	const struct sigaction sa = {.sa_handler = on_stop};
	static struct server v;
	int rc;

	if (sodium_init() < 0)
		return EXIT_SYSTEM;
	/* before libfcgi sets its own */
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	prog_settings(&v.conf, "events", path);
	v.max_streams = most_streams();
	v.next_http = http_open();
	feed_hub_options(&v.hub_options, &v.conf, path);
	/* one helper serves all streams here: it may stay, and be asked often */
	v.hub_options.ask.linger_ms = LINGER_MS;
	v.hub_options.away_poll_ms = AWAY_POLL_MS;
	v.hub_options.keep_ms = KEEP_MS;
	v.hub = hub_open(&v.hub_options, clock_ms());
	if (http_is_cgi(v.next_http))
		stream_accept(&v);
	rc = run(&v);
	server_close(&v);
	return rc;
}
