#include "ask.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "mem.h"

#include "banned.h"

#define ANSWER_MAX (16u << 20) /* bytes: a page of events is far below */
#define WORDS_MAX 24
#define PAUSE_MS 250 /* after a helper failed: do not start one for each question */

struct question {
	struct question *next;
	ask_fn *fn; /* NULL: forgotten */
	void *arg;
	int64_t until_ms;
	size_t len;
	char text[];
};

struct ask {
	const struct ask_options *o;
	int fd; /* -1: no helper */
	pid_t pid;
	pid_t old_pid; /* a helper that was let go and is not reaped yet */
	struct question *first, **last; /* without an answer, in order */
	struct buf out, in;
	int64_t now_ms;
	int64_t pause_until_ms;
	int64_t idle_since_ms;
};

struct ask *
ask_new(const struct ask_options *o)
{
	struct ask *a = xcalloc(1, sizeof(*a));

	a->o = o;
	a->fd = -1;
	a->last = &a->first;
	buf_init(&a->in, ANSWER_MAX);
	return a;
}

static void
reap(struct ask *a, bool now)
{
	if (!a->old_pid)
		return;
	if (now)
		kill(a->old_pid, SIGKILL);
	if (waitpid(a->old_pid, NULL, now ? 0 : WNOHANG) != 0)
		a->old_pid = 0;
}

/* The helper sees the end of its input and exits; a stuck one is killed. */
static void
let_go(struct ask *a, bool stuck)
{
	if (a->fd < 0)
		return;
	close(a->fd);
	a->fd = -1;
	reap(a, true);
	a->old_pid = a->pid;
	a->pid = 0;
	reap(a, stuck);
	buf_free(&a->out);
	buf_free(&a->in);
}

void
ask_free(struct ask *a)
{
	struct question *q, *next;

	if (!a)
		return;
	let_go(a, false);
	for (q = a->first; q; q = next) {
		next = q->next;
		free(q);
	}
	free(a);
}

/* dapur beside this program, above it (a build tree), or where it is installed. */
static const char *
default_program(char *path, size_t cap)
{
	static const char *const places[] = {"/dapur", "/../dapur"};
	char dir[512];
	ssize_t len = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	char *slash;

	if (len > 0) {
		dir[len] = '\0';
		slash = strrchr(dir, '/');
		if (slash)
			*slash = '\0';
		for (size_t i = 0; i < N_ELEMENTS(places); i++) {
			snprintf(path, cap, "%s%s", dir, places[i]);
			if (access(path, X_OK) == 0)
				return path;
		}
	}
	return BINDIR "/dapur";
}

