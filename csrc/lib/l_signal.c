/* weft.signal: signals of the process, received like values of a channel. */
#include <errno.h>
#include <signal.h>

#include "base/alloc.h"
#include "lib/l_notifier.h"
#include "lx/error.h"
#include "sys/signals.h"
#include "sys/signame.h"

enum { SELF = 1 };

typedef struct sig {
  wf_notifier source;
  wf_handle handle;
  int number;
  struct watcher *watcher; /* NULL: closed */
} sig;

/* libuv's part: memory of its own, as libuv needs it for a while after the close. */
typedef struct watcher {
  uv_signal_t uv;
  sig *of; /* NULL: closed */
} watcher;

static sig *check_signal(lua_State *L) {
  sig *s = wf_object_test(L, SELF, WF_CLASS_SIGNAL, sizeof *s);
  if (wf_unlikely(s == NULL)) luaL_typeerror(L, SELF, "weft.signal");
  return s;
}

static void push_name(lua_State *L, wf_notifier *source, int idx) {
  (void)idx;
  lua_pushstring(L, wf_signal_name(wf_container_of(source, sig, source)->number));
}

static const wf_notifier_ops ops = {"signal", NULL, NULL, push_name};

static void on_signal(uv_signal_t *uv, int number) {
  watcher *w = wf_container_of(uv, watcher, uv);
  (void)number;
  if (w->of != NULL) wf_notifier_tell(&w->of->source);
}

static void on_closed(uv_handle_t *uv) { wf_free(wf_container_of(uv, watcher, uv)); }

static void signal_shut(sig *s) {
  wf_iso *iso = s->source.object.iso;
  watcher *w = s->watcher;
  int err;
  if (w == NULL) return;
  s->watcher = NULL;
  w->of = NULL;
  wf_handle_close(iso, &s->handle);
  wf_world_release(iso);
  if (iso->loop != NULL) wf_io_uv(iso, &err);
  wf_uv.close((uv_handle_t *)&w->uv, on_closed);
  wf_signal_release(s->number);
  wf_notifier_close(&s->source);
}

static void on_iso_end(wf_iso *iso, wf_handle *h) {
  (void)iso;
  signal_shut(wf_container_of(h, sig, handle));
}

static int signal_close(lua_State *L) {
  signal_shut(check_signal(L));
  return 0;
}

static int signal_gc(lua_State *L) {
  sig *s = wf_object_test(L, SELF, WF_CLASS_SIGNAL, sizeof *s);
  if (s == NULL || s->watcher == NULL) return 0;
  wf_handle_closing(s->source.object.iso, L, s);
  signal_shut(s);
  return 0;
}

static int signal_tostring(lua_State *L) {
  const sig *s = check_signal(L);
  lua_pushfstring(L, "weft.signal %d (%s%s)", (int)s->source.seq, wf_signal_name(s->number), s->watcher == NULL ? ", closed" : "");
  return 1;
}

/* weft.signal(name): from now on the signal does nothing else. */
static int signal_new(lua_State *L) {
  wf_iso *iso = wf_iso_up(L);
  const char *name = luaL_checkstring(L, 1);
  int number = wf_signal_parse(name), err;
  if (number == 0 || wf_signal_name(number) == NULL)
    luaL_argerror(L, 1, lua_pushfstring(L, "a signal's name such as \"SIGINT\" expected, got \"%s\"", name));
  if (number == SIGURG) luaL_argerror(L, 1, "SIGURG is weft's own");
  sig *s = wf_class_push(iso, L, WF_CLASS_SIGNAL, sizeof *s, 0);
  wf_notifier_init(iso, &s->source, WF_CLASS_SIGNAL, &ops);
  s->source.closed = true;
  s->number = number;
  wf_handle_note(iso, L, s);
  uv_loop_t *uv = wf_io_uv(iso, &err);
  if (uv == NULL) return lx_fail_errno(L, err, name);
  watcher *w = wf_malloc(sizeof *w);
  if (w == NULL) return lx_fail_errno(L, ENOMEM, name);
  w->of = s;
  err = wf_uv.signal_init(uv, &w->uv);
  if (err != 0) {
    wf_free(w);
    return lx_fail_errno(L, -err, name);
  }
  wf_signal_hold(number);
  err = wf_uv.signal_start(&w->uv, on_signal, number);
  if (err != 0) {
    wf_signal_release(number);
    wf_uv.close((uv_handle_t *)&w->uv, on_closed);
    return lx_fail_errno(L, -err, name);
  }
  s->watcher = w;
  s->source.closed = false;
  wf_handle_open(iso, &s->handle, on_iso_end);
  wf_world_hold(iso);
  return 1;
}

void wf_lib_signal(wf_iso *iso, lua_State *L) {
  static const luaL_Reg methods[] = {{"recv", wf_notifier_recv}, {"try_recv", wf_notifier_try_recv}, {"close", signal_close}, {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", signal_gc},
                                  {"__close", signal_close},
                                  {"__call", wf_notifier_recv},
                                  {"__tostring", signal_tostring},
                                  {NULL, NULL}};
  static const luaL_Reg funcs[] = {{"signal", signal_new}, {NULL, NULL}};
  wf_class_new(iso, L, WF_CLASS_SIGNAL, "weft.signal", methods, meta);
  wf_lib_add(iso, L, funcs);
}
