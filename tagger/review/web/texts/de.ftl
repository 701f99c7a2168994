### Alle Texte der Prüfseite auf Deutsch.

## Jede Seite

language = Deutsch
to-content = Zum Inhalt
nav-views = Ansichten
nav-queue = Warteschlange
nav-grid = Raster
nav-check = Kontrolle
nav-items = Finden
nav-try = Bild ausprobieren
progress-label = Entschieden
progress = von { NUMBER($items) }
progress-refit = + { NUMBER($items) } durch das Modell
progress-pace = { NUMBER($perHour, maximumFractionDigits: 0) } pro Stunde
save-language = Speichern
sign-out = Abmelden
language-label = Sprache
keys-button = Tasten
close = Schließen
back-to-queue = Zurück zur Warteschlange

## Was der letzte Tastendruck getan hat

saved = { $what }.
undone = Rückgängig gemacht: { $what }.
undo = Rückgängig
action-accepted = { $items ->
    [one] { $name } bestätigt
   *[other] { NUMBER($items) } als { $name } bestätigt
}
action-kept = { $items ->
    [one] Label { $name } beibehalten
   *[other] { NUMBER($items) } Labels beibehalten: { $name }
}
action-corrected = { $items ->
    [one] Geändert in { $name }
   *[other] { NUMBER($items) } geändert in { $name }
}
action-master_only = { $items ->
    [one] Nur die Kategorie: { $name }
   *[other] { NUMBER($items) } nur mit der Kategorie: { $name }
}
action-unusable = { $items ->
    [one] Als unbrauchbar markiert
   *[other] { NUMBER($items) } als unbrauchbar markiert
}
action-refused = { $items ->
    [one] Ein Artikel als falsch markiert; er steht in der Warteschlange
   *[other] { NUMBER($items) } als falsch markiert; sie stehen in der Warteschlange
}
action-skipped = { $items ->
    [one] Übersprungen
   *[other] { NUMBER($items) } übersprungen
}
action-shown-again = { $items ->
    [one] Ein übersprungener Artikel wird wieder gezeigt
   *[other] { NUMBER($items) } übersprungene Artikel werden wieder gezeigt
}
action-flagged = { $items ->
    [one] Gemeldet
   *[other] { NUMBER($items) } gemeldet
}
action-proposed = { $name } vorgeschlagen
action-undone = Rückgängig gemacht
recent = Ihre letzten Antworten, die neueste zuerst
nothing-to-undo = Es gibt nichts mehr rückgängig zu machen.
decided-since = Jemand anderes hat seitdem über diesen Artikel entschieden. Das bleibt so.
saving = { $n } werden gespeichert …
not-saved-yet = { $n } noch nicht gespeichert: Der Server antwortet nicht. Neuer Versuch …
not-saved = Nicht gespeichert: { $why }
open-it = Artikel öffnen
server-silent = Der Server antwortet nicht. Was er bestätigt hat, ist gespeichert; versuchen Sie es gleich noch einmal.
server-refused = Der Server hat das abgelehnt: { $why }
loading-next = Der nächste Artikel wird geladen …

## Konflikte

conflict-unknown = Dieser Artikel gehört nicht zu dieser Prüfung.
conflict-decided = { $who } hat gerade über diesen Artikel entschieden.
conflict-decided-own = Sie haben in einem anderen Fenster über diesen Artikel entschieden.
conflict-open = { $who } hat diesen Artikel geöffnet.
somebody = Jemand
left-alone = { $items ->
    [one] Ein Artikel blieb unverändert: Jemand anderes hat ihn geöffnet oder entschieden.
   *[other] { NUMBER($items) } Artikel blieben unverändert: Jemand anderes hat sie geöffnet oder entschieden.
}
flagged-banner = Gemeldet: { $note }
opened-by = { $who } hat diesen Artikel geöffnet. Sie können ihn ansehen, aber nicht entscheiden.

## Ein Artikel

