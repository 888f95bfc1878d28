"""Invented people's raw material: names in many scripts, cities, and how phones are written where they live.

In a phone pattern `#` is any digit and `[a-b]` one from a to b; whatever is filled in, the number is valid.
`local` is how it is written at home, `abroad` with the country code.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """One country's people. `weight` is their share among all generated."""

    country: str
    weight: int
    given: tuple[str, ...]
    family: tuple[str, ...]
    cities: tuple[str, ...]
    streets: tuple[str, ...]
    local: tuple[str, ...]
    abroad: tuple[str, ...]


def _place(country: str, weight: int, *lists: str) -> Place:
    """Lists are separated by |, in the order of Place."""
    given, family, cities, streets, local, abroad = (
        tuple(entry.strip() for entry in entries.split("|")) for entries in lists
    )
    return Place(country, weight, given, family, cities, streets, local, abroad)


PLACES = (
    _place(
        "NL",
        40,
        "Anouk|Bram|Daan|Femke|Joris|Lotte|Maarten|Noor|Sanne|Thijs|Wouter|Zoë",
        "de Vries|van den Berg|Bakker|Jansen|Visser|Smit|Meijer|de Boer|Mulder|van der Meer|Bos|Vos",
        "Amsterdam|Utrecht|'s-Hertogenbosch|Rotterdam|Groningen|Den Haag",
        "Keizersgracht|Dorpsstraat|Kerkweg|Stationsplein|Lindelaan",
        "06-[1-4]#######|06 [1-4]# ## ## ##|020-[2-7]######|(010) [2-4]## ## ##|06[1-4]#######",
        "+31 6 [1-4]#######|+31 (0)20 [2-7]## ####|0031 6 [1-4]#######|+316[1-4]#######",
    ),
    _place(
        "DE",
        12,
        "Jürgen|Käthe|Lukas|Mareike|Sören|Ulrike|Änne|Heinz-Peter",
        "Müller|Schäfer|Weiß|Groß|Königsmann|Schröder|von der Heide|Böhm",
        "Köln|München|Berlin|Düsseldorf|Görlitz",
        "Hauptstraße|Am Mühlbach|Schillerallee|Bahnhofstraße",
        "0151 [1-9]#######|030/[2-8]#######|0171-[2-9]######",
        "+49 151 [1-9]#######|+49 (0)30 [2-8]#######|+49-171-[2-9]######",
    ),
    _place(
        "FR",
        8,
        "Amélie|François|Zoé|Hélène|Maël|Noémie|Théo",
        "Lefèvre|Moreau|Garçon|d'Aubigné|Lemaître|Noël",
        "Besançon|Nîmes|Paris|Orléans",
        "rue de l'Église|boulevard Saint-Michel|avenue Foch",
        "06 [1-2]# ## ## ##|01 4# ## ## ##|06.[1-2]#.##.##.##",
        "+33 6 [1-2]# ## ## ##|+33 (0)1 4# ## ## ##",
    ),
    _place(
        "GB",
        8,
        "Ada|Alistair|Bronwen|Grace|Imogen|Rhys|Siobhán",
        "Lovelace|O'Neill|Fitzgerald-Smythe|Llewellyn|MacLeod|Quigley",
        "London|Stow-on-the-Wold|Llandudno|Glasgow",
        "High Street|Baker Mews|St John's Road",
        "07400 ######|020 7946 0###",
        "+44 7400 ######|+44 (0)20 7946 0###|+44 20 7946 0###",
    ),
    _place(
        "US",
        8,
        "Ashley|Carlos|DeShawn|Emily|Juan|Madison|Wei",
        "Anderson|García|Johnson|Nguyen|Washington|O'Brien|St. James",
        "Springfield|San José|Winston-Salem|New York",
        "Elm Street|5th Avenue|Martin Luther King Jr Blvd",
        "(212) 555-01##|415-555-01##|312.555.01##|1 617 555 01##",
        "+1 212 555 01##|+1 (415) 555-01##",
    ),
    _place(
        "ES",
        4,
        "Begoña|Íñigo|José María|Lucía|Núria|Óscar",
        "Muñoz|Ibáñez|de la Peña|Núñez|Úbeda",
        "Cádiz|La Coruña|Sevilla",
        "Calle Mayor|Avenida de América|Plaza de España",
        "612 ## ## ##|91# ### ###",
        "+34 612 ## ## ##|+34 915 ### ###",
    ),
    _place(
        "IT",
        3,
        "Chiara|Niccolò|Giosuè|Elisabetta|Nicolò",
        "D'Angelo|Lo Bianco|De Santis|Forlì|Rossi",
        "Forlì|Napoli|Torino",
        "Via Garibaldi|Corso Vittorio Emanuele|Piazza Dante",
        "347 #######|06 6######",
        "+39 347 #######|+39 06 6######",
    ),
    _place(
        "PL",
        2,
        "Łukasz|Żaneta|Małgorzata|Wojciech|Świętosław",
        "Wałęsak|Dąbrowska|Żółtowski|Błaszczyk",
        "Łódź|Gdańsk|Wrocław",
        "ulica Długa|aleje Jerozolimskie",
        "601 ### ###|22 6## ## ##",
        "+48 601 ### ###|+48 22 6## ## ##",
    ),
    _place(
        "GR",
        2,
        "Αλέξανδρος|Ελένη|Γιώργος|Δήμητρα",
        "Παπαδόπουλος|Νικολάου|Αγγελής|Οικονόμου",
        "Αθήνα|Θεσσαλονίκη|Ηράκλειο",
        "Ερμού|Λεωφόρος Κηφισίας",
        "694 ### ####|210 7## ####",
        "+30 694 ### ####|+30 210 7## ####",
    ),
    _place(
        "RU",
        2,
        "Анастасия|Дмитрий|Ёлкина Софья|Сергей",
        "Иванов|Щербакова|Достоевский|Ковалёва",
        "Екатеринбург|Орёл|Москва",
        "улица Ленина|Невский проспект",
        "8 (912) ###-##-##|8 495 2## ## ##",
        "+7 912 ###-##-##|+7 495 2## ## ##",
    ),
    _place(
        "IL",
        2,
        "נועה|איתן|שירה|דוד",
        "כהן|לוי|מזרחי|אבן־צור",
        "תל אביב|ירושלים|חיפה",
        "רחוב הרצל|שדרות רוטשילד",
        "050-[2-9]######|03-6######",
        "+972 50-[2-9]######|+972 3-6######",
    ),
    _place(
        "EG",
        2,
        "أحمد|فاطمة|محمود|ليلى",
        "حسن|السيد|عبد الرحمن|منصور",
        "القاهرة|الإسكندرية|أسوان",
        "شارع التحرير|طريق الكورنيش",
        "010 ########|02 2#######",
        "+20 10 ########|+20 2 2#######",
    ),
    _place(
        "IN",
        2,
        "अनन्या|राहुल|प्रिया|विक्रम",
        "शर्मा|वर्मा|त्रिपाठी|कौर",
        "मुंबई|दिल्ली|जयपुर",
        "महात्मा गांधी मार्ग|नेहरू रोड",
        "98### #####|099### #####",
        "+91 98### #####|+91-99###-#####",
    ),
    _place(
        "CN",
        2,
        "伟|芳|秀英|子轩",
        "王|李|欧阳|諸葛",
        "北京|上海|西安",
        "人民路|中山大道",
        "138 #### ####|010 6### ####",
        "+86 138 #### ####|+86 10 6### ####",
    ),
    _place(
        "JP",
        2,
        "さくら|太郎|ジョージ|結衣",
        "佐藤|髙橋|渡邊|ｶﾄｳ",
        "東京|大阪|京都市",
        "銀座四丁目|御堂筋",
        "090-[1-9]###-####|03-[3-5]###-####",
        "+81 90-[1-9]###-####|+81 3-[3-5]###-####",
    ),
    _place(
        "TH",
        1,
        "สมชาย|สุดา|อนันต์",
        "ใจดี|ศรีสุข|ทองดี",
        "กรุงเทพมหานคร|เชียงใหม่",
        "ถนนสุขุมวิท|ถนนพระราม ๔",
        "081 ### ####|02 2## ####",
        "+66 81 ### ####|+66 2 2## ####",
    ),
)

