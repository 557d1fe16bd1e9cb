/* See shjob.h. */
#include "rt/shjob.h"

#include <string.h>

#include "base/alloc.h"
#include "lx/error.h"
#include "lx/pack.h"
#include "lx/release.h"
#include "rt/cancel.h"
#include "rt/results.h"
#include "rt/run.h"
#include "rt/sched.h"
#include "rt/task.h"

enum { STARTED_MAX = LUA_IDSIZE + 16 };

struct wf_shjob {
  wf_shared shared;
  /* Written before it is shared. */
  uint64_t id;
  const char *kind;
  char *name; /* NULL: none */
  char started[STARTED_MAX];
  /* The isolate of the job alone. */
  wf_link in_owner;
  wf_task *task;   /* one of the two, until the end */
  wf_child *child;
  uint8_t outcome; /* what state will be */
  /* Under shared.lock; the rest does not change any more once state says that it is over. */
  wf_port *owner; /* of the isolate of the job, held; NULL when it is over: mail must not hold the port it lies in */
  wf_link subs;  /* wf_jobmails of remotes */
  uint8_t state; /* enum wf_state */
  bool lost;     /* its isolate has ended before it */
  wf_msg *output;
  wf_run *run;   /* held: it has the output of a child */
  char *traceback;
};

typedef struct wf_jobmail {
  wf_mail mail;
  wf_link link;  /* in subs; under the lock */
  wf_shjob *job; /* held */
  wf_port *port; /* of the remote's isolate; held until it is posted there */
  wf_remote *remote; /* that isolate's; NULL: finalised */
} wf_jobmail;

/* The shared record ----------------------------------------------------------------------------- */

static void shjob_free(wf_shared *s) {
  wf_shjob *j = wf_container_of(s, wf_shjob, shared);
  if (j->owner != NULL) wf_port_release(j->owner);
  if (j->run != NULL) wf_run_release(j->run);
  wf_msg_free(j->output);
  wf_free(j->traceback);
  wf_free(j->name);
  wf_free(j);
}

void wf_shjob_hold(wf_shjob *j) { wf_shared_hold(&j->shared); }
void wf_shjob_release(wf_shjob *j) { wf_shared_release(&j->shared); }

static char *copied(const char *s) {
  size_t n = s == NULL ? 0 : strlen(s) + 1;
  char *p = s == NULL ? NULL : wf_malloc(n);
  return p == NULL ? NULL : memcpy(p, s, n);
}

/* The job is over. */
static void shjob_end(wf_shjob *j, enum wf_state state) {
  wf_link subs;
  wf_list_init(&subs);
  j->task = NULL;
  j->child = NULL;
  pthread_mutex_lock(&j->shared.lock);
  j->state = (uint8_t)state;
  wf_port *owner = j->owner;
  j->owner = NULL;
  while (!wf_list_empty(&j->subs)) {
    wf_link *l = j->subs.next;
    wf_list_unlink(l);
    wf_list_append(&subs, l);
  }
  pthread_mutex_unlock(&j->shared.lock);
  while (!wf_list_empty(&subs)) { /* a remote that is finalised now finds its mail in no list of the job, but on the way */
    wf_jobmail *m = wf_list_entry(subs.next, wf_jobmail, link);
    wf_port *port = m->port;
    wf_list_unlink(&m->link);
    wf_port_post(port, &m->mail); /* the mail may be gone now; its hold of the port was ours to give back */
    wf_port_release(port);
  }
  if (owner != NULL) wf_port_release(owner);
}

static void shjob_leave_owner(wf_shjob *j, enum wf_state state) {
  wf_list_unlink(&j->in_owner);
  shjob_end(j, state);
  wf_shjob_release(j); /* the isolate's */
}

static wf_shjob *find(const wf_iso *iso, const wf_task *t, const wf_child *c) {
  for (const wf_link *l = iso->shjobs.next; l != &iso->shjobs; l = l->next) {
    wf_shjob *j = wf_list_entry(l, wf_shjob, in_owner);
    if (t != NULL ? j->task == t : j->child == c) return j;
  }
  return NULL;
}

