/* An uncaught exception as CPython shows it: innermost call last, each with its line of source, repetitions
 * counted instead of shown. Invariant: prints without allocating, so that it works when memory is out. */
#include "py/objexcept.h"
#include "py/runtime.h"

#include "guest.h"

#define SHOWN_REPETITIONS 3

static void print_source_line(const mp_print_t *print, qstr file, size_t number)
{
    size_t size;
    const char *line = nx_source_line(file, number, &size);
    if (!line)
        return;
    while (size && (*line == ' ' || *line == '\t' || *line == '\f'))
        line++, size--;
    while (size && (unsigned char)line[size - 1] <= ' ')
        size--;
    if (!size)
        return;
    mp_print_str(print, "    ");
    print->print_strn(print->data, line, size);
    mp_print_str(print, "\n");
}

static void print_frame(const mp_print_t *print, const size_t *frame)
{
    mp_printf(print, "  File \"%q\", line %d", (qstr)frame[0], (int)frame[1]);
    if (frame[2] != MP_QSTRnull)
        mp_printf(print, ", in %q", (qstr)frame[2]);
    mp_print_str(print, "\n");
    print_source_line(print, (qstr)frame[0], frame[1]);
}

static void print_repeated(const mp_print_t *print, size_t times)
{
    if (times > SHOWN_REPETITIONS) {
        times -= SHOWN_REPETITIONS;
        mp_printf(print, "  [Previous line repeated %d more time%s]\n", (int)times, times > 1 ? "s" : "");
    }
}

static void print_frames(const mp_print_t *print, const size_t *frames, size_t size)
{
    const size_t *last = NULL;
    size_t times = 0;
    for (size_t at = size; at >= 3; at -= 3) {
        const size_t *frame = frames + at - 3;
        int same = last && last[0] == frame[0] && last[1] == frame[1] && last[2] == frame[2];
        if (!same) {
            print_repeated(print, times);
            times = 0;
        }
        if (++times <= SHOWN_REPETITIONS)
            print_frame(print, frame);
        last = frame;
    }
    print_repeated(print, times);
}

/* Prints on, but holds a ": " back until something follows: an exception without a text is only its name. */
struct holding {
    const mp_print_t *print;
    int held;
};

static void print_holding(void *data, const char *text, size_t size)
{
    struct holding *holding = data;
    if (size == 0)
        return;
    if (holding->held)
        mp_print_str(holding->print, ": ");
    holding->held = size == 2 && text[0] == ':' && text[1] == ' ';
    if (!holding->held)
        holding->print->print_strn(holding->print->data, text, size);
}

static void print_one(const mp_print_t *print, mp_obj_t exception)
{
    if (mp_obj_is_exception_instance(exception)) {
        size_t size, *frames;
        mp_obj_exception_get_traceback(exception, &size, &frames);
        int is_syntax_error = mp_obj_is_subclass_fast(
            MP_OBJ_FROM_PTR(mp_obj_get_type(exception)), MP_OBJ_FROM_PTR(&mp_type_SyntaxError));
        /* code that was never run has no calls to show, only its place */
        if (size && !(is_syntax_error && size == 3 && frames[2] == MP_QSTRnull))
            mp_print_str(print, "Traceback (most recent call last):\n");
        print_frames(print, frames, size);
    }
    struct holding holding = {print, 0};
    mp_print_t last = {&holding, print_holding};
    mp_obj_print_helper(&last, exception, PRINT_EXC);
    mp_print_str(print, "\n");
}

#define SHOWN_CAUSES 8

static void print_cause(const mp_print_t *print, mp_obj_t exception, int depth)
{
    mp_obj_t cause[2];
    mp_load_method_maybe(exception, MP_QSTR___cause__, cause);
    if (cause[0] == MP_OBJ_NULL || cause[0] == mp_const_none || depth == SHOWN_CAUSES)
        return;
    print_cause(print, cause[0], depth + 1);
    print_one(print, cause[0]);
    mp_print_str(print, "\nThe above exception was the direct cause of the following exception:\n\n");
}

void nx_print_exception(const mp_print_t *print, mp_obj_t exception)
{
    if (mp_obj_is_exception_instance(exception))
        print_cause(print, exception, 0);
    print_one(print, exception);
}