item = Artikel { $id }
image-of = Bild von Artikel { $id }
image-of-numbered = Bild { $number } von Artikel { $id }
image-unusable = Dieses Bild ist nicht brauchbar: { $problem }.
no-picture = Kein Bild: Die Datei fehlt oder ist nicht lesbar.
why-here = Warum der Artikel hier ist
decided-banner = Entschieden: { $what }, von { $who }
history = Verlauf
history-line = { $what }, von { $who }, { DATETIME($at, dateStyle: "medium", timeStyle: "short") } UTC
story = Die ganze Geschichte
story-of = Was mit { $name } geschehen ist
story-when = Wann (UTC)
story-what = Was
story-at = { DATETIME($at, dateStyle: "medium", timeStyle: "medium") }
story-none = Darüber ist nichts bekannt.
story-failed = Nicht getaggt: { $why }
story-predicted = { $decision ->
    [accept] Vorhergesagt: { $name }, { $sure }. Übernommen.
    [accept_master_only] Vorhergesagt: { $name }, { $sure }. Nur die Hauptkategorie wurde übernommen.
   *[review] Vorhergesagt: { $name }, { $sure }. Wartet auf eine Person.
}
story-decided = { $what }, von { $who }
story-refit = Das Modell nach Ihren Antworten sagt: { $name }, { $sure }
story-exported = Exportiert nach { $target }, { $field }: { $before } → { $after }
story-undone = Zurückgenommen aus { $target }, { $field }: { $before } → { $after }
story-rolled-back = Der Lauf wurde von { $who } zurückgenommen: Seine Vorhersagen zählen nicht mehr
copies = { $items ->
    [one] Auch über den anderen Artikel mit diesem Bild entscheiden
   *[other] Auch über die anderen { NUMBER($items) } Artikel mit diesem Bild entscheiden
}
copies-some = Auch über { NUMBER($some) } der anderen { NUMBER($items) } Artikel mit diesem Bild entscheiden
copies-class-only = (nur die Klasse)
for-copies = Für alle Artikel mit diesem Bild
for-this-alone = Nur für diesen Artikel
next-image = Nächstes Bild
full-size = Originalgröße
its-images = Bilder dieses Artikels
image-number = Bild { $number }:
image-numbered-problem = Bild { $number } ist nicht brauchbar: { $problem }
surest = am sichersten

## Die vier Zeugen

witnesses = Was für welche Klasse spricht
witness-catalogue = Katalog
witness-model = Modell
witness-suggested = Vorschlag
witness-title = Titel
witness-image = Bild
witness-look_alikes = Ähnliche Artikel
witness-named = dort genannt
witness-none = nichts
witness-agree = { NUMBER($items) } von { NUMBER($of) }
witness-not-a-class = hier keine Klasse
disagree = Sie widersprechen sich

## Antworten

alternatives = Andere Klassen
accept = { $name } bestätigen
take-suggested = Ändern in { $name }
keep = { $name } beibehalten
only-category = Nur { $name }
unusable = Bild unbrauchbar
skip = Überspringen
flag = Melden
flag-note = Was soll sich jemand ansehen?
flag-it = Melden
propose = Neue Klasse
propose-name = Wie heißt sie?
propose-it = Vorschlagen
another-class = Andere Klasse
search-none = Keine Klasse heißt so.
classes = Klassen
rare-classes = Hier selten
choose-class = Klasse wählen
use-this-class = Diese Klasse nehmen
items = { $items ->
    [one] { NUMBER($items) } Artikel
   *[other] { NUMBER($items) } Artikel
}
rare-here = hier selten: { $items ->
    [one] { NUMBER($items) } Artikel
   *[other] { NUMBER($items) } Artikel
}
rare-needs-arrow = Diese Klasse ist hier selten. Wählen Sie sie zuerst mit ↓.
suggested = vorgeschlagen
models-tag = vom Modell
catalogues-label = aus dem Katalog
same-picture = Gleiches Bild
similar-items = Ähnliche Artikel
similar-percent = { $percent } ähnlich
predicted = vorhergesagt
labelled = { $name }, aus dem Katalog
predicted-as = { $name }, vorhergesagt
decided-by = { $name }, entschieden von { $who }
catalogue-data = Im Katalog

## Warum ein Artikel wartet

why-low_confidence = Nicht sicher genug ({ $percent })
why-blurry_image = Unscharfes Bild
why-taxonomy_conflict = Der Katalog sagt { $known }, das Modell { $master }
why-taxonomy_conflict-audit = { $article } steht meist nicht unter { $master }
why-qa_sample = Qualitätsprüfung: eine Stichprobe der bestätigten Tags
why-label_error = Vermutlich falsches Label (das Modell gibt ihm { $percent })
why-image_disagrees = Das Foto spricht für eine andere Klasse
why-title_disagrees = Der Titel spricht für eine andere Klasse
why-duplicate_conflict = Ein anderer Artikel mit diesem Bild hat ein anderes Label
why-copies_disagree = Artikel mit diesem Bild widersprechen sich
why-unfamiliar = Sieht aus wie nichts, was das Modell gelernt hat
why-outlier = Kein anderes Bild sieht so aus
why-no_image = Das Bild ist nicht brauchbar: nur nach dem Titel getaggt
why-models_disagree = Zwei Modelle sind sich nicht einig
why-proposed = Ein neueres Modell würde das Tag ändern
why-refused = Im Raster als falsch markiert

## Weitere Tags

further-tags = Weitere Tags
further-hint = Was Sie nicht anfassen, bleibt vom Modell. Ein unsicheres wird nur gespeichert, wenn Sie es ändern oder ankreuzen.
not-predicted = nicht vorhergesagt
none = keines
unsure = unsicher
right = richtig
right-of = richtig: { $name }

## Der Filter

