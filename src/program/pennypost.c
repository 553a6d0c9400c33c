/* pennypost: the operator's command line. */
#include "program/cli.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv, stdin, stdout, stderr);
}
