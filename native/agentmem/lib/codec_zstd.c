/* One zstd frame, there and back, with contexts that each thread makes once.
 *
 * It knows zstd and nothing of heads or units. Invariant: a frame is decoded only where its header says
 * exactly the length that the caller expects and nothing lies behind it, so zstd never has more to write than
 * there is room. */
#include "codec_zstd.h"

#include "agentmem.h"

#include <pthread.h>
#include <stdlib.h>
#include <zstd_errors.h>

struct contexts {
    ZSTD_CCtx *encoder;
    ZSTD_DCtx *decoder;
};

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool have_key;

static void free_contexts(void *made)
{
    struct contexts *contexts = made;
    ZSTD_freeCCtx(contexts->encoder);
    ZSTD_freeDCtx(contexts->decoder);
    free(contexts);
}

static void make_key(void)
{
    have_key = pthread_key_create(&key, free_contexts) == 0;
}

/* A library that is unloaded must not be called at a thread's end. */
__attribute__((destructor)) static void forget_key(void)
{
    if (have_key)
        pthread_key_delete(key);
}

static struct contexts *mine(void)
{
    pthread_once(&once, make_key);
    if (!have_key)
        return NULL;
    struct contexts *contexts = pthread_getspecific(key);
    if (contexts == NULL && (contexts = calloc(1, sizeof *contexts)) != NULL &&
        pthread_setspecific(key, contexts) != 0) {
        free(contexts);
        contexts = NULL;
    }
    return contexts;
}

ZSTD_CCtx *am_zstd_encoder(void)
{
    struct contexts *contexts = mine();
    if (contexts == NULL || (contexts->encoder == NULL && (contexts->encoder = ZSTD_createCCtx()) == NULL))
        return NULL;
    ZSTD_CCtx_reset(contexts->encoder, ZSTD_reset_session_and_parameters);
    return contexts->encoder;
}

ZSTD_DCtx *am_zstd_decoder(void)
{
    struct contexts *contexts = mine();
    if (contexts == NULL || (contexts->decoder == NULL && (contexts->decoder = ZSTD_createDCtx()) == NULL))
        return NULL;
    ZSTD_DCtx_reset(contexts->decoder, ZSTD_reset_session_and_parameters);
    return contexts->decoder;
}

void am_zstd_shrink(void)
{
    struct contexts *contexts = mine();
    if (contexts != NULL) {
        ZSTD_freeCCtx(contexts->encoder);
        contexts->encoder = NULL;
    }
}

size_t am_frame_encode(const struct am_frame_settings *settings, const void *raw, size_t raw_bytes, void *out,
                       size_t room)
{
    ZSTD_CCtx *encoder = am_zstd_encoder();
    const ZSTD_CDict *prepared = NULL;
    if (encoder == NULL)
        return AM_NO_MEMORY;
    if (settings->dictionary != NULL &&
        (prepared = am_dictionary_encoder(settings->dictionary, settings->level)) == NULL)
        return AM_NO_MEMORY;
    size_t done = ZSTD_CCtx_setParameter(encoder, ZSTD_c_compressionLevel, settings->level);
    done |= ZSTD_CCtx_setParameter(encoder, ZSTD_c_checksumFlag, 1);
    done |= ZSTD_CCtx_setParameter(encoder, ZSTD_c_dictIDFlag, 0);
    if (settings->window_log != 0)
        done |= ZSTD_CCtx_setParameter(encoder, ZSTD_c_windowLog, settings->window_log);
    if (settings->long_distance)
        done |= ZSTD_CCtx_setParameter(encoder, ZSTD_c_enableLongDistanceMatching, 1);
    if (ZSTD_isError(done))
        abort(); /* a parameter that this file never gives */
    if (prepared != NULL)
        ZSTD_CCtx_refCDict(encoder, prepared);
    else if (settings->prefix != NULL)
        ZSTD_CCtx_refPrefix(encoder, settings->prefix, settings->prefix_bytes);
    const size_t written = ZSTD_compress2(encoder, out, room, raw, raw_bytes);
    if (!ZSTD_isError(written))
        return written;
    return ZSTD_getErrorCode(written) == ZSTD_error_dstSize_tooSmall ? AM_NO_ROOM : AM_NO_MEMORY;
}

int am_frame_decode(const void *frame, size_t frame_bytes, const struct am_dictionary *dictionary,
                    const void *prefix, size_t prefix_bytes, void *raw, size_t raw_bytes)
{
    /* A skippable frame says 0; what is expected here is never empty. */
    if (raw_bytes == 0 || ZSTD_getFrameContentSize(frame, frame_bytes) != raw_bytes ||
        ZSTD_findFrameCompressedSize(frame, frame_bytes) != frame_bytes)
        return AM_ECORRUPT;
    ZSTD_DCtx *decoder = am_zstd_decoder();
    if (decoder == NULL)
        return AM_ENOMEM;
    if (dictionary != NULL)
        ZSTD_DCtx_refDDict(decoder, am_dictionary_decoder(dictionary));
    else if (prefix != NULL)
        ZSTD_DCtx_refPrefix(decoder, prefix, prefix_bytes);
    const size_t written = ZSTD_decompressDCtx(decoder, raw, raw_bytes, frame, frame_bytes);
    if (ZSTD_isError(written) && ZSTD_getErrorCode(written) == ZSTD_error_memory_allocation)
        return AM_ENOMEM;
    return written == raw_bytes ? 0 : AM_ECORRUPT;
}
