/* Python in a guest. With the module "main.py": runs it and exits with its status. Without: runs one piece
 * of code after another that the tender hands it (nx_fetch), all in the same __main__, until there is no
 * more. */
#include "py/cstack.h"
#include "py/gc.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stackctrl.h"

#include "guest.h"

static void start(int count, char **words)
{
    mp_cstack_init_with_top((void *)(uintptr_t)NX_IMAGE, NX_STACK_SIZE);
    nx_heap_start();
    mp_init();
    nx_streams_start();
    mp_obj_t path[] = {MP_OBJ_NEW_QSTR(MP_QSTR_), MP_OBJ_NEW_QSTR(MP_QSTR_lib)};
    mp_sys_path = mp_obj_new_list(2, path);
    mp_obj_list_init(MP_OBJ_TO_PTR(mp_sys_argv), 0);
    mp_obj_list_append(mp_sys_argv, MP_OBJ_NEW_QSTR(qstr_from_str("main.py")));
    for (int i = 1; i < count; i++)
        mp_obj_list_append(mp_sys_argv, mp_obj_new_str(words[i], __builtin_strlen(words[i])));
    mp_store_name(MP_QSTR___file__, MP_OBJ_NEW_QSTR(qstr_from_str("main.py")));
}

/* What sys.atexit was given, once, after the program. */
static int at_exit(int status)
{
    mp_obj_t function = MP_STATE_VM(sys_exitfunc);
    nlr_buf_t nlr;
    MP_STATE_VM(sys_exitfunc) = mp_const_none;
    if (function == MP_OBJ_NULL || function == mp_const_none)
        return status;
    if (nlr_push(&nlr) == 0) {
        mp_call_function_0(function);
        nlr_pop();
    } else {
        nx_flush();
        nx_print_exception(&nx_stderr_print, MP_OBJ_FROM_PTR(nlr.ret_val));
    }
    return status;
}

/* The code's name in tracebacks: the first is a program like any other, later ones are told apart. */
static qstr name_of(unsigned long number)
{
    char name[40];
    if (number == 1)
        return qstr_from_str("main.py");
    nx_snprintf(name, sizeof name, "<input %lu>", number);
    return qstr_from_str(name);
}

static int run_fetched(unsigned long number, const char *text, size_t size)
{
    nlr_buf_t nlr;
    if (nlr_push(&nlr) != 0) {
        mp_print_str(&nx_stderr_print, "MemoryError: no room for the code\n");
        return 1;
    }
    qstr name = name_of(number);
    nx_source_add(name, text, size);
    nlr_pop();
    return nx_run_source(name, text, size);
}

static int serve(void)
{
    int status = 0;
    char *text = nx_reply_buffer();
    for (unsigned long number = 1;; number++) {
        long size = nx_fetch(status, text, NX_PAYLOAD_MAX);
        if (size < 0)
            return size == -NX_ENOENT ? 0 : 1;
        status = run_fetched(number, text, (size_t)size);
        nx_flush();
    }
}

int main(int count, char **words)
{
    start(count, words);
    size_t size;
    const char *text = nx_module("main.py", &size);
    return at_exit(text ? nx_run_source(qstr_from_str("main.py"), text, size) : serve());
}

void nlr_jump_fail(void *value)
{
    (void)value;
    nx_panic("an exception that nothing catches");
}

void abort(void)
{
    nx_panic("abort");
}

unsigned long nx_random_seed(void)
{
    unsigned long seed;
    if (nx_random(&seed, sizeof seed) < 0)
        seed = (unsigned long)nx_now();
    return seed;
}
