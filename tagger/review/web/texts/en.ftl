### All texts of the review page, in English. Another language is another file with the same keys.

## Every page

language = English
to-content = Skip to content
nav-views = Views
nav-queue = Queue
nav-grid = Grid
nav-check = Check
nav-items = Find
nav-try = Try an image
progress-label = Decided
progress = of { NUMBER($items) }
progress-refit = + { NUMBER($items) } by the model
progress-pace = { NUMBER($perHour, maximumFractionDigits: 0) } an hour
save-language = Save
sign-out = Sign out
language-label = Language
keys-button = Keys
close = Close
back-to-queue = Back to the queue

## What the last key press did

saved = { $what }.
undone = Undone: { $what }.
undo = Undo
action-accepted = { $items ->
    [one] { $name } accepted
   *[other] { NUMBER($items) } accepted as { $name }
}
action-kept = { $items ->
    [one] Label { $name } kept
   *[other] { NUMBER($items) } labels kept: { $name }
}
action-corrected = { $items ->
    [one] Changed to { $name }
   *[other] { NUMBER($items) } changed to { $name }
}
action-master_only = { $items ->
    [one] Only the category: { $name }
   *[other] { NUMBER($items) } with only the category: { $name }
}
action-unusable = { $items ->
    [one] Marked as unusable
   *[other] { NUMBER($items) } marked as unusable
}
action-refused = { $items ->
    [one] One item marked as wrong, to be seen in the queue
   *[other] { NUMBER($items) } marked as wrong, to be seen in the queue
}
action-skipped = { $items ->
    [one] Skipped
   *[other] { NUMBER($items) } skipped
}
action-shown-again = { $items ->
    [one] One skipped item shown again
   *[other] { NUMBER($items) } skipped items shown again
}
action-flagged = { $items ->
    [one] Flagged
   *[other] { NUMBER($items) } flagged
}
action-proposed = { $name } proposed
action-undone = Undone
recent = Your last answers, the newest first
nothing-to-undo = Nothing left to undo.
decided-since = Someone else has decided this item since. That stands.
saving = Saving { $n }…
not-saved-yet = { $n } not saved yet: the server does not answer. Trying again…
not-saved = Not saved: { $why }
open-it = Open the item
server-silent = The server does not answer. What it confirmed is saved; try again in a moment.
server-refused = The server refused this: { $why }
loading-next = Loading the next item…

## Conflicts

conflict-unknown = This item is not part of this review.
conflict-decided = { $who } just decided this item.
conflict-decided-own = You decided this item in another window.
conflict-open = { $who } has this item open.
somebody = Someone
left-alone = { $items ->
    [one] One item was left alone: someone else has it open or has decided it.
   *[other] { NUMBER($items) } items were left alone: someone else has them open or has decided them.
}
flagged-banner = Flagged: { $note }
opened-by = { $who } has this item open. You can look at it, but not decide.

## One item

item = Item { $id }
image-of = Image of item { $id }
image-of-numbered = Image { $number } of item { $id }
image-unusable = This image cannot be used: { $problem }.
no-picture = No image: the file is missing or cannot be read.
why-here = Why it is here
decided-banner = Decided: { $what }, by { $who }
history = History
history-line = { $what }, by { $who }, { DATETIME($at, dateStyle: "medium", timeStyle: "short") } UTC
story = Its whole story
story-of = What happened to { $name }
story-when = When (UTC)
story-what = What
story-at = { DATETIME($at, dateStyle: "medium", timeStyle: "medium") }
story-none = Nothing is known of it.
story-failed = Not tagged: { $why }
story-predicted = { $decision ->
    [accept] Predicted: { $name }, { $sure }. Accepted.
    [accept_master_only] Predicted: { $name }, { $sure }. The master category alone was accepted.
   *[review] Predicted: { $name }, { $sure }. It waits for a person.
}
story-decided = { $what }, by { $who }
story-refit = The model after your answers says: { $name }, { $sure }
story-exported = Exported to { $target }, { $field }: { $before } → { $after }
story-undone = Taken back from { $target }, { $field }: { $before } → { $after }
story-rolled-back = The run was rolled back by { $who }: its predictions count no more
copies = { $items ->
    [one] Also decide the other item with this picture
   *[other] Also decide the other { NUMBER($items) } items with this picture
}
copies-some = Also decide { NUMBER($some) } of the other { NUMBER($items) } items with this picture
copies-class-only = (the class only)
for-copies = For all items with this picture
for-this-alone = For this item alone
next-image = Next image
full-size = Full size
its-images = Images of this item
image-number = Image { $number }:
image-numbered-problem = Image { $number } cannot be used: { $problem }
surest = most confident