filter = Filter
filter-on = an
any = alle
filter-state = Zustand
state-all = alle
state-waiting = wartend
state-decided = entschieden
state-mine = von mir entschieden
state-corrected = geändert
state-unusable = unbrauchbare Bilder
state-skipped = von mir übersprungen
state-flagged = gemeldet
state-proposed = mit vorgeschlagener Klasse
state-refit = durch Ihre Antworten bestätigt
filter-person = Entschieden von
filter-text = Wörter in Titel, Nummer oder Spalten
filter-reason = Grund
filter-master = Kategorie
filter-article = Artikeltyp
filter-column = Im Katalog
filter-least = Sicherheit von, %
filter-most = bis, %
filter-order = Reihenfolge
order-disputed = größter Widerspruch zuerst
order-uncertain = unsicherste zuerst
order-certain = sicherste zuerst
order-catalogue = wie im Katalog
order-random = in zufälliger Reihenfolge
filter-show = Zeigen
filter-all = Alle zeigen
chip-confidence = { $least } bis { $most } sicher
chip-remove = { $name } entfernen
pages = Seiten
page-of = Seite { NUMBER($page) } von { NUMBER($pages) }
page-previous = Vorige Seite
page-next = Nächste Seite
found = { $items ->
    [0] Keine Artikel
    [one] { NUMBER($items) } Artikel
   *[other] { NUMBER($items) } Artikel
}
find-item = Artikelnummer
find-go = Öffnen
reason-low_confidence = Nicht sicher genug
reason-blurry_image = Unscharfes Bild
reason-taxonomy_conflict = Kategorie anders als im Katalog
reason-qa_sample = Qualitätsprüfung
reason-label_error = Vermutlich falsches Label
reason-image_disagrees = Foto spricht für eine andere Klasse
reason-title_disagrees = Titel spricht für eine andere Klasse
reason-duplicate_conflict = Gleiches Bild, anderes Label
reason-outlier = Sieht aus wie nichts anderes
reason-unfamiliar = Fremd: wie nichts Gelerntes
reason-models_disagree = Modelle uneinig
reason-proposed = Änderung zur Annahme
reason-no_image = Bild nicht brauchbar

## Das Raster

grid-title = Raster
grid-classes = Vorhergesagte Klassen
grid-classes-audit = Labels und Vorschläge
grid-question = Sind das { $name }?
grid-question-audit = Katalog: { $label } → Vorschlag: { $goal }
grid-hint = Markieren Sie die falschen.
grid-hint-audit = Markieren Sie, was nicht { $name } ist.
grid-hint-seen = Nur was auf dem Bildschirm war, wird bestätigt.
grid-hint-seen-audit = Nur was auf dem Bildschirm war, wird geändert.
grid-accept = { $items } als { $name } bestätigen
grid-accept-some = { $items } von { $all } als { $name } bestätigen
grid-accept-rest = Die anderen { $items } als { $name } bestätigen
grid-change = { $items } ändern in { $name }
grid-change-some = { $items } von { $all } ändern in { $name }
grid-change-rest = Die anderen { $items } ändern in { $name }
grid-keep = Markierte: { $name } beibehalten
grid-marked = Markierte ändern in
grid-mark-all = Alle markieren
grid-mark-titles = Nach Titel markieren
grid-invert = Umkehren
grid-size = Größe
grid-marked-are = Die markierten sind
grid-cluster = { NUMBER($items) }, die sich ähneln
grid-rest = { $items ->
    [one] Ein anderer
   *[other] { NUMBER($items) } andere
}
grid-accept-cluster = Diese bestätigen
grid-change-cluster = Diese ändern
grid-mark-cluster = Diese markieren
grid-wrong = Falsch: { $name }, { $percent }
grid-empty-class = In dieser Klasse ist nichts mehr für Sie
grid-empty = Im Raster ist nichts mehr
grid-choose-another = Wählen Sie eine andere Klasse.
grid-rest-marked = Was Sie als falsch markiert haben, steht in der Warteschlange.
grid-rest-audit = Was keinen Vorschlag hat oder markiert wurde, steht in der Warteschlange.
alike-title = Ähnliche Artikel, die warten
alike-offer = { $items ->
    [one] { NUMBER($items) } weiterer wie dieser
   *[other] { NUMBER($items) } weitere wie dieser
}
alike-question = Sind das auch { $name }?
alike-measured = Von { NUMBER($pairs) } Paaren gelabelter Artikel, die sich so ähnlich sind, haben { $share } dieselbe Klasse.
alike-harder = Was wartet, ist schwieriger.
alike-so-far = Von { NUMBER($shown) } bisher angebotenen haben { NUMBER($taken) } die Klasse bekommen.
alike-hint = Markieren Sie, was etwas anderes ist; es bleibt in der Warteschlange.
alike-set = { $items } auf { $name } setzen
alike-set-some = { $items } von { $all } auf { $name } setzen
alike-set-rest = Die anderen { $items } auf { $name } setzen
alike-none = Keine ähnlichen Artikel warten
alike-changed = Die Antwort zu jenem Artikel hat sich geändert. Gehen Sie zurück zur Warteschlange.
mark-first = Markieren Sie zuerst die Artikel.
not-seen-yet = Noch war kein Bild auf dem Bildschirm. Warten Sie, bis sie geladen sind.

