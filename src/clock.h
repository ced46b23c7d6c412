/*
 * clock.h: the one clock of time-outs and intervals: monotonic, so that setting the machine's time moves no deadline.
 *
 * What a calendar names (a session's end, say) is time() instead.
 */
#ifndef DAPUR_CLOCK_H
#define DAPUR_CLOCK_H

#include "base.h"

#include <time.h>

static inline int64_t
clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static inline int64_t
clock_ms(void)
{
	return clock_us() / 1000;
}

#endif
