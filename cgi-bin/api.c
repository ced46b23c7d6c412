/*
 * api.c: main of api.fcgi: accept, app_serve(), again. The same binary is a plain CGI.
 */
#include "base.h"

#include <signal.h>
#include <sodium.h>

#include "app.h"
#include "conf.h"
#include "http.h"
#include "prog.h"

#include "banned.h"

static void
on_stop(int sig)
{
	(void)sig;
	http_stop();
}

static const struct prog prog = {
    .name = "api.fcgi",
    .usage = "usage: api.fcgi [-c dapur.conf]\n"
	     "A FastCGI worker or a CGI program; see dapur(8).\n",
};

int
main(int argc, char **argv)
{
	const char *path = prog_options(&prog, argc, argv);
	/* a body that is still coming is read on; accept() finds its socket closed */
	struct sigaction sa = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
	struct arena arena = {NULL, NULL};
	struct http_server *server;
	struct http_request r;
	struct conf conf;
	struct app *app;

	if (sodium_init() < 0)
		return EXIT_SYSTEM;
	/* before libfcgi sets its own: the request in hand is finished, the next is not taken */
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	prog_settings(&conf, "api", path);
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
