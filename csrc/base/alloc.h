/* The C memory of weft that is not Lua's: one door, so that a test can count it and make it
 * fail. Any thread may call; a block may be freed on another thread than it was made on.
 *
 * wf_alloc_set is for tests, and for a host that wants its own allocator: call it before the
 * first allocation and while no other thread of weft runs.
 */
#ifndef WF_ALLOC_H
#define WF_ALLOC_H

#include <stddef.h>

/* NULL when memory is out. A size of 0 gives a block too. */
void *wf_malloc(size_t size);
void *wf_calloc(size_t count, size_t size); /* NULL also when count * size overflows */
void *wf_realloc(void *block, size_t size); /* the old block stays valid when it gives NULL */
void wf_free(void *block);                  /* NULL is ignored */

/* size 0: free `block`; block NULL: allocate; else resize. */
typedef void *(*wf_alloc_fn)(void *ud, void *block, size_t size);

/* Replace the allocator; NULL brings the system's back. */
void wf_alloc_set(wf_alloc_fn fn, void *ud);

#endif
