/* The server side of PostgreSQL's protocol 3.0, as far as a pipeline needs it. */
#include "fake_pg.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"

static struct fake_pg_page *page;
static char dir[32], path[80], conninfo[160];
static pid_t pid;
static int listening;

/* A client's message: its type, then its bytes (startup messages have no type). */
struct message {
	char type;
	size_t len;
	char bytes[65536];
};

static bool
read_all(int fd, void *p, size_t len)
{
	for (size_t n = 0; n < len;) {
		ssize_t got = read(fd, (char *)p + n, len - n);

		if (got <= 0)
			return false;
		n += (size_t)got;
	}
	return true;
}

static bool
read_message(int fd, struct message *m, bool typed)
{
	unsigned char size[4];

	m->type = 0;
	if ((typed && !read_all(fd, &m->type, 1)) || !read_all(fd, size, 4))
		return false;
	m->len = ((size_t)size[0] << 24 | (size_t)size[1] << 16 | (size_t)size[2] << 8 |
		     size[3]) -
	    4;
	assert(m->len < sizeof(m->bytes));
	if (!read_all(fd, m->bytes, m->len))
		return false;
	m->bytes[m->len] = '\0';
	return true;
}

static void
put(struct buf *out, char type, const void *bytes, size_t len)
{
	size_t n = len + 4;
	char head[5] = {type, (char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};

	buf_add(out, head, sizeof(head));
	buf_add(out, bytes, len);
}

static void
put_error(struct buf *out, const char *severity, const char *state,
    const char *constraint, const char *message)
{
	struct buf b = {0};

	buf_printf(&b, "S%s%cV%s%cC%s%cM%s%c", severity, 0, severity, 0, state, 0,
	    message, 0);
	if (constraint[0])
		buf_printf(&b, "n%s%c", constraint, 0);
	buf_addc(&b, '\0');
	put(out, 'E', b.bytes, b.len);
	buf_free(&b);
}

static void
note(const char *word)
{
	size_t len = strlen(page->journal);

	snprintf(page->journal + len, sizeof(page->journal) - len, "%s ", word);
}

static void
greet(struct buf *out)
{
	static const char encoding[] = "client_encoding\0UTF8";
	static const char version[] = "server_version\0"
				      "15.0";

	put(out, 'R', "\0\0\0\0", 4);
	put(out, 'S', encoding, sizeof(encoding));
	put(out, 'S', version, sizeof(version));
	put(out, 'K', "\0\0\0\1\0\0\0\2", 8);
	put(out, 'Z', "I", 1);
}

/* A session's state: transaction status, what the portal is, whether the batch has failed. */
struct session {
	int fd;
	char status;  /* I T E */
	char sql[64]; /* of the statement without a name */
	char portal[64];
	bool failed;
	struct buf out;
};

static void
execute(struct session *s)
{
	static const char row[] = {0, 1, 0, 0, 0, 3, 'o', 'n', 'e'};

	note(s->portal);
	if (page->times > 0 && strcmp(s->portal, page->statement) == 0) {
		page->times--;
		s->failed = true;
		if (s->status == 'T')
			s->status = 'E';
		put_error(&s->out, "ERROR", page->state, page->constraint, page->message);
		return;
	}
	if (strcmp(s->portal, "BEGIN") == 0)
		s->status = 'T';
	else if (strcmp(s->portal, "COMMIT") == 0 || strcmp(s->portal, "ROLLBACK") == 0)
		s->status = 'I';
	else
		put(&s->out, 'D', row, sizeof(row));
	put(&s->out, 'C', "SELECT 1", 9);
}

static void
describe(struct session *s)
{
	static const char columns[] =
	    "\0\1c\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0";

	if (strcmp(s->portal, "BEGIN") == 0 || strcmp(s->portal, "COMMIT") == 0 ||
	    strcmp(s->portal, "ROLLBACK") == 0)
		put(&s->out, 'n', "", 0);
	else
		put(&s->out, 'T', columns, sizeof(columns));
}

static void
take(struct session *s, const struct message *m)
{
	const char *second = m->bytes + strlen(m->bytes) + 1;

	if (s->failed && m->type != 'S')
		return;
	switch (m->type) {
	case 'P':
		if (!m->bytes[0])
			snprintf(s->sql, sizeof(s->sql), "%s", second);
		else
			page->n_prepared++;
		put(&s->out, '1', "", 0);
		break;
	case 'B':
		snprintf(s->portal, sizeof(s->portal), "%s", *second ? second : s->sql);
		put(&s->out, '2', "", 0);
		break;
	case 'D':
		describe(s);
		break;
	case 'E':
		execute(s);
		break;
	case 'S':
		note(";");
		s->failed = false;
		put(&s->out, 'Z', &s->status, 1);
		break;
	default:
		break;
	}
}

/* One connection, until it ends. */
static void
serve(int fd)
{
	static struct message m;
	struct session s = {.fd = fd, .status = 'I'};
	bool bye; /* looked at before the answer that lets the test go on */

	if (!read_message(fd, &m, false))
		return;
	page->n_connections++;
	greet(&s.out);
	do {
		if (s.out.len && write(fd, s.out.bytes, s.out.len) != (ssize_t)s.out.len)
			break;
		buf_reset(&s.out);
		while (read_message(fd, &m, true) && m.type != 'X') {
			if (page->mood == PG_SILENT)
				continue;
			if (page->mood == PG_HANG_UP && m.type == 'E')
				goto out;
			take(&s, &m);
			if (m.type == 'S' || m.type == 'H')
				break;
		}
		bye = page->mood == PG_BYE && m.type == 'S';
		if (bye)
			put_error(&s.out, "FATAL", "57P01", "", "terminating connection");
		if (bye && write(fd, s.out.bytes, s.out.len) < 0)
			break;
	} while (!bye && (m.type == 'S' || m.type == 'H'));
out:
	buf_free(&s.out);
}

static void
run(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int fd = accept(listening, NULL, NULL);

		if (fd < 0)
			_exit(0);
		serve(fd);
		close(fd);
	}
}

struct fake_pg_page *
fake_pg_start(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert(page != MAP_FAILED);
	snprintf(dir, sizeof(dir), "/tmp/dapur-pg-XXXXXX");
	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof(path), "%s/.s.PGSQL.5432", dir);
	snprintf(conninfo, sizeof(conninfo),
	    "host=%s port=5432 user=u dbname=d sslmode=disable", dir);
	memcpy(a.sun_path, path, strlen(path) + 1);
	listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listening, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(listening, 8) < 0)
		abort();
	pid = fork();
	if (pid == 0)
		run();
	return page;
}

void
fake_pg_stop(void)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(listening);
	unlink(path);
	rmdir(dir);
	munmap(page, sizeof(*page));
	page = NULL;
}

const char *
fake_pg_conninfo(void)
{
	return conninfo;
}
