"""How people write units: English, German, French, Spanish, Italian, Dutch, Polish, Portuguese.

Data for core.units: each line is a canonical code and the forms that mean it and nothing else.
Forms are compared without spaces, dots, hyphens, brackets, accents and capitals (`squash`), except
where capitals carry meaning (`EXACT`). Forms that mean different things in different countries are
in `BY_REGION`; forms that mean several things everywhere are in `AMBIGUOUS`.
"""

from __future__ import annotations

import re
import unicodedata

from core.normal_form import normal
from core.records import Basis

FORMS: dict[str, str] = {
    # energy
    "kWh": "kwh|kwhs|kw/h|kilowatt hour|kilowatt hours|kilowattstunde|kilowattstunden|"
    "kilowattheure|kilowattheures|kilowatts heure|kilowatio hora|kilovatio hora|"
    "kilovatios hora|kwh el|kwhel|kwh th|kwhth|"
    "chilowattora|chilowattore|kilowattuur|kilowatturen|kilowatogodzina|"
    "kilowatogodziny|quilowatt hora|quilowatts hora|quilowatt horas|kw hora|"
    "kilovatios h|kwh elec|kwh e|kwh t",
    "MWh": "thousand kwh|mwh|mwhs|mw/h|megawatt hour|megawatt hours|megawattstunde|megawattstunden|"
    "megawattheure|megawattheures|megavatio hora|megavatios hora|"
    "megawattora|megawattuur|megawatogodzina|megawatogodziny|megawatt hora|"
    "megavatio h|mwh el|mwhel|mwh th|mwhth",
    "GWh": "million kwh|thousand mwh|"
    "gwh|gigawatt hour|gigawatt hours|gigawattstunde|gigawattstunden|gigawattheure|"
    "gigawattheures|gigavatios hora|"
    "gigawattora|gigawattuur|gigawatogodzina",
    "MJ": "megajoule|megajoules|megajulios",
    "GJ": "gj|gigajoule|gigajoules|gigajulios",
    "TJ": "tj|terajoule|terajoules|terajulios",
    "mmBtu": "mmbtu|mmbtus|million btu|million btus|million british thermal units|dth|dekatherm|"
    "dekatherms|decatherm|decatherms",
    "Btu": "btu|btus|british thermal unit|british thermal units",
    "therm_us": "us therm|us therms|therm us|therms us",
    "therm_uk": "uk therm|uk therms|therm uk|therms uk|ec therm|ec therms|therm ec|therms ec",
    "toe": "toe|tonne of oil equivalent|tonnes of oil equivalent|tep|"
    "tonnes equivalent petrole|toneladas equivalentes de petroleo",
    # volume
    "l": "l|ltr|ltrs|lt|lts|lit|litre|litres|liter|liters|litern|litro|litros|"
    "litri|litrow|litry|litr|litra",
    "ml": "ml|millilitre|millilitres|milliliter|milliliters|mililitro|mililitros|"
    "millilitri|millilitro",
    "Ml": "million l|million ltr|thousand m3|thousand cubic metres|thousand cubic meters|"
    "thousand cbm|million litres|million liters|million litre|millions of litres|"
    "megalitre|megalitres|"
    "megaliter|megaliters|mio liter|mio l|millions de litres|millones de litros|"
    "milioni di litri|miljoen liter",
    "hl": "hl|hectolitre|hectolitres|hectoliter|hectoliters|hektoliter|hectolitro|hectolitros|"
    "ettolitri|ettolitro|hektolitr|hektolitry|hektolitrow",
    "m3": "thousand l|thousand litres|thousand liters|thousand litre|thousand liter|thousand ltr|"
    "m3|m^3|cbm|cu m|cum|cubic metre|cubic metres|cubic meter|cubic meters|kubikmeter|"
    "metre cube|metres cubes|metro cubico|metros cubicos|kl|kilolitre|kilolitres|kiloliter|"
    "kiloliters|"
    "metri cubi|metro cubo|mcubi|kubieke meter|kubieke meters|kuub|metr szescienny|"
    "metry szescienne|metrow szesciennych|sm3|smc|standard m3|standard cubic metre|"
    "standard cubic metres|standard metro cubo|standard metri cubi|m cubes|m cube|"
    "m cubo|m cubos",
    "gal_us": "us gal|us gals|us gallon|us gallons|gal us|gallon us|gallons us|usg|"
    "u s liquid gallon|us liquid gallon|us liquid gallons|american gallons|gal usa",
    "gal_uk": "uk gal|uk gals|uk gallon|uk gallons|gal uk|gallon uk|gallons uk|imperial gallon|"
    "imperial gallons|imp gal|imp gallon|imp gallons|gal imp|gallons imperial|gallon imperial|"
    "british gallons|gb gal|gal gb",
    "ft3": "ft3|ft^3|cf|cu ft|cuft|cubic foot|cubic feet|pieds cubes|pies cubicos|kubikfuss|"
    "cft|cu foot|cubic ft|piedi cubi",
    "scf": "scf|standard cubic foot|standard cubic feet",
    "ccf": "ccf|hcf|hundred cubic feet|100 cubic feet|100 cu ft|centum cubic feet|"
    "100 cf|100 cubic foot",
    "mcf": "mcf|mscf|thousand cubic feet|1000 cubic feet|1000 cu ft|kcf|1000 cf|kscf",
    "bbl": "bbl|bbls|barrel|barrels|barils|barriles|us barrels|oil barrels",
    # mass
    "kg": "kg|kgs|kilo|kilos|kilogram|kilograms|kilogramme|kilogrammes|kilogramm|kilogramo|"
    "kilogramos|"
    "chilogrammo|chilogrammi|chilo|chili|kilogramow|kilogramy|quilo|quilos|quilograma|"
    "quilogramas|kilogrammen",
    "g": "g|gram|grams|gramme|grammes|gramm|gramo|gramos|gms|"
    "grammo|grammi|grammen|gramow|gramy|grama|gramas",
    "mg": "milligram|milligrams|milligramme|milligrammes|milligramm|miligramos",
    "t": "thousand kg|t|te|tonne|tonnes|tonnen|metric ton|metric tons|metric tonne|metric tonnes|"
    "tonne metric|tonnes metric|tons metric|ton metric|tonelada|toneladas|tonelada metrica|"
    "toneladas metricas|tonne metrique|tonnes metriques|mtons|mton|"
    "tonnellata|tonnellate|tony|tona|tonas|tons metrique|tonnes metric",
    "lb": "lb|lbs|lb av|pounds mass|pound mass|pounds weight",
    "oz": "oz|ounce|ounces|ozs",
    "short_ton": "short ton|short tons|ton short|tons short|us ton|us tons|ton us|tons us|"
    "net ton|net tons|st us|tn sh|sh tn|sh ton|sh tons",
    "long_ton": "long ton|long tons|ton long|tons long|uk ton|uk tons|imperial ton|"
    "imperial tons|tons uk|ton uk",
    # distance
    "km": "km|kms|kilometre|kilometres|kilometer|kilometers|kilometern|kilometro|kilometros|vkm|"
    "vehicle km|vehicle kms|vehicle kilometre|vehicle kilometres|vehicle kilometers|veh km|"
    "fahrzeugkilometer|fahrzeug km|fzkm|vehicule km|vehiculo km|km driven|"
    "chilometro|chilometri|kilometry|kilometrow|kilometr|quilometro|quilometros|"
    "kms parcourus|voertuigkm|voertuigkilometer|veicolo km",
    "mi": "mi|mile|miles|mls|vehicle mile|vehicle miles|vehicle mi|veh mi|veh miles|"
    "statute mile|statute miles|meile|meilen|milla|millas|miles driven|vmt|"
    "miglia|miglio|mijl|mijlen|milhas|milha",
    "m": "m|metre|metres|meter|meters|metern|metro|metros|mtr|mtrs|metri",
    "nmi": "nmi|nm|nautical mile|nautical miles|naut mi|seemeile|seemeilen|mille marin|"
    "milles marins|milla nautica|millas nauticas|milles nautiques|"
    "miglia nautiche|miglio nautico|zeemijl|zeemijlen|mila morska|mile morskie|"
    "milha nautica|milhas nauticas",
    "passenger_km": "pkm|p km|pax km|pax kms|passenger km|passenger kms|passenger kilometre|"
    "passenger kilometres|passenger kilometer|passenger kilometers|passengerkm|person km|"
    "person kilometres|personenkilometer|personen km|perskm|pers km|passagerkilometer|"
    "passager km|passagers km|voyageur km|voyageurs km|voyageur kilometre|"
    "voyageurs kilometres|passager kilometre|passagers kilometres|pasajero km|pasajeros km|"
    "pasajero kilometro|pasajeros kilometro|viajero km|viajeros km|km per passenger|"
    "passeggero km|passeggeri km|passeggero chilometro|passeggeri chilometro|pass km|"
    "reizigerskilometer|reizigerskilometers|reizigers km|reizigerkm|pasazerokilometr|"
    "pasazerokilometry|pasazer km|passageiro km|passageiros km|passageiro quilometro|"
    "passageiros quilometro",
    "passenger_mi": "pmi|pax mi|pax mile|pax miles|passenger mi|passenger mile|passenger miles|"
    "person miles|pmt",
    "tonne_km": "tkm|t km|tonne km|tonnes km|tonne kms|tonne kilometre|tonne kilometres|"
    "tonne kilometer|tonne kilometers|ton km|tons km|ton kilometre|ton kilometres|"
    "ton kilometers|metric ton km|tonnenkilometer|tonnen km|tonnes kilometres|"
    "tonelada km|toneladas km|tonelada kilometro|toneladas kilometro|tonne km freight|"
    "tonnellata km|tonnellate km|tonnellata chilometro|tonnellate chilometro|"
    "tonkilometer|tonkilometers|tonokilometr|tonokilometry|"
    "tonelada quilometro|toneladas quilometro|t x km|tonne x km|tonnes x km",
    "kg_km": "kg km|kgkm|kilogram km|kilogram kilometres|kilogrammkilometer",
    # stays and work
    "room_night": "room night|room nights|rn|rns|night|nights|nts|hotel night|hotel nights|"
    "room per night|rooms per night|rooms x nights|overnight stay|overnight stays|nacht|nachte|"
    "naechte|ubernachtung|ubernachtungen|uebernachtung|uebernachtungen|zimmernacht|"
    "zimmernachte|zimmernaechte|hotelnachte|hotelubernachtungen|nuit|nuits|nuitee|nuitees|"
    "chambre nuit|nuits d'hotel|noche|noches|pernoctacion|pernoctaciones|noches de hotel|"
    "habitacion noche|"
    "notte|notti|pernottamento|pernottamenti|camera notte|camere notti|nachten|"
    "overnachting|overnachtingen|kamernacht|kamernachten|hotelnacht|hotelnachten|noc|"
    "noce|nocy|noclegi|nocleg|noclegow|noite|noites|"
    "noches hotel|nuits hotel|notti hotel|chambres nuits|nuits chambre|nuitees hotel|"
    "room nts|rm nights|rm nts|roomnight|roomnights|"
    "habitaciones noche|noches habitacion",
    "fte_hour": "fte hour|fte hours|fte hr|fte hrs|fte h|per fte working hour|"
    "fte working hour|fte working hours|working hour|working hours|work hours|"
    "hours worked|wfh hours|homeworking hours|arbeitsstunde|arbeitsstunden|"
    "homeoffice stunden|heures travaillees|heures de travail|horas trabajadas|"
    "horas de trabajo|"
    "ore lavorate|ore di lavoro|gewerkte uren|werkuren|arbeitsstd|horas trabalhadas|"
    "godziny pracy|wfh hrs|fte working hrs|horas teletrabajo|heures teletravail|"
    "ore smart working|thuiswerkuren",
    "h": "h|hr|hrs|hour|hours|stunde|stunden|std|heure|heures|hora|horas|"
    "ora|ore|uur|uren|godzina|godziny|godzin|godz",
    "d": "d|day|days|tag|tage|tagen|jour|jours|dia|dias|"
    "giorno|giorni|dag|dagen|dzien|dni|dias uteis",
    # items
    "item": "item|items|unit|units|pc|pcs|pce|pces|piece|pieces|each|ea|nos|count|number|#|"
    "stuck|stuecke|stueck|stk|stck|einheit|einheiten|piece s|unite|unites|u|ud|uds|unidad|"
    "unidades|pieza|piezas|pza|pzas|articles|articulos|artikel|"
    "pezzo|pezzi|pz|pzz|stuks|stuk|sztuka|sztuki|sztuk|szt|peca|pecas|unita|"
    "eenheid|eenheden|stucke|exemplaires",
    # area
    "m2": "m2|m^2|sqm|sq m|square metre|square metres|square meter|square meters|qm|"
    "quadratmeter|metre carre|metres carres|metro cuadrado|metros cuadrados|"
    "mq|metro quadrato|metri quadrati|metro quadro|metri quadri|vierkante meter|"
    "vierkante meters|metr kwadratowy|metry kwadratowe|metro quadrado|"
    "metros quadrados|m carre|m carres",
    "ft2": "ft2|ft^2|sqft|sq ft|sf|square foot|square feet|pieds carres|pies cuadrados",
}

