/*
 * banned.h: functions that do not compile here, because each has a safe twin.
 *
 * Include it last, after the system headers, in .c files only.
 */
#ifndef DAPUR_BANNED_H
#define DAPUR_BANNED_H

/* libc makes macros of some (fortified builds), and a macro cannot be poisoned. */
#undef alloca
#undef sprintf
#undef vsprintf
#undef strtok

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets
#pragma GCC poison atoi atol atoll atof strtok asctime ctime gmtime localtime
#pragma GCC poison tmpnam mktemp rand srand alloca system popen

#endif
