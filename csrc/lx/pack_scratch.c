/* The packer's working memory: which strings and objects a message has met (see pack_state.h).
 *
 * Belongs to one state and is used by its carrier while it packs; a nested pack makes one of its own. The tables
 * are never cleared: a slot counts only when its `gen` is that of the message.
 */
#include <string.h>

#include "base/alloc.h"
#include "lx/pack_state.h"

enum {
  FIRST_BITS = 4,
  LAST_BITS = 30,
  KEEP_BYTES = 64 << 10, /* idle memory a state may keep */
};

static uint32_t slots_count(const wf_slots *s) { return s->slot == NULL ? 0 : UINT32_C(1) << (s->bits & 31); }

static void slots_free(wf_slots *s) {
  wf_free(s->slot);
  s->slot = NULL;
  s->bits = s->used = 0;
}

wf_slot *wf_slots_grow(wf_slots *s, uint32_t gen, const void *key) {
  wf_slots bigger = {NULL, s->bits == 0 ? FIRST_BITS : s->bits + 2, s->used};
  if (s->bits >= LAST_BITS) return NULL;
  bigger.slot = wf_calloc((size_t)1 << bigger.bits, sizeof *bigger.slot);
  if (bigger.slot == NULL) return NULL;
  for (uint32_t i = 0; i < slots_count(s); i++)
    if (s->slot[i].gen == gen) *wf_slots_find(&bigger, gen, s->slot[i].key) = s->slot[i];
  wf_free(s->slot);
  *s = bigger;
  return wf_slots_find(s, gen, key);
}

bool wf_scratch_objects_grow(wf_scratch *s) {
  uint32_t room = s->object_room == 0 ? 16 : s->object_room * 2;
  if (room < s->object_room) return false;
  wf_object *object = wf_realloc(s->object, room * sizeof *object);
  if (object == NULL) return false;
  s->object = object;
  s->object_room = room;
  return true;
}

/* All numbers were used: forget the old marks. */
void wf_scratch_restart(wf_scratch *s) {
  if (s->strings.slot != NULL) memset(s->strings.slot, 0, slots_count(&s->strings) * sizeof(wf_slot));
  if (s->objects.slot != NULL) memset(s->objects.slot, 0, slots_count(&s->objects) * sizeof(wf_slot));
  s->gen = 1;
}

void wf_scratch_trim(wf_scratch *s) {
  size_t bytes =
      (slots_count(&s->strings) + slots_count(&s->objects)) * sizeof(wf_slot) + s->object_room * sizeof(wf_object);
  uint32_t used = s->strings.used + s->objects.used;
  if (bytes > KEEP_BYTES || used < (slots_count(&s->strings) + slots_count(&s->objects)) / 32) wf_scratch_free(s);
}

void wf_scratch_free(wf_scratch *s) {
  slots_free(&s->strings);
  slots_free(&s->objects);
  wf_free(s->object);
  s->object = NULL;
  s->object_room = 0;
}