## The four witnesses

witnesses = What speaks for which class
witness-catalogue = Catalogue
witness-model = Model
witness-suggested = Suggested
witness-title = Title
witness-image = Image
witness-look_alikes = Similar items
witness-named = named there
witness-none = nothing
witness-agree = { NUMBER($items) } of { NUMBER($of) }
witness-not-a-class = not a class here
disagree = They disagree

## Answers

alternatives = Other classes
accept = Accept { $name }
take-suggested = Change to { $name }
keep = Keep { $name }
only-category = Only { $name }
unusable = Unusable image
skip = Skip
flag = Flag
flag-note = What should a colleague look at?
flag-it = Flag it
propose = New class
propose-name = What is it called?
propose-it = Propose it
another-class = Another class
search-none = No class is called that.
classes = Classes
rare-classes = Rare here
choose-class = Choose a class
use-this-class = Use this class
items = { $items ->
    [one] { NUMBER($items) } item
   *[other] { NUMBER($items) } items
}
rare-here = rare here: { $items ->
    [one] { NUMBER($items) } item
   *[other] { NUMBER($items) } items
}
rare-needs-arrow = This class is rare here. Choose it with ↓ first.
suggested = suggested
models-tag = the model's tag
catalogues-label = the catalogue's label
same-picture = Same picture
similar-items = Similar items
similar-percent = { $percent } alike
predicted = predicted
labelled = { $name }, labelled
predicted-as = { $name }, predicted
decided-by = { $name }, decided by { $who }
catalogue-data = In the catalogue

## Why an item waits

why-low_confidence = Low confidence ({ $percent })
why-blurry_image = Blurry image
why-taxonomy_conflict = The catalogue says { $known }, the model { $master }
why-taxonomy_conflict-audit = Most { $article } are not { $master }
why-qa_sample = Quality check: a random sample of accepted tags
why-label_error = Probably mislabelled (the model gives the label { $percent })
why-image_disagrees = The photo suggests another class
why-title_disagrees = The title suggests another class
why-duplicate_conflict = Another item with this picture has another label
why-copies_disagree = Items with this picture do not agree
why-unfamiliar = Looks like nothing that the model has learnt
why-outlier = No other image looks like this one
why-no_image = Its image cannot be used: tagged by the title alone
why-models_disagree = Two models do not agree about it
why-proposed = A newer model would change its tag
why-refused = Marked as wrong in the grid

## Further tags

further-tags = Further tags
further-hint = What you leave alone stays the model's. An unsure one is saved only if you change or tick it.
not-predicted = not predicted
none = none
unsure = unsure
right = right
right-of = right: { $name }

## The filter