static int
spawn(struct ask *a, int theirs)
{
	char program[600], *words, *save = NULL;
	const char *argv[WORDS_MAX + 5];
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, pipe;
	size_t n = 0;
	int rc;

	words = xstrdup(a->o->command);
	for (char *w = strtok_r(words, " ", &save); w && n < WORDS_MAX;
	     w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	if (n == 0)
		argv[n++] = default_program(program, sizeof(program));
	if (a->o->conf_path) {
		argv[n++] = "-c";
		argv[n++] = a->o->conf_path;
	}
	argv[n++] = "ask";
	argv[n++] = "serve";
	argv[n] = NULL;
	/* what we block and ignore is not the helper's affair */
	sigemptyset(&none);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &pipe);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, theirs, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, theirs, STDOUT_FILENO);
	rc = posix_spawnp(&a->pid, argv[0], &actions, &attr,
	    (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	free(words);
	return rc == 0 ? 0 : -1;
}

static int
start(struct ask *a)
{
	int pair[2];

	reap(a, true);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	if (fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0 || spawn(a, pair[1]) < 0) {
		close(pair[0]);
		close(pair[1]);
		return -1;
	}
	close(pair[1]);
	a->fd = pair[0];
	a->idle_since_ms = a->now_ms;
	for (const struct question *q = a->first; q; q = q->next)
		buf_add(&a->out, q->text, q->len);
	return 0;
}

static void
answer(struct ask *a, enum ask_result result, const char *text, size_t len)
{
	struct question *q = a->first;

	a->first = q->next;
	if (!a->first)
		a->last = &a->first;
	if (q->fn)
		q->fn(q->arg, result, text, len);
	free(q);
}

/* All that wait now get no answer; what the callbacks ask anew waits for the next helper. */
static void
give_up(struct ask *a, bool stuck)
{
	size_t n = 0;

	let_go(a, stuck);
	if (a->now_ms >= a->pause_until_ms)
		a->pause_until_ms = a->now_ms + PAUSE_MS;
	for (const struct question *q = a->first; q; q = q->next)
		n++;
	while (n-- > 0)
		answer(a, ASK_AWAY, "", 0);
}

/* Takes over what text holds. */
static void
queue(struct ask *a, struct buf *text, ask_fn *fn, void *arg)
{
	struct question *q = xmalloc(sizeof(*q) + text->len);

	q->next = NULL;
	q->fn = fn;
	q->arg = arg;
	q->until_ms = 0; /* set by the next step, which knows the time */
	q->len = text->len;
	memcpy(q->text, text->bytes, text->len);
	*a->last = q;
	a->last = &q->next;
	if (a->fd >= 0)
		buf_add(&a->out, q->text, q->len);
	buf_free(text);
}

void
ask_who(struct ask *a, const char *hash, ask_fn *fn, void *arg)
{
	struct buf b = {0};

	buf_printf(&b, "who\t%s\n", hash);
	queue(a, &b, fn, arg);
}

void
ask_log(struct ask *a, const struct ask_page *p, ask_fn *fn, void *arg)
{
	struct buf b = {0};

	buf_printf(&b, "log\t%s\t%lld\t%ld\n", p->sppg_id, p->after, p->limit);
	queue(a, &b, fn, arg);
}

void
ask_forget(struct ask *a, const void *arg)
{
	for (struct question *q = a->first; q; q = q->next)
		if (q->arg == arg)
			q->fn = NULL;
}

void
ask_poll(const struct ask *a, struct pollfd *ret, int64_t *deadline_ms)
{
	int64_t at = INT64_MAX;

	*ret = (struct pollfd){.fd = a->fd,
	    .events = a->out.len ? POLLIN | POLLOUT : POLLIN};
	if (a->first && !a->first->until_ms)
		at = 0; /* not looked at yet */
	else if (a->first)
		at = a->first->until_ms;
	else if (a->fd >= 0)
		at = a->idle_since_ms + a->o->linger_ms;
	if (a->first && a->fd < 0)
		at = 0;
	if (at < *deadline_ms)
		*deadline_ms = at;
}

/* The result on a line of a dot and at most two digits; false: a line of text. */
static bool
is_end(const char *s, size_t len, enum ask_result *ret)
{
	if (len == 0 || len > 3 || s[0] != '.')
		return false;
	for (size_t i = 1; i < len; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	if (len == 1)
		*ret = ASK_OK;
	else if (len == 2 && s[1] == '1')
		*ret = ASK_NONE;
	else
		*ret = ASK_AWAY;
	return true;
}

/* Gives out each whole answer; false: the helper speaks when it was not asked. */
static bool
take_answers(struct ask *a)
{
	size_t from = 0, at = 0;

	while (at < a->in.len) {
		const char *s = a->in.bytes + at, *lf = memchr(s, '\n', a->in.len - at);
		enum ask_result result;

		if (!lf)
			break;
		if (is_end(s, (size_t)(lf - s), &result)) {
			if (!a->first)
				return false;
			answer(a, result, a->in.bytes + from, at - from);
			from = (size_t)(lf + 1 - a->in.bytes);
		}
		at = (size_t)(lf + 1 - a->in.bytes);
	}
	buf_drop(&a->in, from);
	if (!a->first) {
		buf_free(&a->in); /* a page of history must not stay in every stream */
		a->idle_since_ms = a->now_ms;
	}
	return true;
}

/* Returns false when the helper is lost. */
static bool __attribute__((noinline)) transfer(struct ask *a, short revents)
{
	char bytes[4096];
	ssize_t n;

	if (a->out.len && revents & POLLOUT) {
		n = send(a->fd, a->out.bytes, a->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (n > 0)
			buf_drop(&a->out, (size_t)n);
	}
	if (!(revents & (POLLIN | POLLHUP | POLLERR)))
		return true;
	for (;;) {
		n = recv(a->fd, bytes, sizeof(bytes), 0);
		if (n < 0)
			return (errno == EAGAIN || errno == EINTR) && take_answers(a);
		if (n == 0)
			return false;
		buf_add(&a->in, bytes, (size_t)n);
		if (a->in.overflow)
			return false;
	}
}

void
ask_step(struct ask *a, short revents, int64_t now_ms)
{
	a->now_ms = now_ms;
	reap(a, false);
	if (a->fd >= 0 && revents && !transfer(a, revents)) {
		(void)(a->in.overflow ||
		    take_answers(a)); /* what it said before it went */
		give_up(a, true);
		return;
	}
	for (struct question *q = a->first; q; q = q->next)
		if (!q->until_ms)
			q->until_ms = now_ms + a->o->timeout_ms;
	if (a->first && a->fd < 0 && (now_ms < a->pause_until_ms || start(a) < 0))
		give_up(a, false);
	else if (a->first && now_ms >= a->first->until_ms)
		give_up(a, true);
	else if (!a->first && a->fd >= 0 && now_ms - a->idle_since_ms >= a->o->linger_ms)
		let_go(a, false);
}
