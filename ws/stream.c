/*
 * dapur-stream: one WebSocket client of the feed, run by websocketd: a line of stdout is a message to the client,
 * a line of stdin one from it. It ends at once when stdin ends, or on SIGTERM or SIGINT (their default);
 * SIGHUP, before a planned restart, sends `reconnect` first. It never blocks on stdout: what the client does not read is
 * queued up to feed_queue_max. A process per connection, so it links and holds as little as it can.
 */
#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "conf.h"
#include "feed.h"
#include "log.h"
#include "prog.h"

#include "banned.h"

#define FLUSH_MS 2000   /* for the last frame to leave */
#define SPREAD_MS 5000  /* clients of a restart return within */
#define SMALL 4096      /* an empty queue keeps no more */
#define LAST_FRAMES 512 /* room beside the queue for a heartbeat or the last word */

struct stream {
	struct conf conf;
	struct hub *hub;
	struct feed *feed;
	struct buf out; /* not written yet */
	bool mid_line;  /* out begins inside a line */
	struct buf in;  /* a line that has not ended yet */
	bool ended;     /* the last frame is in out */
	bool gone;      /* nobody is there any more */
	int64_t flush_by_ms;
	struct err e; /* not on the stack: pages touched there stay */
};

static volatile sig_atomic_t restarting;

static void
on_hup(int sig)
{
	(void)sig;
	restarting = 1;
}

/* Writes what is queued, as far as it goes. */
static void
flush_out(struct stream *s)
{
	while (s->out.len) {
		ssize_t n = write(STDOUT_FILENO, s->out.bytes, s->out.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			s->gone = true;
			return;
		}
		s->mid_line = s->out.bytes[n - 1] != '\n';
		buf_drop(&s->out, (size_t)n);
		if (s->feed)
			feed_drained(s->feed,
			    s->out.len <= (size_t)s->conf.feed_queue_max / 2, clock_ms());
	}
	if (!s->out.len && s->out.alloc > SMALL)
		buf_free(&s->out);
}

/* Keeps of the queue only the rest of a line that was begun, so that the last frame gets through. */
static void
drop_queue(struct stream *s)
{
	const char *lf =
	    s->mid_line && s->out.len ? memchr(s->out.bytes, '\n', s->out.len) : NULL;

	s->out.len = lf ? (size_t)(lf + 1 - s->out.bytes) : 0;
}

static bool
sink_write(void *arg, const struct feed_frame *f)
{
	struct stream *s = arg;
	struct iovec v[2] = {{(void *)(uintptr_t)f->text, f->len},
	    {(void *)(uintptr_t) "\n", 1}};
	size_t room =
	    (size_t)s->conf.feed_queue_max + (f->kind == FEED_EVENT ? 0 : LAST_FRAMES);
	size_t done = 0;
	ssize_t n;

	if (s->out.len == 0) {
		n = writev(STDOUT_FILENO, v, 2);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			s->gone = true;
		done = n > 0 ? (size_t)n : 0;
		if (done == f->len + 1)
			return true;
		s->mid_line = done > 0;
	} else if (f->kind == FEED_RECONNECT || f->kind == FEED_DISCONNECT) {
		drop_queue(s);
	} else if (s->out.len + f->len + 1 > room) {
		return false;
	}
	if (done < f->len)
		buf_add(&s->out, f->text + done, f->len - done);
	buf_addc(&s->out, '\n');
	return true;
}

static void
sink_end(void *arg)
{
	struct stream *s = arg;

	s->ended = true;
	s->flush_by_ms = clock_ms() + FLUSH_MS;
}

static const struct feed_sink sink = {.write = sink_write, .end = sink_end};

static void
too_long(struct stream *s)
{
	(void)fail(&s->e, E_TOO_LARGE, "the line is too long");
	feed_refuse(&sink, s, &s->e);
}

/* Takes one read's worth from the client; ends with stdin. Not inlined: its bytes would deepen every other call. */
static void __attribute__((noinline)) read_in(struct stream *s)
{
	char bytes[4096], *p = bytes, *lf;
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		s->gone = true;
	if (s->gone || s->ended)
		return; /* drained, so that websocketd is not held up */
	while ((lf = memchr(p, '\n', (size_t)(bytes + n - p)))) {
		if (s->in.len == 0) {
			feed_hear(s->feed, p, (size_t)(lf - p));
		} else {
			buf_add(&s->in, p, (size_t)(lf - p));
			if (!s->in.overflow)
				feed_hear(s->feed, s->in.bytes, s->in.len);
		}
		if (s->in.overflow) {
			too_long(s);
			return;
		}
		buf_free(&s->in);
		p = lf + 1;
	}
	buf_add(&s->in, p, (size_t)(bytes + n - p));
	if (s->in.overflow)
		too_long(s);
}

