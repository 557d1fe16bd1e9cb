/* See shlock.h. Any thread, but for what takes an isolate or a state: that runs on its carrier. */
#include "rt/shlock.h"

#include "base/alloc.h"
#include "lx/error.h"
#include "rt/sched.h"
#include "rt/task.h"

static void settle(wf_shared *shared, wf_snode *n, wf_iso *iso, wf_task *t, bool won);

static void shlock_free(wf_shared *shared) {
  wf_shlock *s = wf_container_of(shared, wf_shlock, shared);
  wf_msg_free(s->function);
  wf_msg_free(s->value);
  wf_free(s);
}

static wf_snode *waiter(wf_shared *shared) {
  wf_link *q = &wf_container_of(shared, wf_shlock, shared)->waiters;
  return wf_list_empty(q) ? NULL : wf_list_entry(q->next, wf_snode, link);
}

wf_shlock *wf_shlock_new(enum wf_class c, uint64_t id) {
  wf_shlock *s = wf_calloc(1, sizeof *s);
  if (s == NULL) return NULL;
  wf_shared_init(&s->shared, shlock_free);
  s->shared.settle = settle;
  s->shared.waiter = waiter;
  s->class = c;
  s->id = id;
  wf_list_init(&s->waiters);
  wf_list_init(&s->holds);
  return s;
}

/* Owners -------------------------------------------------------------------------------------- */

wf_owner wf_owner_of(const wf_iso *iso, const wf_task *t) {
  uint8_t kind = !iso->is_child ? WF_OWNER_HOST : iso->pooled ? WF_OWNER_ISOLATE : WF_OWNER_THREAD;
  return (wf_owner){iso->id, t->seq, kind, (t->flags & WF_F_MAIN) != 0};
}

void wf_owner_push(const wf_iso *iso, lua_State *L, wf_owner o) {
  static const char *const kinds[] = {"the main isolate", "thread", "isolate"};
  bool here = o.iso == iso->id;
  if (o.is_main && o.kind == WF_OWNER_HOST)
    lua_pushliteral(L, "the main chunk");
  else if (o.is_main)
    lua_pushfstring(L, "%s %d", kinds[o.kind], (int)o.iso);
  else if (here)
    lua_pushfstring(L, "task %d", (int)o.seq);
  else if (o.kind == WF_OWNER_HOST)
    lua_pushfstring(L, "task %d of the main isolate", (int)o.seq);
  else
    lua_pushfstring(L, "task %d of %s %d", (int)o.seq, kinds[o.kind], (int)o.iso);
}

/* Holds --------------------------------------------------------------------------------------- */

static wf_hold *hold_new(wf_shlock *s, wf_owner owner, enum wf_shwant want) {
  wf_hold *h = wf_calloc(1, sizeof *h);
  if (h == NULL) return NULL;
  wf_shared_hold(&s->shared);
  h->lock = s;
  h->owner = owner;
  h->want = (uint8_t)want;
  return h;
}

static void hold_free(wf_hold *h) {
  if (h == NULL) return;
  wf_list_unlink(&h->in_iso);
  wf_shared_release(&h->lock->shared);
  wf_free(h);
}

/* The task of this isolate has it now. */
static void hold_adopt(wf_iso *iso, wf_hold *h, wf_task *t) {
  h->task = t;
  t->flags |= WF_F_HOLDS;
  wf_list_append(&iso->holds, &h->in_iso);
}

wf_hold *wf_hold_find(const wf_iso *iso, const wf_shlock *s, uint32_t seq) {
  for (const wf_link *l = iso->holds.next; l != &iso->holds; l = l->next) {
    wf_hold *h = wf_list_entry(l, wf_hold, in_iso);
    if (h->lock == s && h->owner.seq == seq) return h;
  }
  return NULL;
}

/* State --------------------------------------------------------------------------------------- */

static enum wf_shlock_now look_locked(const wf_shlock *s, enum wf_shwant want) {
  bool free;
  if (want == WF_SHWANT_PASS) {
    free = s->class == WF_CLASS_WAITGROUP ? s->count == 0
           : s->class == WF_CLASS_SEMAPHORE || s->class == WF_CLASS_EVENT ? s->count > 0
                                                                          : false;
  } else {
    if (s->lost_writer || (want == WF_SHWANT_WRITE && s->lost_readers > 0)) return WF_SHLOCK_LOST;
    free = s->writers == 0 && (want == WF_SHWANT_READ || s->readers == 0);
  }
  return free ? WF_SHLOCK_OK : WF_SHLOCK_BUSY;
}

