/* Keep the library that holds a function loaded for the life of the process, so that the function's address
 * may travel between states: one state's lua_close must not unmap what another calls. Any thread. */
#ifndef WF_PIN_H
#define WF_PIN_H

#include "base/base.h"

/* The file of the library that the code is in; "" when it is the program's own, NULL when it is nobody's. */
const char *wf_code_file(void (*code)(void));

/* False when the code belongs to no file that can be pinned. */
bool wf_pin_code(void (*code)(void));

#endif
