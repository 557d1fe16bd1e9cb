/* The methods that all notifiers have (recv, try_recv, __call). On the isolate's carrier. */
#ifndef WF_LIB_L_NOTIFIER_H
#define WF_LIB_L_NOTIFIER_H

#include "lib/lib.h"
#include "rt/notifier.h"

int wf_notifier_recv(lua_State *L);
int wf_notifier_try_recv(lua_State *L);

#endif