static void take_locked(wf_shlock *s, wf_hold *h) {
  if (h == NULL) {
    if (s->class == WF_CLASS_SEMAPHORE) s->count--;
    return;
  }
  if (h->want == WF_SHWANT_WRITE)
    s->writers++;
  else
    s->readers++;
  wf_list_append(&s->holds, &h->in_lock);
}

static void untake_locked(wf_shlock *s, wf_hold *h) {
  if (h == NULL) {
    if (s->class == WF_CLASS_SEMAPHORE && s->count < LUA_MAXINTEGER) s->count++;
    return;
  }
  if (h->want == WF_SHWANT_WRITE)
    s->writers--;
  else
    s->readers--;
  wf_list_unlink(&h->in_lock);
}

static enum wf_shwant want_of(const wf_snode *n) {
  const wf_hold *h = n->at;
  return h == NULL ? WF_SHWANT_PASS : (enum wf_shwant)h->want;
}

/* End the wait of the node, which is in the queue; false when that is done already. */
static bool wake_locked(wf_snode *n, int how, wf_swait ***last) {
  wf_list_unlink(&n->link);
  if (!wf_snode_claim_locked(n, false)) return false;
  wf_swait *w = n->wait;
  w->won = n->index;
  w->how = (uint8_t)how;
  w->next_post = NULL;
  **last = w;
  *last = &w->next_post;
  return true;
}

/* Serve who can be served, tell those who wait in vain. Returns whom to post to once the lock is released. */
static wf_swait *pass_locked(wf_shlock *s) {
  wf_swait *first = NULL, **last = &first;
  while (!wf_list_empty(&s->waiters)) {
    wf_snode *n = wf_list_entry(s->waiters.next, wf_snode, link);
    enum wf_shlock_now now = look_locked(s, want_of(n));
    if (now == WF_SHLOCK_BUSY && wf_swait_open(n->wait)) break;
    if (wake_locked(n, now == WF_SHLOCK_OK ? WF_GOT : WF_CLOSED, &last) && now == WF_SHLOCK_OK)
      take_locked(s, (wf_hold *)(uintptr_t)n->at);
  }
  return first;
}

static void post_all(wf_swait *w) {
  while (w != NULL) {
    wf_swait *next = w->next_post;
    wf_swait_post(w);
    w = next;
  }
}

static void unlock_and_pass(wf_shlock *s) {
  wf_swait *w = pass_locked(s);
  pthread_mutex_unlock(&s->shared.lock);
  post_all(w);
}

/* The isolate is done with the node of a wait (swait.h). */
static void settle(wf_shared *shared, wf_snode *n, wf_iso *iso, wf_task *t, bool won) {
  wf_shlock *s = wf_container_of(shared, wf_shlock, shared);
  wf_hold *h = (wf_hold *)(uintptr_t)n->at;
  n->at = NULL;
  if (won && t != NULL) {
    if (h != NULL) hold_adopt(iso, h, t);
    return;
  }
  if (won) { /* nobody is there to have it */
    pthread_mutex_lock(&shared->lock);
    untake_locked(s, h);
    unlock_and_pass(s);
  } else if (h != NULL && h->want == WF_SHWANT_WRITE) { /* readers may have stood behind it */
    pthread_mutex_lock(&shared->lock);
    unlock_and_pass(s);
  }
  hold_free(h);
}

/* Operations ---------------------------------------------------------------------------------- */

static enum wf_shlock_now take_now(wf_shlock *s, enum wf_shwant want, wf_hold *h) {
  pthread_mutex_lock(&s->shared.lock);
  enum wf_shlock_now now = look_locked(s, want);
  /* Events and waitgroups have no order; everything else goes to those who have waited. */
  if (now == WF_SHLOCK_OK && s->class != WF_CLASS_EVENT && s->class != WF_CLASS_WAITGROUP && wf_snode_waiting_locked(&s->waiters))
    now = WF_SHLOCK_BUSY;
  if (now == WF_SHLOCK_OK) take_locked(s, h);
  pthread_mutex_unlock(&s->shared.lock);
  return now;
}

enum wf_shlock_now wf_shlock_take(wf_iso *iso, lua_State *L, wf_shlock *s, enum wf_shwant want) {
  wf_hold *h = want == WF_SHWANT_PASS ? NULL : hold_new(s, wf_owner_of(iso, iso->cur), want);
  if (want != WF_SHWANT_PASS && h == NULL) lx_raise_memory(L);
  enum wf_shlock_now now = take_now(s, want, h);
  if (h == NULL) return now;
  if (now == WF_SHLOCK_OK)
    hold_adopt(iso, h, iso->cur);
  else
    hold_free(h);
  return now;
}

/* The armed task need not wait. */
static void wait_undo(wf_task *t) {
  if (t->flags & WF_F_SHARED) wf_swait_end(t);
  t->claim = WF_IDLE;
}