# Here capitals decide; looked up before FORMS, with spaces and dots removed but capitals kept.
EXACT: dict[str, str] = {
    "Ml": "Ml", "ML": "Ml", "MLtr": "Ml", "ml": "ml", "mL": "ml",
    "MJ": "MJ", "Mj": "MJ", "mg": "mg",
    "MT": "t", "mt": "t", "No": "item", "NO": "item", "Nr": "item", "Mcf": "mcf",
}  # fmt: skip

# Written form → (region class → code). Classes: "US", "GB", "EU" (see core.units).
BY_REGION: dict[str, dict[str, str]] = {
    "gal|gals|gallon|gallons|gallonen|galon|galones": {"US": "gal_us", "GB": "gal_uk"},
    # Statute: the ton of the US is 2,000 lb, that of the UK 2,240 lb; on the Continent a tonne.
    "ton|tons|tn|tns": {"US": "short_ton", "GB": "long_ton", "EU": "t"},
    "therm|therms|thm|thms": {"US": "therm_us", "GB": "therm_uk", "EU": "therm_uk"},
    # A freight unit of the US statistics; elsewhere the ton must be named.
    "ton mile|ton miles|ton mi|tons miles|short ton mile|short ton miles|short ton mi": {
        "US": "ton_mi", "": "ton_mi",
    },
    "pound|pounds": {"US": "lb"},
    # A cubic metre on Italian bills, pieces on German and Dutch ones; a stone is none of them.
    "mc": {"EU": "m3"},
    "st": {"EU": "item"},
}  # fmt: skip

