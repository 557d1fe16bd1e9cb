/* Memory that is not needed for now, given back to the system. Any thread. */
#ifndef WF_SYS_PAGES_H
#define WF_SYS_PAGES_H

#include <stddef.h>

/* The whole pages inside the block go: what they hold is lost (reads give zero), the addresses stay usable, also for
 * somebody who writes meanwhile. Does nothing where the system cannot. */
void wf_pages_give_back(void *block, size_t size);

#endif