static void
run(struct stream *s)
{
	enum { IN, OUT, FIRST_OF_HUB };
	struct pollfd fds[FIRST_OF_HUB + HUB_FDS];
	sigset_t hup, none;

	sigemptyset(&none);
	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	sigprocmask(SIG_BLOCK, &hup, NULL);
	while (!s->gone && (!s->ended || (s->out.len && clock_ms() < s->flush_by_ms))) {
		int64_t deadline = s->ended ? s->flush_by_ms : INT64_MAX, wait;
		struct timespec ts;
		int n;

		fds[IN] = (struct pollfd){STDIN_FILENO, POLLIN, 0};
		fds[OUT] = (struct pollfd){s->out.len ? STDOUT_FILENO : -1, POLLOUT, 0};
		hub_poll(s->hub, fds + FIRST_OF_HUB, &deadline);
		wait = deadline == INT64_MAX ? 3600 * 1000 : deadline - clock_ms();
		wait = wait < 0 ? 0 : wait;
		ts = (struct timespec){wait / 1000, wait % 1000 * 1000000};
		n = ppoll(fds, N_ELEMENTS(fds), &ts, &none);
		if (n == 0)
			malloc_trim(
			    0); /* a heartbeat is due: time to give back what bursts left */
		if (n < 0) {
			if (errno != EINTR)
				exit(EXIT_SYSTEM);
			for (size_t i = 0; i < N_ELEMENTS(fds); i++)
				fds[i].revents = 0;
		}
		if (restarting && s->feed) {
			restarting = 0;
			feed_restart(s->feed, clock_ms() * getpid() % SPREAD_MS);
		}
		if (fds[IN].revents)
			read_in(s);
		if (fds[OUT].revents)
			flush_out(s);
		if (!s->ended && !s->gone)
			hub_step(s->hub, fds + FIRST_OF_HUB, clock_ms());
	}
}

/* host[:port] that the client named; websocketd splits the Host header. */
static void
own_host(char *ret, size_t cap)
{
	const char *name = getenv("SERVER_NAME"), *port = getenv("SERVER_PORT");

	snprintf(ret, cap, "%s%s%s", name ? name : "", port && *port ? ":" : "",
	    port ? port : "");
}

static void
open_feed(struct stream *s, const struct hub_options *o)
{
	char host[300], after[POSITION_CAP], topics[128];
	struct feed_env env = {
	    .cookie = getenv("HTTP_COOKIE"),
	    .authorization = getenv("HTTP_AUTHORIZATION"),
	    .origin = getenv("HTTP_ORIGIN"),
	    .query = getenv("QUERY_STRING"),
	    .host = host,
	    .needs_origin = true,
	};
	struct feed_request request = {.after = after, .topics = topics};

	own_host(host, sizeof(host));
	s->hub = hub_open(o, clock_ms());
	if (feed_claim(&request.claim, &s->conf, &env, time(NULL), &s->e) < 0) {
		log_event(LOG_INFO, "refused", "code", err_info(s->e.code)->name, NULL);
		feed_refuse(&sink, s, &s->e);
		return;
	}
	feed_after(after, env.query);
	if (!feed_param(env.query, "topics", topics, sizeof(topics)))
		topics[0] = '\0';
	s->feed = feed_open(s->hub, &s->conf, &request, &sink, s);
}

static void
load_conf(struct stream *s, const char *path)
{
	if (conf_load(&s->conf, path, &s->e) == 0)
		return;
	log_event(LOG_ERROR, "settings", "detail", s->e.text, NULL);
	(void)fail(&s->e, E_UNAVAILABLE, NULL);
	s->conf.feed_queue_max = SMALL;
	feed_refuse(&sink, s, &s->e);
	exit(EXIT_SYSTEM);
}

static const struct prog prog = {
    .name = "dapur-stream",
    .usage =
	"usage: dapur-stream [-c FILE] [-h] [-V]\n"
	"One WebSocket client of the feed; run by websocketd. See dapur-stream(8).\n",
};

int
main(int argc, char **argv)
{
	static struct stream s;
	const char *path = prog_options(&prog, argc, argv);
	struct hub_options o;

	mallopt(M_TRIM_THRESHOLD,
	    4096); /* a burst's memory goes back at once: a thousand streams hear it */
	mallopt(M_TOP_PAD, 0);
	mallopt(M_MMAP_THRESHOLD, 8192);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGHUP, &(struct sigaction){.sa_handler = on_hup}, NULL);
	log_open("stream", LOG_INFO);
	(void)fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
	load_conf(&s, path);
	buf_init(&s.in, (size_t)s.conf.feed_line_max);
	feed_hub_options(&o, &s.conf, path);
	open_feed(&s, &o);
	run(&s);
	feed_close(s.feed);
	hub_close(s.hub);
	buf_free(&s.in);
	buf_free(&s.out);
	conf_free(&s.conf);
	return 0;
}