/* Pack what the task has left. Protected. Stack: shared record, task, handle. */
static int pack_task(lua_State *L) {
  wf_shjob *j = lua_touserdata(L, 1);
  wf_task *t = lua_touserdata(L, 2);
  int n = wf_task_results(L, t, 3);
  j->outcome = t->state;
  if (n < 0 && (t->flags & WF_F_PACKED)) { /* the traceback is beside the error */
    lua_getiuservalue(L, 3, 1);
    if (lua_rawgeti(L, -1, 2) == LUA_TSTRING) j->traceback = copied(lua_tostring(L, -1));
    lua_pop(L, 2);
  }
  if (n == 0) return 0;
  j->output = wf_pack(L, 4, n < 0 ? 1 : n, n < 0 ? "value" : "result");
  if (j->output != NULL) return 0;
  j->outcome = WF_FAILED; /* it cannot come here: that is what others see */
  j->output = wf_pack(L, lua_gettop(L), 1, "value");
  return 0;
}

static void keep_task(lua_State *L, wf_shjob *j, wf_task *t, int idx) {
  idx = lua_absindex(L, idx);
  j->outcome = WF_FAILED;
  if (!lua_checkstack(L, 4)) return;
  lua_pushcfunction(L, pack_task);
  lua_pushlightuserdata(L, j);
  lua_pushlightuserdata(L, t);
  lua_pushvalue(L, idx);
  if (lua_pcall(L, 3, 0, 0) == LUA_OK) return;
  lua_pop(L, 1);
  j->outcome = WF_FAILED; /* no memory: no output says so */
}

static void keep_child(wf_shjob *j, wf_child *c) {
  wf_run_hold(c->run);
  j->run = c->run;
}

void wf_shjob_task_ended(wf_iso *iso, lua_State *L, wf_task *t, int idx) {
  wf_shjob *j = find(iso, t, NULL);
  t->more &= (uint8_t)~WF_M_CROSSED;
  if (j == NULL) return;
  if (idx != 0) keep_task(L, j, t, idx);
  shjob_leave_owner(j, idx != 0 ? (enum wf_state)j->outcome : WF_FAILED);
}

void wf_shjob_child_ended(wf_iso *iso, wf_child *c) {
  wf_shjob *j = find(iso, NULL, c);
  c->crossed = false;
  if (j == NULL) return;
  keep_child(j, c);
  shjob_leave_owner(j, (enum wf_state)c->state);
}

void wf_shjobs_close(wf_iso *iso) {
  while (!wf_list_empty(&iso->shjobs)) {
    wf_shjob *j = wf_list_entry(iso->shjobs.next, wf_shjob, in_owner);
    j->lost = true;
    shjob_leave_owner(j, WF_FAILED);
  }
}

/* Becoming shared ------------------------------------------------------------------------------- */

static wf_shjob *shjob_new(wf_iso *iso) {
  wf_shjob *j = wf_calloc(1, sizeof *j);
  if (j == NULL) return NULL;
  wf_shared_init(&j->shared, shjob_free);
  wf_list_init(&j->subs);
  wf_port_hold(iso->port);
  j->owner = iso->port;
  j->state = WF_RUNNING;
  return j;
}

static void describe_task(wf_iso *iso, lua_State *L, wf_shjob *j, wf_task *t, int idx) {
  j->id = wf_task_id(iso, t);
  j->kind = t->flags & WF_F_AS_THREAD ? "thread" : t->flags & WF_F_AS_ISOLATE ? "isolate" : "task";
  wf_task_started(iso, t, j->started, sizeof j->started);
  if (t->flags & WF_F_NAMED) {
    wf_task_push_name(iso, L, t);
  } else if (t->flags & WF_F_PACKED && wf_task_finished(t)) {
    lua_getiuservalue(L, idx, 1);
    lua_getfield(L, -1, "name");
    lua_remove(L, -2);
  } else {
    lua_pushnil(L);
  }
  j->name = copied(lua_tostring(L, -1));
  lua_pop(L, 1);
}

