"""__future__: the names of CPython's. Guests have all but `annotations` anyway; an import changes nothing.

Annotations are not kept as text: one that names what is not there is an error.
"""

absolute_import = annotations = division = generator_stop = None
generators = nested_scopes = print_function = unicode_literals = with_statement = None
