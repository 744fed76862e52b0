"""What columns are called, in English, German, French and Spanish.

Data and its lookup for core.parsing.columns. `exact` phrases are the whole heading; `part` phrases
are whole words within it. Headings are compared without accents, capitals and punctuation.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from core.money import currency_in
from core.normal_form import normal
from core.records import Dimension, Field
from core.short_cache import short_cache
from core.units import Unit, parse_unit

# Confidence of a heading that is, or holds, one of the phrases.
_EXACT, _PART, _WEAK_EXACT, _WEAK_PART = 0.97, 0.8, 0.7, 0.5

_STRONG: dict[Field, str] = {
    Field.ACTIVITY_NAME: "activity|activity name|activity item|name of activity|item|item name|"
    "item description|emission source|source of emission|line item|product|product name|"
    "material|fuel|fuel type|energy carrier|expenditure code|expenditure account|expenditure type|"
    "expense account|account name|account description|purpose of spend|purpose of expenditure|"
    "purpose|gl account|gl description|nominal|nominal description|subjective|cost element|"
    "commodity|commodity description|goods|spend description|purchase description|"
    "aktivitat|tatigkeit|kurztext|materialkurztext|"
    "bezeichnung|artikel|artikelbezeichnung|energietrager|brennstoff|"
    "kraftstoff|emissionsquelle|produkt|position|sachkonto|kontobezeichnung|leistung|"
    "activite|designation|libelle|libelle activite|intitule|combustible|source d emission|produit|"
    "poste|article|nature de la depense|"
    "actividad|concepto|nombre|nombre de la actividad|articulo|producto|fuente de emision|"
    "partida|denominacion",
    Field.ACTIVITY_TYPE: "activity type|type|type of activity|category|activity category|"
    "expenditure category|expense category|expense type|spend category|spend type|cost category|"
    "merchant category|commodity group|procurement category|group|class|kind|ghg category|"
    "emission category|kategorie|typ|art|aktivitatstyp|warengruppe|kostenart|kategorie typ|"
    "categorie|type d activite|famille|famille d achat|categorie de depense|"
    "tipo|categoria|tipo de actividad|clase|grupo|familia",
    Field.ACTIVITY_DESCRIPTION: "description|activity description|details|detail|comment|comments|"
    "notes|note|remarks|remark|narrative|memo|further information|additional information|"
    "beschreibung|bemerkung|bemerkungen|kommentar|kommentare|hinweis|anmerkung|anmerkungen|"
    "buchungstext|verwendungszweck|details|descriptif|commentaire|commentaires|remarque|"
    "remarques|observations|precisions|descripcion|comentario|comentarios|observaciones|"
    "detalle|detalles|notas",
    # What leaked from an appliance counts, not what it holds.
    Field.VOLUME: "leakage|leaked|leak|amount leaked|quantity leaked|refrigerant leaked|refill|"
    "refilled|top up|topped up|recharged|nachfullmenge|nachgefullt|leckage|leckmenge|fuite|fuites|"
    "fuga|fugas|quantity|qty|volume|consumption|usage|activity data|activity volume|amount used|"
    "quantity used|quantity consumed|total consumption|energy consumption|distance|mileage|"
    "weight|mass|number of units|units consumed|units used|passenger distance|nights|room nights|"
    "menge|verbrauch|anzahl|mengen|volumen|strecke|entfernung|distanz|gewicht|masse|"
    "gesamtverbrauch|energieverbrauch|quantite|consommation|qte|nombre|poids|masse|kilometrage|"
    "quantite consommee|cantidad|consumo|cant|distancia|peso|volumen|kilometraje|"
    "cantidad consumida|numero de unidades|nombre d unites|anzahl einheiten",
    Field.UNIT: "unit|units|uom|uo m|unit of measure|unit of measurement|measure|measurement unit|"
    "quantity unit|volume unit|activity unit|bme|vme|meins|basismengeneinheit|"
    "bestellmengeneinheit|einh|einheit|mengeneinheit|einheiten|masseinheit|me|"
    "unite|unites|unite de mesure|u m|unidad|unidades|unidad de medida|ud medida",
    Field.REGION: "region|country|country code|region code|country region|location country|"
    "site country|country name|state|us state|grid region|egrid subregion|geography|land|"
    "landerkennzeichen|landercode|region land|staat|pays|code pays|pays region|pais|"
    "codigo pais|pais region|location|standort land",
    Field.DATE: "date|activity date|payment date|invoice date|posting date|transaction date|"
    "date paid|paid date|document date|clearing date|start date|purchase date|travel date|"
    "delivery date|date of activity|consumption date|period|month|billing period|reporting period|"
    "datum|buchungsdat|buch dat|buch datum|belegdat|buchungsdatum|"
    "rechnungsdatum|belegdatum|lieferdatum|leistungsdatum|monat|zeitraum|"
    "periode|zahlungsdatum|date de facture|date facture|date de paiement|date comptable|mois|"
    "date d achat|fecha|fecha de factura|fecha factura|fecha de pago|mes|periodo|"
    "fecha contable",
    Field.YEAR: "year|reporting year|fiscal year|financial year|fy|calendar year|activity year|"
    "jahr|berichtsjahr|geschaftsjahr|kalenderjahr|annee|exercice|annee de reporting|ano|"
    "ejercicio|ano fiscal",
    Field.AMOUNT: "net amount|spend|spend amount|cost|costs|total cost|expenditure|net value|"
    "gross amount|invoice amount|amount paid|payment amount|transaction amount|net spend|"
    "total spend|price paid|net cost|value excl vat|amount excl vat|total net|line amount|"
    "betrag|nettobetrag|rechnungsbetrag|kosten|gesamtkosten|netto|bruttobetrag|ausgaben|"
    "gesamtbetrag|umsatz|montant|montant ht|montant net|cout|couts|cout total|depense|depenses|"
    "prix total|importe|importe neto|coste|costo|gasto|gastos|monto|coste total|importe total",
    Field.CURRENCY: "currency|currency code|ccy|cur|curr|iso currency|transaction currency|"
    "wahrung|wahrg|wahr|hauswahrung|wahrungscode|"
    "devise|monnaie|code devise|moneda|divisa|codigo moneda",
}
_KINDS = (
    "energieart|energieform|energie|energietyp|energiequelle|medium|medien|abfallart|abfall|"
    "abfallfraktion|brennstoffart|kraftstoffart|treibstoff|treibstoffart|verkehrsmittel|"
    "transportmittel|reisemittel|kaltemittel|materialart|verbrauchsart|aktivitatsart|"
    "energy type|energy source|type of energy|waste type|type of waste|waste stream|"
    "transport mode|mode of transport|travel mode|mode|travel type|transport type|journey type|"
    "refrigerant|utility|"
    "type d energie|energie utilisee|source d energie|vecteur energetique|carburant|"
    "type de carburant|type de combustible|type de dechet|dechet|nature du dechet|"
    "mode de transport|moyen de transport|fluide frigorigene|"
    "tipo de energia|energia|fuente de energia|vector energetico|tipo de combustible|carburante|"
    "tipo de residuo|residuo|modo de transporte|medio de transporte|refrigerante"
)
_WEAK: dict[Field, str] = {
    # Kinds of energy, waste and transport: the name where no better one is, else the type.
    Field.ACTIVITY_NAME: "what|name|source|account|title|subject|expense|service|" + _KINDS,
    Field.ACTIVITY_TYPE: "cabin|cabin class|travel class|class of travel|fare class|"
    "scope category|segment|division|energietrager|brennstoff|kraftstoff|"
    "combustible|" + _KINDS,
    Field.ACTIVITY_DESCRIPTION: "service|service code|service label|service area|department|"
    "directorate|cost centre|cost center|kostenstelle|text|bvacopse t|bvacop|info|"
    "extended description|centre de cout|centro de coste",
    # "Amount" may be a quantity or money: columns.py decides by the rest of the table.
    Field.VOLUME: "value|amount|total|reading|number|count|wert|summe|valeur|valor|total amount|"
    "hours|km|kilometres|kilometers|miles",
    Field.AMOUNT: "amount|value|total|total amount|net|gross|sum|wert|summe|valeur|valor|price|"
    "preis|prix|precio",
    Field.REGION: "site|standort|lieu|ubicacion|province|bundesland",
    Field.DATE: "effective date|start|from|week|quarter|quartal|trimestre|tag|jour|dia|when",
}

# What people add to a line; it may say anything, so it names an activity last of all.
_COMMENT = re.compile(
    r"\b(?:comments?|notes?|remarks?|memo|bemerkung(?:en)?|kommentare?|hinweise?|anmerkung(?:en)?|"
    r"notiz(?:en)?|commentaires?|remarques?|observations?|comentarios?|observacion(?:es)?|notas?)\b"
)

# Headings that are about something else, whatever words they hold.
_OTHER = re.compile(
    r"\b(?:vat|tax|mwst|ust|tva|iva|unit price|price per|einzelpreis|preis pro|prix unitaire|"
    r"precio unitario|rates?|factor|co2e?|co2 eq|emissions?|emissionen|ghg|intensity|percent|share|"
    r"carbon(?= footprint| impact|$)|footprint|"
    r"id|no|nr|ref|reference|invoice no|transaction no|document number|transno|seq|"
    r"phone|email|e mail|postcode|zip|address|adresse|supplier|vendor|payee|beneficiary|"
    r"lieferant|kreditor|fournisseur|proveedor|organisation|organization|body name|entity|"
    r"company|unternehmen|firma|societe|empresa|contract|vertrag|contrat|contrato|person|"
    r"employee|mitarbeiter|traveller|approver|status|due date|created|updated|budget)\b"
)
# Of these, some are part of proper headings.
_ALLOWED = frozenset({"number of units", "number of nights", "emission source", "emission category",
                      "source of emission", "emissionsquelle", "source d emission",
                      "ghg category", "fuente de emision"})  # fmt: skip

# Bare words that are units and also something else when they head a column.
_NOT_BARE_LIST = (
    "item items unit units count number nos no each piece pieces einheit einheiten unidad unidades "
    "unite unites u m t h d l g st ud pc to tag tage day days dia dias jour jours std artikel "
    "articulos articles all top me article"
)
_NOT_BARE = frozenset(_NOT_BARE_LIST.split())


_CAPITAL_MARKS = frozenset("TMDHGU")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading as written, its words, and the unit or currency it carries."""

    text: str
    words: str  # folded, without the unit
    unit_text: str | None = None
    currency_text: str | None = None


