/*
 * ctl.h: the commands of the admin CLI `dapur`; ctl.c holds their table and main.
 */
#ifndef DAPUR_CTL_H
#define DAPUR_CTL_H

#include "base.h"
#include "conf.h"
#include "db.h"
#include "err.h"

/* What every command gets: its words after the command's name. */
struct ctl {
	const struct conf *conf;
	const char *conf_path; /* -c; NULL: $DAPUR_CONF, else the default */
	const char *database;  /* --database, else owner_database */
	const char *dir;       /* --dir of migrations */
	const char *tier;      /* --tier */
	bool fresh;            /* --new */
	int argc;
	char **argv;
};

/* -1: failed, e says why; else the exit status. */
typedef int ctl_fn(const struct ctl *c, struct err *e);

ctl_fn ctl_migrate, ctl_check_queries; /* ctl_migrate.c */
ctl_fn ctl_ask_serve;                  /* ctl_ask.c */
ctl_fn ctl_doctor;                     /* ctl_doctor.c */
ctl_fn ctl_epoch, ctl_tenant_list, ctl_tenant_add, ctl_tenant_suspend,
    ctl_tenant_resume, /* ctl_admin.c */
    ctl_user_list, ctl_user_add, ctl_user_disable, ctl_user_enable, ctl_user_role,
    ctl_user_password, ctl_session_list, ctl_session_end;

/* The owner's connection; waits as long as a migration may take. */
struct db *ctl_owner_db(const struct ctl *c);

#endif
