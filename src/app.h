/*
 * app.h: app_serve(): the only place that decides who may do what, where a transaction begins and ends, and
 * what is published.
 */
#ifndef DAPUR_APP_H
#define DAPUR_APP_H

#include "bus.h"
#include "bus_sessions.h"
#include "conf.h"
#include "db.h"
#include "http.h"

struct app;

/* Connects to nothing yet. stays: it will serve more than one request. conf must outlive it. */
struct app *app_open(const struct conf *conf, bool stays);

/* Connects to PostgreSQL, so that the first request of a worker does not spend its time on it. Failing is the
 * requests' affair: each tries again. */
void app_warm(struct app *app);
void app_close(struct app *app);

/* Serves one request whole: reply, log line, publication. r->arena is reset by the caller. */
void app_serve(struct app *app, struct http_request *r);

#endif
