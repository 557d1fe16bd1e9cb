/* The floor of a million timers: put each into the list of its millisecond, then visit
 * every list in order ("cpu", seconds). No sleeping, no task, no hierarchy.
 * "heap_cpu" is the same with a binary heap, as Go and Node keep theirs. */
#include "bench.h"

typedef struct timer_node {
  struct timer_node *next;
  uint64_t due;
  long id;
} timer_node;

static double wheel_seconds(long n) {
  static timer_node *slots[1024];
  timer_node *nodes = calloc((size_t)n, sizeof *nodes);
  if (!nodes) abort();
  long sum = 0;
  double t = cpu_ns();
  for (long i = 0; i < n; i++) {
    size_t slot = (size_t)(i % 1000 + 1);
    nodes[i] = (timer_node){slots[slot], slot, i};
    slots[slot] = &nodes[i];
  }
  for (size_t k = 0; k < 1024; k++)
    for (timer_node *x = slots[k]; x; x = x->next) sum += x->id;
  t = cpu_ns() - t;
  if (sum != n * (n - 1) / 2) abort();
  free(nodes);
  return t / 1e9;
}

static void heap_push(uint64_t *heap, long n, uint64_t due) {
  long i = n;
  for (; i && heap[(i - 1) / 2] > due; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
  heap[i] = due;
}

/* n is the count that stays after the pop. */
static uint64_t heap_pop(uint64_t *heap, long n) {
  uint64_t first = heap[0];
  uint64_t last = heap[n];
  long i = 0;
  for (long c = 1; c < n; c = 2 * i + 1) {
    if (c + 1 < n && heap[c + 1] < heap[c]) c++;
    if (heap[c] >= last) break;
    heap[i] = heap[c];
    i = c;
  }
  heap[i] = last;
  return first;
}

static double heap_seconds(long n) {
  uint64_t *heap = malloc((size_t)n * sizeof *heap);
  if (!heap) abort();
  uint64_t before = 0;
  double t = cpu_ns();
  for (long i = 0; i < n; i++) heap_push(heap, i, (uint64_t)(i % 1000 + 1) * 1000000u + (uint64_t)i);
  for (long i = n; i > 0; i--) {
    uint64_t due = heap_pop(heap, i - 1);
    if (due < before) abort();
    before = due;
  }
  t = cpu_ns() - t;
  free(heap);
  return t / 1e9;
}

int main(int argc, char **argv) {
  long n = arg_long(argc, argv, 1, 1000000);
  printf("cpu %.6f\n", wheel_seconds(n));
  printf("heap_cpu %.6f\n", heap_seconds(n));
  return 0;
}
