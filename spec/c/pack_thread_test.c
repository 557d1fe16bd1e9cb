/* pack_thread_test.c: messages that are made on one thread and read and freed on others.
 *
 * Makers pack in states of their own, close them while messages are still out and open new ones; takers unpack and
 * free in any order; some messages are read by several takers at once. Nothing may be lost, and nothing be left.
 * Meant for the thread sanitizer too. */
#include <pthread.h>

#include "pack_util.h"

enum { MAKERS = 3, TAKERS = 3, STATES = 12, EACH = 60, SLOTS = 32 };

/* What the threads hand over: the message, and how many takers still have to read it. */
typedef struct parcel {
  wf_msg *msg;
  atomic_int readers;
  lua_Integer sum;
} parcel;

static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  parcel *slot[SLOTS];
  int used, makers;
} belt = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .makers = MAKERS};

static atomic_long made, taken;

static void belt_put(parcel *p, int times) {
  pthread_mutex_lock(&belt.lock);
  while (times > 0) {
    if (belt.used < SLOTS) {
      belt.slot[belt.used++] = p;
      times--;
      pthread_cond_broadcast(&belt.changed);
    } else {
      pthread_cond_wait(&belt.changed, &belt.lock);
    }
  }
  pthread_mutex_unlock(&belt.lock);
}

/* NULL: the makers are done. Takes from the middle, so that the order is nobody's. */
static parcel *belt_take(unsigned turn) {
  parcel *p = NULL;
  pthread_mutex_lock(&belt.lock);
  while (belt.used == 0 && belt.makers > 0) pthread_cond_wait(&belt.changed, &belt.lock);
  if (belt.used > 0) {
    unsigned i = turn % (unsigned)belt.used;
    p = belt.slot[i];
    belt.slot[i] = belt.slot[--belt.used];
    pthread_cond_broadcast(&belt.changed);
  }
  pthread_mutex_unlock(&belt.lock);
  return p;
}

static const char maker_code[] =
    "local i = ... local n = i local kind = i % 6\n"
    "if kind == 0 then return {n} end\n"
    "if kind == 1 then local t = {} for k = 1, 50 do t[k] = 'filler ' .. k end t[51] = n return t, n end\n"
    "if kind == 2 then return function() n = n + 0 return n end end\n"
    "if kind == 3 then return box(n), {box(n)} end\n"
    "if kind == 4 then return ('x'):rep(66000 + n), n end\n"
    "local list = {} for k = 1, 200 do list[k] = {id = k, name = 'name ' .. k} end list.n = n return list\n";

static void *maker(void *arg) {
  lua_Integer i = (lua_Integer)(intptr_t)arg * 100000 + 100;
  for (int s = 0; s < STATES; s++) {
    heap h = {0};
    lua_State *L = state_new(&h);
    luaL_loadstring(L, maker_code);
    for (int k = 0; k < EACH; k++) {
      i++;
      lua_settop(L, 1);
      lua_pushvalue(L, 1);
      lua_pushinteger(L, i);
      lua_call(L, 1, LUA_MULTRET);
      parcel *p = calloc(1, sizeof *p);
      p->msg = wf_pack(L, 2, lua_gettop(L) - 1, "value");
      p->sum = i;
      if (p->msg == NULL) abort();
      int times = i % 5 == 0 ? TAKERS : 1;
      atomic_init(&p->readers, times);
      atomic_fetch_add(&made, times);
      belt_put(p, times);
    }
    lua_close(L);
    if (h.blocks != 0) abort();
  }
  pthread_mutex_lock(&belt.lock);
  belt.makers--;
  pthread_cond_broadcast(&belt.changed);
  pthread_mutex_unlock(&belt.lock);
  return NULL;
}

static const char taker_code[] =
    "local i, a, b = ...\n"
    "if type(a) == 'function' then assert(a() == i) elseif type(a) == 'userdata' then assert(#a == i and #b[1] == i)\n"
    "elseif type(a) == 'string' then assert(#a == 66000 + b and b == i)\n"
    "elseif b then assert(a[51] == i and a[50] == 'filler 50') elseif #a == 1 then assert(a[1] == i)\n"
    "else assert(a.n == i and a[200].name == 'name 200') end\n";

static void *taker(void *arg) {
  heap h = {0};
  lua_State *L = state_new(&h);
  luaL_loadstring(L, taker_code);
  parcel *p;
  for (unsigned turn = (unsigned)(uintptr_t)arg; (p = belt_take(turn)) != NULL; turn += 7) {
    lua_settop(L, 1);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, p->sum);
    int n = wf_unpack(L, p->msg);
    if (lua_pcall(L, n + 1, 0, 0) != LUA_OK) {
      printf("message %lld: %s\n", (long long)p->sum, lua_tostring(L, -1));
      abort();
    }
    if (atomic_fetch_sub(&p->readers, 1) == 1) {
      wf_msg_free(p->msg);
      free(p);
    }
    atomic_fetch_add(&taken, 1);
  }
  lua_close(L);
  if (h.blocks != 0) abort();
  return NULL;
}

int main(void) {
  pthread_t makers[MAKERS], takers[TAKERS];
  for (intptr_t i = 0; i < MAKERS; i++) pthread_create(&makers[i], NULL, maker, (void *)i);
  for (intptr_t i = 0; i < TAKERS; i++) pthread_create(&takers[i], NULL, taker, (void *)i);
  for (int i = 0; i < MAKERS; i++) pthread_join(makers[i], NULL);
  for (int i = 0; i < TAKERS; i++) pthread_join(takers[i], NULL);
  CHECK(made == taken, "%ld made, %ld taken", (long)made, (long)taken);
  CHECK(box_live == 0, "%ld boxes left", (long)box_live);
  printf("%ld messages, %d failures\n", (long)taken, failures);
  return failures != 0;
}
