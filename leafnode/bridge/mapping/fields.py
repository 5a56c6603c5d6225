"""Fields of a reading renamed, scaled, rounded and chosen.

Knows values; not subjects and messages. Truth: docs/serial/mapping.md, "Fields".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.bridge.mapping.decimals import scaled
from leafnode.bridge.reading import BadReading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.config.serial_stage_options import FieldOptions, MappingOptions


class FieldMap:
    """What the configuration says of the fields of one port."""

    def __init__(self, options: MappingOptions) -> None:
        self._select = tuple(dict.fromkeys(options.select))
        self._options = {
            field.name: field
            for field in options.fields
            if not self._select or field.name in self._select
        }
        published = {field.rename or name: field for name, field in self._options.items()}
        self.units = {name: field.unit for name, field in published.items() if field.unit}
        self.deadbands = {
            name: field.deadband for name, field in published.items() if field.deadband is not None
        }

    def mapped(self, fields: Mapping[str, object]) -> dict[str, object]:
        """Return the fields as they are published. Selected are the names that the device gave.

        Raises BadReading where the device has a field of the name that another one gets.
        """
        names = self._select or fields
        if not self._options:
            return {name: fields[name] for name in names if name in fields}
        mapped: dict[str, object] = {}
        for name in names:
            if name in fields:
                option = self._options.get(name)
                new_name = name if option is None else option.rename or name
                if new_name in mapped:
                    raise BadReading(f"has two fields that are named {new_name!a}")
                mapped[new_name] = fields[name] if option is None else _scaled(fields[name], option)
        return mapped


def _scaled(value: object, option: FieldOptions) -> object:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return value
    if option.scale != 1 or option.offset:
        value = scaled(value, option.scale, option.offset)
    return value if option.digits is None else round(value, option.digits)