filter = Filter
filter-on = on
any = any
filter-state = State
state-all = all
state-waiting = waiting
state-decided = decided
state-mine = decided by me
state-corrected = corrected
state-unusable = unusable images
state-skipped = skipped by me
state-flagged = flagged
state-proposed = with a proposed class
state-refit = accepted by what you taught the model
filter-person = Decided by
filter-text = Words in title, number or columns
filter-reason = Reason
filter-master = Category
filter-article = Article type
filter-column = In the catalogue
filter-least = Confidence from, %
filter-most = to, %
filter-order = Sort
order-disputed = most disagreement first
order-uncertain = least certain first
order-certain = most certain first
order-catalogue = as in the catalogue
order-random = at random
filter-show = Show
filter-all = Show all
chip-confidence = { $least } to { $most } sure
chip-remove = Remove { $name }
pages = Pages
page-of = Page { NUMBER($page) } of { NUMBER($pages) }
page-previous = Previous page
page-next = Next page
found = { $items ->
    [0] No items
    [one] { NUMBER($items) } item
   *[other] { NUMBER($items) } items
}
find-item = Item number
find-go = Open
reason-low_confidence = Low confidence
reason-blurry_image = Blurry image
reason-taxonomy_conflict = Category differs from the catalogue
reason-qa_sample = Quality check
reason-label_error = Probably mislabelled
reason-image_disagrees = Photo suggests another class
reason-title_disagrees = Title suggests another class
reason-duplicate_conflict = Same picture, other label
reason-outlier = Looks like nothing else
reason-unfamiliar = Unfamiliar: like nothing learnt
reason-models_disagree = Models do not agree
reason-proposed = A change to accept
reason-no_image = Image cannot be used

## The grid

grid-title = Grid
grid-classes = Predicted classes
grid-classes-audit = Labels and suggestions
grid-question = Are these { $name }?
grid-question-audit = Catalogue: { $label } → suggested: { $goal }
grid-hint = Mark the wrong ones.
grid-hint-audit = Mark those that are not { $name }.
grid-hint-seen = Only items that were on the screen are accepted.
grid-hint-seen-audit = Only items that were on the screen are changed.
grid-accept = Accept { $items } as { $name }
grid-accept-some = Accept { $items } of { $all } as { $name }
grid-accept-rest = Accept the other { $items } as { $name }
grid-change = Change { $items } to { $name }
grid-change-some = Change { $items } of { $all } to { $name }
grid-change-rest = Change the other { $items } to { $name }
grid-keep = Marked: keep { $name }
grid-marked = Change marked items to
grid-mark-all = Mark all
grid-mark-titles = Mark by title
grid-invert = Invert
grid-size = Size
grid-marked-are = The marked ones are
grid-cluster = { NUMBER($items) } that look alike
grid-rest = { $items ->
    [one] One other
   *[other] { NUMBER($items) } others
}
grid-accept-cluster = Accept these
grid-change-cluster = Change these
grid-mark-cluster = Mark these
grid-wrong = Wrong: { $name }, { $percent }
grid-empty-class = Nothing left for you in this class
grid-empty = No items left in the grid
grid-choose-another = Choose another class.
grid-rest-marked = Items that you marked as wrong are in the queue.
grid-rest-audit = Items without a suggestion, or marked, are in the queue.
alike-title = Similar items that wait
alike-offer = { $items ->
    [one] { NUMBER($items) } more like it
   *[other] { NUMBER($items) } more like it
}
alike-question = Are these { $name }, too?
alike-measured = Of { NUMBER($pairs) } pairs of labelled items that are so similar, { $share } have one class.
alike-harder = Those that wait are harder.
alike-so-far = Of { NUMBER($shown) } that were offered so far, { NUMBER($taken) } got the class.
alike-hint = Mark those that are something else; they stay in the queue.
alike-set = Set { $items } to { $name }
alike-set-some = Set { $items } of { $all } to { $name }
alike-set-rest = Set the other { $items } to { $name }
alike-none = No similar items are waiting
alike-changed = The answer to that item has changed. Go back to the queue.
mark-first = Mark the items first.
not-seen-yet = No image has been on the screen yet. Wait until they are loaded.

## When nothing is left

nothing-title = Nothing waiting
all-open-elsewhere = Everything left is open with a colleague
waiting-elsewhere = { $items ->
    [one] { NUMBER($items) } item is waiting
   *[other] { NUMBER($items) } items are waiting
}{ $skipped ->
    [0] .
   *[other] , of which you skipped { NUMBER($skipped) }.
}
no-match = No items match
no-match-hint = No waiting item matches this filter.
show-all-waiting = Show all waiting items
all-decided = All items are decided
all-decided-hint = Thank you. The summary has the final tags to download; “tagger apply” writes them, too.
show-skipped = Show what I skipped

## Trying an image