## Wenn nichts mehr da ist

nothing-title = Nichts wartet
all-open-elsewhere = Alles Übrige haben andere geöffnet
waiting-elsewhere = { $items ->
    [one] { NUMBER($items) } Artikel wartet
   *[other] { NUMBER($items) } Artikel warten
}{ $skipped ->
    [0] .
   *[other] , davon haben Sie { NUMBER($skipped) } übersprungen.
}
no-match = Kein Artikel passt
no-match-hint = Kein wartender Artikel passt zu diesem Filter.
show-all-waiting = Alle wartenden Artikel zeigen
all-decided = Alles ist entschieden
all-decided-hint = Danke. Unter „Ergebnis“ können Sie die endgültigen Tags herunterladen; auch „tagger apply“ schreibt sie.
show-skipped = Zeigen, was ich übersprungen habe

## Ein Bild ausprobieren

try-drop = Ein Bild hierher ziehen oder auswählen
try-predict = Vorhersagen
try-missing = Das Modell dieses Laufs ist nicht da. Starten Sie die Prüfung mit --model.
try-image = Das ausprobierte Bild
try-sure = Zu { $articlePercent } sicher, dass es { $article } ist, zu { $masterPercent }, dass es { $master } ist.
try-accept = Beides würde ohne Prüfung bestätigt.
try-accept_master_only = Nur { $master } würde ohne Prüfung bestätigt.
try-review = Es käme in die Prüfung.
try-blurry = Das Bild ist unscharf (Schärfe { NUMBER($score, maximumFractionDigits: 0) }).
try-sharp = Das Bild ist scharf genug (Schärfe { NUMBER($score, maximumFractionDigits: 0) }).
try-unfamiliar = Das sieht aus wie nichts, was das Modell gelernt hat
try-nearest = Am nächsten kommt { $article }, aber das ist keine Antwort: Es geht an einen Menschen.
try-unusable = Dieses Bild ist nicht brauchbar: { $problem }
try-choose = Wählen Sie zuerst eine Bilddatei.

## Anmelden

sign-in = Anmelden
sign-in-how = Öffnen Sie den Link Ihrer Einladung oder den aus dem Terminal, in dem diese Seite gestartet wurde. Jeder Link gilt einmal: Ist Ihrer verbraucht, bitten Sie eine Leitung um einen neuen.
token-label = Zugangscode (für die Leitung)
wrong-token = Das ist nicht der richtige Zugangscode.
too-many-tokens = Von hier kamen zu viele falsche Zugangscodes. Warten Sie { NUMBER($seconds, maximumFractionDigits: 0) } s und versuchen Sie es dann noch einmal.
signed-out = Sie sind abgemeldet.
needs-cookies = Diese Seite braucht Cookies: An ihnen unterscheidet sie die Prüfenden.

## Probleme mit Bildern

problem-not_found = die Datei fehlt
problem-access_denied = der Zugriff auf die Datei ist verboten
problem-outside_store = es gehört nicht zu den Bildern des Katalogs
problem-unsupported_uri = seine Adresse ist nicht lesbar
problem-store_error = der Bildserver antwortet nicht
problem-empty_file = die Datei ist leer
problem-not_an_image = die Datei ist kein Bild
problem-truncated = die Datei ist unvollständig
problem-corrupt = die Datei ist beschädigt
problem-too_large = die Datei ist zu groß
problem-too_many_pixels = es hat zu viele Pixel
problem-other = es ist nicht lesbar

## Fehler

