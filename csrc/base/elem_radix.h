/* Radix sort of private keys, for elem_sort.c, which includes this once a width with KEY the unsigned type and
 * F(x) the name of x for it. No guard: meant to be included again. */

static void F(insert)(KEY *a, size_t n) {
  for (size_t i = 1; i < n; i++) {
    KEY v = a[i];
    size_t at = i;
    for (; at > 0 && a[at - 1] > v; at--) a[at] = a[at - 1];
    a[at] = v;
  }
}

static bool F(is_sorted)(const KEY *a, size_t n) {
  size_t i = 1;
  while (i < n && a[i - 1] <= a[i]) i++;
  return i >= n;
}

/* Byte by byte from the lowest, from `a` to `other` and back; which of the two has the result. A byte that all
 * keys have in common costs nothing. */
static KEY *F(radix)(KEY *a, KEY *other, size_t n) {
  size_t count[sizeof(KEY)][256];
  memset(count, 0, sizeof count);
  for (size_t i = 0; i < n; i++)
    for (size_t b = 0; b < sizeof(KEY); b++) count[b][a[i] >> (8 * b) & 255]++;
  for (size_t b = 0; b < sizeof(KEY); b++) {
    size_t *c = count[b], at = 0;
    if (c[a[0] >> (8 * b) & 255] == n) continue;
    for (size_t d = 0; d < 256; d++) {
      size_t many = c[d];
      c[d] = at;
      at += many;
    }
    for (size_t i = 0; i < n; i++) other[c[a[i] >> (8 * b) & 255]++] = a[i];
    KEY *t = a;
    a = other;
    other = t;
  }
  return a;
}

static KEY *F(sort)(KEY *a, KEY *other, size_t n) {
  if (n <= INSERT_MOST) {
    F(insert)(a, n);
    return a;
  }
  return F(is_sorted)(a, n) ? a : F(radix)(a, other, n);
}

#undef KEY
#undef F