/* All that may fail. Protected. Stack: isolate, shared record, handle. */
static int share_prepare(lua_State *L) {
  wf_iso *iso = lua_touserdata(L, 1);
  wf_shjob *j = lua_touserdata(L, 2);
  wf_task *t = wf_iso_test(iso, L, 3, WF_CLASS_TASK);
  wf_child *c = t != NULL ? NULL : wf_iso_test(iso, L, 3, WF_CLASS_CHILD);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->shared_handles);
  lua_pushvalue(L, 3);
  lua_rawsetp(L, -2, j);
  lua_settop(L, 3);
  if (t != NULL) {
    describe_task(iso, L, j, t, 3);
    if (wf_task_finished(t)) {
      keep_task(L, j, t, 3);
      j->state = j->outcome;
    }
    return 0;
  }
  j->id = wf_child_id(c);
  j->kind = wf_child_kind(c);
  j->name = copied(wf_child_name(c));
  wf_child_started(iso, c, j->started, sizeof j->started);
  if (c->state >= WF_DONE) {
    keep_child(j, c);
    j->state = c->state;
  }
  return 0;
}

wf_shjob *wf_shjob_of(wf_iso *iso, lua_State *L, int idx) {
  wf_remote *r = wf_iso_test(iso, L, idx, WF_CLASS_REMOTE);
  if (r != NULL && r->job != NULL) {
    wf_shjob_hold(r->job);
    return r->job;
  }
  wf_task *t = wf_iso_test(iso, L, idx, WF_CLASS_TASK);
  wf_child *c = t != NULL ? NULL : wf_iso_test(iso, L, idx, WF_CLASS_CHILD);
  if (t == NULL && (c == NULL || c->run == NULL)) luaL_error(L, "a job that has been collected cannot cross isolates");
  wf_shjob *j = t != NULL ? (t->more & WF_M_CROSSED ? find(iso, t, NULL) : NULL) : c->crossed ? find(iso, NULL, c) : NULL;
  if (j != NULL) {
    wf_shjob_hold(j);
    return j;
  }
  idx = lua_absindex(L, idx);
  luaL_checkstack(L, 8, NULL);
  j = shjob_new(iso);
  if (j == NULL) lx_raise_memory(L);
  lua_pushcfunction(L, share_prepare);
  lua_pushlightuserdata(L, iso);
  lua_pushlightuserdata(L, j);
  lua_pushvalue(L, idx);
  if (lua_pcall(L, 3, 0, 0) != LUA_OK) {
    wf_shjob_release(j);
    lua_error(L);
  }
  if (t != NULL)
    t->flags |= WF_F_LOOKED; /* others may look */
  else
    wf_child_looked(c);
  if (j->state >= WF_DONE) {
    wf_port_release(j->owner);
    j->owner = NULL;
    return j;
  }
  j->task = t;
  j->child = c;
  if (t != NULL)
    t->more |= WF_M_CROSSED;
  else
    c->crossed = true;
  wf_shjob_hold(j); /* the isolate's */
  wf_list_append(&iso->shjobs, &j->in_owner);
  return j;
}

/* Remotes --------------------------------------------------------------------------------------- */

/* It has been posted. */
static void jobmail_free(wf_jobmail *m) {
  wf_shjob_release(m->job);
  wf_free(m);
}

static void on_end_dropped(wf_mail *mail) { jobmail_free(wf_container_of(mail, wf_jobmail, mail)); }

/* Tell the channels that watch the job. Protected. Stack: isolate, remote. */
static int tell_watchers(lua_State *L) {
  wf_iso *iso = lua_touserdata(L, 1);
  const wf_remote *r = lua_touserdata(L, 2);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->watches);
  if (lua_rawgetp(L, -1, r) != LUA_TTABLE) return 0;
  wf_watchers_tell(iso, L);
  lx_rawdelp(L, 3, r);
  return 0;
}

