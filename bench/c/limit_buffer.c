/* What plain loops of C, memcpy and qsort cost an element of n doubles: the floor of the functions over a whole
 * buffer. "max_ns" is a loop as one writes it; others unroll it. One thread, nothing shared. */
#include "bench.h"

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double *numbers, *other;
static volatile double result;

static void fill(long n) { for (long i = 0; i < n; i++) other[i] = 1.5; }
static void copy(long n) { memcpy(other, numbers, (size_t)n * sizeof *other); }
static void sum(long n) {
  double s = 0;
  for (long i = 0; i < n; i++) s += other[i];
  result = s;
}
static void most(long n) {
  double m = other[0];
  for (long i = 1; i < n; i++) m = other[i] > m ? other[i] : m;
  result = m;
}
static void sort(long n) {
  copy(n);
  qsort(other, (size_t)n, sizeof *other, compare);
}

static void loops(long n) {
  static const struct {
    const char *name;
    void (*run)(long n);
  } all[] = {{"fill_ns", fill}, {"copy_ns", copy}, {"sum_ns", sum}, {"max_ns", most}, {"sort_ns", sort}};
  numbers = malloc((size_t)n * sizeof *numbers);
  other = malloc((size_t)n * sizeof *other);
  if (numbers == NULL || other == NULL) exit(1);
  for (long i = 0; i < n; i++) numbers[i] = (double)rand() / RAND_MAX;
  for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
    double best = 1e18;
    for (int round = 0; round < 4; round++) {
      double t = cpu_ns();
      all[k].run(n);
      t = cpu_ns() - t;
      if (t < best) best = t;
    }
    printf("%s %.4f\n", all[k].name, best / (double)n);
  }
  free(numbers);
  free(other);
}

int main(int argc, char **argv) {
  loops(arg_long(argc, argv, 1, 1000000));
  return 0;
}
