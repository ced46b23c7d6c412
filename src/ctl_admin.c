/*
 * ctl_admin.c: kitchens, people, sessions and the epoch. What takes access away reaches the open feeds at once.
 */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "log.h"
#include "password.h"

#include "banned.h"

enum { HASHES_MAX = 4096 };

/* Runs one statement as the owner. *ret_tx must be ended by the caller. */
static int
run(struct db *db, struct db_tx *ret_tx, enum query q, struct db_params params,
    struct db_rows *ret, struct err *e)
{
	db_begin(db, ret_tx, (struct db_call){Q_COUNT, NO_PARAMS}, Q_COUNT);
	return db_run_last(ret_tx, q, params, ret, e);
}

/* Prints the rows of a statement, members joined by TAB. */
static int
print(const struct ctl *c, enum query q, struct db_params params, int n_cols,
    struct err *e)
{
	struct db *db = ctl_owner_db(c);
	struct db_rows rows;
	struct db_tx tx;
	int rc = run(db, &tx, q, params, &rows, e);

	for (size_t i = 0; rc == 0 && i < db_n_rows(&rows); i++)
		for (int k = 0; k < n_cols; k++)
			printf("%s%c", db_text(&rows, i, k),
			    k + 1 < n_cols ? '\t' : '\n');
	db_end(&tx);
	db_close(db);
	return rc;
}

static int
change(const struct ctl *c, enum query q, struct db_params params, struct err *e)
{
	struct db *db = ctl_owner_db(c);
	struct db_rows rows;
	struct db_tx tx;
	int rc = run(db, &tx, q, params, &rows, e);

	db_end(&tx);
	db_close(db);
	return rc;
}

/* Tells the open feeds of these sessions; hashes are separated by spaces. */
static void
revoke(const struct ctl *c, const char *sppg_id, char *hashes)
{
	const char *list[HASHES_MAX];
	struct bus *bus = bus_open(&(struct bus_options){
	    .address = c->conf->redis,
	    .user = c->conf->redis_user,
	    .password = c->conf->redis_password,
	    .db = c->conf->redis_db,
	    .timeout_ms = c->conf->redis_timeout_ms,
	});
	size_t n = 0;
	struct err e;

	err_reset(&e);
	for (char *h = strsep(&hashes, " "); h && n < HASHES_MAX;
	     h = strsep(&hashes, " "))
		list[n++] = h;
	if (bus_session_drop(bus, sppg_id, list, n, &e) < 0)
		fprintf(stderr,
		    "dapur: redis did not hear it (%s); open feeds end when the relay tells it\n",
		    e.detail);
	bus_close(bus);
}

/* A statement whose rows are sppg_id and hashes. who: for the message when there is none. */
static int
change_and_revoke(const struct ctl *c, enum query q, struct db_params params,
    const char *who, struct err *e)
{
	struct db *db = ctl_owner_db(c);
	struct db_rows rows;
	struct db_tx tx;
	int rc = run(db, &tx, q, params, &rows, e);

	if (rc == 0 && db_n_rows(&rows) == 0)
		rc = fail(e, E_NOT_FOUND, "there is no \"%s\"", who);
	if (rc == 0 && db_text(&rows, 0, 1)) {
		char *hashes = strdup(db_text(&rows, 0, 1));

		revoke(c, db_text(&rows, 0, 0), hashes);
		free(hashes);
	}
	db_end(&tx);
	db_close(db);
	return rc;
}

/* Reads a password's line from stdin and hashes it. */
static int
read_password(char ret_hash[PASSWORD_HASH_MAX], struct err *e)
{
	char line[PASSWORD_MAX + 2];
	size_t len;

	if (!fgets(line, sizeof(line), stdin))
		return fail(e, E_INVALID, "expected the password as a line on stdin");
	len = strcspn(line, "\r\n");
	if (len == sizeof(line) - 1)
		return fail(e, E_INVALID, "the password is longer than %d bytes",
		    PASSWORD_MAX);
	if (len < 8)
		return fail(e, E_INVALID, "the password must have at least 8 characters");
	line[len] = '\0';
	password_hash(ret_hash, line);
	return 0;
}

int
ctl_epoch(const struct ctl *c, struct err *e)
{
	return print(c, c->fresh ? Q_ADMIN_EPOCH_NEW : Q_ADMIN_EPOCH, NO_PARAMS, 1, e);
}

int
ctl_tenant_list(const struct ctl *c, struct err *e)
{
	return print(c, Q_ADMIN_TENANT_LIST, NO_PARAMS, 6, e);
}

int
ctl_tenant_add(const struct ctl *c, struct err *e)
{
	return change(c, Q_ADMIN_TENANT_ADD, PARAMS(c->argv[0], c->argv[1], c->tier), e);
}

int
ctl_tenant_suspend(const struct ctl *c, struct err *e)
{
	return change_and_revoke(c, Q_ADMIN_TENANT_STATUS,
	    PARAMS(c->argv[0], "SUSPENDED"), c->argv[0], e);
}

int
ctl_tenant_resume(const struct ctl *c, struct err *e)
{
	return change_and_revoke(c, Q_ADMIN_TENANT_STATUS, PARAMS(c->argv[0], "ACTIVE"),
	    c->argv[0], e);
}

int
ctl_user_list(const struct ctl *c, struct err *e)
{
	return print(c, Q_ADMIN_USER_LIST, PARAMS(c->argv[0]), 4, e);
}

int
ctl_user_add(const struct ctl *c, struct err *e)
{
	char hash[PASSWORD_HASH_MAX];

	if (read_password(hash, e) < 0)
		return -1;
	return change(c, Q_ADMIN_USER_ADD,
	    PARAMS(c->argv[0], c->argv[1], c->argv[2], c->argv[3], hash), e);
}

int
ctl_user_disable(const struct ctl *c, struct err *e)
{
	return change_and_revoke(c, Q_ADMIN_USER_ACTIVE, PARAMS(c->argv[0], "false"),
	    c->argv[0], e);
}

int
ctl_user_enable(const struct ctl *c, struct err *e)
{
	return change_and_revoke(c, Q_ADMIN_USER_ACTIVE, PARAMS(c->argv[0], "true"),
	    c->argv[0], e);
}

int
ctl_user_role(const struct ctl *c, struct err *e)
{
	return change_and_revoke(c, Q_ADMIN_USER_ROLE, PARAMS(c->argv[0], c->argv[1]),
	    c->argv[0], e);
}

int
ctl_user_password(const struct ctl *c, struct err *e)
{
	char hash[PASSWORD_HASH_MAX];

	if (read_password(hash, e) < 0)
		return -1;
	return change_and_revoke(c, Q_ADMIN_USER_PASSWORD, PARAMS(c->argv[0], hash),
	    c->argv[0], e);
}

int
ctl_session_list(const struct ctl *c, struct err *e)
{
	return print(c, Q_ADMIN_SESSION_LIST, PARAMS(c->argv[0]), 4, e);
}

int
ctl_session_end(const struct ctl *c, struct err *e)
{
	return change_and_revoke(c, Q_ADMIN_SESSION_END, PARAMS(c->argv[0]), c->argv[0],
	    e);
}
