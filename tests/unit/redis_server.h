/*
 * redis_server.h: a private Redis for a test: its own directory and unix socket, ended by its pid.
 *
 * Included by one test program each. A missing redis-server skips the program (exit 77), and fails it when CI is set.
 */
#ifndef DAPUR_TEST_REDIS_SERVER_H
#define DAPUR_TEST_REDIS_SERVER_H

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct redis_server {
	char dir[64];
	char socket[80];
	char address[96];
	pid_t pid;
};

static inline void
test_sleep_ms(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&ts, NULL);
}

static inline int
redis_server_answers(const struct redis_server *r)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char reply[16];
	ssize_t n = -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path, r->socket, strlen(r->socket) + 1);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	    write(fd, "PING\r\n", 6) == 6)
		n = read(fd, reply, sizeof(reply));
	close(fd);
	return n > 0 && reply[0] == '+';
}

static inline void
redis_server_start(struct redis_server *r)
{
	if (!r->dir[0]) {
		snprintf(r->dir, sizeof(r->dir), "/tmp/dapur-unit-XXXXXX");
		if (!mkdtemp(r->dir)) {
			perror("mkdtemp");
			exit(1);
		}
		snprintf(r->socket, sizeof(r->socket), "%s/s", r->dir);
		snprintf(r->address, sizeof(r->address), "unix:%s", r->socket);
	}
	r->pid = fork();
	if (r->pid == 0) {
		if (!freopen("/dev/null", "w", stdout))
			_exit(127);
		execlp("redis-server", "redis-server", "--port", "0", "--unixsocket",
		    r->socket, "--save", "", "--dir", r->dir, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 500 && !redis_server_answers(r); i++) {
		int status;

		if (waitpid(r->pid, &status, WNOHANG) == r->pid) {
			fprintf(stderr, "redis-server is not there\n");
			rmdir(r->dir);
			exit(getenv("CI") ? 1 : 77);
		}
		test_sleep_ms(10);
	}
}

static inline void
redis_server_kill(struct redis_server *r)
{
	kill(r->pid, SIGCONT);
	kill(r->pid, SIGKILL);
	waitpid(r->pid, NULL, 0);
	unlink(r->socket);
}

static inline void
redis_server_end(struct redis_server *r)
{
	redis_server_kill(r);
	rmdir(r->dir);
}

#endif
