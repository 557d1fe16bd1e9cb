/* What every C file of weft may use: branch hints, assertions, container_of.
 * C11 only; no state. */
#ifndef WF_BASE_H
#define WF_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define wf_likely(x) __builtin_expect(!!(x), 1)
#define wf_unlikely(x) __builtin_expect(!!(x), 0)

/* The struct of type `type` whose member `member` is at `ptr`. */
#define wf_container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* 1 in builds under the sanitizer for addresses, or threads, by gcc or clang. */
#if defined(__SANITIZE_ADDRESS__)
#define WF_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WF_ASAN 1
#endif
#endif
#ifndef WF_ASAN
#define WF_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__)
#define WF_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WF_TSAN 1
#endif
#endif
#ifndef WF_TSAN
#define WF_TSAN 0
#endif

/* Invariants. They stay on in test builds (-DWF_DEBUG) and vanish in the released module. */
#ifdef WF_DEBUG
#include <assert.h>
#define wf_assert(x) assert(x)
#else
#define wf_assert(x) ((void)0)
#endif

#endif
