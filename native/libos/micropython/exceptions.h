/* The list of exceptions.c: X(name, base). */
#ifndef NX_EXCEPTIONS_H
#define NX_EXCEPTIONS_H

#define NX_EXCEPTIONS(X) \
    X(BlockingIOError, OSError) \
    X(BufferError, Exception) \
    X(ChildProcessError, OSError) \
    X(ConnectionError, OSError) \
    X(BrokenPipeError, ConnectionError) \
    X(ConnectionAbortedError, ConnectionError) \
    X(ConnectionRefusedError, ConnectionError) \
    X(ConnectionResetError, ConnectionError) \
    X(FileExistsError, OSError) \
    X(FileNotFoundError, OSError) \
    X(FloatingPointError, ArithmeticError) \
    X(InterruptedError, OSError) \
    X(IsADirectoryError, OSError) \
    X(ModuleNotFoundError, ImportError) \
    X(NotADirectoryError, OSError) \
    X(PermissionError, OSError) \
    X(ProcessLookupError, OSError) \
    X(RecursionError, RuntimeError) \
    X(ReferenceError, Exception) \
    X(SystemError, Exception) \
    X(TabError, IndentationError) \
    X(TimeoutError, OSError) \
    X(UnboundLocalError, NameError) \
    X(UnicodeDecodeError, UnicodeError) \
    X(UnicodeEncodeError, UnicodeError) \
    X(Warning, Exception) \
    X(BytesWarning, Warning) \
    X(DeprecationWarning, Warning) \
    X(FutureWarning, Warning) \
    X(ImportWarning, Warning) \
    X(PendingDeprecationWarning, Warning) \
    X(ResourceWarning, Warning) \
    X(RuntimeWarning, Warning) \
    X(SyntaxWarning, Warning) \
    X(UnicodeWarning, Warning) \
    X(UserWarning, Warning)

#define NX_DECLARE_EXCEPTION(name, base) extern const struct _mp_obj_type_t mp_type_##name;
NX_EXCEPTIONS(NX_DECLARE_EXCEPTION)

#define NX_BUILTIN_EXCEPTION(name, base) {MP_ROM_QSTR(MP_QSTR_##name), MP_ROM_PTR(&mp_type_##name)},

#endif
