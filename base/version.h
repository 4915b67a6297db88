/* The program's version, as the Makefile has it. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#ifndef OCP_VERSION
#define OCP_VERSION "unknown"
#endif

#endif
