/* Linked into the Lua host and the C tests of the TSan build. gcc's libtsan knows longjmp and siglongjmp only, but
 * Debian's liblua throws with __longjmp_chk and a Lua built from source with _longjmp: then every error and every
 * yield leaves frames on TSan's shadow stack, until that is full. */
#include "base/base.h"

#if WF_TSAN
#include <setjmp.h>

__attribute__((noreturn, visibility("default"))) void __longjmp_chk(jmp_buf env, int val);
__attribute__((noreturn, visibility("default"))) void __longjmp_chk(jmp_buf env, int val) { longjmp(env, val); }

__attribute__((noreturn, visibility("default"))) void _longjmp(jmp_buf env, int val);
__attribute__((noreturn, visibility("default"))) void _longjmp(jmp_buf env, int val) { longjmp(env, val); }
#else
typedef int tsan_longjmp_is_empty; /* a translation unit holds something */
#endif
