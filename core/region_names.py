"""Names of countries and of the subdivisions we know, as data for core.regions.

ISO 3166-1 alpha-2, alpha-3, then names: English, German, French, Spanish and usual variants.
"""

from __future__ import annotations

COUNTRIES = """
AD AND Andorra|Andorre
AE ARE United Arab Emirates|UAE|Vereinigte Arabische Emirate|Émirats arabes unis|Emiratos Árabes Unidos
AF AFG Afghanistan|Afganistán
AG ATG Antigua and Barbuda
AI AIA Anguilla
AL ALB Albania|Albanien|Albanie
AM ARM Armenia|Armenien|Arménie
AO AGO Angola
AQ ATA Antarctica
AR ARG Argentina|Argentinien|Argentine
AS ASM American Samoa
AT AUT Austria|Österreich|Oesterreich|Autriche
AU AUS Australia|Australien|Australie
AW ABW Aruba
AX ALA Åland Islands|Åland
AZ AZE Azerbaijan|Aserbaidschan|Azerbaïdjan|Azerbaiyán
BA BIH Bosnia and Herzegovina|Bosnien und Herzegowina|Bosnie-Herzégovine|Bosnia y Herzegovina|Bosnia
BB BRB Barbados
BD BGD Bangladesh|Bangladesch|Bangladés
BE BEL Belgium|Belgien|Belgique|Bélgica|België
BF BFA Burkina Faso
BG BGR Bulgaria|Bulgarien|Bulgarie
BH BHR Bahrain|Bahreïn|Baréin
BI BDI Burundi
BJ BEN Benin|Bénin
BL BLM Saint Barthélemy
BM BMU Bermuda
BN BRN Brunei Darussalam|Brunei
BO BOL Bolivia|Bolivien|Bolivie
BQ BES Bonaire, Sint Eustatius and Saba|Bonaire
BR BRA Brazil|Brasilien|Brésil|Brasil
BS BHS Bahamas
BT BTN Bhutan
BW BWA Botswana
BY BLR Belarus|Weißrussland|Biélorussie|Bielorrusia
BZ BLZ Belize
CA CAN Canada|Kanada|Canadá
CC CCK Cocos (Keeling) Islands
CD COD Congo, Democratic Republic of the|Democratic Republic of the Congo|DR Congo|DRC
CF CAF Central African Republic
CG COG Congo
CH CHE Switzerland|Schweiz|Suisse|Suiza|Svizzera
CI CIV Côte d'Ivoire|Ivory Coast|Elfenbeinküste|Costa de Marfil
CK COK Cook Islands
CL CHL Chile|Chili
CM CMR Cameroon|Kamerun|Cameroun|Camerún
CN CHN China|Chine|PRC|People's Republic of China|Mainland China
CO COL Colombia|Kolumbien|Colombie
CR CRI Costa Rica
CU CUB Cuba|Kuba
CV CPV Cabo Verde|Cape Verde
CW CUW Curaçao
CX CXR Christmas Island
CY CYP Cyprus|Zypern|Chypre|Chipre
CZ CZE Czechia|Czech Republic|Tschechien|Tschechische Republik|Tchéquie|République tchèque|Chequia|República Checa
DE DEU Germany|Deutschland|Allemagne|Alemania|BRD
DJ DJI Djibouti
DK DNK Denmark|Dänemark|Daenemark|Danemark|Dinamarca|Danmark
DM DMA Dominica
DO DOM Dominican Republic|Dominikanische Republik|République dominicaine|República Dominicana
DZ DZA Algeria|Algerien|Algérie|Argelia
EC ECU Ecuador|Équateur
EE EST Estonia|Estland|Estonie
EG EGY Egypt|Ägypten|Égypte|Egipto
EH ESH Western Sahara
ER ERI Eritrea
ES ESP Spain|Spanien|Espagne|España
ET ETH Ethiopia|Äthiopien|Éthiopie|Etiopía
FI FIN Finland|Finnland|Finlande|Finlandia|Suomi
FJ FJI Fiji
FK FLK Falkland Islands
FM FSM Micronesia
FO FRO Faroe Islands
FR FRA France|Frankreich|Francia
GA GAB Gabon|Gabun
GB GBR United Kingdom|UK|U.K.|Great Britain|Britain|United Kingdom of Great Britain and Northern Ireland|Vereinigtes Königreich|Großbritannien|Grossbritannien|Royaume-Uni|Grande-Bretagne|Reino Unido|Gran Bretaña|England|Scotland|Wales|Northern Ireland|Schottland|Angleterre|Écosse|Inglaterra|Escocia
GD GRD Grenada
GE GEO Georgia|Georgien|Géorgie
GF GUF French Guiana
GG GGY Guernsey
GH GHA Ghana
GI GIB Gibraltar
GL GRL Greenland|Grönland|Groenland
GM GMB Gambia
GN GIN Guinea|Guinée
GP GLP Guadeloupe
GQ GNQ Equatorial Guinea
GR GRC Greece|Griechenland|Grèce|Grecia|Hellas
GS SGS South Georgia and the South Sandwich Islands
GT GTM Guatemala
GU GUM Guam
GW GNB Guinea-Bissau
GY GUY Guyana
HK HKG Hong Kong|Hongkong|Hong Kong SAR
HM HMD Heard Island and McDonald Islands
HN HND Honduras
HR HRV Croatia|Kroatien|Croatie|Croacia|Hrvatska
HT HTI Haiti|Haïti
HU HUN Hungary|Ungarn|Hongrie|Hungría
ID IDN Indonesia|Indonesien|Indonésie
IE IRL Ireland|Irland|Irlande|Irlanda|Republic of Ireland|Eire|Éire|ROI
IL ISR Israel|Israël
IM IMN Isle of Man
IN IND India|Indien|Inde
IO IOT British Indian Ocean Territory
IQ IRQ Iraq|Irak
IR IRN Iran
IS ISL Iceland|Island|Islande|Islandia
IT ITA Italy|Italien|Italie|Italia
JE JEY Jersey
JM JAM Jamaica|Jamaika|Jamaïque
JO JOR Jordan|Jordanien|Jordanie|Jordania
JP JPN Japan|Japon|Japón
KE KEN Kenya|Kenia
KG KGZ Kyrgyzstan
KH KHM Cambodia|Kambodscha|Cambodge|Camboya
KI KIR Kiribati
KM COM Comoros
KN KNA Saint Kitts and Nevis
KP PRK North Korea
KR KOR South Korea|Korea|Republic of Korea|Korea, Republic of|Südkorea|Corée du Sud|Corea del Sur
KW KWT Kuwait|Koweït
KY CYM Cayman Islands
KZ KAZ Kazakhstan|Kasachstan|Kazajistán
LA LAO Laos
LB LBN Lebanon|Libanon|Liban|Líbano
LC LCA Saint Lucia
LI LIE Liechtenstein
LK LKA Sri Lanka
LR LBR Liberia
LS LSO Lesotho
LT LTU Lithuania|Litauen|Lituanie|Lituania
LU LUX Luxembourg|Luxemburg|Luxemburgo
LV LVA Latvia|Lettland|Lettonie|Letonia
LY LBY Libya|Libyen|Libye|Libia
MA MAR Morocco|Marokko|Maroc|Marruecos
MC MCO Monaco|Mónaco
MD MDA Moldova|Moldawien|Moldavie|Moldavia
ME MNE Montenegro|Monténégro
MF MAF Saint Martin
MG MDG Madagascar|Madagaskar
MH MHL Marshall Islands
MK MKD North Macedonia|Nordmazedonien|Macédoine du Nord|Macedonia del Norte|Macedonia
ML MLI Mali
MM MMR Myanmar|Burma
MN MNG Mongolia|Mongolei|Mongolie
MO MAC Macao|Macau
MP MNP Northern Mariana Islands
MQ MTQ Martinique
MR MRT Mauritania
MS MSR Montserrat
MT MLT Malta|Malte
MU MUS Mauritius|Maurice|Mauricio
MV MDV Maldives|Malediven|Maldivas
MW MWI Malawi
MX MEX Mexico|Mexiko|Mexique|México
MY MYS Malaysia|Malaisie|Malasia
MZ MOZ Mozambique|Mosambik
NA NAM Namibia|Namibie
NC NCL New Caledonia
NE NER Niger
NF NFK Norfolk Island
NG NGA Nigeria
NI NIC Nicaragua
NL NLD Netherlands|The Netherlands|Holland|Niederlande|Pays-Bas|Países Bajos|Nederland
NO NOR Norway|Norwegen|Norvège|Noruega|Norge
NP NPL Nepal|Népal
NR NRU Nauru
NU NIU Niue
NZ NZL New Zealand|Neuseeland|Nouvelle-Zélande|Nueva Zelanda
OM OMN Oman|Omán
PA PAN Panama|Panamá
PE PER Peru|Pérou|Perú
PF PYF French Polynesia
PG PNG Papua New Guinea
PH PHL Philippines|Philippinen|Filipinas
PK PAK Pakistan|Pakistán
PL POL Poland|Polen|Pologne|Polonia|Polska
PM SPM Saint Pierre and Miquelon
PN PCN Pitcairn
PR PRI Puerto Rico
PS PSE Palestine
PT PRT Portugal
PW PLW Palau
PY PRY Paraguay
QA QAT Qatar|Katar|Catar
RE REU Réunion|La Réunion
RO ROU Romania|Rumänien|Roumanie|Rumania|Rumanía
RS SRB Serbia|Serbien|Serbie
RU RUS Russia|Russian Federation|Russland|Russie|Rusia
RW RWA Rwanda|Ruanda
SA SAU Saudi Arabia|KSA|Saudi-Arabien|Arabie saoudite|Arabia Saudita|Arabia Saudí
SB SLB Solomon Islands
SC SYC Seychelles|Seychellen
SD SDN Sudan
SE SWE Sweden|Schweden|Suède|Suecia|Sverige
SG SGP Singapore|Singapur|Singapour
SH SHN Saint Helena, Ascension and Tristan da Cunha|Saint Helena
SI SVN Slovenia|Slowenien|Slovénie|Eslovenia
SJ SJM Svalbard and Jan Mayen
SK SVK Slovakia|Slovak Republic|Slowakei|Slovaquie|Eslovaquia
SL SLE Sierra Leone
SM SMR San Marino
SN SEN Senegal|Sénégal
SO SOM Somalia
SR SUR Suriname
SS SSD South Sudan
ST STP Sao Tome and Principe
SV SLV El Salvador
SX SXM Sint Maarten
SY SYR Syria
SZ SWZ Eswatini|Swaziland
TC TCA Turks and Caicos Islands
TD TCD Chad
TF ATF French Southern Territories
TG TGO Togo
TH THA Thailand|Thaïlande|Tailandia
TJ TJK Tajikistan
TK TKL Tokelau
TL TLS Timor-Leste
TM TKM Turkmenistan
TN TUN Tunisia|Tunesien|Tunisie|Túnez
TO TON Tonga
TR TUR Türkiye|Turkey|Türkei|Turquie|Turquía
TT TTO Trinidad and Tobago|Trinidad
TV TUV Tuvalu
TW TWN Taiwan|Taïwan|Taiwán
TZ TZA Tanzania|Tansania|Tanzanie
UA UKR Ukraine|Ucrania
UG UGA Uganda|Ouganda
UM UMI United States Minor Outlying Islands
US USA United States|United States of America|U.S.|U.S.A.|America|Vereinigte Staaten|Vereinigte Staaten von Amerika|États-Unis|Estados Unidos|EE.UU.|EEUU|EUA
UY URY Uruguay
UZ UZB Uzbekistan|Usbekistan|Uzbekistán
VA VAT Holy See|Vatican City
VC VCT Saint Vincent and the Grenadines
VE VEN Venezuela
VG VGB British Virgin Islands
VI VIR US Virgin Islands|U.S. Virgin Islands
VN VNM Vietnam|Viet Nam
VU VUT Vanuatu
WF WLF Wallis and Futuna
WS WSM Samoa
XK XKX Kosovo
YE YEM Yemen|Jemen|Yémen
YT MYT Mayotte
ZA ZAF South Africa|RSA|Südafrika|Afrique du Sud|Sudáfrica
ZM ZMB Zambia|Sambia|Zambie
ZW ZWE Zimbabwe|Simbabwe
"""  # noqa: E501