/* The job is over. */
static void on_end(wf_iso *iso, wf_mail *mail) {
  wf_jobmail *m = wf_container_of(mail, wf_jobmail, mail);
  wf_remote *r = m->remote;
  if (r != NULL) {
    lua_State *L = iso->bench;
    r->state = m->job->state;
    r->sub = NULL;
    if (r->watched) {
      r->watched = false;
      iso->outside--;
      if (lua_checkstack(L, 6)) {
        lua_pushcfunction(L, tell_watchers);
        lua_pushlightuserdata(L, iso);
        lua_pushlightuserdata(L, r);
        if (lua_pcall(L, 2, 0, 0) != LUA_OK) lua_pop(L, 1);
      }
    }
    wf_waitq_wake_all(iso, &r->joiners, WF_GOT);
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->anchors);
    lx_rawdelp(L, -1, r);
    lua_pop(L, 1);
  }
  jobmail_free(m);
}

/* Ask to be told of the end, if it has not come. */
static void subscribe(wf_iso *iso, lua_State *L, wf_remote *r) {
  wf_shjob *j = r->job;
  wf_jobmail *m = wf_calloc(1, sizeof *m);
  if (m == NULL) lx_raise_memory(L);
  m->mail.deliver = on_end;
  m->mail.drop = on_end_dropped;
  m->remote = r;
  m->job = j;
  m->port = iso->port;
  pthread_mutex_lock(&j->shared.lock);
  bool over = j->state >= WF_DONE;
  if (!over) {
    wf_shjob_hold(j);
    wf_port_hold(iso->port);
    wf_list_append(&j->subs, &m->link);
  } else {
    r->state = j->state;
  }
  pthread_mutex_unlock(&j->shared.lock);
  if (over) {
    wf_free(m);
    return;
  }
  r->sub = m;
}

void wf_shjob_push(wf_iso *iso, lua_State *L, wf_shjob *j) {
  luaL_checkstack(L, 8, NULL);
  lua_rawgeti(L, LUA_REGISTRYINDEX, iso->shared_handles);
  if (lua_rawgetp(L, -1, j) == LUA_TNIL) {
    lua_pop(L, 1);
    wf_remote *r = wf_class_push(iso, L, WF_CLASS_REMOTE, sizeof *r, 1);
    wf_list_init(&r->joiners);
    r->state = WF_RUNNING;
    wf_shjob_hold(j);
    r->job = j;
    lua_pushvalue(L, -1);
    lua_rawsetp(L, -3, j);
    lua_rawgeti(L, LUA_REGISTRYINDEX, iso->anchors);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, r);
    subscribe(iso, L, r);
    if (r->sub == NULL) lx_rawdelp(L, -1, r);
    lua_pop(L, 1);
  }
  lua_remove(L, -2);
}

void wf_remote_gc(wf_iso *iso, wf_remote *r) {
  (void)iso;
  if (r->job == NULL) return;
  wf_jobmail *m = r->sub;
  if (m != NULL) { /* the state closes */
    pthread_mutex_lock(&r->job->shared.lock);
    bool waiting = r->job->state < WF_DONE;
    if (waiting) wf_list_unlink(&m->link);
    pthread_mutex_unlock(&r->job->shared.lock);
    r->sub = NULL;
    m->remote = NULL; /* the mail is on the way, or */
    if (waiting) {    /* will never be */
      wf_port_release(m->port);
      jobmail_free(m);
    }
  }
  wf_shjob_release(r->job);
  r->job = NULL;
}

/* What the job left (results.h). */
static int unpack_output(lua_State *L) {
  const wf_remote *r = lua_touserdata(L, 1);
  const wf_shjob *j = r->job;
  const wf_msg *output = j->run != NULL ? j->run->output : j->output;
  int n = 0;
  lua_newtable(L);
  if (output != NULL)
    n = wf_unpack(L, output);
  else if (r->state != WF_DONE) {
    if (j->lost)
      lx_error_new(L, "closed", "the isolate of %s %d has ended before it", j->kind, (int)(uint32_t)j->id);
    else if (j->run != NULL && r->state == WF_CANCELLED)
      wf_run_push_missing(L, j->run);
    else
      lx_error_new(L, "memory", "not enough memory for %s %d", j->kind, (int)(j->id >> 32));
    n = 1;
  }
  wf_results_keep(L, n);
  return 0;
}

