"""Currencies and units that may stand beside a number."""

from __future__ import annotations

import unicodedata

_CURRENCY_NAMES = """
AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR ISK JPY KRW MXN MYR NOK NZD PEN
PHP PLN RON RUB SAR SEK SGD THB TRY TWD UAH USD VND ZAR kr Kr Rs Kč zł Ft Fr SFr RM
"""
_UNIT_NAMES = """
% ‰ ° °C °F m m2 m² m^2 m3 m³ sqm qm sqft sqft. ft2 ft² cm cm2 cm² mm mm² km km2 km² ha acres acre mi miles yd ft in
inch g kg mg t lb lbs oz l L ml dl cl gal s sec ms min h hr hrs hours hour d days day weeks week months month years
year yrs yr W kW MW kWh MWh Wh V mV A mA Ah mAh Hz kHz MHz GHz kB KB MB GB TB Mbps Gbps bar mbar Pa hPa kPa psi N Nm
J kJ kcal cal hp PS bhp km/h kmh kph mph m/s rpm cc ccm mpg km/l l/100km lx lm dB px dpi mmHg mg/dL mmol/L ppm pp bp
"""
# Units that multiply a number: 1.2k beside 950 is 1200.
_SCALE_NAMES = """
% ‰ k K tsd Tsd tsd. Tsd. M mio Mio mio. Mio. mln mn Mrd mrd Mrd. mrd. bn B thousand million billion lakh crore cr
"""
_SCALES = frozenset(_SCALE_NAMES.split())
_CURRENCIES = frozenset(_CURRENCY_NAMES.split())
_UNITS = frozenset(_UNIT_NAMES.split()) | {"sq ft", "sq m", "sq. ft.", "sq.ft."}


def is_currency(text: str) -> bool:
    """Whether a text is a currency's sign or code, such as ``$``, ``US$``, ``€`` and ``EUR``."""
    return text in _CURRENCIES or (len(text) <= 3 and any(unicodedata.category(c) == "Sc" for c in text))


def is_unit(text: str) -> bool:
    """Whether a text is a usual unit or a currency, such as ``m2``, ``%`` and ``EUR``."""
    return text in _UNITS or is_currency(text)


def is_scale(text: str) -> bool:
    """Whether a text beside a number multiplies it, such as ``k``, ``%`` and, with a currency, ``k€``."""
    words = text.replace("\u00a0", " ").split()
    if not words:
        return False
    first = words[0].rstrip("$€£¥")
    return first in _SCALES and all(is_currency(word) for word in words[1:])
