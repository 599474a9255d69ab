"""Write a table as Parquet, a row group for each part of it."""

from pathlib import Path

from xbar.trace.frames import needed
from xbar.trace.selection import Selection
from xbar.trace.tables import header


def write_parquet(path: Path, selection: Selection, chunk: int) -> int:
    """Write every column under its name with the unit, such as "current [A]"; return the number of rows.

    Name, unit and long name stand in the metadata of each field as well (`name`, `units`, `long_name`), the table's
    name in that of the schema. At most `chunk` rows are in memory. Raises `Unsupported` where pyarrow is not installed.
    """
    arrow, parquet = needed("pyarrow"), needed("pyarrow.parquet")
    fields = []
    for name in selection.columns:
        dtype = selection.column_type(name)
        about = {"name": name, "units": selection.units[name], "long_name": selection.long_names[name]}
        kind = arrow.string() if dtype.kind == "U" else arrow.from_numpy_dtype(dtype)
        fields.append(arrow.field(header(name, selection.units[name]), kind, nullable=False, metadata=about))
    schema = arrow.schema(fields, metadata={"xbar_table": selection.name})
    rows = 0
    with parquet.ParquetWriter(path, schema) as writer:
        for part in selection.chunks(chunk):
            values = [
                arrow.array(column.tolist() if field.type == arrow.string() else column, field.type)
                for column, field in zip(part.columns.values(), fields, strict=True)
            ]
            writer.write_table(arrow.Table.from_arrays(values, schema=schema))
            rows += len(part)
    return rows
