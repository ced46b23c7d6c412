/*
 * ctl.c: main of dapur, the admin CLI: a table of commands, one line of help each.
 */
#include "ctl.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "prog.h"
#include "route.h"

#include "banned.h"

/* A migration may wait for long locks. */
#define OWNER_TIMEOUT_MS 600000

static int
ctl_routes(const struct ctl *c, struct err *e)
{
	const struct route *r;

	(void)c;
	(void)e;
	for (size_t i = 0; (r = route_at(i)); i++)
		printf("%s\t%s\t%s\t%s\t%s\n", http_method_name(r->method), r->path,
		    r->permission == PERM_NONE ? "-" : permission_name(r->permission),
		    r->trpc ? r->trpc : "-", r->summary);
	return 0;
}

static int
ctl_settings(const struct ctl *c, struct err *e)
{
	(void)c;
	(void)e;
	conf_print(stdout);
	return 0;
}

struct command {
	const char *words; /* "tenant add" */
	const char *usage; /* of its arguments */
	int n_args;
	bool needs_conf;
	ctl_fn *run;
	const char *what;
};

static const struct command commands[] = {
    {"migrate", "[--dir=DIR] [--database=CONNINFO]", 0, true, ctl_migrate,
	"bring the schema up to date"},
    {"check-queries", "[--database=CONNINFO]", 0, true, ctl_check_queries,
	"prepare every statement of the programs"},
    {"doctor", "", 0, false, ctl_doctor, "look at this installation, part by part"},
    {"routes", "", 0, false, ctl_routes, "list the actions"},
    {"settings", "", 0, false, ctl_settings, "list the settings with their defaults"},
    {"epoch", "[--new]", 0, true, ctl_epoch, "show the epoch; --new after a restore"},
    {"tenant list", "", 0, true, ctl_tenant_list, "list the kitchens"},
    {"tenant add", "ID NAME [--tier=TIER]", 2, true, ctl_tenant_add, "add a kitchen"},
    {"tenant suspend", "ID", 1, true, ctl_tenant_suspend,
	"close a kitchen's log-ins and feeds"},
    {"tenant resume", "ID", 1, true, ctl_tenant_resume, "open them again"},
    {"user list", "SPPG", 1, true, ctl_user_list, "list a kitchen's people"},
    {"user add", "SPPG EMAIL NAME ROLE", 4, true, ctl_user_add,
	"add a person; the password is a line on stdin"},
    {"user disable", "EMAIL", 1, true, ctl_user_disable, "end a person's access at once"},
    {"user enable", "EMAIL", 1, true, ctl_user_enable, "give it back"},
    {"user role", "EMAIL ROLE", 2, true, ctl_user_role, "change a person's role"},
    {"user password", "EMAIL", 1, true, ctl_user_password,
	"set the password, a line on stdin; ends the sessions"},
    {"session list", "EMAIL", 1, true, ctl_session_list, "list a person's sessions"},
    {"session end", "EMAIL", 1, true, ctl_session_end, "end a person's sessions"},
    {"ask serve", "", 0, true, ctl_ask_serve,
	"answer the streams' questions on stdin (run by them)"},
};

static void
list_commands(FILE *f)
{
	for (size_t i = 0; i < N_ELEMENTS(commands); i++)
		fprintf(f, "  %-14s %-34s %s\n", commands[i].words, commands[i].usage,
		    commands[i].what);
	fputs("\nSettings: -c FILE, else $DAPUR_CONF; see dapur(8), dapur.conf(5).\n", f);
}

/* How many words of argv the command's name takes; 0: it is another one. */
static int
matches(const struct command *cmd, int argc, char **argv)
{
	const char *space = strchr(cmd->words, ' ');
	size_t len = space ? (size_t)(space - cmd->words) : strlen(cmd->words);

	if (argc < 1 || strlen(argv[0]) != len || strncmp(argv[0], cmd->words, len) != 0)
		return 0;
	if (!space)
		return 1;
	return argc > 1 && strcmp(argv[1], space + 1) == 0 ? 2 : 0;
}

static const struct command *
find(struct ctl *c)
{
	for (size_t i = 0; i < N_ELEMENTS(commands); i++) {
		int n = matches(&commands[i], c->argc, c->argv);

		if (!n)
			continue;
		c->argc -= n;
		c->argv += n;
		return &commands[i];
	}
	return NULL;
}

struct db *
ctl_owner_db(const struct ctl *c)
{
	return db_open(&(struct db_options){c->database, "dapur", OWNER_TIMEOUT_MS});
}

static int
run(struct ctl *c, const struct command *cmd)
{
	struct conf conf;
	struct err e;
	int rc;

	err_reset(&e);
	if (cmd->needs_conf) {
		if (conf_load(&conf, c->conf_path, &e) < 0) {
			fprintf(stderr, "dapur: %s\n", e.text);
			return EXIT_USAGE;
		}
		c->conf = &conf;
		log_open("dapur", log_level(conf.log_level));
		if (!c->database)
			c->database =
			    conf.owner_database[0] ? conf.owner_database : conf.database;
	}
	rc = cmd->run(c, &e);
	if (rc < 0)
		fprintf(stderr, "dapur: %s%s%s\n", e.detail[0] ? e.detail : e.text,
		    e.n_fields ? ": " : "", e.n_fields ? e.fields[0].message : "");
	if (cmd->needs_conf)
		conf_free(&conf);
	return rc < 0 ? 1 : rc;
}

int
main(int argc, char **argv)
{
	static struct ctl c = {.dir = PKGDATADIR "/migrations", .tier = "STANDARD"};
	static const struct prog_option options[] = {
	    {"database", &c.database, NULL},
	    {"dir", &c.dir, NULL},
	    {"tier", &c.tier, NULL},
	    {"new", NULL, &c.fresh},
	    {0},
	};
	static const struct prog prog = {
	    .name = "dapur",
	    .usage = "usage: dapur [-c dapur.conf] COMMAND [ARGUMENTS]\n\n",
	    .more = list_commands,
	    .options = options,
	};
	const struct command *cmd;

	c.conf_path = prog_options(&prog, argc, argv);
	c.argc = argc - optind;
	c.argv = argv + optind;
	cmd = find(&c);
	if (!cmd || c.argc != cmd->n_args)
		prog_refuse(&prog);
	if (sodium_init() < 0)
		return EXIT_SYSTEM;
	return run(&c, cmd);
}