@short_cache(4096)
def fold_heading(text: str) -> str:
    """Return a heading without accents, capitals, punctuation and CamelCase."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    decomposed = normal("NFKD", spaced)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()
    return re.sub(r"[^a-z0-9]+", " ", plain.replace("ß", "ss")).strip()


def is_comment(text: str) -> bool:
    """Tell whether a heading announces remarks: "Bemerkung", "Notes", "Observaciones"."""
    return bool(_COMMENT.search(fold_heading(text)))


def _phrases(texts: dict[Field, str]) -> dict[str, tuple[Field, ...]]:
    found: dict[str, tuple[Field, ...]] = {}
    for field, phrases in texts.items():
        for phrase in phrases.split("|"):
            found[phrase] = (*found.get(phrase, ()), field)
    return found


_STRONG_PHRASES = _phrases(_STRONG)
_WEAK_PHRASES = _phrases(_WEAK)


@short_cache(4096)
def read_heading(text: str) -> Heading:
    """Take a heading apart: "Consumption (kWh)" → "consumption" and "kWh"."""
    written = " ".join(text.split())
    if _is_rate(written):
        return Heading(written, "rate")
    for match in re.finditer(r"[(\[]\s*([^()\[\]]{1,30}?)\s*[)\]]", written):
        inner = re.sub(r"^(?:in|en)\s+", "", match[1])
        rest = fold_heading(written[: match.start()] + " " + written[match.end() :])
        # "Code(T)" marks a text column; a tonne in brackets is (t).
        if _is_unit(inner) and inner not in _CAPITAL_MARKS:
            return _with_unit(written, rest, inner)
        if isinstance(currency_in(inner), str):
            return Heading(written, rest, None, inner)
        outside = f"{written[: match.start()]} {written[match.end() :]}"
        scale = _scale_before(inner)[1]
        if scale and (unit_text := read_heading(outside).unit_text):
            return Heading(written, read_heading(outside).words, scale + unit_text)
    folded = fold_heading(written)
    if folded in _STRONG_PHRASES or folded in _WEAK_PHRASES:
        return Heading(written, folded, _bare_unit(written))
    return _with_bare_unit(written, folded)


# "1000 m3", "Tsd. kWh", "million litres": as core.units has it, "thousand m3".
_THOUSAND = (
    r"(?:x\s?)?(?:1[ .,'’]?000|(?<!\d\s)['’]?000['’]?s?|10\^?3|10³|thousands?|tsd\.?|tausend|"
    r"milliers?)"
)
_MILLION = (
    r"(?:x\s?)?(?:1[.,'’]?000[.,'’]?000|10\^?6|10⁶|millions?|mio\.?|mill\.|millionen|millones)"
)
_SCALE = re.compile(
    rf"(?:^|[\s(\[])(?:(?P<thousand>{_THOUSAND}|miles(?=\s+de))|(?P<million>{_MILLION}))"
    r"(?:\s+(?:of|de))?\s*$",
    re.IGNORECASE,
)


def _scale_before(text: str) -> tuple[str, str]:
    """Return a text without the scale at its end, and that scale for a unit: "thousand "."""
    match = _SCALE.search(text)
    if match is None:
        return text, ""
    return text[: match.start()], "thousand " if match["thousand"] else "million "


# "Cost per kWh", "kWh/m2", "EUR/l" are rates; but "Verbrauch / kWh" states a unit.
_PER = re.compile(r"(?<!\w)(?:per|pro|par|por|je)(?!\w)", re.IGNORECASE)


def _is_rate(written: str) -> bool:
    if _PER.search(written) and not _is_unit(written):
        return True
    left, slash, right = written.rpartition("/")
    numerator = re.split(r"[\s(\[]+", left.strip())[-1]
    return (
        bool(slash)
        and _is_unit(right.strip(" )]"))
        and (_is_unit(numerator) or isinstance(currency_in(numerator, region="US"), str))
    )


def _with_bare_unit(written: str, folded: str) -> Heading:
    tokens = re.split(r"[\s_,/:]+", written)
    for size in (3, 2, 1):
        tail = " ".join(tokens[-size:])
        if size < len(tokens) and (unit_text := _bare_unit(tail)):
            before, scale = _scale_before(" ".join(tokens[:-size]))
            if scale:
                unit_text = scale + unit_text.strip("()[] ")
            rest = fold_heading(before)
            return _with_unit(written, re.sub(r"(?:^| )(?:in|en)$", "", rest), unit_text)
    if unit_text := _bare_unit(written):
        return _with_unit(written, "", unit_text)
    if currency_in(written):
        kept = (t for t in tokens if not currency_in(t))
        return Heading(written, fold_heading(" ".join(kept)), None, written)
    return Heading(written, folded)


def _with_unit(written: str, words: str, unit_text: str) -> Heading:
    found = parse_unit(unit_text, region="US")
    if isinstance(found, Unit) and found.dimension is Dimension.MONEY:
        return Heading(written, words, None, unit_text)
    return Heading(written, words, unit_text)


def _is_unit(text: str) -> bool:
    found = parse_unit(text)
    return isinstance(found, Unit) or found.code == "unit_ambiguous"


def _bare_unit(text: str) -> str | None:
    return text if fold_heading(text) not in _NOT_BARE and _is_unit(text) else None


@short_cache(4096)
def fields_of(heading: Heading) -> dict[Field, float]:
    """Return the fields that the name alone suggests, with the confidence of each."""
    words = heading.words
    scores: dict[Field, float] = {}
    if not words and (heading.unit_text or heading.currency_text):
        return {Field.VOLUME: 0.9} if heading.unit_text else {Field.AMOUNT: 0.85}
    allowed = words in _ALLOWED or words in _STRONG_PHRASES or words in _WEAK_PHRASES
    if _OTHER.search(words) and not allowed:
        return {}
    for phrases, exact, part in (
        (_STRONG_PHRASES, _EXACT, _PART),
        (_WEAK_PHRASES, _WEAK_EXACT, _WEAK_PART),
    ):
        for phrase, fields in phrases.items():
            if phrase not in words:
                continue
            if phrase == words:
                score = exact
            elif f" {phrase} " in f" {words} ":
                # Of two phrases in one heading, the longer and the later one tells more.
                score = part + 0.01 * len(phrase.split()) + 0.02 * words.endswith(phrase)
            else:
                continue
            for field in fields:
                scores[field] = max(scores.get(field, 0.0), score)
    if heading.unit_text and Field.VOLUME not in scores and Field.UNIT not in scores:
        scores[Field.VOLUME] = 0.75
    if heading.currency_text and Field.CURRENCY not in scores:
        scores[Field.AMOUNT] = max(scores.get(Field.AMOUNT, 0.0), 0.9)
        scores.pop(Field.VOLUME, None)
    return scores