error-busy = Die Datenbank ist beschäftigt; gerade wurde nichts gespeichert. Was vorher bestätigt war, ist sicher. Versuchen Sie es noch einmal.
error-broken = Auf dem Server ist etwas schiefgegangen; sein Terminal sagt, was. Was vorher bestätigt war, ist sicher.
error-404 = Diese Seite gibt es nicht.
error-405 = Diese Adresse nimmt so eine Anfrage nicht an.
error-413 = Das ist zu groß.
error-no-image = Dieses Bild gibt es nicht.
error-no-item = Diesen Artikel gibt es in dieser Prüfung nicht.
error-no-item-id = Artikel { $id } ist nicht in dieser Prüfung.
error-forged = Dieses Formular kommt von einer anderen Seite oder ist zu alt. Laden Sie die Seite neu.
error-cross = Dieses Formular kommt von einer anderen Seite.
error-no-label = Der Katalog hat für diesen Artikel kein Label, das man beibehalten könnte.
error-no-answer = Es wurde keine Antwort gewählt.
error-choose-class = Wählen Sie zuerst eine Klasse.
error-unknown-answer = Diese Seite hat keine Antwort „{ $answer }“.
error-unknown-tag = Diese Seite hat keinen weiteren Tag „{ $name }“.
error-unknown-value = { $name } hat keinen Wert „{ $value }“.
error-reason = Den Grund „{ $reason }“ gibt es nicht.
error-note = Schreiben Sie, was sich jemand ansehen soll: bis zu 500 Zeichen.
error-proposal = Schreiben Sie den Namen der neuen Klasse, und wählen Sie ihre Kategorie.
error-proposal-known = Es gibt die Klasse { $name }: Wählen Sie sie mit /.
error-proposal-settled = Über diesen Vorschlag hat inzwischen jemand entschieden.
error-number = Sicherheiten sind Zahlen von 0 bis 100.
error-order = Artikel werden nach disputed, uncertain, certain, catalogue oder random sortiert.
error-name = Ein Name hat 1 bis 60 Zeichen.
error-shown = Dieses Formular sagt nicht, welche Artikel es gezeigt hat. Laden Sie die Seite neu.
error-field = { $field }: { $message }
error-writing = Gerade wird eine andere Datei geschrieben. Versuchen Sie es gleich noch einmal.
error-large-images = Der Server ist mit anderen großen Bildern beschäftigt. Versuchen Sie es gleich noch einmal.

## Tasten

keys-accept = das Tag des Modells bestätigen; im Raster: alles, was auf dem Bildschirm war und nicht markiert ist
keys-accept-audit = den Vorschlag nehmen; im Raster: für alles, was auf dem Bildschirm war und nicht markiert ist
keys-keep = das Label des Katalogs beibehalten
keys-keep-audit = das Label des Katalogs beibehalten; im Raster: das der markierten
keys-title = was der Titel sagt; im Raster: markieren, was nach dem Titel eine andere Klasse hat
keys-alternatives = eine der anderen Klassen
keys-copies = auch über die anderen Artikel mit diesem Bild entscheiden, oder nicht
keys-offer = wartende Artikel ansehen, die dem zuletzt beantworteten ähneln
keys-alike = die Klasse ähnlicher Artikel, wenn sie übereinstimmen
keys-master = nur die Kategorie
keys-further = zu den weiteren Tags; Enter geht zurück zum Artikel
keys-image = das nächste Bild eines Artikels mit mehreren
keys-mark = im Raster: alle markieren, die auf dem Bildschirm waren; markierte und andere tauschen
keys-zoom = das Bild in voller Größe; noch einmal: doppelt so groß, dann zurück
keys-search = in allen Klassen suchen; ↓ wählt eine seltene
keys-unusable = kein Produkt oder ein unbrauchbares Bild; im Raster: als falsch markieren
keys-skip = überspringen
keys-flag = den Artikel mit einer Notiz melden
keys-propose = eine Klasse vorschlagen, die fehlt
keys-undo = den letzten Tastendruck rückgängig machen, auch ein Überspringen
keys-move = bewegen; im Raster: Leertaste oder Klick markiert, mit Umschalt alle dazwischen
keys-this = diese Liste
keys-on = Tastenkürzel einschalten

## Erste und letzte Seite

