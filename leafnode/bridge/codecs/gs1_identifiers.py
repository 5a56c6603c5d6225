"""GS1 application identifiers: their names, sizes and kinds.

Knows codes; no scan. Truth: GS1 General Specifications 24, section 3.2 and 7.8.4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class Identifier:
    """One of them. `size` 0: up to `size_max` characters, ended by FNC1. `places` None: a text."""

    code: str
    name: str
    size: int = 0
    size_max: int = 0
    is_date: bool = False
    has_check_digit: bool = False
    places: int | None = None


def _checked(code: str, name: str, size: int) -> Identifier:
    return Identifier(code, name, size, has_check_digit=True)


def _text(code: str, name: str, size_max: int) -> Identifier:
    return Identifier(code, name, size_max=size_max)


def _date(code: str, name: str) -> Identifier:
    return Identifier(code, name, 6, is_date=True)


_PLAIN: Final = (
    _checked("00", "sscc", 18),
    _checked("01", "gtin", 14),
    _checked("02", "content_gtin", 14),
    _text("10", "lot", 20),
    _date("11", "produced"),
    _date("12", "due"),
    _date("13", "packed"),
    _date("15", "best_before"),
    _date("16", "sell_by"),
    _date("17", "expires"),
    Identifier("20", "variant", 2),
    _text("21", "serial", 20),
    _text("22", "consumer_variant", 20),
    _text("240", "additional_id", 30),
    _text("241", "customer_part", 30),
    _text("242", "made_to_order", 6),
    _text("250", "secondary_serial", 30),
    _text("251", "source_reference", 30),
    _text("253", "document", 30),
    _text("254", "location_extension", 20),
    _text("255", "coupon", 25),
    Identifier("30", "count", size_max=8, places=0),
    Identifier("37", "units", size_max=8, places=0),
    _text("400", "order", 30),
    _text("401", "consignment", 30),
    _checked("402", "shipment", 17),
    _text("403", "route", 30),
    *(
        _checked(f"41{digit}", name, 13)
        for digit, name in enumerate(
            ("ship_to", "bill_to", "purchased_from", "ship_for", "location", "pay_to", "made_at")
        )
    ),
    _text("420", "postal_code", 20),
    _text("421", "country_postal_code", 12),
    Identifier("422", "origin", 3),
    _text("7001", "nato_stock", 13),
    Identifier("7003", "expires_time", 10),
    _text("8002", "mobile_serial", 20),
    _text("8003", "returnable_asset", 30),
    _text("8004", "asset", 30),
    Identifier("8005", "unit_price", 6),
    _text("8008", "produced_time", 12),
    _text("8020", "payment_reference", 25),
    _text("8200", "url", 70),
    *(_text(str(code), f"internal_{code}", 90) for code in range(90, 100)),
)
# Amounts: the fourth digit is the number of decimal places.
_AMOUNTS: Final = {
    "310": Identifier("", "net_weight_kg", 6),
    "311": Identifier("", "length_m", 6),
    "312": Identifier("", "width_m", 6),
    "313": Identifier("", "height_m", 6),
    "314": Identifier("", "area_m2", 6),
    "315": Identifier("", "net_volume_l", 6),
    "316": Identifier("", "net_volume_m3", 6),
    "320": Identifier("", "net_weight_lb", 6),
    "330": Identifier("", "gross_weight_kg", 6),
    "340": Identifier("", "gross_weight_lb", 6),
    "390": Identifier("", "amount", size_max=15),
    "391": Identifier("", "amount_with_currency", size_max=18),
    "392": Identifier("", "price", size_max=15),
    "393": Identifier("", "price_with_currency", size_max=18),
}
_BY_CODE: Final = {identifier.code: identifier for identifier in _PLAIN}


def find(text: str) -> Identifier | None:
    """Return the identifier that a text begins with."""
    amount = _AMOUNTS.get(text[:3])
    if amount is not None and text[3:4] in set("0123456789"):
        # With a currency the amount is behind three digits of it: both stay one text.
        places = None if amount.name.endswith("_currency") else int(text[3])
        return replace(amount, code=text[:4], places=places)
    return next((_BY_CODE[text[:size]] for size in (2, 3, 4) if text[:size] in _BY_CODE), None)