/* Arm the running task, with a node that is in no queue yet. [-0, +0, e] */
static wf_snode *wait_arm(wf_iso *iso, lua_State *L, wf_shlock *s, enum wf_shwant want, enum wf_trace_why why) {
  wf_task *t = wf_wait_begin(iso, L, why);
  wf_hold *h = want == WF_SHWANT_PASS ? NULL : hold_new(s, wf_owner_of(iso, t), want);
  wf_swait *w = want != WF_SHWANT_PASS && h == NULL ? NULL : wf_swait_of(iso, t);
  wf_snode *n = w == NULL ? NULL : wf_swait_add(w, &s->shared, 1);
  if (n == NULL) {
    hold_free(h);
    wait_undo(t);
    lx_raise_memory(L);
  }
  n->at = h;
  return n;
}

int wf_shlock_wait(wf_iso *iso, lua_State *L, wf_sync *sync, enum wf_shwant want, enum wf_trace_why why, uint64_t deadline,
                   lua_KFunction k) {
  wf_shlock *s = sync->shared;
  wf_snode *n = wait_arm(iso, L, s, want, why);
  wf_task *t = iso->cur;
  wf_hold *h = (wf_hold *)(uintptr_t)n->at;
  pthread_mutex_lock(&s->shared.lock);
  enum wf_shlock_now now = look_locked(s, want);
  bool waits = now == WF_SHLOCK_BUSY || (now == WF_SHLOCK_OK && wf_snode_waiting_locked(&s->waiters));
  if (waits)
    wf_list_append(&s->waiters, &n->link);
  else if (now == WF_SHLOCK_OK)
    take_locked(s, h);
  pthread_mutex_unlock(&s->shared.lock);
  if (waits) {
    wf_wait_outside(iso, t);
    wf_wait_until(iso, t, deadline);
    return wf_wait_park(iso, L, t, wf_sync_id(sync), k);
  }
  if (now == WF_SHLOCK_OK) {
    n->at = NULL;
    if (h != NULL) hold_adopt(iso, h, t);
  }
  wait_undo(t);
  t->claim = now == WF_SHLOCK_OK ? WF_GOT : WF_CLOSED;
  t->won = 1;
  return k(L, LUA_YIELD, (lua_KContext)t);
}

wf_task *wf_shlock_queue(wf_iso *iso, lua_State *L, wf_shlock *s, enum wf_trace_why why, uint64_t deadline) {
  wf_snode *n = wait_arm(iso, L, s, WF_SHWANT_PASS, why);
  pthread_mutex_lock(&s->shared.lock);
  wf_list_append(&s->waiters, &n->link);
  pthread_mutex_unlock(&s->shared.lock);
  wf_wait_outside(iso, iso->cur);
  wf_wait_until(iso, iso->cur, deadline);
  return iso->cur;
}

void wf_hold_release(wf_hold *h) {
  wf_shlock *s = h->lock;
  pthread_mutex_lock(&s->shared.lock);
  untake_locked(s, h);
  unlock_and_pass(s);
  hold_free(h);
}

bool wf_shlock_release_lost(wf_shlock *s, enum wf_shwant want) {
  pthread_mutex_lock(&s->shared.lock);
  bool was = want == WF_SHWANT_WRITE ? s->lost_writer : s->lost_readers > 0;
  if (was && want == WF_SHWANT_WRITE)
    s->lost_writer = false;
  else if (was)
    s->lost_readers--;
  unlock_and_pass(s);
  return was;
}

bool wf_shlock_add(wf_shlock *s, lua_Integer k) {
  pthread_mutex_lock(&s->shared.lock);
  bool ok = k < 0 ? s->count >= -k : k <= LUA_MAXINTEGER - s->count;
  if (ok) s->count += k;
  unlock_and_pass(s);
  return ok;
}

void wf_shlock_set(wf_shlock *s, lua_Integer count) {
  pthread_mutex_lock(&s->shared.lock);
  s->count = count;
  unlock_and_pass(s);
}

lua_Integer wf_shlock_count(wf_shlock *s) {
  pthread_mutex_lock(&s->shared.lock);
  lua_Integer n = s->count;
  pthread_mutex_unlock(&s->shared.lock);
  return n;
}

void wf_shlock_settle_once(wf_shlock *s, lua_Integer state, wf_msg *value) {
  pthread_mutex_lock(&s->shared.lock);
  s->count = state;
  s->value = value;
  pthread_mutex_unlock(&s->shared.lock);
}