# Exact text (capitals kept, spaces removed) → why it is refused.
AMBIGUOUS: dict[str, str] = {
    "Mg": "Mg is a megagram (1 tonne) or a mistyped mg; write t, kg or mg.",
    "MG": "MG is a megagram (1 tonne) or a mistyped mg; write t, kg or mg.",
    "Mt": "Mt is a megatonne or a metric ton; write t or kt.",
    "M": "M is a million, miles or metres; write the unit in full.",
    "mj": "mj is MJ or mJ; write MJ.",
    "mJ": "mJ is a millijoule or a mistyped MJ; write MJ.",
    "MBtu": "MBtu is a thousand or a million Btu; write mmBtu or kBtu.",
    "MBTU": "MBTU is a thousand or a million Btu; write mmBtu or kBtu.",
    "mbtu": "mbtu is a thousand or a million Btu; write mmBtu or kBtu.",
    "Nm3": "Nm3 is gas at 0 °C; give m3 at 15 °C as on the invoice, or better kWh.",
    "nm3": "nm3 is gas at 0 °C; give m3 at 15 °C as on the invoice, or better kWh.",
    "m3N": "Nm3 is gas at 0 °C; give m3 at 15 °C as on the invoice, or better kWh.",
    "m3n": "Nm3 is gas at 0 °C; give m3 at 15 °C as on the invoice, or better kWh.",
    "mN3": "Nm3 is gas at 0 °C; give m3 at 15 °C as on the invoice, or better kWh.",
    "Nmc": "Nm3 is gas at 0 °C; give m3 at 15 °C as on the invoice, or better kWh.",
    "NM3": "Nm3 is gas at 0 °C; give m3 at 15 °C as on the invoice, or better kWh.",
    "Nm^3": "Nm3 is gas at 0 °C; give m3 at 15 °C as on the invoice, or better kWh.",
}

