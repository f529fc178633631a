#ifndef NX_ENCODINGS_H
#define NX_ENCODINGS_H

#include "py/obj.h"

MP_DECLARE_CONST_FUN_OBJ_KW(nx_encode_obj);
MP_DECLARE_CONST_FUN_OBJ_KW(nx_decode_obj);

/* What str.encode(encoding, errors) and bytes.decode(encoding, errors) are; the text or bytes is argument 0. */
mp_obj_t nx_encode(size_t count, const mp_obj_t *arguments);
mp_obj_t nx_decode(size_t count, const mp_obj_t *arguments);

#endif