try-drop = Drop an image here, or choose one
try-predict = Predict
try-missing = The model of this run is not available. Start the review with --model.
try-image = The image that you tried
try-sure = { $articlePercent } sure of { $article }, { $masterPercent } of { $master }.
try-accept = Both would be accepted without a person.
try-accept_master_only = Only { $master } would be accepted without a person.
try-review = It would go to review.
try-blurry = The image is blurry (sharpness { NUMBER($score, maximumFractionDigits: 0) }).
try-sharp = The image is sharp enough (sharpness { NUMBER($score, maximumFractionDigits: 0) }).
try-unfamiliar = This looks like nothing that the model has learnt
try-nearest = What it knows best like it is { $article }, and that is no answer: it goes to a person.
try-unusable = This image cannot be used: { $problem }
try-choose = Choose an image file first.

## Signing in

sign-in = Sign in
sign-in-how = Open the link of your invitation, or the one in the terminal where this page was started. Each link works once: if yours was used, ask a lead for a new one.
token-label = Access token (for leads)
wrong-token = That is not the right token.
too-many-tokens = Too many wrong tokens came from here. Wait { NUMBER($seconds, maximumFractionDigits: 0) } s, then try again.
signed-out = You are signed out.
needs-cookies = This page needs cookies: it tells reviewers apart by them.

## Problems with images

problem-not_found = the file is missing
problem-access_denied = access to the file is denied
problem-outside_store = it is not among the catalogue's images
problem-unsupported_uri = its address cannot be read
problem-store_error = the image server does not answer
problem-empty_file = the file is empty
problem-not_an_image = the file is not an image
problem-truncated = the file ends early
problem-corrupt = the file is damaged
problem-too_large = the file is too large
problem-too_many_pixels = it has too many pixels
problem-other = it cannot be read

## Errors

error-busy = The database is busy, so nothing was saved just now. What was confirmed before is safe. Try again.
error-broken = Something went wrong on the server; its terminal says what. What was confirmed before is safe.
error-404 = There is no such page.
error-405 = This address does not take that kind of request.
error-413 = That is too large.
error-no-image = There is no such image.
error-no-item = There is no such item in this review.
error-no-item-id = No item { $id } is in this review.
error-forged = This form was sent by another page, or is too old. Load the page again.
error-cross = This form was sent by another page.
error-no-label = The catalogue has no label for this item that could be kept.
error-no-answer = No answer was chosen.
error-choose-class = Choose a class first.
error-unknown-answer = This page has no answer “{ $answer }”.
error-unknown-tag = This page has no further tag “{ $name }”.
error-unknown-value = { $name } has no value “{ $value }”.
error-reason = There is no reason “{ $reason }”.
error-note = Write what a colleague should look at: up to 500 characters.
error-proposal = Write the new class’s name, and choose its category.
error-proposal-known = There is a class { $name }: choose it with /.
error-proposal-settled = Somebody has settled this proposal meanwhile.
error-number = Confidences are numbers from 0 to 100.
error-order = Items are sorted by disputed, uncertain, certain, catalogue or random.
error-name = A name has 1 to 60 characters.
error-shown = This form does not say which items it showed. Load the page again.
error-field = { $field }: { $message }
error-writing = Another file is being written. Try again in a moment.
error-large-images = The server is busy with other large images. Try again in a moment.

## Keys

keys-accept = accept the model's tag; in the grid: of all that were on the screen and are not marked
keys-accept-audit = take what is suggested; in the grid: for all that were on the screen and are not marked
keys-keep = keep the catalogue's label
keys-keep-audit = keep the catalogue's label; in the grid: of the marked ones
keys-title = what the title says; in the grid: mark those whose title names another class
keys-alternatives = one of the other classes
keys-copies = also decide the other items with this picture, or not
keys-offer = see waiting items that look like the one you answered last
keys-alike = the class of similar items, where they agree
keys-master = only the category
keys-further = go to the further tags; Enter goes back to the item
keys-image = the next image of an item with several
keys-mark = in the grid: mark all that were on the screen; swap marked and unmarked
keys-zoom = the image in full size; again: twice as large, then back
keys-search = search all classes; ↓ chooses a rare one
keys-unusable = not a product, or an unusable image; in the grid: mark as wrong
keys-skip = skip
keys-flag = flag the item with a note, for a colleague
keys-propose = propose a class that is missing
keys-undo = undo the last key press, a skip included
keys-move = move; in the grid: Space or a click marks, with Shift all between
keys-this = this list
keys-on = Enable keyboard shortcuts

