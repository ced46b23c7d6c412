/*
 * page.h: how large a page of the event log may be, for all who describe, ask for or answer one.
 */
#ifndef DAPUR_PAGE_H
#define DAPUR_PAGE_H

enum {
	PAGE_EVENTS_MAX = 1000,
	PAGE_WAIT_MAX_S = 25, /* of a long poll: below the time-outs of all fronts */
};

#endif