int wf_remote_results(wf_iso *iso, lua_State *L, wf_remote *r, int idx) {
  (void)iso;
  return wf_results_push(L, idx, &r->unpacked, &r->state, unpack_output);
}

void wf_remote_watch(wf_iso *iso, wf_remote *r) {
  if (r->watched) return;
  r->watched = true;
  iso->outside++;
}

void wf_remote_traceback(lua_State *L, const wf_remote *r) {
  const wf_shjob *j = r->job;
  const char *text = r->state < WF_DONE ? NULL : j->run != NULL ? j->run->traceback : j->traceback;
  lua_pushstring(L, text);
}

uint64_t wf_remote_id(const wf_remote *r) { return r->job->id; }
const char *wf_remote_name(const wf_remote *r) { return r->job->name; }
const char *wf_remote_kind(const wf_remote *r) { return r->job->kind; }
const char *wf_remote_started(const wf_remote *r) { return r->job->started; }

/* Cancelling ------------------------------------------------------------------------------------ */

typedef struct cancel_mail {
  wf_mail mail;
  wf_shjob *job; /* held */
  wf_msg *reason;
} cancel_mail;

static void cancel_free(wf_mail *mail) {
  cancel_mail *m = wf_container_of(mail, cancel_mail, mail);
  wf_msg_free(m->reason);
  wf_shjob_release(m->job);
  wf_free(m);
}

/* Protected. Stack: isolate, mail. */
static int cancel_here(lua_State *L) {
  wf_iso *iso = lua_touserdata(L, 1);
  cancel_mail *m = lua_touserdata(L, 2);
  if (m->reason == NULL || wf_unpack(L, m->reason) != 1) lua_pushnil(L);
  if (m->job->task != NULL)
    wf_task_cancel(iso, L, m->job->task, lua_gettop(L));
  else if (m->job->child != NULL)
    wf_child_cancel(iso, L, m->job->child, lua_gettop(L));
  return 0;
}

/* The isolate of the job. */
static void on_cancel(wf_iso *iso, wf_mail *mail) {
  cancel_mail *m = wf_container_of(mail, cancel_mail, mail);
  lua_State *L = iso->bench;
  if (lua_checkstack(L, 6)) {
    lua_pushcfunction(L, cancel_here);
    lua_pushlightuserdata(L, iso);
    lua_pushlightuserdata(L, m);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) { /* without the reason */
      lua_pop(L, 1);
      if (m->job->task != NULL) wf_task_cancel_bare(iso, m->job->task);
      if (m->job->child != NULL) wf_child_cancel(iso, L, m->job->child, 0);
    }
  }
  cancel_free(mail);
}

bool wf_remote_cancel(wf_iso *iso, lua_State *L, wf_remote *r, int reason) {
  (void)iso;
  if (r->state >= WF_DONE) return false;
  wf_msg *msg = NULL;
  if (reason != 0 && !lua_isnil(L, reason) && (msg = wf_pack(L, reason, 1, "value")) == NULL) lua_error(L);
  cancel_mail *m = wf_calloc(1, sizeof *m);
  if (m == NULL) {
    wf_msg_free(msg);
    lx_raise_memory(L);
  }
  m->mail.deliver = on_cancel;
  m->mail.drop = cancel_free;
  m->reason = msg;
  m->job = r->job;
  wf_shjob_hold(r->job);
  pthread_mutex_lock(&r->job->shared.lock);
  bool runs = r->job->owner != NULL;
  if (runs) wf_port_post(r->job->owner, &m->mail);
  pthread_mutex_unlock(&r->job->shared.lock);
  if (!runs) cancel_free(&m->mail);
  return runs;
}
