"""The words a simulated engine knows."""

from __future__ import annotations

OPENERS = ("Well", "Sure", "Here", "Indeed", "Certainly", "Perhaps", "Look", "Right")
"""Words an answer may begin with; each is one token."""

_WHOLE = """
a able about above across after again against all almost along already also although always among an and
another answer any are around as ask at away back be became because been before began behind being below best
better between big book both bring but by call came can capital carry case change city clear close cold come
could count country course cut dark day did different do does done door down draw during each early earth eat
else end enough even ever every example eye face fact fall far fast father few find fire first five follow
food foot for form found four friend from full game gave get give go good got great green ground group grow
had half hand hard has have he head hear help her here high him his hold home hot hour house how however
hundred idea if in into is it its just keep kind king knew know land large last late later learn leave left
less let letter life light like line list little live long look love low made make man many may mean measure
men might mile mind money moon more morning most mother mountain move much music must my name near need never
new next night no north not note nothing notice now number of off often old on once one only open or order
other our out over own page paper part pass people perhaps piece place plan plant play point power press
problem put question quick quite rain ran read real red remember rest right river road rock room round run
said same saw say school sea second see seem sentence serve set several she ship short should show side simple
since sing small so some song soon sound south spell stand star start state stay step still stop story strong
such sun sure table take talk teach tell ten than that the their them then there these they thing think this
those thought thousand three through time to today together told too took top toward town travel tree true try
turn two under until up upon us use usual very voice walk want war warm was watch water way we week well went
were what wheel when where which while white who whole why will wind with without wonder word work world would
write year yes yet you young your
"""

WHOLE = tuple(_WHOLE.split())
"""Words that are one token each when a blank stands before them."""

SPLIT = ("café", "naïve", "東京", "🙂", "Ωmega", "größe", "привет", "— ok —")
"""Words of several tokens whose characters may be split between tokens."""