static wf_swait *signal_locked(wf_shlock *s, uint32_t n) {
  wf_swait *first = NULL, **last = &first;
  while (n > 0 && !wf_list_empty(&s->waiters))
    if (wake_locked(wf_list_entry(s->waiters.next, wf_snode, link), WF_GOT, &last)) n--;
  return first;
}

void wf_shlock_signal(wf_shlock *s, uint32_t n) {
  pthread_mutex_lock(&s->shared.lock);
  wf_swait *w = signal_locked(s, n);
  pthread_mutex_unlock(&s->shared.lock);
  post_all(w);
}

static uint32_t waiting_locked(const wf_shlock *s) {
  uint32_t n = 0;
  for (const wf_link *l = s->waiters.next; l != &s->waiters; l = l->next) n += wf_swait_open(wf_list_entry(l, wf_snode, link)->wait);
  return n;
}

uint32_t wf_shlock_waiting(wf_shlock *s) {
  pthread_mutex_lock(&s->shared.lock);
  uint32_t n = waiting_locked(s);
  pthread_mutex_unlock(&s->shared.lock);
  return n;
}

bool wf_shlock_arrive(wf_iso *iso, lua_State *L, wf_shlock *s, wf_task **t) {
  wf_snode *n = wait_arm(iso, L, s, WF_SHWANT_PASS, WF_WHY_WAIT);
  wf_swait *w = NULL;
  pthread_mutex_lock(&s->shared.lock);
  bool last = waiting_locked(s) + 1 >= s->count; /* some may have left */
  if (last)
    w = signal_locked(s, UINT32_MAX);
  else
    wf_list_append(&s->waiters, &n->link);
  pthread_mutex_unlock(&s->shared.lock);
  *t = iso->cur;
  if (last) {
    post_all(w);
    wait_undo(*t);
  } else {
    wf_wait_outside(iso, *t);
  }
  return last;
}

wf_owner wf_shlock_holder(wf_shlock *s, uint32_t *holders, bool *writes, bool *lost) {
  pthread_mutex_lock(&s->shared.lock);
  *lost = s->lost_writer || (s->lost_readers > 0 && s->readers == 0);
  *writes = s->lost_writer || s->writers > 0;
  *holders = s->readers + s->writers + s->lost_readers + s->lost_writer;
  wf_owner o = *lost ? s->lost : (wf_owner){0};
  if (!*lost && !wf_list_empty(&s->holds)) o = wf_list_entry(s->holds.next, wf_hold, in_lock)->owner;
  pthread_mutex_unlock(&s->shared.lock);
  return o;
}

/* The end ------------------------------------------------------------------------------------- */

static void hold_lose(wf_hold *h) {
  wf_shlock *s = h->lock;
  pthread_mutex_lock(&s->shared.lock);
  untake_locked(s, h);
  s->lost = h->owner;
  if (h->want == WF_SHWANT_WRITE)
    s->lost_writer = true;
  else
    s->lost_readers++;
  unlock_and_pass(s);
  hold_free(h);
}

void wf_holds_end(wf_iso *iso, const wf_task *t) {
  wf_link *l, *next;
  wf_list_each(l, next, &iso->holds) {
    wf_hold *h = wf_list_entry(l, wf_hold, in_iso);
    if (t == NULL || h->task == t) hold_lose(h);
  }
}

/* Becoming shared ------------------------------------------------------------------------------ */

bool wf_shlock_adopt(wf_iso *iso, wf_shlock *s, wf_task *t, enum wf_shwant want) {
  wf_hold *h = hold_new(s, wf_owner_of(iso, t), want);
  if (h == NULL) return false;
  take_locked(s, h);
  hold_adopt(iso, h, t);
  return true;
}

bool wf_shlock_move(wf_iso *iso, wf_shlock *s, wf_task *t, enum wf_shwant want) {
  wf_hold *h = want == WF_SHWANT_PASS ? NULL : hold_new(s, wf_owner_of(iso, t), want);
  wf_swait *w = want != WF_SHWANT_PASS && h == NULL ? NULL : wf_swait_of(iso, t);
  wf_snode *n = w == NULL ? NULL : wf_swait_add(w, &s->shared, 1);
  if (n == NULL) {
    hold_free(h);
    return false;
  }
  n->at = h;
  wf_list_append(&s->waiters, &n->link);
  return true;
}

void wf_shlock_discard(wf_shlock *s) {
  while (!wf_list_empty(&s->waiters)) wf_list_unlink(s->waiters.next); /* the nodes stay with their waits, which free them */
  while (!wf_list_empty(&s->holds)) {
    wf_hold *h = wf_list_entry(s->holds.next, wf_hold, in_lock);
    wf_list_unlink(&h->in_lock);
    hold_free(h);
  }
  wf_shared_release(&s->shared);
}