start-title = Übersicht
start-waiting = { $items ->
    [one] Ein Artikel wartet auf Sie
   *[other] { NUMBER($items) } Artikel warten auf Sie
}
start-run = Das Modell { $model } hat am { $date } { $items ->
    [one] einen Artikel
   *[other] { NUMBER($items) } Artikel
} getaggt. Bei { NUMBER($accepted) } war es sicher. Die anderen kommen zu Ihnen, zur Kontrolle auch einige der sicheren.
start-audit = Der Katalog wurde am { $date } geprüft. { $items ->
    [one] Ein Tag ist
   *[other] { NUMBER($items) } Tags sind
} vielleicht falsch.
start-takes = Bei { NUMBER($perHour) } Artikeln pro Stunde, dem Tempo Ihres Teams, braucht eine Person dafür { $time }.
start-no-pace = Nach den ersten 20 Antworten steht hier, wie lange es dauert.
minutes = etwa { NUMBER($minutes) } Minuten
hours = etwa { $hours ->
    [one] eine Stunde
   *[other] { NUMBER($hours) } Stunden
}
start-queue = Einen nach dem anderen
start-grid = Viele auf einmal, im Raster
start-why = Warum sie warten
start-why-hint = Ein Artikel kann aus mehreren Gründen warten.
start-duplicates = { $groups ->
    [one] { NUMBER($groups) } Gruppe von Dubletten ist
   *[other] { NUMBER($groups) } Gruppen von Dubletten sind
} noch zu prüfen
start-summary = Was entschieden ist, und Dateien zum Herunterladen
nav-summary = Ergebnis
refit-first = Nach 50 Antworten lernt das Modell aus ihnen, und Artikel, bei denen es dann sicher genug ist, verlassen die Warteschlange. Die Hälfte der Fragen ist zufällig gezogen: Sie zeigen, ob { $target } davon richtig sind.
refit-accepted = Nach { NUMBER($answers) } Antworten { $items ->
    [one] hat { NUMBER($items) } Artikel
   *[other] haben { NUMBER($items) } Artikel
} die Warteschlange verlassen: Das Modell hat genug gelernt, um sicher zu sein.
refit-checked = { NUMBER($answers) } davon haben Menschen geprüft, ohne das neue Tag zu sehen; { NUMBER($right) } dieser Tags waren richtig.
refit-see = Ansehen
refit-any-target = das Ziel
refit-too_few_answers = Durch Ihre Antworten hat noch kein Artikel die Warteschlange verlassen: { NUMBER($needed) } Antworten zu zufällig gezogenen Artikeln sind nötig, und es gibt { NUMBER($drawn) }.
refit-not_precise_enough = Nach { NUMBER($answers) } Antworten hat dadurch kein Artikel die Warteschlange verlassen: Sie zeigen bei keinem, dass { $target } richtig wären.
refit-answered_already = Nach { NUMBER($answers) } Antworten hat dadurch kein Artikel die Warteschlange verlassen: Das meiste, bei dem das Modell sicher ist, haben Menschen schon beantwortet.
refit-none_sure_enough = Nach { NUMBER($answers) } Antworten ist das Modell bei keinem der wartenden Artikel sicher genug.
refit-nothing_waits = Es wartet nichts, was das Modell hätte übernehmen können.
refit-not_in_index = Das Modell kann aus Ihren Antworten nicht lernen: Der Index enthält keinen dieser Artikel. Fügen Sie ihm diesen Lauf mit tagger index hinzu.
refit-failed = Aus { NUMBER($answers) } Antworten zu lernen ist misslungen; das Terminal sagt, warum. Nach 50 weiteren wird es noch einmal versucht.
summary-heading = { NUMBER($decided) } von { $items ->
    [one] einem Artikel entschieden
   *[other] { NUMBER($items) } Artikeln entschieden
}
summary-accepted = bestätigt
summary-corrected = berichtigt
summary-master_only = nur die Kategorie
summary-unusable = unbrauchbare Bilder
summary-waiting = warten
summary-download = Herunterladen
summary-tags = Endgültige Tags
summary-tags-hint = Das Tag einer Person, sonst das des Modells, wenn es sicher war. Die CSV-Datei ist für den Import ins PIM: Sie enthält nur, was zu setzen ist, und kommt als ZIP, wenn es mehrere Dateien sind. XLSX und Parquet enthalten alle Artikel des Laufs.
summary-decisions = Entscheidungen
summary-people = Nach Person
summary-person = Person
summary-decided = Entschieden
summary-of-them-corrected = Davon berichtigt
summary-per-hour = Pro Arbeitsstunde
summary-corrections = Häufigste Berichtigungen
summary-model-said = Das Modell sagte
summary-catalogue-said = Der Katalog sagte
summary-people-said = Sie sagten
summary-items = Artikel
summary-classes = Nach Klasse
summary-class = Klasse

## Qualitätskontrolle

check-what = Was ist das? Antworten Sie ohne das Tag des Modells, das hier verborgen ist. Die Klassen stehen in der Reihenfolge des Alphabets.
check-at-least = Nach { $answers ->
    [one] einer Antwort
   *[other] { NUMBER($answers) } Antworten
} sind mindestens { $lowest } der übernommenen { $level ->
    [articleType] Artikeltypen
   *[other] Kategorien
} richtig (zu { $probability } sicher).
check-contradictory = Nach { $answers ->
    [one] einer Antwort
   *[other] { NUMBER($answers) } Antworten
} ist über die { $level ->
    [articleType] Artikeltypen
   *[other] Kategorien
} nichts sicher (zu { $probability }): Frühere und spätere Antworten unterscheiden sich zu sehr, um in zufälliger Reihenfolge zu sein.
check-held = { $items ->
    [one] Eine Antwort zählt
   *[other] { NUMBER($items) } Antworten zählen
} noch nicht: Ein Artikel davor ist übersprungen oder bei jemandem offen.
check-shown = Das Ziel von { $target } ist nachgewiesen.
check-lost = Das Ziel von { $target } ist verfehlt: Höchstens { $highest } sind richtig.
check-open = Geht es so weiter, { $further ->
    [one] weist eine weitere Antwort
   *[other] weisen { NUMBER($further) } weitere Antworten
} das Ziel von { $target } nach.
check-too-small = Um das Ziel von { $target } nachzuweisen, braucht es etwa { NUMBER($further) } weitere Antworten; die Stichprobe hat nur noch { NUMBER($waiting) }.
check-unlikely = So, wie es steht, wird das Ziel von { $target } nicht nachgewiesen.
check-settled = Sie können aufhören: Weitere Antworten ändern nichts
check-settled-hint = { $items ->
    [one] Ein Artikel der Stichprobe wartet noch.
   *[other] { NUMBER($items) } Artikel der Stichprobe warten noch.
}
check-more = Trotzdem weitermachen
check-done = Über die ganze Stichprobe ist entschieden
check-none = Dieser Lauf hat keine Stichprobe zur Kontrolle. „tagger tag --qa-sample 0.05“ zieht eine.
check-next = { $items ->
    [one] Einen Artikel prüfen, bei dem
   *[other] { NUMBER($items) } Artikel prüfen, bei denen
} das Modell sicher war