## The first page and the last

start-title = Overview
start-waiting = { $items ->
    [one] One item waits for you
   *[other] { NUMBER($items) } items wait for you
}
start-run = The model { $model } tagged { $items ->
    [one] one item
   *[other] { NUMBER($items) } items
} on { $date }. It was sure of { NUMBER($accepted) }. The others come to you, and some of the sure ones as a check.
start-audit = The catalogue was checked on { $date }. { $items ->
    [one] One label
   *[other] { NUMBER($items) } labels
} may be wrong.
start-takes = At your team’s pace of { NUMBER($perHour) } an hour, this takes one person { $time }.
start-no-pace = After the first 20 answers, this page says how long it will take.
minutes = about { NUMBER($minutes) } minutes
hours = about { $hours ->
    [one] one hour
   *[other] { NUMBER($hours) } hours
}
start-queue = Item by item
start-grid = Many at once, in the grid
start-why = Why they wait
start-why-hint = An item can wait for several reasons.
start-duplicates = { $groups ->
    [one] { NUMBER($groups) } group of duplicates is
   *[other] { NUMBER($groups) } groups of duplicates are
} still to be checked
start-summary = What was decided, and files to download
nav-summary = Summary
refit-first = After 50 answers the model learns from them, and items that it is then sure enough of leave the queue. Half of the questions are drawn at random: they show whether { $target } of what leaves is right.
refit-accepted = After { NUMBER($answers) } answers, { $items ->
    [one] { NUMBER($items) } item has
   *[other] { NUMBER($items) } items have
} left the queue: the model has learnt enough to be sure of them.
refit-checked = People checked { NUMBER($answers) } of what left, without seeing its new tag; { NUMBER($right) } of these tags were right.
refit-see = See them
refit-any-target = the target
refit-too_few_answers = No item has left the queue by what you taught the model: { NUMBER($needed) } answers about randomly drawn items are needed, and there are { NUMBER($drawn) }.
refit-not_precise_enough = After { NUMBER($answers) } answers, no item has left the queue by what you taught the model: they do not show that { $target } of any would be right.
refit-answered_already = After { NUMBER($answers) } answers, no item has left the queue by what you taught the model: people have answered most of what it is sure of.
refit-none_sure_enough = After { NUMBER($answers) } answers, the model is sure enough of none of the items that wait.
refit-nothing_waits = Nothing waits that the model could have taken over.
refit-not_in_index = The model cannot learn from your answers: the index has none of these items. Add this run to it with tagger index.
refit-failed = Learning from { NUMBER($answers) } answers failed; the terminal says why. It is tried again after 50 more.
summary-heading = { NUMBER($decided) } of { $items ->
    [one] one item is decided
   *[other] { NUMBER($items) } items are decided
}
summary-accepted = accepted
summary-corrected = corrected
summary-master_only = only the category
summary-unusable = unusable images
summary-waiting = waiting
summary-download = Download
summary-tags = Final tags
summary-tags-hint = A person’s tag, else the model’s if it was sure. The CSV is for your PIM’s import: it has only what is to be set, and comes as a ZIP where that takes several files. XLSX and Parquet have every item of the run.
summary-decisions = Decisions
summary-people = By person
summary-person = Person
summary-decided = Decided
summary-of-them-corrected = Of them corrected
summary-per-hour = Per hour of work
summary-corrections = Most frequent corrections
summary-model-said = The model said
summary-catalogue-said = The catalogue said
summary-people-said = You said
summary-items = Items
summary-classes = By class
summary-class = Class

## The quality check

