/*
 * gate.h: what a web server asks before it opens a WebSocket (http_request.gate), so that a stranger costs no process.
 *
 * Session, Origin and ticket are judged as the stream itself will judge them. A ticket is not used up: the stream does
 * that. It owns nothing.
 */
#ifndef DAPUR_GATE_H
#define DAPUR_GATE_H

#include "base.h"
#include "conf.h"
#include "err.h"
#include "http.h"
#include "route.h"
#include "who.h"

/* The row of the upgrade, whatever path the front used for its question, and who wants the WebSocket. Fails
 * E_UNAUTHORIZED, E_CROSS_SITE. */
int gate_open(const struct http_request *r, const struct conf *c,
    struct route_match *ret_match, struct who_claim *ret_claim, struct err *e) MUST_CHECK;

#endif
