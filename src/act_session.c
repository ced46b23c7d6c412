/*
 * act_session.c: log in, who am I, log out.
 */
#include "act.h"

#include <ctype.h>
#include <string.h>

#include "password.h"

#include "banned.h"

static const struct field login_fields[] = {
    {"email", IN_BODY, FIELD_TEXT, FIELD_REQUIRED, 3, 254, NULL, NULL},
    {"password", IN_BODY, FIELD_TEXT, FIELD_REQUIRED, 1, PASSWORD_MAX, NULL, NULL},
    {0},
};

static const char *
lower(struct arena *a, const char *s)
{
	char *copy = arena_strdup(a, s);

	for (char *p = copy; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return copy;
}

static int
session_create(struct action *a, struct err *e)
{
	const char *email = lower(a->arena, input_text(a->in, "email"));
	const char *password = input_text(a->in, "password");
	char *token = arena_alloc(a->arena, WHO_TOKEN_LEN + 1);
	char *hash = arena_alloc(a->arena, WHO_HASH_HEX + 1);
	char fresh[PASSWORD_HASH_MAX];
	const char *stored, *line, *new_hash = NULL;
	struct db_rows account, rows;

	if (db_run(a->tx, Q_SESSION_TRY,
		PARAMS(email, a->address,
		    arena_printf(a->arena, "%ld", a->site->login_tries),
		    arena_printf(a->arena, "%ld", a->site->login_tries_address)),
		&account, e) < 0)
		return -1;
	if (db_number(&account, 0, 0) > 0) {
		e->retry_after_s = (unsigned)db_number(&account, 0, 0);
		return fail(e, E_TOO_MANY_REQUESTS,
		    "too many tries to log in; wait and try again");
	}
	stored = db_text(&account, 0, 3);
	if (!password_verify(stored, password))
		return fail(e, E_UNAUTHORIZED, "the email or the password is wrong");
	if (password_outdated(stored)) {
		password_hash(fresh, password);
		new_hash = fresh;
	}
	who_token_new(token, hash);
	db_queue(a->tx,
	    (struct db_call){Q_SESSION_DONE,
		PARAMS(email, a->address, db_text(&account, 0, 1),
		    db_text(&account, 0, 2), hash,
		    arena_printf(a->arena, "%ld", a->site->session_hours), a->user_agent,
		    new_hash)});
	if (db_run(a->tx, Q_SESSION_LINE, PARAMS(hash), &rows, e) < 0)
		return -1;
	line = db_text(&rows, 0, 0);
	if (!line) /* disabled in this very moment */
		return fail(e, E_UNAUTHORIZED, NULL);
	a->answer.status = 201;
	a->answer.data = who_json(line, db_len(&rows, 0, 0), &a->answer.data_len);
	a->answer.cookie = token;
	a->answer.session_hash = hash; /* the streams open next */
	a->answer.session_line = line;
	return 0;
}

static int
session_get(struct action *a, struct err *e)
{
	(void)e;
	a->answer.data = a->session_json;
	a->answer.data_len = a->session_json_len;
	return 0;
}

static const struct field logout_fields[] = {
    {"all", IN_QUERY, FIELD_BOOL, 0, 0, 0, NULL, NULL},
    {0},
};

static int
session_delete(struct action *a, struct err *e)
{
	const char *all = input_text(a->in, "all");
	struct db_rows rows;
	const char **hashes;

	if (db_run_last(a->tx, Q_SESSION_END,
		PARAMS(a->session_hash, all ? all : "false"), &rows, e) < 0)
		return -1;
	a->answer.n_ended = db_n_rows(&rows);
	hashes = arena_alloc(a->arena, (a->answer.n_ended + 1) * sizeof(*hashes));
	for (size_t i = 0; i < a->answer.n_ended; i++)
		hashes[i] = db_text(&rows, i, 0);
	a->answer.ended = hashes;
	a->answer.cookie = "";
	a->answer.data = arena_printf(a->arena, "{\"ended\":%zu}", a->answer.n_ended);
	a->answer.data_len = strlen(a->answer.data);
	return 0;
}

const struct route act_session[] = {
    {HTTP_POST, "/session", PERM_NONE, TX_NONE, login_fields, session_create,
	"session.create", "log in"},
    {HTTP_GET, "/session", PERM_ANY, TX_SESSION, NULL, session_get, "session.get",
	"who am I, with permissions"},
    {HTTP_DELETE, "/session", PERM_ANY, TX_WRITE, logout_fields, session_delete,
	"session.delete", "log out; all=1: everywhere"},
    {0},
};
