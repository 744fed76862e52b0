"""Names of refrigerants and other gases: "R-410A", "HFC134a", "404A", "FM-200" → one code."""

from __future__ import annotations

import re

_PREFIXED = re.compile(
    r"(?<![a-z0-9])(r|hfc|hcfc|cfc|hcfo|hfo|pfc|hcfe|hfe|halon)[\s-]?"
    r"(\d{2,4}(?:-\d{1,2}){0,2}|\d(?:-\d{1,2}){2})"
    r"(\s[a-f](?!\s?/)|[a-z]{0,5}\d{0,3})(?![a-z0-9])"
)
_BARE = re.compile(r"(?<![a-z0-9-])(\d{3,4}[a-z]{1,2})(?![a-z0-9])")
# Brands that carry the ASHRAE number: "Suva 134a", "Forane 407C", "Freon 22".
_BRANDED = re.compile(
    r"(?<![a-z])(?:suva|klea|forane|genetron|freon|solkane|arcton|isceon|frigen|kaltron|reclin|"
    r"meforex|tazzetti|harp|opteon|solstice|friogas|mafron|floron|asahifron)\s?-?r?-?\s?"
    r"(\d{2,4}\s?[a-f]?(?:yf|ze|zd)?|1234(?:yf|ze))(?![a-z0-9])"
)
# Brands and chemical names that do not. A code that no library has stays a known gas without a
# factor: it is held, and no other gas stands in.
_NAMED = tuple(
    (re.compile(pattern), code)
    for pattern, code in (
        (r"\bsf[\s-]?6\b|sul(?:ph|f)ur hexafluoride|schwefelhexafluorid|hexafluor\w* de (?:soufre|"
         r"azufre)|esafluoruro di zolfo|zwavelhexafluoride", "SF6"),
        (r"\bnf3\b|nitrogen trifluoride|stickstofftrifluorid", "NF3"),
        (r"\bn2o\b|nitrous oxide|lachgas|distickstoff\w*oxid|protoxyde d.azote|[oó]xido nitroso|"
         r"protossido d.azoto", "N2O"),
        (r"\bch4\b|\bmethane\b", "CH4"),
        (r"\bco2\b|carbon dioxide|r[ -]?744\b|kohlen(?:stoff)?dioxid|dioxyde de carbone|"
         r"di[oó]xido de carbono|anidride carbonica|kooldioxide", "CO2"),
        (r"perfluoromethane|\bcf4\b|carbon tetrafluoride", "PFC14"),
        (r"perfluoroethane|\bc2f6\b|hexafluoroethane", "PFC116"),
        (r"perfluoropropane|\bc3f8\b|octafluoropropane", "PFC218"),
        (r"perfluorocyclobutane|\bc4f8\b", "PFC318"),
        (r"perfluorocyclopropane", "PFCC3"),
        (r"trifluoromethyl sul(?:ph|f)ur pentafluoride|\bsf5cf3\b", "SF5CF3"),
        (r"\bpfpmie\b", "PFPMIE"),
        (r"carbon tetrachloride|tetrachloromethane", "CCL4"),
        (r"methyl bromide|bromomethane|methylbromid", "CH3BR"),
        (r"methyl chloroform|1,1,1-trichloroethane", "CH3CCL3"),
        (r"methylene chloride|dichloromethane|dichlormethan", "CH2CL2"),
        (r"\bmethyl chloride\b|\bchloromethane\b", "CH3CL"),
        (r"\bdimethyl ?ether\b", "DME"),
        (r"\bisobutane\b|isobutan\b|\bisobutano\b|\bcare ?10\b", "600A"),
        (r"\bcare ?40\b", "290"),
        (r"\bcare ?45\b|\br[ -]?1270\b|\bpropene r", "1270"),
        # fire protection
        (r"\bfm[\s-]?200\b|\bfe[\s-]?227\b|solkaflam 227|heptafluoropropane|apaflurane|"
         r"\bhfc[\s-]?227\b(?!ea)|\br[\s-]?227\b(?!ea)", "227EA"),
        (r"\bfe[\s-]?36\b|\bhfc[\s-]?236\b(?![a-z])", "236FA"),
        (r"\bfe[\s-]?25\b|ecaro[\s-]?25", "125"),
        (r"\bfe[\s-]?13\b", "23"),
        (r"\bnovec[\s-]?1230\b|\bfk[\s-]?5[\s-]?1[\s-]?12\b|\bsapphire\b", "FK5112"),
        (r"\bnovec\b(?![\s-]?\d)", "NOVEC"),
        (r"\bnovec[\s-]?7100\b|\bhfe[\s-]?7100\b", "HFE449SL"),
        (r"\bnovec[\s-]?7200\b|\bhfe[\s-]?7200\b", "HFE569SF2"),
        (r"\bbcf\b", "HALON1211"),
        (r"\bbtm\b", "HALON1301"),
        (r"\bnaf[\s-]?s[\s-]?(?:iii|3)\b", "NAFS3"),
        (r"\bhalotron\b", "HALOTRON"),
        (r"\binergen\b|\bargonite\b|\bargon[ie]te?\b", "INERT"),
        # medical
        (r"\bentonox\b|\bnitronox\b|gas and air|\bequanox\b|\bkalinox\b|\bmeopa\b", "ENTONOX"),
        (r"\bdesflurane?\b|\bsuprane\b", "DESFLURANE"),
        (r"\bsevoflurane?\b|\bsevorane\b|\bultane\b", "SEVOFLURANE"),
        (r"\bisoflurane?\b|\bforane? inhal", "HCFE235DA2"),
        (r"\bnorflurane\b|tetrafluoroethane|\bhfa[\s-]?134a\b", "134A"),
        (r"\bhfa[\s-]?227\b", "227EA"),
        (r"\bdifluoromethane\b", "32"),
        (r"\bpentafluoroethane\b", "125"),
        # blends by their trade names
        (r"\bhp[\s-]?62\b|\bfx[\s-]?70\b", "404A"),
        (r"\bhp[\s-]?80\b", "402A"),
        (r"\bhp[\s-]?81\b", "402B"),
        (r"\bmp[\s-]?39\b", "401A"),
        (r"\bmp[\s-]?66\b", "401B"),
        (r"\bfx[\s-]?10\b", "408A"),
        (r"\bfx[\s-]?56\b", "409A"),
        (r"\bklea[\s-]?60\b", "407A"),
        (r"\bklea[\s-]?61\b", "407B"),
        (r"\bklea[\s-]?66\b|\bsuva[\s-]?9000\b", "407C"),
        (r"\bperformax(?: lt)?\b", "407F"),
        (r"\bpuron\b(?! advance)|\baz[\s-]?20\b|\bsuva[\s-]?9100\b", "410A"),
        (r"\bpuron advance\b|\bxl[\s-]?41\b", "454B"),
        (r"\baz[\s-]?50\b", "507A"),
        (r"\bmo[\s-]?29\b", "422D"),
        (r"\bmo[\s-]?49\b(?! plus)", "413A"),
        (r"\bmo[\s-]?59\b", "417A"),
        (r"\bmo[\s-]?79\b", "422A"),
        (r"\bmo[\s-]?99\b", "438A"),
        (r"\bnu[\s-]?22\b", "422B"),
        (r"\brs[\s-]?24\b", "426A"),
        (r"\brs[\s-]?44\b", "424A"),
        (r"\brs[\s-]?45\b", "434A"),
        (r"\brs[\s-]?52\b", "428A"),
        (r"\bopteon xp[\s-]?10\b", "513A"),
        (r"\bopteon xp[\s-]?40\b", "449A"),
        (r"\bopteon xp[\s-]?44\b", "452A"),
        (r"\bopteon (?:yf|xl[\s-]?10)\b|\bsolstice yf\b|\bhfo[\s-]?1234\s?yf\b", "1234YF"),
        (r"\bsolstice ze\b|\bhfo[\s-]?1234\s?ze\b", "1234ZE"),
        (r"\bsolstice n40\b", "448A"),
        (r"\bsolstice n13\b", "450A"),
    )
)  # fmt: skip
# One look for any of them: few texts name a gas, and sixty searches cost more than all the rest.
_ANY_NAME = re.compile(r"\b(?:" + "|".join(p.pattern.replace(r"\b", "") for p, _ in _NAMED) + ")")
# Older series share the plain number (R22 = HCFC-22); these do not.
_OWN_SERIES = {"hfe": "HFE", "hcfe": "HCFE", "pfc": "PFC", "halon": "HALON"}
# What the trade calls without its letter, where there is one blend of the number or one in use.
_SHORT = {"404": "404A", "410": "410A", "507": "507A", "413": "413A", "416": "416A", "420": "420A",
          "423": "423A", "424": "424A", "425": "425A", "426": "426A", "427": "427A", "428": "428A",
          "434": "434A", "437": "437A", "438": "438A", "442": "442A", "509": "509A", "512": "512A",
          "227": "227EA", "1234Y": "1234YF", "4310": "4310MEE", "43I0MEE": "4310MEE",
          "HFE7100": "HFE449SL", "HFE7200": "HFE569SF2"}  # fmt: skip