check-what = What is it? Say so without the model’s tag, which is hidden here. The classes are in the order of the alphabet.
check-at-least = After { $answers ->
    [one] one answer
   *[other] { NUMBER($answers) } answers
}, at least { $lowest } of the accepted { $level ->
    [articleType] article types
   *[other] categories
} are right ({ $probability } sure).
check-contradictory = After { $answers ->
    [one] one answer
   *[other] { NUMBER($answers) } answers
}, nothing is certain about the { $level ->
    [articleType] article types
   *[other] categories
} ({ $probability } sure): earlier and later answers differ too much to be in random order.
check-held = { $items ->
    [one] One answer does
   *[other] { NUMBER($items) } answers do
} not count yet: an item before is skipped, or open with somebody.
check-shown = The target of { $target } is shown.
check-lost = The target of { $target } is lost: at most { $highest } are right.
check-open = If it goes on like this, { $further ->
    [one] one more answer shows
   *[other] { NUMBER($further) } more answers show
} the target of { $target }.
check-too-small = To show the target of { $target } takes about { NUMBER($further) } more answers; the sample has only { NUMBER($waiting) }.
check-unlikely = As it is, the target of { $target } will not be shown.
check-settled = You can stop: further answers change nothing
check-settled-hint = { $items ->
    [one] One item of the sample waits.
   *[other] { NUMBER($items) } items of the sample wait.
}
check-more = Go on all the same
check-done = All of the sample is decided
check-none = This run has no quality sample. “tagger tag --qa-sample 0.05” draws one.
check-next = { $items ->
    [one] Check one item
   *[other] Check { NUMBER($items) } items
} that the model was sure of

## Proposed classes

proposals-title = Proposed classes
proposals-heading = { $items ->
    [0] No class is proposed
    [one] One class is proposed
   *[other] { NUMBER($items) } classes are proposed
}
proposals-hint = Their items wait here until somebody decides. An accepted class can be chosen from then on; the next model learns it if it has enough items.
proposals-lead = A lead decides.
proposals-of = { $items ->
    [one] One item
   *[other] { NUMBER($items) } items
}; { $who } was the first to propose it
proposals-item = Item with this proposal
proposals-accept = Accept the class
proposals-into = Merge { $name } into
proposals-merge = Merge into this class
proposals-decline = Back to the queue

## People

people = People
your-browsers = Your browsers
your-role = Your role here: { $role }.
person-name = Name (recorded with each decision)
person-role = Role
person-you = you
person-left = not in this review
role-lead = Lead
role-reviewer = Reviewer
role-reader = Reader
roles-hint = A reader sees everything and decides nothing. A reviewer decides. A lead also invites people, changes roles and ends sessions.
role-of = Role of { $name }
role-save = Change role
role-save-of = Change the role of { $name }
invite = Invite
invited = Send this link to { $name }:
invited-hint = It works once, within three days. It is not shown again.
link-new = New link
link-new-of = New link for { $name }
withdraw = Withdraw invitation
withdraw-of = Withdraw the invitation of { $name }
remove = Remove
remove-of = Remove { $name } from this review
invitation-until = Invited; the link works until { DATETIME($at, dateStyle: "medium", timeStyle: "short") } UTC.
invitation-ended = The last invitation was not used in time.
invitation-none = Has not come yet, and has no open invitation.
invitation-title = Your invitation to this review
invitation-hint = The link works once and in this browser: use the one that you want to work in.
invitation-begin = Begin as { $name }
invitation-expired = This invitation is too old. Ask a lead for a new link.
invitation-forged = This page did not make this invitation, or the link is incomplete. Copy the whole link, or ask a lead for a new one.
invitation-over = This invitation was used, withdrawn, or replaced by a newer one. Ask a lead for a new link.
pace-decisions = Decisions that stand
pace-speed = Pace
pace-corrected = Corrections
pace-interval = ({ $lowest } to { $highest })
pace-hint = Pace counts decisions that stand, over active time: breaks of more than two minutes are left out. Corrections are shares of the decisions about tags, with 95% confidence intervals.
browser-unknown = Unknown browser
browser-this = this browser
browser-seen = last seen { DATETIME($at, dateStyle: "medium", timeStyle: "short") } UTC
browser-open = { $items ->
    [one] One item open
   *[other] { NUMBER($items) } items open
}
browser-since = since { DATETIME($at, timeStyle: "short") } UTC
browser-end = End session
browser-end-of = End the session of { $name } in { $browser }
browser-none = Signed in nowhere
reader-banner = You can look, but not decide: you are a reader here. A lead can change that.
error-reader = Readers cannot decide. Ask a lead to make you a reviewer.
error-language = This page has no language “{ $language }”.
people-not_lead = Only a lead can do that.
people-unknown = { $name } is not in this review.
people-taken = { $name } is in this review already. Use that spelling, or another name.
people-changed = Someone else has just changed the role of { $name }. Look at it, and try again.
people-last_lead = { $name } is the only lead. Make someone else a lead first, who has used the invitation.
people-no-session = There is no such session any more.