US_STATES = """
AL Alabama|AK Alaska|AZ Arizona|AR Arkansas|CA California|CO Colorado|CT Connecticut|DE Delaware|
DC District of Columbia|FL Florida|GA Georgia|HI Hawaii|ID Idaho|IL Illinois|IN Indiana|IA Iowa|
KS Kansas|KY Kentucky|LA Louisiana|ME Maine|MD Maryland|MA Massachusetts|MI Michigan|MN Minnesota|
MS Mississippi|MO Missouri|MT Montana|NE Nebraska|NV Nevada|NH New Hampshire|NJ New Jersey|
NM New Mexico|NY New York|NC North Carolina|ND North Dakota|OH Ohio|OK Oklahoma|OR Oregon|
PA Pennsylvania|RI Rhode Island|SC South Carolina|SD South Dakota|TN Tennessee|TX Texas|UT Utah|
VT Vermont|VA Virginia|WA Washington|WV West Virginia|WI Wisconsin|WY Wyoming
"""

CA_PROVINCES = """
AB Alberta|BC British Columbia|MB Manitoba|NB New Brunswick|NL Newfoundland and Labrador|
NS Nova Scotia|NT Northwest Territories|NU Nunavut|ON Ontario|PE Prince Edward Island|
QC Quebec|SK Saskatchewan|YT Yukon
"""

# Subregions of the US grid, US EPA eGRID.
EGRID = (
    "AKGD AKMS AZNM CAMX ERCT FRCC HIMS HIOA MROE MROW NEWE NWPP NYCW NYLI NYUP PRMS RFCE RFCM "
    "RFCW RMPA SPNO SPSO SRMV SRMW SRSO SRTV SRVC"
)
