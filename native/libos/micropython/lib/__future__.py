"""__future__: the names of CPython's. Guests behave so anyway; an import changes nothing.

Annotations are not evaluated; only those of classes are kept, as the first word of each.
"""

absolute_import = annotations = division = generator_stop = None
generators = nested_scopes = print_function = unicode_literals = with_statement = None
