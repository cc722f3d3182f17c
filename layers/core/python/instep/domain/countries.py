"""ActionKit writes a country as an English name; a phone number is read by its region (F8)."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

_NAMES: Final = """
AC Ascension Island|AD Andorra|AE United Arab Emirates/UAE|AF Afghanistan
AG Antigua and Barbuda/Antigua & Barbuda|AI Anguilla|AL Albania|AM Armenia|AO Angola|AR Argentina
AS American Samoa|AT Austria|AU Australia|AW Aruba|AX Åland Islands/Aland Islands|AZ Azerbaijan
BA Bosnia and Herzegovina/Bosnia & Herzegovina/Bosnia|BB Barbados|BD Bangladesh|BE Belgium
BF Burkina Faso|BG Bulgaria|BH Bahrain|BI Burundi|BJ Benin
BL Saint Barthélemy/Saint Barthelemy/St. Barthélemy|BM Bermuda
BN Brunei/Brunei Darussalam|BO Bolivia/Bolivia, Plurinational State of|BR Brazil
BQ Bonaire, Sint Eustatius and Saba/Caribbean Netherlands/Bonaire
BS Bahamas/The Bahamas|BT Bhutan|BW Botswana|BY Belarus|BZ Belize|CA Canada
CC Cocos (Keeling) Islands/Cocos Islands
CD Democratic Republic of the Congo/Congo, The Democratic Republic of the/DR Congo/Congo - Kinshasa
CF Central African Republic|CG Congo/Republic of the Congo/Congo - Brazzaville|CH Switzerland
CI Côte d'Ivoire/Cote d'Ivoire/Ivory Coast|CK Cook Islands|CL Chile|CM Cameroon
CN China/People's Republic of China|CO Colombia|CR Costa Rica|CU Cuba|CV Cape Verde/Cabo Verde
CW Curaçao/Curacao|CX Christmas Island|CY Cyprus|CZ Czech Republic/Czechia|DE Germany|DJ Djibouti
DK Denmark|DM Dominica|DO Dominican Republic|DZ Algeria|EC Ecuador|EE Estonia|EG Egypt
EH Western Sahara|ER Eritrea|ES Spain|ET Ethiopia|FI Finland|FJ Fiji
FK Falkland Islands/Falkland Islands (Malvinas)|FM Micronesia/Micronesia, Federated States of
FO Faroe Islands|FR France|GA Gabon
GB United Kingdom/Great Britain/UK/England/Scotland/Wales/Northern Ireland|GD Grenada
GE Georgia|GF French Guiana|GG Guernsey|GH Ghana|GI Gibraltar|GL Greenland|GM Gambia/The Gambia
GN Guinea|GP Guadeloupe|GQ Equatorial Guinea|GR Greece|GT Guatemala|GU Guam|GW Guinea-Bissau
GY Guyana|HK Hong Kong/Hong Kong SAR China|HN Honduras|HR Croatia|HT Haiti|HU Hungary
ID Indonesia|IE Ireland/Republic of Ireland|IL Israel|IM Isle of Man|IN India
IO British Indian Ocean Territory|IQ Iraq|IR Iran/Iran, Islamic Republic of|IS Iceland|IT Italy
JE Jersey|JM Jamaica|JO Jordan|JP Japan|KE Kenya|KG Kyrgyzstan|KH Cambodia|KI Kiribati
KM Comoros|KN Saint Kitts and Nevis/St. Kitts & Nevis
KP North Korea/Korea, Democratic People's Republic of
KR South Korea/Korea, Republic of/Republic of Korea/Korea|KW Kuwait|KY Cayman Islands|KZ Kazakhstan
LA Laos/Lao People's Democratic Republic|LB Lebanon|LC Saint Lucia/St. Lucia|LI Liechtenstein
LK Sri Lanka|LR Liberia|LS Lesotho|LT Lithuania|LU Luxembourg|LV Latvia
LY Libya/Libyan Arab Jamahiriya|MA Morocco|MC Monaco|MD Moldova/Moldova, Republic of|ME Montenegro
MF Saint Martin/Saint Martin (French part)/St. Martin|MG Madagascar|MH Marshall Islands
MK North Macedonia/Macedonia/Macedonia, Republic of/Macedonia, the Former Yugoslav Republic of
ML Mali|MM Myanmar/Burma/Myanmar (Burma)|MN Mongolia|MO Macao/Macau
MP Northern Mariana Islands|MQ Martinique|MR Mauritania|MS Montserrat|MT Malta|MU Mauritius
MV Maldives|MW Malawi|MX Mexico|MY Malaysia|MZ Mozambique|NA Namibia|NC New Caledonia|NE Niger
NF Norfolk Island|NG Nigeria|NI Nicaragua|NL Netherlands/The Netherlands/Holland|NO Norway
NP Nepal|NR Nauru|NU Niue|NZ New Zealand|OM Oman|PA Panama|PE Peru|PF French Polynesia
PG Papua New Guinea|PH Philippines/The Philippines|PK Pakistan|PL Poland
PM Saint Pierre and Miquelon/St. Pierre & Miquelon|PR Puerto Rico
PS Palestine/Palestinian Territory, Occupied/Palestine, State of/Palestinian Territories
PT Portugal|PW Palau|PY Paraguay|QA Qatar|RE Réunion/Reunion|RO Romania|RS Serbia
RU Russia/Russian Federation|RW Rwanda|SA Saudi Arabia|SB Solomon Islands|SC Seychelles|SD Sudan
SE Sweden|SG Singapore
SH Saint Helena/Saint Helena, Ascension and Tristan da Cunha/St. Helena|SI Slovenia
SJ Svalbard and Jan Mayen/Svalbard & Jan Mayen|SK Slovakia|SL Sierra Leone|SM San Marino
SN Senegal|SO Somalia|SR Suriname|SS South Sudan|ST Sao Tome and Principe/São Tomé and Príncipe
SV El Salvador|SX Sint Maarten/Sint Maarten (Dutch part)|SY Syria/Syrian Arab Republic
SZ Eswatini/Swaziland|TA Tristan da Cunha|TC Turks and Caicos Islands/Turks & Caicos Islands|TD Chad
TG Togo|TH Thailand|TJ Tajikistan|TK Tokelau|TL Timor-Leste/East Timor|TM Turkmenistan
TN Tunisia|TO Tonga|TR Turkey/Türkiye|TT Trinidad and Tobago/Trinidad & Tobago|TV Tuvalu
TW Taiwan/Taiwan, Province of China/Taiwan, Republic of China
TZ Tanzania/Tanzania, United Republic of|UA Ukraine|UG Uganda
US United States/United States of America/USA/US/U.S./U.S.A./America|UY Uruguay|UZ Uzbekistan
VA Vatican City/Holy See (Vatican City State)/Holy See
VC Saint Vincent and the Grenadines/St. Vincent & Grenadines
VE Venezuela/Venezuela, Bolivarian Republic of|VG British Virgin Islands/Virgin Islands, British
VI U.S. Virgin Islands/Virgin Islands, U.S./US Virgin Islands|VN Vietnam/Viet Nam|VU Vanuatu
WF Wallis and Futuna/Wallis & Futuna|WS Samoa|XK Kosovo|YE Yemen|YT Mayotte|ZA South Africa
ZM Zambia|ZW Zimbabwe
"""


def _regions() -> dict[str, str]:
    regions: dict[str, str] = {}
    for entry in _NAMES.replace("\n", "|").split("|"):
        region, _, names = entry.partition(" ")
        for name in names.split("/"):
            if name:
                regions[name.casefold()] = region
    return regions


REGIONS: Final = MappingProxyType(_regions())
"""Region (ISO 3166 alpha-2, as `phonenumbers` takes it) by case-folded English name."""


def region_of(country: str) -> str | None:
    """The region of a country's English name, None if the name is unknown or empty."""
    return REGIONS.get(" ".join(country.split()).casefold())


def in_us(country: str) -> bool:
    """Whether an address is kept as US addresses are: `zip` and `state` (F9). ActionKit takes an
    address without a country for one in the US; a name we do not know is abroad."""
    return not country.strip() or region_of(country) == "US"
