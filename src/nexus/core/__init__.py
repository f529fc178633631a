"""The leaf of the house: configuration, paths, errors, log, ids, files, the catalog of models.

Knows nothing of the other rooms. Imports the standard library, pydantic and platformdirs only.
"""