## Vorgeschlagene Klassen

proposals-title = Vorgeschlagene Klassen
proposals-heading = { $items ->
    [0] Keine Klasse ist vorgeschlagen
    [one] Eine Klasse ist vorgeschlagen
   *[other] { NUMBER($items) } Klassen sind vorgeschlagen
}
proposals-hint = Ihre Artikel warten hier, bis jemand entscheidet. Eine angenommene Klasse kann von da an gewählt werden; das nächste Modell lernt sie, wenn sie genug Artikel hat.
proposals-lead = Das entscheidet eine Leitung.
proposals-of = { $items ->
    [one] Ein Artikel
   *[other] { NUMBER($items) } Artikel
}; zuerst vorgeschlagen von { $who }
proposals-item = Artikel mit diesem Vorschlag
proposals-accept = Klasse annehmen
proposals-into = { $name } zusammenlegen mit
proposals-merge = Mit dieser Klasse zusammenlegen
proposals-decline = Zurück in die Warteschlange

## Personen

people = Personen
your-browsers = Ihre Browser
your-role = Ihre Rolle hier: { $role }.
person-name = Name (steht bei jeder Entscheidung)
person-role = Rolle
person-you = Sie
person-left = nicht in dieser Prüfung
role-lead = Leitung
role-reviewer = Prüfend
role-reader = Lesend
roles-hint = Lesende sehen alles und entscheiden nichts. Prüfende entscheiden. Die Leitung lädt auch ein, ändert Rollen und beendet Sitzungen.
role-of = Rolle von { $name }
role-save = Rolle ändern
role-save-of = Rolle von { $name } ändern
invite = Einladen
invited = Schicken Sie { $name } diesen Link:
invited-hint = Er gilt einmal, drei Tage lang. Er wird nicht noch einmal gezeigt.
link-new = Neuer Link
link-new-of = Neuer Link für { $name }
withdraw = Einladung zurückziehen
withdraw-of = Einladung von { $name } zurückziehen
remove = Entfernen
remove-of = { $name } aus dieser Prüfung entfernen
invitation-until = Eingeladen; der Link gilt bis { DATETIME($at, dateStyle: "medium", timeStyle: "short") } UTC.
invitation-ended = Die letzte Einladung wurde nicht rechtzeitig benutzt.
invitation-none = War noch nicht da und hat keine offene Einladung.
invitation-title = Ihre Einladung zu dieser Prüfung
invitation-hint = Der Link gilt einmal und in diesem Browser: Nehmen Sie den, in dem Sie arbeiten wollen.
invitation-begin = Als { $name } beginnen
invitation-expired = Diese Einladung ist zu alt. Bitten Sie eine Leitung um einen neuen Link.
invitation-forged = Diese Einladung ist nicht von dieser Seite, oder der Link ist unvollständig. Kopieren Sie den ganzen Link, oder bitten Sie eine Leitung um einen neuen.
invitation-over = Diese Einladung wurde benutzt, zurückgezogen oder durch eine neuere ersetzt. Bitten Sie eine Leitung um einen neuen Link.
pace-decisions = Geltende Entscheidungen
pace-speed = Tempo
pace-corrected = Korrekturen
pace-interval = ({ $lowest } bis { $highest })
pace-hint = Das Tempo zählt geltende Entscheidungen je Arbeitszeit, ohne Pausen von mehr als zwei Minuten. Korrekturen sind Anteile an den Entscheidungen über Tags, mit 95-%-Konfidenzintervallen.
browser-unknown = Unbekannter Browser
browser-this = dieser Browser
browser-seen = zuletzt gesehen { DATETIME($at, dateStyle: "medium", timeStyle: "short") } UTC
browser-open = { $items ->
    [one] Ein Artikel offen
   *[other] { NUMBER($items) } Artikel offen
}
browser-since = seit { DATETIME($at, timeStyle: "short") } UTC
browser-end = Sitzung beenden
browser-end-of = Sitzung von { $name } in { $browser } beenden
browser-none = Nirgends angemeldet
reader-banner = Sie können alles ansehen, aber nichts entscheiden: Ihre Rolle ist lesend. Eine Leitung kann das ändern.
error-reader = Lesende können nicht entscheiden. Bitten Sie eine Leitung, Ihre Rolle zu ändern.
error-language = Diese Seite hat keine Sprache „{ $language }“.
people-not_lead = Das kann nur eine Leitung.
people-unknown = { $name } ist nicht in dieser Prüfung.
people-taken = { $name } ist schon in dieser Prüfung. Nehmen Sie diese Schreibweise oder einen anderen Namen.
people-changed = Gerade hat jemand anderes die Rolle von { $name } geändert. Sehen Sie nach, und versuchen Sie es noch einmal.
people-last_lead = { $name } ist die einzige Leitung. Geben Sie zuerst jemandem diese Rolle, der die Einladung schon benutzt hat.
people-no-session = Diese Sitzung gibt es nicht mehr.

