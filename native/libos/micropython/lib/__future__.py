"""What Python 3 has long since or, as with annotations, a guest does anyway: names to import, nothing more."""

all_feature_names = [
    "nested_scopes", "generators", "division", "absolute_import", "with_statement", "print_function",
    "unicode_literals", "barry_as_FLUFL", "generator_stop", "annotations",
]  # fmt: skip

nested_scopes = generators = division = absolute_import = with_statement = print_function = True
unicode_literals = barry_as_FLUFL = generator_stop = annotations = True
