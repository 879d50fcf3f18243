"""`python -m geoaudit_reports.schema` writes the schema again after the report model has changed."""

from __future__ import annotations

from geoaudit_reports.files import write_atomically
from geoaudit_reports.schema import SCHEMA_FILE, generate

if __name__ == "__main__":
    write_atomically(SCHEMA_FILE, generate())
    print(SCHEMA_FILE)