# Words that state the calorific value basis: English, German (Hs/Ho = Brennwert, Hi/Hu =
# Heizwert), French and Spanish (PCS supérieur, PCI inférieur).
GROSS_WORDS = (
    r"gross(?:\s*(?:cv|calorific(?:\s+value)?|heating(?:\s+value)?))?|gcv|hhv|"
    r"higher\s+heating\s+value|h\.?\s?[so]\.?|pcs|brennwert|oberer\s+heizwert|"
    r"pouvoir\s+calorifique\s+sup[eé]rieur|poder\s+calor[ií]fico\s+superior"
)
NET_WORDS = (
    r"net(?:\s*(?:cv|calorific(?:\s+value)?|heating(?:\s+value)?))?|ncv|lhv|"
    r"lower\s+heating\s+value|h\.?\s?[iu]\.?|pci|(?:unterer\s+)?heizwert|"
    r"pouvoir\s+calorifique\s+inf[eé]rieur|poder\s+calor[ií]fico\s+inferior"
)

# The same in a sentence, where only what can mean nothing else counts: "net" alone may speak of
# VAT, "Ho" of a city, "Brennwertkessel" of a boiler. Capitals count in Hs, Ho, Hi and Hu.
_GROSS_TEXT = re.compile(
    r"(?<![A-Za-z])(?:H(?:_|,)?s(?:,n)?|H(?:_|,)?o(?:,n)?(?! Chi))(?![A-Za-z])|"
    r"(?i:\b(?:gross\s*(?:cv|calorific|heating|basis|kwh)|gcv|hhv|higher\s+(?:heating|calorific)|"
    r"kwh\s*\(?gross\)?|\(gross\)|pcs|brennwert(?:bezogen|basis)?|ober(?:er|em)\s+heizwert|"
    r"(?:pouvoir\s+calorifique|poder\s+calor[ií]fico|potere\s+calorifico)\s+sup|bovenwaarde|"
    r"calorische\s+bovenwaarde|ciep[lł]o\s+spalania)(?:[eé]rieur|erior|eriore)?\b)"
)
_NET_TEXT = re.compile(
    r"(?<![A-Za-z])H(?:_|,)?[iu](?:,n)?(?![A-Za-z])|"
    r"(?i:\b(?:net\s*(?:cv|calorific|heating|basis|kwh)|ncv|lhv|lower\s+(?:heating|calorific)|"
    r"kwh\s*\(?net\)?|\(net\)|pci|(?<!oberer )(?<!oberem )heizwert(?:bezogen|basis)?|"
    r"(?:pouvoir\s+calorifique|poder\s+calor[ií]fico|potere\s+calorifico)\s+inf|onderwaarde|"
    r"calorische\s+onderwaarde|warto[sś][cć]\s+opa[lł]owa)(?:[eé]rieur|erior|eriore)?\b)"
)

_DROPPED = re.compile(r"[\s._\-‐‑–—·⋅•×*()\[\]{}'’\"]+")


def stated_basis(text: str) -> Basis | None:
    """Return the calorific value basis that a text states; None where it states none, or both."""
    gross, net = _GROSS_TEXT.search(text), _NET_TEXT.search(text)
    if bool(gross) == bool(net):
        return None
    return Basis.GROSS if gross else Basis.NET


def basis_texts(text: str) -> list[str]:
    """Return what in a text states a calorific value basis, as it is written."""
    return [found[0] for pattern in (_GROSS_TEXT, _NET_TEXT) for found in pattern.finditer(text)]


def squash(text: str) -> str:
    """Return `text` without accents, capitals, spaces, dots, hyphens and brackets."""
    decomposed = normal("NFKD", text)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return _DROPPED.sub("", plain).casefold()


def squash_exact(text: str) -> str:
    """Return `text` as `squash` does, keeping its capitals."""
    return _DROPPED.sub("", normal("NFKC", text))
