"""What people and programs call the columns of a contact list, in the languages of Europe.

Names stand in any spelling: `suggesting` compares them without case, accents and punctuation. One name belongs
to one field; what depends on its neighbours (Title, Nom, Name) is decided in `suggesting`.
"""

from __future__ import annotations

NAMES: dict[str, str] = {
    "name": """
        full name, display name, contact name, contact, volledige naam, weergavenaam, contactpersoon, vollständiger Name,
        Anzeigename, Ansprechpartner, nom complet, nom et prénom, nombre completo, nombre y apellidos, contacto,
        nome completo, nome e cognome, contatto, contato, imię i nazwisko, fullständigt namn, fullt navn, fulde navn,
        koko nimi, jméno a příjmení, teljes név, nume complet, ονοματεπώνυμο, ФИО, полное имя, ad soyad""",
    "given_name": """
        first name, first, fname, given name, given, forename, christian name, voornaam, voornamen, roepnaam, Vorname,
        Rufname, prénom, prénoms, nombre de pila, primer nombre, nome proprio, primeiro nome, imię, förnamn, fornavn,
        etunimi, křestní jméno, krstné meno, keresztnév, utónév, prenume, όνομα, имя, ім'я, isim""",
    "family_name": """
        last name, last, lname, surname, family name, second name, achternaam, familienaam, Nachname, Familienname,
        Zuname, nom de famille, apellido, apellidos, cognome, sobrenome, apelido, nazwisko, efternamn, etternavn,
        efternavn, sukunimi, příjmení, priezvisko, vezetéknév, családnév, nume de familie, επώνυμο, επίθετο, фамилия,
        прізвище, soyad, soyadı, prezime""",
    "middle_name": """
        middle name, middle, middelste naam, tussenv, weitere Vornamen, additional name, second given name, tussenvoegsel, tweede naam, zweiter Vorname,
        deuxième prénom, segundo nombre, secondo nome, nome do meio, drugie imię, mellannamn, mellomnavn, mellemnavn,
        toinen nimi, отчество""",
    "prefix": """
        prefix, name prefix, salutation, honorific, courtesy title, aanhef, aanspreektitel, Anrede, Namenspräfix,
        civilité, tratamiento, titolo di cortesia, tratamento, zwrot grzecznościowy, oslovení""",
    "suffix": "suffix, name suffix, achtervoegsel, Namenssuffix, suffixe, sufijo, suffisso, sufixo",
    "nickname": """
        nickname, nick name, nick, alias, bijnaam, Spitzname, surnom, pseudo, apodo, soprannome, alcunha, przydomek,
        smeknamn, kallenavn, kaldenavn, lempinimi, přezdívka, becenév""",
    "email": """
        email, e-mail, mail, email address, e-mail address, mail address, mailadres, emailadres, e-mailadres,
        Mailadresse, Emailadresse, E-Mail-Adresse, adresse e-mail, adresse mail, adresse électronique, courriel,
        adresse courriel, adresse de messagerie, correo, correo electrónico, dirección de correo, dirección de correo electrónico,
        dirección de e-mail, posta elettronica, indirizzo email, indirizzo e-mail, indirizzo di posta elettronica, indirizzo posta elettronica,
        endereço de email, endereço de e-mail, correio eletrônico, correio electrónico, adres e-mail, poczta,
        e-post, e-postadress, e-postadresse, epost, epostadress, epostadresse, sähköposti, sähköpostiosoite,
        e-mailová adresa, e-mail cím, adresă de email, ηλεκτρονικό ταχυδρομείο, электронная почта, эл. почта, почта,
        e-posta, eposta""",
    "phone": """
        phone, telephone, tel, phone number, telephone number, contact number, landline, telefoon, telefoonnummer,
        telefoonnr, tel nr, telnr, vaste telefoon, Telefon, Telefonnummer, Telefonnr, Tel.-Nr., Rufnummer, Festnetz,
        téléphone, numéro de téléphone, n° de téléphone, téléphone fixe, teléfono, número de teléfono, teléfono fijo,
        telefono, numero di telefono, telefono fisso, telefone, número de telefone, nr telefonu, numer telefonu,
        telefonnummer, puhelin, puhelinnumero, telefonní číslo, telefonszám, număr de telefon, τηλέφωνο, телефон,
        номер телефона""",
    "phones.mobile": """
        mobile, mobile phone, mobile number, mobile phone number, phone mobile, tel mobile, tel mobil, cell, cell phone, cellphone, cellular, cell number,
        mobiel, mobiel nummer, mobiele nummer, mobiele telefoon, gsm, gsm-nummer, Handy, Handynummer, mobil,
        Mobiltelefon, Mobilnummer, Mobiltelefonnummer, Mobilfunk, Mobilnr, portable, téléphone portable, téléphone mobile,
        teléfono móvil, móvil, número de móvil, celular, teléfono celular, cellulare, telefono cellulare, telemóvel, telefone celular,
        komórka, telefon komórkowy, mobilnummer, mobiltelefon, matkapuhelin, kännykkä, mobilní telefon, κινητό,
        мобильный, мобильный телефон, cep telefonu""",
    "phones.fax": "fax, fax number, faxnummer, telefax, faks, faksi, téléfax, télécopie, факс",
    "phones.pager": "pager, semafoon, cercapersone",
    "phones.main": "primary phone, Haupttelefon, hoofdtelefoon",
    "phones.company": "company main phone, company phone, hoofdtelefoon bedrijf, Telefon Firma, téléphone société",
    "phones.car": "car phone, autotelefoon, Autotelefon, téléphone voiture",
    "phones.radio": "radio phone",
    "phones.tty": "TTY/TDD phone",
    "url": """
        website, web site, website url, url, web, web page, webpage, homepage, home page, site, site web, site internet, Webseite,
        Internetseite, Internet, webpagina, page web, página web, sitio web, sito, sito web, página, strona www, strona internetowa, strona sieci web,
        hemsida, webbplats, nettside, hjemmeside, kotisivu, webová stránka, weboldal, ιστοσελίδα, сайт""",
    "organization": """
        organization, organisation, organization name, organisation name, company, company name, employer,
        business name, account name, bedrijf, bedrijfsnaam, organisatie, organisatienaam, werkgever, Firma, Firmenname,
        Unternehmen, Arbeitgeber, entreprise, nom de l'entreprise, société, raison sociale, organisme, employeur,
        empresa, nombre de la empresa, organización, compañía, azienda, società, ditta, ragione sociale,
        organizzazione, nome da empresa, organização, nazwa firmy, organizacja, företag, företagsnamn, selskap,
        firmanavn, bedrift, virksomhed, yritys, organisaatio, společnost, spoločnosť, cég, cégnév, companie, εταιρεία,
        компания, организация, şirket""",
    "department": """
        department, dept, organization department, organisation department, afdeling, Abteilung, département, service,
        departamento, reparto, dipartimento, ufficio, setor, dział, avdelning, avdeling, osasto, oddělení, τμήμα,
        отдел""",
    "job_title": """
        job title, jobtitle, job, position, role, function, organization title, functie, functietitel, beroep,
        Funktion, Berufsbezeichnung, Beruf, Stelle, poste, fonction, intitulé du poste, titre du poste, cargo, puesto,
        puesto de trabajo, qualifica, ruolo, posizione, mansione, função, stanowisko, befattning, stilling,
        tehtävänimike, pozice, pozícia, beosztás, funcția, θέση, должность, unvan""",
    "birthday": """
        birthday, birth date, birthdate, date of birth, dob, born, geboortedatum, geb.dat., geb. datum, verjaardag, geboren, Geburtstag,
        Geburtsdatum, date de naissance, naissance, anniversaire, fecha de nacimiento, nacimiento, cumpleaños,
        data di nascita, compleanno, data de nascimento, nascimento, aniversário, data urodzenia, data ur., urodziny,
        födelsedatum, födelsedag, fødselsdato, fødselsdag, bursdag, syntymäaika, syntymäpäivä, datum narození,
        dátum narodenia, születési dátum, data nașterii, ημερομηνία γέννησης, дата рождения, день рождения,
        doğum tarihi""",
    "notes": """
        notes, note, comment, comments, remark, remarks, memo, notities, notitie, opmerking, opmerkingen, Notizen,
        Notiz, Bemerkung, Bemerkungen, Anmerkung, Anmerkungen, Kommentar, Kommentare, remarque, remarques, commentaire,
        commentaires, notas, nota, comentario, comentarios, observaciones, comentários, observações, osservazioni,
        commenti, annotazioni, uwagi, notatki, anteckningar, notater, kommentarer, huomautukset, muistiinpanot,
        poznámka, poznámky, megjegyzés, observații, σημειώσεις, заметки, примечание, комментарий""",
    "photo": "photo, photo url, picture, image, avatar, foto, fotografie, bild",
    "address.formatted": """
        address, full address, address formatted, formatted address, mailing address, postal address, adres, postadres, Adresse, Anschrift, Postanschrift,
        adresse postale, dirección, dirección postal, domicilio, indirizzo, endereço, morada, adress, postadress,
        postadresse, osoite, adresa, cím, διεύθυνση, адрес""",
    "address.street": """
        street, street address, street 1, address line 1, address 1, address line, straat, straatnaam,
        straat en huisnummer, adresregel 1, Straße, Straße und Hausnummer, Straße/Hausnummer, rue, adresse ligne 1,
        calle, via, rua, logradouro, ulica, gata, gatuadress, gateadresse, katuosoite, ulice, utca, stradă, οδός,
        улица""",
    "address.extended": """
        extended address, street 2, address line 2, address 2, apartment, suite, adresregel 2, Adresszusatz,
        complément d'adresse, adresse ligne 2, complemento""",
    "address.po_box": "po box, p.o. box, post office box, postbus, Postfach, boîte postale, apartado, casella postale",
    "address.city": """
        city, town, locality, plaats, woonplaats, plaatsnaam, gemeente, Stadt, Ort, Wohnort, ville, commune, localité,
        ciudad, localidad, población, città, comune, località, cidade, localidade, miasto, miejscowość, stad, postort,
        poststed, kaupunki, postitoimipaikka, město, mesto, város, oraș, πόλη, город, şehir""",
    "address.region": """
        region, state, province, county, state/province, state/region, dép/région, provincia o estado, provincie, Bundesland, état, région, provincia, estado,
        regione, województwo, län, fylke, maakunta, megye, județ, область""",
    "address.postal_code": """
        postal code, postcode, post code, zip, zip code, zipcode, zip/postal code, PLZ, Postleitzahl, code postal,
        código postal, CAP, codice postale, CEP, kod pocztowy, postnummer, postinumero, PSČ, irányítószám, cod poștal,
        ταχυδρομικός κώδικας, почтовый индекс, индекс""",
    "address.country": """
        country, country/region, nation, land, Land/Region, land/regio, pays/région, país o región, Staat, pays, país, paese, nazione, kraj, maa, země, krajina, ország, țară,
        χώρα, страна, ülke""",
}

