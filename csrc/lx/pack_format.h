/* The bytes of a message: what wf_pack writes and wf_unpack reads. No code, no state.
 *
 * A header, then n values. Numbers are in the machine's own byte order: the readers are other states of this
 * process, processes on this machine, or machines of its kind; the magic number tells a stranger apart.
 *
 * A value is a tag and its operand:
 *
 *   NIL FALSE TRUE
 *   INT8 INT16 INT32 INT64 FLOAT   the number; 0..63 is in the tag itself (TAG_INT + i)
 *   STR u16 bytes, LSTR u32 bytes, BLOB u32 (an entry on the side)
 *   DEF string                     the same, and the string becomes the next entry of the dictionary
 *   TAG_REF + i, REF u16           entry i of the dictionary
 *   POINTER u64                    a light userdata
 *   TABLE u32 u32                  sizes of array and hash, then the array's values and the hash's pairs
 *   META string TABLE ...          the same, with the metatable registered under that name
 *   OBJREF u32                     an object met before, by its ordinal
 *   GLOBALS                        the reader's table of globals
 *   NAMED string                   "module", or "module\0field\0field": what the reader finds there
 *   CFUNC u64                      a C function, by address
 *   FUNC string u8                 bytecode and the number of upvalues, then each upvalue as
 *     CELL value                     a variable met first here, or
 *     JOIN u32 u8                    the variable of upvalue u8 of the function with that ordinal
 *   HANDLE u32                     an object outside Lua (an entry on the side)
 *
 * Ordinals count TABLE, FUNC, HANDLE and CELL in the order of the bytes. The tag of an object that an
 * OBJREF or JOIN names later is written over with its SHARED form, so that readers keep those alone.
 *
 * A string is written in full when met first, with DEF when met again, and as a reference from then
 * on: unique strings cost nothing, and keys are made once a message.
 *
 * For WF_REACH_ANYONE keys are written wide (LSTR, REF u16, INT8 and up) and strings below 3 bytes are not defined, so
 * that every byte of the message pays for what it makes at 16 bytes of the reader's memory (unpack.c counts).
 */
#ifndef WF_LX_PACK_FORMAT_H
#define WF_LX_PACK_FORMAT_H

#include <stdint.h>

enum {
  TAG_NIL,
  TAG_FALSE,
  TAG_TRUE,
  TAG_INT8,
  TAG_INT16,
  TAG_INT32,
  TAG_INT64,
  TAG_FLOAT,
  TAG_STR,
  TAG_LSTR,
  TAG_BLOB,
  TAG_DEF,
  TAG_REF16,
  TAG_POINTER,
  TAG_TABLE,
  TAG_TABLE_SHARED,
  TAG_META,
  TAG_OBJREF,
  TAG_GLOBALS,
  TAG_NAMED,
  TAG_CFUNC,
  TAG_FUNC,
  TAG_FUNC_SHARED,
  TAG_CELL,
  TAG_JOIN,
  TAG_HANDLE,
  TAG_HANDLE_SHARED,
  TAG_INT = 0x40, /* 0x40..0x7f: the integers 0..63 */
  TAG_REF = 0x80, /* 0x80..0xff: dictionary entries 0..127 */
};

enum {
  PACK_MAGIC = 0x31465757, /* "WWF1" read as a little-endian number */
  PACK_DEPTH = 200,        /* nesting of tables and functions */
  PACK_VALUES_ANYONE = 16, /* values in a message for strangers */
  PACK_DICT_MAX = 65535,
  PACK_DICT_NEAR = 128, /* entries that a one-byte reference reaches */
  PACK_SHORT_MAX = 65535,
  PACK_SMALL_INTS = 64,
  PACK_TABLE_BYTES = 9, /* TABLE and its two sizes */
};

typedef struct wf_pack_head {
  uint32_t magic;
  uint32_t values;
  uint32_t dict;   /* entries of the dictionary */
  uint32_t shared; /* objects with a SHARED tag */
} wf_pack_head;

#endif
