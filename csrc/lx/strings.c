/* See strings.h. */
#include "lx/strings.h"

void wf_strings_miss(wf_strings *t, lua_State *L, int array, const char *s, size_t len, wf_string_key k,
                     unsigned place) {
  bool again = t->entry[place].len == len && t->entry[place].key.head == k.head && t->entry[place].key.tail == k.tail;
  lua_pushlstring(L, s, len);
  t->entry[place].string = NULL; /* until it is there */
  if (again) {
    lua_pushvalue(L, -1);
    lua_rawseti(L, array, place + 1);
  }
  t->entry[place].key = k;
  t->entry[place].len = (uint32_t)len;
  t->entry[place].string = again ? lua_topointer(L, -1) : NULL;
}