_TWO_DIGITS = frozenset({"11", "12", "13", "14", "22", "23", "32"})
# Mixtures that name a part: "Entonox (N2O/O2)" is no pure N2O.
_MIXTURES = frozenset({"ENTONOX", "NAFS3", "HALOTRON", "INERT"})
_IN_OTHER_TEXTS = frozenset({"CO2", "CH4", "N2O", "NOVEC", "DME", "INERT", "CH2CL2"})


def codes(text: str) -> tuple[str, ...]:
    """Return the codes in a publisher's name: "CFC-12/R12 = …" → ("12",)."""
    return _find(text, bare=False)


def codes_in_query(text: str, *, in_context: bool) -> tuple[str, ...]:
    """Return the codes in an activity; bare numbers ("404A") count only in context."""
    found = _find(text, bare=in_context)
    if not in_context:  # "CO2" and "methane" also stand in texts on other things
        found = tuple(code for code in found if code not in _IN_OTHER_TEXTS)
    mixtures = tuple(code for code in found if code in _MIXTURES)
    return mixtures or found


def _find(text: str, *, bare: bool) -> tuple[str, ...]:
    folded = text.casefold().replace("–", "-").replace("43-i0mee", "43-10mee")
    found: list[str] = []
    for prefix, digits, letters in _PREFIXED.findall(folded):
        found.append(
            _OWN_SERIES.get(prefix, "") + digits.replace("-", "") + letters.strip().upper()
        )
    for digits in _BRANDED.findall(folded):
        code = digits.replace(" ", "").upper()
        if len(code) > 2 or code in _TWO_DIGITS:  # "Klea 66" is a name and no number
            found.append(code)
    if bare:
        found += [code.upper() for code in _BARE.findall(folded)]
    if _ANY_NAME.search(folded):
        found += [code for pattern, code in _NAMED if pattern.search(folded)]
    return tuple(dict.fromkeys(_SHORT.get(code, code) for code in found))