COMPANIES = [
    "Northwind Traders",
    "Example & Zonen B.V.",
    "Contoso, Inc.",
    "“Quoted” Goods GmbH",
    "Tailspin Toys",
    "Fabrikam SARL",
    "Бетон и Ко",
    "株式会社サンプル",
    "شركة المثال",
    "Μεταφορές Α.Ε.",
    "Bäckerei Krümel",
    "Ólafsson ehf.",
]

TITLES = [
    "Accountant",
    "Sales manager",
    "Directeur",
    "Geschäftsführerin",
    "Ingeniero",
    "Owner; founder",
    "Chef de projet",
    "営業部長",
    "Менеджер",
    "Buyer, Europe",
    "Software engineer",
    "Verpleegkundige",
]

NOTES = [
    "Met at the spring fair.",
    "Prefers mail to phone",
    'Asked: "When will it ship?"',
    "Line one\nLine two",
    "Left a message;\r\ncall back on Monday",
    "=not a formula",
    "Likes 🍵 and 犬",
    "a, b, and c",
    "Zieh' nächste Woche um",
    "Says “thank you”\n\n\tand means it",
    "+31 is not a phone here",
    "50 % off",
]

DOMAINS = ("example.com", "example.org", "example.net", "mail.example.com", "post.example.org", "EXAMPLE.com")