## Duplicates

nav-duplicates = Duplicates
duplicates-count = { NUMBER($answered) } of { $groups ->
    [one] one group
   *[other] { NUMBER($groups) } groups
} answered.
duplicates-conflicts = In { $groups ->
    [one] one group that is left
   *[other] { NUMBER($groups) } groups that are left
}, labels differ; these come first.
duplicates-question = Do these { NUMBER($items) } items show one picture?
duplicates-differ = Their labels in the catalogue differ.
duplicates-mark = Mark the items that do not belong (click, or arrow keys and Space). The others then count as one picture.
duplicates-apart = { $name }: does not belong
duplicates-yes = Yes, one picture
duplicates-no = No, different pictures
duplicates-no-all = No, all are different
duplicates-representative = The group is compared with this one.
duplicates-exact = The same image file.
duplicates-near = Nearly the same image.
duplicates-mirrored = A mirror image.
duplicates-connected = Like another one in this group.
duplicates-distance = Layouts differ by { $distance }.
duplicates-no-label = No label
duplicates-elsewhere = Not in this review.
duplicates-saved-yes = Saved: one picture.
duplicates-saved-no = Saved: different pictures. They are no longer decided together.
duplicates-saved-apart = Saved: one picture, without the marked items.
duplicates-skipped = Skipped: it comes again at the end.
duplicates-undone = Undone.
duplicates-too-few = Leave at least two items unmarked, or answer No.
duplicates-unknown = There is no such group in this review.
duplicates-decided = { $who } has already answered this group. Here is the next one.
duplicates-decided-own = You have already answered this group. Undo it to answer it again.
duplicates-open = { $who } has this group open. Here is the next one.
duplicates-all-open = Colleagues have all remaining groups open
duplicates-done = { $groups ->
    [one] The only group is answered
   *[other] All { NUMBER($groups) } groups are answered
}
duplicates-none = This review has no groups of duplicates. It has them if it begins with “tagger review --duplicates”.
duplicates-keys = Duplicates: yes, one picture; no, different pictures
summary-duplicates = Duplicates ({ NUMBER($answered) } of { NUMBER($groups) } answered)

## Second answers

nav-second = Second answers
second-what = A colleague has decided this item. What do you say it is? Your answer changes nothing; it shows how well you agree.
second-none = Nothing waits for a second answer
second-saved = Saved. The first answer stands.
second-waiting = { $items ->
    [one] One decided item waits
   *[other] { NUMBER($items) } decided items wait
} for a second answer
agreement-title = Agreement
agreement-share = { NUMBER($agreed) } of { $items ->
    [one] one item
   *[other] { NUMBER($items) } items
} answered twice got the same answer.
agreement-kappa = Cohen’s kappa is { NUMBER($kappa, maximumFractionDigits: 2) } ({ NUMBER($lowest, maximumFractionDigits: 2) } to { NUMBER($highest, maximumFractionDigits: 2) }).
agreement-no-kappa = They are too few, or too much alike, for Cohen’s kappa.
agreement-hint = Kappa is agreement beyond chance: 1 if all agree, 0 if no more than by chance. The interval has 95% confidence.