## Duplicates

nav-duplicates = Dubletten
duplicates-count = { NUMBER($answered) } von { $groups ->
    [one] einer Gruppe
   *[other] { NUMBER($groups) } Gruppen
} beantwortet.
duplicates-conflicts = In { $groups ->
    [one] einer offenen Gruppe
   *[other] { NUMBER($groups) } offenen Gruppen
} stehen verschiedene Klassen; diese kommen zuerst.
duplicates-question = Zeigen diese { NUMBER($items) } Artikel dasselbe Bild?
duplicates-differ = Im Katalog haben sie verschiedene Klassen.
duplicates-mark = Markieren Sie, was nicht dazugehört (Klick, oder Pfeiltasten und Leertaste). Die anderen gelten dann als ein Bild.
duplicates-apart = { $name }: gehört nicht dazu
duplicates-yes = Ja, ein Bild
duplicates-no = Nein, verschiedene Bilder
duplicates-no-all = Nein, alle sind verschieden
duplicates-representative = Mit diesem wird die Gruppe verglichen.
duplicates-exact = Dieselbe Bilddatei.
duplicates-near = Fast dasselbe Bild.
duplicates-mirrored = Gespiegelt.
duplicates-connected = Ähnelt einem anderen der Gruppe.
duplicates-distance = Die Bildaufteilung weicht um { $distance } ab.
duplicates-no-label = Keine Klasse
duplicates-elsewhere = Nicht in dieser Prüfung.
duplicates-saved-yes = Gespeichert: ein Bild.
duplicates-saved-no = Gespeichert: verschiedene Bilder. Über sie wird nicht mehr gemeinsam entschieden.
duplicates-saved-apart = Gespeichert: ein Bild, ohne die markierten Artikel.
duplicates-skipped = Übersprungen: Die Gruppe kommt am Ende wieder.
duplicates-undone = Rückgängig gemacht.
duplicates-too-few = Lassen Sie mindestens zwei Artikel unmarkiert, oder antworten Sie mit Nein.
duplicates-unknown = Diese Gruppe gibt es in dieser Prüfung nicht.
duplicates-decided = { $who } hat diese Gruppe schon beantwortet. Hier ist die nächste.
duplicates-decided-own = Sie haben diese Gruppe schon beantwortet. Machen Sie es rückgängig, um neu zu antworten.
duplicates-open = { $who } hat diese Gruppe geöffnet. Hier ist die nächste.
duplicates-all-open = Alle übrigen Gruppen sind bei Kollegen geöffnet
duplicates-done = { $groups ->
    [one] Die einzige Gruppe ist beantwortet
   *[other] Alle { NUMBER($groups) } Gruppen sind beantwortet
}
duplicates-none = Diese Prüfung hat keine Gruppen von Dubletten. Sie hat sie, wenn sie mit „tagger review --duplicates“ beginnt.
duplicates-keys = Dubletten: ja, ein Bild; nein, verschiedene Bilder
summary-duplicates = Dubletten ({ NUMBER($answered) } von { NUMBER($groups) } beantwortet)

## Zweite Antworten

nav-second = Zweite Antworten
second-what = Jemand anderes hat über diesen Artikel entschieden. Was ist er für Sie? Ihre Antwort ändert nichts; sie zeigt, wie einig Sie sich sind.
second-none = Nichts wartet auf eine zweite Antwort
second-saved = Gespeichert. Die erste Antwort gilt weiter.
second-waiting = { $items ->
    [one] Ein entschiedener Artikel wartet
   *[other] { NUMBER($items) } entschiedene Artikel warten
} auf eine zweite Antwort
agreement-title = Übereinstimmung
agreement-share = { NUMBER($agreed) } von { $items ->
    [one] einem Artikel
   *[other] { NUMBER($items) } Artikeln
} mit zwei Antworten haben zweimal dieselbe.
agreement-kappa = Cohens Kappa ist { NUMBER($kappa, maximumFractionDigits: 2) } ({ NUMBER($lowest, maximumFractionDigits: 2) } bis { NUMBER($highest, maximumFractionDigits: 2) }).
agreement-no-kappa = Für Cohens Kappa sind es zu wenige, oder zu gleiche.
agreement-hint = Kappa ist die Übereinstimmung über den Zufall hinaus: 1, wenn alle übereinstimmen; 0, wenn nicht mehr als zufällig. Das Intervall hat 95 % Konfidenz.
