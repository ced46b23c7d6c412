/*
 * api.c: main of api.fcgi: accept, app_serve(), again. The same binary is a plain CGI.
 */
#include "base.h"

#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app.h"
#include "conf.h"
#include "http.h"
#include "log.h"

#include "banned.h"

static void
on_stop(int sig)
{
	(void)sig;
	http_stop();
}

static const char *
options(int argc, char **argv)
{
	const char *path = NULL;
	int opt;

	while ((opt = getopt(argc, argv, "c:hV")) != -1) {
		switch (opt) {
		case 'c':
			path = optarg;
			break;
		case 'V':
			puts("api.fcgi " PACKAGE_VERSION);
			_exit(fflush(stdout));
		default:
			fputs(
			    "usage: api.fcgi [-c dapur.conf]\nA FastCGI worker or a CGI program; see dapur(8).\n",
			    opt == 'h' ? stdout : stderr);
			fflush(stdout);
			_exit(opt == 'h' ? 0 : EXIT_USAGE);
		}
	}
	return path;
}

int
main(int argc, char **argv)
{
	const char *path = options(argc, argv);
	/* a body that is still coming is read on; accept() finds its socket closed */
	struct sigaction sa = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
	struct arena arena = {NULL, NULL};
	struct http_server *server;
	struct http_request r;
	struct conf conf;
	struct app *app;
	struct err e;

	err_reset(&e);
	if (sodium_init() < 0)
		return EXIT_SYSTEM;
	/* before libfcgi sets its own: the request in hand is finished, the next is not taken */
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	if (conf_load(&conf, path, &e) < 0) {
		log_event(LOG_ERROR, "settings", "detail", e.text, NULL);
		return EXIT_USAGE;
	}
	log_open("api", log_level(conf.log_level));
	server = http_open();
	app = app_open(&conf, !http_is_cgi(server));
	if (!http_is_cgi(server))
		app_warm(app);
	while (http_accept(server, &r, &arena, conf.trusted_proxy)) {
		app_serve(app, &r);
		http_finish(&r);
		arena_reset(&arena);
	}
	app_close(app);
	http_close(server);
	arena_free(&arena);
	conf_free(&conf);
	return 0;
}
