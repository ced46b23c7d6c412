/*
 * hello.c: the least that a FastCGI program can do, to compare with.
 */
#include <fcgiapp.h>

int
main(void)
{
	FCGX_Request r;

	FCGX_Init();
	FCGX_InitRequest(&r, 0, 0);
	while (FCGX_Accept_r(&r) == 0) {
		FCGX_FPrintF(r.out,
		    "Content-Type: application/json\r\n\r\n{\"success\":true,\"data\":\"hello\"}");
		FCGX_Finish_r(&r);
	}
	return 0;
}
