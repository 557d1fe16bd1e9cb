/* os.exit in a child: the whole process ends with that code, orderly, by the main isolate (DESIGN.md D10). */
#ifndef WF_RT_EXIT_H
#define WF_RT_EXIT_H

#include "rt/iso.h"

/* On a child's carrier: ask the main isolate to exit with this code. Returns once it has begun to; when it
 * does not within a second (it spins, or blocks in C), the process exits here and now. False when memory
 * is out. */
bool wf_exit_ask(wf_iso *iso, int code);

#endif
