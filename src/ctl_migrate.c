/*
 * ctl_migrate.c: forward-only migrations, each in one transaction under one lock, known by its hash.
 */
#include "ctl.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

#include "banned.h"

#define FILE_MAX ((size_t)4 << 20)

static int
is_migration(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return len > 9 && strspn(d->d_name, "0123456789") == 4 && d->d_name[4] == '_' &&
	    strcmp(d->d_name + len - 4, ".sql") == 0;
}

static int
read_file(const char *dir, const char *name, struct buf *ret, struct err *e)
{
	char path[1024], chunk[8192];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	if (!f)
		return fail(e, E_INTERNAL, "%s: %s", path, strerror(errno));
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(ret, chunk, n);
	fclose(f);
	return ret->overflow ? fail(e, E_INTERNAL, "%s is too large", path) : 0;
}

/* Applies one file unless it was. Returns 1 when it was applied now. */
static int
apply(struct db *db, const char *name, const struct buf *sql, struct err *e)
{
	unsigned char digest[crypto_hash_sha256_BYTES];
	char hash[2 * sizeof(digest) + 1];
	struct db_rows rows;
	struct db_tx tx;
	int rc = -1;

	crypto_hash_sha256(digest, (const unsigned char *)sql->bytes, sql->len);
	sodium_bin2hex(hash, sizeof(hash), digest, sizeof(digest));
	db_begin(db, &tx, (struct db_call){Q_COUNT, NO_PARAMS}, Q_COUNT);
	if (db_run(&tx, Q_MIGRATE_LOCK, NO_PARAMS, &rows, e) < 0 ||
	    db_run(&tx, Q_MIGRATE_FIND, PARAMS(name), &rows, e) < 0)
		goto out;
	if (db_n_rows(&rows)) {
		rc = strcmp(db_text(&rows, 0, 0), hash) == 0
		    ? 0
		    : fail(e, E_CONFLICT,
			  "%s was applied with another content; write a new migration instead",
			  name);
		goto out;
	}
	if (db_script(db, sql->bytes, e) < 0) {
		char why[ERR_DETAIL];

		snprintf(why, sizeof(why), "%s", e->detail);
		(void)fail_detail(e, E_INTERNAL, "%s: %s", name, why);
		goto out;
	}
	if (db_run_last(&tx, Q_MIGRATE_NOTE, PARAMS(name, hash), &rows, e) < 0)
		goto out;
	rc = 1;
out:
	db_end(&tx);
	return rc;
}

static int
set_up(struct db *db, struct err *e)
{
	struct db_rows rows;
	struct db_tx tx;
	int rc;

	db_begin(db, &tx, (struct db_call){Q_COUNT, NO_PARAMS}, Q_COUNT);
	rc = db_run(&tx, Q_MIGRATE_LOCK, NO_PARAMS, &rows, e);
	if (rc == 0)
		rc = db_run(&tx, Q_MIGRATE_SCHEMA, NO_PARAMS, &rows, e);
	if (rc == 0)
		rc = db_run_last(&tx, Q_MIGRATE_TABLE, NO_PARAMS, &rows, e);
	db_end(&tx);
	return rc;
}

int
ctl_migrate(const struct ctl *c, struct err *e)
{
	struct dirent **names = NULL;
	struct db *db = ctl_owner_db(c);
	int n = scandir(c->dir, &names, is_migration, alphasort);
	int rc = n > 0 ? set_up(db, e)
		       : fail(e, E_INTERNAL, "%s: no migrations are there", c->dir);

	for (int i = 0; i < n; i++) {
		struct buf sql;

		buf_init(&sql, FILE_MAX);
		if (rc >= 0)
			rc = read_file(c->dir, names[i]->d_name, &sql, e);
		if (rc >= 0)
			rc = apply(db, names[i]->d_name, &sql, e);
		if (rc == 1)
			printf("applied %s\n", names[i]->d_name);
		buf_free(&sql);
		free(names[i]);
	}
	free(names);
	db_close(db);
	return rc < 0 ? -1 : 0;
}

int
ctl_check_queries(const struct ctl *c, struct err *e)
{
	struct db *db = ctl_owner_db(c);
	size_t bad = 0;

	for (enum query q = 0; q < Q_COUNT; q++) {
		err_reset(e);
		if (db_prepare(db, q, e) == 0)
			continue;
		bad++;
		fprintf(stderr, "%s: %s: %s\n", query_texts[q].file, query_texts[q].name,
		    e->detail[0] ? e->detail : e->text);
	}
	db_close(db);
	if (bad)
		return fail(e, E_INTERNAL, "%zu of %d statements do not fit the schema",
		    bad, Q_COUNT);
	printf("%d statements fit the schema\n", Q_COUNT);
	return 0;
}
