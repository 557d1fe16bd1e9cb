/* The parts of weft.core. A part is opened when one of its functions is first asked for, or an object of one of its
 * classes first made (open.c knows which names and classes belong to which part): most isolates use few. Each opener is
 * called with the table of the module on top of the stack; it makes its classes and adds its functions. [-0, +0, m] */
#ifndef WF_LIB_H
#define WF_LIB_H

#include "rt/iso.h"

void wf_lib_task(wf_iso *iso, lua_State *L);      /* l_task.c: go, current, sleep, yield ... */
void wf_lib_job(wf_iso *iso, lua_State *L);       /* l_job.c: the methods of jobs */
void wf_lib_channel(wf_iso *iso, lua_State *L);   /* l_channel.c */
void wf_lib_buffer(wf_iso *iso, lua_State *L);    /* l_buffer.c: buffers, atomics */
void wf_lib_select(wf_iso *iso, lua_State *L);    /* l_select.c */
void wf_lib_scope(wf_iso *iso, lua_State *L);     /* l_scope.c: cancel scopes, shields */
void wf_lib_coroutine(wf_iso *iso, lua_State *L); /* l_coroutine.c; the library's table is on top instead */
void wf_lib_core(wf_iso *iso, lua_State *L);      /* l_core.c: errors, reports, locals, os.exit */
void wf_lib_thread(wf_iso *iso, lua_State *L);    /* l_thread.c */
void wf_lib_info(wf_iso *iso, lua_State *L);      /* l_info.c: facts about processes and threads */
void wf_lib_set(wf_iso *iso, lua_State *L);       /* l_set.c: weft.set */
void wf_lib_exec(wf_iso *iso, lua_State *L);      /* l_exec.c: programs */
extern const struct wf_transfer wf_buffer_transfer, wf_sealed_transfer; /* how these cross; l_channel.h has the other */
void wf_lib_process(wf_iso *iso, lua_State *L);   /* l_process.c: functions in processes */
void wf_lib_program(wf_iso *iso, lua_State *L);   /* l_program.c: the handles of running programs */
void wf_lib_spawn(wf_iso *iso, lua_State *L);     /* l_spawn.c */
void wf_lib_ps(wf_iso *iso, lua_State *L);        /* l_ps.c: what lives now */
void wf_lib_pool(wf_iso *iso, lua_State *L);      /* l_pool.c: for the pools of lua/weft */
void wf_lib_sync(wf_iso *iso, lua_State *L);      /* l_sync.c: locks */
void wf_lib_stream(wf_iso *iso, lua_State *L);    /* l_stream.c: what is read and written */
void wf_lib_net(wf_iso *iso, lua_State *L);       /* l_net.c: connections */
void wf_lib_server(wf_iso *iso, lua_State *L);    /* l_server.c */
void wf_lib_udp(wf_iso *iso, lua_State *L);       /* l_udp.c */
void wf_lib_dns(wf_iso *iso, lua_State *L);       /* l_dns.c: names and addresses */
void wf_lib_blocking(wf_iso *iso, lua_State *L);  /* l_blocking.c: functions that block */
void wf_lib_fs(wf_iso *iso, lua_State *L);        /* l_fs.c: files */
void wf_lib_watch(wf_iso *iso, lua_State *L);     /* l_watch.c: changes of files */
void wf_lib_inject(wf_iso *iso, lua_State *L);    /* l_inject.c: faults to order; in test builds only */
void wf_lib_signal(wf_iso *iso, lua_State *L);    /* l_signal.c */
void wf_lib_ticker(wf_iso *iso, lua_State *L);    /* l_ticker.c */
void wf_lib_stdio(wf_iso *iso, lua_State *L);     /* l_stdio.c */
void wf_lib_poll(wf_iso *iso, lua_State *L);      /* l_poll.c */
void wf_lib_recorder(wf_iso *iso, lua_State *L);  /* l_recorder.c */
void wf_lib_trace(wf_iso *iso, lua_State *L);     /* l_trace.c */
void wf_lib_explore(wf_iso *iso, lua_State *L);   /* l_explore.c: for weft.explore of lua/weft */
void wf_lib_libraries(wf_iso *iso, lua_State *L); /* l_core.c: what weft replaces in the libraries that are open; adds nothing */

/* Push the table of the module, made if need be. [-0, +1, m] */
void wf_lib_push_core(wf_iso *iso, lua_State *L);

/* Raise unless libuv is there. [-0, +0, e] */
void wf_lib_need_uv(lua_State *L);

/* Push what `require(name)` gives, for modules of weft's own: without package, if that is not open yet. [-0, +1, e] */
void wf_lib_require(lua_State *L, const char *name);

/* A snapshot in Lua (l_trace.c). The box is a userdata that frees what it holds. [-0, +1, m] */
struct wf_trace_shot *wf_trace_push_box(lua_State *L);
/* The snapshot, which is in a box, as the table that lua/weft/trace_model.lua reads; the box is emptied: 1. [-0, +1, m] */
int wf_trace_push_shot(lua_State *L, struct wf_trace_shot *shot);

/* Add functions, with the isolate as upvalue, to the table on top. [-0, +0, m] */
static inline void wf_lib_add(wf_iso *iso, lua_State *L, const luaL_Reg *funcs) {
  lua_pushlightuserdata(L, iso);
  luaL_setfuncs(L, funcs, 1);
}

#endif
