"""`python -m geoaudit_reports.schema` writes the schemas again after a model has changed."""

from __future__ import annotations

from geoaudit_reports.files import write_atomically
from geoaudit_reports.schema import SCHEMAS, generate, schema_file

if __name__ == "__main__":
    for name in SCHEMAS:
        write_atomically(schema_file(name), generate(name))
        print(schema_file(name))
