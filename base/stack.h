/* What functions that have returned leave on the stack. */
#ifndef BASE_STACK_H
#define BASE_STACK_H

/* Wipes 16 KiB of this thread's stack below the caller: copies of secrets that functions had in
 * their own variables, and in those of libraries. */
void stack_wipe(void);

#endif
