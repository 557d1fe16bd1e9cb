/* What buffer.c and buffer_map.c share. */
#ifndef WF_RT_BUFFER_MAP_H
#define WF_RT_BUFFER_MAP_H

#include "rt/buffer.h"

/* With one hold on its whole view; NULL: memory is out. */
wf_memory *wf_memory_new(enum wf_elem type, size_t n, size_t stride);

/* Give back what is mapped. */
void wf_memory_unmap(wf_memory *m);

#endif