AMBIGUOUS_NAME = "name, naam, nom, nombre, nome, namn, navn, nimi, jméno, meno, név, nume"
"""The whole name; but beside a column of the other half alone (Nom, Prénom; Nombre, Apellidos), the missing half."""

AMBIGUOUS_TITLE = "title, titel, titre, título, titolo, tytuł, tittel"
"""What stands on a visiting card; but beside a job title, or above Mr and Dr, what stands before the name."""

LABELS: dict[str, str] = {
    "work": """
        business, work, office, zakelijk, zakelijke, werk, werkadres, kantoor, geschäftlich, dienstlich, Arbeit, Büro,
        professionnel, professionnelle, pro, travail, bureau, trabajo, laboral, oficina, lavoro, uff, aziendale, trabalho,
        comercial, służbowy, praca, arbete, arbeid, arbejde, työ""",
    "home": """
        home, private, personal, privé, thuis, huisadres, privat, persönlich, personnel, personnelle, domicile, maison,
        particular, residencia, casa, ab, personale, pessoal, prywatny, domowy, hem, hjem, koti""",
    "other": "other, secondary, alternate, secundair, sekundäre, secondaire, secundario, overig, overige, andere, weitere, weiterer, weiteres, autre, otro, otra, altro, altra, outro, outra, inny, annan",
}
"""Words beside a name that say which of several values is meant."""

NOISE = "primary, primäre, primair, main, preferred, default, principal, principale, hoofd, haupt, mailing"
"""Words beside a name that change nothing."""

PEOPLE = "contact, customer, client, klant, Kunde, Kunden, user, person, lead, member"
"""Words before a name that change nothing; behind it, they leave only what a person has."""

NUMBERS, VALUES = "number", "value"
"""Words that change nothing beside what is a number, or has several values each under a name of its own."""

LINKS = "op, du, de, del, di, da, of, the"
"""Words that join a name to the word beside it."""

OTHERS = """
    stage, count, counts, counter, sector, seller, votes, notion, employee, employed, contract, contracts, contrat, contrato,
    contratto, kontrakt, contado, carga, posten, poster, postal, abruf, abrede, borne, bille, called, caller, calls, mansion,
    stare, junction, imago, dieta, azione, azioni, legione, ragione, candy, phony, forma, fonds, plazas, cellar, regime,
    regon, stato, pages
"""
"""Names of other columns that are one letter off one of ours."""
